//! A tool call written out as text by a model that has not learnt to make one (investigation §2.1 step 4).

use serde_json::Value;

use super::literal;

/// What surrounds such a call in the formats models were trained on.
const TAGS: [(&str, &str); 3] =
    [("<tool_call>", "</tool_call>"), ("<function_call>", "</function_call>"), ("[TOOL_CALL]", "[/TOOL_CALL]")];

/// Name and arguments when the whole text is one object with `name` and `arguments` and nothing else, perhaps in a fence
/// or between tags.
pub fn imitated_call(text: &str) -> Option<(String, String)> {
    let Value::Object(members) = literal::read_whole(bare(text.trim())).ok()? else { return None };
    let known = ["name", "arguments", "id", "type"];
    if !members.keys().all(|name| known.contains(&name.as_str())) {
        return None;
    }
    let name = members.get("name")?.as_str()?.to_owned();
    match members.get("arguments")? {
        arguments @ Value::Object(_) => Some((name, arguments.to_string())),
        Value::String(arguments) => Some((name, arguments.clone())),
        _ => None,
    }
}

fn bare(text: &str) -> &str {
    let inside = TAGS.iter().find_map(|(open, close)| text.strip_prefix(open)?.trim_end().strip_suffix(close));
    let text = inside.unwrap_or(text).trim();
    let fenced = text.strip_prefix("```").and_then(|block| block.strip_suffix("```"));
    match fenced.map(|block| block.split_once('\n').map_or(block, |(_, body)| body)) {
        Some(body) => body.trim(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_that_is_a_call_counts() {
        let call = r#"{"name": "kubectl_describe", "arguments": {"kind": "Pod"}}"#;
        let expected = Some(("kubectl_describe".to_owned(), r#"{"kind":"Pod"}"#.to_owned()));
        for text in [
            call.to_owned(),
            format!("```json\n{call}\n```"),
            format!("```\n{call}```"),
            format!("<tool_call>\n{call}\n</tool_call>"),
            call.replace("{\"name", "{\"type\": \"function\", \"name"),
            call.replace(r#"{"kind": "Pod"}"#, r#""{\"kind\":\"Pod\"}""#),
        ] {
            assert_eq!(imitated_call(&text), expected, "{text}");
        }
        for text in [
            format!("I will look: {call}"),
            format!("{call}\n{call}"),
            r#"{"name": "kubectl_describe"}"#.to_owned(),
            r#"{"name": "x", "arguments": [1]}"#.to_owned(),
            r#"{"name": "x", "arguments": {}, "confidence": 1}"#.to_owned(),
            "```".to_owned(),
            String::new(),
        ] {
            assert_eq!(imitated_call(&text), None, "{text}");
        }
    }
}
