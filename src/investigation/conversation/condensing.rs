//! Condensing a conversation (investigation §2.6 step 3): when shortening alone would leave too little of each result to be
//! worth reading, the model sums up the earlier turns. Task, summary and the last two turns go on; the ledger keeps every
//! result. Whatever goes wrong, the conversation stays as it was and is shortened.

use super::{Conversation, Stop, fitting, text_of};
use crate::investigation::prompts;
use crate::llm::{AssistantMessage, Message};

/// How often one phase is condensed at most.
const CONDENSATIONS_MAX: u32 = 3;
/// Turns that go on word for word.
const TURNS_KEPT: usize = 2;
/// Longest summary asked for, in tokens.
const SUMMARY_TOKENS_MAX: u32 = 2_000;
/// Shortest text that can be a summary, in characters.
const SUMMARY_CHARS_MIN: usize = 40;
const NOTICE: &str = "Earlier turns were condensed into the summary above; read_tool_result still shows their results whole. \
                      Go on with the investigation.";

impl Conversation<'_> {
    /// Condenses when the conversation is cramped and has earlier turns.
    ///
    /// # Errors
    /// [`Stop::Cancelled`] only.
    pub(super) async fn condense(&mut self, chars_max: usize) -> Result<(), Stop> {
        let results = self.results.iter().filter(|mark| !mark.is_stub).count();
        if self.spent.condensations >= CONDENSATIONS_MAX || !fitting::is_cramped(&self.messages, results, chars_max) {
            return Ok(());
        }
        let Some(kept_from) = self.kept_from() else { return Ok(()) };
        self.spent.condensations += 1;
        if let Some(summary) = self.summary(kept_from, chars_max).await? {
            self.replace_earlier(kept_from, summary);
        }
        Ok(())
    }

    /// Index of the first message that goes on; `None` when nothing stands between it and the task.
    fn kept_from(&self) -> Option<usize> {
        let is_assistant = |message: &Message| matches!(message, Message::Assistant(_));
        let turns = self.messages.iter().enumerate().rev().filter(|(_, message)| is_assistant(message));
        let first = turns.map(|(index, _)| index).nth(TURNS_KEPT - 1)?;
        (first > 2).then_some(first)
    }

    async fn summary(&self, kept_from: usize, chars_max: usize) -> Result<Option<String>, Stop> {
        let setting = self.setting;
        let transcript = self.transcript(kept_from, chars_max / 2);
        let messages = [
            Message::System(prompts::condense_system().to_owned()),
            Message::User(format!("Delimiters of data carry the token {}.\n\n{transcript}", setting.fence.token())),
        ];
        let said = self.ask_beside(self.phase.as_str(), self.seat(), &messages, SUMMARY_TOKENS_MAX).await?;
        let summary = said.map(|said| setting.redactor.text(said.trim()).text);
        Ok(summary.filter(|summary| summary.chars().count() >= SUMMARY_CHARS_MIN))
    }

    /// The messages between the task and what goes on, as text; each gets an equal share of the room.
    fn transcript(&self, kept_from: usize, chars_max: usize) -> String {
        let earlier = self.messages.get(1..kept_from).unwrap_or_default();
        let share = chars_max / earlier.len().max(1);
        let line = |message: &Message| {
            let who = match message {
                Message::System(_) | Message::User(_) => "service",
                Message::Assistant(_) => "investigator",
                Message::ToolResult { .. } => "tool",
            };
            let calls = match message {
                Message::Assistant(said) => &*said.tool_calls,
                _ => &[],
            };
            let calls: Vec<String> = calls.iter().map(|call| format!("{}({})", call.name, call.arguments)).collect();
            let text: String = format!("{} {}", text_of(message), calls.join(" ")).chars().take(share).collect();
            format!("## {who}\n{}", fitting::closed(text.trim(), self.setting.fence))
        };
        earlier.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// Takes the summary in, when that makes the conversation smaller.
    fn replace_earlier(&mut self, kept_from: usize, summary: String) {
        let before = fitting::size_of_messages(&self.messages);
        let mut messages: Vec<Message> = self.messages.iter().take(2).cloned().collect();
        let is_lost = (messages.len()..kept_from).contains(&self.task);
        let task = if is_lost { messages.len() } else { self.task };
        messages.extend(self.messages.get(self.task).filter(|_| is_lost).cloned());
        messages.push(Message::Assistant(AssistantMessage { text: summary, ..AssistantMessage::default() }));
        messages.push(Message::User(NOTICE.to_owned()));
        let moved_to = messages.len();
        messages.extend(self.messages.iter().skip(kept_from).cloned());
        let after = fitting::size_of_messages(&messages);
        if after >= before {
            return;
        }
        self.messages = messages;
        self.task = if task >= kept_from { task - kept_from + moved_to } else { task };
        self.results.retain(|mark| mark.message >= kept_from);
        for mark in &mut self.results {
            mark.message = mark.message - kept_from + moved_to;
        }
        // What was asked before may be asked again: its answer is no longer in the conversation.
        self.made.clear();
        self.runaway.forget();
        tracing::info!(
            event = "history_condensed",
            chars_before = before,
            chars_after = after,
            "earlier turns summed up"
        );
    }
}
