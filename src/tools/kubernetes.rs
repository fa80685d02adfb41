//! What a model may look at in a cluster (investigation §4.3): single objects, tables of a kind, events, logs, usage.
//!
//! Names and parameters are those that earlier models know. Values of Secrets are replaced here already, whatever is
//! redacted later.

mod age;
mod clean;
mod columns;
mod containers;
mod definitions;
mod events;
mod lists;
mod named;
mod subject;
mod table;

use std::sync::Arc;

use async_trait::async_trait;

pub(super) use containers::containers;
pub(super) use definitions::definition;
pub(super) use subject::{Fault, not_found, required};

use super::{Invocation, Tool, ToolOutput};
use crate::cluster::Cluster;
use crate::llm::ToolDefinition;

/// Group of the tools that read objects.
const CORE: &str = "kubernetes/core";

/// All of them, in the order they are offered.
pub fn tools(cluster: Arc<dyn Cluster>) -> Vec<Arc<dyn Tool>> {
    let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
    for read in Read::ALL {
        tools.push(Arc::new(KubernetesTool { read, definition: read.definition(), cluster: Arc::clone(&cluster) }));
    }
    tools.extend(super::logs::tools(&cluster));
    tools
}

/// Which read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    Describe,
    GetByName,
    GetByNameInCluster,
    GetByKindInNamespace,
    GetByKindInCluster,
    FindResource,
    GetYaml,
    Events,
}

impl Read {
    const ALL: [Self; 8] = [
        Self::Describe,
        Self::GetByName,
        Self::GetByNameInCluster,
        Self::GetByKindInNamespace,
        Self::GetByKindInCluster,
        Self::FindResource,
        Self::GetYaml,
        Self::Events,
    ];
}

/// A tool that reads objects.
#[derive(Debug)]
struct KubernetesTool {
    read: Read,
    definition: ToolDefinition,
    cluster: Arc<dyn Cluster>,
}

#[async_trait]
impl Tool for KubernetesTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &'static str {
        CORE
    }

    async fn call(&self, call: Invocation<'_>) -> ToolOutput {
        let cluster = self.cluster.as_ref();
        let answer = match self.read {
            Read::Describe => named::describe(cluster, &call).await,
            Read::GetByName => named::get_by_name(cluster, &call).await,
            Read::GetByNameInCluster => named::get_by_name_in_cluster(cluster, &call).await,
            Read::GetByKindInNamespace => lists::in_namespace(cluster, &call).await,
            Read::GetByKindInCluster => lists::in_cluster(cluster, &call).await,
            Read::FindResource => lists::find(cluster, &call).await,
            Read::GetYaml => named::yaml(cluster, &call).await,
            Read::Events => events::events(cluster, &call).await,
        };
        answer.unwrap_or_else(|fault| ToolOutput::error(fault.0))
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) mod testing;
