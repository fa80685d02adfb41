//! From a finished investigation to `RecoveryResponse` (http-api §2.10, §5.7): pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Type;

use crate::api::incident::{AlternativeWorkflow, HumanReviewReason, IncidentResponse, SeverityVocabulary};
use crate::domain::{Incident, Investigation, PreviousExecution, Recovery, ReviewReason};

/// Below this confidence a person must look at the choice.
const CONFIDENCE_MIN: f64 = 0.5;
/// Risk of a strategy. Nobody computes it, so it is the middle one, as January sent it.
const RISK: &str = "medium";

/// Result of a recovery analysis. January's clients read absent members as null, so they are written.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct RecoveryResponse {
    /// Incident identifier from the request.
    incident_id: String,
    /// Whether recovery is possible.
    can_recover: bool,
    /// The one strategy that the selected workflow is.
    #[schema(required = false)]
    strategies: Vec<RecoveryStrategy>,
    /// An `action_type` of the list.
    primary_recommendation: Option<String>,
    /// 0 to 1.
    #[schema(minimum = 0.0, maximum = 1.0)]
    analysis_confidence: f64,
    #[schema(required = false)]
    warnings: Vec<String>,
    /// `analysis_time_ms`, `is_recovery_attempt`, `recovery_attempt_number`.
    #[schema(required = false, value_type = HashMap<String, Value>)]
    metadata: Map<String, Value>,
    /// The workflow to run.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    selected_workflow: Option<Map<String, Value>>,
    /// `previous_attempt_assessment` {`failure_understood`, `failure_reason_analysis`, …}, `state_changed`,
    /// `current_signal_type`.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    recovery_analysis: Option<Map<String, Value>>,
    /// A person must look before anything is done.
    #[schema(default = false, required = false)]
    needs_human_review: bool,
    #[schema(value_type = Option<String>)]
    human_review_reason: Option<HumanReviewReason>,
    /// Other candidates, for people only.
    #[schema(required = false)]
    alternative_workflows: Vec<AlternativeWorkflow>,
    /// Labels detected on the target, all ten together.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    detected_labels: Option<Map<String, Value>>,
}

/// What could be done.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(in crate::api) struct RecoveryStrategy {
    /// Id of the workflow.
    action_type: String,
    /// 0 to 1.
    #[schema(minimum = 0.0, maximum = 1.0)]
    confidence: f64,
    rationale: String,
    #[schema(schema_with = risks)]
    estimated_risk: &'static str,
    #[schema(required = false)]
    prerequisites: Vec<String>,
    /// Always null: nothing is run by hand.
    kubectl_command: Option<String>,
}

/// The words clients know; they reject any other.
fn risks() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["low", "medium", "high"]))
}

/// What besides the investigation goes into the answer.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct Frame<'a> {
    pub(in crate::api) incident: &'a Incident,
    pub(in crate::api) accepted: Timestamp,
    pub(in crate::api) ended: Timestamp,
    pub(in crate::api) severities: SeverityVocabulary,
}

impl RecoveryResponse {
    pub(in crate::api) fn render(investigation: &Investigation, frame: Frame<'_>) -> Self {
        let Frame { incident, severities, .. } = frame;
        let answer = IncidentResponse::render_with(investigation, incident.shape, severities);
        // An answer nobody could read says nothing against recovery; a person reads it.
        let unreadable = investigation.review == Some(ReviewReason::LlmParsingError);
        let can_recover = answer.selected_workflow.is_some() || unreadable;
        let understood = !investigation.root_cause.summary.trim().is_empty()
            && !matches!(
                investigation.review,
                Some(
                    ReviewReason::RcaIncomplete
                        | ReviewReason::InvestigationInconclusive
                        | ReviewReason::LlmParsingError
                )
            );
        let signal = investigation.root_cause.signal_name.as_deref().unwrap_or(&incident.signal_name);
        Self { can_recover, ..Self::of(answer, frame, understood, signal) }.judged()
    }

    /// Stands in for the result of a session that was cancelled: a person must look.
    pub(in crate::api) fn of_cancellation(frame: Frame<'_>) -> Self {
        let incident = frame.incident;
        let answer = IncidentResponse::of_cancellation(&incident.incident_id, incident.shape, frame.ended);
        Self::of(answer, frame, false, &incident.signal_name)
    }

    fn of(answer: IncidentResponse, frame: Frame<'_>, understood: bool, signal: &str) -> Self {
        let selected_workflow = answer.selected_workflow.map(with_older_names);
        let strategies: Vec<_> =
            selected_workflow.iter().filter_map(|workflow| strategy(workflow, answer.confidence)).collect();
        let recovery = frame.incident.recovery.as_deref();
        Self {
            incident_id: answer.incident_id,
            can_recover: false,
            primary_recommendation: strategies.first().map(|strategy| strategy.action_type.clone()),
            strategies,
            analysis_confidence: answer.confidence,
            warnings: answer.warnings,
            metadata: metadata(recovery, frame),
            selected_workflow,
            recovery_analysis: Some(analysis(recovery, understood, signal)),
            needs_human_review: answer.needs_human_review,
            human_review_reason: answer.human_review_reason,
            alternative_workflows: answer.alternative_workflows,
            detected_labels: answer.detected_labels,
        }
    }

    /// A choice nobody is sure of is looked at (http-api §5.7, second row).
    fn judged(mut self) -> Self {
        if self.selected_workflow.is_some() && self.analysis_confidence < CONFIDENCE_MIN && !self.needs_human_review {
            self.needs_human_review = true;
            self.human_review_reason = Some(HumanReviewReason::LowConfidence);
            let percent = (self.analysis_confidence * 100.0).round();
            self.warnings.push(format!("Low confidence selection ({percent}%) - manual review recommended"));
        }
        self
    }
}

/// January's clients read the bundle under its older name.
fn with_older_names(mut workflow: Map<String, Value>) -> Map<String, Value> {
    for (name, older) in [("execution_bundle", "container_image"), ("execution_bundle_digest", "container_digest")] {
        if let Some(value) = workflow.get(name).cloned() {
            workflow.insert(older.to_owned(), value);
        }
    }
    workflow
}

fn strategy(workflow: &Map<String, Value>, confidence: f64) -> Option<RecoveryStrategy> {
    let text = |name: &str| workflow.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(RecoveryStrategy {
        action_type: text("workflow_id")?,
        confidence: workflow.get("confidence").and_then(Value::as_f64).unwrap_or(confidence),
        rationale: text("rationale").unwrap_or_default(),
        estimated_risk: RISK,
        prerequisites: Vec::new(),
        kubectl_command: None,
    })
}

fn metadata(recovery: Option<&Recovery>, frame: Frame<'_>) -> Map<String, Value> {
    let took = frame.ended.duration_since(frame.accepted).max(SignedDuration::ZERO);
    let mut metadata = Map::new();
    metadata.insert("analysis_time_ms".to_owned(), u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into());
    metadata.insert("is_recovery_attempt".to_owned(), recovery.is_some_and(|recovery| recovery.is_attempt).into());
    if let Some(number) = recovery.and_then(|recovery| recovery.attempt_number) {
        metadata.insert("recovery_attempt_number".to_owned(), number.into());
    }
    metadata
}

/// The last two members stand in both places: consumers look for them on the outside.
fn analysis(recovery: Option<&Recovery>, understood: bool, signal: &str) -> Map<String, Value> {
    let previous = recovery.and_then(|recovery| recovery.previous_execution.as_ref());
    let changed =
        previous.map(|previous| !previous.original_rca.signal_name.trim().eq_ignore_ascii_case(signal.trim()));
    let assessment = json!({
        "failure_understood": understood && previous.is_some(),
        "failure_reason_analysis": previous.map_or_else(|| NOT_DESCRIBED.to_owned(), reason),
        "state_changed": changed,
        "current_signal_type": signal,
    });
    let mut analysis = Map::new();
    analysis.insert("previous_attempt_assessment".to_owned(), assessment);
    analysis.insert("state_changed".to_owned(), changed.into());
    analysis.insert("current_signal_type".to_owned(), signal.into());
    analysis
}

const NOT_DESCRIBED: &str = "The request does not describe the previous attempt";

/// What is known of the failure, in one sentence and the executor's own words.
fn reason(previous: &PreviousExecution) -> String {
    let failure = &previous.failure;
    let mut text = format!(
        "Step {} ({}) of {} ended with {}: {}",
        failure.failed_step_index,
        failure.failed_step_name,
        previous.selected_workflow.workflow_id,
        failure.reason,
        failure.message
    );
    if let Some(summary) = &previous.natural_language_summary {
        text.push_str(". ");
        text.push_str(summary.trim());
    }
    text
}

#[cfg(test)]
mod tests;
