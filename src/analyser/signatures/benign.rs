//! What looks alarming and is not a fault: pods that finished their work, and leftovers of pods that were replaced.

use jiff::Timestamp;

use crate::analyser::draft::{draft, field_evidence};
use crate::analyser::observed::Event;
use crate::analyser::pods::ago;
use crate::analyser::standing::Standing;
use crate::analyser::{Observed, Signature};
use crate::domain::object::text;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        id: "job_completed",
        title: "The signal is about a Job, or a pod of one, that has done its work",
        detect: detect_jobs,
    },
    Signature {
        id: "leftover_pods",
        title: "Evicted, preempted or finished pods remain of a workload that has replaced them",
        detect: detect_leftovers,
    },
];

fn detect_jobs(observed: &Observed) -> Vec<Finding> {
    let finding = observed.subject().and_then(|subject| match subject.kind() {
        "Pod" => match observed.owner(subject) {
            Some(job) if job.kind() == "Job" => job_done(observed, subject, job),
            _ => finished_pod(observed, subject),
        },
        "Job" => job_done(observed, subject, subject),
        "CronJob" => schedule_works(observed, subject),
        _ => None,
    });
    finding.into_iter().collect()
}

fn is_complete(job: &Object) -> bool {
    job.condition_status("Complete") == Some("True") || job.condition_status("SuccessCriteriaMet") == Some("True")
}

fn is_failed(job: &Object) -> bool {
    job.condition_status("Failed") == Some("True")
}

/// The Job is complete, or a later one of the same schedule is.
fn job_done(observed: &Observed, subject: &Object, job: &Object) -> Option<Finding> {
    let succeeded = subject.str_at("status.phase") == Some("Succeeded");
    if !is_complete(job) {
        return match (succeeded, is_failed(job)) {
            // The other pods of a Job with several completions are their own matter.
            (true, _) => finished_pod(observed, subject),
            (false, true) => superseded(observed, subject, job),
            (false, false) => None,
        };
    }
    let failed = job.i64_at("status.failed").unwrap_or_default();
    let tries = match failed {
        0 => String::new(),
        1 => " after one failed attempt".to_owned(),
        count => format!(" after {count} failed attempts"),
    };
    let completed = job.time_at("status.completionTime");
    let mut evidence = vec![field_evidence(job, "status.conditions[type=Complete].status", "the Job is complete")];
    evidence.push(field_evidence(job, "status.succeeded", "pods that ended well"));
    evidence.extend((failed > 0).then(|| field_evidence(job, "status.failed", "earlier attempts")));
    evidence.extend((subject.kind() == "Pod").then(|| ended(subject)));
    let what = format!("{} completed{tries} {}", job.reference(), ago(observed, completed));
    Some(benign(observed, subject, "job_completed", what, completed_chain(subject), evidence))
}

fn completed_chain(subject: &Object) -> String {
    match subject.kind() {
        "Pod" => "a finished pod is never ready again and needs nothing".to_owned(),
        _ => "its finished pods are never ready again and need nothing".to_owned(),
    }
}

/// How the pod ended: of its phase, which is all a finished pod always has.
fn ended(pod: &Object) -> Evidence {
    field_evidence(pod, "status.phase", "the pod has finished and does not run again")
}

/// A pod that ended with success and is not kept running by anything.
fn finished_pod(observed: &Observed, pod: &Object) -> Option<Finding> {
    if pod.kind() != "Pod" || pod.str_at("status.phase") != Some("Succeeded") {
        return None;
    }
    let mut evidence = vec![ended(pod)];
    let code = pod.list_at("status.containerStatuses").next().map(|status| text(status, "name").to_owned());
    evidence.extend(code.map(|name| {
        let path = format!("status.containerStatuses[name={name}].state.terminated.exitCode");
        field_evidence(pod, &path, "its exit code")
    }));
    let what = format!("{} completed with success", pod.reference());
    Some(benign(observed, pod, "job_completed", what, completed_chain(pod), evidence))
}

/// A Job that failed, of a schedule that has had a successful run since.
fn superseded(observed: &Observed, subject: &Object, job: &Object) -> Option<Finding> {
    let schedule = observed.owner(job).filter(|owner| owner.kind() == "CronJob")?;
    let later = observed.owned_by(schedule).filter(|other| is_complete(other) && started(other) > started(job));
    let later = later.max_by_key(|job| started(job))?;
    let failed = field_evidence(job, "status.conditions[type=Failed].status", "this run failed");
    let evidence = vec![
        failed,
        field_evidence(later, "status.completionTime", "a later run completed"),
        field_evidence(schedule, "status.lastSuccessfulTime", "the schedule's last success"),
    ];
    let what = format!(
        "{} failed, and the later run {} of {} completed {}",
        job.reference(),
        later.name(),
        schedule.reference(),
        ago(observed, later.time_at("status.completionTime"))
    );
    let rest = "the failed Job remains as a record and affects nothing".to_owned();
    Some(benign(observed, subject, "job_completed", what, rest, evidence))
}

fn started(job: &Object) -> Option<Timestamp> {
    job.time_at("status.startTime").or_else(|| job.created_at())
}

/// A CronJob whose newest finished run succeeded.
fn schedule_works(observed: &Observed, schedule: &Object) -> Option<Finding> {
    let finished = observed.owned_by(schedule).filter(|job| job.kind() == "Job");
    let newest = finished.max_by_key(|job| started(job))?;
    if !is_complete(newest) || schedule.bool_at("spec.suspend") == Some(true) {
        return None;
    }
    let evidence = vec![
        field_evidence(newest, "status.completionTime", "its newest run completed"),
        field_evidence(schedule, "status.lastSuccessfulTime", "the schedule's last success"),
    ];
    let what = format!("the newest run {} of {} completed with success", newest.name(), schedule.reference());
    let rest = "earlier runs remain as a record and affect nothing".to_owned();
    Some(benign(observed, schedule, "job_completed", what, rest, evidence))
}

/// Failed pods whose workload has all its pods, or a pod that was preempted and replaced.
fn detect_leftovers(observed: &Observed) -> Vec<Finding> {
    let Some(standing) = Standing::of(observed).filter(|standing| standing.is_well(observed)) else {
        return Vec::new();
    };
    let failed = standing.finished.iter().copied().filter(|pod| pod.str_at("status.phase") == Some("Failed"));
    let own = standing.subject.kind() == "Pod";
    let mut leftovers: Vec<&Object> =
        failed.filter(|pod| !own || pod.name() == standing.subject.name()).filter(|pod| is_leftover(pod)).collect();
    leftovers.sort_by_key(|pod| std::cmp::Reverse(pod.created_at()));
    let finding = match leftovers.first() {
        Some(pod) => Some(leftover(observed, &standing, pod, leftovers.len())),
        None => preempted(observed, &standing),
    };
    finding.into_iter().collect()
}

/// Ended by the node or the scheduler, not by its own program.
fn is_leftover(pod: &Object) -> bool {
    let reason = pod.str_at("status.reason").unwrap_or_default();
    let disrupted = pod.condition_status("DisruptionTarget") == Some("True");
    disrupted || LEFTOVER_REASONS.contains(&reason)
}

const LEFTOVER_REASONS: &[&str] = &[
    "Evicted",
    "Preempting",
    "Preempted",
    "NodeShutdown",
    "NodeLost",
    "NodeAffinity",
    "Shutdown",
    "Terminated",
    "UnexpectedAdmissionError",
    "OutOfcpu",
    "OutOfmemory",
    "OutOfpods",
];

fn leftover(observed: &Observed, standing: &Standing<'_>, pod: &Object, count: usize) -> Finding {
    let reason = pod.str_at("status.reason").unwrap_or("a disruption");
    let mut evidence = vec![field_evidence(pod, "status.reason", "why the pod ended"), ended(pod)];
    evidence.extend(pod.at("status.message").map(|_| field_evidence(pod, "status.message", "in the node's words")));
    evidence.extend(standing.evidence());
    let others = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    let what = format!(
        "{}{others} was ended by {reason}; {} has replaced it: {}",
        pod.reference(),
        standing.root.reference(),
        standing.in_words()
    );
    let rest = "the failed pod remains as a record and affects nothing".to_owned();
    benign(observed, standing.subject, "leftover_pods", what, rest, evidence)
}

/// The pod of the incident is gone because a more important one needed its place, and has been replaced.
fn preempted(observed: &Observed, standing: &Standing<'_>) -> Option<Finding> {
    let gone: &ResourceRef = &observed.incident.resource;
    if gone.kind != "Pod" || observed.find(gone).is_some() {
        return None;
    }
    let about: Vec<&Event> = observed.events_about(gone);
    let event = about.into_iter().find(|event| DISRUPTIONS.contains(&event.reason.as_str()))?;
    let mut evidence = vec![event.evidence("why the pod is gone")];
    evidence.extend(standing.evidence());
    let what = format!(
        "{gone} was removed ({}) and {} has replaced it: {}",
        event.reason,
        standing.root.reference(),
        standing.in_words()
    );
    let rest = "the pod is gone and its successor serves".to_owned();
    Some(benign(observed, standing.subject, "leftover_pods", what, rest, evidence))
}

const DISRUPTIONS: &[&str] = &["Preempted", "Preempting", "Evicted", "TaintManagerEviction", "NodeShutdown"];

fn benign(
    observed: &Observed,
    subject: &Object,
    signature: &str,
    what: String,
    rest: String,
    evidence: Vec<Evidence>,
) -> Finding {
    Finding {
        summary: format!("{what}; {rest}"),
        causal_chain: vec![what, rest],
        evidence,
        strength: 0.88,
        disposition: Disposition::NotActionable,
        ..draft(signature, CauseClass::Benign, &subject.reference(), observed.root_owner(subject))
    }
}

#[cfg(test)]
mod tests;
