//! Lines of all instances of a pod's containers as one story: read together, ordered by time.

use futures_util::future::join_all;
use jiff::Timestamp;

use super::pattern::Pattern;
use crate::cluster::{Cluster, ClusterError, LogLine, LogQuery};
use crate::domain::{Object, ResourceRef};
use crate::tools::kubernetes::{Fault, containers, not_found};

/// One instance of one container of which a log was wanted.
#[derive(Debug)]
pub(super) struct Instance {
    /// Empty for the container meant when none is named.
    container: String,
    previous: bool,
    read: Result<Vec<LogLine>, ClusterError>,
    /// Older lines exist that were not read.
    truncated: bool,
}

/// A line and where it comes from.
#[derive(Debug)]
pub(super) struct StoryLine {
    container: String,
    previous: bool,
    pub(super) time: Option<Timestamp>,
    text: String,
}

/// What was read of a pod's logs.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) lines: Vec<StoryLine>,
    pub(super) truncated: bool,
    /// Containers of which nothing could be read and why.
    pub(super) silent: Vec<String>,
}

/// What to read.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) pod: &'a str,
    pub(super) namespace: &'a str,
    /// Names of containers; `None` = the one meant when none is named.
    pub(super) containers: Vec<Option<String>>,
    /// `false` = the current instance.
    pub(super) instances: &'a [bool],
    pub(super) tail_lines: Option<u32>,
    pub(super) since: Option<Timestamp>,
}

/// The pod; `None` when only its logs may be there (it is gone from a recording).
///
/// # Errors
/// Anything but a missing pod.
pub(super) async fn pod(cluster: &dyn Cluster, namespace: &str, name: &str) -> Result<Option<Object>, Fault> {
    let reference = ResourceRef::namespaced("Pod", namespace, name).with_api_version("v1");
    match cluster.get(&reference).await {
        Ok(pod) => Ok(Some((*pod).clone())),
        Err(ClusterError::NotFound(_)) => Ok(None),
        // Logs may be allowed where objects are not.
        Err(ClusterError::Forbidden(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Every container of the pod, else the unnamed one.
pub(super) fn all_containers(pod: Option<&Object>) -> Vec<Option<String>> {
    let named: Vec<Option<String>> =
        pod.map(containers).unwrap_or_default().iter().map(|c| Some(c.name.to_owned())).collect();
    if named.is_empty() { vec![None] } else { named }
}

/// Reads all wanted instances concurrently.
///
/// # Errors
/// When no instance could be read: the error of a current one.
pub(super) async fn read(cluster: &dyn Cluster, wanted: &Wanted<'_>, pod: Option<&Object>) -> Result<Story, Fault> {
    let reads = wanted.containers.iter().flat_map(|container| {
        wanted.instances.iter().map(move |previous| read_one(cluster, wanted, container.clone(), *previous))
    });
    let mut instances = join_all(reads).await;
    drop_repetitions(&mut instances);
    if instances.iter().all(|instance| instance.read.is_err()) {
        return Err(nothing_read(cluster, wanted, &instances, pod).await);
    }
    Ok(told(instances, pod, cluster.now()))
}

async fn read_one(cluster: &dyn Cluster, wanted: &Wanted<'_>, container: Option<String>, previous: bool) -> Instance {
    let query = LogQuery {
        namespace: wanted.namespace.to_owned(),
        pod: wanted.pod.to_owned(),
        container: container.clone(),
        previous,
        tail_lines: wanted.tail_lines,
        since: wanted.since,
    };
    match cluster.logs(&query).await {
        Ok(log) => Instance { container: log.container, previous, read: Ok(log.lines), truncated: log.truncated },
        Err(error) => {
            Instance { container: container.unwrap_or_default(), previous, read: Err(error), truncated: false }
        }
    }
}

/// While a container waits for its next start, both its logs are that of the instance that ended last: one goes.
fn drop_repetitions(instances: &mut Vec<Instance>) {
    let lines = |instance: &Instance| (instance.container.clone(), instance.read.as_ref().ok().cloned());
    let before: Vec<_> = instances.iter().filter(|instance| instance.previous).map(lines).collect();
    instances.retain(|instance| instance.previous || instance.read.is_err() || !before.contains(&lines(instance)));
}

async fn nothing_read(
    cluster: &dyn Cluster,
    wanted: &Wanted<'_>,
    instances: &[Instance],
    pod: Option<&Object>,
) -> Fault {
    let errors = || instances.iter().filter_map(|instance| Some((instance, instance.read.as_ref().err()?)));
    let telling = errors().find(|(_, error)| !matches!(error, ClusterError::NotFound(_)));
    let current = telling.or_else(|| errors().find(|(instance, _)| !instance.previous)).or_else(|| errors().next());
    let Some((instance, error)) = current else { return Fault("no log was asked for".to_owned()) };
    match (error, pod) {
        (ClusterError::NotFound(_), None) => {
            let reference = ResourceRef::namespaced("Pod", wanted.namespace, wanted.pod).with_api_version("v1");
            match cluster.resolve_kind("Pod", Some("v1")).await {
                Ok(kind) => not_found(cluster, &reference.to_string(), &kind, &reference).await,
                Err(error) => error.into(),
            }
        }
        (ClusterError::NotFound(what), Some(pod)) => {
            let states: Vec<String> = containers(pod)
                .iter()
                .filter(|container| {
                    instance.container.is_empty() || container.name == instance.container || instances.len() > 2
                })
                .map(|container| format!("{}: {}", container.name, container.state(cluster.now())))
                .collect();
            let known: Vec<&str> = containers(pod).iter().map(|container| container.name).collect();
            let why = if states.is_empty() {
                format!("the pod has the containers {}", known.join(", "))
            } else {
                format!("container states: {}; kubectl_events of the pod tells why nothing started", states.join("; "))
            };
            Fault(format!("{what} not found; {why}"))
        }
        (error, _) => error.clone().into(),
    }
}

/// Orders lines by time, stably; a line without a time stays behind the one above it. A missing previous instance is no
/// news.
fn told(instances: Vec<Instance>, pod: Option<&Object>, now: Timestamp) -> Story {
    let has_lines = |name: &str| instances.iter().any(|i| i.container == name && i.read.is_ok());
    let mut silent = Vec::new();
    for instance in instances.iter().filter(|instance| !instance.previous && !has_lines(&instance.container)) {
        let Some(error) = instance.read.as_ref().err() else { continue };
        let state = pod.map(containers).unwrap_or_default();
        let state = state.iter().find(|container| container.name == instance.container);
        let why = match (error, state) {
            (ClusterError::NotFound(_), Some(container)) => container.state(now),
            _ => error.to_string(),
        };
        silent.push(format!("{} ({why})", instance.container));
    }
    let truncated = instances.iter().any(|instance| instance.truncated);
    let mut keyed: Vec<(Option<Timestamp>, StoryLine)> = Vec::new();
    // The instance before comes first where times do not tell.
    let (before, current): (Vec<Instance>, Vec<Instance>) =
        instances.into_iter().partition(|instance| instance.previous);
    for instance in before.into_iter().chain(current) {
        let lines = instance.read.unwrap_or_default();
        let mut order = lines.iter().find_map(|line| line.time);
        for line in lines {
            order = line.time.or(order);
            let container = instance.container.clone();
            keyed.push((order, StoryLine { container, previous: instance.previous, time: line.time, text: line.text }));
        }
    }
    keyed.sort_by_key(|(order, _)| *order);
    Story { lines: keyed.into_iter().map(|(_, line)| line).collect(), truncated, silent }
}

/// How many lines were left at each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) total: usize,
    pub(super) included: usize,
    pub(super) remaining: usize,
    pub(super) shown: usize,
}

impl Story {
    /// Drops lines after `end`; a line without a time shares the fate of the one above it.
    pub(super) fn end_at(&mut self, end: Timestamp) {
        let mut keeping = true;
        self.lines.retain(|line| {
            keeping = line.time.map_or(keeping, |time| time <= end);
            keeping
        });
    }

    /// Applies the filters, then keeps the newest `limit` lines.
    pub(super) fn narrow(&mut self, include: Option<&Pattern>, exclude: Option<&Pattern>, limit: usize) -> Counts {
        let total = self.lines.len();
        self.lines.retain(|line| include.is_none_or(|pattern| pattern.matches(&line.text)));
        let included = self.lines.len();
        self.lines.retain(|line| !exclude.is_some_and(|pattern| pattern.matches(&line.text)));
        let remaining = self.lines.len();
        self.lines.drain(..remaining.saturating_sub(limit));
        Counts { total, included, remaining, shown: self.lines.len() }
    }

    /// Oldest and newest time shown.
    pub(super) fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let times = || self.lines.iter().filter_map(|line| line.time);
        times().min().zip(times().max())
    }

    /// As text: `[container previous]` in front where it is not the same for all, and the time where the line has none.
    pub(super) fn texts(&self) -> Vec<String> {
        let container = self.all_same(|line| line.container.as_str());
        let previous = self.all_same(|line| line.previous);
        self.lines.iter().map(|line| line.shown(container.is_none(), previous.is_none())).collect()
    }

    /// What holds for all lines and so does not stand before each.
    pub(super) fn header(&self) -> String {
        let is_previous = self.all_same(|line| line.previous) == Some(true);
        if is_previous { "instance before the last restart:".to_owned() } else { String::new() }
    }

    fn all_same<'a, T: PartialEq>(&'a self, of: impl Fn(&'a StoryLine) -> T) -> Option<T> {
        let first = of(self.lines.first()?);
        self.lines.iter().all(|line| of(line) == first).then_some(first)
    }
}

impl StoryLine {
    fn shown(&self, with_container: bool, with_instance: bool) -> String {
        let words = [(with_container, self.container.as_str()), (with_instance && self.previous, "previous")];
        let words: Vec<&str> = words.iter().filter(|(is_shown, _)| *is_shown).map(|(_, word)| *word).collect();
        let origin = if words.is_empty() { String::new() } else { format!("[{}] ", words.join(" ")) };
        let time = self.time.filter(|_| !says_its_time(&self.text));
        let time = time.map(|time| format!("{} ", time.strftime("%Y-%m-%dT%H:%M:%SZ"))).unwrap_or_default();
        format!("{origin}{time}{}", printable(&self.text))
    }
}

/// Whether the beginning of a line holds a time of day (`10:00:00`).
fn says_its_time(text: &str) -> bool {
    const LOOKED_AT_BYTES: usize = 120;
    let bytes = text.as_bytes().get(..LOOKED_AT_BYTES).unwrap_or(text.as_bytes());
    bytes.windows(8).any(|window| {
        window
            .iter()
            .enumerate()
            .all(|(at, byte)| if at == 2 || at == 5 { *byte == b':' } else { byte.is_ascii_digit() })
    })
}

/// Binary content is replaced by its size; colours and other control characters go.
fn printable(text: &str) -> String {
    let odd = text
        .chars()
        .filter(|c| *c == char::REPLACEMENT_CHARACTER || (c.is_control() && !matches!(c, '\t' | '\u{1b}')))
        .count();
    if odd * 4 > text.chars().count() {
        return format!("({} bytes of binary data)", text.len());
    }
    let mut kept = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            // `ESC [ … letter`: a colour.
            '\u{1b}' => _ = letters.by_ref().skip_while(|c| *c == '[').find(char::is_ascii_alphabetic),
            '\t' => kept.push(letter),
            letter if letter.is_control() => {}
            letter => kept.push(letter),
        }
    }
    kept
}

#[cfg(test)]
mod tests;
