//! What becomes of a reply (investigation §2.3 step 5): an answer, calls to run, or feedback and another turn.

use super::{CALLS_A_MESSAGE_MAX, Conversation, Said, Stop, calls};
use crate::investigation::answer::imitated_call;
use crate::llm::{AssistantMessage, ChatReply, FinishReason, Message, ToolCall};

impl Conversation<'_> {
    /// Sorts a reply (investigation §2.3 step 5): an answer, or something after which the conversation goes on.
    pub(super) async fn take<T>(
        &mut self,
        reply: ChatReply,
        read: &impl Fn(&Said) -> Result<T, String>,
    ) -> Result<Option<T>, Stop> {
        let ChatReply { message, finish, usage, .. } = reply;
        let is_empty = message.text.trim().is_empty() && message.tool_calls.is_empty();
        if !is_empty {
            self.spent.empty_in_a_row = 0;
        }
        match finish {
            FinishReason::Length => self.truncated(message, usage.completion_tokens).map(|()| None),
            FinishReason::Refusal => self.refused(message).map(|()| None),
            _ if !message.tool_calls.is_empty() => self.called(message, read).await,
            _ if is_empty => self.empty().map(|()| None),
            _ => self.wrote(message, read).await,
        }
    }

    /// Asks once more, with room for twice the answer (investigation §2.2).
    fn truncated(&mut self, message: AssistantMessage, tokens: u64) -> Result<(), Stop> {
        const RAISED_MAX: u32 = 16_384;
        const RAISED_UNKNOWN: u32 = 8_192;
        self.spent.truncations += 1;
        self.spent.output_tokens_max = Some(match u32::try_from(tokens.saturating_mul(2)).unwrap_or(RAISED_MAX) {
            0 => RAISED_UNKNOWN,
            twice => twice.min(RAISED_MAX),
        });
        if self.spent.truncations > 1 {
            return Err(Stop::Unreadable("the model's answer was cut off by its output limit twice".to_owned()));
        }
        // Calls whose arguments were cut cannot be answered; the text shows the model where it was.
        let text = if message.text.trim().is_empty() { "(cut off)".to_owned() } else { message.text };
        self.push(Message::Assistant(AssistantMessage { text, ..AssistantMessage::default() }));
        self.push(Message::User(self.setting.answering().after_cut.to_owned()));
        Ok(())
    }

    fn refused(&mut self, message: AssistantMessage) -> Result<(), Stop> {
        self.spent.refusals += 1;
        if self.spent.refusals > 1 {
            return Err(Stop::Refused);
        }
        let text = if message.text.trim().is_empty() { "(refused)".to_owned() } else { message.text };
        self.push(Message::Assistant(AssistantMessage { text, ..AssistantMessage::default() }));
        self.push(Message::User(self.setting.answering().after_refusal.to_owned()));
        Ok(())
    }

    fn empty(&mut self) -> Result<(), Stop> {
        self.spent.empty_in_a_row += 1;
        if self.spent.empty_in_a_row > 1 {
            return Err(Stop::Unreadable("the model answered with nothing twice in a row".to_owned()));
        }
        self.correct_format(self.setting.answering().after_nothing.to_owned(), "the model's message was empty")
    }

    /// Text: an answer, a call written out instead of made, or neither.
    async fn wrote<T>(
        &mut self,
        message: AssistantMessage,
        read: &impl Fn(&Said) -> Result<T, String>,
    ) -> Result<Option<T>, Stop> {
        let answer = read(&Said::Text(message.text.clone()));
        if answer.is_err()
            && let Some(call) = self.imitated(&message.text)
        {
            if self.spent.turns == 1 {
                self.seat().let_text_be_free();
            }
            // Replayed as the call it was meant to be, which shows the model how one is made.
            let calls = vec![call];
            let message = AssistantMessage { text: String::new(), tool_calls: calls.clone(), ..message };
            self.push(Message::Assistant(message));
            self.run_calls(&calls).await?;
            return Ok(None);
        }
        self.push(Message::Assistant(message));
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(problem) => self.correct_format(self.format_feedback(&problem), &problem).map(|()| None),
        }
    }

    /// The call a text imitates, when it names an offered tool exactly.
    fn imitated(&self, text: &str) -> Option<ToolCall> {
        let (name, arguments) = imitated_call(text).filter(|_| !self.is_over())?;
        self.tools.names().find(|offered| *offered == name)?;
        Some(ToolCall { id: format!("written_{}", self.spent.turns), name, arguments })
    }

    /// Calls: the first readable submission wins and its siblings are not run; without one, all are run.
    async fn called<T>(
        &mut self,
        mut message: AssistantMessage,
        read: &impl Fn(&Said) -> Result<T, String>,
    ) -> Result<Option<T>, Stop> {
        let ignored = message.tool_calls.len().saturating_sub(CALLS_A_MESSAGE_MAX);
        message.tool_calls.truncate(CALLS_A_MESSAGE_MAX);
        let calls = message.tool_calls.clone();
        let submissions: Vec<&ToolCall> = calls.iter().filter(|call| self.is_submit(&call.name)).collect();
        if submissions.is_empty() {
            self.push(Message::Assistant(message));
            self.run_calls(&calls).await?;
            if ignored > 0 {
                self.push(Message::User(format!(
                    "{ignored} more calls were ignored: {CALLS_A_MESSAGE_MAX} at once at most."
                )));
            }
            return Ok(None);
        }
        let mut first_problem = None;
        let mut accepted = None;
        for call in submissions {
            let said =
                Said::Submitted { tool: call.name.trim().to_ascii_lowercase(), arguments: call.arguments.clone() };
            match read(&said) {
                Ok(answer) => {
                    accepted = Some((call.id.clone(), answer));
                    break;
                }
                Err(problem) => _ = first_problem.get_or_insert(problem),
            }
        }
        self.push(Message::Assistant(message));
        for call in &calls {
            let told = match (&accepted, self.is_submit(&call.name)) {
                (Some((id, _)), _) if *id == call.id => "status=received",
                (Some(_), _) | (None, false) => "status=skipped: not run, because an answer was submitted with it",
                (None, true) => "status=error: the answer could not be read",
            };
            let content = format!("tool={} {told}", calls::shown(&call.name));
            let is_error = told.starts_with("status=error");
            self.push(Message::ToolResult { call_id: call.id.clone(), content, is_error });
        }
        match (accepted, first_problem) {
            (Some((_, answer)), _) => Ok(Some(answer)),
            (None, problem) => {
                let problem = problem.unwrap_or_else(|| "the answer could not be read".to_owned());
                self.correct_format(self.format_feedback(&problem), &problem).map(|()| None)
            }
        }
    }

    fn is_submit(&self, name: &str) -> bool {
        self.submit.iter().any(|tool| tool.name.eq_ignore_ascii_case(name.trim()))
    }

    fn format_feedback(&self, problem: &str) -> String {
        let names: Vec<&str> = self.submit.iter().map(|tool| tool.name.as_str()).collect();
        let names = if self.setting.answers_in_text() { String::new() } else { format!(" {}", names.join(" or ")) };
        format!(
            "Correction {} of {}: your answer cannot be used: {problem}. Give the complete answer again {}{names}.",
            self.spent.format_corrections + 1,
            self.limits.format_corrections_max,
            self.setting.answering().again,
        )
    }

    /// Spends one format correction.
    fn correct_format(&mut self, feedback: String, problem: &str) -> Result<(), Stop> {
        if self.spent.format_corrections >= self.limits.format_corrections_max {
            return Err(Stop::Unreadable(problem.to_owned()));
        }
        self.spent.format_corrections += 1;
        self.in_json = self.setting.corrects_in_json();
        self.push(Message::User(feedback));
        Ok(())
    }
}
