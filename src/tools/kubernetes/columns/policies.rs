//! What limits or scales pods.

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, at_text, condition_text, created, number, plain};
use crate::domain::Object;
use crate::domain::object::{at, text, text_map};

pub(super) const AUTOSCALER: &[Column] = &[
    ("REFERENCE", |object, _| {
        format!("{}/{}", at_text(object, "spec.scaleTargetRef.kind"), at_text(object, "spec.scaleTargetRef.name"))
    }),
    ("TARGETS", targets),
    ("MIN", |object, _| object.i64_at("spec.minReplicas").unwrap_or(1).to_string()),
    ("MAX", |object, _| at_text(object, "spec.maxReplicas")),
    ("REPLICAS", |object, _| number(object, "status.currentReplicas").to_string()),
    ("DESIRED", |object, _| at_text(object, "status.desiredReplicas")),
    ("TROUBLE", autoscaler_trouble),
    ("AGE", created),
];
pub(super) const DISRUPTION_BUDGET: &[Column] = &[
    ("MIN-AVAILABLE", |object, _| at_text(object, "spec.minAvailable")),
    ("MAX-UNAVAILABLE", |object, _| at_text(object, "spec.maxUnavailable")),
    ("ALLOWED-DISRUPTIONS", |object, _| number(object, "status.disruptionsAllowed").to_string()),
    ("HEALTHY", |object, _| {
        format!("{}/{}", number(object, "status.currentHealthy"), number(object, "status.expectedPods"))
    }),
    ("SELECTOR", |object, _| super::selector(object.at("spec.selector"))),
    ("AGE", created),
];
pub(super) const QUOTA: &[Column] = &[("USED/HARD", used_of_hard), ("AGE", created)];

/// `cpu: 93%/70%`, in the order of the specification; `?` where nothing was measured.
fn targets(object: &Object, _: Timestamp) -> String {
    let current: Vec<&Value> = object.list_at("status.currentMetrics").collect();
    let wanted = object.list_at("spec.metrics").enumerate();
    let v2 = wanted.map(|(index, metric)| {
        let kind = text(metric, "type");
        let member =
            kind.chars().next().map(|first| first.to_lowercase().chain(kind.chars().skip(1)).collect::<String>());
        let member = member.unwrap_or_default();
        let name = ["name", "metric.name"].iter().map(|path| text(metric, &format!("{member}.{path}")));
        let name = name.into_iter().find(|name| !name.is_empty()).unwrap_or(kind);
        let goal = at(metric, &format!("{member}.target"));
        let have = current.get(index).and_then(|current| at(current, &format!("{member}.current")));
        format!("{name}: {}/{}", amount(have), amount(goal))
    });
    let v1 = object.at("spec.targetCPUUtilizationPercentage").map(|goal| {
        let have = object.at("status.currentCPUUtilizationPercentage").map_or_else(|| "?".to_owned(), plain);
        format!("cpu: {have}%/{}%", plain(goal))
    });
    v2.chain(v1).collect::<Vec<_>>().join(", ")
}

fn amount(of: Option<&Value>) -> String {
    let Some(of) = of else { return "?".to_owned() };
    let utilization = of.get("averageUtilization").map(|percent| format!("{}%", plain(percent)));
    let value = || ["averageValue", "value"].iter().find_map(|key| of.get(key)).map(plain);
    utilization.or_else(value).unwrap_or_else(|| "?".to_owned())
}

/// A limit reached, or a condition that is false.
fn autoscaler_trouble(object: &Object, _: Timestamp) -> String {
    let bad = object.list_at("status.conditions").filter_map(|condition| match text(condition, "type") {
        "ScalingLimited" => (text(condition, "status") == "True").then(|| text(condition, "reason").to_owned()),
        _ => (text(condition, "status") == "False").then(|| condition_text(condition)),
    });
    bad.collect::<Vec<_>>().join(", ")
}

fn used_of_hard(object: &Object, _: Timestamp) -> String {
    let used = text_map(object.at("status.used"));
    let hard = object.at("status.hard").or_else(|| object.at("spec.hard"));
    let pair = |(key, limit): (&&str, &&str)| format!("{key}: {}/{limit}", used.get(*key).unwrap_or(&"?"));
    text_map(hard).iter().map(pair).collect::<Vec<_>>().join(", ")
}
