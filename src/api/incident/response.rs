//! From a finished investigation to the wire (http-api §2.4, §2.5): pure, and the last door.
//!
//! Whatever arrives here leaves as a body every client generation decodes and no consumer misreads: the invariants of
//! http-api §5.1 and the limits of §6.5 are enforced once more, and where an investigation contradicts itself the safe
//! reading wins (a person looks, nothing runs).

pub(in crate::api) mod readable;
mod root_cause;
mod workflow;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::{Investigation, RequestShape, ReviewReason};
use readable::readable;

/// Warning texts that consumers search for (http-api §5.4).
const NOT_ACTIONABLE: &str = "Alert not actionable — no remediation warranted";
const SELF_RESOLVED: &str = "Problem self-resolved - no remediation required";
const NO_WORKFLOWS: &str = "No workflows matched the search criteria";
/// Least confidence of "nothing to do".
const NOT_ACTIONABLE_CONFIDENCE_MIN: f64 = 0.8;
/// January consumers take "no workflow and at least 0.7" for "resolved" before they look at the review flag.
const JANUARY_REVIEW_CONFIDENCE_MAX: f64 = 0.69;
/// Consumers' own objects hold attempts 1 to 3.
const ATTEMPTS_MAX: usize = 3;
/// Decimals of a confidence on the wire.
const CONFIDENCE_SCALE: f64 = 10_000.0;

/// Which severity spellings an answer uses (`compat.severity_vocabulary`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SeverityVocabulary {
    /// As the request's shape asks.
    #[default]
    Auto,
    /// `critical high medium low unknown`
    V1,
    /// `critical high warning info unknown`
    V2,
}

impl SeverityVocabulary {
    fn is_late(self, shape: RequestShape) -> bool {
        match self {
            Self::Auto => shape == RequestShape::LateSuccessor,
            Self::V1 => false,
            Self::V2 => true,
        }
    }
}

/// Result of an investigation. Members are written in this order; absent ones are left out.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IncidentResponse {
    /// Incident identifier from the request.
    pub incident_id: String,
    /// Narrative for people.
    pub analysis: String,
    /// `summary`, `severity`, `contributing_factors`, `remediationTarget`, …
    #[schema(value_type = HashMap<String, Value>)]
    pub root_cause_analysis: Map<String, Value>,
    /// The workflow to run: `workflow_id`, `execution_bundle`, `parameters`, … Absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub selected_workflow: Option<Map<String, Value>>,
    /// Overall confidence, 0 to 1.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub confidence: f64,
    /// Completion time, RFC 3339, UTC.
    pub timestamp: String,
    /// A person must look before anything is done.
    #[schema(default = false, required = false)]
    pub needs_human_review: bool,
    /// Why; present if and only if the flag is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub human_review_reason: Option<HumanReviewReason>,
    /// Only ever false: nothing is wrong that could be remediated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_actionable: Option<bool>,
    /// Plain sentences.
    #[schema(required = false)]
    pub warnings: Vec<String>,
    /// Other candidates, for people only.
    #[schema(required = false)]
    pub alternative_workflows: Vec<AlternativeWorkflow>,
    /// Validations of the chosen workflow, oldest first.
    #[schema(required = false)]
    pub validation_attempts_history: Vec<ValidationAttempt>,
    /// Labels detected on the target, all ten together. Absent when nobody looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HashMap<String, Value>>)]
    pub detected_labels: Option<Map<String, Value>>,
}

/// Another candidate. For people; never executed.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct AlternativeWorkflow {
    /// Workflow identifier.
    pub workflow_id: String,
    /// OCI reference of the execution bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_bundle: Option<String>,
    /// 0 to 1.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub confidence: f64,
    /// Why it was considered and not chosen.
    pub rationale: String,
}

/// One validation of a submitted workflow.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ValidationAttempt {
    /// From 1.
    #[schema(minimum = 1)]
    pub attempt: u32,
    /// The workflow that was validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    pub is_valid: bool,
    /// Empty when valid.
    #[schema(required = false)]
    pub errors: Vec<String>,
    /// RFC 3339, UTC.
    pub timestamp: String,
}

// http-api §2.6
/// Why a person must look. `operator_escalation` appears only in answers to late successor clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HumanReviewReason {
    WorkflowNotFound,
    ImageMismatch,
    ParameterValidationFailed,
    NoMatchingWorkflows,
    LowConfidence,
    LlmParsingError,
    InvestigationInconclusive,
    RcaIncomplete,
    OperatorEscalation,
}

impl HumanReviewReason {
    /// The reason as the client generation knows it; foreign ones become `investigation_inconclusive`.
    fn of(reason: ReviewReason, shape: RequestShape) -> Self {
        match reason {
            ReviewReason::WorkflowNotFound => Self::WorkflowNotFound,
            ReviewReason::ImageMismatch => Self::ImageMismatch,
            ReviewReason::ParameterValidationFailed => Self::ParameterValidationFailed,
            ReviewReason::NoMatchingWorkflows => Self::NoMatchingWorkflows,
            ReviewReason::LowConfidence => Self::LowConfidence,
            ReviewReason::LlmParsingError => Self::LlmParsingError,
            ReviewReason::InvestigationInconclusive => Self::InvestigationInconclusive,
            ReviewReason::RcaIncomplete if shape == RequestShape::January => Self::InvestigationInconclusive,
            ReviewReason::RcaIncomplete => Self::RcaIncomplete,
        }
    }
}

impl IncidentResponse {
    /// The answer for the generation of the client that sent the incident.
    pub fn render(investigation: &Investigation, shape: RequestShape) -> Self {
        Self::render_with(investigation, shape, SeverityVocabulary::Auto)
    }

    /// [`Self::render`] with the configured severity spellings.
    pub fn render_with(investigation: &Investigation, shape: RequestShape, severities: SeverityVocabulary) -> Self {
        let settled = Settled::of(investigation);
        let analysis = readable(&investigation.analysis);
        let analysis = match analysis.trim() {
            "" => "No analysis available",
            analysis => analysis,
        };
        let reason = settled.review.map(|reason| HumanReviewReason::of(reason, shape));
        let capped = shape == RequestShape::January && reason.is_some() && settled.workflow.is_none();
        let confidence =
            if capped { settled.confidence.min(JANUARY_REVIEW_CONFIDENCE_MAX) } else { settled.confidence };
        Self {
            incident_id: investigation.incident_id.clone(),
            analysis: analysis.to_owned(),
            root_cause_analysis: root_cause::render(
                &investigation.root_cause,
                investigation.confidence_basis.as_ref(),
                analysis,
                severities.is_late(shape),
            ),
            selected_workflow: settled.workflow,
            confidence,
            timestamp: seconds(investigation.completed_at),
            needs_human_review: reason.is_some(),
            human_review_reason: reason,
            is_actionable: settled.not_actionable.then_some(false),
            warnings: warnings(settled.warnings, settled.review, reason),
            alternative_workflows: workflow::alternatives(&investigation.alternatives),
            validation_attempts_history: workflow::attempts(&investigation.validation_attempts),
            detected_labels: investigation.detected_labels.clone(),
        }
    }

    /// Stands in for the result of a session that failed (http-api §4.5).
    pub(in crate::api) fn of_failure(incident_id: &str, error: &str, at: Timestamp) -> Self {
        let analysis = format!("Investigation failed: {error}");
        let reason = HumanReviewReason::InvestigationInconclusive;
        Self::synthetic(incident_id, analysis, reason, "investigation_failed", at)
    }

    /// Stands in for the result of a session that was cancelled: a person must look, because a consumer must not take
    /// "no workflow" for "nothing to do".
    pub(in crate::api) fn of_cancellation(incident_id: &str, shape: RequestShape, at: Timestamp) -> Self {
        let reason = match shape {
            RequestShape::LateSuccessor => HumanReviewReason::OperatorEscalation,
            _ => HumanReviewReason::InvestigationInconclusive,
        };
        Self::synthetic(incident_id, "Investigation cancelled".to_owned(), reason, "investigation_cancelled", at)
    }

    fn synthetic(incident_id: &str, analysis: String, reason: HumanReviewReason, why: &str, at: Timestamp) -> Self {
        let mut root_cause_analysis = Map::new();
        root_cause_analysis.insert("summary".to_owned(), analysis.clone().into());
        root_cause_analysis.insert("severity".to_owned(), "unknown".into());
        root_cause_analysis.insert("contributing_factors".to_owned(), Value::Array(Vec::new()));
        Self {
            incident_id: incident_id.to_owned(),
            analysis,
            root_cause_analysis,
            selected_workflow: None,
            confidence: 0.0,
            timestamp: seconds(at),
            needs_human_review: true,
            human_review_reason: Some(reason),
            is_actionable: None,
            warnings: vec![format!("Human review required: {why}")],
            alternative_workflows: Vec::new(),
            validation_attempts_history: Vec::new(),
            detected_labels: None,
        }
    }
}

/// The outcome after contradictions are settled (http-api §5.1, invariants).
struct Settled {
    review: Option<ReviewReason>,
    not_actionable: bool,
    workflow: Option<Map<String, Value>>,
    confidence: f64,
    warnings: Vec<String>,
}

impl Settled {
    fn of(investigation: &Investigation) -> Self {
        let has = |text: &str| investigation.warnings.iter().any(|warning| warning == text);
        let confidence = unit(investigation.confidence);
        let chosen = investigation.selected_workflow.as_ref();
        let usable = chosen.map(|chosen| workflow::selected(chosen, confidence));
        let mut review = investigation.review;
        let mut warnings = investigation.warnings.clone();
        let mut workflow = None;
        match usable {
            Some(Ok(rendered)) => workflow = Some(rendered),
            Some(Err(unusable)) => {
                warnings.push(unusable.to_owned());
                review = review.or(Some(ReviewReason::WorkflowNotFound));
            }
            None => {}
        }
        let claims_nothing_to_do = investigation.actionable == Some(false) || has(SELF_RESOLVED);
        if review.is_some() {
            warnings.retain(|warning| warning != NOT_ACTIONABLE && warning != SELF_RESOLVED);
        } else if claims_nothing_to_do {
            workflow = None;
        } else if workflow.is_none() {
            // Without a review flag this would read as "resolved" from a confidence of 0.7 on.
            review = Some(ReviewReason::NoMatchingWorkflows);
            if !has(NO_WORKFLOWS) {
                warnings.push(NO_WORKFLOWS.to_owned());
            }
        }
        let not_actionable = investigation.actionable == Some(false) && review.is_none();
        if not_actionable && !has(NOT_ACTIONABLE) {
            warnings.insert(0, NOT_ACTIONABLE.to_owned());
        }
        let confidence_min = if not_actionable { NOT_ACTIONABLE_CONFIDENCE_MIN } else { 0.0 };
        Self { review, not_actionable, workflow, confidence: confidence.max(confidence_min), warnings }
    }
}

/// No blank ones; at least one when a person must look; the true reason when the client does not know it.
fn warnings(mut warnings: Vec<String>, review: Option<ReviewReason>, reason: Option<HumanReviewReason>) -> Vec<String> {
    warnings.iter_mut().for_each(|warning| *warning = readable(warning));
    warnings.retain(|warning| !warning.trim().is_empty());
    let Some(review) = review else {
        return warnings;
    };
    if reason == Some(HumanReviewReason::InvestigationInconclusive) && review != ReviewReason::InvestigationInconclusive
        || warnings.is_empty()
    {
        warnings.push(format!("Human review required: {}", review.as_str()));
    }
    warnings
}

/// Within 0–1 and without noise such as 0.30000000000000004.
fn unit(confidence: f64) -> f64 {
    if confidence.is_nan() {
        return 0.0;
    }
    (confidence.clamp(0.0, 1.0) * CONFIDENCE_SCALE).round() / CONFIDENCE_SCALE
}

/// `2026-04-12T09:15:22Z`
fn seconds(at: Timestamp) -> String {
    format!("{at:.0}")
}

#[cfg(test)]
mod tests;
