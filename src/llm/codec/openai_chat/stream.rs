//! `chat.completion.chunk` events, folded into the completion they are pieces of.

use serde_json::{Map, Value, json};

use super::REPLAYED;
use crate::llm::codec::StreamError;

/// More calls in one message than anybody looks at.
const CALLS_MAX: usize = 256;

/// The completion so far.
#[derive(Debug, Default)]
pub(in crate::llm::codec) struct Whole {
    text: String,
    refusal: String,
    calls: Vec<Call>,
    /// Members that are sent back: texts are joined, lists continued.
    replayed: Map<String, Value>,
    finish: Option<Value>,
    usage: Value,
    has_choice: bool,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<u64>,
    id: Option<String>,
    name: String,
    arguments: String,
}

impl Whole {
    pub(in crate::llm::codec) fn text(&self) -> &str {
        &self.text
    }

    pub(in crate::llm::codec) fn event(&mut self, data: &Value) -> Result<(), StreamError> {
        if let Some(error) = data.get("error").filter(|error| !error.is_null()) {
            return Err(StreamError::of(error));
        }
        if let Some(usage) = data.get("usage").filter(|usage| usage.is_object()) {
            usage.clone_into(&mut self.usage);
        }
        let Some(choice) = data.pointer("/choices/0") else { return Ok(()) };
        self.has_choice = true;
        if let Some(finish) = choice.get("finish_reason").filter(|finish| !finish.is_null()) {
            self.finish = Some(finish.clone());
        }
        // Some servers close with the whole message instead of an empty delta; others send nothing but that.
        let Some(delta) = choice.get("delta").filter(|delta| delta.is_object()) else { return Ok(()) };
        self.add(delta);
        Ok(())
    }

    fn add(&mut self, delta: &Value) {
        let text = |name: &str| delta.get(name).and_then(Value::as_str).unwrap_or_default();
        self.text.push_str(text("content"));
        self.refusal.push_str(text("refusal"));
        for name in REPLAYED {
            match (delta.get(name), self.replayed.get_mut(name)) {
                (None | Some(Value::Null), _) => {}
                (Some(Value::String(more)), Some(Value::String(so_far))) => so_far.push_str(more),
                (Some(Value::Array(more)), Some(Value::Array(so_far))) => so_far.extend(more.iter().cloned()),
                (Some(value), _) => _ = self.replayed.insert(name.to_owned(), value.clone()),
            }
        }
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.add_call(call);
        }
    }

    /// Pieces of a call share its index; servers without one give the id with the first piece only.
    fn add_call(&mut self, piece: &Value) {
        let index = piece.get("index").and_then(Value::as_u64);
        let id = piece.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
        let known = match (index, id) {
            (Some(_), _) => self.calls.iter().position(|call| call.index == index),
            (None, Some(id)) => self.calls.iter().position(|call| call.id.as_deref() == Some(id)),
            (None, None) => self.calls.len().checked_sub(1),
        };
        let at = known.unwrap_or(self.calls.len());
        if at == self.calls.len() && at < CALLS_MAX {
            self.calls.push(Call { index, ..Call::default() });
        }
        let Some(call) = self.calls.get_mut(at) else { return };
        if call.id.is_none() {
            call.id = id.map(str::to_owned);
        }
        let Some(function) = piece.get("function") else { return };
        if let Some(name) = function.get("name").and_then(Value::as_str).filter(|name| *name != call.name) {
            call.name.push_str(name);
        }
        match function.get("arguments") {
            Some(Value::String(more)) => call.arguments.push_str(more),
            Some(Value::Null) | None => {}
            Some(whole) => call.arguments = whole.to_string(),
        }
    }

    pub(in crate::llm::codec) fn is_complete(&self) -> bool {
        self.finish.is_some()
    }

    pub(in crate::llm::codec) fn finish(self) -> Value {
        if !self.has_choice {
            return json!({"choices": []});
        }
        let mut message = self.replayed;
        message.insert("content".into(), self.text.into());
        message.insert("refusal".into(), self.refusal.into());
        let call = |call: Call| json!({"id": call.id, "function": {"name": call.name, "arguments": call.arguments}});
        message.insert("tool_calls".into(), self.calls.into_iter().map(call).collect());
        json!({"choices": [{"message": message, "finish_reason": self.finish}], "usage": self.usage})
    }
}
