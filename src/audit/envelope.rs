//! An event as JSON (audit §1.1, §1.3, §1.6): pure functions from values to text.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::content::{bounded, clip, clip_bytes, column, count, exact};
use super::event::{AccessRefusal, AuditEvent, AuditSubject, Excerpt, Payload, SessionEnd};
use super::profile::Profile;
use super::{response, rules};

/// Kept of an error message.
const ERROR_BYTES_MAX: usize = 2 * 1024;
const ID_CHARS_MAX: usize = 255;
const NAMESPACE_CHARS_MAX: usize = 253;
const RESOURCE_TYPE_CHARS_MAX: usize = 100;

/// Members of a payload; `None` is left out.
type Members = Vec<(&'static str, Option<Value>)>;

/// `event_data` of an event, within every bound.
pub(super) fn event_data(event: &AuditEvent, event_id: Uuid, profile: Profile) -> Map<String, Value> {
    let kind = event.payload.kind();
    let mut data = Map::new();
    data.insert("event_type".to_owned(), json!(kind.name()));
    data.insert("event_id".to_owned(), json!(event_id.to_string()));
    if rules::names_incident(kind, profile) {
        data.insert("incident_id".to_owned(), json!(clip(&event.subject.incident_id, ID_CHARS_MAX)));
    }
    let known = members(event, profile).into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    data.extend(known);
    rules::settled(bounded(data), kind, profile)
}

fn members(event: &AuditEvent, profile: Profile) -> Members {
    match &event.payload {
        Payload::LlmRequest { model, prompt, toolsets, mcp_servers, tokens_max } => vec![
            ("model", Some(json!(model))),
            ("prompt_length", Some(json!(prompt.chars))),
            ("prompt_preview", Some(json!(prompt.preview))),
            ("max_tokens", tokens_max.map(|tokens| json!(count(tokens)))),
            ("toolsets_enabled", Some(json!(toolsets))),
            ("mcp_servers", (!mcp_servers.is_empty()).then(|| json!(mcp_servers))),
        ],
        Payload::LlmResponse { analysis, tokens_used, tool_call_count } => {
            let excerpt = Excerpt::of(analysis);
            vec![
                ("has_analysis", Some(json!(excerpt.chars > 0))),
                ("analysis_length", Some(json!(excerpt.chars))),
                ("analysis_preview", Some(json!(excerpt.preview))),
                ("analysis_full", (profile == Profile::H && excerpt.chars > 0).then(|| json!(analysis))),
                ("tokens_used", tokens_used.map(|tokens| json!(count(tokens)))),
                ("tool_call_count", Some(json!(count(*tool_call_count)))),
            ]
        }
        Payload::ToolCall { index, tool, arguments, result, failed: _ } => {
            // The receiver refuses a missing result and a null one.
            let result = if result.is_null() { Value::String(String::new()) } else { exact(result.clone()) };
            let preview = result.as_str().map_or_else(|| Excerpt::of(&result.to_string()), Excerpt::of).preview;
            vec![
                ("tool_call_index", Some(json!(count(*index)))),
                ("tool_name", Some(json!(tool))),
                ("tool_arguments", Some(exact(Value::Object(arguments.clone())))),
                ("tool_result_preview", Some(json!(preview))),
                ("tool_result", Some(result)),
            ]
        }
        Payload::ValidationAttempt { .. } => validation_attempt(&event.payload),
        Payload::ResponseComplete { investigation } => {
            let tokens = response::tokens(investigation);
            vec![
                ("response_data", Some(response::response_data(investigation, profile))),
                ("total_prompt_tokens", tokens.map(|(prompt, _)| json!(count(prompt)))),
                ("total_completion_tokens", tokens.map(|(_, completion)| json!(count(completion)))),
            ]
        }
        Payload::ResponseFailed { error_message, phase } => vec![
            ("error_message", Some(json!(clip_bytes(error_message, ERROR_BYTES_MAX)))),
            ("phase", Some(json!(phase))),
            ("duration_seconds", event.duration.map(|duration| json!(in_seconds(duration)))),
        ],
        Payload::RcaComplete(finding) => vec![
            ("response_data", Some(response::rca_data(&event.subject.incident_id, finding, profile))),
            ("total_prompt_tokens", Some(json!(count(finding.prompt_tokens)))),
            ("total_completion_tokens", Some(json!(count(finding.completion_tokens)))),
        ],
        Payload::EnrichmentCompleted { .. } | Payload::EnrichmentFailed { .. } => enrichment(&event.payload),
        Payload::SessionStarted { .. }
        | Payload::SessionEnded { .. }
        | Payload::InvestigationCancelled { .. }
        | Payload::AccessRefused(_) => lifecycle(&event.payload, profile),
    }
}

fn validation_attempt(payload: &Payload) -> Members {
    let Payload::ValidationAttempt {
        attempt,
        attempts_max,
        is_valid,
        errors,
        workflow_id,
        workflow_name,
        review_reason,
        is_final,
    } = payload
    else {
        return Vec::new();
    };
    vec![
        ("attempt", Some(json!((*attempt).max(1)))),
        ("max_attempts", Some(json!((*attempts_max).max(1)))),
        ("is_valid", Some(json!(is_valid))),
        ("errors", Some(json!(errors))),
        ("validation_errors", (!errors.is_empty()).then(|| json!(errors.join("; ")))),
        ("workflow_id", workflow_id.as_deref().map(Value::from)),
        ("workflow_name", workflow_name.as_deref().map(Value::from)),
        ("human_review_reason", review_reason.as_deref().map(Value::from)),
        ("is_final_attempt", Some(json!(is_final))),
    ]
}

/// What only the successor's schema has.
fn lifecycle(payload: &Payload, profile: Profile) -> Members {
    match payload {
        Payload::SessionStarted { session_id, signal_name, severity, created_by } => vec![
            ("session_id", Some(json!(session_id))),
            ("signal_name", Some(json!(signal_name))),
            ("severity", Some(json!(response::severity(*severity, profile)))),
            ("created_by", Some(json!(created_by))),
        ],
        Payload::SessionEnded { session_id, end } => vec![
            ("session_id", Some(json!(session_id))),
            (
                "error",
                match end {
                    SessionEnd::Failed(error) => Some(json!(clip_bytes(error, ERROR_BYTES_MAX))),
                    SessionEnd::Completed | SessionEnd::Cancelled => None,
                },
            ),
        ],
        Payload::InvestigationCancelled { phase, turn, prompt_tokens, completion_tokens } => vec![
            ("cancelled_phase", Some(json!(phase))),
            ("cancelled_at_turn", Some(json!(turn))),
            ("total_prompt_tokens", Some(json!(count(*prompt_tokens)))),
            ("total_completion_tokens", Some(json!(count(*completion_tokens)))),
            ("total_tokens", Some(json!(count(prompt_tokens.saturating_add(*completion_tokens))))),
        ],
        Payload::AccessRefused(AccessRefusal { is_known: _, source_ip, method, path, reason }) => vec![
            ("source_ip", Some(json!(source_ip))),
            ("path", Some(json!(clip_bytes(path, ERROR_BYTES_MAX)))),
            ("method", Some(json!(method))),
            ("reason", Some(json!(reason))),
        ],
        _ => Vec::new(),
    }
}

/// To the millisecond.
#[expect(clippy::cast_precision_loss, reason = "exact for a quarter of a million years")]
fn in_seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1_000.0
}

fn enrichment(payload: &Payload) -> Members {
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
            ("detail", Some(json!(clip_bytes(detail, ERROR_BYTES_MAX)))),
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
    correlation_id: Cow<'a, str>,
    actor_type: &'static str,
    actor_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<Cow<'a, str>>,
    /// The receiver's column has 32 bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i32>,
    event_data: &'a RawValue,
}

/// The exact text to keep and to send. `event_data` is already serialised, so that stamping the time is cheap.
pub(super) fn body(
    event: &AuditEvent,
    timestamp: Timestamp,
    event_data: &RawValue,
    profile: Profile,
) -> Result<String, serde_json::Error> {
    let resource = &event.subject.resource;
    let kind = event.payload.kind();

    serde_json::to_string(&Envelope {
        version: "1.0",
        event_category: "aiagent",
        event_type: kind.name(),
        event_action: kind.action(profile),
        event_outcome: event.payload.outcome(),
        event_timestamp: format!("{timestamp:.6}"),
        correlation_id: correlation_id(event).into(),
        actor_type: "Service",
        actor_id: profile.actor_id(),
        resource_type: named(&resource.kind, RESOURCE_TYPE_CHARS_MAX),
        resource_id: named(&resource.name, ID_CHARS_MAX),
        namespace: resource.namespace.as_deref().and_then(|namespace| named(namespace, NAMESPACE_CHARS_MAX)),
        duration_ms: event.duration.map(|duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)),
        event_data,
    })
}

fn named(text: &str, chars_max: usize) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then(|| column(text, chars_max))
}

/// As sent: never empty, at most 255 characters, all of which a database can hold.
pub(super) fn correlation_id(event: &AuditEvent) -> &str {
    let given = &event.subject.correlation_id;
    let fits = !given.is_empty() && !given.contains('\0');
    if fits { clip(given, ID_CHARS_MAX) } else { AuditSubject::UNKNOWN }
}
