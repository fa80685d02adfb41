//! Reads of one object: described, projected, as YAML, found by name alone.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::age::age;
use super::clean::{clean, cleaned, prune};
use super::columns::columns;
use super::containers::container_states;
use super::events::{by_reason, noting};
use super::lists::table;
use super::subject::{Fault, ListSubject, Subject, named_anywhere, not_found, required};
use crate::cluster::Cluster;
use crate::domain::{Object, ResourceRef};
use crate::tools::{Invocation, ToolOutput, ToolStatus};

const NAMES: [&[&str]; 2] = [&["kind"], &["name"]];

/// The object without the API's defaults, what happened to it, and for a pod what its containers do; the telling parts
/// first.
pub(super) async fn describe(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let subject = Subject::of(cluster, call, NAMES).await?;
    let object = subject.read(cluster).await?;
    let events = cluster.events(&object.reference()).await;
    let mut described = Map::new();
    let mut value = cleaned(&object);
    prune(&mut value);
    let Value::Object(mut members) = value else { return Err(Fault("the answer is no object".to_owned())) };
    for first in ["apiVersion", "kind"] {
        described.extend(members.shift_remove_entry(first));
    }
    if is_pod(&object) {
        described.insert("container_states".to_owned(), container_states(&object, cluster.now()));
    }
    let mut notes = subject.notes;
    match events {
        Ok(events) => _ = described.insert("events".to_owned(), by_reason(&events, cluster.now())),
        Err(error) => notes.push(format!("events are missing: {}", Fault::from(error).0)),
    }
    for next in ["metadata", "status"] {
        described.extend(members.shift_remove_entry(next));
    }
    described.extend(members);
    Ok(noting(ToolOutput::json(Value::Object(described)), notes))
}

fn is_pod(object: &Object) -> bool {
    object.kind() == "Pod" && object.api_version() == "v1"
}

/// What matters of the object, without what every object has.
pub(super) async fn get_by_name(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let subject = Subject::of(cluster, call, NAMES).await?;
    let object = subject.read(cluster).await?;
    Ok(noting(ToolOutput::json(projected(&object, cluster.now())), subject.notes))
}

/// Names of members that a projection shows in its own way.
const TOLD_OTHERWISE: [&str; 3] = ["apiVersion", "kind", "metadata"];
/// The same inside the status of a pod: `container_states` tells them.
const CONTAINER_STATUSES: [&str; 3] = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];

fn projected(object: &Object, now: Timestamp) -> Value {
    let mut shown = Map::new();
    let mut say = |key: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null()) {
            shown.insert(key.to_owned(), value);
        }
    };
    say("apiVersion", Some(object.api_version().into()));
    say("kind", Some(object.kind().into()));
    say("name", Some(object.name().into()));
    say("namespace", object.namespace().map(Value::from));
    say("age", object.created_at().map(|created| age(Some(created), now).into()));
    say("terminating_for", object.time_at("metadata.deletionTimestamp").map(|at| age(Some(at), now).into()));
    say("owner", object.owner().map(|owner| format!("{}/{}", owner.kind, owner.name).into()));
    say("summary", summary(object, now));
    if is_pod(object) {
        say("container_states", Some(container_states(object, now)));
    }
    let mut value = cleaned(object);
    prune(&mut value);
    let Value::Object(mut members) = value else { return Value::Object(shown) };
    if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
        for key in ["labels", "annotations", "finalizers", "generation"] {
            say(key, metadata.shift_remove(key));
        }
    }
    if let Some(status) = members.get_mut("status").and_then(Value::as_object_mut).filter(|_| is_pod(object)) {
        status.retain(|key, _| !CONTAINER_STATUSES.contains(&key.as_str()));
    }
    for key in ["status", "spec"] {
        say(key, members.shift_remove(key));
    }
    members.retain(|key, _| !TOLD_OTHERWISE.contains(&key.as_str()));
    shown.extend(members);
    Value::Object(shown)
}

/// What its row in a table would say beside name, age and labels.
fn summary(object: &Object, now: Timestamp) -> Option<Value> {
    let version = object.api_version();
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let told = columns(group, object.kind()).iter().filter(|(name, _)| !matches!(*name, "AGE" | "LABELS"));
    let cells = told.map(|(name, cell)| (*name, cell(object, now))).filter(|(_, cell)| !cell.is_empty());
    let cells: Vec<String> = cells.map(|(name, cell)| format!("{}={cell}", name.to_lowercase())).collect();
    (!cells.is_empty()).then(|| cells.join(" ").into())
}

/// As YAML. Status before spec: what is too long is cut at the end.
pub(super) async fn yaml(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let subject = Subject::of(cluster, call, NAMES).await?;
    let object = subject.read(cluster).await?;
    let mut ordered = Map::new();
    if let Value::Object(mut members) = cleaned(&object) {
        for key in ["apiVersion", "kind", "metadata", "status"] {
            ordered.extend(members.shift_remove_entry(key));
        }
        ordered.extend(members);
    }
    let mut value = Value::Object(ordered);
    clean(&mut value);
    let text = serde_saphyr::to_string(&value).map_err(|error| Fault(format!("cannot be written as YAML: {error}")))?;
    Ok(noting(ToolOutput::text(text), subject.notes))
}

/// Wherever an object of this name is.
pub(super) async fn get_by_name_in_cluster(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let name = required(call, "name")?;
    let kind = ListSubject::of(cluster, call).await?.kind;
    let found = cluster.list(&named_anywhere(&kind, name)).await?;
    match found.items.as_slice() {
        [] => {
            let wanted = ResourceRef::cluster_scoped(&kind.kind, name);
            Err(not_found(cluster, &format!("{wanted} (any namespace)"), &kind, &wanted).await)
        }
        [object] => Ok(ToolOutput::json(projected(object, cluster.now()))),
        several => {
            let several: Vec<Arc<Object>> = several.to_vec();
            let footer = format!(
                "{} objects have this name; read one with kubectl_get_by_name and its namespace",
                several.len()
            );
            let table = table(&kind, &several, cluster.now(), true);
            Ok(ToolOutput::of(ToolStatus::Success, table.content(footer)))
        }
    }
}
