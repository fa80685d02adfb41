//! Containers the kernel kills for want of memory: a limit that is too small, memory that leaks, or no limit at all.

mod usage;

use jiff::SignedDuration;
use serde_json::json;

use crate::analyser::draft::{draft, enumerate, parameters, pods_and_owners};
use crate::analyser::pods::{Container, Termination, ago, containers, duration_text, is_stable};
use crate::domain::quantities::Quantity;
use crate::analyser::rollouts::History;
use crate::analyser::routing::is_live;
use crate::analyser::{Observed, Signature};
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object};
use usage::Usage;

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "oom_kill",
    title: "A container is killed for want of memory: its limit is too small, it leaks, or its node ran out",
    detect,
}];

/// A kill longer ago than this is history, whatever became of the container.
const RECENT: SignedDuration = SignedDuration::from_hours(6);
/// A revision younger than this is suspected of a leak; an older one has proven itself.
const NEW_REVISION: SignedDuration = SignedDuration::from_hours(48);

fn detect(observed: &Observed) -> Vec<Finding> {
    let pods = observed.of_kind("Pod").filter(|pod| is_live(pod));
    let kills = pods.flat_map(|pod| containers(pod).into_iter().filter_map(|container| Kill::of(observed, container)));
    let mut groups: Vec<Vec<Kill<'_>>> = Vec::new();
    for kill in kills {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| first.is_same(observed, &kill))) {
            Some(group) => group.push(kill),
            None => groups.push(vec![kill]),
        }
    }
    groups.iter().filter_map(|group| finding(observed, group)).collect()
}

/// The newest end of a container that was killed and has not recovered since.
struct Kill<'a> {
    container: Container<'a>,
    ended: Termination<'a>,
}

impl<'a> Kill<'a> {
    fn of(observed: &Observed, container: Container<'a>) -> Option<Self> {
        let ended = container.latest_termination().filter(|ended| ended.reason == "OOMKilled")?;
        let now = observed.is_recent(ended.finished_at, RECENT) && !is_stable(observed, &container);
        now.then_some(Self { container, ended })
    }

    fn pod(&self) -> &'a Object {
        self.container.pod
    }

    fn is_same(&self, observed: &Observed, other: &Self) -> bool {
        self.container.name == other.container.name
            && observed.root_owner(self.pod()) == observed.root_owner(other.pod())
    }

    fn evidence(&self, observed: &Observed) -> Vec<Evidence> {
        let lived = self.ended.ran_for().map_or_else(String::new, |lived| format!(", {} after its start", duration_text(lived)));
        let claim = format!("killed for want of memory {}{lived}", ago(observed, self.ended.finished_at));
        let path = format!("{}.reason", self.ended.path);
        vec![
            Evidence::field(claim, self.pod().reference(), path, self.ended.reason),
            self.container.status_evidence("restartCount", "how often it was started again"),
        ]
    }
}

fn finding(observed: &Observed, group: &[Kill<'_>]) -> Option<Finding> {
    let worst = group.iter().max_by_key(|kill| (kill.container.restart_count(), kill.ended.finished_at))?;
    let limit = worst.container.limit("memory").filter(|limit| !limit.is_zero());
    let usage = Usage::of(observed, &worst.container);
    let diagnosis = match (limit, usage) {
        (Some(limit), Some(usage)) if usage.leaks(limit) => leak(observed, worst, limit, &usage),
        (Some(limit), usage) => too_small(observed, worst, limit, usage.as_ref()),
        (None, _) => no_limit(worst),
    };
    let root = observed.root_owner(worst.pod());
    let mut names: Vec<&str> = group.iter().map(|kill| kill.pod().name()).collect();
    names.sort_unstable();
    let restarts: u64 = group.iter().map(|kill| kill.container.restart_count()).sum();
    let mut evidence = worst.evidence(observed);
    evidence.extend(diagnosis.evidence);
    Some(Finding {
        summary: format!("Container {} of {root} is OOMKilled: {}", worst.container.name, diagnosis.why),
        affects: pods_and_owners(observed, group.iter().map(Kill::pod)),
        action_type: diagnosis.action_type.map(str::to_owned),
        parameters: parameters(diagnosis.hints),
        causal_chain: vec![
            diagnosis.why,
            format!("the kernel kills container {} (OOMKilled, exit {})", worst.container.name, worst.ended.exit_code),
            format!("{} restarted {restarts} times in all", enumerate(&names, 3)),
        ],
        evidence,
        strength: diagnosis.strength,
        disposition: if diagnosis.action_type.is_some() { Disposition::Act } else { Disposition::Escalate },
        ..draft("oom_kill", diagnosis.cause_class, &worst.pod().reference(), root)
    })
}

/// Why there was too little memory, and what to do about it.
struct Diagnosis {
    cause_class: CauseClass,
    why: String,
    action_type: Option<&'static str>,
    hints: Vec<(&'static str, serde_json::Value)>,
    evidence: Vec<Evidence>,
    strength: f64,
}

/// The program needs more than it may have. A limit that a rollout lowered goes back to what it was.
fn too_small(observed: &Observed, kill: &Kill<'_>, limit: Quantity, usage: Option<&Usage<'_>>) -> Diagnosis {
    let container = &kill.container;
    let mut evidence = vec![container.spec_evidence("resources.limits.memory", "the limit")];
    evidence.extend(usage.map(|usage| usage.evidence(limit)));
    let lowered = lowered_from(observed, container, limit);
    let mut why = format!("its memory limit of {} is too small", limit.bytes());
    let mut wanted = limit.times(2).familiar_bytes();
    if let Some((before, change)) = lowered {
        why.push_str(&format!(" (it was {} before the last rollout)", before.bytes()));
        wanted = wanted.max(before);
        evidence.push(change);
    }
    Diagnosis {
        cause_class: CauseClass::MemoryLimit,
        why,
        action_type: Some("IncreaseMemoryLimits"),
        hints: vec![("CONTAINER_NAME", json!(container.name)), ("MEMORY_LIMIT_NEW", json!(wanted.bytes()))],
        evidence,
        strength: 0.95,
    }
}

/// The limit of the revision before, when the newest one lowered it.
fn lowered_from(observed: &Observed, container: &Container<'_>, limit: Quantity) -> Option<(Quantity, Evidence)> {
    let history = History::above(observed, container.pod)?;
    let path = format!("containers[name={}].resources.limits.memory", container.name);
    let change = history.changes().into_iter().find(|change| change.path.ends_with(&path))?;
    let before = Quantity::parse(change.before.trim_matches('"'))?;
    let evidence = history.change_evidence(&change, "the last rollout lowered the limit")?;
    (before > limit).then_some((before, evidence))
}

/// A higher limit only delays the end of a program that never gives memory back.
fn leak(observed: &Observed, kill: &Kill<'_>, limit: Quantity, usage: &Usage<'_>) -> Diagnosis {
    let container = &kill.container;
    let history = History::above(observed, kill.pod());
    let fresh = history.as_ref().and_then(|history| {
        let current = history.current().filter(|current| observed.is_recent(current.started_at, NEW_REVISION))?;
        history.previous().map(|_| current)
    });
    let mut evidence = vec![
        container.spec_evidence("resources.limits.memory", "the limit"),
        usage.evidence(limit),
    ];
    let mut why = format!("its memory grows steadily, from {} to {}, until the limit of {}", usage.first(), usage.peak(), limit.bytes());
    if let Some(current) = fresh {
        why.push_str(&format!("; revision {} runs since {}", current.number, ago(observed, current.started_at)));
        let image = history.as_ref().and_then(|history| {
            let change = history.changes().into_iter().find(|change| change.path.ends_with(".image"))?;
            history.change_evidence(&change, "changed by the newest revision")
        });
        evidence.extend(image);
    }
    Diagnosis {
        cause_class: CauseClass::MemoryLeak,
        why,
        action_type: fresh.map(|_| "RollbackDeployment"),
        hints: Vec::new(),
        evidence,
        strength: 0.85,
    }
}

/// Without a limit it was the node that ran out; which of its pods has to give is for a person to say.
fn no_limit(kill: &Kill<'_>) -> Diagnosis {
    Diagnosis {
        cause_class: CauseClass::NodePressure,
        why: format!(
            "it has no memory limit and its node {} ran out of memory",
            kill.pod().str_at("spec.nodeName").unwrap_or("(unknown)")
        ),
        action_type: None,
        hints: Vec::new(),
        evidence: vec![kill.container.spec_evidence("resources.limits.memory", "no limit holds it back")],
        strength: 0.6,
    }
}

#[cfg(test)]
mod tests;
