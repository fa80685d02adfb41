//! From the bytes of a body to a JSON object, with the texts of http-api §2.0. Pure.

use serde_json::{Map, Value};

use super::fields::FieldError;

/// Deepest nesting of a body.
pub const JSON_DEPTH_MAX: usize = 64;

/// A body that is not what it should be: the text for the client, and every bad member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    pub detail: String,
    pub errors: Vec<FieldError>,
}

impl Invalid {
    /// Bad members; the first one is what old clients see.
    pub(super) fn first_of(errors: Vec<FieldError>) -> Self {
        let detail = errors.first().map(FieldError::detail).unwrap_or_default();
        Self { detail, errors }
    }

    fn body(position: Option<usize>, kind: &'static str, msg: &str) -> Self {
        Self::first_of(vec![FieldError::of_body(position, kind, msg)])
    }
}

/// Decodes the bytes of a body.
///
/// # Errors
/// Not UTF-8, empty, not JSON, or nested deeper than [`JSON_DEPTH_MAX`].
pub(super) fn parse(bytes: &[u8]) -> Result<Value, Invalid> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(Invalid { detail: "There was an error parsing the body".to_owned(), errors: Vec::new() });
    };
    if text.is_empty() {
        return Err(Invalid::body(None, "missing", "Field required"));
    }
    if depth(bytes) > JSON_DEPTH_MAX {
        let msg = format!("JSON nested deeper than {JSON_DEPTH_MAX} levels");
        return Err(Invalid::body(None, "json_too_deep", &msg));
    }
    serde_json::from_str(text).map_err(|error| {
        let position = if error.is_eof() { text.len() } else { byte_position(text, error.line(), error.column()) };
        Invalid::body(Some(position), "json_invalid", "JSON decode error")
    })
}

/// The members of a body.
///
/// # Errors
/// `null`, or anything else that is no object.
pub(super) fn object(body: &Value) -> Result<&Map<String, Value>, Invalid> {
    match body {
        Value::Null => Err(Invalid::body(None, "missing", "Field required")),
        Value::Object(object) => Ok(object),
        _ => {
            let msg = "Input should be a valid dictionary or object to extract fields from";
            Err(Invalid::body(None, "model_attributes_type", msg))
        }
    }
}

/// How deep arrays and objects nest, without building anything. Brackets inside strings do not count.
fn depth(json: &[u8]) -> usize {
    let (mut deepest, mut depth, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Offset of a position that serde_json names by line and column, both from 1; the column counts bytes.
fn byte_position(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn the_depth_scan_agrees_with_the_parser(levels in 0_usize..80, text in "[\\[\\]{}\"\\\\a]{0,20}") {
            let value = (0..levels).fold(json!(text), |inner, _| json!([inner]));
            prop_assert_eq!(depth(value.to_string().as_bytes()), levels);
        }
    }
}
