//! Long results summed up by another, cheaper model (`investigation.summarizer_model`, investigation §2.6 step 2).
//!
//! What comes in was redacted before, and what comes out is redacted again and stays data between delimiters. The ledger keeps
//! the result itself, never the summary: a quote counts only where it stands in the result, so that nothing the summary made
//! up can support a claim. Whatever goes wrong, the result is shortened by rules. Summaries are asked for one after the
//! other, in the order of the calls, so that a recording can give the same answers again.

use tokio::time::Instant;

use super::calls::Seen;
use super::{Conversation, Stop, text_of};
use crate::investigation::journal::{Asked, Turn};
use crate::investigation::prompts;
use crate::llm::{ChatRequest, Message, Seat, TextForm, ToolChoice};
use crate::metering::Level;
use crate::redaction::injection;
use crate::tools::ToolStatus;
use crate::tools::reduce::{self, Reduced};

/// Summaries of one phase.
const SUMMARIES_MAX: u32 = 40;
/// Longest summary asked for, in tokens.
const SUMMARY_TOKENS_MAX: u32 = 2_000;
/// Shortest text that can be a summary, in characters.
const SUMMARY_CHARS_MIN: usize = 40;
/// Share of the other model's window that a result may fill, per cent, and the characters of a token.
const WINDOW_PERCENT: usize = 70;
const CHARS_PER_TOKEN: usize = 3;

/// Who sums up, and from which length on.
#[derive(Debug)]
pub(in crate::investigation) struct Summaries {
    pub(in crate::investigation) seat: Seat,
    /// A result with more characters is summed up.
    pub(in crate::investigation) threshold_chars: usize,
}

impl Conversation<'_> {
    /// The summary of a result that is long enough for one; `None`: it is shortened by rules.
    ///
    /// # Errors
    /// [`Stop::Cancelled`] only.
    pub(super) async fn summed_up(&mut self, seen: &Seen) -> Result<Option<Reduced>, Stop> {
        let setting = self.setting;
        let Some(summaries) = &setting.summaries else { return Ok(None) };
        let chars = seen.chars;
        let is_long = seen.output.status == ToolStatus::Success && chars > summaries.threshold_chars;
        if !is_long || !seen.may_be_summed_up || self.spent.summaries >= SUMMARIES_MAX || self.is_nearly_over() {
            return Ok(None);
        }
        self.spent.summaries += 1;
        let said = self.summary_of(seen, &summaries.seat).await?;
        let said = said.map(|said| setting.redactor.text(&injection::clean(said.trim())).text);
        let room = chars.min(self.limits.result_chars_max);
        let is_one = |said: &String| (SUMMARY_CHARS_MIN..room).contains(&said.chars().count());
        let Some(text) = said.filter(is_one) else {
            tracing::info!(
                event = "result_not_summed_up",
                tool = seen.name,
                chars,
                "a long result is shortened by rules"
            );
            return Ok(None);
        };
        tracing::info!(
            event = "result_summed_up",
            tool = seen.name,
            result_id = seen.result_id,
            chars_before = chars,
            chars_after = text.chars().count(),
            "a long result is summed up"
        );
        let left_out = format!(
            "everything but this summary of {chars} characters by another model; a quote counts only as it stands in the \
             result itself"
        );
        Ok(Some(Reduced { text, left_out: Some(left_out) }))
    }

    /// Whether time or money are better kept for the answer.
    fn is_nearly_over(&self) -> bool {
        let run = self.setting.run;
        run.outside.instant("summary") >= self.setting.wrap_up_at
            || matches!(run.outside.level(run.meter.level()), Level::Over(_))
    }

    async fn summary_of(&self, seen: &Seen, seat: &Seat) -> Result<Option<String>, Stop> {
        let setting = self.setting;
        let room = seat.context_window_tokens() * WINDOW_PERCENT / 100 * CHARS_PER_TOKEN;
        let data = setting.fence.wrap(&seen.name, &reduce::reduce(&seen.output.content, room).text);
        if !data.suspicions.is_empty() {
            // They would not show in the summary.
            let kinds: Vec<&str> = data.suspicions.iter().map(|suspicion| suspicion.kind.as_str()).collect();
            setting.journal.suspicious_result(&seen.name, &seen.result_id, &kinds);
        }
        let messages = [
            Message::System(prompts::summary_system().to_owned()),
            Message::User(format!("Delimiters of data carry the token {}.\n\n{}", setting.fence.token(), data.text)),
        ];
        self.ask_beside("summary", seat, &messages, SUMMARY_TOKENS_MAX).await
    }

    /// Asks a model something beside the conversation, without tools; `None` when no answer came in time.
    ///
    /// # Errors
    /// [`Stop::Cancelled`] only.
    pub(super) async fn ask_beside(
        &self,
        name: &'static str,
        seat: &Seat,
        messages: &[Message],
        tokens_max: u32,
    ) -> Result<Option<String>, Stop> {
        let setting = self.setting;
        let request = ChatRequest {
            messages,
            tools: &[],
            tool_choice: ToolChoice::Auto,
            output_tokens_max: Some(tokens_max),
            form: TextForm::Free,
        };
        let (provider, model, endpoint) = (seat.provider(), seat.model(), seat.endpoint());
        let chars = messages.iter().map(|message| text_of(message).chars().count()).sum();
        let newest = messages.last().map(text_of).unwrap_or_default();
        setting.journal.model_asked(Asked { phase: self.phase, model, newest, chars, toolsets: Vec::new() }).await;
        let began = Instant::now();
        let run = setting.run;
        let answered = tokio::select! {
            biased;
            () = run.cancel.cancelled() => return Err(Stop::Cancelled),
            answered = run.outside.chat(name, seat, &request) => Some(answered),
            () = run.outside.until(setting.wrap_up_at) => None,
        };
        let turn = Turn { provider, model, endpoint, phase: self.phase, took: began.elapsed() };
        match answered {
            Some(Ok(reply)) => {
                setting.journal.model_answered(&turn, &reply).await;
                Ok(Some(reply.message.text))
            }
            Some(Err(error)) => {
                setting.journal.model_failed(&turn, &error).await;
                Ok(None)
            }
            None => {
                setting.journal.model_too_late(&turn).await;
                Ok(None)
            }
        }
    }
}
