//! What runs pods.

use jiff::Timestamp;

use super::{Column, at_text, condition_text, created, images, number};
use crate::domain::Object;
use crate::domain::object::text;
use crate::tools::kubernetes::age::{age, span};

const TEMPLATE: &str = "spec.template.spec.containers";

pub(super) const DEPLOYMENT: &[Column] = &[
    ("READY", ready),
    ("UP-TO-DATE", |object, _| number(object, "status.updatedReplicas").to_string()),
    ("AVAILABLE", |object, _| number(object, "status.availableReplicas").to_string()),
    ("TROUBLE", trouble),
    ("AGE", created),
    ("IMAGES", |object, _| images(object, TEMPLATE)),
];
pub(super) const REPLICAS: &[Column] = &[
    ("READY", ready),
    ("TROUBLE", trouble),
    ("AGE", created),
    ("OWNER", owner),
    ("IMAGES", |object, _| images(object, TEMPLATE)),
];
pub(super) const DAEMON_SET: &[Column] = &[
    ("DESIRED", |object, _| number(object, "status.desiredNumberScheduled").to_string()),
    ("READY", |object, _| number(object, "status.numberReady").to_string()),
    ("UP-TO-DATE", |object, _| number(object, "status.updatedNumberScheduled").to_string()),
    ("MISSCHEDULED", misscheduled),
    ("AGE", created),
    ("IMAGES", |object, _| images(object, TEMPLATE)),
];
pub(super) const JOB: &[Column] = &[
    ("STATUS", job_status),
    ("COMPLETIONS", |object, _| {
        format!("{}/{}", number(object, "status.succeeded"), object.i64_at("spec.completions").unwrap_or(1))
    }),
    ("FAILED", |object, _| at_text(object, "status.failed")),
    ("DURATION", duration),
    ("AGE", created),
    ("IMAGES", |object, _| images(object, TEMPLATE)),
];
pub(super) const CRON_JOB: &[Column] = &[
    ("SCHEDULE", |object, _| at_text(object, "spec.schedule")),
    ("SUSPENDED", |object, _| {
        object.bool_at("spec.suspend").filter(|is| *is).map(|_| "yes".to_owned()).unwrap_or_default()
    }),
    ("ACTIVE", |object, _| object.list_at("status.active").count().to_string()),
    ("LAST-SCHEDULE", |object, now| age(object.time_at("status.lastScheduleTime"), now)),
    ("LAST-SUCCESS", |object, now| age(object.time_at("status.lastSuccessfulTime"), now)),
    ("AGE", created),
    ("IMAGES", |object, _| images(object, "spec.jobTemplate.spec.template.spec.containers")),
];

fn ready(object: &Object, _: Timestamp) -> String {
    format!("{}/{}", number(object, "status.readyReplicas"), object.i64_at("spec.replicas").unwrap_or(1))
}

fn misscheduled(object: &Object, _: Timestamp) -> String {
    Some(number(object, "status.numberMisscheduled"))
        .filter(|count| *count > 0)
        .map(|n| n.to_string())
        .unwrap_or_default()
}

/// Conditions that are not as they should be.
fn trouble(object: &Object, _: Timestamp) -> String {
    let paused = object.bool_at("spec.paused") == Some(true);
    let bad = object.list_at("status.conditions").filter(|condition| {
        let should_be = if text(condition, "type").ends_with("Failure") { "False" } else { "True" };
        text(condition, "status") != should_be
    });
    paused.then(|| "paused".to_owned()).into_iter().chain(bad.map(failure_text)).collect::<Vec<_>>().join(", ")
}

/// Names the reason also of a condition that is bad when true.
fn failure_text(condition: &serde_json::Value) -> String {
    match (text(condition, "status"), text(condition, "reason")) {
        ("True", reason) if !reason.is_empty() => format!("{}=True ({reason})", text(condition, "type")),
        _ => condition_text(condition),
    }
}

fn owner(object: &Object, _: Timestamp) -> String {
    object.owner().map(|owner| format!("{}/{}", owner.kind, owner.name)).unwrap_or_default()
}

fn job_status(object: &Object, _: Timestamp) -> String {
    if object.bool_at("spec.suspend") == Some(true) {
        return "Suspended".to_owned();
    }
    if let Some(failed) = object.condition("Failed").filter(|condition| text(condition, "status") == "True") {
        return format!("Failed ({})", text(failed, "reason"));
    }
    if object.condition_status("Complete") == Some("True") { "Complete".to_owned() } else { "Running".to_owned() }
}

fn duration(object: &Object, now: Timestamp) -> String {
    let Some(start) = object.time_at("status.startTime") else { return String::new() };
    let failed = object.condition("Failed").and_then(|failed| text(failed, "lastTransitionTime").parse().ok());
    let end = object.time_at("status.completionTime").or(failed).unwrap_or(now);
    span(end.as_second() - start.as_second())
}
