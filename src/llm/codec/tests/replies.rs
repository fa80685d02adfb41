//! What is answered: the same reply in every dialect, whole and streamed, is the same value.

use base64ct::{Base64, Encoding as _};
use serde_json::{Value, json};

use crate::llm::codec::anthropic::Host;
use crate::llm::codec::{Dialect, Frame, StreamError};
use crate::llm::{ChatReply, FinishReason, ToolCall, Usage};

/// One reply with text, two calls and every count there is.
fn whole(dialect: Dialect) -> Value {
    match dialect {
        Dialect::OpenAiChat => {
            json!({"id": "chatcmpl-1", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": "Lööking.", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "kubectl_describe", "arguments": "{\"kind\":\"Pod\"}"}},
                {"id": "c2", "type": "function", "function": {"name": "kubectl_events", "arguments": "{}"}}]}}],
            "usage": {"prompt_tokens": 900, "completion_tokens": 80, "prompt_tokens_details": {"cached_tokens": 600}}})
        }
        Dialect::OpenAiResponses => json!({"id": "resp_1", "status": "completed", "output": [
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Lööking."}]},
                {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "kubectl_describe", "arguments": "{\"kind\":\"Pod\"}"},
                {"type": "function_call", "id": "fc_2", "call_id": "c2", "name": "kubectl_events", "arguments": "{}"}],
            "usage": {"input_tokens": 900, "output_tokens": 80, "input_tokens_details": {"cached_tokens": 600}}}),
        Dialect::Anthropic(_) => {
            json!({"id": "msg_1", "type": "message", "role": "assistant", "stop_reason": "tool_use", "content": [
                {"type": "text", "text": "Lööking."},
                {"type": "tool_use", "id": "c1", "name": "kubectl_describe", "input": {"kind": "Pod"}},
                {"type": "tool_use", "id": "c2", "name": "kubectl_events", "input": {}}],
            "usage": {"input_tokens": 300, "cache_read_input_tokens": 600, "cache_creation_input_tokens": 0, "output_tokens": 80}})
        }
        Dialect::Gemini => json!({"candidates": [{"finishReason": "STOP", "content": {"role": "model", "parts": [
                {"text": "Lööking."},
                {"functionCall": {"id": "c1", "name": "kubectl_describe", "args": {"kind": "Pod"}}},
                {"functionCall": {"id": "c2", "name": "kubectl_events", "args": {}}}]}}],
            "usageMetadata": {"promptTokenCount": 900, "cachedContentTokenCount": 600, "candidatesTokenCount": 80}}),
        Dialect::BedrockConverse => json!({"output": {"message": {"role": "assistant", "content": [
                {"text": "Lööking."},
                {"toolUse": {"toolUseId": "c1", "name": "kubectl_describe", "input": {"kind": "Pod"}}},
                {"toolUse": {"toolUseId": "c2", "name": "kubectl_events", "input": {}}}]}}, "stopReason": "tool_use",
            "usage": {"inputTokens": 300, "cacheReadInputTokens": 600, "cacheWriteInputTokens": 0, "outputTokens": 80}}),
    }
}

fn chat_events() -> Vec<(&'static str, Value)> {
    let chunk = |delta: Value| {
        ("", json!({"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]}))
    };
    vec![
        chunk(json!({"role": "assistant", "content": ""})),
        chunk(json!({"content": "Löö"})),
        chunk(json!({"content": "king."})),
        chunk(
            json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "kubectl_describe", "arguments": ""}}]}),
        ),
        chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"kind\":"}}]})),
        chunk(
            json!({"tool_calls": [{"index": 1, "id": "c2", "type": "function", "function": {"name": "kubectl_events", "arguments": "{}"}},
                                            {"index": 0, "function": {"arguments": "\"Pod\"}"}}]}),
        ),
        ("", json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})),
        ("", json!({"choices": [], "usage": whole(Dialect::OpenAiChat)["usage"]})),
    ]
}

fn anthropic_events() -> Vec<(&'static str, Value)> {
    let delta = |index: u64, delta: Value| {
        ("content_block_delta", json!({"type": "content_block_delta", "index": index, "delta": delta}))
    };
    let start = |index: u64, block: Value| {
        ("content_block_start", json!({"type": "content_block_start", "index": index, "content_block": block}))
    };
    vec![
        (
            "message_start",
            json!({"type": "message_start", "message": {"id": "msg_1", "content": [], "usage":
                    {"input_tokens": 300, "cache_read_input_tokens": 600, "cache_creation_input_tokens": 0, "output_tokens": 1}}}),
        ),
        start(0, json!({"type": "text", "text": ""})),
        ("ping", json!({"type": "ping"})),
        delta(0, json!({"type": "text_delta", "text": "Löö"})),
        delta(0, json!({"type": "text_delta", "text": "king."})),
        ("content_block_stop", json!({"type": "content_block_stop", "index": 0})),
        start(1, json!({"type": "tool_use", "id": "c1", "name": "kubectl_describe", "input": {}})),
        delta(1, json!({"type": "input_json_delta", "partial_json": ""})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "{\"kind\": \"P"})),
        delta(1, json!({"type": "input_json_delta", "partial_json": "od\"}"})),
        start(2, json!({"type": "tool_use", "id": "c2", "name": "kubectl_events", "input": {}})),
        (
            "message_delta",
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 80}}),
        ),
        ("message_stop", json!({"type": "message_stop"})),
    ]
}

/// The events of the same reply.
pub(super) fn events(dialect: Dialect) -> Vec<(&'static str, Value)> {
    match dialect {
        Dialect::OpenAiChat => chat_events(),
        Dialect::OpenAiResponses => vec![
            (
                "response.created",
                json!({"type": "response.created", "response": {"status": "in_progress", "output": []}}),
            ),
            ("response.output_text.delta", json!({"type": "response.output_text.delta", "delta": "Löö"})),
            ("response.output_text.delta", json!({"type": "response.output_text.delta", "delta": "king."})),
            ("response.completed", json!({"type": "response.completed", "response": whole(dialect)})),
        ],
        Dialect::Anthropic(_) => anthropic_events(),
        Dialect::Gemini => {
            let part = |part: Value| {
                (
                    "",
                    json!({"candidates": [{"content": {"role": "model", "parts": [part]}}], "usageMetadata": {"promptTokenCount": 900}}),
                )
            };
            vec![
                part(json!({"text": "Löö"})),
                part(json!({"text": "king."})),
                part(whole(dialect)["candidates"][0]["content"]["parts"][1].clone()),
                (
                    "",
                    json!({"candidates": [{"finishReason": "STOP", "content": {"parts": [whole(dialect)["candidates"][0]["content"]["parts"][2]]}}],
                            "usageMetadata": whole(dialect)["usageMetadata"]}),
                ),
            ]
        }
        Dialect::BedrockConverse => {
            let delta =
                |index: u64, delta: Value| ("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
            let start = |index: u64, id: &str, name: &str| {
                (
                    "contentBlockStart",
                    json!({"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": id, "name": name}}}),
                )
            };
            vec![
                ("messageStart", json!({"role": "assistant"})),
                delta(0, json!({"text": "Löö"})),
                delta(0, json!({"text": "king."})),
                ("contentBlockStop", json!({"contentBlockIndex": 0})),
                start(1, "c1", "kubectl_describe"),
                delta(1, json!({"toolUse": {"input": "{\"kind\":"}})),
                delta(1, json!({"toolUse": {"input": "\"Pod\"}"}})),
                start(2, "c2", "kubectl_events"),
                ("messageStop", json!({"stopReason": "tool_use"})),
                ("metadata", json!({"usage": whole(dialect)["usage"], "metrics": {"latencyMs": 7}})),
            ]
        }
    }
}

/// The events on the wire.
pub(super) fn streamed(dialect: Dialect, events: &[(&'static str, Value)]) -> Vec<u8> {
    let frame = |event: &str, payload: String| {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Frame { headers: vec![header(":event-type", event), header(":message-type", "event")], payload: payload.into() }
            .to_bytes()
    };
    let on_the_wire = |(event, data): &(&'static str, Value)| match dialect {
        Dialect::BedrockConverse => frame(event, data.to_string()),
        Dialect::Anthropic(Host::Bedrock) => {
            let bytes = Base64::encode_string(data.to_string().as_bytes());
            frame("chunk", json!({"bytes": bytes, "p": "abcdef"}).to_string())
        }
        _ if event.is_empty() => format!("data: {data}\n\n").into_bytes(),
        _ => format!("event: {event}\r\ndata: {data}\r\n\r\n").into_bytes(),
    };
    let mut bytes: Vec<u8> = events.iter().flat_map(on_the_wire).collect();
    if dialect == Dialect::OpenAiChat {
        bytes.extend_from_slice(b": keep-alive\n\ndata: [DONE]\n\n");
    }
    bytes
}

pub(super) fn fold(dialect: Dialect, bytes: &[u8], cut: usize) -> Result<ChatReply, StreamError> {
    let mut fold = dialect.fold();
    for bytes in bytes.chunks(cut) {
        fold.push(bytes)?;
    }
    fold.finish()
}

#[test]
fn the_same_reply_is_the_same_value_in_every_dialect() {
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    for dialect in Dialect::ALL {
        let reply = dialect.decode(&whole(dialect)).unwrap();
        assert_eq!(reply.message.text, "Lööking.", "{dialect:?}");
        let calls = [call("c1", "kubectl_describe", "{\"kind\":\"Pod\"}"), call("c2", "kubectl_events", "{}")];
        assert_eq!(reply.message.tool_calls, calls, "{dialect:?}");
        assert_eq!((reply.finish, reply.message.opaque), (FinishReason::ToolCalls, None), "{dialect:?}");
        let usage = Usage { prompt_tokens: 900, cached_tokens: 600, completion_tokens: 80, ..Usage::default() };
        assert_eq!(reply.usage, usage, "{dialect:?}");
    }
}

#[test]
fn a_stream_is_the_whole_reply_however_it_is_cut() {
    for dialect in Dialect::ALL {
        let bytes = streamed(dialect, &events(dialect));
        let expected = dialect.decode(&whole(dialect)).unwrap();
        for cut in [1, 2, 7, 64, 1_000, bytes.len()] {
            assert_eq!(fold(dialect, &bytes, cut).as_ref(), Ok(&expected), "{dialect:?}, {cut} bytes at a time");
        }
        let mut watched = dialect.fold();
        watched.push(&bytes).unwrap();
        assert_eq!(watched.text(), "Lööking.", "{dialect:?}");
    }
}

#[test]
fn a_stream_that_ends_too_early_is_no_reply() {
    for dialect in Dialect::ALL {
        let events = events(dialect);
        for kept in 0..events.len() - 2 {
            let bytes = streamed(dialect, &events[..kept]);
            let without_end = bytes.strip_suffix(b"data: [DONE]\n\n").unwrap_or(&bytes);
            assert!(fold(dialect, without_end, 16).is_err(), "{dialect:?} after {kept} events");
        }
        let bytes = streamed(dialect, &events);
        assert!(fold(dialect, &bytes[..bytes.len() / 2], 16).is_err(), "{dialect:?}, half");
    }
}

#[test]
fn reasoning_comes_back_as_it_was_whole_and_streamed() {
    let cases = [
        (
            Dialect::Anthropic(Host::Native),
            vec![
                json!({"type": "message_start", "message": {"usage": {"input_tokens": 1}}}),
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "h"}}),
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "m"}}),
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "x=="}}),
                json!({"type": "content_block_start", "index": 1, "content_block": {"type": "redacted_thinking", "data": "secret"}}),
                json!({"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": "done"}}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
                json!({"type": "message_stop"}),
            ],
            json!([{"type": "thinking", "thinking": "hm", "signature": "x=="}, {"type": "redacted_thinking", "data": "secret"}, "text"]),
        ),
        (
            Dialect::Gemini,
            vec![
                json!({"candidates": [{"content": {"parts": [{"text": "h", "thought": true}]}}]}),
                json!({"candidates": [{"content": {"parts": [{"text": "m", "thought": true}]}}]}),
                json!({"candidates": [{"content": {"parts": [{"text": "do"}]}}]}),
                json!({"candidates": [{"content": {"parts": [{"text": "ne", "thoughtSignature": "x=="}]}, "finishReason": "STOP"}]}),
            ],
            json!([{"text": "hm", "thought": true}, {"text": "done", "thoughtSignature": "x=="}]),
        ),
        (
            Dialect::OpenAiChat,
            vec![
                json!({"choices": [{"delta": {"reasoning_content": "h", "reasoning_details": [{"data": "a"}]}}]}),
                json!({"choices": [{"delta": {"reasoning_content": "m", "reasoning_details": [{"data": "b"}]}}]}),
                json!({"choices": [{"delta": {"content": "done"}, "finish_reason": "stop"}]}),
            ],
            json!({"reasoning_content": "hm", "reasoning_details": [{"data": "a"}, {"data": "b"}]}),
        ),
        (
            Dialect::OpenAiResponses,
            vec![json!({"type": "response.completed", "response": {"status": "completed", "output": [
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
                {"type": "message", "content": [{"type": "output_text", "text": "done"}]}]}})],
            json!([{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}, "text"]),
        ),
    ];
    for (dialect, events, expected) in cases {
        let events: Vec<(&str, Value)> = events.into_iter().map(|data| ("", data)).collect();
        let reply = fold(dialect, &streamed(dialect, &events), 5).unwrap();
        assert_eq!(reply.message.text, "done", "{dialect:?}");
        assert_eq!(reply.message.opaque, Some(expected), "{dialect:?}");
    }
    let events = [
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "h"}}})),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "m"}}})),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "x=="}}})),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "eA=="}}}),
        ),
        ("contentBlockDelta", json!({"contentBlockIndex": 2, "delta": {"text": "done"}})),
        ("messageStop", json!({"stopReason": "end_turn"})),
    ];
    let reply = fold(Dialect::BedrockConverse, &streamed(Dialect::BedrockConverse, &events), 5).unwrap();
    let expected = json!([{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "x=="}}},
                          {"reasoningContent": {"redactedContent": "eA=="}}, "text"]);
    assert_eq!(reply.message.opaque, Some(expected));
}

#[test]
fn why_a_model_stopped() {
    use FinishReason::{Length, Refusal, Stop};
    let said = |dialect: Dialect, reason: &str| match dialect {
        Dialect::OpenAiChat => json!({"choices": [{"message": {"content": "x"}, "finish_reason": reason}]}),
        Dialect::OpenAiResponses => {
            json!({"output": [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}],
            "incomplete_details": {"reason": reason}})
        }
        Dialect::Anthropic(_) => json!({"content": [{"type": "text", "text": "x"}], "stop_reason": reason}),
        Dialect::Gemini => json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": reason}]}),
        Dialect::BedrockConverse => json!({"output": {"message": {"content": [{"text": "x"}]}}, "stopReason": reason}),
    };
    for (dialect, reason, finish) in [
        (Dialect::OpenAiResponses, "max_output_tokens", Length),
        (Dialect::OpenAiResponses, "content_filter", Refusal),
        (Dialect::Anthropic(Host::Native), "end_turn", Stop),
        (Dialect::Anthropic(Host::Native), "max_tokens", Length),
        (Dialect::Anthropic(Host::Native), "refusal", Refusal),
        (Dialect::Anthropic(Host::Native), "pause_turn", FinishReason::Other("pause_turn".into())),
        (Dialect::Gemini, "STOP", Stop),
        (Dialect::Gemini, "MAX_TOKENS", Length),
        (Dialect::Gemini, "SAFETY", Refusal),
        (Dialect::Gemini, "MALFORMED_FUNCTION_CALL", FinishReason::Other("MALFORMED_FUNCTION_CALL".into())),
        (Dialect::BedrockConverse, "end_turn", Stop),
        (Dialect::BedrockConverse, "max_tokens", Length),
        (Dialect::BedrockConverse, "guardrail_intervened", Refusal),
    ] {
        assert_eq!(dialect.decode(&said(dialect, reason)).unwrap().finish, finish, "{dialect:?} {reason}");
    }
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    assert_eq!(Dialect::Gemini.decode(&blocked).unwrap().finish, Refusal);
    let refused = json!({"output": [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]});
    assert_eq!(Dialect::OpenAiResponses.decode(&refused).unwrap().finish, Refusal);
}

#[test]
fn a_provider_that_gives_up_in_the_middle_is_told_by_its_word() {
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "sk-secret"}});
    let chat = json!({"error": {"message": "sk-secret", "type": "server_error", "code": 500}});
    let failed = json!({"type": "response.failed", "response": {"error": {"code": "rate_limit_exceeded", "message": "sk-secret"}}});
    let gemini = json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "sk-secret"}});
    for (dialect, data, word) in [
        (Dialect::Anthropic(Host::Native), overloaded.clone(), "overloaded_error"),
        (Dialect::Anthropic(Host::Bedrock), overloaded, "overloaded_error"),
        (Dialect::OpenAiChat, chat, "server_error 500"),
        (Dialect::OpenAiResponses, failed, "rate_limit_exceeded"),
        (Dialect::Gemini, gemini, "UNAVAILABLE 503"),
    ] {
        let bytes = streamed(dialect, &[("", data)]);
        assert_eq!(fold(dialect, &bytes, 9), Err(StreamError::Provider(word.to_owned())), "{dialect:?}");
    }
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let exception = Frame {
        headers: vec![header(":message-type", "exception"), header(":exception-type", "throttlingException")],
        payload: b"{\"message\":\"sk-secret\"}".to_vec(),
    };
    let told = fold(Dialect::BedrockConverse, &exception.to_bytes(), 9);
    assert_eq!(told, Err(StreamError::Provider("throttlingException".to_owned())));
}

#[test]
fn what_is_no_reply_is_refused_without_repeating_it() {
    for dialect in Dialect::ALL {
        for body in
            [json!({}), json!("secret"), json!(null), json!([1]), json!({"choices": "secret", "output": "secret"})]
        {
            let error = dialect.decode(&body).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
