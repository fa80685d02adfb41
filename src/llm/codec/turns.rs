//! Turns of two roles that alternate, for dialects without a role for tool results.

use serde_json::{Value, json};

use crate::llm::chat::{ChatRequest, Message, ToolCall};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    User,
    Assistant,
}

/// Neighbours of one role become one turn; an empty turn is none.
#[derive(Default)]
pub(super) struct Turns {
    turns: Vec<(Role, Vec<Value>)>,
    /// Where the last part stands that later requests repeat as it is: turn and block.
    stable: Option<(usize, usize)>,
}

impl Turns {
    pub(super) fn say(&mut self, role: Role, blocks: Vec<Value>) {
        if blocks.is_empty() {
            return;
        }
        match self.turns.last_mut() {
            Some((last, said)) if *last == role => said.extend(blocks),
            _ => self.turns.push((role, blocks)),
        }
    }

    /// What was said up to here is what later requests begin with.
    pub(super) fn settle(&mut self) {
        let turn = self.turns.len().checked_sub(1);
        let block = self.turns.last().and_then(|(_, blocks)| blocks.len().checked_sub(1));
        self.stable = turn.zip(block).or(self.stable);
    }

    pub(super) fn is_settled(&self) -> bool {
        self.stable.is_some()
    }

    /// The blocks of the settled turn and the place of the last settled one among them.
    pub(super) fn settled(&mut self) -> Option<(&mut Vec<Value>, usize)> {
        let (turn, block) = self.stable?;
        self.turns.get_mut(turn).map(|(_, blocks)| (blocks, block))
    }

    /// `[{role, <content>}]` with these names.
    pub(super) fn into_messages(self, assistant: &str, content: &str) -> Value {
        let message = |(role, blocks): (Role, Vec<Value>)| {
            let role = if role == Role::User { "user" } else { assistant };
            json!({"role": role, content: blocks})
        };
        self.turns.into_iter().map(message).collect()
    }
}

/// Everything the service says before the conversation.
pub(super) fn system_text(request: &ChatRequest<'_>) -> String {
    let texts = request.messages.iter().filter_map(|message| match message {
        Message::System(text) if !text.trim().is_empty() => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

/// Names of the tools the conversation calls, each once: dialects that refuse calls of unknown tools want them declared
/// even when none is offered any more.
pub(super) fn called_names(request: &ChatRequest<'_>) -> Vec<String> {
    let calls = request.messages.iter().flat_map(|message| match message {
        Message::Assistant(said) => said.tool_calls.as_slice(),
        _ => &[],
    });
    let mut names: Vec<String> = Vec::new();
    for name in calls.map(|call| super::names::acceptable(&call.name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What stands as the description of a tool that is only declared.
pub(super) const NOT_OFFERED: &str = "Not available any more; do not call it.";

/// The call a result answers: the newest one with this id before it.
pub(super) fn call_of<'a>(earlier: &'a [Message], call_id: &str) -> Option<&'a ToolCall> {
    earlier.iter().rev().find_map(|message| match message {
        Message::Assistant(said) => said.tool_calls.iter().find(|call| call.id == call_id),
        _ => None,
    })
}
