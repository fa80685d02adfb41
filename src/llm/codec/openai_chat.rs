//! OpenAI Chat Completions, as OpenAI, Azure and the compatible servers speak it.

pub(super) mod stream;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::names::{acceptable, arguments_text, unique_id};
use super::tokens::count;
use super::{DecodeError, Parameters};
use crate::llm::chat::{
    AssistantMessage, ChatReply, ChatRequest, FinishReason, Message, TextForm, ToolCall, ToolChoice, Usage,
};

/// The request body.
pub fn encode(model: &str, request: &ChatRequest<'_>, parameters: &Parameters) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), request.messages.iter().map(message).collect());
    if !request.tools.is_empty() {
        let tool = |tool: &crate::llm::ToolDefinition| json!({"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}});
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
        if parameters.parallel_tool_calls {
            body.insert("parallel_tool_calls".into(), true.into());
        }
        match &request.tool_choice {
            ToolChoice::Required if parameters.forced_tool_choice => {
                body.insert("tool_choice".into(), "required".into());
            }
            ToolChoice::Named(name) if parameters.forced_tool_choice => {
                body.insert("tool_choice".into(), json!({"type": "function", "function": {"name": name}}));
            }
            _ => {
                body.insert("tool_choice".into(), "auto".into());
            }
        }
    }
    if let Some(format) = response_format(request.form).filter(|_| parameters.response_format) {
        body.insert("response_format".into(), format);
    }
    if let Some(temperature) = parameters.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(limit) = request.output_tokens_max {
        let name = if parameters.legacy_max_tokens { "max_tokens" } else { "max_completion_tokens" };
        body.insert(name.into(), limit.into());
    }
    if let Some(effort) = parameters.reasoning.and_then(|reasoning| reasoning.effort) {
        body.insert("reasoning_effort".into(), effort.as_str().into());
    }
    if parameters.streaming {
        body.insert("stream".into(), true.into());
        if parameters.stream_usage {
            body.insert("stream_options".into(), json!({"include_usage": true}));
        }
    }
    Value::Object(body)
}

fn response_format(form: TextForm<'_>) -> Option<Value> {
    match form {
        TextForm::Free => None,
        TextForm::Json => Some(json!({"type": "json_object"})),
        TextForm::Schema(answer) => {
            let schema = json!({"name": answer.name, "schema": answer.schema, "strict": true});
            Some(json!({"type": "json_schema", "json_schema": schema}))
        }
    }
}

fn message(message: &Message) -> Value {
    match message {
        Message::System(text) => json!({"role": "system", "content": text}),
        Message::User(text) => json!({"role": "user", "content": text}),
        Message::ToolResult { call_id, content, .. } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": content})
        }
        Message::Assistant(said) => assistant(said),
    }
}

fn assistant(said: &AssistantMessage) -> Value {
    let mut value = match &said.opaque {
        Some(Value::Object(members)) => members.clone(),
        _ => Map::new(),
    };
    value.insert("role".into(), "assistant".into());
    // Some servers refuse an empty text beside tool calls, others refuse its absence: null satisfies both.
    let content =
        if said.text.is_empty() && !said.tool_calls.is_empty() { Value::Null } else { said.text.clone().into() };
    value.insert("content".into(), content);
    if !said.tool_calls.is_empty() {
        let call = |call: &ToolCall| {
            let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
            json!({"id": call.id, "type": "function", "function": {"name": acceptable(&call.name), "arguments": arguments}})
        };
        value.insert("tool_calls".into(), said.tool_calls.iter().map(call).collect());
    }
    Value::Object(value)
}

/// Reads a reply body. Tolerates what compatible servers leave out; refuses what is not a completion at all.
///
/// # Errors
/// When there is no `choices[0].message`.
pub fn decode(body: &Value) -> Result<ChatReply, DecodeError> {
    let choice = body.pointer("/choices/0").ok_or_else(|| DecodeError("no choices in the reply".into()))?;
    let said = choice.get("message").filter(|said| said.is_object());
    let said = said.ok_or_else(|| DecodeError("choices[0] has no message".into()))?;
    let tool_calls = tool_calls(said);
    let refusal = said.get("refusal").and_then(Value::as_str).filter(|text| !text.is_empty());
    let finish = match choice.get("finish_reason").and_then(Value::as_str) {
        _ if refusal.is_some() => FinishReason::Refusal,
        Some("length") => FinishReason::Length,
        Some("content_filter") => FinishReason::Refusal,
        // Several compatible servers say "stop" although they call tools.
        _ if !tool_calls.is_empty() => FinishReason::ToolCalls,
        Some("stop" | "tool_calls") | None => FinishReason::Stop,
        Some(other) => FinishReason::other(other),
    };
    let message =
        AssistantMessage { text: content(said), tool_calls, opaque: opaque(said), ..AssistantMessage::default() };
    Ok(ChatReply { message, finish, usage: usage(body.get("usage")), model: None, retries: 0 })
}

/// `content` is a text, null, or a list of parts of which only the texts count.
fn content(said: &Value) -> String {
    match said.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

fn tool_calls(said: &Value) -> Vec<ToolCall> {
    let mut taken = HashSet::new();
    let calls = said.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    let read = |(index, call): (usize, &Value)| {
        let function = call.get("function")?;
        let arguments = arguments_text(function.get("arguments"));
        let name = function.get("name")?.as_str()?.to_owned();
        Some(ToolCall { id: unique_id(&mut taken, call.get("id"), index), name, arguments })
    };
    calls.enumerate().filter_map(read).collect()
}

const REPLAYED: [&str; 3] = ["reasoning_content", "reasoning_details", "thought_signature"];

/// Members that must be sent back unchanged: reasoning of servers that check it.
fn opaque(said: &Value) -> Option<Value> {
    let kept = REPLAYED.iter().filter_map(|name| {
        let value = said.get(*name).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value.clone()))
    });
    let kept: Map<String, Value> = kept.collect();
    (!kept.is_empty()).then_some(Value::Object(kept))
}

fn usage(usage: Option<&Value>) -> Usage {
    // Each class has a name of its own at several servers.
    let mut usage = Usage {
        prompt_tokens: count(usage, &["/prompt_tokens"]),
        cached_tokens: count(
            usage,
            &[
                "/prompt_tokens_details/cached_tokens",
                "/prompt_cache_hit_tokens",
                "/cache_read_input_tokens",
                "/cached_tokens",
            ],
        ),
        cache_write_tokens: count(
            usage,
            &[
                "/cache_creation_input_tokens",
                "/prompt_tokens_details/cache_creation_tokens",
                "/prompt_tokens_details/cache_write_tokens",
            ],
        ),
        completion_tokens: count(usage, &["/completion_tokens"]),
        reasoning_tokens: count(usage, &["/completion_tokens_details/reasoning_tokens", "/reasoning_tokens"]),
    };
    // Proxies before providers that count only what the cache did not serve pass that number on.
    let through_cache = usage.cached_tokens.saturating_add(usage.cache_write_tokens);
    if through_cache > usage.prompt_tokens {
        usage.prompt_tokens = usage.prompt_tokens.saturating_add(through_cache);
    }
    // Some count reasoning beside the answer.
    if usage.reasoning_tokens > usage.completion_tokens {
        usage.completion_tokens = usage.completion_tokens.saturating_add(usage.reasoning_tokens);
    }
    usage
}

#[cfg(test)]
mod tests;
