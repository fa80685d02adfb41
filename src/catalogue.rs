//! Remediation workflows: what exists, what fits an incident, what its parameters must look like.

use async_trait::async_trait;

use crate::domain::{Incident, ResourceRef};

/// The port through which workflows are found. Sources: a directory of YAML (or the compiled-in default set); later
/// the DataStorage API and Kubernetes custom resources.
#[async_trait]
pub trait Catalogue: Send + Sync + std::fmt::Debug {
    /// Every workflow of the action type, split into those that fit (best first) and those that do not, with reasons.
    async fn candidates(&self, action_type: &str, context: &MatchContext) -> Result<Candidates, CatalogueError>;

    /// Action types that have at least one workflow fitting the context, by name.
    async fn action_types(&self, context: &MatchContext) -> Result<Vec<ActionType>, CatalogueError>;

    /// A workflow by id or metadata name, whether it fits or not.
    async fn workflow(&self, id_or_name: &str) -> Result<Workflow, CatalogueError>;

    /// What this is, for reports: `built-in catalogue`, `directory ./workflows`.
    fn description(&self) -> String;
}

/// What matching looks at (workflow-files §2). Empty or unknown values do not filter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MatchContext {
    pub severity: String,
    pub environment: String,
    pub priority: String,
    /// The root owner of the remediation target once known, else the signal resource.
    pub component: Option<ResourceRef>,
}

impl MatchContext {
    pub fn new(incident: &Incident, component: Option<ResourceRef>) -> Self {
        Self {
            severity: incident.severity.to_string(),
            environment: incident.environment.clone(),
            priority: incident.priority.clone(),
            component,
        }
    }
}

/// A named kind of remediation.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionType {
    pub name: String,
}

/// A workflow of the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Workflow {
    pub id: String,
    pub name: String,
    pub action_type: String,
}

/// Outcome of matching one action type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candidates {
    pub matching: Vec<Workflow>,
    pub excluded: Vec<(Workflow, Vec<String>)>,
}

/// Why the catalogue could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogueError {
    #[error("workflow {0:?} is not in the catalogue")]
    NotFound(String),
    #[error("catalogue unavailable: {0}")]
    Unavailable(String),
}
