//! The recorded objects and logs, and the API server's answers about them.

use std::collections::BTreeMap;
use std::path::Path;

use axum::Json;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use holmesgpt_api::cluster::selector::{FieldSelector, LabelSelector};
use holmesgpt_api::domain::Object;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::discovery::{self, Kind};
use super::status;

/// Field paths an API server compares, besides name and namespace.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "status.phase",
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "reason",
    "type",
];

/// Everything in a bundle.
#[derive(Debug)]
pub(super) struct Recorded {
    kinds: Vec<Kind>,
    /// By kind's API version and plural, then namespace and name.
    objects: BTreeMap<(String, String), BTreeMap<(String, String), Value>>,
    /// By path below `logs/`.
    logs: BTreeMap<String, String>,
}

impl Recorded {
    /// Reads a bundle and moves all its times by `shift`.
    pub(super) fn read(bundle: &Path, shift: SignedDuration) -> Self {
        let mut read = Self { kinds: Kind::built_in(), objects: BTreeMap::new(), logs: BTreeMap::new() };
        read.add_directory(bundle, bundle, shift);
        read
    }

    fn add_directory(&mut self, root: &Path, directory: &Path, shift: SignedDuration) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                self.add_directory(root, &path, shift);
            } else if let Some(log) = name.strip_prefix("logs/") {
                self.logs.insert(log.to_owned(), moved(&std::fs::read_to_string(&path).unwrap(), shift));
            } else if !name.starts_with("metrics/") && name != "bundle.yaml" {
                let text = moved(&std::fs::read_to_string(&path).unwrap(), shift);
                documents(&text).into_iter().for_each(|document| self.add(document));
            }
        }
    }

    /// Adds an object or a list of them.
    pub(super) fn add(&mut self, value: Value) {
        let Some(kind) = value["kind"].as_str() else { return };
        if let (Some(items), Some(of)) = (value["items"].as_array(), kind.strip_suffix("List")) {
            for item in items {
                let mut item = item.clone();
                if item["kind"].is_null() {
                    // Items of typed lists do not repeat their kind.
                    let mut whole = json!({ "apiVersion": value["apiVersion"], "kind": of });
                    whole.as_object_mut().unwrap().append(item.as_object_mut().unwrap());
                    item = whole;
                }
                self.add(item);
            }
            return;
        }
        let (version, kind) = (value["apiVersion"].as_str().unwrap(), value["kind"].as_str().unwrap());
        let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        if !namespace.is_empty() {
            // Namespaces always exist, recorded or not.
            let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
            let namespaces = self.objects.entry(("v1".to_owned(), "namespaces".to_owned())).or_default();
            namespaces.entry((String::new(), namespace.clone())).or_insert(object);
        }
        let known = self.kinds.iter().find(|known| known.api_version() == version && known.kind == kind).cloned();
        let known = known.unwrap_or_else(|| {
            let plural = format!("{}s", kind.to_lowercase());
            let new = Kind::new(version, kind, &plural, "", !namespace.is_empty());
            self.kinds.push(new.clone());
            new
        });
        let name = value["metadata"]["name"].as_str().unwrap().to_owned();
        self.objects.entry((known.api_version(), known.plural)).or_default().insert((namespace, name), value);
    }

    pub(super) fn answer(&self, segments: &[&str], query: &BTreeMap<String, String>, aggregated: bool) -> Response {
        if let Some(document) = discovery::answer(&self.kinds, segments, aggregated) {
            // Clients believe the content type, not the body.
            let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
            let plain = "application/json";
            let content_type = if document["kind"] == "APIGroupDiscoveryList" { aggregated } else { plain };
            return ([(CONTENT_TYPE, content_type)], document.to_string()).into_response();
        }
        let (version, rest) = match segments {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return status(404, "the server could not find the requested resource"),
        };
        match rest {
            ["namespaces", namespace, "pods", pod, "log"] => self.log(namespace, pod, query),
            ["namespaces", namespace, plural] => self.list(&version, plural, Some(namespace), query),
            ["namespaces", namespace, plural, name] => self.get(&version, plural, namespace, name),
            [plural] => self.list(&version, plural, None, query),
            [plural, name] => self.get(&version, plural, "", name),
            _ => status(404, "the server could not find the requested resource"),
        }
    }

    fn kind(&self, version: &str, plural: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.api_version() == version && kind.plural == plural)
    }

    fn get(&self, version: &str, plural: &str, namespace: &str, name: &str) -> Response {
        let of_kind = self.objects.get(&(version.to_owned(), plural.to_owned()));
        let object = of_kind.and_then(|objects| objects.get(&(namespace.to_owned(), decoded_name(name))));
        match object {
            Some(object) => Json(object.clone()).into_response(),
            None => status(404, &format!("{plural} \"{name}\" not found")),
        }
    }

    fn list(&self, version: &str, plural: &str, namespace: Option<&str>, query: &BTreeMap<String, String>) -> Response {
        let Some(kind) = self.kind(version, plural) else {
            return status(404, "the server could not find the requested resource");
        };
        let text = |name: &str| query.get(name).map_or("", String::as_str);
        let labels = LabelSelector::parse(text("labelSelector")).unwrap();
        let fields = FieldSelector::parse(text("fieldSelector")).unwrap();
        if let Some(unknown) = fields.requirements().iter().find(|each| !FIELDS.contains(&each.path.as_str())) {
            return status(400, &format!("field label not supported: {}", unknown.path));
        }
        let all = self.objects.get(&(version.to_owned(), plural.to_owned())).into_iter().flatten();
        let here = all.filter(|((place, _), _)| namespace.is_none_or(|namespace| namespace == place));
        let matching = here.map(|(_, value)| value).filter(|value| {
            let object = Object::new((*value).clone()).unwrap();
            fields.matches(&object) && labels.matches(&labels_of(value))
        });
        let matching: Vec<&Value> = matching.collect();
        let skip: usize = query.get("continue").map_or(0, |position| position.parse().unwrap());
        let limit: usize = query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
        let page = matching.iter().skip(skip).take(limit).map(|value| {
            let mut item = (*value).clone();
            // As the API server leaves them out of lists.
            item.as_object_mut().unwrap().retain(|key, _| key != "apiVersion" && key != "kind");
            item
        });
        let page: Vec<Value> = page.collect();
        let end = skip + page.len();
        let position = if end < matching.len() { end.to_string() } else { String::new() };
        let kind = format!("{}List", kind.kind);
        Json(json!({ "kind": kind, "apiVersion": version, "metadata": { "continue": position }, "items": page }))
            .into_response()
    }

    fn log(&self, namespace: &str, pod: &str, query: &BTreeMap<String, String>) -> Response {
        let container = query.get("container").unwrap();
        let instance = if query.contains_key("previous") { ".previous" } else { "" };
        let Some(log) = self.logs.get(&format!("{namespace}/{pod}/{container}{instance}.log")) else {
            return match self.objects[&("v1".to_owned(), "pods".to_owned())]
                .contains_key(&(namespace.into(), pod.into()))
            {
                true => status(400, &format!("terminated container \"{container}\" in pod \"{pod}\" not found")),
                false => status(404, &format!("pods \"{pod}\" not found")),
            };
        };
        let lines: Vec<&str> = log.lines().collect();
        let tail: usize = query.get("tailLines").map_or(usize::MAX, |tail| tail.parse().unwrap());
        let since: Option<Timestamp> = query.get("sinceTime").map(|since| since.parse().unwrap());
        let newest = lines.iter().skip(lines.len().saturating_sub(tail));
        let stamp = |line: &str| line.split(' ').next().and_then(|first| first.parse::<Timestamp>().ok());
        let wanted = newest.filter(|line| since.is_none() || stamp(line) >= since);
        wanted.fold(String::new(), |text, line| text + line + "\n").into_response()
    }
}

fn decoded_name(name: &str) -> String {
    name.replace("%3A", ":")
}

fn labels_of(object: &Value) -> BTreeMap<&str, &str> {
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    labels.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect()
}

/// All YAML documents, or the one of JSON.
fn documents<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let parts =
        text.split("\n---\n").map(|part| part.trim_start_matches("---\n")).filter(|part| !part.trim().is_empty());
    parts.map(|part| serde_saphyr::from_str(part).unwrap()).collect()
}

/// The text with every RFC 3339 time moved.
fn moved(text: &str, shift: SignedDuration) -> String {
    if shift.is_zero() {
        return text.to_owned();
    }
    let times = regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap();
    let moved = |found: &regex::Captures<'_>| (found[0].parse::<Timestamp>().unwrap() + shift).to_string();
    times.replace_all(text, moved).into_owned()
}
