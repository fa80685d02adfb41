//! The use case: from an incident to one complete [`Investigation`].
//!
//! [`Investigator::investigate`] is the way of one incident: diagnose, then pass through the decision table. Every exit
//! yields a complete result; an error means a fault of the service or a dependency, never a case nobody could decide.

mod conclusion;
mod config;
pub mod decision;
pub mod outcome;
pub mod run;

use std::sync::Arc;

use jiff::Timestamp;

pub use config::{EngineChoice, InvestigationConfig};
pub use outcome::Outcome;
pub use run::{FailureCode, InvestigationError, ProgressSender, RunContext};

use crate::analyser::Analyser;
use crate::cluster::Cluster;
use crate::domain::{Incident, Investigation};

/// Holds the ports an investigation needs. Built once by the composition root, shared by every run.
#[derive(Debug, Clone)]
pub struct Investigator {
    cluster: Arc<dyn Cluster>,
    analyser: Analyser,
}

impl Investigator {
    pub fn new(cluster: Arc<dyn Cluster>, analyser: Analyser) -> Self {
        Self { cluster, analyser }
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
        let diagnosis = tokio::select! {
            diagnosis = self.analyser.analyse(self.cluster.as_ref(), incident) => diagnosis,
            () = run.cancel.cancelled() => {
                return Err(InvestigationError::new(FailureCode::Cancelled, "cancelled", "the investigation was cancelled"));
            }
            () = tokio::time::sleep_until(run.deadline) => {
                return Err(InvestigationError::new(FailureCode::DeadlineExceeded, "rca", "the cluster was not read in time"));
            }
        };
        run.progress.phase("decision");
        Ok(conclusion::conclude(incident, &diagnosis, Timestamp::now()))
    }
}
