//! One text for one value, whatever the order of its members, and its SHA-256. Pure.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// The value as compact JSON with sorted members.
pub(super) fn text(value: &Value) -> String {
    sorted(value).to_string()
}

/// SHA-256 of [`text`], in lower-case hexadecimal.
pub(super) fn sha256(value: &Value) -> String {
    hexadecimal(&Sha256::digest(text(value)))
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            let members = names.into_iter().filter_map(|name| Some((name.clone(), sorted(members.get(name)?))));
            Value::Object(members.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_members_does_not_count_and_that_of_items_does() {
        let (a, b) = (json!({"x": [{"b": 1, "a": 2}], "y": null}), json!({"y": null, "x": [{"a": 2, "b": 1}]}));
        assert_eq!(text(&a), r#"{"x":[{"a":2,"b":1}],"y":null}"#);
        assert_eq!(sha256(&a), sha256(&b));
        assert_ne!(sha256(&json!([1, 2])), sha256(&json!([2, 1])));
    }
}
