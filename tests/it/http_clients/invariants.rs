//! What breaks a client when it is violated (http-api §6.5), checked on every answer a client sees.

use std::time::Duration;

use serde_json::Value;

use super::Generation;
use crate::service::Answer;

/// I15: an answer to a poll, far below the timeout of a client even on a busy machine.
const POLL_MAX: Duration = Duration::from_secs(5);
/// I13: the texts that consumers search for, with what they look for.
const RESERVED: &[(&str, &str)] = &[
    ("alert not actionable", "Alert not actionable — no remediation warranted"),
    ("problem self-resolved", "Problem self-resolved - no remediation required"),
    ("no workflows matched", "No workflows matched the search criteria"),
    ("investigation inconclusive", "Investigation inconclusive - human review recommended"),
    ("human review recommended", "Investigation inconclusive - human review recommended"),
];
/// I5 and I16: closed lists.
const REASONS: &[&str] = &[
    "workflow_not_found",
    "image_mismatch",
    "parameter_validation_failed",
    "no_matching_workflows",
    "low_confidence",
    "llm_parsing_error",
    "investigation_inconclusive",
    "rca_incomplete",
];

/// I12: errors.
pub(super) fn of_error(answer: &Answer) {
    let body = answer.json();
    for name in ["type", "title", "detail", "instance"] {
        assert!(body[name].is_string(), "I12 {name}: {body}");
    }
    assert_eq!(body["status"], answer.status, "I12: {body}");
}

fn is_json(answer: &Answer) {
    assert_eq!(answer.header("content-type"), "application/json", "I1: {answer:?}");
}

fn is_uuid(value: &Value) {
    let id = value.as_str().unwrap_or_default();
    assert!(uuid::Uuid::try_parse(id).is_ok_and(|id| id.get_version_num() == 4), "I11: {value}");
    assert_eq!(id, id.to_lowercase(), "I11");
}

/// I17, I1, I11: the answer to a submission that was taken.
pub(super) fn of_accepted(answer: &Answer, expected: u16) {
    assert_eq!(answer.status, expected, "I17: {answer:?}");
    is_json(answer);
    if expected == 202 {
        is_uuid(&answer.json()["session_id"]);
    }
}

/// I1, I11, I15, I16.
pub(super) fn of_status(answer: &Answer, generation: Generation, took: Duration) {
    is_json(answer);
    assert!(took < POLL_MAX, "I15: {took:?}");
    let body = answer.json();
    is_uuid(&body["session_id"]);
    let mut states = vec!["pending", "investigating", "completed", "failed"];
    if generation == Generation::Successor {
        states.push("cancelled");
    }
    assert!(states.contains(&body["status"].as_str().unwrap_or_default()), "I16: {body}");
}

/// I1–I10, I13, I16, I18.
pub(super) fn of_result(answer: &Answer, generation: Generation) {
    is_json(answer);
    let body = answer.json();
    for name in ["incident_id", "analysis", "timestamp"] {
        assert!(body[name].is_string(), "I2 {name}: {body}");
    }
    assert!(body["root_cause_analysis"].is_object(), "I2, I3: {body}");
    assert!(body["needs_human_review"].is_boolean(), "I3: {body}");
    for name in ["warnings", "alternative_workflows", "validation_attempts_history"] {
        assert!(body[name].is_array(), "I3 {name}: {body}");
    }
    confidence(&body["confidence"]);
    review(&body, generation);
    for alternative in body["alternative_workflows"].as_array().into_iter().flatten() {
        assert!(alternative["workflow_id"].is_string() && alternative["rationale"].is_string(), "I6: {alternative}");
        confidence(&alternative["confidence"]);
    }
    for attempt in body["validation_attempts_history"].as_array().into_iter().flatten() {
        assert!((1..=3).contains(&attempt["attempt"].as_u64().unwrap_or_default()), "I4, I10: {attempt}");
        assert!(attempt["is_valid"].is_boolean() && attempt["timestamp"].is_string(), "I6: {attempt}");
        assert!(attempt["errors"].is_array(), "I3: {attempt}");
    }
    workflow(&body);
    root_cause(&body["root_cause_analysis"]);
}

fn confidence(value: &Value) {
    assert!(value.as_f64().is_some_and(|number| (0.0..=1.0).contains(&number)), "I4: {value}");
}

fn review(body: &Value, generation: Generation) {
    match body.get("human_review_reason") {
        None => assert_eq!(body["needs_human_review"], false, "{body}"),
        Some(reason) => {
            let reason = reason.as_str().unwrap_or_default();
            let late = generation == Generation::Successor && reason == "operator_escalation";
            assert!(REASONS.contains(&reason) || late, "I5: {reason}");
            assert_eq!(body["needs_human_review"], true, "{body}");
        }
    }
    for warning in body["warnings"].as_array().into_iter().flatten() {
        let text = warning.as_str().unwrap_or_default();
        for (word, whole) in RESERVED {
            assert!(!text.to_lowercase().contains(word) || text == *whole, "I13: {text}");
        }
    }
}

fn workflow(body: &Value) {
    let Some(workflow) = body.get("selected_workflow") else { return };
    assert!(workflow["workflow_id"].as_str().is_some_and(|id| !id.is_empty()), "I7: {workflow}");
    let engines = ["tekton", "job", "ansible"];
    let engine = workflow.get("execution_engine");
    assert!(engine.is_none_or(|engine| engines.contains(&engine.as_str().unwrap_or_default())), "I9: {workflow}");
    confidence(&workflow["confidence"]);
}

fn root_cause(cause: &Value) {
    let severities = ["critical", "high", "medium", "low", "unknown"];
    assert!(severities.contains(&cause["severity"].as_str().unwrap_or_default()), "I8: {cause}");
    assert_eq!(cause.get("remediationTarget"), cause.get("affectedResource"), "I18: {cause}");
}
