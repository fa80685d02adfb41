//! Whatever comes, nothing panics.

use proptest::prelude::*;
use serde_json::Value;

use super::replies::{events, fold, streamed};
use crate::llm::ChatReply;
use crate::llm::codec::{Dialect, Fold, StreamError};

/// JSON of any shape whose member names are those the codecs look for.
fn hostile() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "choices",
        "message",
        "delta",
        "tool_calls",
        "index",
        "id",
        "function",
        "name",
        "arguments",
        "content",
        "type",
        "text",
        "input",
        "output",
        "usage",
        "candidates",
        "parts",
        "functionCall",
        "args",
        "finishReason",
        "stop_reason",
        "content_block",
        "partial_json",
        "response",
        "contentBlockIndex",
        "start",
        "toolUse",
        "reasoningContent",
        "error",
        "bytes",
        "thought",
        "thoughtSignature",
        "signature",
        "usageMetadata",
        "call_id",
        "encrypted_content",
    ]);
    let words = prop::sample::select(vec![
        "text",
        "tool_use",
        "thinking",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "message_stop",
        "response.completed",
        "reasoning",
        "function_call",
        "message",
        "error",
        "",
        "{",
        "{}",
        "ü",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..5)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

fn any_dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(Dialect::ALL.to_vec())
}

proptest! {
    #[test]
    fn hostile_values_never_panic(dialect in any_dialect(), body in hostile(), events in prop::collection::vec(hostile(), 0..6)) {
        let _ = dialect.decode(&body);
        let events: Vec<(&'static str, Value)> = events.into_iter().map(|data| ("contentBlockDelta", data)).collect();
        let bytes = streamed(dialect, &events);
        prop_assert_eq!(fold(dialect, &bytes, 1), fold(dialect, &bytes, bytes.len().max(1)));
    }

    #[test]
    fn hostile_bytes_never_panic(dialect in any_dialect(), bytes in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
        let _ = fold(dialect, &bytes, 3);
        let mut changed = streamed(dialect, &events(dialect));
        let index = at.index(changed.len());
        changed[index] = bytes.first().copied().unwrap_or_default();
        let _: Result<ChatReply, StreamError> = fold(dialect, &changed, 11);
        let mut twice: Fold = dialect.fold();
        let _ = twice.push(&changed);
        let _ = twice.push(&changed);
        let _ = twice.finish();
    }
}
