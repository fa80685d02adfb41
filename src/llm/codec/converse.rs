//! Bedrock Converse: one shape for whatever model Bedrock runs.

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

/// Stands for nothing: blank text is refused.
const NO_OUTPUT: &str = "(no output)";

/// The request body. The model stands in the path.
pub fn encode(model: &str, request: &ChatRequest<'_>, parameters: &Parameters) -> Value {
    let caches = parameters.cache_marks && takes_cache_points(model);
    let mut body = Map::new();
    let system = system_text(request);
    if !system.is_empty() {
        let mut blocks = vec![json!({"text": system})];
        blocks.extend(caches.then(cache_point));
        body.insert("system".into(), blocks.into());
    }
    body.insert("messages".into(), messages(request, caches));
    let mut inference = Map::new();
    if let Some(limit) = request.output_tokens_max {
        inference.insert("maxTokens".into(), limit.into());
    }
    if let Some(temperature) = parameters.temperature {
        inference.insert("temperature".into(), temperature.into());
    }
    if !inference.is_empty() {
        body.insert("inferenceConfig".into(), inference.into());
    }
    if let Some(tools) = tools(request, parameters, caches) {
        body.insert("toolConfig".into(), tools);
    }
    if let (TextForm::Schema(answer), true) = (request.form, parameters.response_format) {
        let schema = json!({"name": answer.name, "schema": answer.schema.to_string()});
        let format = json!({"type": "json_schema", "structure": {"jsonSchema": schema}});
        body.insert("outputConfig".into(), json!({"textFormat": format}));
    }
    Value::Object(body)
}

/// Other families refuse the whole request when they meet one.
fn takes_cache_points(model: &str) -> bool {
    model.contains("anthropic.") || model.contains("amazon.nova")
}

fn cache_point() -> Value {
    json!({"cachePoint": {"type": "default"}})
}

fn messages(request: &ChatRequest<'_>, caches: bool) -> Value {
    let mut turns = Turns::default();
    for message in request.messages {
        match message {
            Message::System(_) => {}
            Message::User(text) => {
                let block = (!text.trim().is_empty()).then(|| json!({"text": text}));
                turns.say(Role::User, block.into_iter().collect());
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
    if let Some((blocks, at)) = turns.settled().filter(|_| caches) {
        blocks.insert(at + 1, cache_point());
    }
    turns.into_messages("assistant", "content")
}

fn block(piece: Piece<'_>) -> Value {
    match piece {
        Piece::Text(text) => json!({"text": text}),
        Piece::Call(call) => {
            let (name, input) = (acceptable(&call.name), arguments_object(call));
            json!({"toolUse": {"toolUseId": call.id, "name": name, "input": input}})
        }
        Piece::Opaque(block) => block.clone(),
    }
}

fn result(call_id: &str, content: &str, is_error: bool) -> Value {
    let text = if content.trim().is_empty() { NO_OUTPUT } else { content };
    let status = if is_error { "error" } else { "success" };
    json!({"toolResult": {"toolUseId": call_id, "content": [{"text": text}], "status": status}})
}

fn tools(request: &ChatRequest<'_>, parameters: &Parameters, caches: bool) -> Option<Value> {
    let tool = |name: &str, description: &str, schema: &Value| json!({"toolSpec": {"name": name, "description": description, "inputSchema": {"json": schema}}});
    let offered = request.tools.iter().map(|offered| tool(&offered.name, &offered.description, &offered.parameters));
    let mut tools: Vec<Value> = offered.collect();
    let is_offered = !tools.is_empty();
    if !is_offered {
        let declared = called_names(request);
        tools.extend(declared.iter().map(|name| tool(name, NOT_OFFERED, &json!({"type": "object"}))));
    }
    if tools.is_empty() {
        return None;
    }
    tools.extend(caches.then(cache_point));
    let choice = match &request.tool_choice {
        _ if !is_offered || !parameters.forced_tool_choice => None,
        ToolChoice::Required => Some(json!({"any": {}})),
        ToolChoice::Named(name) => Some(json!({"tool": {"name": name}})),
        // What goes without saying: several models refuse every choice.
        ToolChoice::Auto => None,
    };
    let mut config = Map::new();
    config.insert("tools".into(), tools.into());
    config.extend(choice.map(|choice| ("toolChoice".to_owned(), choice)));
    Some(config.into())
}

/// Reads a reply body.
///
/// # Errors
/// When there is no list `output.message.content`.
pub fn decode(body: &Value) -> Result<ChatReply, DecodeError> {
    let blocks = body.pointer("/output/message/content").and_then(Value::as_array);
    let blocks = blocks.ok_or_else(|| DecodeError::new("no message in the reply"))?;
    let (mut text, mut tool_calls, mut order) = (String::new(), Vec::new(), Order::default());
    let mut taken = HashSet::new();
    for block in blocks {
        if let Some(more) = block.get("text").and_then(Value::as_str) {
            text.push_str(more);
            order.text();
        } else if let Some(call) = block.get("toolUse") {
            let id = unique_id(&mut taken, call.get("toolUseId"), tool_calls.len());
            let name = call.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            tool_calls.push(ToolCall { id, name, arguments: arguments_text(call.get("input")) });
            order.call();
        } else if block.get("reasoningContent").is_some() {
            order.opaque(block);
        }
    }
    let finish = match body.get("stopReason").and_then(Value::as_str) {
        Some("guardrail_intervened" | "content_filtered") => FinishReason::Refusal,
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
    let cached_tokens = count(usage, &["/cacheReadInputTokens"]);
    let cache_write_tokens = count(usage, &["/cacheWriteInputTokens"]);
    Usage {
        prompt_tokens: count(usage, &["/inputTokens"]) + cached_tokens + cache_write_tokens,
        cached_tokens,
        cache_write_tokens,
        completion_tokens: count(usage, &["/outputTokens"]),
        reasoning_tokens: 0,
    }
}
