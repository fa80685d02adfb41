//! Remediation workflows: what exists, what fits an incident, what its parameters must look like (workflow-files).

mod built_in;
mod collection;
mod definition;
mod directory;
mod lint;
mod matching;
pub mod parameters;
mod remote;
mod resources;
mod signal;
mod survey;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use collection::Problem;
pub use directory::DirectoryCatalogue;
pub use parameters::Parameter;
pub use remote::RemoteCatalogue;
pub use resources::{ResourceCatalogue, ResourceTimes};
pub use survey::{Survey, survey};

use crate::domain::{Incident, ResourceRef, Severity};

/// The port through which workflows are found. Sources: a directory of YAML (or the compiled-in default set), the
/// DataStorage API, Kubernetes custom resources.
#[async_trait]
pub trait Catalogue: Send + Sync + std::fmt::Debug {
    /// Action types that have at least one workflow fitting the context, by name.
    async fn action_types(&self, context: &MatchContext) -> Result<Vec<ActionType>, CatalogueError>;

    /// Workflows of the action type that fit, best first, as far as a list tells.
    async fn listed(&self, action_type: &str, context: &MatchContext) -> Result<Vec<Listed>, CatalogueError>;

    /// Workflows of the action type with all that a choice needs, split into those that fit (best first) and those that are
    /// known not to, with reasons. A source that hides what does not fit leaves it out, and one that tells workflows one by
    /// one tells only the best.
    async fn candidates(&self, action_type: &str, context: &MatchContext) -> Result<Candidates, CatalogueError>;

    /// A workflow by id, or by metadata name where the source knows names. A source that hides what does not fit says
    /// [`CatalogueError::NotFound`].
    async fn workflow(&self, id_or_name: &str, context: &MatchContext) -> Result<Found, CatalogueError>;

    /// The same for an id that was not found: tells what is hidden from what does not exist (investigation §6.1 rule 2). For
    /// validation only, never for what a model may look at.
    async fn withheld(&self, id: &str, _context: &MatchContext) -> Result<Found, CatalogueError> {
        Err(CatalogueError::NotFound(id.to_owned()))
    }

    /// Where the source is asked with other values than the incident's, one sentence each; for the model and the log.
    fn substitutions(&self, _context: &MatchContext) -> Vec<String> {
        Vec::new()
    }

    /// Reads again a copy that is due to be; for sources that keep one.
    async fn refresh(&self) {}

    /// How old what it knows is, where that can change.
    fn age(&self) -> Option<Duration> {
        None
    }

    /// What this is, for reports: `built-in catalogue`, `directory ./workflows`.
    fn description(&self) -> String;
}

/// What matching looks at (workflow-files §2). Empty or unknown values do not filter.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MatchContext {
    pub severity: String,
    pub environment: String,
    pub priority: String,
    /// The root owner of the remediation target once known, else the signal resource.
    pub component: Option<ResourceRef>,
    /// Never excludes; raises the rank of workflows that name the same value.
    pub custom_labels: BTreeMap<String, Vec<String>>,
    /// Infrastructure labels that were detected for certain, `true`/`false` or a name. Never excludes: a workflow that
    /// requires another value is ranked last.
    pub detected_labels: BTreeMap<String, String>,
    /// What the root-cause phase established; stands in for a severity of the incident that says nothing.
    pub established_severity: Option<Severity>,
    /// Correlates what a remote source records about the questions. Filters nothing.
    pub remediation_id: Option<String>,
}

impl MatchContext {
    pub fn new(incident: &Incident, component: Option<ResourceRef>) -> Self {
        let remediation_id = Some(incident.remediation_id.clone()).filter(|id| !id.trim().is_empty());
        Self {
            severity: incident.severity.to_string(),
            environment: incident.environment.clone(),
            priority: incident.priority.clone(),
            component,
            custom_labels: incident.custom_labels.clone(),
            detected_labels: BTreeMap::new(),
            established_severity: None,
            remediation_id,
        }
    }

    #[must_use]
    pub fn with_established_severity(mut self, severity: Option<Severity>) -> Self {
        self.established_severity = severity;
        self
    }

    #[must_use]
    pub fn with_detected_labels(mut self, labels: BTreeMap<String, String>) -> Self {
        self.detected_labels = labels;
        self
    }
}

/// A named kind of remediation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionType {
    pub name: String,
    pub description: Description,
    /// How many workflows of this type fit.
    pub workflows: usize,
}

/// What a workflow or action type is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    pub what: String,
    pub when_to_use: String,
    #[serde(default)]
    pub when_not_to_use: String,
    #[serde(default)]
    pub preconditions: String,
}

/// A workflow of the catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Workflow {
    /// UUID; the same content has the same id everywhere.
    pub id: String,
    pub name: String,
    /// Semantic version.
    pub version: String,
    pub action_type: String,
    pub description: Description,
    pub labels: Labels,
    pub detected_labels: BTreeMap<String, String>,
    pub custom_labels: BTreeMap<String, String>,
    pub execution: Execution,
    pub parameters: Vec<Parameter>,
    pub rollback_parameters: Vec<Parameter>,
}

/// What a workflow is made for. `*` stands for everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    pub severity: Vec<String>,
    pub environment: Vec<String>,
    pub component: Vec<String>,
    pub priority: Vec<String>,
    pub cluster: Vec<String>,
}

/// How a workflow is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// `tekton`, `job` or `ansible`.
    pub engine: String,
    /// OCI reference.
    pub bundle: Option<String>,
    pub bundle_digest: Option<String>,
    pub service_account: Option<String>,
    pub engine_config: Option<Value>,
}

/// A workflow as a list tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    pub id: String,
    pub name: String,
    pub version: String,
    pub description: Description,
    /// `tekton`, `job` or `ansible`; empty where the list does not tell.
    pub engine: String,
    /// `None` where only the workflow itself tells them.
    pub parameters: Option<Vec<Parameter>>,
    /// Why it is ranked last, if it is.
    pub remarks: Vec<String>,
}

/// A workflow that exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub workflow: Workflow,
    /// Why it does not fit the context; empty when it does.
    pub misfits: Vec<String>,
}

/// Outcome of matching one action type.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Candidates {
    /// Best first.
    pub matching: Vec<Workflow>,
    /// Why some of those were ranked last, by id.
    pub remarks: BTreeMap<String, Vec<String>>,
    pub excluded: Vec<Excluded>,
}

/// A workflow that does not fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Excluded {
    pub workflow: Workflow,
    /// One for each filter that failed: `environment: for staging, not production`.
    pub reasons: Vec<String>,
}

/// Why the catalogue could not answer.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogueError {
    /// Unknown, hidden because it does not fit, or not active.
    #[error("workflow {0:?} is not in the catalogue")]
    NotFound(String),
    /// For people and logs: no addresses, no words of the server.
    #[error("catalogue unavailable: {0}")]
    Unavailable(String),
}
