//! Each event is a response of its own; parts are continued, counts and reasons replaced.

use serde_json::{Map, Value, json};

use crate::llm::codec::StreamError;

/// More parts than any reply has.
const PARTS_MAX: usize = 4_096;

/// The response so far.
#[derive(Debug, Default)]
pub(in crate::llm::codec) struct Whole {
    parts: Vec<Value>,
    /// All text, for those who watch.
    text: String,
    finish: Option<Value>,
    usage: Option<Value>,
    blocked: Option<Value>,
}

impl Whole {
    pub(in crate::llm::codec) fn text(&self) -> &str {
        &self.text
    }

    pub(in crate::llm::codec) fn event(&mut self, data: &Value) -> Result<(), StreamError> {
        if let Some(error) = data.get("error") {
            return Err(StreamError::of(error));
        }
        let parts = data.pointer("/candidates/0/content/parts").and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            self.add(part);
        }
        let keep = |place: &mut Option<Value>, pointer: &str| {
            if let Some(value) = data.pointer(pointer).filter(|value| !value.is_null()) {
                *place = Some(value.clone());
            }
        };
        keep(&mut self.finish, "/candidates/0/finishReason");
        keep(&mut self.usage, "/usageMetadata");
        keep(&mut self.blocked, "/promptFeedback/blockReason");
        Ok(())
    }

    /// Text continues text of its kind; a signature ends the part it comes with.
    fn add(&mut self, part: &Value) {
        let more = part.get("text").and_then(Value::as_str);
        let thought = part.get("thought");
        if let (Some(more), None) = (more, thought) {
            self.text.push_str(more);
        }
        let is_open = |last: &&mut Value| {
            last.get("text").is_some() && last.get("thoughtSignature").is_none() && last.get("thought") == thought
        };
        let has_room = self.parts.len() < PARTS_MAX;
        match (more, self.parts.last_mut().filter(is_open)) {
            (Some(more), Some(last)) => {
                let joined = format!("{}{more}", last.get("text").and_then(Value::as_str).unwrap_or_default());
                if let Some(members) = last.as_object_mut() {
                    members.insert("text".into(), joined.into());
                    let signature = part.get("thoughtSignature");
                    members.extend(signature.map(|signature| ("thoughtSignature".to_owned(), signature.clone())));
                }
            }
            _ if has_room => self.parts.push(part.clone()),
            _ => {}
        }
    }

    pub(in crate::llm::codec) fn is_complete(&self) -> bool {
        self.finish.is_some() || self.blocked.is_some()
    }

    pub(in crate::llm::codec) fn finish(self) -> Value {
        let mut body = Map::new();
        if self.finish.is_some() || !self.parts.is_empty() {
            let candidate = json!({"content": {"parts": self.parts}, "finishReason": self.finish});
            body.insert("candidates".into(), json!([candidate]));
        }
        body.extend(self.usage.map(|usage| ("usageMetadata".to_owned(), usage)));
        body.extend(self.blocked.map(|reason| ("promptFeedback".to_owned(), json!({"blockReason": reason}))));
        Value::Object(body)
    }
}
