//! The reply "fine" of every dialect, whole and streamed.

use base64ct::{Base64, Encoding as _};
use holmesgpt_api::llm::codec::Frame;
use serde_json::{Value, json};

use crate::stubs::provider::{Answer, Asked};

pub(super) fn chat(text: &str) -> Value {
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
           "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
           "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}})
}

/// A stream of chunks, each a piece of its own.
pub(super) fn chat_pieces(texts: &[&str]) -> Vec<Vec<u8>> {
    let chunk = |delta: Value, finish: Value| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
               "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut chunks: Vec<Value> = texts.iter().map(|text| chunk(json!({"content": text}), Value::Null)).collect();
    chunks.push(chunk(json!({}), json!("stop")));
    let mut pieces: Vec<Vec<u8>> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n").into_bytes()).collect();
    let usage = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}});
    pieces.push(format!("data: {usage}\n\n").into_bytes());
    pieces.push(b"data: [DONE]\n\n".to_vec());
    pieces
}

fn sse(events: &[Value]) -> Answer {
    let line =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or("x")).into_bytes();
    Answer::pieces("text/event-stream; charset=utf-8", events.iter().map(line).collect())
}

fn frames(events: &[(&str, Value)]) -> Answer {
    let frame = |(event, data): &(&str, Value)| {
        let headers =
            vec![(":event-type".to_owned(), (*event).to_owned()), (":message-type".to_owned(), "event".to_owned())];
        Frame { headers, payload: data.to_string().into_bytes() }.to_bytes()
    };
    Answer::pieces("application/vnd.amazon.eventstream", events.iter().map(frame).collect())
}

fn anthropic_events() -> Vec<Value> {
    vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
               "content": [], "stop_reason": null, "usage": {"input_tokens": 10, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "fine"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ]
}

/// The stream of a response whose one item is one text.
fn response_events(response: &Value) -> Vec<Value> {
    let item = &response["output"][0];
    let part = &item["content"][0];
    let begun = |value: &Value, member: &str, empty: Value| {
        let mut begun = value.clone();
        begun[member] = empty;
        begun
    };
    let mut running = begun(response, "output", json!([]));
    running["status"] = json!("in_progress");
    let place = json!({"item_id": item["id"], "output_index": 0, "content_index": 0});
    let at = |kind: &str, member: &str, value: &Value| {
        let mut event = place.clone();
        event["type"] = json!(kind);
        event[member] = value.clone();
        event
    };
    let mut events = vec![
        json!({"type": "response.created", "response": running}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": begun(item, "content", json!([]))}),
        at("response.content_part.added", "part", &begun(part, "text", json!(""))),
    ];
    for piece in ["fi", "ne"] {
        let mut delta = at("response.output_text.delta", "delta", &json!(piece));
        delta["logprobs"] = json!([]);
        events.push(delta);
    }
    let mut whole = at("response.output_text.done", "text", &part["text"]);
    whole["logprobs"] = json!([]);
    events.extend([
        whole,
        at("response.content_part.done", "part", part),
        json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        json!({"type": "response.completed", "response": response}),
    ]);
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events
}

/// What a provider of this path answers.
pub(super) fn fine(asked: &Asked) -> Answer {
    let path = asked.path.split('?').next().unwrap_or_default();
    let last = path.rsplit(['/', ':']).next().unwrap_or_default();
    let streamed = asked.json()["stream"] == true;
    let claude = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "fine"}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 10, "output_tokens": 2}});
    let response = json!({"id": "resp_1", "object": "response", "status": "completed", "created_at": 1, "model": "m",
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": [],
        "output": [{"type": "message", "id": "m1", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": "fine", "annotations": []}]}],
        "usage": {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12,
                  "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}});
    let gemini = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "fine"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2}});
    let converse = json!({"output": {"message": {"role": "assistant", "content": [{"text": "fine"}]}}, "stopReason": "end_turn",
        "usage": {"inputTokens": 10, "outputTokens": 2, "totalTokens": 12}});
    match last {
        "completions" if streamed => Answer::pieces("text/event-stream", chat_pieces(&["fi", "ne"])),
        "completions" => Answer::json(&chat("fine")),
        "responses" if streamed => sse(&response_events(&response)),
        "responses" => Answer::json(&response),
        "messages" | "streamRawPredict" if streamed => sse(&anthropic_events()),
        "messages" | "rawPredict" | "invoke" => Answer::json(&claude),
        "invoke-with-response-stream" => {
            let wrapped =
                |event: &Value| ("chunk", json!({"bytes": Base64::encode_string(event.to_string().as_bytes())}));
            frames(&anthropic_events().iter().map(wrapped).collect::<Vec<_>>())
        }
        "streamGenerateContent" => sse(&[gemini]),
        "generateContent" => Answer::json(&gemini),
        "converse-stream" => frames(&[
            ("messageStart", json!({"role": "assistant"})),
            ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": "fine"}})),
            ("messageStop", json!({"stopReason": "end_turn"})),
            ("metadata", json!({"usage": converse["usage"]})),
        ]),
        "converse" => Answer::json(&converse),
        _ => Answer::text(404, "no such path"),
    }
}
