//! Trouble that is over: the signal's workload has all its pods, they have run long enough to be trusted, and what the
//! signal was about lies before that.
//!
//! The judgement is about the present state. Restart counters never decrease and events outlive what they report, so
//! neither means anything without its time.

use jiff::{SignedDuration, Timestamp};

use crate::analyser::connections::Failure;
use crate::analyser::draft::{draft, field_evidence};
use crate::analyser::observed::Event;
use crate::analyser::pods::{ago, duration_text, running_containers};
use crate::analyser::standing::{Standing, is_about_pod_state, ready_since};
use crate::analyser::{Observed, Signature};
use crate::cluster::LogLine;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "recovered",
    title: "The signal's workload had trouble, has all its pods again and has been stable since",
    detect,
}];

/// Trouble longer ago than this is not what the signal is about.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// Warnings older than this are over when the pod is stable.
const OVER_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// Log lines without a failed connection that must follow the last one.
const QUIET_LINES_MIN: usize = 3;
/// Most pieces of evidence of the past trouble.
const TRACES_SHOWN: usize = 4;

/// One sign of trouble that is over.
struct Trace {
    /// When it was seen last.
    at: Option<Timestamp>,
    words: String,
    evidence: Evidence,
    strength: f64,
}

pub(super) fn detect(observed: &Observed) -> Vec<Finding> {
    Standing::of(observed).and_then(|standing| recovered(observed, &standing)).into_iter().collect()
}

fn recovered(observed: &Observed, standing: &Standing<'_>) -> Option<Finding> {
    if !standing.is_well(observed) || has_present_trouble(observed, standing) {
        return None;
    }
    let mut traces = terminations(observed, standing);
    traces.extend(warnings(observed, standing));
    if traces.is_empty() {
        traces.extend(connections(observed, standing));
    }
    traces.sort_by_key(|trace| std::cmp::Reverse(trace.at));
    let strongest = traces.iter().max_by(|a, b| a.strength.total_cmp(&b.strength))?;
    let root = standing.root.reference();
    let what = strongest.words.clone();
    let now = standing.in_words();
    let since = standing.live.iter().filter_map(|pod| stable_since(pod)).max();
    let stable = observed.age(since).map_or_else(String::new, |age| format!(" for {}", duration_text(age)));
    let strength = strongest.strength;
    let mut evidence: Vec<Evidence> = traces.into_iter().take(TRACES_SHOWN).map(|trace| trace.evidence).collect();
    evidence.extend(standing.evidence());
    evidence.extend(running_evidence(standing));
    Some(Finding {
        summary: format!("{root} is healthy again: {what}, and {now} and stable{stable}"),
        causal_chain: vec![what, format!("{now} and stable{stable}: nothing is left to change")],
        evidence,
        strength,
        disposition: Disposition::Resolved,
        ..draft("recovered", CauseClass::Recovered, &standing.subject.reference(), root)
    })
}

/// Start of the youngest container instance, or the last time the pod became ready, whichever is later.
fn stable_since(pod: &Object) -> Option<Timestamp> {
    let started = running_containers(pod).filter_map(|container| container.running_since()).max();
    started.max(ready_since(pod))
}

/// Container instances that ended badly, each followed by one that has been running since.
fn terminations(observed: &Observed, standing: &Standing<'_>) -> Vec<Trace> {
    let mut found = Vec::new();
    for pod in &standing.live {
        for container in running_containers(pod) {
            let Some(last) = container.last_terminated().filter(|last| last.exit_code != 0 || last.reason == "OOMKilled")
            else {
                continue;
            };
            if !observed.is_recent(last.finished_at, WINDOW) {
                continue;
            }
            let reason = if last.reason.is_empty() { "an error" } else { last.reason };
            let words = format!(
                "container {} of {} ended with {reason} (exit {}) {}",
                container.name,
                pod.name(),
                last.exit_code,
                ago(observed, last.finished_at)
            );
            let finished = last.finished_at.map_or_else(String::new, |time| format!(", finished {time}"));
            let claim = format!("the instance before ended with exit {}{finished}", last.exit_code);
            let evidence = field_evidence(pod, &format!("{}.reason", last.path), claim);
            found.push(Trace { at: last.finished_at, words, evidence, strength: 0.85 });
        }
    }
    found
}

/// Start times and restart counters of the containers that run now.
fn running_evidence(standing: &Standing<'_>) -> Vec<Evidence> {
    let restarted = standing.live.iter().flat_map(|pod| running_containers(pod)).filter(|container| container.restart_count() > 0);
    let quote = restarted.take(1).flat_map(|container| {
        [
            container.status_evidence("restartCount", "restarts in the pod's whole life"),
            container.status_evidence("state.running.startedAt", "running without a restart since"),
        ]
    });
    quote.collect()
}

/// Warnings about the workload, its pods and those it had, all of which lie before the present stability.
fn warnings(observed: &Observed, standing: &Standing<'_>) -> Vec<Trace> {
    let mut events: Vec<&Event> = own_warnings(observed, standing)
        .filter(|event| observed.is_recent(event.last_seen, WINDOW) && is_over(observed, standing, event))
        .collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.last_seen));
    let mut seen: Vec<&str> = Vec::new();
    events.retain(|event| {
        let new = !seen.contains(&event.reason.as_str());
        seen.push(&event.reason);
        new
    });
    let trace = |event: &Event| Trace {
        at: event.last_seen,
        words: format!("{} of {} was last reported {}", event.reason, event.about, ago(observed, event.last_seen)),
        evidence: event.evidence("reported before it became stable"),
        strength: 0.8,
    };
    events.into_iter().map(trace).collect()
}

/// Warnings about the signal's workload: its objects, and pods whose names say that they were its.
pub(super) fn own_warnings<'a>(
    observed: &'a Observed,
    standing: &'a Standing<'a>,
) -> impl Iterator<Item = &'a Event> {
    let mut own: Vec<ResourceRef> = vec![standing.root.reference(), standing.subject.reference()];
    own.extend(observed.owned_by(standing.root).map(Object::reference));
    own.extend(standing.live.iter().map(|pod| pod.reference()));
    let prefix = format!("{}-", standing.root.name());
    let made_by_root = move |about: &ResourceRef| {
        about.kind == "Pod"
            && standing.root.kind() != "Pod"
            && about.namespace.as_deref() == standing.root.namespace()
            && about.name.strip_prefix(&prefix).is_some_and(is_generated)
            && observed.find(about).is_none()
    };
    observed.events().filter(move |event| {
        event.kind == "Warning"
            && (own.iter().any(|own| own.same_object(&event.about)) || made_by_root(&event.about))
    })
}

/// The rest of a pod's name after its controller's: `7d4b9c-x2x5z`, `x2x5z` or an ordinal.
fn is_generated(rest: &str) -> bool {
    let parts: Vec<&str> = rest.split('-').collect();
    let generated = |part: &&str| part.len() == 5 && part.chars().all(|c| c.is_ascii_alphanumeric());
    match parts.as_slice() {
        [only] => generated(only) || only.parse::<u32>().is_ok(),
        [hash, tail] => hash.chars().any(|c| c.is_ascii_digit()) && generated(tail),
        _ => false,
    }
}

/// A warning lies before the stability of the pod it is about, or is old enough not to be repeated.
fn is_over(observed: &Observed, standing: &Standing<'_>, event: &Event) -> bool {
    let Some(seen) = event.last_seen else { return true };
    let pod = standing.live.iter().find(|pod| pod.reference().same_object(&event.about));
    let before = match pod {
        Some(pod) => stable_since(pod).is_some_and(|since| seen <= since),
        None => observed.age(Some(seen)).is_some_and(|age| age >= OVER_AFTER.min(SignedDuration::from_mins(2))),
    };
    before || observed.age(Some(seen)).is_some_and(|age| age >= OVER_AFTER)
}

/// Something that says it goes on: a warning after the pods became stable or, when the alert is not about the state of
/// pods (which speaks for itself), complaints in the logs now.
pub(super) fn has_present_trouble(observed: &Observed, standing: &Standing<'_>) -> bool {
    let warns = own_warnings(observed, standing).any(|event| !is_over(observed, standing, event));
    warns || (!is_about_pod_state(&observed.incident) && logs_complain(observed, standing, OVER_AFTER))
}

/// Errors or failed connections in the logs of running instances within `window` before now. A line without a time
/// counts as recent.
pub(super) fn logs_complain(observed: &Observed, standing: &Standing<'_>, window: SignedDuration) -> bool {
    let complains = |text: &str| {
        let upper = text.to_ascii_uppercase();
        ERROR_WORDS.iter().any(|word| upper.contains(word)) || Failure::of_line(text).is_some()
    };
    standing.live.iter().flat_map(|pod| observed.logs_of(pod)).filter(|log| !log.previous).any(|log| {
        let recent = |line: &&LogLine| line.time.is_none_or(|time| observed.is_recent(Some(time), window));
        log.lines.iter().filter(recent).any(|line| complains(&line.text))
    })
}

const ERROR_WORDS: &[&str] =
    &[" ERROR ", "[ERROR]", "LEVEL=ERROR", "\"LEVEL\":\"ERROR\"", "FATAL", "PANIC", "EXCEPTION"];

/// Failed connections in the log of a running instance that were followed by quiet.
fn connections(observed: &Observed, standing: &Standing<'_>) -> Vec<Trace> {
    let mut found = Vec::new();
    for pod in &standing.live {
        for log in observed.logs_of(pod).filter(|log| !log.previous) {
            let last = log.lines.iter().rposition(|line| Failure::of_line(&line.text).is_some());
            let Some((index, line)) = last.and_then(|index| Some((index, log.lines.get(index)?))) else { continue };
            let quiet = log.lines.len().saturating_sub(index + 1);
            let over = observed.age(line.time).is_some_and(|age| age >= OVER_AFTER) && quiet >= QUIET_LINES_MIN;
            if over && observed.is_recent(line.time, WINDOW) {
                found.push(Trace {
                    at: line.time,
                    words: format!("{} last failed to connect {}", pod.name(), ago(observed, line.time)),
                    evidence: log.evidence(line, "the last failed connection"),
                    strength: 0.75,
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
