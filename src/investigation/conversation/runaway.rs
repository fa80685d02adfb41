//! The guard against a model that goes on with what fails (`investigation.max_repeated_failures`). Budgets alone would let it
//! spend a whole phase on one hopeless call.
//!
//! One and the same call fails when its tool answers with an error, when its arguments do not fit, and when it is refused
//! because it was made before. After so many turns with such a failure it is not run any more and the model is told; asked for
//! once more, the next turn is the last of its phase.

use std::collections::HashMap;

use super::calls::canonical;
use crate::llm::ToolCall;
use crate::tools::arguments;

/// Failures of one phase, by call.
#[derive(Debug)]
pub(super) struct Runaway {
    failures_max: u32,
    failed: HashMap<String, Failed>,
    is_over: bool,
}

#[derive(Debug)]
struct Failed {
    turns: u32,
    last_turn: u32,
}

impl Runaway {
    pub(super) fn new(failures_max: u32) -> Self {
        Self { failures_max, failed: HashMap::new(), is_over: false }
    }

    /// What is told instead of running a call that failed too often.
    pub(super) fn refusal(&self, call: &ToolCall) -> Option<String> {
        let failed = self.failed.get(&key(call)).filter(|failed| failed.turns >= self.failures_max)?;
        Some(format!(
            "this very call failed in {} turns and is not run any more: submit your answer with what you know",
            failed.turns
        ))
    }

    /// The call failed in this turn. Several times in one message count once.
    pub(super) fn failed(&mut self, call: &ToolCall, turn: u32) {
        let failed = self.failed.entry(key(call)).or_insert(Failed { turns: 0, last_turn: 0 });
        if failed.last_turn != turn {
            (failed.turns, failed.last_turn) = (failed.turns + 1, turn);
        }
        self.is_over |= failed.turns > self.failures_max;
    }

    /// The model asked once more for what is not run any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Earlier turns are no longer in the conversation.
    pub(super) fn forget(&mut self) {
        self.failed.clear();
    }
}

/// The same for the same tool and arguments, whatever case, order of members and spaces.
fn key(call: &ToolCall) -> String {
    let arguments = match arguments::parse(&call.arguments) {
        Ok(read) => canonical(&read),
        Err(_) => call.arguments.trim().to_owned(),
    };
    format!("{} {arguments}", call.name.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: "c".into(), name: name.into(), arguments: arguments.into() }
    }

    #[test]
    fn the_same_call_is_refused_after_its_failures_and_ends_the_phase_when_asked_for_again() {
        let mut guard = Runaway::new(2);
        let (same, spelt) = (call("look", r#"{"a": 1, "b": 2}"#), call(" Look", r#"{"b":2,"a":1}"#));
        guard.failed(&same, 1);
        guard.failed(&spelt, 1);
        assert_eq!(guard.refusal(&same), None, "one message counts once");
        guard.failed(&call("look", r#"{"a": 2}"#), 2);
        assert_eq!(guard.refusal(&spelt), None, "another call is another call");
        guard.failed(&spelt, 2);
        assert!(guard.refusal(&same).is_some_and(|told| told.contains("failed in 2 turns")));
        assert!(!guard.is_over());
        guard.failed(&same, 3);
        assert!(guard.is_over());
    }

    #[test]
    fn unreadable_arguments_are_told_apart_and_a_condensed_conversation_starts_anew() {
        let mut guard = Runaway::new(1);
        guard.failed(&call("look", "{broken"), 1);
        assert!(guard.refusal(&call("look", " {broken")).is_some());
        assert!(guard.refusal(&call("look", "{other")).is_none());
        guard.forget();
        assert!(guard.refusal(&call("look", "{broken")).is_none());
    }
}
