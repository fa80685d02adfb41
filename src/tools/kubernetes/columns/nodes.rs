//! Nodes.

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, at_text, created, labels};
use crate::domain::Object;
use crate::domain::object::text;

pub(super) const COLUMNS: &[Column] = &[
    ("STATUS", status),
    ("ROLES", roles),
    ("AGE", created),
    ("VERSION", |node, _| at_text(node, "status.nodeInfo.kubeletVersion")),
    ("IP", |node, _| at_text(node, "status.addresses[type=InternalIP].address")),
    ("ALLOCATABLE", allocatable),
    ("TAINTS", taints),
    ("LABELS", |node, now| without_roles(&labels(node, now))),
];

/// `Ready`, `NotReady (NodeStatusUnknown)`, with pressure and cordon behind it.
fn status(node: &Object, _: Timestamp) -> String {
    let ready = match node.condition("Ready") {
        Some(ready) if text(ready, "status") == "True" => "Ready".to_owned(),
        Some(ready) => format!("NotReady ({})", text(ready, "reason")),
        None => "Unknown".to_owned(),
    };
    let bad = node.list_at("status.conditions").filter(|c| text(c, "type") != "Ready" && text(c, "status") == "True");
    let cordoned = node.bool_at("spec.unschedulable") == Some(true);
    let more = bad.map(|condition| text(condition, "type").to_owned());
    let more = more.chain(cordoned.then(|| "SchedulingDisabled".to_owned()));
    std::iter::once(ready).chain(more).collect::<Vec<_>>().join(",")
}

const ROLE: &str = "node-role.kubernetes.io/";

fn roles(node: &Object, _: Timestamp) -> String {
    node.labels().keys().filter_map(|key| key.strip_prefix(ROLE)).collect::<Vec<_>>().join(",")
}

fn without_roles(labels: &str) -> String {
    labels.split(',').filter(|label| !label.starts_with(ROLE)).collect::<Vec<_>>().join(",")
}

fn allocatable(node: &Object, _: Timestamp) -> String {
    let parts = ["cpu", "memory", "pods"].map(|key| (key, at_text(node, &format!("status.allocatable.{key}"))));
    let known = parts.iter().filter(|(_, amount)| !amount.is_empty());
    known.map(|(key, amount)| format!("{key}={amount}")).collect::<Vec<_>>().join(",")
}

fn taints(node: &Object, _: Timestamp) -> String {
    let taint = |taint: &Value| {
        let value = Some(text(taint, "value")).filter(|value| !value.is_empty());
        format!(
            "{}{}:{}",
            text(taint, "key"),
            value.map(|v| format!("={v}")).unwrap_or_default(),
            text(taint, "effect")
        )
    };
    node.list_at("spec.taints").map(taint).collect::<Vec<_>>().join(",")
}
