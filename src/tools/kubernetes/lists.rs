//! Lists of one kind as tables, and the search in them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::columns::{Column, columns};
use super::events::{event_list, is_event, mentions, noting};
use super::subject::{Fault, ListSubject, absent_namespace, required};
use super::table::Table;
use crate::cluster::{ApiKind, Cluster, LIST_OBJECTS_MAX, ObjectList};
use crate::domain::Object;
use crate::domain::object::text;
use crate::tools::{Invocation, ToolOutput, ToolStatus};

/// Objects of a kind in one namespace.
pub(super) async fn in_namespace(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let subject = ListSubject::of(cluster, call).await?;
    if subject.kind.namespaced && subject.namespace.is_none() {
        return Err(Fault(format!(
            "namespace is required for {}; for all namespaces use kubectl_get_by_kind_in_cluster",
            subject.kind.plural
        )));
    }
    listed(cluster, subject).await
}

/// Objects of a kind in all namespaces.
pub(super) async fn in_cluster(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let subject = ListSubject { namespace: None, ..ListSubject::of(cluster, call).await? };
    listed(cluster, subject).await
}

async fn listed(cluster: &dyn Cluster, subject: ListSubject) -> Result<ToolOutput, Fault> {
    let found = cluster.list(&subject.query()).await?;
    let kind = &subject.kind;
    let place = subject.namespace.as_deref().map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
    if found.items.is_empty() {
        let absent = match &subject.namespace {
            Some(namespace) => absent_namespace(cluster, namespace).await,
            None => None,
        };
        let why = absent.map(|absent| format!("; {absent}")).unwrap_or_default();
        return Ok(noting(ToolOutput::no_data(format!("no {}{place}{why}", kind.plural)), subject.notes));
    }
    let everywhere = kind.namespaced && subject.namespace.is_none();
    let content = if is_event(&kind.kind) {
        event_list(&found.items, cluster.now(), everywhere)
    } else {
        let footer = format!("{} {}{place}{}", found.items.len(), kind.plural, more(&found));
        table(kind, &found.items, cluster.now(), everywhere).content(footer)
    };
    Ok(noting(ToolOutput::of(ToolStatus::Success, content), subject.notes))
}

fn more(found: &ObjectList) -> String {
    if !found.truncated {
        return String::new();
    }
    format!("; more exist, the first {LIST_OBJECTS_MAX} were read: narrow to a namespace")
}

/// One row per object: NAMESPACE where rows come from several, NAME, then what fits the kind.
pub(super) fn table(kind: &ApiKind, objects: &[Arc<Object>], now: Timestamp, with_namespace: bool) -> Table {
    let group = kind.api_version.split_once('/').map_or("", |(group, _)| group);
    // The address is worth its place only where somebody searched for it.
    table_of(columns(group, &kind.kind), objects, now, with_namespace, |column| kind.kind != "Pod" || column != "IP")
}

fn table_of(
    columns: &'static [Column],
    objects: &[Arc<Object>],
    now: Timestamp,
    with_namespace: bool,
    wanted: impl Fn(&str) -> bool,
) -> Table {
    let columns: Vec<&Column> = columns.iter().filter(|(name, _)| wanted(name)).collect();
    let mut headings = if with_namespace { vec!["NAMESPACE", "NAME"] } else { vec!["NAME"] };
    headings.extend(columns.iter().map(|(name, _)| *name));
    let mut table = Table::new(&headings);
    table.rows.extend(objects.iter().map(|object| {
        let mut row = if with_namespace { vec![object.namespace().unwrap_or_default().to_owned()] } else { vec![] };
        row.push(object.name().to_owned());
        row.extend(columns.iter().map(|(_, cell)| cell(object, now)));
        row
    }));
    table
}

/// Objects of a kind whose name, namespace, labels or addresses contain a word.
pub(super) async fn find(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let keyword = required(call, "keyword")?.to_lowercase();
    let subject = ListSubject::of(cluster, call).await?;
    let found = cluster.list(&subject.query()).await?;
    let kind = &subject.kind;
    let event = is_event(&kind.kind);
    let fits = |object: &&Arc<Object>| contains(object, &keyword) || (event && mentions(object, &keyword));
    let matching: Vec<Arc<Object>> = found.items.iter().filter(fits).cloned().collect();
    let footer =
        format!("{} of {} {} contain {keyword:?}{}", matching.len(), found.items.len(), kind.plural, more(&found));
    if matching.is_empty() {
        let hint =
            "; the keyword is looked for in names, namespaces, labels and IPs: try a shorter one or another kind";
        return Ok(noting(ToolOutput::no_data(format!("{footer}{hint}")), subject.notes));
    }
    let content = if event {
        event_list(&matching, cluster.now(), kind.namespaced)
    } else {
        let group = kind.api_version.split_once('/').map_or("", |(group, _)| group);
        let columns = columns(group, &kind.kind);
        table_of(columns, &matching, cluster.now(), kind.namespaced, |_| true).content(footer)
    };
    Ok(noting(ToolOutput::of(ToolStatus::Success, content), subject.notes))
}

/// `keyword` in lower case.
fn contains(object: &Object, keyword: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(keyword);
    has(object.name())
        || object.namespace().is_some_and(has)
        || object.labels().iter().any(|(key, value)| has(&format!("{key}={value}")))
        || addresses(object).any(has)
}

fn addresses(object: &Object) -> impl Iterator<Item = &str> {
    let single = ["status.podIP", "status.hostIP", "spec.clusterIP", "spec.externalName"];
    let texts = ["spec.externalIPs", "spec.clusterIPs"].into_iter().flat_map(|path| object.list_at(path));
    let entries = [
        ("status.podIPs", "ip"),
        ("status.addresses", "address"),
        ("status.loadBalancer.ingress", "ip"),
        ("status.loadBalancer.ingress", "hostname"),
    ];
    let inside = entries.into_iter().flat_map(|(path, key)| object.list_at(path).map(move |entry| text(entry, key)));
    let addresses = object.list_at("endpoints").filter_map(|endpoint| endpoint.get("addresses")?.as_array()).flatten();
    single
        .into_iter()
        .filter_map(|path| object.str_at(path))
        .chain(texts.chain(addresses).filter_map(Value::as_str))
        .chain(inside)
}
