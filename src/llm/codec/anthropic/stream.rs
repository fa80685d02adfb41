//! `message_start` … `message_stop`, folded into the message they are pieces of.

use serde_json::{Map, Value, json};

use crate::llm::codec::StreamError;
use crate::llm::codec::names::arguments_value;

/// More blocks than any message has.
const BLOCKS_MAX: usize = 1_024;

/// The message so far.
#[derive(Debug, Default)]
pub(in crate::llm::codec) struct Whole {
    blocks: Vec<Block>,
    stop_reason: Value,
    usage: Map<String, Value>,
    /// All text, for those who watch.
    text: String,
    has_begun: bool,
    is_complete: bool,
}

#[derive(Debug)]
struct Block {
    value: Value,
    /// Arguments of a call in pieces.
    input: String,
}

impl Whole {
    pub(in crate::llm::codec) fn text(&self) -> &str {
        &self.text
    }

    pub(in crate::llm::codec) fn event(&mut self, data: &Value) -> Result<(), StreamError> {
        match data.get("type").and_then(Value::as_str).unwrap_or_default() {
            "error" => return Err(StreamError::of(data.get("error").unwrap_or(data))),
            "message_start" => {
                self.has_begun = true;
                self.count(data.pointer("/message/usage"));
            }
            "content_block_start" => self.begin(data),
            "content_block_delta" => self.add(data),
            "message_delta" => {
                self.stop_reason = data.pointer("/delta/stop_reason").cloned().unwrap_or_default();
                self.count(data.get("usage"));
            }
            "message_stop" => self.is_complete = self.has_begun,
            _ => {}
        }
        Ok(())
    }

    /// Later counts replace earlier ones; members only the first event has stay.
    fn count(&mut self, usage: Option<&Value>) {
        let counts = usage.and_then(Value::as_object).into_iter().flatten().filter(|(_, count)| !count.is_null());
        self.usage.extend(counts.map(|(name, count)| (name.clone(), count.clone())));
    }

    fn begin(&mut self, data: &Value) {
        let value = data.get("content_block").filter(|block| block.is_object());
        let Some(value) = value.cloned().filter(|_| self.blocks.len() < BLOCKS_MAX) else { return };
        self.text.push_str(value.get("text").and_then(Value::as_str).unwrap_or_default());
        self.blocks.push(Block { value, input: String::new() });
    }

    /// Blocks come one after another: pieces belong to the newest.
    fn add(&mut self, data: &Value) {
        let (Some(block), Some(delta)) = (self.blocks.last_mut(), data.get("delta")) else { return };
        for (piece, member) in [("text", "text"), ("thinking", "thinking"), ("signature", "signature")] {
            let Some(more) = delta.get(piece).and_then(Value::as_str) else { continue };
            let so_far = block.value.get(member).and_then(Value::as_str).unwrap_or_default();
            let joined = format!("{so_far}{more}");
            if let Some(members) = block.value.as_object_mut() {
                members.insert(member.to_owned(), joined.into());
            }
            if piece == "text" {
                self.text.push_str(more);
            }
        }
        block.input.push_str(delta.get("partial_json").and_then(Value::as_str).unwrap_or_default());
    }

    pub(in crate::llm::codec) fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub(in crate::llm::codec) fn finish(self) -> Value {
        let blocks = self.blocks.into_iter().map(|Block { mut value, input }| {
            if !input.is_empty()
                && let Some(members) = value.as_object_mut()
            {
                members.insert("input".into(), arguments_value(&input));
            }
            value
        });
        json!({"content": blocks.collect::<Vec<_>>(), "stop_reason": self.stop_reason, "usage": self.usage})
    }
}
