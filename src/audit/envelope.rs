//! An event as JSON (audit §1.1, §1.3): pure functions from values to text.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::content::{bounded, clip, exact};
use super::event::{AuditEvent, Excerpt, Payload};
use super::response;

/// Characters kept of an error message.
const ERROR_CHARS_MAX: usize = 2_000;
const ID_CHARS_MAX: usize = 255;
const NAMESPACE_CHARS_MAX: usize = 253;
const RESOURCE_TYPE_CHARS_MAX: usize = 100;

/// `event_data` of an event, within every bound.
pub(super) fn event_data(event: &AuditEvent, event_id: Uuid) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("event_type".to_owned(), json!(event.payload.event_type()));
    data.insert("event_id".to_owned(), json!(event_id.to_string()));
    data.insert("incident_id".to_owned(), json!(clip(&event.subject.incident_id, ID_CHARS_MAX)));
    let known = members(event).into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    data.extend(known);
    bounded(data)
}

/// Members beside the common ones; `None` is left out.
fn members(event: &AuditEvent) -> Vec<(&'static str, Option<Value>)> {
    match &event.payload {
        Payload::LlmRequest { model, prompt, toolsets, mcp_servers, tokens_max } => vec![
            ("model", Some(json!(model))),
            ("prompt_length", Some(json!(prompt.chars))),
            ("prompt_preview", Some(json!(prompt.preview))),
            ("max_tokens", tokens_max.map(Value::from)),
            ("toolsets_enabled", Some(json!(toolsets))),
            ("mcp_servers", (!mcp_servers.is_empty()).then(|| json!(mcp_servers))),
        ],
        Payload::LlmResponse { analysis, tokens_used, tool_call_count } => vec![
            ("has_analysis", Some(json!(analysis.chars > 0))),
            ("analysis_length", Some(json!(analysis.chars))),
            ("analysis_preview", Some(json!(analysis.preview))),
            ("tokens_used", tokens_used.map(Value::from)),
            ("tool_call_count", Some(json!(tool_call_count))),
        ],
        Payload::ToolCall { index, tool, arguments, result, failed: _ } => {
            // The receiver refuses a missing result and a null one.
            let result = if result.is_null() { Value::String(String::new()) } else { exact(result.clone()) };
            let text = result.as_str().map_or_else(|| result.to_string(), str::to_owned);
            vec![
                ("tool_call_index", Some(json!(index))),
                ("tool_name", Some(json!(tool))),
                ("tool_arguments", Some(exact(Value::Object(arguments.clone())))),
                ("tool_result_preview", Some(json!(Excerpt::of(&text).preview))),
                ("tool_result", Some(result)),
            ]
        }
        Payload::ValidationAttempt {
            attempt,
            attempts_max,
            is_valid,
            errors,
            workflow_id,
            workflow_name,
            review_reason,
            is_final,
        } => vec![
            ("attempt", Some(json!((*attempt).max(1)))),
            ("max_attempts", Some(json!((*attempts_max).max(1)))),
            ("is_valid", Some(json!(is_valid))),
            ("errors", Some(json!(errors))),
            ("validation_errors", (!errors.is_empty()).then(|| json!(errors.join("; ")))),
            ("workflow_id", workflow_id.as_deref().map(Value::from)),
            ("workflow_name", workflow_name.as_deref().map(Value::from)),
            ("human_review_reason", review_reason.as_deref().map(Value::from)),
            ("is_final_attempt", Some(json!(is_final))),
        ],
        Payload::ResponseComplete { investigation } => {
            let tokens = response::tokens(investigation);
            vec![
                ("response_data", Some(response::response_data(investigation))),
                ("total_prompt_tokens", tokens.map(|(prompt, _)| json!(prompt))),
                ("total_completion_tokens", tokens.map(|(_, completion)| json!(completion))),
            ]
        }
        Payload::ResponseFailed { error_message, phase } => vec![
            ("error_message", Some(json!(clip(error_message, ERROR_CHARS_MAX)))),
            ("phase", Some(json!(phase))),
            ("duration_seconds", event.duration.map(|duration| json!(in_seconds(duration)))),
        ],
        Payload::EnrichmentCompleted { .. } | Payload::EnrichmentFailed { .. } => enrichment(&event.payload),
    }
}

/// To the millisecond.
#[expect(clippy::cast_precision_loss, reason = "exact for a quarter of a million years")]
fn in_seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1_000.0
}

fn enrichment(payload: &Payload) -> Vec<(&'static str, Option<Value>)> {
    match payload {
        Payload::EnrichmentCompleted {
            root_owner,
            owner_chain_length,
            detected_labels,
            failed_detections,
            remediation_history_fetched,
        } => vec![
            ("root_owner_kind", Some(json!(root_owner.kind))),
            ("root_owner_name", Some(json!(root_owner.name))),
            ("root_owner_namespace", root_owner.namespace.as_deref().map(Value::from)),
            ("owner_chain_length", Some(json!(owner_chain_length))),
            // The only two members for which null is legal.
            ("detected_labels_summary", Some(exact(json!(detected_labels)))),
            ("failed_detections", Some(json!(failed_detections))),
            ("remediation_history_fetched", Some(json!(remediation_history_fetched))),
        ],
        Payload::EnrichmentFailed { reason, detail, affected } => vec![
            ("reason", Some(json!(reason))),
            ("detail", Some(json!(clip(detail, ERROR_CHARS_MAX)))),
            ("affected_resource_kind", Some(json!(affected.kind))),
            ("affected_resource_name", Some(json!(affected.name))),
            ("affected_resource_namespace", affected.namespace.as_deref().map(Value::from)),
        ],
        _ => Vec::new(),
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    version: &'static str,
    event_category: &'static str,
    event_type: &'static str,
    event_action: &'static str,
    event_outcome: &'static str,
    event_timestamp: String,
    correlation_id: &'a str,
    actor_type: &'static str,
    actor_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    event_data: &'a RawValue,
}

/// The exact text to keep and to send. `event_data` is already serialised, so that stamping the time is cheap.
pub(super) fn body(
    event: &AuditEvent,
    timestamp: Timestamp,
    event_data: &RawValue,
) -> Result<String, serde_json::Error> {
    let subject = &event.subject;
    let named = |text: &'_ str| !text.is_empty();
    serde_json::to_string(&Envelope {
        version: "1.0",
        event_category: "aiagent",
        event_type: event.payload.event_type(),
        event_action: event.payload.action(),
        event_outcome: event.payload.outcome(),
        event_timestamp: format!("{timestamp:.6}"),
        correlation_id: correlation_id(event),
        actor_type: "Service",
        actor_id: "holmesgpt-api",
        resource_type: Some(clip(&subject.resource.kind, RESOURCE_TYPE_CHARS_MAX)).filter(|text| named(text)),
        resource_id: Some(clip(&subject.resource.name, ID_CHARS_MAX)).filter(|text| named(text)),
        namespace: subject.resource.namespace.as_deref().map(|namespace| clip(namespace, NAMESPACE_CHARS_MAX)),
        duration_ms: event.duration.map(|duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        event_data,
    })
}

/// As sent: at most 255 characters.
pub(super) fn correlation_id(event: &AuditEvent) -> &str {
    clip(&event.subject.correlation_id, ID_CHARS_MAX)
}
