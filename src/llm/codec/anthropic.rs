//! Anthropic Messages: native, on Vertex and on Bedrock. The hosts differ in where model and version stand.

pub(super) mod stream;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::names::{acceptable, arguments_object, arguments_text, unique_id};
use super::order::{Order, Piece, pieces};
use super::tokens::count;
use super::turns::{NOT_OFFERED, Role, Turns, called_names, system_text};
use super::{DecodeError, Parameters};
use crate::llm::chat::{
    AssistantMessage, ChatReply, ChatRequest, FinishReason, Message, TextForm, ToolCall, ToolChoice, Usage,
};

/// Who runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Host {
    Native,
    Vertex,
    Bedrock,
}

/// `max_tokens` is mandatory; this where nobody says how much.
const OUTPUT_TOKENS_DEFAULT: u32 = 8_192;
/// Least budget to think with that is accepted, in tokens.
const THINKING_TOKENS_MIN: u32 = 1_024;

/// The request body.
pub fn encode(host: Host, model: &str, request: &ChatRequest<'_>, parameters: &Parameters) -> Value {
    let mut body = Map::new();
    let version = match host {
        Host::Native => None,
        Host::Vertex => Some("vertex-2023-10-16"),
        Host::Bedrock => Some("bedrock-2023-05-31"),
    };
    match version {
        Some(version) => _ = body.insert("anthropic_version".into(), version.into()),
        None => _ = body.insert("model".into(), model.into()),
    }
    let limit = request.output_tokens_max.unwrap_or(OUTPUT_TOKENS_DEFAULT);
    body.insert("max_tokens".into(), limit.into());
    if let Some(system) = system(request, parameters) {
        body.insert("system".into(), system);
    }
    body.insert("messages".into(), messages(request, parameters));
    let thinking = thinking(request, parameters, limit);
    tools(&mut body, request, parameters, thinking.is_some());
    if let (TextForm::Schema(answer), true) = (request.form, parameters.response_format) {
        let format = json!({"format": {"type": "json_schema", "schema": answer.schema}});
        body.insert("output_config".into(), format);
    }
    match (thinking, parameters.temperature) {
        // The two exclude each other.
        (Some(thinking), _) => _ = body.insert("thinking".into(), thinking),
        (None, Some(temperature)) => _ = body.insert("temperature".into(), temperature.into()),
        (None, None) => {}
    }
    if parameters.streaming && host != Host::Bedrock {
        body.insert("stream".into(), true.into());
    }
    Value::Object(body)
}

fn system(request: &ChatRequest<'_>, parameters: &Parameters) -> Option<Value> {
    let text = Some(system_text(request)).filter(|text| !text.is_empty())?;
    let mut block = json!({"type": "text", "text": text});
    if parameters.cache_marks {
        mark(&mut block);
    }
    Some(json!([block]))
}

/// The prefix up to here may be cached. At most four marks are taken: tools, system, and one in the messages.
fn mark(block: &mut Value) {
    if let Some(block) = block.as_object_mut() {
        block.insert("cache_control".into(), json!({"type": "ephemeral"}));
    }
}

fn messages(request: &ChatRequest<'_>, parameters: &Parameters) -> Value {
    let mut turns = Turns::default();
    for message in request.messages {
        match message {
            Message::System(_) => {}
            Message::User(text) => {
                turns.say(Role::User, text_block(text).into_iter().collect());
                if !turns.is_settled() {
                    turns.settle();
                }
            }
            Message::Assistant(said) => {
                turns.say(Role::Assistant, pieces(said).into_iter().map(block).collect());
                if said.opaque.is_none() {
                    turns.settle();
                }
            }
            Message::ToolResult { call_id, content, is_error } => {
                turns.say(Role::User, vec![result(call_id, content, *is_error)]);
                turns.settle();
            }
        }
    }
    if let Some(block) = turns.settled().and_then(|(blocks, at)| blocks.get_mut(at)).filter(|_| parameters.cache_marks)
    {
        mark(block);
    }
    turns.into_messages("assistant", "content")
}

fn text_block(text: &str) -> Option<Value> {
    (!text.trim().is_empty()).then(|| json!({"type": "text", "text": text}))
}

fn block(piece: Piece<'_>) -> Value {
    match piece {
        Piece::Text(text) => json!({"type": "text", "text": text}),
        Piece::Call(call) => {
            let (name, input) = (acceptable(&call.name), arguments_object(call));
            json!({"type": "tool_use", "id": call.id, "name": name, "input": input})
        }
        Piece::Opaque(block) => block.clone(),
    }
}

fn result(call_id: &str, content: &str, is_error: bool) -> Value {
    let mut block = Map::new();
    block.insert("type".into(), "tool_result".into());
    block.insert("tool_use_id".into(), call_id.into());
    if !content.trim().is_empty() {
        block.insert("content".into(), content.into());
    }
    if is_error {
        block.insert("is_error".into(), true.into());
    }
    block.into()
}

fn tools(body: &mut Map<String, Value>, request: &ChatRequest<'_>, parameters: &Parameters, thinks: bool) {
    let declared = |name: String| json!({"name": name, "description": NOT_OFFERED, "input_schema": {"type": "object"}});
    let offered = request
        .tools
        .iter()
        .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.parameters}));
    let mut tools: Vec<Value> = offered.collect();
    let is_offered = !tools.is_empty();
    if !is_offered {
        tools.extend(called_names(request).into_iter().map(declared));
    }
    let Some(last) = tools.last_mut() else { return };
    if parameters.cache_marks {
        mark(last);
    }
    // Thinking and a forced choice exclude each other.
    let may_force = parameters.forced_tool_choice && !thinks;
    let choice = match &request.tool_choice {
        _ if !is_offered => json!({"type": "none"}),
        ToolChoice::Required if may_force => json!({"type": "any"}),
        ToolChoice::Named(name) if may_force => json!({"type": "tool", "name": name}),
        _ => json!({"type": "auto"}),
    };
    body.insert("tools".into(), tools.into());
    body.insert("tool_choice".into(), choice);
}

/// A budget has to leave room for the answer. A turn that began without thinking, as another model's, goes on without.
fn thinking(request: &ChatRequest<'_>, parameters: &Parameters, limit: u32) -> Option<Value> {
    let budget = parameters.reasoning?.tokens()?.min(limit / 2);
    let last = request.messages.iter().rev().find_map(|message| match message {
        Message::Assistant(said) => Some(said),
        _ => None,
    });
    let began_without = last.is_some_and(|said| said.opaque.is_none() && !said.tool_calls.is_empty());
    let may_think = budget >= THINKING_TOKENS_MIN && !began_without;
    may_think.then(|| json!({"type": "enabled", "budget_tokens": budget}))
}

/// Reads a reply body.
///
/// # Errors
/// When there is no list `content`.
pub fn decode(body: &Value) -> Result<ChatReply, DecodeError> {
    let blocks = body.get("content").and_then(Value::as_array);
    let blocks = blocks.ok_or_else(|| DecodeError::new("no content in the reply"))?;
    let (mut text, mut tool_calls, mut order) = (String::new(), Vec::new(), Order::default());
    let mut taken = HashSet::new();
    for block in blocks {
        match block.get("type").and_then(Value::as_str) {
            Some("text") => {
                text.push_str(block.get("text").and_then(Value::as_str).unwrap_or_default());
                order.text();
            }
            Some("tool_use") => {
                let id = unique_id(&mut taken, block.get("id"), tool_calls.len());
                let name = block.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                tool_calls.push(ToolCall { id, name, arguments: arguments_text(block.get("input")) });
                order.call();
            }
            Some("thinking" | "redacted_thinking") => order.opaque(block),
            _ => {}
        }
    }
    let finish = match body.get("stop_reason").and_then(Value::as_str) {
        Some("refusal") => FinishReason::Refusal,
        Some("max_tokens" | "model_context_window_exceeded") => FinishReason::Length,
        _ if !tool_calls.is_empty() => FinishReason::ToolCalls,
        Some("end_turn" | "stop_sequence" | "tool_use") | None => FinishReason::Stop,
        Some(other) => FinishReason::other(other),
    };
    let message = AssistantMessage { text, tool_calls, opaque: order.finish(), ..AssistantMessage::default() };
    Ok(ChatReply { message, finish, usage: usage(body.get("usage")), model: None, retries: 0 })
}

/// The prompt is counted in three parts that exclude each other.
fn usage(usage: Option<&Value>) -> Usage {
    let cached_tokens = count(usage, &["/cache_read_input_tokens"]);
    let cache_write_tokens = count(usage, &["/cache_creation_input_tokens"]);
    Usage {
        prompt_tokens: count(usage, &["/input_tokens"]) + cached_tokens + cache_write_tokens,
        cached_tokens,
        cache_write_tokens,
        completion_tokens: count(usage, &["/output_tokens"]),
        reasoning_tokens: 0,
    }
}
