//! What a tool of a server answered, as every tool answers. Pure.

use serde_json::Value;

use crate::tools::{Content, Keep, ToolOutput, ToolStatus};

/// Blocks of one answer that are looked at.
const BLOCKS_MAX: usize = 200;
/// From so many lines on a text is shortened line by line.
const LINES_FROM: usize = 40;

/// The answer: texts together, read as JSON where they are, so that secrets are found by structure; what is no text is told
/// and left out. Structured content counts where there is no text, because servers repeat it as text.
pub(super) fn output(result: &Value) -> ToolOutput {
    let blocks = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let (mut texts, mut left_out) = (Vec::new(), Vec::new());
    for block in blocks.iter().take(BLOCKS_MAX) {
        match text(block) {
            Some(text) => texts.push(text),
            None => left_out.push(kind(block)),
        }
    }
    if blocks.len() > BLOCKS_MAX {
        left_out.push("further blocks");
    }
    left_out.sort_unstable();
    left_out.dedup();
    let texts = texts.join("\n");
    let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or_default();
    let structured = result.get("structuredContent").filter(|value| !value.is_null());
    let content = match structured {
        Some(value) if texts.trim().is_empty() => Some(Content::Json(value.clone())),
        _ => (!texts.trim().is_empty()).then(|| content(texts)),
    };
    let output = match (content, is_error) {
        (Some(content), false) => ToolOutput::of(ToolStatus::Success, content),
        (Some(content), true) => ToolOutput::of(ToolStatus::Error, content),
        (None, true) => ToolOutput::error("the tool failed and says no more; use another one"),
        (None, false) => ToolOutput::no_data("the answer holds no text"),
    };
    if left_out.is_empty() { output } else { output.noting(format!("left out: {}", left_out.join(", "))) }
}

/// A block's text: written, embedded, or the address of what is only named.
fn text(block: &Value) -> Option<String> {
    let member = |path: &str| block.pointer(path).and_then(Value::as_str).map(str::to_owned);
    match block.get("type").and_then(Value::as_str) {
        Some("text") => member("/text"),
        Some("resource") => member("/resource/text"),
        Some("resource_link") => member("/uri").map(|uri| format!("(named, not fetched: {uri})")),
        _ => None,
    }
}

fn kind(block: &Value) -> &'static str {
    match block.get("type").and_then(Value::as_str) {
        Some("image") => "an image",
        Some("audio") => "a sound",
        Some("resource") => "a file that is no text",
        _ => "something that is no text",
    }
}

fn content(text: String) -> Content {
    if text.trim_start().starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str(&text)
    {
        return Content::Json(value);
    }
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() < LINES_FROM {
        return Content::Text(text);
    }
    Content::Lines { header: String::new(), lines, footer: String::new(), keep: Keep::HeadTailAndErrors }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_of_every_kind() {
        let of_text = |text: &str| json!({"type": "text", "text": text});
        let said = |status, text: &str| ToolOutput::of(status, Content::Text(text.to_owned()));
        use ToolStatus::{Error, NoData, Success};
        for (result, expected) in [
            (json!({"content": [of_text("a"), of_text("b")]}), said(Success, "a\nb")),
            (
                json!({"content": [of_text(" {\"a\": 1}")], "structuredContent": {"b": 2}}),
                ToolOutput::json(json!({"a": 1})),
            ),
            (json!({"content": [of_text("{not json")]}), said(Success, "{not json")),
            (json!({"content": [], "structuredContent": {"b": 2}}), ToolOutput::json(json!({"b": 2}))),
            (json!({"content": [of_text("no such board")], "isError": true}), said(Error, "no such board")),
            (json!({"isError": true}), said(Error, "the tool failed and says no more; use another one")),
            (json!({"content": []}), said(NoData, "the answer holds no text")),
            (json!(null), said(NoData, "the answer holds no text")),
            (json!({"content": {"type": "text"}}), said(NoData, "the answer holds no text")),
            (json!({"content": [{"type": "resource", "resource": {"text": "x"}}]}), said(Success, "x")),
            (
                json!({"content": [{"type": "resource_link", "uri": "file:///x"}]}),
                said(Success, "(named, not fetched: file:///x)"),
            ),
            (
                json!({"content": [of_text("a"), {"type": "image", "data": "AAAA"}, {"type": "image"}, 7]}),
                said(Success, "a").noting("left out: an image, something that is no text"),
            ),
        ] {
            assert_eq!(output(&result), expected, "{result}");
        }
    }

    #[test]
    fn long_texts_are_lines() {
        let long = "line\n".repeat(LINES_FROM);
        let output = output(&json!({"content": [{"type": "text", "text": long}]}));
        assert!(matches!(output.content, Content::Lines { lines, .. } if lines.len() == LINES_FROM));
    }
}
