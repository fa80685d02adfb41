//! The use case: from an incident to one complete [`Investigation`].
//!
//! [`Investigator::investigate`] is the way of one incident: diagnose, choose a workflow, pass through the decision table. Every exit
//! yields a complete result; an error means a fault of the service or a dependency, never a case nobody could decide.

pub mod answer;
mod conclusion;
mod config;
pub mod decision;
pub mod outcome;
pub mod run;
mod selection;
pub mod submit;

use std::sync::Arc;

use jiff::Timestamp;

pub use config::{EngineChoice, InvestigationConfig};
pub use outcome::Outcome;
pub use run::{FailureCode, InvestigationError, ProgressSender, RunContext};

use crate::analyser::{Analyser, Diagnosis};
use crate::catalogue::Catalogue;
use crate::cluster::Cluster;
use crate::domain::{Incident, Investigation};

/// Holds the ports an investigation needs. Built once by the composition root, shared by every run.
#[derive(Debug, Clone)]
pub struct Investigator {
    cluster: Arc<dyn Cluster>,
    analyser: Analyser,
    catalogue: Arc<dyn Catalogue>,
}

impl Investigator {
    pub fn new(cluster: Arc<dyn Cluster>, analyser: Analyser, catalogue: Arc<dyn Catalogue>) -> Self {
        Self { cluster, analyser, catalogue }
    }

    /// Runs one investigation until a result, the deadline or cancellation.
    ///
    /// # Errors
    /// Cancellation, or a deadline that passes before there is anything worth reporting.
    pub async fn investigate(
        &self,
        incident: &Incident,
        run: &RunContext,
    ) -> Result<Investigation, InvestigationError> {
        run.progress.phase("root cause analysis");
        let analyse = self.analyser.analyse(self.cluster.as_ref(), incident);
        let diagnosis = within(run, "rca", "the cluster was not read in time", analyse).await?;
        run.progress.phase("workflow selection");
        let select = self.select(incident, &diagnosis);
        let too_late = "the catalogue did not answer in time";
        let selection = within(run, "workflow_selection", too_late, select).await?;
        run.progress.phase("decision");
        Ok(conclusion::conclude(incident, &diagnosis, selection, Timestamp::now()))
    }

    async fn select(&self, incident: &Incident, diagnosis: &Diagnosis) -> selection::Selection {
        match diagnosis.top() {
            Some(finding) => {
                let catalogue = self.catalogue.as_ref();
                selection::select(catalogue, incident, finding, diagnosis.confidence, Timestamp::now()).await
            }
            None => selection::Selection::default(),
        }
    }
}

/// The answer of a step, unless the run is cancelled or its deadline passes first.
async fn within<T>(
    run: &RunContext,
    phase: &'static str,
    too_late: &'static str,
    step: impl Future<Output = T>,
) -> Result<T, InvestigationError> {
    tokio::select! {
        answer = step => Ok(answer),
        () = run.cancel.cancelled() => {
            Err(InvestigationError::new(FailureCode::Cancelled, "cancelled", "the investigation was cancelled"))
        }
        () = tokio::time::sleep_until(run.deadline) => {
            Err(InvestigationError::new(FailureCode::DeadlineExceeded, phase, too_late))
        }
    }
}
