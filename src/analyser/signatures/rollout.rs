//! Rollouts: stuck ones, which other findings usually explain, and ones that are simply under way.

use jiff::SignedDuration;

use crate::analyser::draft::{draft, entry_evidence, enumerate, field_evidence, parameters, pods_and_owners};
use crate::analyser::pods::{Health, containers, duration_text, has_failed, health};
use crate::analyser::revisions::REVISION_ANNOTATION;
use crate::analyser::rollouts::{History, Revision};
use crate::analyser::routing::is_live;
use crate::analyser::{Observed, Signature};
use crate::domain::object::text;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        id: "rollout_stuck",
        title: "A new revision does not become available while an older one did",
        detect: detect_stuck,
    },
    Signature {
        id: "statefulset_waits_for_broken_pod",
        title: "A StatefulSet has a newer revision but waits for a broken pod of an older one",
        detect: detect_waiting_set,
    },
    Signature {
        id: "rollout_in_progress",
        title: "A rollout is progressing normally right now",
        detect: detect_in_progress,
    },
];

/// A rollout without news for this long is not progressing (the API's default `progressDeadlineSeconds`).
const DEADLINE: SignedDuration = SignedDuration::from_mins(10);

fn workloads(observed: &Observed) -> impl Iterator<Item = &Object> {
    ["Deployment", "StatefulSet", "DaemonSet"].into_iter().flat_map(|kind| observed.of_kind(kind))
}

/// How far the newest revision has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    wanted: i64,
    updated: i64,
    available: i64,
    /// Pods of older revisions that still exist.
    old: i64,
}

impl Progress {
    fn of(workload: &Object) -> Self {
        let status = |member: &str| workload.i64_at(&format!("status.{member}")).unwrap_or_default();
        let wanted = workload.i64_at("spec.replicas").unwrap_or(1);
        match workload.kind() {
            "DaemonSet" => {
                let wanted = status("desiredNumberScheduled");
                let updated = status("updatedNumberScheduled");
                Self {
                    wanted,
                    updated,
                    available: status("numberAvailable"),
                    old: (status("currentNumberScheduled") - updated).max(0),
                }
            }
            "StatefulSet" => {
                let current = workload.str_at("status.currentRevision") == workload.str_at("status.updateRevision");
                let updated = if current { wanted } else { status("updatedReplicas").min(wanted - 1) };
                Self { wanted, updated, available: status("readyReplicas"), old: (status("replicas") - updated).max(0) }
            }
            _ => {
                let updated = status("updatedReplicas");
                Self {
                    wanted,
                    updated,
                    available: status("availableReplicas"),
                    old: (status("replicas") - updated).max(0),
                }
            }
        }
    }

    fn is_complete(self) -> bool {
        self.updated >= self.wanted && self.available >= self.wanted && self.old == 0
    }
}

fn deadline(workload: &Object) -> SignedDuration {
    workload.i64_at("spec.progressDeadlineSeconds").map_or(DEADLINE, SignedDuration::from_secs)
}

fn detect_stuck(observed: &Observed) -> Vec<Finding> {
    workloads(observed).filter_map(|workload| stuck(observed, workload)).collect()
}

fn stuck(observed: &Observed, workload: &Object) -> Option<Finding> {
    let progress = Progress::of(workload);
    let history = History::of(observed, workload);
    let current = history.current()?;
    let broken: Vec<&Object> =
        current.pods.iter().copied().filter(|pod| is_live(pod) && health(observed, pod) == Health::Broken).collect();
    let condition =
        workload.condition("Progressing").filter(|condition| text(condition, "reason") == "ProgressDeadlineExceeded");
    let lasting = observed.age(current.started_at).is_some_and(|age| age >= deadline(workload));
    // Only a Deployment has the condition; for the others a broken pod amid an unfinished update has to do.
    let halted = workload.kind() != "Deployment" && progress.updated < progress.wanted && lasting && !broken.is_empty();
    if progress.is_complete() || (condition.is_none() && !halted) {
        return None;
    }
    let previous = history.previous();
    let older = history.older_ready(observed);
    let count = format!("{} of {} pods updated, {} available", progress.updated, progress.wanted, progress.available);
    let evidence =
        stuck_evidence(&history, current, condition.is_some(), broken.first().copied(), older.first().copied());
    let changes: Vec<String> = history.changes().iter().map(|change| change.path.clone()).collect();
    let changed = if changes.is_empty() { String::new() } else { format!("; it changed {}", enumerate(&changes, 2)) };
    // With an older revision that served, going back is possible; how good an idea it is, the cause decides.
    let strength = match (previous, older.is_empty()) {
        (Some(_), false) => 0.5,
        (Some(_), true) => 0.42,
        (None, _) => 0.3,
    };
    let mut affects = pods_and_owners(observed, current.pods.iter().copied());
    affects.retain(|affected| !affected.same_object(&workload.reference()));
    Some(Finding {
        summary: format!(
            "Rollout of {} to revision {} is stuck: {count}{changed}",
            workload.reference(),
            current.number
        ),
        affects,
        action_type: previous.map(|_| "RollbackDeployment".to_owned()),
        parameters: parameters(previous.map(|previous| ("ROLLBACK_TO_REVISION", previous.number))),
        causal_chain: vec![
            format!("revision {} of {} was rolled out{changed}", current.number, workload.reference()),
            "its pods do not become available".to_owned(),
            format!("the rollout stopped: {count}"),
        ],
        evidence,
        strength,
        disposition: if previous.is_some() { Disposition::Act } else { Disposition::Escalate },
        ..draft("rollout_stuck", CauseClass::RolloutFailed, &workload.reference(), workload.reference())
    })
}

fn stuck_evidence(
    history: &History<'_>,
    current: &Revision<'_>,
    has_condition: bool,
    broken: Option<&Object>,
    older: Option<&Object>,
) -> Vec<Evidence> {
    const READY: &str = "status.conditions[type=Ready].status";
    let mut evidence = Vec::new();
    if has_condition {
        let path = "status.conditions[type=Progressing]";
        let workload = history.workload;
        evidence.push(field_evidence(workload, &format!("{path}.reason"), "the rollout exceeded its deadline"));
        evidence.push(field_evidence(workload, &format!("{path}.message"), "which revision"));
    }
    evidence.push(revision_evidence(current));
    evidence.extend(broken.map(|pod| field_evidence(pod, READY, "a pod of the new revision")));
    evidence.extend(older.map(|pod| field_evidence(pod, READY, "a pod of an older revision still serves")));
    let changes = history.changes();
    let shown = changes.iter().take(CHANGES_SHOWN);
    evidence.extend(shown.filter_map(|change| history.change_evidence(change, "changed by this revision")));
    evidence
}

fn revision_evidence(revision: &Revision<'_>) -> Evidence {
    let claim = "the revision being rolled out";
    match revision.object.kind() {
        "ReplicaSet" => entry_evidence(revision.object, "metadata.annotations", REVISION_ANNOTATION, claim),
        _ => field_evidence(revision.object, "revision", claim),
    }
}

/// Most changes quoted.
const CHANGES_SHOWN: usize = 3;

/// With `OrderedReady` the controller waits for a broken pod to become ready before it applies the revision that would
/// mend it: the pod has to be deleted.
fn detect_waiting_set(observed: &Observed) -> Vec<Finding> {
    observed.of_kind("StatefulSet").filter_map(|set| waiting_set(observed, set)).collect()
}

fn waiting_set(observed: &Observed, set: &Object) -> Option<Finding> {
    let update = set.str_at("status.updateRevision")?;
    let ordered = set.str_at("spec.podManagementPolicy").unwrap_or("OrderedReady") == "OrderedReady";
    let rolling = set.str_at("spec.updateStrategy.type").unwrap_or("RollingUpdate") == "RollingUpdate";
    let partition = set.i64_at("spec.updateStrategy.rollingUpdate.partition").unwrap_or_default();
    let revision = |pod: &Object| pod.label("controller-revision-hash").map(str::to_owned);
    let ordinal = |pod: &Object| {
        pod.name().rsplit('-').next().and_then(|ordinal| ordinal.parse::<i64>().ok()).unwrap_or_default()
    };
    let started = History::of(observed, set).current().and_then(|current| current.started_at);
    let pods = observed.pods_of(set);
    let pod = pods.iter().find(|pod| {
        health(observed, pod) == Health::Broken
            && revision(pod).is_some_and(|revision| revision != update)
            && ordinal(pod) >= partition
            && !observed.is_recent(started.or_else(|| pod.created_at()), SignedDuration::from_mins(3))
    })?;
    if !ordered || !rolling || set.str_at("status.currentRevision") == Some(update) {
        return None;
    }
    Some(Finding {
        summary: format!(
            "{} has revision {update} ready to roll out but waits for its broken pod {}, made from an older one",
            set.reference(),
            pod.name()
        ),
        affects: pods_and_owners(observed, pods.iter().copied())
            .into_iter()
            .filter(|affected| affected.kind == "Pod")
            .collect(),
        action_type: Some("RestartWorkload".to_owned()),
        causal_chain: vec![
            format!("{} was made from an older revision and never became ready", pod.name()),
            "OrderedReady makes the controller wait for it".to_owned(),
            format!("revision {update} is never applied"),
        ],
        evidence: vec![
            field_evidence(set, "status.updateRevision", "the revision to apply"),
            entry_evidence(pod, "metadata.labels", "controller-revision-hash", "the pod's revision"),
            field_evidence(pod, "status.conditions[type=Ready].status", "it is not ready"),
        ],
        strength: 0.72,
        ..draft("statefulset_waits_for_broken_pod", CauseClass::RolloutFailed, &pod.reference(), set.reference())
    })
}

fn detect_in_progress(observed: &Observed) -> Vec<Finding> {
    workloads(observed).filter_map(|workload| in_progress(observed, workload)).collect()
}

/// News within the deadline, and no pod of the new revision shows any failure.
fn in_progress(observed: &Observed, workload: &Object) -> Option<Finding> {
    let progress = Progress::of(workload);
    let history = History::of(observed, workload);
    let current = history.current()?;
    let rolling = progress.old > 0
        || progress.updated < progress.wanted
        || observed.is_recent(current.started_at, deadline(workload));
    // The very first revision is an installation; it counts just the same.
    if progress.is_complete() || progress.wanted == 0 || !rolling || workload.bool_at("spec.paused") == Some(true) {
        return None;
    }
    let progressing = workload.condition("Progressing");
    let news = progressing
        .and_then(|condition| text(condition, "lastUpdateTime").parse().ok())
        .into_iter()
        .chain(current.pods.iter().filter_map(|pod| pod.created_at()))
        .chain(current.started_at)
        .max();
    let stopped = progressing.is_some_and(|condition| text(condition, "status") == "False")
        || workload.condition_status("ReplicaFailure") == Some("True");
    let failing = current.pods.iter().any(|pod| shows_failure(pod));
    if stopped || failing || !observed.is_recent(news, deadline(workload)) {
        return None;
    }
    let age = observed.age(current.started_at.or(news)).unwrap_or_default();
    let count = format!("{} of {} pods updated, {} available", progress.updated, progress.wanted, progress.available);
    let mut evidence: Vec<Evidence> = match workload.kind() {
        "DaemonSet" => vec![field_evidence(workload, "status.updatedNumberScheduled", "pods updated so far")],
        _ => vec![field_evidence(workload, "status.updatedReplicas", "pods updated so far")],
    };
    evidence.extend(progressing.map(|_| {
        field_evidence(workload, "status.conditions[type=Progressing].reason", "the controller sees progress")
    }));
    evidence.push(revision_evidence(current));
    let mut affects = pods_and_owners(observed, observed.pods_of(workload));
    affects.retain(|affected| !affected.same_object(&workload.reference()));
    Some(Finding {
        summary: format!(
            "{} is rolling out revision {} since {} and progressing: {count}, no pod of it fails",
            workload.reference(),
            current.number,
            duration_text(age)
        ),
        affects,
        causal_chain: vec![
            format!("revision {} of {} was started {} ago", current.number, workload.reference(), duration_text(age)),
            format!("it is progressing: {count}"),
            "pods come and go until it is complete".to_owned(),
        ],
        evidence,
        strength: 0.8,
        disposition: Disposition::NotActionable,
        ..draft("rollout_in_progress", CauseClass::ChangeInProgress, &workload.reference(), workload.reference())
    })
}

/// A container that failed, or a pod no node takes.
fn shows_failure(pod: &Object) -> bool {
    let refused = pod.condition("PodScheduled").is_some_and(|condition| text(condition, "reason") == "Unschedulable");
    refused
        || pod.str_at("status.phase") == Some("Failed")
        || containers(pod)
            .iter()
            .any(|container| container.role != crate::analyser::pods::Role::Init && has_failed(container))
}

#[cfg(test)]
mod tests;
