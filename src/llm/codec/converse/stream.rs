//! `messageStart` … `metadata`, folded into the message they are pieces of.

use serde_json::{Map, Value, json};

use crate::llm::codec::names::arguments_value;

/// More blocks than any message has.
const BLOCKS_MAX: usize = 1_024;

/// The message so far.
#[derive(Debug, Default)]
pub(in crate::llm::codec) struct Whole {
    blocks: Vec<Block>,
    /// All text, for those who watch.
    text: String,
    stop_reason: Option<Value>,
    usage: Value,
}

#[derive(Debug, Default)]
struct Block {
    index: u64,
    call: Option<Value>,
    text: String,
    input: String,
    /// Members of `reasoningContent`, texts joined.
    reasoning: Map<String, Value>,
}

impl Whole {
    pub(in crate::llm::codec) fn text(&self) -> &str {
        &self.text
    }

    pub(in crate::llm::codec) fn event(&mut self, event: &str, data: &Value) {
        match event {
            "contentBlockStart" => {
                let call = data.pointer("/start/toolUse").cloned();
                if let Some(block) = self.block(data) {
                    block.call = call;
                }
            }
            "contentBlockDelta" => self.add(data),
            "messageStop" => self.stop_reason = data.get("stopReason").cloned(),
            "metadata" => self.usage = data.get("usage").cloned().unwrap_or_default(),
            _ => {}
        }
    }

    /// The block the event is about; a block of text begins without a word.
    fn block(&mut self, data: &Value) -> Option<&mut Block> {
        let index = data.get("contentBlockIndex").and_then(Value::as_u64).unwrap_or_default();
        let known = self.blocks.iter().position(|block| block.index == index);
        let at = known.unwrap_or(self.blocks.len());
        if at == self.blocks.len() && at < BLOCKS_MAX {
            self.blocks.push(Block { index, ..Block::default() });
        }
        self.blocks.get_mut(at)
    }

    fn add(&mut self, data: &Value) {
        let Some(delta) = data.get("delta") else { return };
        let text = |pointer: &str| delta.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        self.text.push_str(text("/text"));
        let Some(block) = self.block(data) else { return };
        block.text.push_str(text("/text"));
        block.input.push_str(text("/toolUse/input"));
        for (name, more) in delta.get("reasoningContent").and_then(Value::as_object).into_iter().flatten() {
            let joined = match (block.reasoning.get(name), more) {
                (Some(Value::String(so_far)), Value::String(more)) => format!("{so_far}{more}").into(),
                (_, more) => more.clone(),
            };
            block.reasoning.insert(name.clone(), joined);
        }
    }

    pub(in crate::llm::codec) fn is_complete(&self) -> bool {
        self.stop_reason.is_some()
    }

    pub(in crate::llm::codec) fn finish(self) -> Value {
        let content: Vec<Value> = self.blocks.into_iter().map(Block::finish).collect();
        json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": self.stop_reason,
               "usage": self.usage})
    }
}

impl Block {
    fn finish(self) -> Value {
        if let Some(mut call) = self.call {
            if let Some(members) = call.as_object_mut() {
                members.insert("input".into(), arguments_value(&self.input));
            }
            return json!({"toolUse": call});
        }
        if self.reasoning.is_empty() {
            return json!({"text": self.text});
        }
        let mut reasoning = self.reasoning;
        // A whole reply has text and signature in an object of their own.
        let mut inner = Map::new();
        for name in ["text", "signature"] {
            inner.extend(reasoning.shift_remove(name).map(|value| (name.to_owned(), value)));
        }
        if !inner.is_empty() {
            reasoning.insert("reasoningText".into(), inner.into());
        }
        json!({"reasoningContent": reasoning})
    }
}
