//! What is asked, in each dialect. The golden files are what a provider's documentation can be held against.

use serde_json::{Value, json};

use crate::llm::codec::order::Order;
use crate::llm::codec::{Dialect, Effort, Parameters, Reasoning};
use crate::llm::{
    AnswerSchema, AssistantMessage, ChatRequest, Message, TextForm, ToolCall, ToolChoice, ToolDefinition,
};

fn model(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => "gpt-5.2",
        Dialect::Anthropic(_) => "claude-sonnet-4-5",
        Dialect::Gemini => "gemini-3-pro",
        Dialect::BedrockConverse => "eu.anthropic.claude-sonnet-4-5-v1:0",
    }
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
}

fn tools() -> Vec<ToolDefinition> {
    let tool = |name: &str| ToolDefinition {
        name: name.into(),
        description: format!("runs {name}"),
        parameters: json!({"type": "object", "properties": {"kind": {"type": "string"}}, "required": ["kind"]}).into(),
    };
    vec![tool("kubectl_describe"), tool("submit_result")]
}

fn asked() -> Vec<Message> {
    vec![Message::System("rules".into()), Message::User("incident".into())]
}

fn with_results() -> Vec<Message> {
    let calls = vec![call("a1", "kubectl_describe", "{\"kind\":\"Pod\"}"), call("a2", "made up", "no object")];
    let failed = Message::ToolResult { call_id: "a2".into(), content: "status=error".into(), is_error: true };
    let said = AssistantMessage { text: "Looking.".into(), tool_calls: calls, ..AssistantMessage::default() };
    let mut messages = asked();
    messages.extend([Message::Assistant(said), Message::result("a1", "Pod web"), failed]);
    messages
}

/// What the dialect itself gave, in the form it keeps it.
fn opaque(dialect: Dialect) -> Option<Value> {
    let kept = |block: Value| {
        let mut order = Order::default();
        order.opaque(&block);
        order.text();
        order.call();
        order.finish()
    };
    match dialect {
        Dialect::OpenAiChat => Some(json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]})),
        Dialect::OpenAiResponses => {
            kept(json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}))
        }
        Dialect::Anthropic(_) => kept(json!({"type": "thinking", "thinking": "hm", "signature": "x=="})),
        Dialect::Gemini => Some(json!([{"text": "Looking."},
            {"functionCall": {"name": "kubectl_describe", "args": {"kind": "Pod"}}, "thoughtSignature": "x=="}])),
        Dialect::BedrockConverse => {
            kept(json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "x=="}}}))
        }
    }
}

fn with_thinking(dialect: Dialect) -> Vec<Message> {
    let said = AssistantMessage {
        text: "Looking.".into(),
        tool_calls: vec![call("a1", "kubectl_describe", "{\"kind\":\"Pod\"}")],
        opaque: opaque(dialect),
        ..AssistantMessage::default()
    };
    let mut messages = asked();
    messages.extend([Message::Assistant(said), Message::result("a1", "Pod web")]);
    messages
}

struct Case {
    name: &'static str,
    messages: Vec<Message>,
    tools: Vec<ToolDefinition>,
    choice: ToolChoice,
    schema: Option<AnswerSchema>,
    parameters: Parameters,
}

impl Case {
    fn new(name: &'static str, messages: Vec<Message>) -> Self {
        let parameters = Parameters { cache_marks: false, ..Parameters::generous() };
        Self { name, messages, tools: Vec::new(), choice: ToolChoice::Auto, schema: None, parameters }
    }

    fn tools(self) -> Self {
        Self { tools: tools(), ..self }
    }
}

fn cases(dialect: Dialect) -> Vec<Case> {
    let schema = json!({"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"],
                        "additionalProperties": false});
    let thinks = Parameters {
        reasoning: Some(Reasoning { effort: Some(Effort::High), budget_tokens: None }),
        streaming: true,
        cache_marks: false,
        ..Parameters::generous()
    };
    let blank = AssistantMessage { text: " ".into(), ..AssistantMessage::default() };
    let mut with_blanks = asked();
    let called =
        AssistantMessage { tool_calls: vec![call("a1", "kubectl_describe", "")], ..AssistantMessage::default() };
    with_blanks.extend([
        Message::Assistant(blank),
        Message::User("again".into()),
        Message::Assistant(called),
        Message::result("a1", " "),
        Message::User(String::new()),
    ]);
    vec![
        Case {
            parameters: Parameters { temperature: Some(0.2), cache_marks: false, ..Parameters::generous() },
            ..Case::new("plain", asked())
        },
        Case::new("tools", asked()).tools(),
        Case::new("parallel_results", with_results()).tools(),
        Case { choice: ToolChoice::Named("submit_result".into()), ..Case::new("forced_choice", asked()).tools() },
        Case { choice: ToolChoice::Required, ..Case::new("some_choice", asked()).tools() },
        Case { schema: Some(AnswerSchema { name: "answer", schema }), ..Case::new("schema", asked()).tools() },
        Case { parameters: Parameters::generous(), ..Case::new("cached_prefix", with_results()).tools() },
        Case { parameters: thinks, ..Case::new("thinking_replay", with_thinking(dialect)).tools() },
        Case::new(
            "unicode",
            vec![Message::System("règles".into()), Message::User("Ünïcode 🦀 \u{2028} \"quoted\"".into())],
        ),
        Case::new("empty_text", with_blanks).tools(),
        Case::new("no_tools_left", with_results()),
    ]
}

#[test]
fn request_bodies_are_the_golden_ones() {
    for dialect in Dialect::ALL {
        for case in cases(dialect) {
            let request = ChatRequest {
                messages: &case.messages,
                tools: &case.tools,
                tool_choice: case.choice,
                output_tokens_max: Some(4_000),
                form: case.schema.as_ref().map_or(TextForm::Free, TextForm::Schema),
            };
            let body = dialect.encode(model(dialect), &request, &case.parameters);
            insta::assert_json_snapshot!(format!("{}__{}", dialect.as_str(), case.name), body);
        }
    }
}

/// What every dialect owes its provider, whatever the conversation.
#[test]
fn a_refused_parameter_stays_out_of_every_dialect() {
    let bare = Parameters::default();
    for dialect in Dialect::ALL {
        let (messages, tools) = (asked(), tools());
        let answer = AnswerSchema { name: "answer", schema: json!({"type": "object"}) };
        let request = ChatRequest {
            messages: &messages,
            tools: &tools,
            tool_choice: ToolChoice::Named("submit_result".into()),
            output_tokens_max: None,
            form: TextForm::Schema(&answer),
        };
        let text = dialect.encode(model(dialect), &request, &bare).to_string();
        for member in [
            "temperature",
            "cache",
            "stream",
            "format",
            "Format",
            "schema\"",
            "thinking",
            "\"ANY\"",
            "required\"}",
            "parallel",
        ] {
            let is_tool_schema = member == "schema\"" && text.contains("input_schema\"");
            assert!(!text.contains(member) || is_tool_schema, "{}: {member} in {text}", dialect.as_str());
        }
    }
}
