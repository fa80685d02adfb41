//! OpenAI Chat Completions, as OpenAI and the compatible servers speak it.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::DecodeError;
use crate::llm::chat::{
    AssistantMessage, ChatReply, ChatRequest, FinishReason, Message, TextForm, ToolCall, ToolChoice, Usage,
};

/// Optional members of the body, so that a rejected one can be left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    pub temperature: Option<f64>,
    pub parallel_tool_calls: bool,
    /// `max_completion_tokens`, or `max_tokens` for servers that know only the old name.
    pub legacy_max_tokens: bool,
    pub forced_tool_choice: bool,
    pub response_format: bool,
}

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
        Message::ToolResult { call_id, content } => {
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

/// The name as providers take it back: a model may call what it invented, and its own words must not make the next request
/// invalid.
fn acceptable(name: &str) -> String {
    const CHARS_MAX: usize = 64;
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let letters = name.trim().chars().take(CHARS_MAX);
    let name: String = letters.map(|letter| if is_allowed(letter) { letter } else { '_' }).collect();
    if name.is_empty() { "_".to_owned() } else { name }
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
        Some(other) => FinishReason::Other(other.chars().take(40).collect()),
    };
    let message = AssistantMessage { text: content(said), tool_calls, opaque: opaque(said) };
    Ok(ChatReply { message, finish, usage: usage(body.get("usage")), retries: 0 })
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
        let arguments = match function.get("arguments") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let name = function.get("name")?.as_str()?.to_owned();
        Some(ToolCall { id: unique_id(&mut taken, call.get("id"), index), name, arguments })
    };
    calls.enumerate().filter_map(read).collect()
}

/// The call's own id; another one when it is missing, too long to repeat, or that of an earlier call of the message, because
/// results are told apart by nothing else.
fn unique_id(taken: &mut HashSet<String>, given: Option<&Value>, index: usize) -> String {
    const CHARS_MAX: usize = 4_096;
    let given = given.and_then(Value::as_str).filter(|id| !id.trim().is_empty() && id.len() <= CHARS_MAX);
    let others = (index..).map(|number| format!("call_{number}"));
    let mut ids = given.map(str::to_owned).into_iter().chain(others);
    let id = ids.find(|id| !taken.contains(id)).unwrap_or_default();
    taken.insert(id.clone());
    id
}

/// Members that must be sent back unchanged: reasoning of servers that check it.
fn opaque(said: &Value) -> Option<Value> {
    const REPLAYED: [&str; 3] = ["reasoning_content", "reasoning_details", "thought_signature"];
    let kept = REPLAYED.iter().filter_map(|name| {
        let value = said.get(*name).filter(|value| !value.is_null())?;
        Some(((*name).to_owned(), value.clone()))
    });
    let kept: Map<String, Value> = kept.collect();
    (!kept.is_empty()).then_some(Value::Object(kept))
}

fn usage(usage: Option<&Value>) -> Usage {
    /// No model reads or writes more at once; counters and sums are safe from what a provider makes up.
    const TOKENS_MAX: u64 = 1_000_000_000;
    // Each class has a name of its own at several servers; some send the standard one too, as 0.
    let number = |paths: &[&str]| {
        let given = paths.iter().filter_map(|path| usage?.pointer(path)?.as_u64());
        given.max().unwrap_or_default().min(TOKENS_MAX)
    };
    let mut usage = Usage {
        prompt_tokens: number(&["/prompt_tokens"]),
        cached_tokens: number(&[
            "/prompt_tokens_details/cached_tokens",
            "/prompt_cache_hit_tokens",
            "/cache_read_input_tokens",
            "/cached_tokens",
        ]),
        cache_write_tokens: number(&[
            "/cache_creation_input_tokens",
            "/prompt_tokens_details/cache_creation_tokens",
            "/prompt_tokens_details/cache_write_tokens",
        ]),
        completion_tokens: number(&["/completion_tokens"]),
        reasoning_tokens: number(&["/completion_tokens_details/reasoning_tokens", "/reasoning_tokens"]),
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

/// The parameter a 400 complains about, when it is one we can leave out.
pub fn unsupported_parameter(error_body: &str) -> Option<Unsupported> {
    let text = error_body.to_ascii_lowercase();
    let complaint = [
        "unsupported",
        "not support",
        "unknown parameter",
        "unrecognized",
        "extra inputs",
        "not permitted",
        "invalid value",
    ];
    if !complaint.iter().any(|word| text.contains(word)) {
        return None;
    }
    [
        ("response_format", Unsupported::ResponseFormat),
        ("max_completion_tokens", Unsupported::MaxCompletionTokens),
        ("parallel_tool_calls", Unsupported::ParallelToolCalls),
        ("tool_choice", Unsupported::ForcedToolChoice),
        ("temperature", Unsupported::Temperature),
    ]
    .into_iter()
    .find_map(|(name, parameter)| text.contains(name).then_some(parameter))
}

/// Parameters that can be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    Temperature,
    ParallelToolCalls,
    ForcedToolChoice,
    MaxCompletionTokens,
    ResponseFormat,
}

impl Unsupported {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Temperature => "temperature",
            Self::ParallelToolCalls => "parallel_tool_calls",
            Self::ForcedToolChoice => "tool_choice",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::ResponseFormat => "response_format",
        }
    }
}

#[cfg(test)]
mod tests;
