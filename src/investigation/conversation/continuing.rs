//! One conversation for both phases (`investigation.selection.conversation: continue`, investigation §1.5.3): the choice of a
//! workflow is asked for where the search for the cause ended, by the same model.

use super::{Conversation, fitting, text_of};
use crate::llm::Message;

/// What a conversation leaves to the one that continues it.
#[derive(Debug)]
pub(in crate::investigation) struct Transcript {
    messages: Vec<Message>,
    results: Vec<fitting::ResultMark>,
    gauge: fitting::Gauge,
}

impl Conversation<'_> {
    /// Everything that was said.
    pub(in crate::investigation) fn into_transcript(self) -> Transcript {
        Transcript { messages: self.messages, results: self.results, gauge: self.gauge }
    }

    /// Stands where the other one ended; the own beginning, rules and task, is one further message. Budgets are the own.
    #[must_use]
    pub(in crate::investigation) fn continuing(mut self, earlier: Transcript) -> Self {
        let begun = std::mem::replace(&mut self.messages, earlier.messages);
        (self.results, self.gauge) = (earlier.results, earlier.gauge);
        let task: Vec<&str> = begun.iter().map(text_of).collect();
        self.task = self.messages.len();
        self.push(Message::User(task.join("\n\n")));
        self
    }
}
