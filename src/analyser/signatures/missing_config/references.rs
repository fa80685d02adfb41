//! Every ConfigMap and Secret a Pod needs before it can start, and whether it is there.

use serde_json::Value;

use crate::analyser::Observed;
use crate::analyser::draft::compact;
use crate::domain::object::text;
use crate::domain::{Evidence, Object, ResourceRef};

/// One place of a Pod's spec that names a ConfigMap or Secret.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference<'a> {
    pub(super) pod: &'a Object,
    /// `ConfigMap` or `Secret`.
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
    /// `None`: the whole object is used.
    pub(super) key: Option<&'a str>,
    /// Path of the reference in the Pod.
    path: String,
    value: &'a Value,
}

/// What is wrong with a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Present,
    ObjectMissing,
    KeyMissing,
    /// The object's kind (or its data) could not be read.
    Unknown,
}

/// All required references of a pod; what is `optional` never keeps a pod from starting.
pub(super) fn of_pod(pod: &Object) -> Vec<Reference<'_>> {
    let mut found = Collector { pod, references: Vec::new() };
    for list in ["initContainers", "containers"] {
        for container in pod.list_at(&format!("spec.{list}")) {
            found.container(&format!("spec.{list}[name={}]", text(container, "name")), container);
        }
    }
    for volume in pod.list_at("spec.volumes") {
        let path = format!("spec.volumes[name={}]", text(volume, "name"));
        found.volume(&path, volume, "secretName");
        let sources = volume.get("projected").and_then(|projected| projected.get("sources"));
        for (index, source) in sources.and_then(Value::as_array).into_iter().flatten().enumerate() {
            found.volume(&format!("{path}.projected.sources[{index}]"), source, "name");
        }
    }
    found.references
}

struct Collector<'a> {
    pod: &'a Object,
    references: Vec<Reference<'a>>,
}

impl<'a> Collector<'a> {
    fn container(&mut self, path: &str, container: &'a Value) {
        for variable in members(container, "env") {
            for (member, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
                let path = format!("{path}.env[name={}].valueFrom.{member}", text(variable, "name"));
                let value = variable.get("valueFrom").and_then(|from| from.get(member));
                let key = value.map(|value| text(value, "key"));
                self.add(kind, "name", key, path, value);
            }
        }
        for (index, source) in members(container, "envFrom").enumerate() {
            for (member, kind) in [("configMapRef", "ConfigMap"), ("secretRef", "Secret")] {
                self.add(kind, "name", None, format!("{path}.envFrom[{index}].{member}"), source.get(member));
            }
        }
    }

    fn volume(&mut self, path: &str, volume: &'a Value, secret_name: &str) {
        for (member, kind, name) in [("configMap", "ConfigMap", "name"), ("secret", "Secret", secret_name)] {
            let Some(value) = volume.get(member) else { continue };
            let path = format!("{path}.{member}");
            let mut keys = members(value, "items").map(|item| text(item, "key")).peekable();
            if keys.peek().is_none() {
                self.add(kind, name, None, path, Some(value));
                continue;
            }
            keys.for_each(|key| self.add(kind, name, Some(key), path.clone(), Some(value)));
        }
    }

    fn add(
        &mut self,
        kind: &'static str,
        name: &str,
        key: Option<&'a str>,
        path: String,
        value: Option<&'a Value>,
    ) {
        let Some(value) = value else { return };
        let name = text(value, name);
        let optional = value.get("optional").and_then(Value::as_bool) == Some(true);
        if !name.is_empty() && !optional {
            self.references.push(Reference { pod: self.pod, kind, name, key, path, value });
        }
    }
}

fn members<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

impl Reference<'_> {
    /// The object the reference names.
    pub(super) fn object(&self) -> ResourceRef {
        ResourceRef::namespaced(self.kind, self.pod.namespace().unwrap_or_default(), self.name).with_api_version("v1")
    }

    pub(super) fn state(&self, observed: &Observed) -> State {
        let Some(object) = observed.find(&self.object()) else {
            let complete = observed.is_complete(self.kind, self.pod.namespace());
            return if complete { State::ObjectMissing } else { State::Unknown };
        };
        let Some(key) = self.key else { return State::Present };
        let keys = keys(object);
        match (keys.is_empty(), keys.contains(&key)) {
            (_, true) => State::Present,
            // An object without data members may have had them withheld; one with an empty `data` has none.
            (true, false) if object.at("data").is_none() && self.kind == "Secret" => State::Unknown,
            _ => State::KeyMissing,
        }
    }

    /// The place in the Pod's spec, quoted.
    pub(super) fn evidence(&self, claim: impl Into<String>) -> Evidence {
        Evidence::field(claim, self.pod.reference(), &self.path, compact(self.value))
    }
}

/// Names of the keys an object has; never their values.
pub(super) fn keys(object: &Object) -> Vec<&str> {
    let maps = ["data", "binaryData", "stringData"].into_iter().filter_map(|path| object.at(path)?.as_object());
    maps.flat_map(|map| map.keys().map(String::as_str)).collect()
}
