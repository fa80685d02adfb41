//! OpenAI Responses. Nothing is stored at the provider: reasoning comes encrypted and is sent back.

pub(super) mod stream;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::names::{acceptable, arguments_text, unique_id};
use super::order::{Order, Piece, pieces};
use super::tokens::count;
use super::turns::system_text;
use super::{DecodeError, Parameters};
use crate::llm::chat::{
    AssistantMessage, ChatReply, ChatRequest, FinishReason, Message, TextForm, ToolCall, ToolChoice, Usage,
};

/// The request body.
pub fn encode(model: &str, request: &ChatRequest<'_>, parameters: &Parameters) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("store".into(), false.into());
    let system = system_text(request);
    if !system.is_empty() {
        body.insert("instructions".into(), system.into());
    }
    body.insert("input".into(), request.messages.iter().flat_map(items).collect());
    tools(&mut body, request, parameters);
    if let Some(format) = format(request.form).filter(|_| parameters.response_format) {
        body.insert("text".into(), json!({"format": format}));
    }
    if let Some(temperature) = parameters.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(limit) = request.output_tokens_max {
        body.insert("max_output_tokens".into(), limit.into());
    }
    if let Some(reasoning) = parameters.reasoning {
        if let Some(effort) = reasoning.effort {
            body.insert("reasoning".into(), json!({"effort": effort.as_str()}));
        }
        body.insert("include".into(), json!(["reasoning.encrypted_content"]));
    }
    if parameters.streaming {
        body.insert("stream".into(), true.into());
    }
    Value::Object(body)
}

fn tools(body: &mut Map<String, Value>, request: &ChatRequest<'_>, parameters: &Parameters) {
    if request.tools.is_empty() {
        return;
    }
    // Strict is the default here, and refuses optional members.
    let tool = |tool: &crate::llm::ToolDefinition| json!({"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters, "strict": false});
    body.insert("tools".into(), request.tools.iter().map(tool).collect());
    if parameters.parallel_tool_calls {
        body.insert("parallel_tool_calls".into(), true.into());
    }
    let choice = match &request.tool_choice {
        ToolChoice::Required if parameters.forced_tool_choice => "required".into(),
        ToolChoice::Named(name) if parameters.forced_tool_choice => json!({"type": "function", "name": name}),
        _ => "auto".into(),
    };
    body.insert("tool_choice".into(), choice);
}

fn format(form: TextForm<'_>) -> Option<Value> {
    match form {
        TextForm::Free => None,
        TextForm::Json => Some(json!({"type": "json_object"})),
        TextForm::Schema(answer) => {
            Some(json!({"type": "json_schema", "name": answer.name, "schema": answer.schema, "strict": true}))
        }
    }
}

fn items(message: &Message) -> Vec<Value> {
    match message {
        Message::System(_) => Vec::new(),
        Message::User(text) => vec![json!({"role": "user", "content": text})],
        Message::ToolResult { call_id, content, .. } => {
            vec![json!({"type": "function_call_output", "call_id": call_id, "output": content})]
        }
        Message::Assistant(said) => pieces(said).into_iter().map(item).collect(),
    }
}

fn item(piece: Piece<'_>) -> Value {
    match piece {
        Piece::Text(text) => json!({"role": "assistant", "content": text}),
        Piece::Call(call) => {
            let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
            let name = acceptable(&call.name);
            json!({"type": "function_call", "call_id": call.id, "name": name, "arguments": arguments})
        }
        Piece::Opaque(item) => item.clone(),
    }
}

/// Reads a reply body.
///
/// # Errors
/// When there is no list `output`, or the response failed.
pub fn decode(body: &Value) -> Result<ChatReply, DecodeError> {
    let output = body.get("output").and_then(Value::as_array);
    let output = output.ok_or_else(|| DecodeError::new("no output in the reply"))?;
    let status = body.get("status").and_then(Value::as_str);
    if matches!(status, Some("failed" | "cancelled")) {
        return Err(DecodeError::new("the response failed"));
    }
    let mut said = Read::default();
    output.iter().for_each(|item| said.item(item));
    let finish = match body.pointer("/incomplete_details/reason").and_then(Value::as_str) {
        _ if said.is_refusal => FinishReason::Refusal,
        Some("max_output_tokens") => FinishReason::Length,
        Some("content_filter") => FinishReason::Refusal,
        Some(other) => FinishReason::other(other),
        None if !said.tool_calls.is_empty() => FinishReason::ToolCalls,
        None => FinishReason::Stop,
    };
    let (text, tool_calls, opaque) = (said.text, said.tool_calls, said.order.finish());
    let message = AssistantMessage { text, tool_calls, opaque, ..AssistantMessage::default() };
    Ok(ChatReply { message, finish, usage: usage(body.get("usage")), model: None, retries: 0 })
}

#[derive(Default)]
struct Read {
    text: String,
    tool_calls: Vec<ToolCall>,
    order: Order,
    is_refusal: bool,
    taken: HashSet<String>,
}

impl Read {
    fn item(&mut self, item: &Value) {
        match item.get("type").and_then(Value::as_str) {
            Some("message") => {
                for part in item.get("content").and_then(Value::as_array).into_iter().flatten() {
                    self.is_refusal |= part.get("type").is_some_and(|kind| kind == "refusal");
                    self.text.push_str(part.get("text").and_then(Value::as_str).unwrap_or_default());
                }
                self.order.text();
            }
            Some("function_call") => {
                let id = unique_id(&mut self.taken, item.get("call_id"), self.tool_calls.len());
                let name = item.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                self.tool_calls.push(ToolCall { id, name, arguments: arguments_text(item.get("arguments")) });
                self.order.call();
            }
            // Without its encrypted content it means nothing to a provider that stored nothing.
            Some("reasoning") if item.get("encrypted_content").is_some_and(Value::is_string) => self.order.opaque(item),
            _ => {}
        }
    }
}

fn usage(usage: Option<&Value>) -> Usage {
    Usage {
        prompt_tokens: count(usage, &["/input_tokens"]),
        cached_tokens: count(usage, &["/input_tokens_details/cached_tokens"]),
        cache_write_tokens: 0,
        completion_tokens: count(usage, &["/output_tokens"]),
        reasoning_tokens: count(usage, &["/output_tokens_details/reasoning_tokens"]),
    }
}
