//! Names, descriptions and parameters as the model sees them. Every character is paid for in every call: short.

use serde_json::{Map, Value, json};

use super::Read;
use crate::llm::ToolDefinition;

/// A tool whose parameters are all text unless `properties` says otherwise.
pub(in crate::tools) fn definition(
    name: &str,
    description: &str,
    required: &[&str],
    properties: Value,
) -> ToolDefinition {
    let parameters = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false
    });
    ToolDefinition::new(name, description, parameters)
}

/// Text parameters; the description may be empty.
pub(in crate::tools) fn texts(parameters: &[(&str, &str)]) -> Value {
    let property = |(name, description): &(&str, &str)| {
        let property = if description.is_empty() {
            json!({"type": "string"})
        } else {
            json!({"type": "string", "description": description})
        };
        ((*name).to_owned(), property)
    };
    Value::Object(parameters.iter().map(property).collect::<Map<_, _>>())
}

const KIND: (&str, &str) = ("kind", "");
const NAME: (&str, &str) = ("name", "");
const NAMESPACE: (&str, &str) = ("namespace", "");
const API_VERSION: (&str, &str) = ("api_version", "only when a kind exists in several groups");
/// The name an earlier generation used.
const API_GROUP: (&str, &str) = ("api_group", "");

impl Read {
    pub(super) fn definition(self) -> ToolDefinition {
        let named = || texts(&[KIND, NAME, NAMESPACE, API_VERSION, API_GROUP]);
        let cluster_wide = || texts(&[KIND, API_VERSION, API_GROUP]);
        match self {
            Self::Describe => definition(
                "kubectl_describe",
                "One object in full with its events and, for a pod, container states. First choice for the failing \
                 object. Call several tools at once when they do not depend on each other.",
                &["kind", "name"],
                named(),
            ),
            Self::GetByName => definition(
                "kubectl_get_by_name",
                "What matters of one object (owner, labels, status, spec without defaults), no events.",
                &["kind", "name"],
                named(),
            ),
            Self::GetByNameInCluster => definition(
                "kubectl_get_by_name_in_cluster",
                "One object by name when the namespace is not known.",
                &["kind", "name"],
                texts(&[KIND, NAME, API_VERSION, API_GROUP]),
            ),
            Self::GetByKindInNamespace => definition(
                "kubectl_get_by_kind_in_namespace",
                "Table of all objects of a kind in a namespace with status and age; kind Event lists all its events.",
                &["kind", "namespace"],
                texts(&[KIND, NAMESPACE, API_VERSION, API_GROUP]),
            ),
            Self::GetByKindInCluster => definition(
                "kubectl_get_by_kind_in_cluster",
                "The same table for all namespaces and for cluster-scoped kinds (Node, PersistentVolume).",
                &["kind"],
                cluster_wide(),
            ),
            Self::FindResource => definition(
                "kubectl_find_resource",
                "Objects of a kind whose name, namespace, labels or IP contain a keyword.",
                &["kind", "keyword"],
                texts(&[KIND, ("keyword", ""), API_VERSION, API_GROUP]),
            ),
            Self::GetYaml => definition(
                "kubectl_get_yaml",
                "One object as YAML, for exact configuration (ConfigMap data, probes, rules). No secret values.",
                &["kind", "name"],
                named(),
            ),
            Self::Events => definition(
                "kubectl_events",
                "Events about one object, newest first. Needs kind and name.",
                &[],
                texts(&[KIND, NAME, NAMESPACE, ("resource_type", ""), ("resource_name", ""), API_VERSION]),
            ),
            Self::MemoryRequestsAllNamespaces => definition(
                "kubectl_memory_requests_all_namespaces",
                "Memory request, limit and use of all pods, largest first.",
                &[],
                texts(&[]),
            ),
            Self::MemoryRequestsNamespace => definition(
                "kubectl_memory_requests_namespace",
                "The same for one namespace.",
                &["namespace"],
                texts(&[NAMESPACE]),
            ),
            Self::TopPods => definition(
                "kubectl_top_pods",
                "CPU and memory pods use now, most memory first.",
                &[],
                texts(&[NAMESPACE]),
            ),
            Self::TopNodes => {
                definition("kubectl_top_nodes", "CPU and memory nodes use now, in percent too.", &[], texts(&[]))
            }
        }
    }
}

/// Only the two jq tools have it.
const JQ_EXPR: (&str, &str) = ("jq_expr", "");

pub(super) fn jq_query() -> ToolDefinition {
    definition(
        "kubernetes_jq_query",
        "jq expression over the list of all objects of a kind in all namespaces, e.g. \
         .items[] | select(.spec.nodeName==\"n1\") | .metadata.name. No def, recursion or env. Take only the members needed.",
        &["kind", "jq_expr"],
        texts(&[KIND, JQ_EXPR, API_VERSION, API_GROUP]),
    )
}

pub(super) fn count() -> ToolDefinition {
    definition(
        "kubernetes_count",
        "How many results such an expression has, with the first ten.",
        &["kind", "jq_expr"],
        texts(&[KIND, JQ_EXPR, API_VERSION, API_GROUP]),
    )
}
