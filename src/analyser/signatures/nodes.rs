//! Nodes that are lost, without network, or short of disk, memory or process ids.

use jiff::SignedDuration;
use serde_json::Value;

use crate::analyser::draft::{draft, enumerate, field_evidence, pods_and_owners};
use crate::analyser::observed::Event;
use crate::analyser::pods::duration_text;
use crate::analyser::scheduler::admits;
use crate::analyser::{Observed, Signature};
use crate::domain::object::text;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        id: "node_not_ready",
        title: "A Node is not ready or its kubelet went silent",
        detect: detect_not_ready,
    },
    Signature {
        id: "node_pressure",
        title: "A Node reports disk, memory or process-id pressure and evicts pods",
        detect: detect_pressure,
    },
    Signature {
        id: "node_recovered",
        title: "The Node the signal names had trouble and is healthy again",
        detect: detect_recovered,
    },
    Signature {
        id: "node_cordoned",
        title: "The Node the signal names is healthy and only cordoned",
        detect: detect_cordoned,
    },
];

/// A node this young is still joining.
const JOINING: SignedDuration = SignedDuration::from_mins(3);
/// Trouble longer ago than this is not what the signal is about.
const RECENT: SignedDuration = SignedDuration::from_hours(6);
/// A node that flaps: so many losses of readiness within [`RECENT`] are a fault although it is ready right now.
const FLAPS_MIN: u64 = 3;

fn nodes(observed: &Observed) -> impl Iterator<Item = &Object> {
    observed.of_kind("Node").filter(|node| !node.is_terminating())
}

fn pods_on<'a>(observed: &'a Observed, node: &'a Object) -> Vec<&'a Object> {
    let finished = |pod: &&Object| matches!(pod.str_at("status.phase"), Some("Succeeded"));
    let on_node = observed.of_kind("Pod").filter(|pod| pod.str_at("spec.nodeName") == Some(node.name()));
    on_node.filter(|pod| !finished(pod)).collect()
}

fn is_lost(node: &Object) -> bool {
    node.condition_status("Ready").is_some_and(|status| status != "True")
}

/// `status` condition of a kind with the time it has lasted.
fn lasting(observed: &Observed, condition: &Value) -> String {
    let since = text(condition, "lastTransitionTime");
    let age = since.parse().ok().map(|since| observed.now.duration_since(since));
    age.map_or_else(String::new, |age| format!(" for {} (since {since})", duration_text(age)))
}

fn detect_not_ready(observed: &Observed) -> Vec<Finding> {
    let all = nodes(observed).count();
    let lost = nodes(observed).filter(|node| is_lost(node)).count();
    nodes(observed).filter_map(|node| not_ready(observed, node, lost, all)).collect()
}

fn not_ready(observed: &Observed, node: &Object, lost: usize, all: usize) -> Option<Finding> {
    let ready = node.condition("Ready");
    let networkless = node.condition_status("NetworkUnavailable") == Some("True");
    let flaps = flaps(observed, node);
    let what = match ready {
        Some(condition) if is_lost(node) => {
            let status = text(condition, "status");
            let message = text(condition, "message").trim_end_matches('.');
            format!("is not ready{}: {message} (Ready={status})", lasting(observed, condition))
        }
        _ if networkless => "has no pod network (NetworkUnavailable=True)".to_owned(),
        _ if flaps.is_some() => {
            let count = flaps.map_or(0, |event| event.count);
            format!("lost readiness {count} times within {}", duration_text(RECENT))
        }
        _ => return None,
    };
    if observed.is_recent(node.created_at(), JOINING) {
        return None;
    }
    let pods = pods_on(observed, node);
    let mut evidence = Vec::new();
    if is_lost(node) {
        evidence.push(field_evidence(node, "status.conditions[type=Ready].status", "the node is not ready"));
        evidence.push(field_evidence(
            node,
            "status.conditions[type=Ready].message",
            "what it or the control plane says",
        ));
    } else if networkless {
        evidence.push(field_evidence(
            node,
            "status.conditions[type=NetworkUnavailable].status",
            "no route to its pods",
        ));
    }
    evidence.extend(flaps.map(|event| event.evidence("the node keeps losing readiness")));
    let events = observed.events_about(&node.reference());
    let told =
        events.into_iter().find(|event| event.reason == "NodeNotReady" && observed.is_recent(event.last_seen, RECENT));
    evidence.extend(told.filter(|_| flaps.is_none()).map(|event| event.evidence("the control plane noticed")));
    let controllers = workloads(observed, &pods);
    let held = if pods.is_empty() {
        "it holds no pods".to_owned()
    } else {
        format!("its {} pods are lost with it ({})", pods.len(), enumerate(&controllers, 4))
    };
    // Draining needs somewhere to go: when most nodes are gone the trouble is above them.
    let general = all > 1 && lost * 2 > all;
    Some(Finding {
        summary: format!(
            "{} {what}; {held}{}",
            node.reference(),
            if general { format!("; {lost} of {all} nodes are not ready") } else { String::new() }
        ),
        affects: affected(observed, node, &pods),
        action_type: (!general).then(|| "DrainNode".to_owned()),
        causal_chain: vec![format!("{} {what}", node.reference()), held],
        evidence,
        strength: if is_lost(node) { 0.95 } else { 0.8 },
        disposition: if general { Disposition::Escalate } else { Disposition::Act },
        ..draft("node_not_ready", CauseClass::NodeFailure, &node.reference(), node.reference())
    })
}

/// The event that counts losses of readiness, when there are too many.
fn flaps<'a>(observed: &'a Observed, node: &Object) -> Option<&'a Event> {
    let events = observed.events_about(&node.reference());
    let recent = |event: &&Event| {
        event.reason == "NodeNotReady"
            && event.count >= FLAPS_MIN
            && observed.is_recent(event.last_seen, SignedDuration::from_mins(30))
            && observed.is_recent(event.first_seen, RECENT)
    };
    events.into_iter().find(recent)
}

/// Names of the workloads the pods belong to, DaemonSets left out: they are meant to be everywhere.
fn workloads(observed: &Observed, pods: &[&Object]) -> Vec<String> {
    let roots = pods.iter().map(|pod| observed.root_owner(pod)).filter(|root| root.kind != "DaemonSet");
    let mut names: Vec<String> = roots.map(|root| root.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Pods on the node with their owners, and pods that wait for a node like this one.
fn affected(observed: &Observed, node: &Object, pods: &[&Object]) -> Vec<ResourceRef> {
    let waiting = observed.of_kind("Pod").filter(|pod| {
        pod.str_at("status.phase") == Some("Pending")
            && pod.str_at("spec.nodeName").is_none_or(str::is_empty)
            && pod.condition_status("PodScheduled") == Some("False")
            && pod.at("spec").is_some_and(|spec| admits(node, spec))
    });
    pods_and_owners(observed, pods.iter().copied().chain(waiting))
}

/// A pressure condition and what relieves it.
struct Pressure {
    condition: &'static str,
    resource: &'static str,
    action_type: &'static str,
}

const PRESSURES: &[Pressure] = &[
    Pressure { condition: "DiskPressure", resource: "disk", action_type: "CleanupNode" },
    Pressure { condition: "MemoryPressure", resource: "memory", action_type: "DrainNode" },
    Pressure { condition: "PIDPressure", resource: "process ids", action_type: "DrainNode" },
];

fn detect_pressure(observed: &Observed) -> Vec<Finding> {
    let under = |node| PRESSURES.iter().filter_map(move |pressure| under_pressure(observed, node, pressure));
    nodes(observed).filter(|node| !is_lost(node)).flat_map(under).collect()
}

fn under_pressure(observed: &Observed, node: &Object, pressure: &Pressure) -> Option<Finding> {
    let condition = node.condition(pressure.condition).filter(|condition| text(condition, "status") == "True")?;
    let lasts = lasting(observed, condition);
    let pods = pods_on(observed, node);
    let evicted = evicted_from(observed, node);
    let path = format!("status.conditions[type={}]", pressure.condition);
    let mut evidence = vec![
        field_evidence(node, &format!("{path}.status"), format!("the node is short of {}", pressure.resource)),
        field_evidence(node, &format!("{path}.message"), "what the kubelet says"),
    ];
    let events = observed.events_about(&node.reference());
    let telling = ["EvictionThresholdMet", "FreeDiskSpaceFailed", "ImageGCFailed", "SystemOOM"];
    evidence.extend(
        events
            .iter()
            .filter(|event| telling.contains(&event.reason.as_str()))
            .take(2)
            .map(|event| event.evidence("the kubelet tries to free space")),
    );
    evidence.extend(
        evicted.iter().take(EVICTED_MAX).map(|pod| field_evidence(pod, "status.message", "evicted from this node")),
    );
    let mut chain = vec![format!("{} is short of {}{lasts}", node.reference(), pressure.resource)];
    let eater = evicted.iter().find_map(|pod| usage(pod.str_at("status.message").unwrap_or_default()));
    chain.extend(eater.map(|usage| format!("an evicted pod reported: {usage}")));
    if !evicted.is_empty() {
        let names: Vec<&str> = evicted.iter().map(|pod| pod.name()).collect();
        chain.push(format!("the kubelet evicts pods: {}", enumerate(&names, 3)));
    }
    chain.push("the node takes no new pods until the pressure ends".to_owned());
    Some(Finding {
        summary: format!(
            "{} has {}{lasts}; {} pods were evicted from it",
            node.reference(),
            pressure.condition,
            evicted.len()
        ),
        affects: affected(observed, node, &pods.into_iter().chain(evicted).collect::<Vec<_>>()),
        action_type: Some(pressure.action_type.to_owned()),
        causal_chain: chain,
        evidence,
        strength: 0.93,
        ..draft("node_pressure", CauseClass::NodePressure, &node.reference(), node.reference())
    })
}

/// Most evicted pods quoted.
const EVICTED_MAX: usize = 3;

/// Pods the kubelet of this node evicted lately.
fn evicted_from<'a>(observed: &'a Observed, node: &Object) -> Vec<&'a Object> {
    let evicted = observed.of_kind("Pod").filter(|pod| {
        pod.str_at("status.reason") == Some("Evicted")
            && pod.str_at("spec.nodeName") == Some(node.name())
            && observed.is_recent(
                pod.time_at("status.startTime").or_else(|| pod.created_at()),
                SignedDuration::from_hours(24 * 7),
            )
    });
    evicted.collect()
}

/// `Container cache was using 11Gi, request is 0` out of an eviction message.
fn usage(message: &str) -> Option<String> {
    let start = message.find("Container ").or_else(|| message.find("container "))?;
    let rest = message.get(start..)?;
    rest.contains("was using").then(|| rest.split(". ").next().unwrap_or(rest).trim_end_matches('.').to_owned())
}

/// The signal names a node (or a pod evicted from one) whose conditions are all well again.
fn detect_recovered(observed: &Observed) -> Vec<Finding> {
    let Some(subject) = observed.subject() else { return Vec::new() };
    let evicted = subject.kind() == "Pod" && subject.str_at("status.reason") == Some("Evicted");
    let node = match subject.kind() {
        "Node" => Some(subject),
        _ if evicted => subject.str_at("spec.nodeName").and_then(|name| observed.get("Node", None, name)),
        _ => None,
    };
    node.and_then(|node| recovered(observed, subject, node)).into_iter().collect()
}

fn recovered(observed: &Observed, subject: &Object, node: &Object) -> Option<Finding> {
    let ill = is_lost(node)
        || flaps(observed, node).is_some()
        || PRESSURES.iter().any(|pressure| node.condition_status(pressure.condition) == Some("True"));
    if ill {
        return None;
    }
    let troubles =
        ["NodeNotReady", "EvictionThresholdMet", "NodeHasDiskPressure", "NodeHasInsufficientMemory", "Rebooted"];
    let events = observed.events_about(&node.reference());
    let event = events
        .into_iter()
        .find(|event| troubles.contains(&event.reason.as_str()) && observed.is_recent(event.last_seen, RECENT));
    let transition = |kind: &str| node.time_at(&format!("status.conditions[type={kind}].lastTransitionTime"));
    let kinds = ["Ready", "DiskPressure", "MemoryPressure", "PIDPressure"];
    let back = kinds
        .into_iter()
        .filter_map(|kind| Some((kind, transition(kind)?)))
        .filter(|(_, since)| {
            observed.is_recent(Some(*since), RECENT)
                && node.created_at().is_none_or(|created| since.duration_since(created) > JOINING)
        })
        .max_by_key(|(_, since)| *since);
    let evicted = subject.kind() == "Pod";
    let (kind, since) = match (back, &event) {
        (Some((kind, since)), _) => (kind, Some(since)),
        (None, Some(_)) => ("Ready", None),
        (None, None) => return None,
    };
    let replaced = !evicted
        || observed
            .owner_chain(subject)
            .last()
            .is_some_and(|root| observed.pods_of(root).iter().any(|pod| pod.condition_status("Ready") == Some("True")));
    if !replaced {
        return None;
    }
    let when = since.map_or_else(String::new, |since| format!(" since {since}"));
    let mut evidence: Vec<Evidence> = vec![
        field_evidence(node, "status.conditions[type=Ready].status", "the node is ready"),
        field_evidence(node, &format!("status.conditions[type={kind}].lastTransitionTime"), "when the trouble ended"),
    ];
    evidence.extend(event.map(|event| event.evidence("the trouble that is over")));
    Some(Finding {
        summary: format!("{} is healthy again{when}", node.reference()),
        affects: if evicted { vec![subject.reference()] } else { Vec::new() },
        causal_chain: vec![format!("{} had trouble", node.reference()), format!("all its conditions are well{when}")],
        evidence,
        strength: 0.75,
        disposition: Disposition::Resolved,
        ..draft("node_recovered", CauseClass::Recovered, &subject.reference(), node.reference())
    })
}

fn detect_cordoned(observed: &Observed) -> Vec<Finding> {
    let node = observed.subject().filter(|subject| subject.kind() == "Node");
    let finding =
        node.filter(|node| node.bool_at("spec.unschedulable") == Some(true) && !is_lost(node)).map(|node| Finding {
            summary: format!(
                "{} is cordoned and otherwise healthy: someone keeps new pods away on purpose",
                node.reference()
            ),
            causal_chain: vec![
                format!("{} was cordoned", node.reference()),
                "its pods keep running; only new ones go elsewhere".to_owned(),
            ],
            evidence: vec![
                field_evidence(node, "spec.unschedulable", "the node is cordoned"),
                field_evidence(node, "status.conditions[type=Ready].status", "and ready"),
            ],
            strength: 0.55,
            disposition: Disposition::NotActionable,
            ..draft("node_cordoned", CauseClass::Benign, &node.reference(), node.reference())
        });
    finding.into_iter().collect()
}

#[cfg(test)]
mod tests;
