//! Every dialect side by side: request bodies as golden files, replies and streams that mean the same.

mod hostile;
mod replies;
mod requests;

use serde_json::json;

use super::model_of;

#[test]
fn who_answered_is_told_where_it_is_said() {
    let long = "m".repeat(500);
    let cases = [
        (json!({"model": "gpt-4o-2024-08-06", "choices": []}), Some("gpt-4o-2024-08-06")),
        (json!({"type": "message_start", "message": {"model": "claude-1"}}), Some("claude-1")),
        (json!({"type": "response.created", "response": {"model": "o3"}}), Some("o3")),
        (json!({"modelVersion": "gemini-2", "candidates": []}), Some("gemini-2")),
        (json!({"model": ""}), None),
        (json!({"output": {}}), None),
        (json!({"model": long}), long.get(..128)),
    ];
    for (data, expected) in cases {
        assert_eq!(model_of(&data).as_deref(), expected, "{data}");
    }
}
