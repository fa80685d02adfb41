use serde_json::json;

use super::*;
use crate::llm::codec::{Unsupported, unsupported_parameter};
use crate::llm::{AnswerSchema, ToolDefinition};

fn parameters() -> Parameters {
    Parameters::generous()
}

#[test]
fn a_conversation_with_parallel_results_encodes_in_order() {
    let call = |id: &str, name: &str| ToolCall { id: id.into(), name: name.into(), arguments: "{}".into() };
    let messages = [
        Message::System("rules".into()),
        Message::User("incident ü".into()),
        Message::Assistant(AssistantMessage {
            text: String::new(),
            tool_calls: vec![call("a", "x"), call("b", "y")],
            opaque: Some(json!({"reasoning_content": "kept"})),
            ..AssistantMessage::default()
        }),
        Message::result("a", "1"),
        Message::result("b", "2"),
    ];
    let tools = [ToolDefinition {
        name: "x".into(),
        description: "reads".into(),
        parameters: json!({"type": "object"}).into(),
    }];
    let request = ChatRequest {
        messages: &messages,
        tools: &tools,
        tool_choice: ToolChoice::Named("x".into()),
        output_tokens_max: Some(900),
        form: TextForm::Free,
    };
    insta::assert_json_snapshot!(encode("gpt-4o", &request, &parameters()));
}

#[test]
fn optional_members_stay_out_unless_asked_for() {
    let request = ChatRequest {
        messages: &[],
        tools: &[],
        tool_choice: ToolChoice::Required,
        output_tokens_max: None,
        form: TextForm::Free,
    };
    assert_eq!(encode("m", &request, &Parameters::default()), json!({"model": "m", "messages": []}));
    let legacy = Parameters { legacy_max_tokens: true, temperature: Some(0.0), ..Parameters::default() };
    let body = encode("m", &ChatRequest { output_tokens_max: Some(5), ..request }, &legacy);
    assert_eq!((&body["max_tokens"], &body["temperature"]), (&json!(5), &json!(0.0)));
}

#[test]
fn a_form_is_asked_for_until_it_is_refused() {
    let answer = AnswerSchema { name: "answer", schema: json!({"type": "object"}) };
    let format = |form: TextForm<'_>, parameters: &Parameters| {
        let request =
            ChatRequest { messages: &[], tools: &[], tool_choice: ToolChoice::Auto, output_tokens_max: None, form };
        encode("m", &request, parameters).get("response_format").cloned()
    };
    let schema = json!({"type": "json_schema", "json_schema":
        {"name": "answer", "schema": {"type": "object"}, "strict": true}});
    assert_eq!(format(TextForm::Schema(&answer), &parameters()), Some(schema));
    assert_eq!(format(TextForm::Json, &parameters()), Some(json!({"type": "json_object"})));
    assert_eq!(format(TextForm::Free, &parameters()), None);
    assert_eq!(format(TextForm::Json, &Parameters { response_format: false, ..parameters() }), None);
    let refused = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model";
    assert_eq!(unsupported_parameter(refused), Some(Unsupported::ResponseFormat));
}

#[test]
fn replies_of_compatible_servers_are_read() {
    let reply = decode(&json!({
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "kubectl_events", "arguments": "{\"kind\":\"Pod\"}"}},
            {"function": {"name": "kubectl_get_yaml", "arguments": {"kind": "Pod"}}},
            {"function": {"arguments": "{}"}},
        ]}}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 100}},
    }))
    .unwrap();
    assert_eq!(reply.finish, FinishReason::ToolCalls);
    assert_eq!(reply.message.tool_calls.len(), 2);
    assert_eq!(
        reply.message.tool_calls[1],
        ToolCall { id: "call_1".into(), name: "kubectl_get_yaml".into(), arguments: "{\"kind\":\"Pod\"}".into() }
    );
    assert_eq!((reply.usage.prompt_tokens, reply.usage.cached_tokens, reply.usage.completion_tokens), (120, 100, 7));
}

#[test]
fn tokens_by_class_whatever_the_server_calls_them() {
    let usage = |usage: Value| {
        let usage = decode(&json!({"choices": [{"message": {"content": "x"}}], "usage": usage})).unwrap().usage;
        [
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.cache_write_tokens,
            usage.completion_tokens,
            usage.reasoning_tokens,
        ]
    };
    for (given, read) in [
        (
            json!({"prompt_tokens": 900, "completion_tokens": 80, "prompt_tokens_details": {"cached_tokens": 512},
                   "completion_tokens_details": {"reasoning_tokens": 60}}),
            [900, 512, 0, 80, 60],
        ),
        (
            json!({"prompt_tokens": 900, "completion_tokens": 80, "prompt_cache_hit_tokens": 640, "prompt_cache_miss_tokens": 260}),
            [900, 640, 0, 80, 0],
        ),
        (
            json!({"prompt_tokens": 900, "completion_tokens": 80, "prompt_tokens_details": {"cached_tokens": 0},
                   "cache_read_input_tokens": 600, "cache_creation_input_tokens": 200}),
            [900, 600, 200, 80, 0],
        ),
        (
            json!({"prompt_tokens": 900, "completion_tokens": 80,
                   "prompt_tokens_details": {"cached_tokens": 300, "cache_write_tokens": 100}}),
            [900, 300, 100, 80, 0],
        ),
        // Counted beside the prompt and beside the answer.
        (
            json!({"prompt_tokens": 100, "completion_tokens": 20, "cache_read_input_tokens": 600,
                   "cache_creation_input_tokens": 200, "completion_tokens_details": {"reasoning_tokens": 60}}),
            [900, 600, 200, 80, 60],
        ),
        (json!({"prompt_tokens": "many", "completion_tokens": null, "cached_tokens": -1}), [0; 5]),
        (Value::Null, [0; 5]),
    ] {
        assert_eq!(usage(given.clone()), read, "{given}");
    }
}

#[test]
fn finish_reasons() {
    let finish = |message: Value, reason: Value| {
        decode(&json!({"choices": [{"message": message, "finish_reason": reason}]})).unwrap().finish
    };
    assert_eq!(finish(json!({"content": "x"}), json!("length")), FinishReason::Length);
    assert_eq!(finish(json!({"content": ""}), json!("content_filter")), FinishReason::Refusal);
    assert_eq!(finish(json!({"content": null, "refusal": "no"}), json!("stop")), FinishReason::Refusal);
    assert_eq!(finish(json!({"content": [{"type": "text", "text": "x"}]}), Value::Null), FinishReason::Stop);
    assert_eq!(finish(json!({"content": "x"}), json!("weird")), FinishReason::Other("weird".into()));
}

#[test]
fn what_is_no_completion_is_refused_without_repeating_it() {
    for body in
        [json!({}), json!({"choices": []}), json!({"choices": [{"message": "secret"}]}), json!("secret"), json!(null)]
    {
        let error = decode(&body).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn complaints_name_the_parameter() {
    let complaint = |text: &str| unsupported_parameter(text);
    assert_eq!(complaint("Unsupported value: 'temperature' does not support 0.7"), Some(Unsupported::Temperature));
    assert_eq!(complaint("Unsupported parameter: 'max_completion_tokens'"), Some(Unsupported::MaxCompletionTokens));
    assert_eq!(complaint("Extra inputs are not permitted: parallel_tool_calls"), Some(Unsupported::ParallelToolCalls));
    assert_eq!(complaint("temperature is pleasant"), None);
    assert_eq!(complaint("messages: unsupported role"), None);
}

#[test]
fn calls_can_be_told_apart_and_sent_back() {
    let call =
        |id: Value, name: &str, arguments: Value| json!({"id": id, "function": {"name": name, "arguments": arguments}});
    let calls = [
        call(json!("call_1"), "a", json!("")),
        call(Value::Null, "functions.get pods\n", json!("{}")),
        call(json!("call_1"), "", json!("{")),
        call(json!(" "), &"x".repeat(100), json!({"k": 1})),
        call(json!("x".repeat(10_000)), "b", Value::Null),
    ];
    let message = json!({"choices": [{"message": {"tool_calls": calls}}]});
    let reply = decode(&message).unwrap();
    let ids: Vec<&str> = reply.message.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["call_1", "call_2", "call_3", "call_4", "call_5"], "distinct, the given one kept");
    assert_eq!(reply.message.tool_calls[1].name, "functions.get pods\n", "as said, for the answer to it");
    let sent = assistant(&reply.message);
    let functions: Vec<&Value> = sent["tool_calls"].as_array().unwrap().iter().map(|call| &call["function"]).collect();
    assert_eq!(functions[0], &json!({"name": "a", "arguments": "{}"}));
    assert_eq!(functions[1]["name"], "functions_get_pods");
    assert_eq!(functions[2], &json!({"name": "_", "arguments": "{"}));
    assert_eq!(functions[3]["name"].as_str().unwrap().len(), 64);
}

#[test]
fn invented_counts_of_tokens_stay_within_reason() {
    let reply = decode(&json!({"choices": [{"message": {"content": "x"}}], "usage": {
        "prompt_tokens": u64::MAX, "completion_tokens": -5, "prompt_tokens_details": {"cached_tokens": "7"}}}));
    let usage = reply.unwrap().usage;
    assert_eq!(usage, Usage { prompt_tokens: 1_000_000_000, ..Usage::default() });
}
