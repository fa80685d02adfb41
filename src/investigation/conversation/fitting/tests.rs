use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::llm::{AssistantMessage, ToolCall};

fn fence() -> Fence {
    Fence::new([9; 16])
}

fn result(call_id: &str, text: &str) -> Message {
    let content = format!("tool=x status=success result_id=r\n{}", fence().wrap("x", text).text);
    Message::result(call_id, content)
}

fn calls(ids: &[String]) -> Message {
    let call = |id: &String| ToolCall { id: id.clone(), name: "x".to_owned(), arguments: "{}".to_owned() };
    Message::Assistant(AssistantMessage { tool_calls: ids.iter().map(call).collect(), ..AssistantMessage::default() })
}

/// A conversation: turns of results (text, key, whether the loop itself answered), feedback last.
fn conversation(turns: &[Vec<(String, u8, bool)>]) -> (Vec<Message>, Vec<ResultMark>) {
    let mut messages = vec![Message::System("rules".repeat(20)), Message::User("task".repeat(20))];
    let mut results = Vec::new();
    for (turn, shown) in turns.iter().enumerate() {
        let ids: Vec<String> = (0..shown.len()).map(|index| format!("call_{turn}_{index}")).collect();
        messages.push(calls(&ids));
        for (id, (text, key, is_refusal)) in ids.iter().zip(shown) {
            if !is_refusal {
                let result_id = format!("r{}", results.len() + 1);
                results.push(ResultMark {
                    message: messages.len(),
                    key: format!("x {key}"),
                    result_id,
                    is_stub: false,
                });
            }
            messages.push(result(id, text));
        }
    }
    messages.push(Message::User("newest feedback".to_owned()));
    (messages, results)
}

fn fit(messages: &mut [Message], results: &mut [ResultMark], chars_max: usize) -> bool {
    Fitting { messages, results, fence: &fence() }.fit(chars_max)
}

/// Everything but the texts of results.
fn frame(messages: &[Message]) -> Vec<Message> {
    let bare = |message: &Message| match message {
        Message::ToolResult { call_id, .. } => Message::result(call_id, ""),
        other => other.clone(),
    };
    messages.iter().map(bare).collect()
}

proptest! {
    #[test]
    fn it_fits_or_says_so_and_nothing_but_results_changes(
        turns in prop::collection::vec(prop::collection::vec(("[a-zü𝄞\n]{0,600}", 0_u8..6, any::<bool>()), 1..5), 0..6),
        chars_max in 0_usize..8_000,
    ) {
        let (mut messages, mut results) = conversation(&turns);
        let before = messages.clone();
        let fits = fit(&mut messages, &mut results, chars_max);
        prop_assert_eq!(fits, size_of_messages(&messages) <= chars_max);
        prop_assert_eq!(frame(&messages), frame(&before));
        if size_of_messages(&before) <= chars_max {
            prop_assert_eq!(&messages, &before);
        }
        let is_marked = |index: usize| results.iter().any(|mark| mark.message == index);
        for (index, message) in messages.iter().enumerate() {
            let Message::ToolResult { content, .. } = message else { continue };
            prop_assert!(is_marked(index) || *message == before[index], "an answer of the loop itself");
            let (open, close) = (content.contains(&fence().opening()), content.contains(&fence().closing()));
            prop_assert!(open == close, "data between delimiters: {}", content);
        }
        let again = messages.clone();
        if fits {
            prop_assert!(fit(&mut messages, &mut results, chars_max));
            prop_assert_eq!(messages, again, "fitting twice is fitting once");
        }
    }

    #[test]
    fn room_for_every_mark_is_enough(count in 1_usize..30, size in 0_usize..5_000) {
        let turn: Vec<(String, u8, bool)> = (0..count).map(|n| ("x".repeat(size), u8::try_from(n).unwrap(), false)).collect();
        let (mut messages, mut results) = conversation(&[turn]);
        let room = size_of_messages(&frame(&messages)) + count * (MARK_CHARS + AROUND);
        prop_assert!(fit(&mut messages, &mut results, room));
    }
}

#[test]
fn everything_that_is_sent_counts() {
    let said =
        |opaque| Message::Assistant(AssistantMessage { text: "x".to_owned(), opaque, ..AssistantMessage::default() });
    let plain = size(&said(None));
    assert!(
        size(&said(Some(json!({"reasoning_content": "r".repeat(10_000)})))) > plain + 10_000,
        "reasoning is sent back"
    );
    assert!(size(&calls(&["i".repeat(3_000)])) > 3_000, "so are ids");
    let tool =
        ToolDefinition { name: "x".into(), description: "d".repeat(500), parameters: json!({"type": "object"}).into() };
    assert!(size_of_tools(&[tool]) > 500, "and the tools");
}

#[test]
fn answers_of_the_loop_itself_do_not_take_the_room_of_results_twice() {
    let turn = vec![("refused ".repeat(200), 0, true), ("y".repeat(4_000), 1, false)];
    let (mut messages, mut results) = conversation(&[turn]);
    assert!(fit(&mut messages, &mut results, 3_000), "shortening one result is enough");
}
