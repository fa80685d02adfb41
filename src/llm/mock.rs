//! The built-in responder: provider `mock` without an endpoint (operations §7.1). Pure, always the same, no network. It takes
//! one look at the object in question with what it is offered, then submits an answer that claims nothing, so that roles,
//! tools and the way of an incident can be tried at no cost and no workflow is ever chosen by it.

use serde_json::{Map, Value, json};

use super::chat::{
    AssistantMessage, ChatReply, ChatRequest, FinishReason, Message, ToolCall, ToolChoice, ToolDefinition, Usage,
};

/// What it says wherever a text is asked for.
const WORDS: &str = "Answered by the built-in mock: nothing was concluded.";
/// Looks taken before it submits.
const LOOKS_MAX: usize = 3;
/// Label of the line that names the object: `namespace/Kind/name`, or `Kind/name`.
const RESOURCE: &str = "- Resource: ";
/// Depth to which a schema is filled in.
const DEPTH_MAX: usize = 16;

/// The answer to a request.
pub(super) fn reply(request: &ChatRequest<'_>) -> ChatReply {
    let said = request.messages.iter().filter(|message| matches!(message, Message::Assistant(_))).count();
    let looks = if said == 0 && request.tool_choice == ToolChoice::Auto { looks(request) } else { Vec::new() };
    let calls = if looks.is_empty() { submission(request).into_iter().collect() } else { looks };
    let number = |(index, (name, arguments)): (usize, (&str, Value))| ToolCall {
        id: format!("mock_{said}_{index}"),
        name: name.to_owned(),
        arguments: arguments.to_string(),
    };
    let tool_calls: Vec<ToolCall> = calls.into_iter().enumerate().map(number).collect();
    let finish = if tool_calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
    let message = AssistantMessage { text: WORDS.to_owned(), tool_calls, ..AssistantMessage::default() };
    ChatReply { message, finish, usage: Usage::default(), model: None, retries: 0 }
}

/// Tools that can be called with the object's own coordinates.
fn looks<'a>(request: &ChatRequest<'a>) -> Vec<(&'a str, Value)> {
    let known = coordinates(request.messages);
    let call = |tool: &'a ToolDefinition| {
        let wanted = required(&tool.parameters);
        let is_look = wanted.contains(&"name") && wanted.iter().all(|name| known.contains_key(*name));
        let arguments =
            || wanted.iter().map(|name| ((*name).to_owned(), known.get(*name).cloned().unwrap_or_default())).collect();
        is_look.then(|| (tool.name.as_str(), Value::Object(arguments())))
    };
    request.tools.iter().filter_map(call).take(LOOKS_MAX).collect()
}

/// What the first message of the user says about the object.
fn coordinates(messages: &[Message]) -> Map<String, Value> {
    let told = messages.iter().find_map(|message| match message {
        Message::User(text) => text.lines().find_map(|line| line.strip_prefix(RESOURCE)),
        _ => None,
    });
    let parts: Vec<&str> = told.unwrap_or_default().trim().split('/').collect();
    let named = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    match parts.as_slice() {
        [namespace, kind, name] => named(&[("namespace", namespace), ("kind", kind), ("name", name)]),
        [kind, name] => named(&[("kind", kind), ("name", name)]),
        _ => Map::new(),
    }
}

/// The tool that ends the phase, with the least its schema takes: the one that is named, else the last one offered, which
/// concludes least.
fn submission<'a>(request: &ChatRequest<'a>) -> Option<(&'a str, Value)> {
    let named = |tool: &&ToolDefinition| match &request.tool_choice {
        ToolChoice::Named(name) => tool.name == *name,
        ToolChoice::Auto | ToolChoice::Required => tool.name.starts_with("submit"),
    };
    let tool = request.tools.iter().rev().find(named)?;
    Some((tool.name.as_str(), least(&tool.parameters, 0)))
}

fn required(schema: &Value) -> Vec<&str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The least value of a schema; of a choice the last word, which claims least where it was written in that order.
fn least(schema: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(last) = schema["enum"].as_array().and_then(|choice| choice.last()) {
        return last.clone();
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    if kinds.contains(&"null") {
        return Value::Null;
    }
    match kinds.first().copied() {
        Some("object") => {
            let member = |name: &str| {
                (
                    name.to_owned(),
                    least(schema.pointer(&format!("/properties/{name}")).unwrap_or(&Value::Null), depth + 1),
                )
            };
            Value::Object(required(schema).into_iter().map(member).collect())
        }
        Some("array") => {
            let count = usize::from(schema["minItems"].as_u64().is_some_and(|least| least > 0));
            vec![least(&schema["items"], depth + 1); count].into()
        }
        Some("number" | "integer") => schema.get("minimum").cloned().unwrap_or(json!(0)),
        Some("boolean") => json!(false),
        _ => json!(WORDS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::TextForm;

    fn tool(name: &str, parameters: Value) -> ToolDefinition {
        ToolDefinition::new(name, "", parameters)
    }

    fn tools() -> Vec<ToolDefinition> {
        vec![
            tool("look", json!({"type": "object", "required": ["kind", "name", "namespace"]})),
            tool("other", json!({"type": "object", "required": ["query"]})),
            tool("everything", json!({"type": "object"})),
            tool("submit_one", json!({"type": "object"})),
            tool(
                "submit_other",
                json!({"type": "object", "required": ["text", "chain", "target", "word", "number", "sure"], "properties": {
                    "text": {"type": "string"}, "chain": {"type": "array", "minItems": 2, "items": {"type": "string"}},
                    "target": {"type": ["object", "null"]}, "word": {"type": "string", "enum": ["much", "little"]},
                    "number": {"type": "number", "minimum": 0}, "sure": {"type": "boolean"}, "more": {"type": "string"}}}),
            ),
        ]
    }

    fn asked(messages: &[Message], tools: &[ToolDefinition], tool_choice: ToolChoice) -> Vec<(String, Value)> {
        let request = ChatRequest { messages, tools, tool_choice, output_tokens_max: None, form: TextForm::Free };
        let calls = reply(&request).message.tool_calls;
        calls.into_iter().map(|call| (call.name, serde_json::from_str(&call.arguments).unwrap())).collect()
    }

    #[test]
    fn it_looks_once_then_submits_what_claims_least() {
        let mut messages =
            vec![Message::System("x".into()), Message::User("A\n- Resource: shop/Pod/cart-1\n- B: c".into())];
        let look = ("look".to_owned(), json!({"kind": "Pod", "name": "cart-1", "namespace": "shop"}));
        assert_eq!(asked(&messages, &tools(), ToolChoice::Auto), vec![look]);
        messages.push(Message::Assistant(AssistantMessage::default()));
        let least =
            json!({"text": WORDS, "chain": [WORDS], "target": null, "word": "little", "number": 0, "sure": false});
        let submitted = vec![("submit_other".to_owned(), least)];
        assert_eq!(asked(&messages, &tools(), ToolChoice::Auto), submitted);
        assert_eq!(asked(&messages[..2], &tools(), ToolChoice::Required), submitted, "it is told not to look");
        let one = vec![("submit_one".to_owned(), json!({}))];
        assert_eq!(asked(&messages, &tools(), ToolChoice::Named("submit_one".into())), one);
    }

    #[test]
    fn without_an_object_or_a_tool_it_has_words_only() {
        let messages = [Message::User("- Resource: a/b/c/d".into())];
        assert_eq!(asked(&messages, &tools()[..3], ToolChoice::Auto), vec![]);
    }
}
