//! A Kubernetes object as the API server prints it, read through paths that cannot panic.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::resource::ResourceRef;

/// An untyped Kubernetes object. Read-only: nothing in this service changes a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Object(Value);

impl Object {
    /// `None` unless the value is a map with non-empty `kind` and `metadata.name`.
    pub fn new(value: Value) -> Option<Self> {
        let object = Self(value);
        (!object.kind().is_empty() && !object.name().is_empty()).then_some(object)
    }

    pub fn value(&self) -> &Value {
        &self.0
    }

    pub fn into_value(self) -> Value {
        self.0
    }

    pub fn kind(&self) -> &str {
        text(&self.0, "kind")
    }

    pub fn api_version(&self) -> &str {
        text(&self.0, "apiVersion")
    }

    pub fn name(&self) -> &str {
        text(&self.0, "metadata.name")
    }

    /// `None` for cluster-scoped objects.
    pub fn namespace(&self) -> Option<&str> {
        self.str_at("metadata.namespace").filter(|namespace| !namespace.is_empty())
    }

    pub fn uid(&self) -> &str {
        text(&self.0, "metadata.uid")
    }

    pub fn reference(&self) -> ResourceRef {
        ResourceRef {
            kind: self.kind().to_owned(),
            name: self.name().to_owned(),
            namespace: self.namespace().map(str::to_owned),
            api_version: Some(self.api_version().to_owned()).filter(|version| !version.is_empty()),
        }
    }

    /// Value at a dotted path; see [`at`].
    pub fn at(&self, path: &str) -> Option<&Value> {
        at(&self.0, path)
    }

    pub fn str_at(&self, path: &str) -> Option<&str> {
        self.at(path).and_then(Value::as_str)
    }

    pub fn i64_at(&self, path: &str) -> Option<i64> {
        self.at(path).and_then(Value::as_i64)
    }

    pub fn bool_at(&self, path: &str) -> Option<bool> {
        self.at(path).and_then(Value::as_bool)
    }

    pub fn time_at(&self, path: &str) -> Option<Timestamp> {
        self.str_at(path).and_then(|text| text.parse().ok())
    }

    /// Elements of the array at `path`; nothing when it is absent or not an array.
    pub fn list_at(&self, path: &str) -> impl Iterator<Item = &Value> {
        self.at(path).and_then(Value::as_array).into_iter().flatten()
    }

    pub fn labels(&self) -> BTreeMap<&str, &str> {
        text_map(self.at("metadata.labels"))
    }

    pub fn label(&self, key: &str) -> Option<&str> {
        self.at("metadata.labels").and_then(|labels| labels.get(key)).and_then(Value::as_str)
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.at("metadata.annotations").and_then(|annotations| annotations.get(key)).and_then(Value::as_str)
    }

    /// The reference to climb: the controller's, else the only one (investigation §7.2).
    pub fn owner(&self) -> Option<OwnerRef> {
        let owners: Vec<&Value> = self.list_at("metadata.ownerReferences").collect();
        let controller = owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true));
        let owner = match (controller, owners.as_slice()) {
            (Some(owner), _) | (None, [owner]) => *owner,
            _ => return None,
        };
        let member = |key: &str| text(owner, key).to_owned();
        Some(OwnerRef {
            api_version: member("apiVersion"),
            kind: member("kind"),
            name: member("name"),
            uid: member("uid"),
        })
    }

    pub fn created_at(&self) -> Option<Timestamp> {
        self.time_at("metadata.creationTimestamp")
    }

    pub fn is_terminating(&self) -> bool {
        self.at("metadata.deletionTimestamp").is_some_and(|stamp| !stamp.is_null())
    }

    /// The entry of `status.conditions` with this `type`.
    pub fn condition(&self, kind: &str) -> Option<&Value> {
        self.list_at("status.conditions").find(|condition| text(condition, "type") == kind)
    }

    /// `True`, `False` or `Unknown` of that condition.
    pub fn condition_status(&self, kind: &str) -> Option<&str> {
        self.condition(kind).map(|condition| text(condition, "status"))
    }
}

/// One owner reference; the namespace follows from the owner kind's scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerRef {
    pub api_version: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
}

/// Value at a dotted path such as `spec.template.spec.containers[0].image` or `status.conditions[type=Ready].status`.
/// Keys that contain dots (annotations) cannot be named this way: read their map and `get` the key.
pub fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |current, segment| {
        let selected = if segment.ends_with(']') { segment.split_once('[') } else { None };
        let Some((key, selectors)) = selected else { return member(current, segment) };
        let found = if key.is_empty() { Some(current) } else { member(current, key) };
        selectors.split('[').try_fold(found?, |array, selector| select(array, selector))
    })
}

/// A member by its name.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    /// Up to here looking at all names costs less than the hash of one.
    const FEW: usize = 10;
    match value {
        Value::Object(members) if members.len() <= FEW => {
            members.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
        }
        other => other.get(name),
    }
}

fn select<'a>(array: &'a Value, selector: &str) -> Option<&'a Value> {
    let selector = selector.trim_end_matches(']');
    match selector.split_once('=') {
        Some((key, wanted)) => array.as_array()?.iter().find(|element| text(element, key) == wanted),
        None => array.get(selector.parse::<usize>().ok()?),
    }
}

/// Text at a dotted path; empty when absent or not a string.
pub fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    at(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// A map of strings (labels, selectors); other values are left out.
pub fn text_map(value: Option<&Value>) -> BTreeMap<&str, &str> {
    let members = value.and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

/// What sort of JSON value it is, in words for error texts.
pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_reach_members_indexes_and_named_elements() {
        let value = json!({"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}]}, {"name": "b"}]}});
        assert_eq!(at(&value, "spec.containers[0].ports[0].containerPort"), Some(&json!(80)));
        assert_eq!(text(&value, "spec.containers[name=b].name"), "b");
        for absent in ["spec.containers[7].name", "spec.none.deep", "spec.containers[name=c]", "spec.containers[x]"] {
            assert_eq!(at(&value, absent), None, "{absent}");
        }
    }

    #[test]
    fn the_owner_is_the_controller_or_the_only_reference() {
        let pod = |owners: Value| {
            Object::new(json!({"kind": "Pod", "metadata": {"name": "p", "ownerReferences": owners}})).unwrap()
        };
        let plain = json!({"kind": "Other", "name": "x"});
        let controller = json!({"kind": "ReplicaSet", "name": "rs", "controller": true});
        assert_eq!(pod(json!([plain, controller])).owner().unwrap().kind, "ReplicaSet");
        assert_eq!(pod(json!([plain])).owner().unwrap().kind, "Other");
        assert_eq!(pod(json!([plain, plain])).owner(), None);
    }

    #[test]
    fn an_object_needs_kind_and_name() {
        assert!(Object::new(json!({"kind": "Pod"})).is_none());
        assert!(Object::new(json!([1])).is_none());
    }
}
