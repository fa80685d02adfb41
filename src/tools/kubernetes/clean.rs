//! Objects without bookkeeping and without the values of Secrets. Pure.

use serde_json::{Map, Value};

use crate::domain::Object;
use crate::domain::object::text;

/// Members of a Secret that hold values.
pub(super) const SECRET_VALUES: [&str; 2] = ["data", "stringData"];
/// Holds a copy of the whole object, values of Secrets included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object without managed fields and last-applied configuration, values of Secrets replaced.
pub(in crate::tools) fn cleaned(object: &Object) -> Value {
    let mut value = object.value().clone();
    clean(&mut value);
    value
}

/// The same for any value; objects inside of it included.
pub(in crate::tools) fn clean(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(clean),
        Value::Object(members) => {
            if members.get("kind").is_some_and(names_secret) {
                mask(members);
            }
            if members.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("SecretList")) {
                let items = members.get_mut("items").and_then(Value::as_array_mut).into_iter().flatten();
                items.filter_map(Value::as_object_mut).for_each(mask);
            }
            members.shift_remove("managedFields");
            if let Some(annotations) = members.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.shift_remove(LAST_APPLIED);
            }
            members.values_mut().for_each(clean);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether the values of this object are masked.
pub(super) fn is_secret(object: &Value) -> bool {
    object.get("kind").is_some_and(names_secret)
}

fn names_secret(kind: &Value) -> bool {
    kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("Secret"))
}

fn mask(secret: &mut Map<String, Value>) {
    for member in SECRET_VALUES {
        match secret.get_mut(member) {
            Some(Value::Object(values)) => {
                let is_encoded = member == "data";
                values.values_mut().for_each(|value| *value = Value::String(size_only(value, is_encoded)));
            }
            Some(Value::Null) | None => {}
            Some(other) => *other = Value::String(size_only(other, false)),
        }
    }
}

/// `[REDACTED] (24 bytes)`; safe to apply to its own result.
fn size_only(value: &Value, is_encoded: bool) -> String {
    match value.as_str() {
        Some(masked) if is_mask(masked) => masked.to_owned(),
        Some(text) if is_encoded => format!("[REDACTED] ({} bytes)", decoded_bytes(text)),
        Some(text) => format!("[REDACTED] ({} bytes)", text.len()),
        None => "[REDACTED]".to_owned(),
    }
}

fn is_mask(text: &str) -> bool {
    let size = text.strip_prefix("[REDACTED] (").and_then(|rest| rest.strip_suffix(" bytes)"));
    text == "[REDACTED]" || size.is_some_and(|size| !size.is_empty() && size.chars().all(|c| c.is_ascii_digit()))
}

/// Bytes behind a base64 text, without decoding it.
fn decoded_bytes(text: &str) -> usize {
    let letters = text.trim_end().trim_end_matches('=').bytes().filter(|byte| !byte.is_ascii_whitespace()).count();
    letters * 3 / 4
}

/// Names of the keys of a ConfigMap or Secret, sorted.
pub(super) fn data_keys(object: &Object) -> Vec<&str> {
    let maps = ["data", "stringData", "binaryData"].iter().filter_map(|member| object.at(member)?.as_object());
    let mut keys: Vec<&str> = maps.flat_map(|map| map.keys().map(String::as_str)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Pairs that are the API's defaults and say nothing.
const DEFAULTS: [(&str, &str); 18] = [
    ("terminationMessagePath", "/dev/termination-log"),
    ("terminationMessagePolicy", "File"),
    ("dnsPolicy", "ClusterFirst"),
    ("schedulerName", "default-scheduler"),
    ("preemptionPolicy", "PreemptLowerPriority"),
    ("enableServiceLinks", "true"),
    ("priority", "0"),
    ("protocol", "TCP"),
    ("scheme", "HTTP"),
    ("successThreshold", "1"),
    ("defaultMode", "420"),
    ("revisionHistoryLimit", "10"),
    ("terminationGracePeriodSeconds", "30"),
    ("sessionAffinity", "None"),
    ("internalTrafficPolicy", "Cluster"),
    ("ipFamilyPolicy", "SingleStack"),
    ("volumeMode", "Filesystem"),
    ("suspend", "false"),
];
/// Members that repeat another one or only serve the API machinery.
const NOISE: [&str; 9] = [
    "serviceAccount",
    "podIPs",
    "hostIPs",
    "ipFamilies",
    "clusterIPs",
    "lastProbeTime",
    "observedGeneration",
    "resourceVersion",
    "uid",
];

/// Leaves out what is empty, default or given by every cluster.
pub(super) fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|key, member| !is_noise(key, member));
            members.values_mut().for_each(prune);
            members.retain(|_, member| !is_empty(member));
        }
        Value::Array(items) => {
            items.retain(|item| !is_standard(item));
            items.iter_mut().for_each(prune);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_noise(key: &str, value: &Value) -> bool {
    let plain = || value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    NOISE.contains(&key) || DEFAULTS.iter().any(|(name, default)| *name == key && plain() == *default)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The token volume and the two tolerations every pod is given.
fn is_standard(item: &Value) -> bool {
    const TOLERATED: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
    text(item, "name").starts_with("kube-api-access-")
        || (TOLERATED.contains(&text(item, "key"))
            && item.get("tolerationSeconds").is_some_and(|seconds| *seconds == 300))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_secrets_never_pass_wherever_they_are() {
        let secret = json!({"kind": "Secret", "metadata": {"name": "s", "annotations": {LAST_APPLIED: "hunter2", "team": "a"}},
            "data": {"password": "aHVudGVyMg==", "empty": ""}, "stringData": {"token": "hunter2"}});
        let typed_list = json!({"kind": "SecretList", "items": [{"data": {"a": "aHVudGVyMg=="}}]});
        let mut value =
            json!({"kind": "List", "items": [secret, [secret]], "raw": {"inner": secret}, "more": typed_list});
        clean(&mut value);
        let shown = value.to_string();
        assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVy"), "{shown}");
        assert_eq!(
            value["items"][0]["data"],
            json!({"password": "[REDACTED] (7 bytes)", "empty": "[REDACTED] (0 bytes)"})
        );
        assert_eq!(value["items"][1][0]["metadata"]["annotations"], json!({"team": "a"}));
        let once = value.clone();
        clean(&mut value);
        assert_eq!(value, once, "applying it twice equals once");
    }

    #[test]
    fn odd_secrets_are_masked_and_other_kinds_are_not() {
        let mut odd =
            json!({"kind": "secret", "data": "hunter2", "stringData": {"n": 5, "fake": "[REDACTED] (x bytes)"}});
        clean(&mut odd);
        assert_eq!(
            odd,
            json!({"kind": "secret", "data": "[REDACTED] (7 bytes)",
                "stringData": {"n": "[REDACTED]", "fake": "[REDACTED] (20 bytes)"}})
        );
        let mut map = json!({"kind": "ConfigMap", "data": {"a": "b"}, "metadata": {"managedFields": [1]}});
        clean(&mut map);
        assert_eq!(map, json!({"kind": "ConfigMap", "data": {"a": "b"}, "metadata": {}}));
    }

    #[test]
    fn pruning_leaves_what_was_decided() {
        let mut pod = json!({"dnsPolicy": "ClusterFirst", "securityContext": {}, "nodeName": "n", "priority": 0,
            "volumes": [{"name": "kube-api-access-x"}], "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "tolerationSeconds": 300}, {"key": "gpu"}],
            "readinessProbe": {"successThreshold": 1, "failureThreshold": 3}, "replicas": 0, "suspend": true});
        prune(&mut pod);
        assert_eq!(
            pod,
            json!({"nodeName": "n", "tolerations": [{"key": "gpu"}], "readinessProbe": {"failureThreshold": 3},
                "replicas": 0, "suspend": true})
        );
    }
}
