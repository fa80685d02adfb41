//! What a Pod's spec and status say about its containers, read once for every family.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Observed;
use crate::domain::object::{at, text};
use crate::domain::quantities::Quantity;
use crate::domain::{Evidence, Object};

/// What a container of a pod is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next one starts.
    Init,
    /// An init container with `restartPolicy: Always`: starts early and keeps running.
    Sidecar,
    Main,
}

/// One container: its spec and its status, either of which may be missing.
#[derive(Debug, Clone, Copy)]
pub struct Container<'a> {
    pub pod: &'a Object,
    pub name: &'a str,
    pub role: Role,
    pub spec: Option<&'a Value>,
    pub status: Option<&'a Value>,
}

/// Why a container does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting<'a> {
    pub reason: &'a str,
    pub message: &'a str,
}

/// How a container instance ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Termination<'a> {
    pub reason: &'a str,
    pub exit_code: i64,
    pub message: &'a str,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Where it stands in the Pod: `status.containerStatuses[name=web].lastState.terminated`.
    pub path: String,
}

impl Termination<'_> {
    /// How long the instance lived.
    pub fn ran_for(&self) -> Option<SignedDuration> {
        Some(self.finished_at?.duration_since(self.started_at?)).filter(|time| !time.is_negative())
    }
}

/// Containers of a pod: init containers first, each list in the order of the spec. Without a spec (which real Pods
/// always have) the statuses stand in.
pub fn containers(pod: &Object) -> Vec<Container<'_>> {
    let mut found = Vec::new();
    for (specs, statuses, is_init) in [
        ("spec.initContainers", "status.initContainerStatuses", true),
        ("spec.containers", "status.containerStatuses", false),
    ] {
        let status = |name: &str| pod.list_at(statuses).find(|status| text(status, "name") == name);
        found.extend(pod.list_at(specs).map(|spec| {
            let role = match (is_init, text(spec, "restartPolicy")) {
                (false, _) => Role::Main,
                (true, "Always") => Role::Sidecar,
                (true, _) => Role::Init,
            };
            let name = text(spec, "name");
            Container { pod, name, role, spec: Some(spec), status: status(name) }
        }));
    }
    if found.is_empty() {
        found.extend(pod.list_at("status.containerStatuses").map(|status| Container {
            pod,
            name: text(status, "name"),
            role: Role::Main,
            spec: None,
            status: Some(status),
        }));
    }
    found
}

/// Containers that are meant to keep running: main containers and sidecars.
pub fn running_containers(pod: &Object) -> impl Iterator<Item = Container<'_>> {
    containers(pod).into_iter().filter(|container| container.role != Role::Init)
}

impl<'a> Container<'a> {
    /// Path of this container in the Pod's status.
    pub fn status_path(&self) -> String {
        let list = if self.role == Role::Main { "containerStatuses" } else { "initContainerStatuses" };
        format!("status.{list}[name={}]", self.name)
    }

    /// Path of this container in the Pod's spec.
    pub fn spec_path(&self) -> String {
        let list = if self.role == Role::Main { "containers" } else { "initContainers" };
        format!("spec.{list}[name={}]", self.name)
    }

    pub fn image(&self) -> &'a str {
        let of = |value: Option<&'a Value>| value.map(|value| text(value, "image")).filter(|image| !image.is_empty());
        of(self.spec).or_else(|| of(self.status)).unwrap_or_default()
    }

    pub fn restart_count(&self) -> u64 {
        self.status.and_then(|status| at(status, "restartCount")).and_then(Value::as_u64).unwrap_or_default()
    }

    pub fn is_ready(&self) -> bool {
        self.status.and_then(|status| at(status, "ready")).and_then(Value::as_bool).unwrap_or_default()
    }

    /// Start of the running instance; `None` when it does not run.
    pub fn running_since(&self) -> Option<Timestamp> {
        at(self.status?, "state.running.startedAt").and_then(Value::as_str).and_then(|time| time.parse().ok())
    }

    pub fn is_running(&self) -> bool {
        self.status.is_some_and(|status| at(status, "state.running").is_some())
    }

    pub fn waiting(&self) -> Option<Waiting<'a>> {
        let waiting = at(self.status?, "state.waiting")?;
        Some(Waiting { reason: text(waiting, "reason"), message: text(waiting, "message") })
    }

    pub fn waits_for(&self, reasons: &[&str]) -> Option<Waiting<'a>> {
        self.waiting().filter(|waiting| reasons.contains(&waiting.reason))
    }

    /// The end of the current instance.
    pub fn terminated(&self) -> Option<Termination<'a>> {
        self.termination("state")
    }

    /// The end of the instance before.
    pub fn last_terminated(&self) -> Option<Termination<'a>> {
        self.termination("lastState")
    }

    /// The newest end of an instance that is known.
    pub fn latest_termination(&self) -> Option<Termination<'a>> {
        self.terminated().or_else(|| self.last_terminated())
    }

    fn termination(&self, state: &str) -> Option<Termination<'a>> {
        let ended =
            at(self.status?, state).and_then(|state| state.get("terminated")).filter(|ended| ended.is_object())?;
        let time = |name: &str| text(ended, name).parse().ok();
        Some(Termination {
            reason: text(ended, "reason"),
            exit_code: ended.get("exitCode").and_then(Value::as_i64).unwrap_or_default(),
            message: text(ended, "message"),
            started_at: time("startedAt"),
            finished_at: time("finishedAt"),
            path: format!("{}.{state}.terminated", self.status_path()),
        })
    }

    /// Value at a dotted path of the container's spec.
    pub fn spec_at(&self, path: &str) -> Option<&'a Value> {
        at(self.spec?, path)
    }

    /// `resources.limits.<resource>`.
    pub fn limit(&self, resource: &str) -> Option<Quantity> {
        self.spec_at("resources.limits").and_then(|limits| limits.get(resource)).and_then(Quantity::read)
    }

    /// `resources.requests.<resource>`, which defaults to the limit.
    pub fn request(&self, resource: &str) -> Option<Quantity> {
        let requests = self.spec_at("resources.requests").and_then(|requests| requests.get(resource));
        requests.and_then(Quantity::read).or_else(|| self.limit(resource))
    }

    /// Evidence that quotes a member of this container's status, such as `restartCount`.
    pub fn status_evidence(&self, member: &str, claim: impl Into<String>) -> Evidence {
        super::draft::field_evidence(self.pod, &format!("{}.{member}", self.status_path()), claim)
    }

    /// Evidence that quotes a member of this container's spec, such as `resources.limits.memory`.
    pub fn spec_evidence(&self, member: &str, claim: impl Into<String>) -> Evidence {
        super::draft::field_evidence(self.pod, &format!("{}.{member}", self.spec_path()), claim)
    }
}

/// How a pod is doing at the moment of the snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Ready, and long enough after the last crash to be trusted.
    Stable,
    /// Ready now, but the last crash is too recent to trust it.
    Shaky,
    /// Not ready yet and still younger than [`STARTUP_GRACE`].
    Starting,
    /// Not ready although it should be.
    Broken,
    /// Ran to its end without error.
    Succeeded,
    /// Ended with an error, evicted ones included. It will not run again.
    Failed,
    Terminating,
}

/// A pod younger than this that is not ready is starting, not broken (unless a container already failed).
pub const STARTUP_GRACE: SignedDuration = SignedDuration::from_secs(60);
/// A crashed container is trusted again at the earliest after running this long.
pub const STABLE_AFTER_MIN: SignedDuration = SignedDuration::from_mins(15);
/// A crashed container is trusted again at the latest after running this long.
pub const STABLE_AFTER_MAX: SignedDuration = SignedDuration::from_hours(2);

/// Judges a pod by its present state; restarts count by their time, not by their number.
pub fn health(observed: &Observed, pod: &Object) -> Health {
    match pod.str_at("status.phase") {
        Some("Succeeded") => return Health::Succeeded,
        Some("Failed") => return Health::Failed,
        _ if pod.is_terminating() => return Health::Terminating,
        _ => {}
    }
    let all = containers(pod);
    let ready = pod.condition_status("Ready") == Some("True")
        && all.iter().filter(|container| container.role == Role::Main).all(Container::is_ready);
    if ready {
        let stable = all.iter().filter(|container| container.role != Role::Init);
        let stable = stable.into_iter().all(|container| is_stable(observed, container));
        return if stable { Health::Stable } else { Health::Shaky };
    }
    let young = observed.is_recent(pod.created_at(), STARTUP_GRACE);
    let failed = all.iter().any(|container| has_failed(container));
    if young && !failed { Health::Starting } else { Health::Broken }
}

/// Whether a container already shows a failure, whatever the pod's age.
pub fn has_failed(container: &Container<'_>) -> bool {
    let waits = container.waiting().is_some_and(|waiting| !HARMLESS_WAITING.contains(&waiting.reason));
    let ended = container.terminated().is_some_and(|ended| ended.exit_code != 0 || container.role == Role::Main);
    waits || ended || container.restart_count() > 0
}

const HARMLESS_WAITING: &[&str] = &["ContainerCreating", "PodInitializing", ""];

/// A running container is stable when it never crashed, or has by now run clearly longer than the instance that
/// crashed: twice as long, at least [`STABLE_AFTER_MIN`], at most [`STABLE_AFTER_MAX`].
pub fn is_stable(observed: &Observed, container: &Container<'_>) -> bool {
    if !container.is_running() {
        return false;
    }
    let Some(last) = container.last_terminated() else { return true };
    let needed = last.ran_for().unwrap_or_default().saturating_mul(2).clamp(STABLE_AFTER_MIN, STABLE_AFTER_MAX);
    match observed.age(container.running_since()) {
        Some(age) => age >= needed,
        None => false,
    }
}

/// Pods that are neither stable nor finished well, from a list.
pub fn unwell<'a>(observed: &Observed, pods: &[&'a Object]) -> Vec<&'a Object> {
    let unwell = |pod: &&&Object| matches!(health(observed, pod), Health::Broken | Health::Shaky | Health::Failed);
    pods.iter().filter(unwell).copied().collect()
}

/// `3 s`, `12 min`, `5 h 20 min`, `3 d 4 h`: a duration for people, never negative.
pub fn duration_text(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let pair = |large: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {small_unit}"),
    };
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{minutes} min"),
        7_200..172_800 => pair(hours, "h", minutes % 60, "min"),
        _ => pair(days, "d", hours % 24, "h"),
    }
}

/// `5 min ago`, or `at an unknown time`.
pub fn ago(observed: &Observed, time: Option<Timestamp>) -> impl fmt::Display {
    observed.age(time).map_or_else(|| "at an unknown time".to_owned(), |age| format!("{} ago", duration_text(age)))
}

#[cfg(test)]
mod tests;
