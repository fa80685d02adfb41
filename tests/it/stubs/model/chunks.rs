//! A completion as the events of a stream.

use serde_json::{Value, json};

/// Texts and arguments come in two pieces each; token counts only when they are asked for.
pub(super) fn of(whole: &Value, request: &Value) -> String {
    let choice = &whole["choices"][0];
    let message = choice["message"].as_object().unwrap();
    let mut deltas = vec![json!({"role": "assistant", "content": ""})];
    for (name, value) in message {
        match name.as_str() {
            "role" => {}
            "tool_calls" => deltas.extend(calls(value)),
            _ => match value.as_str().map(halves) {
                Some(halves) => deltas.extend(halves.map(|half| json!({name: half}))),
                None => deltas.push(json!({name: value})),
            },
        }
    }
    let chunk = |delta: Value, finish: &Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        json!({"id": whole["id"], "object": "chat.completion.chunk", "created": whole["created"],
               "model": whole["model"], "choices": [choice]})
    };
    let mut chunks: Vec<Value> = deltas.into_iter().map(|delta| chunk(delta, &Value::Null)).collect();
    chunks.push(chunk(json!({}), &choice["finish_reason"]));
    if request["stream_options"]["include_usage"] == true {
        let mut last = chunk(json!({}), &Value::Null);
        (last["choices"], last["usage"]) = (json!([]), whole["usage"].clone());
        chunks.push(last);
    }
    let lines: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    format!("{lines}data: [DONE]\n\n")
}

fn calls(calls: &Value) -> Vec<Value> {
    let deltas = |(index, call): (usize, &Value)| {
        let [first, second] = halves(call["function"]["arguments"].as_str().unwrap());
        let mut begun = call.clone();
        (begun["index"], begun["function"]["arguments"]) = (index.into(), first.into());
        let more = json!({"index": index, "function": {"arguments": second}});
        [begun, more].map(|call| json!({"tool_calls": [call]}))
    };
    calls.as_array().unwrap().iter().enumerate().flat_map(deltas).collect()
}

fn halves(text: &str) -> [String; 2] {
    let letters: Vec<char> = text.chars().collect();
    let (first, second) = letters.split_at(letters.len() / 2);
    [first, second].map(|letters| letters.iter().collect())
}
