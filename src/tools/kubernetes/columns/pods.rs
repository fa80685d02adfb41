//! Pods, with READY, STATUS and RESTARTS as kubectl computes them.

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, at_text, created, labels};
use crate::domain::Object;
use crate::domain::object::text;
use crate::tools::kubernetes::age::age;
use crate::tools::kubernetes::containers::{Container, containers};

pub(super) const COLUMNS: &[Column] = &[
    ("READY", ready),
    ("STATUS", status),
    ("RESTARTS", restarts),
    ("AGE", created),
    ("IP", |pod, _| at_text(pod, "status.podIP")),
    ("NODE", |pod, _| at_text(pod, "spec.nodeName")),
    ("LABELS", labels),
];

fn ready(pod: &Object, _: Timestamp) -> String {
    let all = containers(pod);
    let lasting: Vec<_> = all.iter().filter(|container| container.is_lasting()).collect();
    let ready = lasting.iter().filter(|container| container.is_ready()).count();
    format!("{ready}/{}", lasting.len())
}

fn restarts(pod: &Object, now: Timestamp) -> String {
    let all = containers(pod);
    let count: i64 = all.iter().map(Container::restarts).sum();
    let ended = all
        .iter()
        .filter_map(|container| container.status_text("lastState.terminated.finishedAt").parse::<Timestamp>().ok());
    match ended.max().filter(|_| count > 0) {
        Some(last) => format!("{count} ({} ago)", age(Some(last), now)),
        None => count.to_string(),
    }
}

fn status(pod: &Object, _: Timestamp) -> String {
    let phase = at_text(pod, "status.phase");
    if pod.is_terminating() {
        return if pod.str_at("status.reason") == Some("NodeLost") { "Unknown" } else { "Terminating" }.to_owned();
    }
    if let Some(reason) = pod.str_at("status.reason").filter(|reason| !reason.is_empty()) {
        return reason.to_owned();
    }
    let all = containers(pod);
    if let Some(stuck) = stuck_init(&all) {
        return stuck;
    }
    let lasting = || all.iter().filter(|container| container.role.is_empty());
    let troubled = lasting().find_map(|container| {
        let waiting = container.status_text("state.waiting.reason");
        if waiting.is_empty() { ended(container) } else { Some(waiting.to_owned()) }
    });
    match troubled {
        Some(reason) if reason == "Completed" && lasting().any(is_running_and_ready) => "Running".to_owned(),
        Some(reason) => reason,
        None => unscheduled(pod).unwrap_or(phase),
    }
}

fn is_running_and_ready(container: &Container<'_>) -> bool {
    container.is_ready() && container.status_at("state.running").is_some()
}

/// `Error`, `OOMKilled`, `ExitCode:3`, `Completed`.
fn ended(container: &Container<'_>) -> Option<String> {
    let terminated = container.status_at("state.terminated").filter(|state| !state.is_null())?;
    match text(terminated, "reason") {
        "" => Some(format!("ExitCode:{}", terminated.get("exitCode").map(Value::to_string).unwrap_or_default())),
        reason => Some(reason.to_owned()),
    }
}

/// `Init:1/2`, `Init:CrashLoopBackOff`: the first init container that holds the pod up.
fn stuck_init(all: &[Container<'_>]) -> Option<String> {
    let init: Vec<_> = all.iter().filter(|container| matches!(container.role, "init" | "sidecar")).collect();
    for (done, container) in init.iter().enumerate() {
        let exit_code = container.status_at("state.terminated.exitCode").and_then(Value::as_i64);
        let started = container.status_at("started").and_then(Value::as_bool) == Some(true);
        if container.status.is_none() || exit_code == Some(0) || (container.role == "sidecar" && started) {
            continue;
        }
        let waiting = container.status_text("state.waiting.reason");
        return Some(match ended(container) {
            Some(reason) => format!("Init:{reason}"),
            None if !waiting.is_empty() && waiting != "PodInitializing" => format!("Init:{waiting}"),
            None => format!("Init:{done}/{}", init.len()),
        });
    }
    None
}

/// `Pending (Unschedulable)`.
fn unscheduled(pod: &Object) -> Option<String> {
    let condition = pod.condition("PodScheduled").filter(|condition| text(condition, "status") == "False")?;
    Some(format!("Pending ({})", text(condition, "reason")))
}
