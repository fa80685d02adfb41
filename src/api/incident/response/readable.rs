//! Texts for people: whatever a cluster or a model wrote, nothing hidden and nothing endless leaves. Pure.

use serde_json::Value;

use crate::redaction::injection;

/// Characters of one text. Consumers keep the whole result in an object of at most 1.5 MiB.
const TEXT_CHARS_MAX: usize = 40_000;

/// Without characters that show nothing (controls, directions, escapes of terminals), of bounded length.
pub(in crate::api) fn readable(text: &str) -> String {
    let mut text = injection::clean(text).into_owned();
    if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The same for every text in a value. Names stay as they are.
pub(super) fn readable_value(value: &mut Value) {
    match value {
        Value::String(text) => *text = readable(text),
        Value::Array(items) => items.iter_mut().for_each(readable_value),
        Value::Object(members) => members.values_mut().for_each(readable_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
