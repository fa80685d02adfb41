//! When a conversation has to end: whether the next turn is the last, and what the model is told about that
//! (investigation §1.5.2).

use super::{Conversation, Stop};
use crate::llm::Message;
use crate::metering::Level;

/// What the loop itself appends when a budget runs out; `Answering` holds the other words.
const CONCLUDE: &str = "The budget of this step is used up. Submit your answer now, with what you know; name the gaps and \
                        lower the confidence for them.";

impl Conversation<'_> {
    /// Whether this is the last turn. Tells the model so once, and once before that its budget is nearly used up. What is told
    /// is appended: the beginning of the conversation stays what the provider remembers.
    pub(super) fn begin_turn(&mut self) -> Result<bool, Stop> {
        if self.setting.run.cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let run = self.setting.run;
        let now = run.outside.instant("turn");
        if now >= self.setting.run.deadline {
            return Err(Stop::OutOfTime);
        }
        let level = run.outside.level(run.meter.level());
        let over = if now >= self.setting.wrap_up_at {
            Some("time")
        } else if let Level::Over(limit) = level {
            Some(limit.as_str())
        } else if self.spent.turns + 1 >= self.limits.turns_max {
            Some("turns")
        } else if self.spent.tool_calls >= self.limits.tool_calls_max {
            Some("tool calls")
        } else if self.runaway.is_over() {
            Some("tries of one call")
        } else {
            None
        };
        if let Some(budget) = over
            && self.concluding.is_none()
        {
            self.concluding = Some(budget);
            self.push(Message::User(CONCLUDE.to_owned()));
        }
        if let Level::Near(limit) = level
            && self.concluding.is_none()
            && !std::mem::replace(&mut self.is_warned, true)
        {
            self.push(Message::User(format!(
                "More than four fifths of the budget are used up: {limit}. Conclude: look only at what your answer still \
                 depends on, then give it."
            )));
            tracing::info!(event = "budget_nearly_used", budget = limit.as_str(), "the model is told to conclude");
        }
        Ok(self.concluding.is_some())
    }
}
