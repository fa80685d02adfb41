//! `get_namespaced_resource_context` and `get_cluster_resource_context`: who owns an object, what manages it, and what was
//! done to it before (investigation §4.2.4). Informational: the service's own enrichment decides about targets.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Invocation, Tool, ToolOutput};
use crate::cluster::Cluster;
use crate::domain::ResourceRef;
use crate::enrichment::{Enricher, Enrichment, EnrichmentCache, EnrichmentError, render_history};
use crate::llm::ToolDefinition;

/// Group of both tools.
const TOOLSET: &str = "resource/context";

/// What both tools look through. The cache belongs to one investigation and is shared with its own enrichment.
#[derive(Debug, Clone)]
pub struct ContextReader {
    pub cluster: Arc<dyn Cluster>,
    pub enricher: Enricher,
    pub cache: Arc<EnrichmentCache>,
    /// `prompt.repeated_remediation_escalation_threshold`.
    pub repetition_threshold: usize,
}

impl ContextReader {
    /// # Errors
    /// See [`EnrichmentError`].
    pub async fn enrich(&self, target: &ResourceRef) -> Result<Arc<Enrichment>, EnrichmentError> {
        self.cache.enrich(&self.enricher, self.cluster.as_ref(), target).await
    }
}

/// Both tools, namespaced first.
pub fn tools(reader: &ContextReader) -> Vec<Arc<dyn Tool>> {
    static DEFINITIONS: LazyLock<[(Scope, ToolDefinition); 2]> = LazyLock::new(definitions);
    let tool = |(scope, definition): &(Scope, ToolDefinition)| -> Arc<dyn Tool> {
        Arc::new(ContextTool { reader: reader.clone(), scope: *scope, definition: definition.clone() })
    };
    DEFINITIONS.iter().map(tool).collect()
}

fn definitions() -> [(Scope, ToolDefinition); 2] {
    let text = |description: &str| json!({"type": "string", "description": description});
    let tool = |scope, name: &str, description: &str, required: Value, properties: Value| {
        let parameters = json!({"type": "object", "required": required, "properties": properties});
        (scope, ToolDefinition::new(name, description, parameters))
    };
    let version = text("e.g. apps/v1; needed when a kind exists in several groups");
    [
        tool(
            Scope::Namespaced,
            "get_namespaced_resource_context",
            "Root owner, infrastructure labels, quota and remediation history of a namespaced object. Call it for the target \
             you are about to submit.",
            json!(["kind", "name", "namespace"]),
            json!({"kind": text("e.g. Deployment"), "name": text(""), "namespace": text(""), "api_version": version}),
        ),
        tool(
            Scope::Cluster,
            "get_cluster_resource_context",
            "The same for a cluster-scoped object such as a Node.",
            json!(["kind", "name"]),
            json!({"kind": text("e.g. Node"), "name": text(""), "api_version": version}),
        ),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Namespaced,
    Cluster,
}

#[derive(Debug)]
struct ContextTool {
    reader: ContextReader,
    scope: Scope,
    definition: ToolDefinition,
}

#[async_trait]
impl Tool for ContextTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &'static str {
        TOOLSET
    }

    async fn call(&self, call: Invocation<'_>) -> ToolOutput {
        let text = |name: &str| call.text(name).map(str::to_owned);
        let target = ResourceRef {
            kind: text("kind").unwrap_or_default(),
            name: text("name").unwrap_or_default(),
            namespace: text("namespace"),
            api_version: text("api_version"),
        };
        match self.reader.enrich(&target).await {
            Ok(found) => self.answer(&found),
            Err(error) => ToolOutput::error(format!("{error}.")),
        }
    }
}

impl ContextTool {
    fn answer(&self, found: &Enrichment) -> ToolOutput {
        let mut answer = json!({
            "root_owner": owner(&found.root_owner),
            "remediation_history": render_history(&found.history, self.reader.repetition_threshold),
        });
        if let Some(members) = answer.as_object_mut() {
            if found.root_owner.namespace.is_some() {
                let labels = found.labels.for_model();
                members.insert(
                    "detected_infrastructure".to_owned(),
                    json!({"labels": labels, "note": found.labels.sentences()}),
                );
            }
            if !found.quota.is_empty() {
                members.insert("quota_details".to_owned(), json!(found.quota));
            }
        }
        let output = ToolOutput::json(answer);
        let is_namespaced = found.target.namespace.is_some();
        match (self.scope, is_namespaced) {
            (Scope::Namespaced, false) => {
                output.noting(format!("{} is cluster-scoped; the namespace was ignored", found.target.kind))
            }
            (Scope::Cluster, true) => output.noting(format!("{} is namespaced", found.target.kind)),
            _ => output,
        }
    }
}

fn owner(reference: &ResourceRef) -> Value {
    let mut owner = json!({"kind": reference.kind, "name": reference.name});
    if let Some(members) = owner.as_object_mut() {
        for (key, value) in [("namespace", &reference.namespace), ("apiVersion", &reference.api_version)] {
            if let Some(value) = value {
                members.insert(key.to_owned(), value.as_str().into());
            }
        }
    }
    owner
}
