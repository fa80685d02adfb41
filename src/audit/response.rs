//! `response_data` of the terminal event (audit §1.4), from any finished investigation. Total: every input gives a
//! payload the closed schema accepts.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::content::{clip, exact};
use super::event::RcaFinding;
use super::profile::Profile;
use super::rules;
use crate::domain::{AlternativeWorkflow, Engine, Investigation, ReviewReason, RootCause, SelectedWorkflow, Severity};

/// Characters kept of a dropped item in its note.
const NOTE_CHARS_MAX: usize = 300;
/// What becomes of a reason the receiver does not know.
const UNLISTED_REASON: &str = ReviewReason::InvestigationInconclusive.as_str();
/// The model's review of its own answer: our names and those of the schema.
const DUE_DILIGENCE: [(&str, &str); 8] = [
    ("causal_completeness", "causalCompleteness"),
    ("target_accuracy", "targetAccuracy"),
    ("evidence_sufficiency", "evidenceSufficiency"),
    ("alternative_hypotheses", "alternativeHypotheses"),
    ("scope_completeness", "scopeCompleteness"),
    ("proportionality", "proportionality"),
    ("regression_awareness", "regressionAwareness"),
    ("confidence_calibration", "confidenceCalibration"),
];

/// Of a finished investigation.
pub(super) fn response_data(investigation: &Investigation, profile: Profile) -> Value {
    let confidence = unit(investigation.confidence);
    let mut data = begun(&investigation.incident_id, &investigation.analysis, &investigation.root_cause, profile);
    let mut set = |key: &str, value: Value| {
        data.insert(key.to_owned(), value);
    };
    if let Some(workflow) = &investigation.selected_workflow {
        set("selectedWorkflow", selected(workflow));
    }
    set("confidence", json!(confidence));
    set("timestamp", json!(rfc3339(investigation.completed_at)));
    if let (Profile::H, Some(actionable)) = (profile, investigation.actionable) {
        set("isActionable", json!(actionable));
    }
    set("needsHumanReview", json!(investigation.review.is_some()));
    let mut warnings = investigation.warnings.clone();
    if let Some(reason) = investigation.review {
        let (reason, note) = listed(reason.as_str(), profile);
        set("humanReviewReason", json!(reason));
        warnings.extend(note);
    }
    warnings.extend(notes(investigation, profile));
    set("warnings", json!(warnings));
    let alternatives = investigation.alternatives.iter().map(|other| alternative(other, profile));
    set("alternativeWorkflows", alternatives.collect());
    Value::Object(data)
}

/// Of a root cause before a workflow is chosen.
pub(super) fn rca_data(incident_id: &str, finding: &RcaFinding, profile: Profile) -> Value {
    let mut data = begun(incident_id, &finding.analysis, &finding.root_cause, profile);
    data.insert("confidence".to_owned(), json!(unit(finding.confidence)));
    data.insert("timestamp".to_owned(), json!(rfc3339(finding.found_at)));
    Value::Object(data)
}

/// Total tokens, when a model took part: prompt and completion.
pub(super) fn tokens(investigation: &Investigation) -> Option<(u64, u64)> {
    match &investigation.engine {
        Engine::Model { prompt_tokens, completion_tokens, .. } => Some((*prompt_tokens, *completion_tokens)),
        Engine::Analyser { .. } => None,
    }
}

fn begun(incident_id: &str, analysis: &str, cause: &RootCause, profile: Profile) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("incidentId".to_owned(), json!(incident_id));
    data.insert("analysis".to_owned(), json!(analysis));
    data.insert("rootCauseAnalysis".to_owned(), root_cause(cause, profile));
    data
}

fn root_cause(cause: &RootCause, profile: Profile) -> Value {
    let mut data = Map::new();
    let mut set = |key: &str, value: Value| {
        data.insert(key.to_owned(), value);
    };
    set("summary", json!(cause.summary));
    set("severity", json!(severity(cause.severity, profile)));
    set("contributingFactors", json!(cause.contributing_factors));
    if profile == Profile::A {
        return Value::Object(data);
    }
    if let Some(target) = &cause.target {
        let mut named = Map::new();
        named.insert("kind".to_owned(), json!(target.kind));
        named.insert("name".to_owned(), json!(target.name));
        named.extend(target.namespace.as_ref().map(|namespace| ("namespace".to_owned(), json!(namespace))));
        set("remediationTarget", Value::Object(named));
    }
    if !cause.causal_chain.is_empty() {
        set("causalChain", json!(cause.causal_chain));
    }
    let reviewed = DUE_DILIGENCE.iter().filter_map(|(ours, theirs)| Some((*theirs, cause.due_diligence.get(*ours)?)));
    let reviewed: Map<String, Value> = reviewed.map(|(name, text)| (name.to_owned(), json!(text))).collect();
    if !reviewed.is_empty() {
        set("dueDiligence", Value::Object(reviewed));
    }
    Value::Object(data)
}

pub(super) fn severity(severity: Severity, profile: Profile) -> &'static str {
    match profile {
        Profile::A => severity.as_str(),
        Profile::H => severity.as_late_str(),
    }
}

fn selected(workflow: &SelectedWorkflow) -> Value {
    let mut data = Map::new();
    data.insert("workflowId".to_owned(), json!(workflow.workflow_id));
    data.insert("actionType".to_owned(), json!(workflow.action_type));
    if let Some(bundle) = &workflow.execution_bundle {
        data.insert("executionBundle".to_owned(), json!(bundle));
    }
    data.insert("confidence".to_owned(), json!(unit(workflow.confidence)));
    data.insert("parameters".to_owned(), exact(Value::Object(workflow.parameters.clone())));
    Value::Object(data)
}

fn alternative(other: &AlternativeWorkflow, profile: Profile) -> Value {
    let mut data = Map::new();
    data.insert("workflowId".to_owned(), json!(other.workflow_id));
    data.insert("rationale".to_owned(), json!(other.rationale));
    if profile == Profile::H {
        data.extend(other.execution_bundle.as_ref().map(|bundle| ("executionBundle".to_owned(), json!(bundle))));
        data.insert("confidence".to_owned(), json!(unit(other.confidence)));
    }
    Value::Object(data)
}

/// A reason on the receiver's list; another one is told in a warning.
pub(super) fn listed(reason: &str, profile: Profile) -> (&str, Option<String>) {
    if rules::review_reasons(profile).contains(&reason) {
        return (reason, None);
    }
    (UNLISTED_REASON, Some(format!("human review reason: {}", one_line(reason))))
}

/// One line for each thing the schema has no field for, so that an auditor knows it existed.
fn notes(investigation: &Investigation, profile: Profile) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |what: &str, text: &str| notes.push(format!("{what}: {}", one_line(text)));
    if let (Profile::A, Some(target)) = (profile, &investigation.root_cause.target) {
        note("remediation target", &target.to_string());
    }
    if let Some(workflow) = &investigation.selected_workflow {
        if !workflow.rationale.is_empty() {
            note("workflow rationale", &workflow.rationale);
        }
        if let Some(account) = &workflow.service_account_name {
            note("service account", account);
        }
    }
    if let Some(labels) = &investigation.detected_labels {
        note("detected labels", &json!(labels).to_string());
    }
    let attempts = &investigation.validation_attempts;
    if let Some(last) = attempts.last() {
        let outcome = if last.is_valid { "valid" } else { "invalid" };
        note("validation attempts", &format!("{}, the last one {outcome}", attempts.len()));
    }
    let evidence = investigation.root_cause.evidence.len();
    // What was dropped is already told by the investigation itself.
    let is_told = investigation.warnings.iter().any(|warning| warning.starts_with("evidence: "));
    if evidence > 0 && !is_told && matches!(investigation.engine, Engine::Model { .. }) {
        notes.push(format!("evidence: {evidence} verified, 0 dropped"));
    }
    notes
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    clip(&line, NOTE_CHARS_MAX).to_owned()
}

/// A confidence the schema accepts.
fn unit(confidence: f64) -> f64 {
    if confidence.is_nan() { 0.0 } else { confidence.clamp(0.0, 1.0) }
}

/// The schema knows four-digit years only.
fn rfc3339(time: Timestamp) -> String {
    time.max(Timestamp::UNIX_EPOCH).to_string()
}
