//! What may stand inside an event (audit §1.7): characters, numbers, depth and size the receiving database can hold.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Serialised `event_data`.
pub(super) const EVENT_DATA_BYTES_MAX: usize = 256 * 1024;
/// Containers below this level of `event_data` (itself level 1) become their JSON text; the receiver takes ten levels.
const LEVELS_MAX: usize = 8;
/// Levels of `event_data` the receiver takes, itself included.
pub(super) const RECEIVED_LEVELS_MAX: usize = 10;
/// Largest integer every JSON reader keeps exactly.
pub(super) const INTEGER_MAX: u64 = 1 << 53;
/// Beginning kept of a tool result that is too large. Escaping can make it six times as long.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Makes any payload acceptable: never fails, changes only what has to change.
pub(super) fn bounded(mut event_data: Map<String, Value>) -> Map<String, Value> {
    let mut whole = Value::Object(std::mem::take(&mut event_data));
    replace_nul(&mut whole);
    fold(&mut whole, 1, LEVELS_MAX);
    if let Value::Object(members) = whole {
        event_data = members;
    }
    shrink(&mut event_data);
    event_data
}

/// Free-form values as the receiver can hold them: no U+0000, and integers beyond 2^53 as text because it reads numbers
/// as doubles.
pub(super) fn exact(mut value: Value) -> Value {
    fn visit(value: &mut Value) {
        match value {
            Value::Number(number) => {
                let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
                if magnitude.is_some_and(|magnitude| magnitude > INTEGER_MAX) {
                    *value = Value::String(number.to_string());
                }
            }
            Value::Array(items) => items.iter_mut().for_each(visit),
            Value::Object(members) => members.values_mut().for_each(visit),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }
    replace_nul(&mut value);
    visit(&mut value);
    value
}

/// The first `chars_max` characters.
pub(super) fn clip(text: &str, chars_max: usize) -> &str {
    text.char_indices().nth(chars_max).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// The same for what stands in a column of its own, at most `chars_max` characters.
pub(super) fn column(text: &str, chars_max: usize) -> Cow<'_, str> {
    let clipped = clip(text, chars_max);
    if clipped.contains('\0') { clipped.replace('\0', "\u{FFFD}").into() } else { clipped.into() }
}

/// The first `bytes_max` bytes, no character broken.
pub(super) fn clip_bytes(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

/// A count as the receiver can hold it.
pub(super) fn count(number: u64) -> u64 {
    number.min(INTEGER_MAX)
}

/// PostgreSQL cannot store U+0000 in JSON.
fn replace_nul(value: &mut Value) {
    const NUL: char = '\0';
    let replaced = |text: &str| text.replace(NUL, "\u{FFFD}");
    match value {
        Value::String(text) if text.contains(NUL) => *text = replaced(text),
        Value::Array(items) => items.iter_mut().for_each(replace_nul),
        Value::Object(members) => {
            if members.keys().any(|key| key.contains(NUL)) {
                *members = std::mem::take(members).into_iter().map(|(key, value)| (replaced(&key), value)).collect();
            }
            members.values_mut().for_each(replace_nul);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn fold(value: &mut Value, level: usize, levels_max: usize) {
    if level > levels_max && (value.is_array() || value.is_object()) {
        *value = Value::String(value.to_string());
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fold(item, level + 1, levels_max)),
        Value::Object(members) => members.values_mut().for_each(|member| fold(member, level + 1, levels_max)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Cuts the tool result, then its preview, then the arguments (or the labels); whatever is still too large loses the ends of its texts
/// and lists, evenly, until it fits.
fn shrink(event_data: &mut Map<String, Value>) {
    for member in ["tool_result", "tool_result_preview", "tool_arguments", "detected_labels_summary"] {
        if fits(event_data) {
            return;
        }
        match event_data.get_mut(member) {
            Some(Value::String(text)) if member.ends_with("_preview") => text.clear(),
            Some(value) if !value.is_null() => *value = digest_of(value),
            Some(_) | None => {}
        }
    }
    for step in &CUTS {
        if fits(event_data) {
            return;
        }
        let kept_whole = ["event_type", "event_id", "incident_id"];
        let members = event_data.iter_mut().filter(|(key, _)| !kept_whole.contains(&key.as_str()));
        for (_, member) in members {
            fold(member, 2, step.levels_max);
            cut(member, step);
        }
    }
}

/// One step of shrinking. Member names, enumerated words and times are shorter than the last one allows.
struct Cut {
    chars_max: usize,
    items_max: usize,
    levels_max: usize,
}

const CUTS: [Cut; 5] = [
    Cut { chars_max: 16_384, items_max: 1_024, levels_max: LEVELS_MAX },
    Cut { chars_max: 4_096, items_max: 256, levels_max: LEVELS_MAX },
    Cut { chars_max: 1_024, items_max: 64, levels_max: 6 },
    Cut { chars_max: 256, items_max: 32, levels_max: 4 },
    Cut { chars_max: 64, items_max: 16, levels_max: 4 },
];

fn fits(event_data: &Map<String, Value>) -> bool {
    serde_json::to_vec(event_data).is_ok_and(|bytes| bytes.len() <= EVENT_DATA_BYTES_MAX)
}

fn digest_of(value: &Value) -> Value {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let sha256 = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let head = clip_bytes(&text, HEAD_BYTES_MAX);
    json!({ "truncated": true, "original_bytes": text.len(), "sha256": sha256, "head": head })
}

fn cut(value: &mut Value, step: &Cut) {
    match value {
        Value::String(text) => {
            let kept = clip(text, step.chars_max).len();
            if kept < text.len() {
                text.truncate(kept);
                text.push_str("...");
            }
        }
        Value::Array(items) => {
            items.truncate(step.items_max);
            items.iter_mut().for_each(|item| cut(item, step));
        }
        Value::Object(members) => {
            let short = |key: &String| key.len() <= step.chars_max;
            let kept = std::mem::take(members).into_iter().filter(|(key, _)| short(key)).take(step.items_max);
            *members = kept.collect();
            members.values_mut().for_each(|member| cut(member, step));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
