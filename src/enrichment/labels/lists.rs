//! Checks that list objects of a namespace: budgets, autoscalers, network policies, quotas.

use std::collections::BTreeMap;

use serde_json::Value;

use super::marks::Marks;
use crate::cluster::selector::matches_object;
use crate::cluster::{ClusterError, ListQuery, ObjectList};
use crate::domain::object::{text, text_map};
use crate::domain::{Object, ResourceRef};
use crate::enrichment::reader::Reader;

/// What a check says.
pub(super) type Check = Result<bool, Unknown>;

/// Why a check says nothing.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Unknown {
    /// To this scope.
    NotApplicable,
    Failed(String),
}

pub(super) fn query(api_version: &str, kind: &str, namespace: &str) -> ListQuery {
    ListQuery { api_version: Some(api_version.to_owned()), ..ListQuery::kind(kind).in_namespace(Some(namespace)) }
}

/// Whether any object of a list fits; a list that was cut and shows none proves nothing.
fn any(list: Result<ObjectList, ClusterError>, fits: impl Fn(&Object) -> bool) -> Check {
    let list = list.map_err(|error| Unknown::Failed(error.to_string()))?;
    match list.items.iter().any(|object| fits(object)) {
        true => Ok(true),
        false if list.truncated => {
            Err(Unknown::Failed(format!("only the first {} objects were looked at", list.items.len())))
        }
        false => Ok(false),
    }
}

/// A PodDisruptionBudget that selects one of the pods.
pub(super) async fn pdb_protected(reader: &Reader<'_>, namespace: &str, pods: &[Marks<'_>]) -> Check {
    let budgets = reader.list(&query("policy/v1", "PodDisruptionBudget", namespace)).await;
    any(budgets, |budget| {
        let selector = budget.at("spec.selector").unwrap_or(&Value::Null);
        pods.iter().any(|pod| matches_object(selector, &pod.labels))
    })
}

/// A HorizontalPodAutoscaler that scales an element of the chain.
pub(super) async fn hpa_enabled(reader: &Reader<'_>, namespace: &str, chain: &[ResourceRef]) -> Check {
    let autoscalers = reader.list(&query("autoscaling/v2", "HorizontalPodAutoscaler", namespace)).await;
    any(autoscalers, |autoscaler| {
        let scaled = |member: &str| autoscaler.str_at(&format!("spec.scaleTargetRef.{member}")).unwrap_or_default();
        chain.iter().any(|element| element.kind == scaled("kind") && element.name == scaled("name"))
    })
}

/// Any NetworkPolicy.
pub(super) async fn network_isolated(reader: &Reader<'_>, namespace: &str) -> Check {
    any(reader.list(&query("networking.k8s.io/v1", "NetworkPolicy", namespace)).await, |_| true)
}

/// Any ResourceQuota, and their figures as `<resource>_hard` and `<resource>_used`; the first quota that limits a
/// resource gives both.
pub(super) async fn quotas(reader: &Reader<'_>, namespace: &str) -> (Check, BTreeMap<String, String>) {
    let list = reader.list(&query("v1", "ResourceQuota", namespace)).await;
    let mut figures = BTreeMap::new();
    for quota in list.iter().flat_map(|list| &list.items) {
        let hard = quota.at("status.hard").or_else(|| quota.at("spec.hard")).and_then(Value::as_object);
        for (resource, limit) in hard.into_iter().flatten() {
            let used = quota.at("status.used").and_then(|used| used.get(resource));
            let key = format!("{resource}_hard");
            let Some(limit) = quantity_text(limit).filter(|_| !figures.contains_key(&key)) else { continue };
            figures.insert(key, limit);
            figures.extend(used.and_then(quantity_text).map(|used| (format!("{resource}_used"), used)));
        }
    }
    (any(list, |_| true), figures)
}

fn quantity_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A LabelSelector object in kubectl's text form. `None` when it selects nothing: missing, or with an unknown operator.
pub(super) fn selector_text(selector: Option<&Value>) -> Option<String> {
    let members = selector?.as_object()?;
    let exact = text_map(members.get("matchLabels"));
    let mut parts: Vec<String> = exact.iter().map(|(key, value)| format!("{key}={value}")).collect();
    for expression in members.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values = values.filter_map(Value::as_str).collect::<Vec<_>>().join(",");
        let key = text(expression, "key");
        parts.push(match text(expression, "operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    Some(parts.join(","))
}
