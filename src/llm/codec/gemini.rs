//! Gemini generateContent, native and on Vertex. A part that carries a thought signature goes back exactly as it came.

pub(super) mod stream;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::names::{acceptable, arguments_object, arguments_text, given_id, unique_id};
use super::tokens::count;
use super::turns::{Role, Turns, call_of, system_text};
use super::{DecodeError, Effort, Parameters, Reasoning};
use crate::llm::chat::{
    AssistantMessage, ChatReply, ChatRequest, FinishReason, Message, TextForm, ToolCall, ToolChoice, Usage,
};

/// Stands for a signature where another model made the call: the third generation refuses calls without any.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The request body.
pub fn encode(model: &str, request: &ChatRequest<'_>, parameters: &Parameters) -> Value {
    let mut body = Map::new();
    let system = system_text(request);
    if !system.is_empty() {
        body.insert("systemInstruction".into(), json!({"parts": [{"text": system}]}));
    }
    body.insert("contents".into(), contents(request, is_third_generation(model)));
    if !request.tools.is_empty() {
        let tool = |tool: &crate::llm::ToolDefinition| json!({"name": tool.name, "description": tool.description, "parametersJsonSchema": tool.parameters});
        let tools: Vec<Value> = request.tools.iter().map(tool).collect();
        body.insert("tools".into(), json!([{"functionDeclarations": tools}]));
        let choice = match &request.tool_choice {
            ToolChoice::Required if parameters.forced_tool_choice => json!({"mode": "ANY"}),
            ToolChoice::Named(name) if parameters.forced_tool_choice => {
                json!({"mode": "ANY", "allowedFunctionNames": [name]})
            }
            _ => json!({"mode": "AUTO"}),
        };
        body.insert("toolConfig".into(), json!({"functionCallingConfig": choice}));
    }
    let generation = generation(model, request, parameters);
    if !generation.is_empty() {
        body.insert("generationConfig".into(), generation.into());
    }
    Value::Object(body)
}

fn is_third_generation(model: &str) -> bool {
    model.contains("gemini-3")
}

fn generation(model: &str, request: &ChatRequest<'_>, parameters: &Parameters) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(temperature) = parameters.temperature {
        config.insert("temperature".into(), temperature.into());
    }
    if let Some(limit) = request.output_tokens_max {
        config.insert("maxOutputTokens".into(), limit.into());
    }
    if parameters.response_format {
        let schema = match request.form {
            TextForm::Free => None,
            TextForm::Json => Some(None),
            TextForm::Schema(answer) => Some(Some(answer.schema.clone())),
        };
        if let Some(schema) = schema {
            config.insert("responseMimeType".into(), "application/json".into());
            config.extend(schema.map(|schema| ("responseJsonSchema".to_owned(), schema)));
        }
    }
    if let Some(thinking) = parameters.reasoning.and_then(|reasoning| thinking(model, reasoning)) {
        config.insert("thinkingConfig".into(), thinking);
    }
    config
}

/// A level for the third generation, a number of tokens before.
fn thinking(model: &str, reasoning: Reasoning) -> Option<Value> {
    match (reasoning.budget_tokens, reasoning.effort) {
        (None, Some(effort)) if is_third_generation(model) => {
            let level = match effort {
                Effort::None | Effort::Minimal | Effort::Low => "low",
                Effort::Medium => "medium",
                Effort::High | Effort::Xhigh => "high",
            };
            Some(json!({"thinkingLevel": level}))
        }
        _ => reasoning.tokens().map(|tokens| json!({"thinkingBudget": tokens})),
    }
}

fn contents(request: &ChatRequest<'_>, needs_signatures: bool) -> Value {
    let mut turns = Turns::default();
    for (index, message) in request.messages.iter().enumerate() {
        match message {
            Message::System(_) => {}
            Message::User(text) => {
                let part = (!text.trim().is_empty()).then(|| json!({"text": text}));
                turns.say(Role::User, part.into_iter().collect());
            }
            Message::Assistant(said) => turns.say(Role::Assistant, parts(said, needs_signatures)),
            Message::ToolResult { call_id, content, is_error } => {
                let earlier = request.messages.get(..index).unwrap_or_default();
                let name = call_of(earlier, call_id).map_or_else(|| "_".to_owned(), |call| acceptable(&call.name));
                turns.say(Role::User, vec![result(call_id, &name, content, *is_error)]);
            }
        }
    }
    turns.into_messages("model", "parts")
}

fn parts(said: &AssistantMessage, needs_signatures: bool) -> Vec<Value> {
    if let Some(Value::Array(parts)) = &said.opaque {
        return parts.clone();
    }
    let text = (!said.text.trim().is_empty()).then(|| json!({"text": said.text}));
    let call = |(index, call): (usize, &ToolCall)| {
        let mut function = named(&acceptable(&call.name), &call.id);
        function.insert("args".into(), arguments_object(call));
        let mut part = Map::new();
        part.insert("functionCall".into(), function.into());
        if index == 0 && needs_signatures {
            part.insert("thoughtSignature".into(), NO_SIGNATURE.into());
        }
        Value::Object(part)
    };
    text.into_iter().chain(said.tool_calls.iter().enumerate().map(call)).collect()
}

/// Name of a function, and the id of its call where the provider gave one.
fn named(name: &str, id: &str) -> Map<String, Value> {
    let name = ("name".to_owned(), name.into());
    let id = given_id(id).map(|id| ("id".to_owned(), id.into()));
    std::iter::once(name).chain(id).collect()
}

fn result(call_id: &str, name: &str, content: &str, is_error: bool) -> Value {
    let member = if is_error { "error" } else { "output" };
    let mut response = named(name, call_id);
    response.insert("response".into(), json!({member: content}));
    json!({"functionResponse": response})
}

/// Reads a reply body.
///
/// # Errors
/// When there is no candidate and no word on why the prompt was blocked.
pub fn decode(body: &Value) -> Result<ChatReply, DecodeError> {
    let usage = usage(body.get("usageMetadata"));
    let Some(candidate) = body.pointer("/candidates/0").filter(|candidate| candidate.is_object()) else {
        return match body.pointer("/promptFeedback/blockReason") {
            Some(_) => {
                let message = AssistantMessage::default();
                Ok(ChatReply { message, finish: FinishReason::Refusal, usage, model: None, retries: 0 })
            }
            None => Err(DecodeError::new("no candidates in the reply")),
        };
    };
    let message = message(candidate.pointer("/content/parts"));
    let finish = match candidate.get("finishReason").and_then(Value::as_str) {
        Some("MAX_TOKENS") => FinishReason::Length,
        Some("SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE") => {
            FinishReason::Refusal
        }
        _ if !message.tool_calls.is_empty() => FinishReason::ToolCalls,
        Some("STOP") | None => FinishReason::Stop,
        Some(other) => FinishReason::other(other),
    };
    Ok(ChatReply { message, finish, usage, model: None, retries: 0 })
}

fn message(parts: Option<&Value>) -> AssistantMessage {
    let parts = parts.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (mut text, mut tool_calls, mut taken) = (String::new(), Vec::new(), HashSet::new());
    for part in parts {
        if let Some(call) = part.get("functionCall") {
            let id = unique_id(&mut taken, call.get("id"), tool_calls.len());
            let name = call.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let arguments = call.get("args").map_or_else(|| "{}".to_owned(), |args| arguments_text(Some(args)));
            tool_calls.push(ToolCall { id, name, arguments });
        } else if !is_thought(part) {
            text.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
        }
    }
    let is_opaque = parts.iter().any(|part| is_thought(part) || part.get("thoughtSignature").is_some());
    let opaque = is_opaque.then(|| parts.to_vec().into());
    AssistantMessage { text, tool_calls, opaque, ..AssistantMessage::default() }
}

fn is_thought(part: &Value) -> bool {
    part.get("thought").is_some_and(|thought| thought == true)
}

/// Thoughts are counted beside the answer.
fn usage(usage: Option<&Value>) -> Usage {
    let reasoning_tokens = count(usage, &["/thoughtsTokenCount"]);
    Usage {
        prompt_tokens: count(usage, &["/promptTokenCount"]) + count(usage, &["/toolUsePromptTokenCount"]),
        cached_tokens: count(usage, &["/cachedContentTokenCount"]),
        cache_write_tokens: 0,
        completion_tokens: count(usage, &["/candidatesTokenCount"]) + reasoning_tokens,
        reasoning_tokens,
    }
}
