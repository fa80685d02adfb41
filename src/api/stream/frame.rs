//! The frames of an event stream (http-api §8.3). Pure.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::incident::{IncidentResponse, SeverityVocabulary, readable};
use crate::api::session::error_text;
use crate::domain::Investigation;
use crate::investigation::{ProgressEvent, ProgressKind, RunPhase};
use crate::sessions::{SessionRecord, SessionState};

/// A comment: readers pass it over.
pub(super) const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

#[derive(Serialize)]
struct Data<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    turn: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

impl Data<'_> {
    fn frame(&self, id: u64) -> Bytes {
        // JSON of one line: line ends inside texts are escaped.
        let json = serde_json::to_string(self).unwrap_or_default();
        Bytes::from(format!("id: {id}\nevent: {}\ndata: {json}\n\n", self.kind))
    }
}

/// Something the run told.
pub(super) fn event(told: &ProgressEvent) -> Bytes {
    let (kind, data) = match &told.kind {
        ProgressKind::Reasoning { text, tool_call_count } => {
            ("reasoning_delta", json!({ "text": readable(text), "tool_call_count": tool_call_count }))
        }
        ProgressKind::ToolStarted { tool, index } => {
            ("tool_call_start", json!({ "tool_name": tool, "tool_index": index }))
        }
        ProgressKind::ToolAnswered { tool, index, preview } => {
            ("tool_result", json!({ "tool_name": tool, "tool_index": index, "result_preview": readable(preview) }))
        }
    };
    Data { kind, turn: told.turn, phase: told.phase.map(RunPhase::as_str), data: Some(data) }.frame(told.id)
}

/// What is told of a session that is over, behind the last event of its run.
pub(super) fn ended(record: &SessionRecord, severities: SeverityVocabulary) -> Vec<Bytes> {
    let (turn, id) = (record.standing.turn, record.standing.events + 1);
    match (record.state, &record.result) {
        (SessionState::Completed, Some(result)) => {
            let rendered = IncidentResponse::render_with(result, record.shape, severities);
            let data = completion(result, &rendered, record);
            vec![Data { kind: "complete", turn, phase: Some("complete"), data: Some(data) }.frame(id)]
        }
        (SessionState::Cancelled, _) => {
            let phase = record.standing.phase.map(RunPhase::as_str);
            vec![Data { kind: "cancelled", turn, phase, data: None }.frame(id)]
        }
        _ => {
            let phase = record.standing.phase.map(RunPhase::as_str);
            let data = Some(json!({ "error": error_text(record) }));
            vec![Data { kind: "error", turn, phase, data }.frame(id), session_ended(id + 1, turn, "failed")]
        }
    }
}

/// The stream ends for this reason.
pub(super) fn session_ended(id: u64, turn: u32, reason: &str) -> Bytes {
    Data { kind: "session_ended", turn, phase: Some(reason), data: None }.frame(id)
}

/// The result in few words; empty members are left out.
fn completion(result: &Investigation, rendered: &IncidentResponse, record: &SessionRecord) -> Value {
    let cause = |name: &str| rendered.root_cause_analysis.get(name).cloned().unwrap_or_default();
    let target = result.root_cause.target.as_ref().map(|target| match &target.namespace {
        Some(namespace) => format!("{}/{} in {namespace}", target.kind, target.name),
        None => format!("{}/{}", target.kind, target.name),
    });
    let members = [
        ("severity", cause("severity")),
        ("confidence", rendered.confidence.into()),
        ("causal_chain", cause("causal_chain")),
        ("target", target.into()),
        ("rca_summary", cause("summary")),
        ("total_llm_turns", record.standing.turn.into()),
        ("total_tool_calls", record.standing.tool_calls.into()),
        ("is_actionable", rendered.is_actionable.into()),
        ("has_workflow", rendered.selected_workflow.is_some().into()),
    ];
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    let kept = members.into_iter().filter(|(_, value)| !is_empty(value));
    Value::Object(kept.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}
