//! The order in which text, calls and opaque blocks were said, kept for dialects that want their blocks back in place.

use serde_json::Value;

use crate::llm::chat::{AssistantMessage, ToolCall};

const TEXT: &str = "text";
const CALL: &str = "call";

/// One piece of an assistant's message.
pub(super) enum Piece<'a> {
    Text(&'a str),
    Call(&'a ToolCall),
    Opaque(&'a Value),
}

/// Written while a reply is read.
#[derive(Default)]
pub(super) struct Order {
    marks: Vec<Value>,
    is_needed: bool,
}

impl Order {
    /// All text counts as said where the first of it stands.
    pub(super) fn text(&mut self) {
        if !self.marks.iter().any(|mark| mark == TEXT) {
            self.marks.push(TEXT.into());
        }
    }

    pub(super) fn call(&mut self) {
        self.marks.push(CALL.into());
    }

    pub(super) fn opaque(&mut self, block: &Value) {
        self.marks.push(block.clone());
        self.is_needed = true;
    }

    /// For [`AssistantMessage::opaque`]: nothing where there is nothing opaque, since text comes before calls anyway.
    pub(super) fn finish(self) -> Option<Value> {
        self.is_needed.then_some(Value::Array(self.marks))
    }
}

/// The pieces of a message in their order. Blank text is no piece: providers refuse it.
pub(super) fn pieces(said: &AssistantMessage) -> Vec<Piece<'_>> {
    let marks = said.opaque.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut text = Some(said.text.as_str()).filter(|text| !text.trim().is_empty());
    let mut calls = said.tool_calls.iter();
    let mut pieces = Vec::new();
    for mark in marks {
        match mark.as_str() {
            Some(TEXT) => pieces.extend(text.take().map(Piece::Text)),
            Some(CALL) => pieces.extend(calls.next().map(Piece::Call)),
            _ => pieces.push(Piece::Opaque(mark)),
        }
    }
    pieces.extend(text.map(Piece::Text));
    pieces.extend(calls.map(Piece::Call));
    pieces
}
