//! The use case: from an incident to one complete [`Investigation`].
//!
//! [`Investigator::investigate`] is the way of one incident: diagnose (model, analyser, or both), resolve the target,
//! choose and validate a workflow, and pass through the decision table. Every exit yields a complete result; an error
//! means a fault of the service or a dependency, never a model that could not decide.

pub mod decision;
pub mod outcome;
pub mod run;

use std::sync::Arc;

pub use outcome::Outcome;
pub use run::{FailureCode, InvestigationError, ProgressSender, RunContext};

use crate::catalogue::Catalogue;
use crate::cluster::Cluster;
use crate::domain::{Incident, Investigation};

/// Holds the ports an investigation needs. Built once by the composition root, shared by every run.
#[derive(Debug, Clone)]
pub struct Investigator {
    cluster: Arc<dyn Cluster>,
    catalogue: Arc<dyn Catalogue>,
}

impl Investigator {
    pub fn new(cluster: Arc<dyn Cluster>, catalogue: Arc<dyn Catalogue>) -> Self {
        Self { cluster, catalogue }
    }

    /// Runs one investigation until a result, the deadline or cancellation.
    ///
    /// # Errors
    /// Only faults: provider errors with `engine: model`, cancellation, a deadline with nothing worth reporting.
    pub async fn investigate(
        &self,
        incident: &Incident,
        run: &RunContext,
    ) -> Result<Investigation, InvestigationError> {
        let _ = (&self.cluster, &self.catalogue, incident);
        run.progress.phase("root cause analysis");
        Err(InvestigationError::internal("rca", "not wired yet"))
    }
}
