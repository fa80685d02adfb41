//! Lists: page by page, selectors answered by the API server where it can and here where it cannot, within bounds.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::paths;
use super::transport::{Failure, JSON, Purpose, Transport};
use crate::cluster::selector::FieldSelector;
use crate::cluster::{ApiKind, ClusterError, ObjectList};
use crate::domain::Object;
use crate::domain::object::text;

/// Objects asked for at once.
const PAGE_OBJECTS_MAX: usize = 250;
/// Bytes of one page; a page that is larger is asked for again with fewer objects.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many times fewer.
const FEWER_OBJECTS: usize = 10;
/// Most objects looked at for one list, where fields are compared here.
const SCANNED_OBJECTS_MAX: usize = 20_000;

/// Field paths every kind can be selected by.
const FIELDS_OF_ALL: &[&str] = &["metadata.name", "metadata.namespace"];
/// Field paths the API server compares, by kind. Of others it makes a bad request.
const FIELDS: &[(&str, &[&str])] = &[
    ("Pod", &["spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase"]),
    (
        "Event",
        &[
            "involvedObject.kind",
            "involvedObject.name",
            "involvedObject.namespace",
            "involvedObject.uid",
            "reason",
            "type",
        ],
    ),
    ("Secret", &["type"]),
    ("Namespace", &["status.phase"]),
    ("Node", &["spec.unschedulable"]),
    ("Job", &["status.successful"]),
];

/// What to list, checked.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    pub(super) kind: &'a ApiKind,
    pub(super) namespace: Option<&'a str>,
    /// In kubectl's syntax, as it goes to the API server.
    pub(super) labels: Option<String>,
    pub(super) fields: FieldSelector,
    pub(super) limit: usize,
}

impl Listing<'_> {
    fn action(&self) -> String {
        match self.namespace {
            Some(namespace) => format!("list {} in namespace {namespace}", self.kind.plural),
            None if self.kind.namespaced => format!("list {} in all namespaces", self.kind.plural),
            None => format!("list {}", self.kind.plural),
        }
    }

    /// The comparisons the API server makes.
    fn remote_fields(&self) -> Option<String> {
        let of_kind = FIELDS.iter().filter(|(kind, _)| *kind == self.kind.kind).flat_map(|(_, paths)| *paths);
        let known: Vec<&str> = FIELDS_OF_ALL.iter().chain(of_kind).copied().collect();
        let requirements = self.fields.requirements().iter();
        let remote = requirements.filter(|requirement| known.contains(&requirement.path.as_str()));
        Some(remote.map(ToString::to_string).collect::<Vec<_>>().join(",")).filter(|text| !text.is_empty())
    }

    /// Reads pages until the limit or the end.
    pub(super) async fn read(&self, transport: &Transport) -> Result<ObjectList, ClusterError> {
        let action = self.action();
        let path = paths::collection(self.kind, self.namespace);
        let purpose = Purpose {
            operation: "list",
            action: &action,
            subject: &self.kind.plural,
            accept: JSON,
            bytes_max: PAGE_BYTES_MAX,
        };
        let mut found = ObjectList::default();
        let (mut page_objects, mut position, mut scanned) = (PAGE_OBJECTS_MAX, None, 0);
        loop {
            // One more than the limit tells whether there are more; fields compared here may drop any number.
            let wanted =
                if self.fields.requirements().is_empty() { self.limit + 1 - found.items.len() } else { usize::MAX };
            let parameters = [
                ("labelSelector", self.labels.clone()),
                ("fieldSelector", self.remote_fields()),
                ("limit", Some(wanted.min(page_objects).to_string())),
                ("continue", position.clone()),
            ];
            let page = match transport.json(&paths::with_query(&path, &parameters), purpose).await {
                Ok(page) => page,
                Err(Failure::TooLarge) if page_objects >= FEWER_OBJECTS => {
                    page_objects /= FEWER_OBJECTS;
                    continue;
                }
                // The list changed while it was read: what was read is still true.
                Err(Failure::Expired) if !found.items.is_empty() => {
                    found.truncated = true;
                    break;
                }
                Err(failure) => return Err(failure.into_error(&action)),
            };
            position = Some(text(&page, "metadata.continue").to_owned()).filter(|position| !position.is_empty());
            scanned += self.take_items(page, &mut found);
            if position.is_none() || found.truncated {
                break;
            }
            if scanned >= SCANNED_OBJECTS_MAX {
                found.truncated = true;
                break;
            }
        }
        found.items.sort_by(|a, b| (a.namespace(), a.name()).cmp(&(b.namespace(), b.name())));
        Ok(found)
    }

    /// Moves a page's objects over; returns how many it had.
    fn take_items(&self, mut page: Value, found: &mut ObjectList) -> usize {
        let items = page.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        let count = items.len();
        for object in items.into_iter().filter_map(|item| as_object(item, self.kind)) {
            if !self.fields.matches(&object) {
                continue;
            }
            if found.items.len() == self.limit {
                found.truncated = true;
                break;
            }
            found.items.push(Arc::new(object));
        }
        count
    }
}

/// An object as `kubectl get --show-managed-fields` prints it: with its kind, which items of lists lack. Of the field
/// managers the sets of fields go, half of an object's bytes; who wrote when stays.
pub(super) fn as_object(value: Value, kind: &ApiKind) -> Option<Object> {
    let Value::Object(mut members) = value else { return None };
    let mut whole = Map::new();
    let own = |members: &mut Map<String, Value>, key: &str, default: &str| {
        let own = members.shift_remove(key).filter(|value| value.as_str().is_some_and(|text| !text.is_empty()));
        own.unwrap_or_else(|| default.into())
    };
    whole.insert("apiVersion".to_owned(), own(&mut members, "apiVersion", &kind.api_version));
    whole.insert("kind".to_owned(), own(&mut members, "kind", &kind.kind));
    let managers = members.get_mut("metadata").and_then(|metadata| metadata.get_mut("managedFields"));
    for manager in managers.and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
        manager.shift_remove("fieldsV1");
    }
    whole.extend(members);
    Object::new(Value::Object(whole))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pods() -> ApiKind {
        ApiKind { api_version: "v1".into(), kind: "Pod".into(), plural: "pods".into(), namespaced: true }
    }

    #[test]
    fn only_fields_the_server_knows_are_sent() {
        let kind = pods();
        let fields = FieldSelector::parse("status.phase!=Running,spec.hostNetwork=true,metadata.name=a").unwrap();
        let listing = Listing { kind: &kind, namespace: Some("shop"), labels: None, fields, limit: 5 };
        assert_eq!(listing.remote_fields().as_deref(), Some("status.phase!=Running,metadata.name=a"));
        assert_eq!(listing.action(), "list pods in namespace shop");
    }

    #[test]
    fn items_become_whole_objects() {
        let item =
            json!({"metadata": {"name": "a", "managedFields": [{"manager": "helm", "fieldsV1": {}}]}, "spec": {}});
        let object = as_object(item, &pods()).unwrap();
        let metadata = json!({"name": "a", "managedFields": [{"manager": "helm"}]});
        let expected = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {}});
        assert_eq!(object.value().to_string(), expected.to_string());
        assert_eq!(as_object(json!({"metadata": {}}), &pods()), None);
        assert_eq!(as_object(json!(7), &pods()), None);
    }
}
