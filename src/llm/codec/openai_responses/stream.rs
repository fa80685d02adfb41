//! `response.*` events. The last one carries the whole response.

use serde_json::{Value, json};

use crate::llm::codec::StreamError;

/// The response so far.
#[derive(Debug, Default)]
pub(in crate::llm::codec) struct Whole {
    text: String,
    response: Option<Value>,
}

impl Whole {
    pub(in crate::llm::codec) fn text(&self) -> &str {
        &self.text
    }

    pub(in crate::llm::codec) fn event(&mut self, data: &Value) -> Result<(), StreamError> {
        match data.get("type").and_then(Value::as_str).unwrap_or_default() {
            "response.output_text.delta" => {
                self.text.push_str(data.get("delta").and_then(Value::as_str).unwrap_or_default());
            }
            "response.completed" | "response.incomplete" => self.response = data.get("response").cloned(),
            "response.failed" => {
                let error = data.pointer("/response/error").unwrap_or(data);
                return Err(StreamError::of(error));
            }
            "error" => return Err(StreamError::of(data.get("error").unwrap_or(data))),
            _ => {}
        }
        Ok(())
    }

    pub(in crate::llm::codec) fn is_complete(&self) -> bool {
        self.response.is_some()
    }

    pub(in crate::llm::codec) fn finish(self) -> Value {
        self.response.unwrap_or_else(|| json!({}))
    }
}
