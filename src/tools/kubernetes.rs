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
mod jq;
mod lists;
mod memory;
mod named;
mod subject;
mod table;
mod usage;

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
/// Group of the tools that tell what is used now.
const LIVE_METRICS: &str = "kubernetes/live-metrics";

/// All of them, in the order they are offered.
pub fn tools(cluster: Arc<dyn Cluster>) -> Vec<Arc<dyn Tool>> {
    let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
    let add = |reads: &[Read], tools: &mut Vec<Arc<dyn Tool>>| {
        for read in reads.iter().copied() {
            tools.push(Arc::new(KubernetesTool { read, definition: read.definition(), cluster: Arc::clone(&cluster) }));
        }
    };
    add(&Read::OF_OBJECTS, &mut tools);
    tools.extend(jq::tools(&cluster));
    add(&Read::OF_USAGE, &mut tools);
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
    MemoryRequestsAllNamespaces,
    MemoryRequestsNamespace,
    TopPods,
    TopNodes,
}

impl Read {
    const OF_OBJECTS: [Self; 10] = [
        Self::Describe,
        Self::GetByName,
        Self::GetByNameInCluster,
        Self::GetByKindInNamespace,
        Self::GetByKindInCluster,
        Self::FindResource,
        Self::GetYaml,
        Self::Events,
        Self::MemoryRequestsAllNamespaces,
        Self::MemoryRequestsNamespace,
    ];
    const OF_USAGE: [Self; 2] = [Self::TopPods, Self::TopNodes];
}

/// A tool that reads objects.
#[derive(Debug)]
struct KubernetesTool {
    read: Read,
    definition: ToolDefinition,
    cluster: Arc<dyn Cluster>,
}

impl KubernetesTool {
    fn is_of_usage(&self) -> bool {
        Read::OF_USAGE.contains(&self.read)
    }
}

#[async_trait]
impl Tool for KubernetesTool {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn toolset(&self) -> &'static str {
        if self.is_of_usage() { LIVE_METRICS } else { CORE }
    }

    fn is_time_dependent(&self) -> bool {
        self.is_of_usage()
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
            Read::MemoryRequestsAllNamespaces => memory::everywhere(cluster).await,
            Read::MemoryRequestsNamespace => memory::in_namespace(cluster, &call).await,
            Read::TopPods => usage::top_pods(cluster, &call).await,
            Read::TopNodes => usage::top_nodes(cluster).await,
        };
        answer.unwrap_or_else(|fault| ToolOutput::error(fault.0))
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) mod testing;
