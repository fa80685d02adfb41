//! Times of observations inside objects. Pure.

use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::log_text::stamp;
use crate::domain::object::{at, text};

/// Members that say when something was observed or happened. Times that may lie in the future (`notAfter`,
/// `deletionTimestamp`, `renewalTime`) are not among them.
const OBSERVED_AT: &[&str] = &[
    "completionTime",
    "creationTimestamp",
    "deprecatedFirstTimestamp",
    "deprecatedLastTimestamp",
    "eventTime",
    "finishedAt",
    "firstTimestamp",
    "lastHeartbeatTime",
    "lastObservedTime",
    "lastProbeTime",
    "lastScaleTime",
    "lastScheduleTime",
    "lastSuccessfulTime",
    "lastTimestamp",
    "lastTransitionTime",
    "lastUpdateTime",
    "renewTime",
    "startTime",
    "startedAt",
    "timestamp",
];

/// The newest of them anywhere in an object, its `data` and `spec.template` left out.
pub(super) fn newest_time(object: &Value) -> Option<Timestamp> {
    let members = object.as_object().into_iter().flatten();
    let relevant = members.filter(|(key, _)| !matches!(key.as_str(), "data" | "stringData" | "binaryData"));
    relevant.filter_map(|(key, value)| newest_in(key, value)).max()
}

fn newest_in(key: &str, value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => stamp(text).filter(|_| OBSERVED_AT.binary_search(&key).is_ok()),
        Value::Array(items) => items.iter().filter_map(|item| newest_in("", item)).max(),
        Value::Object(_) if matches!(key, "template" | "annotations" | "labels" | "managedFields") => None,
        Value::Object(members) => members.iter().filter_map(|(key, value)| newest_in(key, value)).max(),
        _ => None,
    }
}

/// When an event, of either API, was last seen.
pub(in crate::cluster) fn last_seen(event: &Value) -> Option<Timestamp> {
    let paths = [
        "series.lastObservedTime",
        "lastTimestamp",
        "deprecatedLastTimestamp",
        "eventTime",
        "metadata.creationTimestamp",
    ];
    paths.iter().find_map(|path| at(event, path).and_then(Value::as_str).and_then(stamp))
}

/// An `events.k8s.io/v1` event in the shape of `v1`; a `v1` event as it is.
pub(super) fn as_core_event(event: &Value) -> Option<Value> {
    if event.get("involvedObject").is_some() || event.get("regarding").is_none() {
        return None;
    }
    let mut event = event.clone();
    let members = event.as_object_mut()?;
    let renamed = [
        ("regarding", "involvedObject"),
        ("note", "message"),
        ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
        ("reportingController", "reportingComponent"),
    ];
    for (new, core) in renamed {
        if let Some(value) = members.shift_remove(new) {
            members.insert(core.to_owned(), value);
        }
    }
    members.insert("apiVersion".to_owned(), "v1".into());
    Some(event)
}

/// Identity of the occurrence an event records, the same in both event APIs.
pub(super) fn event_identity(event: &Value) -> (String, String) {
    (text(event, "metadata.namespace").to_owned(), text(event, "metadata.name").to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_is_sorted_for_binary_search() {
        assert!(OBSERVED_AT.is_sorted());
    }

    #[test]
    fn only_times_of_observations_count() {
        let object = json!({
            "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2029-01-01T00:00:00Z"},
            "data": {"timestamp": "2030-01-01T00:00:00Z"},
            "spec": {"template": {"startTime": "2031-01-01T00:00:00Z"}, "notAfter": "2032-01-01T00:00:00Z"},
            "status": {"conditions": [{"lastTransitionTime": "2026-02-01T00:00:00Z"}, {"lastProbeTime": null}],
                       "containerStatuses": [{"state": {"running": {"startedAt": "2026-03-01T00:00:00Z"}}}]}
        });
        assert_eq!(newest_time(&object), Some("2026-03-01T00:00:00Z".parse().unwrap()));
        assert_eq!(newest_time(&json!({"status": {"startedAt": "yesterday"}})), None);
        assert_eq!(newest_time(&json!([1])), None);
    }

    #[test]
    fn newer_events_take_the_older_shape() {
        let event = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
            "regarding": {"kind": "Pod", "name": "p"}, "note": "Back-off", "deprecatedCount": 3,
            "deprecatedLastTimestamp": "2026-01-01T00:00:00Z", "reason": "BackOff"
        });
        let core = as_core_event(&event).unwrap();
        assert_eq!(
            core,
            json!({
                "apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p"},
                "message": "Back-off", "count": 3, "lastTimestamp": "2026-01-01T00:00:00Z", "reason": "BackOff"
            })
        );
        assert_eq!(as_core_event(&core), None, "already in the older shape");
    }
}
