//! `list_prometheus_rules`: alerting and recording rules, firing ones first, without what only an operator of Prometheus
//! needs. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::client::has_labels;

/// Members of a rule that are kept, in this order.
const KEPT: [&str; 8] = ["name", "type", "state", "query", "duration", "labels", "annotations", "lastError"];
/// What is kept when all of that is too much.
const KEPT_SHORT: [&str; 4] = ["name", "state", "query", "lastError"];
/// Active alerts shown of one rule.
const ALERTS_MAX: usize = 10;

/// The rules for a model; `None` when there are none. Of active alerts only those with the given labels are shown.
pub(super) fn shown(data: &Value, labels: &BTreeMap<String, String>, chars_max: usize) -> Option<Value> {
    let groups: Vec<&Value> = data.get("groups").and_then(Value::as_array).into_iter().flatten().collect();
    let rules = |group: &Value| group.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
    if groups.iter().all(|group| rules(group).is_empty()) {
        return None;
    }
    let list = |kept: &[&str]| {
        let mut list: Vec<(u8, Value)> = Vec::new();
        for group in &groups {
            for rule in rules(group) {
                let (rank, mut shown) = one(&rule, labels, kept);
                shown.insert("group".to_owned(), group.get("name").cloned().unwrap_or_default());
                list.push((rank, Value::Object(shown)));
            }
        }
        list.sort_by_key(|(rank, _)| *rank);
        list.into_iter().map(|(_, rule)| rule).collect::<Vec<Value>>()
    };
    let whole = list(&KEPT);
    let answer = json!({"count": whole.len(), "rules": whole});
    if answer.to_string().chars().count() <= chars_max {
        return Some(answer);
    }
    let told = "labels and annotations of the rules are left out because there are too many rules";
    Some(json!({"count": answer.get("count"), "rules": list(&KEPT_SHORT), "_truncated": true, "_message": told}))
}

/// A rule and its rank: firing, pending, failing to evaluate, then the rest.
fn one(rule: &Value, labels: &BTreeMap<String, String>, kept: &[&str]) -> (u8, Map<String, Value>) {
    let mut shown = Map::new();
    let alerts = rule.get("alerts").and_then(Value::as_array).into_iter().flatten();
    let alerts: Vec<&Value> = alerts.filter(|alert| has_labels(alert.get("labels"), labels)).collect();
    let state = if labels.is_empty() {
        rule.get("state").and_then(Value::as_str)
    } else {
        // The rule's own state tells of alerts outside the labels too.
        rule.get("state").map(|_| {
            let states: Vec<&str> =
                alerts.iter().filter_map(|alert| alert.get("state").and_then(Value::as_str)).collect();
            ["firing", "pending"].into_iter().find(|state| states.contains(state)).unwrap_or("inactive")
        })
    };
    for name in kept {
        let value = if *name == "state" { state.map(|state| json!(state)) } else { rule.get(*name).cloned() };
        let value = value.filter(|value| !is_blank(value));
        shown.extend(value.map(|value| ((*name).to_owned(), value)));
    }
    if !alerts.is_empty() {
        let alert = |alert: &&Value| {
            let members = ["state", "activeAt", "value", "labels"];
            let pairs = members.iter().filter_map(|name| Some(((*name).to_owned(), alert.get(*name)?.clone())));
            Value::Object(pairs.collect())
        };
        shown.insert("active_alerts".to_owned(), json!(alerts.len()));
        shown.insert("alerts".to_owned(), alerts.iter().take(ALERTS_MAX).map(alert).collect());
    }
    let rank = match state {
        Some("firing") => 0,
        Some("pending") => 1,
        _ if shown.contains_key("lastError") => 2,
        _ => 3,
    };
    (rank, shown)
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> Value {
        let alert = |ns: &str, state: &str| json!({"labels": {"ns": ns}, "state": state, "annotations": {"a": "b"}});
        json!({"groups": [
            {"name": "g", "file": "/etc/x.yml", "rules": [
                {"name": "job:up", "type": "recording", "query": "sum(up)", "health": "ok", "evaluationTime": 0.1},
                {"name": "Down", "type": "alerting", "state": "firing", "query": "up == 0", "duration": 300,
                 "labels": {"severity": "critical"}, "annotations": {}, "alerts": [alert("a", "pending"), alert("b", "firing")]},
            ]},
            {"name": "empty", "rules": []},
        ]})
    }

    #[test]
    fn firing_rules_come_first_and_keep_what_matters() {
        let shown = shown(&data(), &BTreeMap::new(), 30_000).unwrap();
        assert_eq!(shown["count"], 2);
        assert_eq!(shown["rules"][1], json!({"name": "job:up", "type": "recording", "query": "sum(up)", "group": "g"}));
        let down = &shown["rules"][0];
        assert_eq!(
            (&down["state"], &down["duration"], &down["active_alerts"]),
            (&json!("firing"), &json!(300), &json!(2))
        );
        assert_eq!(down["alerts"][1], json!({"state": "firing", "labels": {"ns": "b"}}));
        assert!(down.get("annotations").is_none());
    }

    #[test]
    fn alerts_outside_the_configured_labels_are_not_told() {
        let labels = |ns: &str| BTreeMap::from([("ns".to_owned(), ns.to_owned())]);
        let shown_for = |ns: &str| shown(&data(), &labels(ns), 30_000).unwrap();
        assert_eq!(shown_for("a")["rules"][0]["state"], "pending");
        assert!(!shown_for("a").to_string().contains("firing"));
        assert_eq!(shown_for("c")["rules"][1]["state"], "inactive");
        assert!(shown_for("c")["rules"][1].get("alerts").is_none());
    }

    #[test]
    fn many_rules_lose_their_annotations_first() {
        let short = shown(&data(), &BTreeMap::new(), 100).unwrap();
        assert_eq!((&short["_truncated"], &short["count"]), (&json!(true), &json!(2)));
        assert!(short["rules"][0].get("labels").is_none());
        assert_eq!(shown(&json!({"groups": [{"rules": []}]}), &BTreeMap::new(), 100), None);
        assert_eq!(shown(&json!(null), &BTreeMap::new(), 100), None);
    }
}
