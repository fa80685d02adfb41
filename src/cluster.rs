//! Read-only access to a cluster: the live API through `kube`, or a recorded bundle on disk.
//!
//! The trait has no verb that changes anything; "read-only by construction" is this module's promise.

pub mod bundle;
mod confined;
mod kinds;
pub mod live;
mod log_text;
mod question;
pub mod rights;
pub mod selector;
mod shared;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use confined::{ConfinedCluster, NamespacePolicy};
pub use shared::SharedCluster;

use crate::domain::{Object, ResourceRef};

/// The port through which analyser, tools and enrichment look at a cluster.
#[async_trait]
pub trait Cluster: Send + Sync + std::fmt::Debug {
    /// Resolves what a person or a model calls a kind: Kind, plural, singular, short name, `kind.group`, any case.
    async fn resolve_kind(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError>;

    /// Reads one object. The reference's kind may be anything [`Cluster::resolve_kind`] takes.
    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError>;

    /// Lists objects of one kind, at most `query.limit`.
    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError>;

    /// Events about one object (kind, name and namespace all compared), newest first, as `v1` Event objects.
    async fn events(&self, of: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError>;

    /// Log of one container instance.
    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError>;

    /// Names of all namespaces, sorted.
    async fn namespaces(&self) -> Result<Vec<String>, ClusterError>;

    /// Stored metric series that match; empty for a live cluster, which has metrics elsewhere.
    async fn metrics(&self, query: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError>;

    /// The moment observations are judged against: the clock, or the capture time of a bundle.
    fn now(&self) -> Timestamp;

    /// What this is, for reports: `bundle examples/oom/bundle`, `cluster https://…`.
    fn description(&self) -> String;

    /// Whether the cluster can be asked at all: for readiness, cheap, changes nothing.
    async fn probe(&self) -> Result<(), ClusterError> {
        Ok(())
    }

    /// Input that was skipped because it could not be read (bundles only): path and reason, bounded.
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A resolved kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKind {
    /// `apps/v1`, `v1`.
    pub api_version: String,
    pub kind: String,
    pub plural: String,
    pub namespaced: bool,
}

/// What to list. Selectors are in kubectl's syntax: `app=web,tier!=cache,env in (a,b),!legacy` and
/// `metadata.name=x,status.phase!=Running`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub struct ListQuery {
    pub kind: String,
    pub api_version: Option<String>,
    /// `None` = all namespaces.
    pub namespace: Option<String>,
    pub label_selector: Option<String>,
    pub field_selector: Option<String>,
    /// Most objects to return; `None` = [`LIST_OBJECTS_MAX`].
    pub limit: Option<usize>,
}

/// Most objects one list returns, whoever asks.
pub const LIST_OBJECTS_MAX: usize = 2_000;

impl ListQuery {
    pub fn kind(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }

    #[must_use]
    pub fn in_namespace(mut self, namespace: Option<&str>) -> Self {
        self.namespace = namespace.map(str::to_owned);
        self
    }

    #[must_use]
    pub fn with_labels(mut self, selector: impl Into<String>) -> Self {
        self.label_selector = Some(selector.into());
        self
    }
}

/// Objects in a stable order (namespace, name).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectList {
    pub items: Vec<Arc<Object>>,
    /// More existed than the limit let through.
    pub truncated: bool,
}

/// Which part of which log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogQuery {
    pub namespace: String,
    pub pod: String,
    /// `None` = the only container, or the first.
    pub container: Option<String>,
    /// The instance before the current one.
    pub previous: bool,
    /// Newest lines to keep; `None` = [`LOG_LINES_MAX`].
    pub tail_lines: Option<u32>,
    /// Only lines at or after this time, where lines carry one.
    pub since: Option<Timestamp>,
}

/// Most events about one object, the newest.
pub const EVENTS_MAX: usize = 500;

/// Most lines one log read returns.
pub const LOG_LINES_MAX: u32 = 5_000;
/// Most bytes one log read returns.
pub const LOG_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Lines of one container instance, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerLog {
    pub container: String,
    pub lines: Vec<LogLine>,
    /// Older lines were left out.
    pub truncated: bool,
}

/// One line: `number` counts from 1 in the whole log where that is known, else in the lines read. A time stamp at the
/// start of the line is in `time` and no longer in `text`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub number: u64,
    pub time: Option<Timestamp>,
    pub text: String,
}

/// Series by name and exact labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MetricQuery {
    /// `None` = every name.
    pub name: Option<String>,
    pub labels: Vec<(String, String)>,
}

/// One stored series, points oldest first: (Unix seconds, value).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricSeries {
    pub name: String,
    pub labels: std::collections::BTreeMap<String, String>,
    pub points: Vec<(f64, f64)>,
}

/// Why a read did not succeed; variants are what a caller would do differently.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterError {
    #[error("{0} not found")]
    NotFound(String),
    /// No such kind here; `known` names close ones.
    #[error("kind {name:?} is not known here{}", suggestion(.known))]
    UnknownKind { name: String, known: Vec<String> },
    /// Several groups have this kind: ask again with an API version.
    #[error("kind {name:?} exists in several groups: {}; name one with api_version", groups.join(", "))]
    AmbiguousKind { name: String, groups: Vec<String> },
    #[error("not allowed to {0}")]
    Forbidden(String),
    #[error("invalid request: {0}")]
    Invalid(String),
    #[error("cluster unavailable: {0}")]
    Unavailable(String),
}

fn suggestion(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!("; did you mean {}?", known.join(", ")) }
}
