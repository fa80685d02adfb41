//! Pods held up by an init container: it fails again and again, or waits for something that does not come.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::analyser::connections::{Address, addresses, resolve};
use crate::analyser::draft::{draft, enumerate, parameters, pods_and_owners};
use crate::analyser::last_words::{LastWords, Says};
use crate::analyser::pods::{Container, Role, ago, containers, duration_text};
use crate::analyser::routing::is_live;
use crate::analyser::suspects::{RecentRollout, dependency};
use crate::analyser::{Observed, Signature};
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "init_container",
    title: "An init container fails, or waits for something that does not come, so that its pod never starts",
    detect,
}];

/// An end longer ago than this is history.
const RECENT: SignedDuration = SignedDuration::from_hours(2);
/// Init containers that run longer wait for something, unless they move data; see [`waits`].
const WAITING_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// Lines of a waiting container looked at from the end.
const LINES_MAX: usize = 40;

fn detect(observed: &Observed) -> Vec<Finding> {
    let pods = observed.of_kind("Pod").filter(|pod| is_live(pod) && pod.condition_status("Initialized") != Some("True"));
    let held_up = pods.filter_map(|pod| {
        let container = containers(pod).into_iter().find(|container| container.role == Role::Init && !is_done(container))?;
        Some((container, Cause::of(observed, &container)?))
    });
    let mut groups: Vec<(Cause, Vec<Container<'_>>)> = Vec::new();
    for (container, cause) in held_up {
        let root = observed.root_owner(container.pod);
        let known = groups.iter_mut().find(|(_, members)| {
            members.first().is_some_and(|first| first.name == container.name && observed.root_owner(first.pod) == root)
        });
        match known {
            Some((_, members)) => members.push(container),
            None => groups.push((cause, vec![container])),
        }
    }
    groups.into_iter().filter_map(|(cause, members)| finding(observed, cause, &members)).collect()
}

fn is_done(container: &Container<'_>) -> bool {
    container.terminated().is_some_and(|ended| ended.exit_code == 0)
}

/// Why an init container does not finish.
struct Cause {
    class: CauseClass,
    what: String,
    /// `None`: the workload itself.
    target: Option<ResourceRef>,
    strength: f64,
    evidence: Vec<Evidence>,
}

impl Cause {
    fn of(observed: &Observed, container: &Container<'_>) -> Option<Self> {
        fails(observed, container).or_else(|| waits(observed, container))
    }
}

fn fails(observed: &Observed, container: &Container<'_>) -> Option<Cause> {
    let ended = container.latest_termination().filter(|ended| ended.exit_code != 0 && ended.reason != "OOMKilled")?;
    if !observed.is_recent(ended.finished_at, RECENT) {
        return None;
    }
    let words = LastWords::of(observed, container, &ended);
    let said = words.as_ref().map_or_else(|| "its log does not tell why".to_owned(), LastWords::quote);
    let mut evidence = vec![
        Evidence::field(
            format!("ended {} with an error", ago(observed, ended.finished_at)),
            container.pod.reference(),
            format!("{}.exitCode", ended.path),
            ended.exit_code.to_string(),
        ),
        container.status_evidence("restartCount", "how often it was tried again"),
    ];
    evidence.extend(words.iter().flat_map(LastWords::evidence));
    let namespace = container.pod.namespace().unwrap_or_default();
    let class = match words.as_ref().map(|words| &words.says) {
        Some(Says::Dependency(_)) => CauseClass::DependencyUnavailable,
        _ => CauseClass::InitFailure,
    };
    let target = words.as_ref().and_then(|words| match &words.says {
        Says::Dependency(Some(address)) => dependency(observed, namespace, address),
        _ => None,
    });
    Some(Cause {
        class,
        what: format!("init container {} fails with exit {}: {said}", container.name, ended.exit_code),
        target,
        strength: if words.is_some() { 0.9 } else { 0.6 },
        evidence,
    })
}

/// It has run for long and what it says or is told names an address that leads nowhere or to nothing ready.
fn waits(observed: &Observed, container: &Container<'_>) -> Option<Cause> {
    let since = container.running_since().filter(|_| container.is_running())?;
    let age = observed.age(Some(since)).filter(|age| *age >= WAITING_AFTER)?;
    let namespace = container.pod.namespace().unwrap_or_default();
    let logs = observed.logs_of(container.pod).filter(|log| log.container == container.name && !log.previous);
    let said = logs.flat_map(|log| log.lines.iter().rev().take(LINES_MAX).map(move |line| (log, line)));
    let said = said.filter_map(|(log, line)| Some((addresses(&line.text).into_iter().next()?, log.evidence(line, "what it says while it waits"))));
    let (address, place) = said.chain(told(container)).find(|(address, _)| in_cluster(address))?;
    let target = dependency(observed, namespace, &address);
    let missing = resolve(observed, namespace, &address.host).is_none();
    let why = if missing { format!("there is no Service {}", address.host) } else { format!("{} does not answer", address.host) };
    let path = "state.running.startedAt";
    let started = container.status_evidence(path, format!("it runs for {} without an end", duration_text(age)));
    let mut evidence = vec![started, place];
    if missing {
        let wanted = ResourceRef::namespaced("Service", namespace, address.host.split('.').next().unwrap_or_default());
        evidence.push(Evidence::absent("what it waits for", wanted, "no Service of this name"));
    }
    Some(Cause {
        class: CauseClass::DependencyUnavailable,
        what: format!("init container {} waits for {} since {}: {why}", container.name, address.host, duration_text(age)),
        target,
        strength: if missing { 0.85 } else { 0.7 },
        evidence,
    })
}

/// Names without a dot, or of the cluster's own domain.
fn in_cluster(address: &Address) -> bool {
    !address.host.contains('.') || address.host.contains(".svc")
}

/// Addresses in the container's own command, such as `until nc -z db 5432`.
fn told(container: &Container<'_>) -> Vec<(Address, Evidence)> {
    let words = |member: &'static str| {
        let list = container.spec_at(member).and_then(Value::as_array).into_iter().flatten();
        let text: Vec<&str> = list.filter_map(Value::as_str).collect();
        (member, text.join(" "))
    };
    let mut found = Vec::new();
    for (member, text) in [words("command"), words("args")] {
        let tokens: Vec<&str> = text.split(|c: char| c.is_whitespace() || matches!(c, ';' | '"' | '\'')).collect();
        let after = |word: &str| {
            let position = tokens.iter().position(|token| *token == word)?;
            tokens.iter().skip(position + 1).find(|token| !token.is_empty() && !token.starts_with('-')).copied()
        };
        let named = ["nc", "nslookup", "pg_isready", "getent", "ping"].into_iter().filter_map(after);
        let named = named.map(|host| Address { host: host.to_ascii_lowercase(), port: None });
        let all = addresses(&text).into_iter().chain(named.filter(|address| address.host != "hosts"));
        found.extend(all.map(|address| (address, container.spec_evidence(member, "what it is told to wait for"))));
    }
    found
}

fn finding(observed: &Observed, cause: Cause, members: &[Container<'_>]) -> Option<Finding> {
    let first = members.first()?;
    let root = observed.root_owner(first.pod);
    let own = cause.target.as_ref().is_none_or(|target| target.same_object(&root));
    let rollout = RecentRollout::behind(observed, first.pod).filter(|_| own && cause.class == CauseClass::InitFailure);
    let mut names: Vec<&str> = members.iter().map(|container| container.pod.name()).collect();
    names.sort_unstable();
    let blamed = rollout.as_ref().map_or_else(String::new, |rollout| format!("; since {}", rollout.what));
    let mut evidence = cause.evidence;
    evidence.extend(rollout.iter().flat_map(|rollout| rollout.evidence.clone()));
    let pods: Vec<&Object> = members.iter().map(|container| container.pod).collect();
    Some(Finding {
        summary: format!("{root} cannot start: {}{blamed}", cause.what),
        affects: pods_and_owners(observed, pods),
        action_type: rollout.as_ref().map(|_| "RollbackDeployment".to_owned()),
        parameters: parameters(rollout.as_ref().map(|rollout| ("ROLLBACK_TO_REVISION", json!(rollout.previous)))),
        causal_chain: vec![
            format!("{}{blamed}", cause.what),
            format!("the main containers of {} are never started", enumerate(&names, 3)),
        ],
        evidence,
        strength: cause.strength,
        disposition: if rollout.is_some() { Disposition::Act } else { Disposition::Escalate },
        ..draft("init_container", cause.class, &first.pod.reference(), cause.target.unwrap_or(root))
    })
}

#[cfg(test)]
mod tests;
