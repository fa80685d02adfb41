//! Messages of JSON-RPC as MCP uses it. Pure.

use serde_json::{Value, json};

use crate::redaction::injection;

/// The revision that is asked for.
pub(super) const REVISION: &str = "2025-06-18";
/// Revisions a server may answer with: the messages used here are the same in all of them.
const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", REVISION, "2025-11-25"];
/// Longest message of a server that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 500;
/// Messages of a batch that are looked at.
const BATCH_MAX: usize = 100;
/// JSON-RPC's code for a method that is not there.
const NO_SUCH_METHOD: i64 = -32_601;

/// A refusal in the words of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) message: String,
}

/// What came in while an answer was awaited.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Incoming {
    /// The answer.
    Answer(Result<Value, Refusal>),
    /// The server asked something; what it is told.
    Asked(Value),
    /// Nothing for us: a notification, or an answer to somebody else.
    Other,
}

pub(super) fn request(id: u64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

pub(super) fn notification(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// The first message of a session. Nothing is offered to the server: no sampling, no roots, no questions to people.
pub(super) fn hello() -> Value {
    let client = json!({"name": "holmesgpt-api", "version": env!("CARGO_PKG_VERSION")});
    json!({"protocolVersion": REVISION, "capabilities": {}, "clientInfo": client})
}

/// The revision a server speaks, when it is one we know.
///
/// # Errors
/// What it said instead, in one short line.
pub(super) fn revision(hello: &Value) -> Result<String, String> {
    let given = hello.get("protocolVersion").and_then(Value::as_str).unwrap_or("none");
    if REVISIONS.contains(&given) { Ok(given.to_owned()) } else { Err(injection::field(given, 40)) }
}

/// Reads what came in while the answer to `id` is awaited; a batch is a list. `None` for what is no message.
pub(super) fn incoming(text: &str, id: u64) -> Option<Vec<Incoming>> {
    match serde_json::from_str(text).ok()? {
        Value::Array(items) => Some(items.into_iter().take(BATCH_MAX).map(|item| one(item, id)).collect()),
        value @ Value::Object(_) => Some(vec![one(value, id)]),
        _ => None,
    }
}

fn one(mut message: Value, id: u64) -> Incoming {
    if message.get("method").is_some() {
        let Some(theirs) = message.get("id").filter(|id| id.is_number() || id.is_string()) else {
            return Incoming::Other;
        };
        return Incoming::Asked(match message.get("method").and_then(Value::as_str) {
            Some("ping") => json!({"jsonrpc": "2.0", "id": theirs, "result": {}}),
            _ => {
                let error = json!({"code": NO_SUCH_METHOD, "message": "this client only calls tools"});
                json!({"jsonrpc": "2.0", "id": theirs, "error": error})
            }
        });
    }
    if message.get("id").and_then(Value::as_u64) != Some(id) {
        return Incoming::Other;
    }
    match (message.get_mut("result").map(Value::take), message.get("error")) {
        (_, Some(error)) if !error.is_null() => Incoming::Answer(Err(refusal(error))),
        (Some(result), _) => Incoming::Answer(Ok(result)),
        (None, _) => Incoming::Other,
    }
}

fn refusal(error: &Value) -> Refusal {
    let message = error.get("message").and_then(Value::as_str).unwrap_or("no message");
    Refusal {
        code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
        message: injection::field(message, MESSAGE_CHARS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_survived(text in "\\PC{0,200}", id in any::<u64>(), result in "[a-z\"{}\\[\\]:,]{0,40}") {
            let _ = incoming(&text, id);
            let _ = incoming(&format!("{{\"id\":{id},\"result\":{result}}}"), id);
            let _ = incoming(&format!("[{result}]"), id);
        }
    }

    #[test]
    fn what_comes_in_is_told_apart() {
        let asked = |value: Value| Incoming::Asked(value);
        let refused = |code, message: &str| Incoming::Answer(Err(Refusal { code, message: message.to_owned() }));
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"a":1}}"#, Incoming::Answer(Ok(json!({"a": 1})))),
            (r#"{"id":7,"error":{"code":-32602,"message":"no\nsuch tool"}}"#, refused(-32_602, "no such tool")),
            (r#"{"id":7,"error":{}}"#, refused(0, "no message")),
            (r#"{"id":7,"result":{},"error":null}"#, Incoming::Answer(Ok(json!({})))),
            (r#"{"id":7}"#, Incoming::Other),
            (r#"{"id":8,"result":{}}"#, Incoming::Other),
            (r#"{"id":"7","result":{}}"#, Incoming::Other),
            (r#"{"method":"notifications/message","params":{}}"#, Incoming::Other),
            (r#"{"id":"p1","method":"ping"}"#, asked(json!({"jsonrpc": "2.0", "id": "p1", "result": {}}))),
        ] {
            assert_eq!(incoming(text, 7), Some(vec![expected]), "{text}");
        }
        let Some(told) = incoming(r#"[{"id":1,"method":"sampling/createMessage"},{"id":7,"result":{}}]"#, 7) else {
            panic!("a batch is a list of messages")
        };
        assert!(matches!(&told[0], Incoming::Asked(said) if said["error"]["code"] == -32_601), "{told:?}");
        assert_eq!(told[1], Incoming::Answer(Ok(json!({}))));
        for nonsense in ["", "7", "null", "{", "\"x\""] {
            assert_eq!(incoming(nonsense, 7), None, "{nonsense}");
        }
    }

    #[test]
    fn revisions() {
        for (given, expected) in [
            (json!({"protocolVersion": "2024-11-05"}), Ok("2024-11-05".to_owned())),
            (json!({"protocolVersion": REVISION}), Ok(REVISION.to_owned())),
            (json!({"protocolVersion": "2999-01-01"}), Err("2999-01-01".to_owned())),
            (json!({"protocolVersion": 3}), Err("none".to_owned())),
            (json!({}), Err("none".to_owned())),
        ] {
            assert_eq!(revision(&given), expected, "{given}");
        }
    }
}
