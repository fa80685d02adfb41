//! Container logs for a model (investigation §4.3.1): a pod's whole story, or one container as kubectl shows it.

mod definitions;
mod fetch;
mod kubectl;
mod pattern;
mod story;

use std::sync::Arc;

use super::Tool;
use crate::cluster::Cluster;

/// Group of the tools that read logs.
const LOGS: &str = "kubernetes/logs";

/// Both of them, in the order they are offered.
pub(super) fn tools(cluster: &Arc<dyn Cluster>) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(fetch::FetchPodLogs::new(Arc::clone(cluster))),
        Arc::new(kubectl::KubectlLogs::new(Arc::clone(cluster))),
    ]
}

#[cfg(test)]
mod tests;
