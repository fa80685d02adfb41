//! Canonical JSON text, byte for byte what Go's encoder writes for the normalised object (investigation §7.3.1).

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// Smallest and (exclusive) largest magnitude written as plain decimal.
const PLAIN_DECIMAL: std::ops::Range<f64> = 1e-6..1e21;

/// No whitespace, members sorted by key bytes, array elements sorted by the bytes of their own canonical text.
pub(super) fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(&number_text(number)),
        Value::String(string) => write_string(string, text),
        Value::Array(elements) => {
            let mut elements: Vec<String> = elements.iter().map(canonical_json).collect();
            elements.sort_unstable();
            text.push('[');
            text.push_str(&elements.join(","));
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<(&String, &Value)> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (position, (key, member)) in members.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_string(key, text);
                text.push(':');
                write_value(member, text);
            }
            text.push('}');
        }
    }
}

/// A signed 64-bit integer as such, anything else as a 64-bit float.
fn number_text(number: &Number) -> String {
    match (number.as_i64(), number.as_f64()) {
        (Some(integer), _) => integer.to_string(),
        (None, Some(float)) => float_text(float),
        // Only with serde_json's arbitrary_precision, which is off.
        (None, None) => number.to_string(),
    }
}

/// Shortest digits that read back the same; exponents carry a sign, as in `1e+21` and `2.5e-7`.
fn float_text(float: f64) -> String {
    if float == 0.0 || PLAIN_DECIMAL.contains(&float.abs()) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    if text.contains("e-") { text } else { text.replacen('e', "e+", 1) }
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '<' | '>' | '&' | '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            _ => text.push(c),
        }
    }
    text.push('"');
}
