//! Which columns tell most about a kind. Pure.

mod network;
mod nodes;
mod pods;
mod policies;
mod storage;
mod workloads;

use jiff::Timestamp;
use serde_json::Value;

use super::age::age;
use super::clean::data_keys;
use crate::domain::Object;
use crate::domain::object::{at, text, text_map};

/// A column: its heading and what it says about an object at a moment.
pub(super) type Column = (&'static str, fn(&Object, Timestamp) -> String);

/// The columns between NAME and the end, for a kind of a group.
pub(super) fn columns(group: &str, kind: &str) -> &'static [Column] {
    match (group, kind) {
        ("", "Pod") => pods::COLUMNS,
        ("", "Node") => nodes::COLUMNS,
        ("apps", "Deployment") => workloads::DEPLOYMENT,
        ("apps", "ReplicaSet" | "StatefulSet") | ("", "ReplicationController") => workloads::REPLICAS,
        ("apps", "DaemonSet") => workloads::DAEMON_SET,
        ("batch", "Job") => workloads::JOB,
        ("batch", "CronJob") => workloads::CRON_JOB,
        ("", "Service") => network::SERVICE,
        ("", "Endpoints") => network::ENDPOINTS,
        ("discovery.k8s.io", "EndpointSlice") => network::ENDPOINT_SLICE,
        ("networking.k8s.io", "Ingress") => network::INGRESS,
        ("networking.k8s.io", "NetworkPolicy") => network::NETWORK_POLICY,
        ("", "PersistentVolumeClaim") => storage::CLAIM,
        ("", "PersistentVolume") => storage::VOLUME,
        ("storage.k8s.io", "StorageClass") => storage::CLASS,
        ("autoscaling", "HorizontalPodAutoscaler") => policies::AUTOSCALER,
        ("policy", "PodDisruptionBudget") => policies::DISRUPTION_BUDGET,
        ("", "ResourceQuota") => policies::QUOTA,
        ("", "ConfigMap") => CONFIG_MAP,
        ("", "Secret") => SECRET,
        _ => GENERIC,
    }
}

const CONFIG_MAP: &[Column] = &[("KEYS", keys), ("AGE", created)];
const SECRET: &[Column] = &[("TYPE", |object, _| at_text(object, "type")), ("KEYS", keys), ("AGE", created)];
const GENERIC: &[Column] = &[("STATUS", generic_status), ("AGE", created), ("LABELS", labels)];

fn keys(object: &Object, _: Timestamp) -> String {
    data_keys(object).join(",")
}

fn created(object: &Object, now: Timestamp) -> String {
    age(object.created_at(), now)
}

/// Text, number or truth value at a path.
fn at_text(object: &Object, path: &str) -> String {
    object.at(path).map(plain).unwrap_or_default()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn number(object: &Object, path: &str) -> i64 {
    object.i64_at(path).unwrap_or(0)
}

/// Labels that repeat what the name or the owner says.
const DERIVED_LABELS: [&str; 9] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "kubernetes.io/hostname",
];

fn labels(object: &Object, _: Timestamp) -> String {
    let labels = object.labels();
    let told =
        labels.iter().filter(|(key, _)| !DERIVED_LABELS.contains(key) && !key.starts_with("beta.kubernetes.io/"));
    told.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// A selector as kubectl writes it; `<none>` selects nothing.
fn selector(selector: Option<&Value>) -> String {
    let Some(selector) = selector.filter(|selector| !selector.is_null()) else { return "<none>".to_owned() };
    let is_object = selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some();
    let exact = text_map(if is_object { selector.get("matchLabels") } else { Some(selector) });
    let mut parts: Vec<String> = exact.iter().map(|(key, value)| format!("{key}={value}")).collect();
    for rule in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let values: Vec<&str> =
            rule.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        parts.push(format!("{} {} ({})", text(rule, "key"), text(rule, "operator"), values.join(",")));
    }
    if parts.is_empty() { "<all>".to_owned() } else { parts.join(",") }
}

/// Images of a pod template, without repetition.
fn images(object: &Object, path: &str) -> String {
    let mut images: Vec<&str> = object.list_at(path).map(|container| text(container, "image")).collect();
    images.dedup();
    images.join(",")
}

/// `Terminating`, a phase or state, else the condition that says most.
fn generic_status(object: &Object, _: Timestamp) -> String {
    if object.is_terminating() {
        return "Terminating".to_owned();
    }
    let said = ["status.phase", "status.state", "status.health.status", "status.status"];
    if let Some(said) = said.iter().find_map(|path| object.str_at(path)) {
        return said.to_owned();
    }
    let known = ["Ready", "Available", "Synced", "Established", "Healthy", "Accepted"];
    let condition = known.iter().find_map(|kind| object.condition(kind));
    condition.or_else(|| object.list_at("status.conditions").next()).map(condition_text).unwrap_or_default()
}

/// `Ready=True`, `Ready=False (Expired)`.
fn condition_text(condition: &Value) -> String {
    let (kind, status) = (text(condition, "type"), text(condition, "status"));
    match at(condition, "reason").and_then(Value::as_str).filter(|reason| status != "True" && !reason.is_empty()) {
        Some(reason) => format!("{kind}={status} ({reason})"),
        None => format!("{kind}={status}"),
    }
}
