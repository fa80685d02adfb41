//! What is known about a remediation target before a workflow is chosen: which object has to be changed (owner chain),
//! who manages and protects it (detected labels), how full its quotas are, and what was tried on it before (history).
//!
//! Only reading the target and its owners can fail an enrichment. Labels that cannot be checked are listed as unknown, and
//! a history that cannot be had is said to be unavailable, never to be empty.

pub mod cache;
pub mod history;
pub mod labels;
pub mod lookup;
pub mod owners;
pub mod reader;
mod remote_history;
mod render;
mod similar;
pub mod spec_hash;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use cache::EnrichmentCache;
pub use history::{History, avoided_action_types};
pub use labels::{DetectedLabels, Detection};
pub use lookup::{HistoryError, HistorySource, HistoryState, spec_hashes};
pub use owners::{OwnerChain, Scope, owner_chain};
pub use reader::{Reader, Retrying};
pub use remote_history::RemoteHistory;
pub use render::{render, render_history};
pub use spec_hash::HashMode;

use crate::cluster::{Cluster, ClusterError};
use crate::domain::ResourceRef;

/// Everything found about one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrichment {
    /// As the cluster names it.
    pub target: ResourceRef,
    /// The object to change: the last of `chain`.
    pub root_owner: ResourceRef,
    /// The target, then its owners.
    pub chain: Vec<ResourceRef>,
    /// Of the root owner's kind.
    pub scope: Scope,
    pub labels: DetectedLabels,
    /// `<resource>_hard` and `<resource>_used`, quantities as Kubernetes writes them.
    pub quota: BTreeMap<String, String>,
    pub history: HistoryState,
    /// The first hash the history was looked up by.
    pub spec_hash: Option<String>,
    /// What could not be found out, and why.
    pub notes: Vec<String>,
}

impl Enrichment {
    /// Of an object that does not exist any more: itself, and nothing that could be read (investigation §7.7). `target` is
    /// as the cluster names it.
    pub fn of_deleted(target: ResourceRef, note: String) -> Self {
        Self {
            root_owner: target.clone(),
            chain: vec![target.clone()],
            scope: if target.namespace.is_some() { Scope::Namespaced } else { Scope::Cluster },
            labels: DetectedLabels::unknown(),
            quota: BTreeMap::new(),
            history: HistoryState::Unavailable("the object does not exist any more".to_owned()),
            spec_hash: None,
            notes: vec![note],
            target,
        }
    }
}

/// Why there is no enrichment; variants are what a caller does differently.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrichmentError {
    /// `similar` names objects of the kind in the same place, nearest first.
    #[error("{target} does not exist{}", names("similar names", similar))]
    NotFound { target: ResourceRef, similar: Vec<String> },
    #[error("kind {kind:?} is not known in this cluster{}", names("similar kinds", known))]
    UnknownKind { kind: String, known: Vec<String> },
    /// Ask again with one of these API versions.
    #[error("kind {kind:?} exists in several API groups{}", names("state one as api_version", groups))]
    Ambiguous { kind: String, groups: Vec<String> },
    /// The reference cannot be one: a namespaced kind without a namespace, an impossible name.
    #[error("{0}")]
    Invalid(String),
    /// Names verb, resource and namespace.
    #[error("not allowed to {0}")]
    Forbidden(String),
    /// After all retries.
    #[error("the cluster cannot be asked: {0}")]
    Unavailable(String),
}

fn names(introduction: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; {introduction}: {}", names.join(", ")) }
}

impl EnrichmentError {
    /// Whether naming another target may cure it; otherwise the investigation cannot be completed (investigation §7.7).
    pub fn is_correctable(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::UnknownKind { .. } | Self::Ambiguous { .. } | Self::Invalid(_) => true,
            Self::Forbidden(_) | Self::Unavailable(_) => false,
        }
    }
}

/// How enrichment works.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct EnrichmentConfig {
    /// Which hashes the history is looked up by.
    pub hash_mode: HashMode,
    /// For every read of the cluster.
    pub retrying: Retrying,
}

/// Enriches targets. Shared by all investigations.
#[derive(Debug, Clone, Default)]
pub struct Enricher {
    config: EnrichmentConfig,
    history: Option<Arc<dyn HistorySource>>,
}

impl Enricher {
    /// Without a source of history it is reported as unavailable.
    pub fn new(config: EnrichmentConfig, history: Option<Arc<dyn HistorySource>>) -> Self {
        Self { config, history }
    }

    /// Where history is kept, where it is.
    pub fn history_source(&self) -> Option<&Arc<dyn HistorySource>> {
        self.history.as_ref()
    }

    pub fn config(&self) -> EnrichmentConfig {
        self.config
    }

    /// Reads the target and its owners, then labels and history side by side.
    ///
    /// # Errors
    /// When the target cannot be read, or an owner cannot be asked for; see [`EnrichmentError`].
    pub async fn enrich(&self, cluster: &dyn Cluster, target: &ResourceRef) -> Result<Enrichment, EnrichmentError> {
        let reader = Reader::new(cluster, self.config.retrying);
        let chain = match owner_chain(&reader, target).await {
            Ok(chain) => chain,
            Err(error) => return Err(explained(error, &reader, target).await),
        };
        let (detected, past) = tokio::join!(
            labels::detect(&reader, &chain),
            lookup::look_up(&reader, self.history.as_deref(), self.config.hash_mode, &chain),
        );
        let notes = [chain.notes().to_vec(), detected.notes, past.notes].concat();
        Ok(Enrichment {
            target: chain.target().reference(),
            root_owner: chain.root(),
            chain: chain.references(),
            scope: chain.scope(),
            labels: detected.labels,
            quota: detected.quota,
            history: past.state,
            spec_hash: past.spec_hash,
            notes,
        })
    }
}

async fn explained(error: ClusterError, reader: &Reader<'_>, target: &ResourceRef) -> EnrichmentError {
    match error {
        ClusterError::NotFound(_) => {
            EnrichmentError::NotFound { target: target.clone(), similar: similar::similar_names(reader, target).await }
        }
        ClusterError::UnknownKind { name, known } => EnrichmentError::UnknownKind { kind: name, known },
        ClusterError::AmbiguousKind { name, groups } => EnrichmentError::Ambiguous { kind: name, groups },
        ClusterError::Invalid(reason) => EnrichmentError::Invalid(reason),
        ClusterError::Forbidden(action) => EnrichmentError::Forbidden(action),
        ClusterError::Unavailable(reason) => EnrichmentError::Unavailable(reason),
    }
}

#[cfg(test)]
mod tests;
