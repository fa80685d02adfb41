//! From older versions of the format to the present one. Pure.

use serde_json::{Map, Value};

use super::{FORMAT, canonical};

/// The content in the present version.
///
/// # Errors
/// What of the old version is missing.
pub(super) fn raised(mut content: Value, from: u64) -> Result<Value, String> {
    for format in from..u64::from(FORMAT) {
        content = match format {
            1 => second(content)?,
            _ => content,
        };
    }
    Ok(content)
}

/// Tools move out of the exchanges; a conversation that was written whole keeps nothing of the one before.
fn second(mut content: Value) -> Result<Value, String> {
    let mut offers = Map::new();
    let entries = content.get_mut("entries").and_then(Value::as_array_mut).ok_or("it has no entries")?;
    for entry in entries.iter_mut().filter(|entry| entry.get("asked").is_some_and(|asked| asked == "model")) {
        let question = entry.get_mut("question").and_then(Value::as_object_mut).ok_or("an exchange has no question")?;
        let tools = question.remove("tools").ok_or("an exchange does not say which tools were offered")?;
        let sha256 = canonical::sha256(&tools);
        question.insert("kept".to_owned(), 0.into());
        question.insert("offer".to_owned(), sha256.clone().into());
        offers.insert(sha256, tools);
    }
    let members = content.as_object_mut().ok_or("the content is not an object")?;
    members.insert("offers".to_owned(), Value::Object(offers));
    members.insert("format".to_owned(), 2.into());
    Ok(content)
}
