//! Names and ids of tool calls, as providers take them back.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::llm::chat::ToolCall;

/// The name as providers take it back: a model may call what it invented, and its own words must not make the next request
/// invalid.
pub(super) fn acceptable(name: &str) -> String {
    const CHARS_MAX: usize = 64;
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let letters = name.trim().chars().take(CHARS_MAX);
    let name: String = letters.map(|letter| if is_allowed(letter) { letter } else { '_' }).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// The call's own id; another one when it is missing, too long to repeat, or that of an earlier call of the message, because
/// results are told apart by nothing else.
pub(super) fn unique_id(taken: &mut HashSet<String>, given: Option<&Value>, index: usize) -> String {
    const CHARS_MAX: usize = 4_096;
    let given = given.and_then(Value::as_str).filter(|id| !id.trim().is_empty() && id.len() <= CHARS_MAX);
    let others = (index..).map(|number| format!("{MADE_UP}{number}"));
    let mut ids = given.map(str::to_owned).into_iter().chain(others);
    let id = ids.find(|id| !taken.contains(id)).unwrap_or_default();
    taken.insert(id.clone());
    id
}

const MADE_UP: &str = "call_";

/// The id, when the provider gave it.
pub(super) fn given_id(id: &str) -> Option<&str> {
    (!id.starts_with(MADE_UP)).then_some(id)
}

/// Arguments for dialects that take an object. What the model wrote instead was answered with an error and is left out.
pub(super) fn arguments_object(call: &ToolCall) -> Value {
    match serde_json::from_str(&call.arguments) {
        Ok(Value::Object(members)) => Value::Object(members),
        _ => Value::Object(Map::new()),
    }
}

/// The arguments as text, from a dialect that gives a value: a text is what could not be read as JSON.
pub(super) fn arguments_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Arguments that came in pieces: the value, or the text where the pieces make none.
pub(super) fn arguments_value(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}
