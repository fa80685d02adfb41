//! `response_data` of the terminal event (audit §1.4), from any finished investigation. Total: every input gives a
//! payload the closed schema accepts.

use serde_json::{Map, Value, json};

use super::content::{clip, exact};
use crate::domain::{Engine, Investigation, SelectedWorkflow};

/// Characters kept of a dropped item in its note.
const NOTE_CHARS_MAX: usize = 300;

pub(super) fn response_data(investigation: &Investigation) -> Value {
    let cause = &investigation.root_cause;
    let mut data = Map::new();
    let mut set = |key: &str, value: Value| {
        data.insert(key.to_owned(), value);
    };
    set("incidentId", json!(investigation.incident_id));
    set("analysis", json!(investigation.analysis));
    set(
        "rootCauseAnalysis",
        json!({
            "summary": cause.summary,
            "severity": cause.severity.as_str(),
            "contributingFactors": cause.contributing_factors,
        }),
    );
    if let Some(workflow) = &investigation.selected_workflow {
        set("selectedWorkflow", selected(workflow));
    }
    set("confidence", json!(unit(investigation.confidence)));
    set("timestamp", json!(investigation.completed_at.to_string()));
    set("needsHumanReview", json!(investigation.review.is_some()));
    if let Some(reason) = investigation.review {
        set("humanReviewReason", json!(reason.as_str()));
    }
    let mut warnings = investigation.warnings.clone();
    warnings.extend(notes(investigation));
    set("warnings", json!(warnings));
    let alternatives = investigation.alternatives.iter();
    let alternatives: Vec<Value> =
        alternatives.map(|other| json!({ "workflowId": other.workflow_id, "rationale": other.rationale })).collect();
    set("alternativeWorkflows", Value::Array(alternatives));
    Value::Object(data)
}

/// Total tokens, when a model took part: prompt and completion.
pub(super) fn tokens(investigation: &Investigation) -> Option<(u64, u64)> {
    match &investigation.engine {
        Engine::Model { prompt_tokens, completion_tokens, .. } => Some((*prompt_tokens, *completion_tokens)),
        Engine::Analyser { .. } => None,
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

/// One line for each thing the schema has no field for, so that an auditor knows it existed.
fn notes(investigation: &Investigation) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |what: &str, text: &str| {
        let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        notes.push(format!("{what}: {}", clip(&one_line, NOTE_CHARS_MAX)));
    };
    if let Some(target) = &investigation.root_cause.target {
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
    let attempts = &investigation.validation_attempts;
    if let Some(last) = attempts.last() {
        let outcome = if last.is_valid { "valid" } else { "invalid" };
        note("validation attempts", &format!("{}, the last one {outcome}", attempts.len()));
    }
    let evidence = investigation.root_cause.evidence.len();
    if evidence > 0 && matches!(investigation.engine, Engine::Model { .. }) {
        notes.push(format!("evidence: {evidence} verified, 0 dropped"));
    }
    notes
}

/// A confidence the schema accepts.
fn unit(confidence: f64) -> f64 {
    if confidence.is_nan() { 0.0 } else { confidence.clamp(0.0, 1.0) }
}
