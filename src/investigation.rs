//! The use case: from an incident to one complete [`Investigation`].
//!
//! [`Investigator::investigate`] is the way of one incident: the analyser looks first, a configured model investigates with
//! the same cluster, the decision table says what the result must say. Every exit yields a complete result; an error means
//! a fault of the service or a dependency, never a case nobody could decide.

pub mod answer;
mod binding;
mod conclusion;
mod confidence;
mod config;
mod conversation;
pub mod decision;
mod journal;
mod ledger;
mod model;
pub mod outcome;
pub mod outside;
mod overrides;
pub mod progress;
mod prompts;
mod recovery;
pub mod run;
mod selection;
pub mod submit;
mod validation;

use std::sync::Arc;

use tracing::Instrument as _;

pub use config::{
    EngineChoice, InvestigationConfig, PhaseConfig, PromptConfig, SelectionConfig, SelectionConversation,
};
pub use conversation::{redacted_output, redacted_value};
pub use outcome::Outcome;
pub use outside::{Outside, Reality};
pub use progress::{ProgressEvent, ProgressKind, ProgressReader, ProgressSender, RunPhase, Standing};
pub use run::{FailureCode, InvestigationError, RunContext};

use crate::analyser::{Analyser, Diagnosis};
use crate::audit::AuditTrail;
use crate::catalogue::Catalogue;
use crate::cluster::Cluster;
use crate::domain::{Incident, Investigation, ReviewReason};
use crate::enrichment::Enricher;
use crate::llm::{ErrorKind, Llm, LlmError};
use crate::redaction::RedactConfig;
use crate::redaction::injection::InjectionConfig;
use crate::telemetry::metrics::Phase;
use crate::telemetry::{Metrics, spans};
use crate::tools::ToolSet;
use crate::tools::mcp::McpServers;
use conclusion::StandIn;
use decision::Bands;
use model::NoAnswer;

/// The singletons an investigation works with.
#[derive(Debug, Clone)]
pub struct InvestigatorParts {
    pub config: InvestigationConfig,
    pub prompt: PromptConfig,
    pub redact: RedactConfig,
    pub injection: InjectionConfig,
    pub cluster: Arc<dyn Cluster>,
    pub analyser: Analyser,
    pub enricher: Enricher,
    pub catalogue: Arc<dyn Catalogue>,
    /// `None`: the analyser answers.
    pub llm: Option<Arc<Llm>>,
    /// What the model may look at while it searches for the cause.
    pub tools: ToolSet,
    /// Whose tools it may use as well; they are asked what they have when an investigation begins.
    pub mcp: McpServers,
    pub audit: AuditTrail,
    pub metrics: Metrics,
}

impl InvestigatorParts {
    fn bands(&self) -> Bands {
        Bands::new(self.config.resolved_confidence_threshold, self.prompt.confidence_threshold_human_review)
    }
}

/// Investigates incidents. Built once by the composition root; clones share everything.
#[derive(Debug, Clone)]
pub struct Investigator(Arc<InvestigatorParts>);

impl Investigator {
    pub fn new(parts: InvestigatorParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Runs one investigation until a result, the deadline or cancellation.
    ///
    /// # Errors
    /// Cancellation; a deadline that passes before there is anything worth reporting; with `engine: model`, a provider that
    /// fails.
    pub async fn investigate(
        &self,
        incident: &Incident,
        run: &RunContext,
    ) -> Result<Investigation, InvestigationError> {
        tracing::info!(event = "incident_analysis_started", engine = self.0.config.engine.as_str(), "analysis begins");
        let ended = self.analysed(incident, run).await;
        match &ended {
            Ok(result) => tracing::info!(
                event = "incident_analysis_completed",
                has_workflow = result.selected_workflow.is_some(),
                needs_human_review = result.review.is_some(),
                warnings_count = result.warnings.len(),
                validation_attempts = result.validation_attempts.len(),
                confidence = result.confidence,
                "analysis complete"
            ),
            Err(error) if error.code == FailureCode::Cancelled => tracing::info!(
                event = "incident_analysis_failed",
                error_kind = error.code.as_str(),
                "analysis cancelled"
            ),
            Err(error) => tracing::error!(
                event = "incident_analysis_failed",
                error_kind = error.code.as_str(),
                error = error.sentence,
                "analysis failed"
            ),
        }
        ended
    }

    async fn analysed(&self, incident: &Incident, run: &RunContext) -> Result<Investigation, InvestigationError> {
        let parts = self.0.as_ref();
        let (incident, rejected) = overrides::applied(incident);
        for label in rejected {
            tracing::warn!(
                event = "target_label_rejected",
                incident_id = incident.incident_id,
                label = label.label,
                reason = label.because,
                value = label.value,
                "a label of the signal that names its target does not count"
            );
        }
        let incident = incident.as_ref();
        run.progress.phase("root cause analysis");
        let analyse = parts.analyser.analyse(parts.cluster.as_ref(), incident);
        let analyse = analyse.instrument(spans::phase(Phase::Rca.as_str()));
        let diagnosis = within(run, "rca", "the cluster was not read in time", analyse).await?;
        let llm = match parts.config.engine {
            EngineChoice::Analyser => None,
            EngineChoice::Auto | EngineChoice::Model => parts.llm.as_deref(),
        };
        let Some(llm) = llm else { return self.by_analyser(incident, run, &diagnosis, None).await };
        let answer = model::investigate(parts, llm, incident, run, &diagnosis).await;
        let stand_in = match (answer, parts.config.engine) {
            (Ok(investigation), _) => return Ok(investigation),
            (Err(NoAnswer::Cancelled), _) => return Err(cancelled()),
            (Err(NoAnswer::Provider(error)), EngineChoice::Model) => return Err(provider_failed(&error)),
            (Err(NoAnswer::Provider(error)), _) => StandIn {
                reason: ReviewReason::InvestigationInconclusive,
                because: format!("The model did not answer ({error}); the built-in analyser's finding stands in"),
                wrote: String::new(),
            },
            (Err(NoAnswer::Nothing { reason, because, wrote }), _) => StandIn { reason, because, wrote },
        };
        tracing::warn!(
            event = "analyser_stands_in",
            reason = stand_in.reason.as_str(),
            "the model brought no root cause"
        );
        self.by_analyser(incident, run, &diagnosis, Some(stand_in)).await
    }

    async fn by_analyser(
        &self,
        incident: &Incident,
        run: &RunContext,
        diagnosis: &Diagnosis,
        stand_in: Option<StandIn>,
    ) -> Result<Investigation, InvestigationError> {
        if let Some(finding) = diagnosis.top() {
            run.progress.cause(&finding.summary);
        }
        run.progress.phase("workflow selection");
        let select = self.select(incident, run, diagnosis).instrument(spans::phase(Phase::WorkflowSelection.as_str()));
        let too_late = "the catalogue did not answer in time";
        let selection = match within(run, "workflow_selection", too_late, select).await {
            // What is known is told even when the time is over: beside a stand-in no workflow would be run anyway.
            Err(error) if stand_in.is_some() && error.code == FailureCode::DeadlineExceeded => {
                selection::Selection::default()
            }
            selection => selection?,
        };
        run.progress.phase("decision");
        let now = run.outside.now("completed");
        Ok(conclusion::conclude(incident, diagnosis, selection, stand_in, self.0.bands(), now))
    }

    async fn select(&self, incident: &Incident, run: &RunContext, diagnosis: &Diagnosis) -> selection::Selection {
        match diagnosis.top() {
            Some(finding) => {
                let catalogue = self.0.catalogue.as_ref();
                let now = run.outside.now("selected");
                selection::select(catalogue, incident, finding, diagnosis.confidence, now).await
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
        biased;
        () = run.cancel.cancelled() => Err(cancelled()),
        answer = step => Ok(answer),
        () = run.outside.until(run.deadline) => {
            Err(InvestigationError::new(FailureCode::DeadlineExceeded, phase, too_late))
        }
    }
}

fn cancelled() -> InvestigationError {
    InvestigationError::new(FailureCode::Cancelled, "cancelled", "the investigation was cancelled")
}

fn provider_failed(error: &LlmError) -> InvestigationError {
    let code = match error.kind {
        ErrorKind::Auth => FailureCode::LlmAuth,
        ErrorKind::RateLimit => FailureCode::LlmQuota,
        ErrorKind::Timeout => FailureCode::LlmTimeout,
        ErrorKind::BadRequest
        | ErrorKind::ContextLength
        | ErrorKind::NotFound
        | ErrorKind::Server
        | ErrorKind::Network
        | ErrorKind::Decode
        | ErrorKind::BreakerOpen => FailureCode::LlmUnavailable,
    };
    InvestigationError::new(code, "rca", error.to_string())
}

fn two_decimals(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
