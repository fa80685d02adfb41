//! Breaking values, texts and bytes, each at its own level.

use serde_json::{Map, Value, json};

use super::random::Random;

/// Stand for what a [`Value`] cannot hold; [`raw`] puts it in.
const RAW_PIECES: &[(&str, &str)] = &[
    ("\"@@lone\"", "\"\\ud800\""),
    ("\"@@nul\"", "\"a\\u0000b\""),
    ("\"@@huge\"", "1e999"),
    ("\"@@digits\"", "123456789012345678901234567890"),
    ("\"@@nan\"", "NaN"),
    ("\"@@minus\"", "-0.0"),
    ("\"@@twice\"", "1, \"confidence\": \"2\""),
    ("\"@@comma\"", "[1,2,]"),
    ("\"@@comment\"", "1 // one"),
];

/// Changes up to `most` places of a value.
pub(super) fn mutate(random: &mut Random, value: &mut Value, most: usize) {
    for _ in 0..=random.below(most) {
        let places = count(value);
        let mut place = random.below(places);
        visit(value, &mut place, &mut |parent_or_self| change(random, parent_or_self));
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

/// Calls `change` with the value at the place.
fn visit(value: &mut Value, place: &mut usize, change: &mut dyn FnMut(&mut Value)) -> bool {
    if *place == 0 {
        change(value);
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| visit(item, place, change)),
        Value::Object(members) => members.values_mut().any(|member| visit(member, place, change)),
        _ => false,
    }
}

fn change(random: &mut Random, value: &mut Value) {
    let old = value.take();
    *value = match random.below(14) {
        0 => without_one(random, old),
        1 => Value::Null,
        2 => json!(random.one_in(2)),
        3 => number(random),
        4 => Value::String(random.text()),
        5 => json!([old]),
        6 => json!({ random.text(): old }),
        7 => (0..64).fold(old, |inner, _| json!({ "x": inner })),
        8 => (0..64).fold(old, |inner, _| json!([inner])),
        9 => Value::String(old.to_string()),
        10 => Value::String(
            random.pick(&RAW_PIECES.iter().map(|(piece, _)| *piece).collect::<Vec<_>>()).trim_matches('"').to_owned(),
        ),
        11 => {
            let most = if random.one_in(50) { 3_000 } else { 6 };
            Value::Array(vec![old; 1 + random.below(most)])
        }
        12 => with_one_more(random, old),
        _ => any(random, 3),
    };
}

fn without_one(random: &mut Random, value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let out = random.below(members.len());
            Value::Object(members.into_iter().enumerate().filter(|(n, _)| *n != out).map(|(_, pair)| pair).collect())
        }
        Value::Array(mut items) => {
            items.truncate(items.len().saturating_sub(1));
            Value::Array(items)
        }
        Value::String(text) => Value::String(text.chars().take(text.len() / 2).collect()),
        _ => Value::Null,
    }
}

fn with_one_more(random: &mut Random, value: Value) -> Value {
    match value {
        Value::Object(mut members) => {
            let name = if random.one_in(2) { random.pick(NAMES).to_owned() } else { random.text() };
            members.insert(name, any(random, 2));
            Value::Object(members)
        }
        Value::Array(mut items) => {
            items.push(any(random, 2));
            Value::Array(items)
        }
        Value::String(text) => Value::String(text + &random.text()),
        other => other,
    }
}

fn number(random: &mut Random) -> Value {
    match random.below(8) {
        0 => json!(-1),
        1 => json!(u64::MAX),
        2 => json!(i64::MIN),
        3 => json!(1e308),
        4 => json!(5e-324),
        5 => json!(0.5),
        6 => json!(95),
        _ => json!(random.next()),
    }
}

/// Any value at all.
pub(super) fn any(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 4 } else { 6 }) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2 => number(random),
        3 => Value::String(random.text()),
        4 => (0..random.below(4)).map(|_| any(random, depth - 1)).collect(),
        _ => {
            let name =
                |random: &mut Random| if random.one_in(3) { random.text() } else { random.pick(NAMES).to_owned() };
            let members: Map<String, Value> =
                (0..random.below(5)).map(|_| (name(random), any(random, depth - 1))).collect();
            Value::Object(members)
        }
    }
}

/// Members some reader knows.
const NAMES: &[&str] = &[
    "root_cause_analysis",
    "summary",
    "confidence",
    "selected_workflow",
    "workflow_id",
    "parameters",
    "alternative_workflows",
    "investigation_outcome",
    "actionable",
    "needs_human_review",
    "human_review_reason",
    "remediation_target",
    "claims",
    "severity",
    "content",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "id",
    "choices",
    "message",
    "finish_reason",
    "usage",
    "reasoning_content",
    "refusal",
    "kind",
    "namespace",
    "validation_attempts_history",
    "execution_bundle",
    "TARGET_RESOURCE_NAME",
    "value",
    "type",
];

/// The text of a value, with pieces no value can hold.
pub(super) fn raw(value: &Value) -> String {
    let mut text = value.to_string();
    if text.contains("@@") {
        for (mark, piece) in RAW_PIECES {
            text = text.replace(mark, piece);
        }
    }
    text
}

/// Changes bytes whatever they mean.
pub(super) fn corrupt(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes.truncate(at),
            1 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            2 => {
                let end = at + random.below(bytes.len() - at + 1);
                bytes.extend_from_within(at..end);
            }
            3 => bytes.insert(at, u8::try_from(random.below(256)).unwrap()),
            _ => _ = bytes.drain(at..at + random.below(bytes.len() - at + 1)),
        }
    }
}
