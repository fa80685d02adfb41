//! `selected_workflow`, `alternative_workflows` and `validation_attempts_history` (http-api §2.5).

use serde_json::{Map, Value};

use super::readable::readable;
use super::{ATTEMPTS_MAX, AlternativeWorkflow, ValidationAttempt, seconds, unit};
use crate::domain::{self, SelectedWorkflow};

/// Any other engine makes the consumer's status update fail.
const ENGINES: &[&str] = &["tekton", "job", "ansible"];

/// The map in the documented order, or why the choice cannot be executed as it is.
pub(super) fn selected(workflow: &SelectedWorkflow, confidence: f64) -> Result<Map<String, Value>, &'static str> {
    if workflow.workflow_id.trim().is_empty() {
        return Err("The selected workflow has no id and was left out");
    }
    let engine = workflow.execution_engine.trim().to_ascii_lowercase();
    if !engine.is_empty() && !ENGINES.contains(&engine.as_str()) {
        return Err("The selected workflow has an unknown execution engine and was left out");
    }
    // Consumers read a missing confidence as 0 and then always ask a person.
    let own = unit(workflow.confidence);
    let confidence = if own > 0.0 { own } else { confidence };
    let text = |text: &str| (!text.is_empty()).then(|| Value::from(text));
    let optional = |text: &Option<String>| text.as_deref().filter(|text| !text.is_empty()).map(Value::from);
    let members = [
        ("workflow_id", text(&workflow.workflow_id)),
        ("action_type", text(&workflow.action_type)),
        ("version", text(&workflow.version)),
        ("execution_bundle", optional(&workflow.execution_bundle)),
        ("execution_bundle_digest", optional(&workflow.execution_bundle_digest)),
        ("execution_engine", text(&engine)),
        ("service_account_name", optional(&workflow.service_account_name)),
        ("confidence", Some(confidence.into())),
        ("rationale", Some(readable(&workflow.rationale).into())),
        ("parameters", Some(Value::Object(workflow.parameters.clone()))),
        ("engine_config", workflow.engine_config.clone().filter(|config| !config.is_null())),
        ("workflow_name", text(&workflow.workflow_name)),
    ];
    Ok(members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

/// Entries without an id are dropped: clients reject the whole response for one of them.
pub(super) fn alternatives(alternatives: &[domain::AlternativeWorkflow]) -> Vec<AlternativeWorkflow> {
    let render = |alternative: &domain::AlternativeWorkflow| AlternativeWorkflow {
        workflow_id: readable(&alternative.workflow_id),
        execution_bundle: alternative.execution_bundle.as_deref().map(readable).filter(|bundle| !bundle.is_empty()),
        confidence: unit(alternative.confidence),
        rationale: readable(&alternative.rationale),
    };
    let rendered = alternatives.iter().map(render);
    rendered.filter(|alternative| !alternative.workflow_id.trim().is_empty()).collect()
}

/// The newest attempts, numbered from 1.
pub(super) fn attempts(attempts: &[domain::ValidationAttempt]) -> Vec<ValidationAttempt> {
    let newest = attempts.iter().skip(attempts.len().saturating_sub(ATTEMPTS_MAX));
    let render = |(number, attempt): (u32, &domain::ValidationAttempt)| ValidationAttempt {
        attempt: number,
        workflow_id: attempt.workflow_id.as_deref().map(readable),
        is_valid: attempt.is_valid,
        errors: attempt.errors.iter().map(|error| readable(error)).collect(),
        timestamp: seconds(attempt.timestamp),
    };
    (1..).zip(newest).map(render).collect()
}
