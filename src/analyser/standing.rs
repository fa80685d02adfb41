//! How the signal's own workload is doing at the moment: what it should have, what it has, and whether it can be trusted.

use jiff::{SignedDuration, Timestamp};

use super::Observed;
use super::draft::field_evidence;
use super::pods::{Container, Health, health, running_containers};
use super::routing::{backends, is_live};
use crate::domain::object::text;
use crate::domain::{Evidence, Incident, Object};

/// The object at the top of the signal's owner chain with its pods.
#[derive(Debug, Clone)]
pub struct Standing<'a> {
    /// The signal resource itself, or what stands in for it.
    pub subject: &'a Object,
    pub root: &'a Object,
    /// Neither finished nor being deleted.
    pub live: Vec<&'a Object>,
    /// `Succeeded` and `Failed` ones: they never run again.
    pub finished: Vec<&'a Object>,
}

/// A pod is trusted when it has been ready at least this long.
pub const READY_FOR_MIN: SignedDuration = SignedDuration::from_mins(2);
/// Restarts that come at least this often are a pattern.
const RECURRING_WITHIN: SignedDuration = SignedDuration::from_hours(6);
/// Fewer restarts than this are no pattern.
const RECURRING_RESTARTS_MIN: u64 = 3;

impl<'a> Standing<'a> {
    /// `None` when the signal is about neither pods, nor their owners, nor a Service in front of them, or is gone.
    pub fn of(observed: &'a Observed) -> Option<Self> {
        let subject = observed.subject()?;
        let root = observed.owner_chain(subject).last().copied()?;
        let pods = match subject.kind() {
            "Service" => backends(observed, subject),
            "HorizontalPodAutoscaler" => {
                let kind = subject.str_at("spec.scaleTargetRef.kind")?;
                let name = subject.str_at("spec.scaleTargetRef.name")?;
                observed.pods_of(observed.get(kind, subject.namespace(), name)?)
            }
            _ => observed.pods_of(root),
        };
        let (live, finished): (Vec<&Object>, Vec<&Object>) =
            pods.into_iter().filter(|pod| !pod.is_terminating()).partition(|pod| is_live(pod));
        (!live.is_empty() || !finished.is_empty()).then_some(Self { subject, root, live, finished })
    }

    /// True when the workload has all its pods, every one of them has been ready for a while, and none restarts again
    /// and again.
    pub fn is_well(&self, observed: &Observed) -> bool {
        let trusted = |pod: &&Object| {
            let ready_for = observed.age(ready_since(pod));
            health(observed, pod) == Health::Stable
                && ready_for.is_none_or(|age| age >= READY_FOR_MIN)
                && !running_containers(pod).any(|container| recurs(observed, &container))
        };
        !self.live.is_empty() && self.live.iter().all(trusted) && is_complete(self.root, self.live.len())
    }

    /// Quotes that show the workload has what it wants.
    pub fn evidence(&self) -> Vec<Evidence> {
        let members: &[(&str, &str)] = match self.root.kind() {
            "DaemonSet" => &[("status.numberReady", "pods ready"), ("status.desiredNumberScheduled", "pods wanted")],
            "Deployment" | "StatefulSet" | "ReplicaSet" => {
                &[("status.readyReplicas", "pods ready"), ("spec.replicas", "pods wanted")]
            }
            _ => &[],
        };
        let quoted = members.iter().filter(|(path, _)| self.root.at(path).is_some());
        let mut evidence: Vec<Evidence> = quoted.map(|(path, claim)| field_evidence(self.root, path, *claim)).collect();
        let subject = self.live.iter().find(|pod| pod.name() == self.subject.name());
        evidence.extend(subject.or_else(|| self.live.first()).map(|pod| {
            let since = ready_since(pod).map_or_else(String::new, |since| format!(" since {since}"));
            field_evidence(pod, "status.conditions[type=Ready].status", format!("ready{since}"))
        }));
        evidence
    }

    /// `all 3 pods are ready`.
    pub fn in_words(&self) -> String {
        match self.live.len() {
            1 => "its pod is ready".to_owned(),
            count => format!("all {count} pods are ready"),
        }
    }
}

/// When the pod became ready; `None` when it is not, or nobody wrote it down.
pub fn ready_since(pod: &Object) -> Option<Timestamp> {
    let ready = pod.condition("Ready").filter(|condition| text(condition, "status") == "True")?;
    text(ready, "lastTransitionTime").parse().ok()
}

/// Whether a controller has as many ready pods as it wants, all of the newest revision. Other kinds are as complete as
/// their pods.
pub fn is_complete(root: &Object, live: usize) -> bool {
    let number = |path: &str| root.i64_at(path);
    let live = i64::try_from(live).unwrap_or(i64::MAX);
    let stopped = root.condition_status("Progressing") == Some("False")
        || root.condition_status("ReplicaFailure") == Some("True");
    let enough = match root.kind() {
        "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => {
            let wanted = number("spec.replicas").unwrap_or(1);
            let has_status = root.at("status.replicas").is_some();
            let ready = number("status.readyReplicas").unwrap_or(if has_status { 0 } else { live });
            let updated = match root.kind() {
                "Deployment" => number("status.updatedReplicas").unwrap_or(wanted),
                _ => wanted,
            };
            wanted > 0 && ready >= wanted && updated >= wanted && live >= wanted
        }
        "DaemonSet" => {
            let wanted = number("status.desiredNumberScheduled").unwrap_or(live);
            wanted > 0 && number("status.numberReady").unwrap_or(live) >= wanted
        }
        _ => true,
    };
    enough && !stopped
}

/// A container that was restarted several times at short intervals, the last one not long enough ago.
fn recurs(observed: &Observed, container: &Container<'_>) -> bool {
    let restarts = container.restart_count();
    let (Some(age), Some(running)) =
        (observed.age(container.pod.created_at()), observed.age(container.running_since()))
    else {
        return false;
    };
    let interval = age.as_secs() / i64::try_from(restarts.max(1)).unwrap_or(i64::MAX);
    restarts >= RECURRING_RESTARTS_MIN
        && interval <= RECURRING_WITHIN.as_secs()
        && running.as_secs() < interval.saturating_mul(2)
}

/// Whether the alert speaks of the state of pods (restarts, readiness, waiting), which their status can answer, and not
/// of something only measurements can, such as latency.
pub fn is_about_pod_state(incident: &Incident) -> bool {
    let label = |name: &str| incident.signal_labels.get(name).map(String::as_str).unwrap_or_default();
    let words = [incident.signal_name.as_str(), incident.error_message.as_str(), label("reason"), label("alertname")];
    let words = words.join(" ").to_ascii_lowercase().replace(['_', '-', ' '], "");
    POD_STATE_WORDS.iter().any(|word| words.contains(word))
}

const POD_STATE_WORDS: &[&str] = &[
    "crash",
    "restart",
    "backoff",
    "oom",
    "outofmemory",
    "killed",
    "notready",
    "unready",
    "readiness",
    "liveness",
    "probe",
    "unhealthy",
    "waiting",
    "pending",
    "containercreating",
    "createcontainer",
    "imagepull",
    "evicted",
    "preempt",
    "replicasmismatch",
    "replicas",
    "rollout",
    "notscheduled",
    "unschedulable",
    "failedscheduling",
    "podfailed",
    "failedmount",
    "jobfailed",
];

#[cfg(test)]
mod tests;
