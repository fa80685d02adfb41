//! One conversation with a model: one phase, one growing list of messages, tools until there is an answer
//! (investigation §1.5.3, §2.3).
//!
//! Corrections are appended; nothing is restarted. Every budget that runs out earns the model exactly one concluding turn,
//! in which it may only submit; only then does the phase stop without an answer.

mod budgets;
mod calls;
mod condensing;
mod continuing;
mod fitting;
mod replies;
mod runaway;
mod summarising;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::Instrument as _;

use super::journal::{Asked, Journal, Turn};
use super::ledger::Ledger;
use super::prompts::Answering;
use super::run::RunContext;
use super::submit;
use crate::llm::{
    AnswerSchema, ChatReply, ChatRequest, ErrorKind, LlmError, Message, Seat, StructuredOutput, TextForm, ToolChoice,
    ToolDefinition,
};
use crate::redaction::Redactor;
use crate::redaction::injection::{Fence, Mode};
use crate::telemetry::metrics::Phase;
use crate::telemetry::spans::{self, ChatFacts};
use crate::tools::ToolSet;
use calls::Made;
pub use calls::{redacted_output, redacted_value};
pub(super) use continuing::Transcript;
use fitting::Fitting;
use runaway::Runaway;
pub(super) use summarising::Summaries;

/// What a phase may spend (investigation §1.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) turns_max: u32,
    pub(super) tool_calls_max: u32,
    pub(super) calls_per_tool_max: u32,
    /// Turns in which one and the same call may fail.
    pub(super) repeated_failures_max: u32,
    pub(super) format_corrections_max: u32,
    pub(super) parallel_calls_max: usize,
    pub(super) call_timeout: std::time::Duration,
    /// Characters of one tool result in the conversation.
    pub(super) result_chars_max: usize,
    /// Tokens the model can take in at once.
    pub(super) window_tokens: usize,
}

/// What every phase of one investigation shares.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    /// Who answers each phase; whoever takes over in one stays until its end.
    pub(super) rca: Seat,
    pub(super) selection: Seat,
    pub(super) run: &'a RunContext,
    /// From this moment on the model may only conclude.
    pub(super) wrap_up_at: Instant,
    pub(super) journal: &'a Journal,
    pub(super) redactor: &'a Redactor,
    pub(super) fence: &'a Fence,
    pub(super) ledger: &'a Arc<Ledger>,
    /// What becomes of tool results that look like instructions.
    pub(super) injection: Mode,
    /// Tools whose names begin so are free and may fail as often as they like.
    pub(super) exempt_prefixes: &'a [String],
    /// Who sums long results up, where somebody does.
    pub(super) summaries: Option<Summaries>,
}

impl Setting<'_> {
    pub(super) fn seat(&self, phase: Phase) -> &Seat {
        match phase {
            Phase::Rca | Phase::Enrichment => &self.rca,
            Phase::WorkflowSelection | Phase::Validation => &self.selection,
        }
    }

    /// Who answered last: one name, or that of each phase.
    pub(super) fn models(&self) -> String {
        let (rca, selection) = (self.rca.model(), self.selection.model());
        if rca == selection { rca.to_owned() } else { format!("{rca}, {selection}") }
    }

    pub(super) fn answering(&self) -> Answering {
        self.rca.structured_output().into()
    }

    fn answers_in_text(&self) -> bool {
        self.rca.structured_output() == StructuredOutput::Text
    }

    /// Whether calls of this tool count for no budget and no guard.
    fn is_exempt(&self, tool: &str) -> bool {
        let tool = tool.trim().to_ascii_lowercase();
        self.exempt_prefixes.iter().any(|prefix| tool.starts_with(&prefix.to_ascii_lowercase()))
    }

    /// Whether a correction of the form is answered in JSON mode, without tools.
    fn corrects_in_json(&self) -> bool {
        self.rca.structured_output() == StructuredOutput::JsonObject
    }
}

/// What the model gave as its answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// Called a submit tool of the phase; the arguments are the raw text.
    Submitted { tool: String, arguments: String },
    /// Wrote text and called nothing.
    Text(String),
}

/// Why a phase ended without an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stop {
    /// A budget is used up and the concluding turn brought nothing: which.
    Exhausted(&'static str),
    /// No readable answer after all corrections: what is wrong with the last one.
    Unreadable(String),
    /// The model refuses to work on this.
    Refused,
    /// The conversation no longer fits the model's window.
    TooLong,
    Provider(LlmError),
    OutOfTime,
    Cancelled,
}

/// A conversation in progress.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    setting: &'a Setting<'a>,
    phase: Phase,
    limits: Limits,
    tools: ToolSet,
    submit: Vec<ToolDefinition>,
    /// What the model may call while it may still look, made once: the beginning of every request is the same.
    offered: Arc<[ToolDefinition]>,
    /// What text answers are held to, where that is configured.
    schema: Option<AnswerSchema>,
    /// The next answer is asked for in JSON mode.
    in_json: bool,
    messages: Vec<Message>,
    /// Index of the message that says what is to be done.
    task: usize,
    /// Which messages are tool results, and of which call.
    results: Vec<fitting::ResultMark>,
    made: HashMap<String, Made>,
    per_tool: HashMap<String, u32>,
    runaway: Runaway,
    spent: Spent,
    /// Names the budget that ran out; the next turn is the last.
    concluding: Option<&'static str>,
    /// The model was told that a budget is nearly used up.
    is_warned: bool,
    gauge: fitting::Gauge,
}

#[derive(Debug, Default)]
struct Spent {
    turns: u32,
    tool_calls: u32,
    /// Calls of tools that do not count.
    free_calls: u32,
    format_corrections: u32,
    condensations: u32,
    summaries: u32,
    empty_in_a_row: u32,
    truncations: u32,
    /// Ceiling of the next answers, once one was cut off.
    output_tokens_max: Option<u32>,
    refusals: u32,
}

/// Calls of one message that are looked at. More is no plan.
const CALLS_A_MESSAGE_MAX: usize = 64;

impl<'a> Conversation<'a> {
    pub(super) fn new(
        setting: &'a Setting<'a>,
        phase: Phase,
        limits: Limits,
        tools: ToolSet,
        submit: Vec<ToolDefinition>,
        prompts: [String; 2],
    ) -> Self {
        let [system, user] = prompts;
        let holds_text = setting.rca.structured_output() == StructuredOutput::JsonSchema;
        let mut offered = tools.definitions();
        if !setting.answers_in_text() {
            offered.extend(submit.iter().cloned());
        }
        Self {
            setting,
            phase,
            limits,
            tools,
            schema: holds_text.then(|| submit::answer_schema(&submit)),
            submit,
            offered: offered.into(),
            in_json: false,
            messages: vec![Message::System(system), Message::User(user)],
            task: 1,
            results: Vec::new(),
            made: HashMap::new(),
            per_tool: HashMap::new(),
            runaway: Runaway::new(limits.repeated_failures_max),
            spent: Spent::default(),
            concluding: None,
            is_warned: false,
            gauge: fitting::Gauge::default(),
        }
    }

    fn seat(&self) -> &'a Seat {
        self.setting.seat(self.phase)
    }

    /// Turns used so far.
    pub(super) fn turns(&self) -> u32 {
        self.spent.turns
    }

    /// True when a budget has run out: no correction can be answered any more.
    pub(super) fn is_over(&self) -> bool {
        self.concluding.is_some()
    }

    /// What the model wrote last, apart from its calls.
    pub(super) fn last_text(&self) -> &str {
        let said = self.messages.iter().rev().find_map(|message| match message {
            Message::Assistant(said) => Some(said.text.trim()),
            _ => None,
        });
        said.unwrap_or_default()
    }

    /// Appends feedback to the answer just given; the next [`Self::answer`] takes it up.
    pub(super) fn correct(&mut self, feedback: impl Into<String>) {
        self.push(Message::User(feedback.into()));
    }

    /// Goes on until `read` accepts what the model says.
    ///
    /// # Errors
    /// [`Stop`]: the phase is over without an answer.
    pub(super) async fn answer<T>(&mut self, read: impl Fn(&Said) -> Result<T, String>) -> Result<T, Stop> {
        loop {
            let is_last = self.begin_turn()?;
            let Some(reply) = self.ask(is_last).await? else { continue };
            if let Some(answer) = self.take(reply, &read).await? {
                return Ok(answer);
            }
            if is_last {
                return Err(Stop::Exhausted(self.concluding.unwrap_or("turns")));
            }
        }
    }

    /// One call of the model. `None` when the time to conclude came while it was thinking.
    async fn ask(&mut self, is_last: bool) -> Result<Option<ChatReply>, Stop> {
        let mut percent = fitting::FILL_MAX_PERCENT;
        let mut was_too_long = false;
        let in_json = std::mem::take(&mut self.in_json);
        let (tools, choice) = if in_json { (Arc::default(), ToolChoice::Auto) } else { self.offer(is_last) };
        let overhead = fitting::size_of_tools(&tools) + self.schema.as_ref().map_or(0, fitting::size_of_schema);
        loop {
            let chars_max = self.room(percent, overhead)?;
            if !is_last {
                self.condense(chars_max).await?;
            }
            let chars_sent = self.fit(chars_max)? + overhead;
            let request = ChatRequest {
                messages: &self.messages,
                tools: &tools,
                tool_choice: choice.clone(),
                output_tokens_max: self.output_tokens_max(),
                form: self.form(in_json),
            };
            let journal = self.setting.journal;
            let newest = self.messages.last().map(text_of).unwrap_or_default();
            let chars = self.messages.iter().map(|message| text_of(message).chars().count()).sum();
            let asked =
                Asked { phase: self.phase, model: self.seat().model(), newest, chars, toolsets: self.tools.toolsets() };
            journal.model_asked(asked).await;
            let turns = self.spent.turns + 1;
            let span = spans::chat(self.seat().provider(), self.seat().model(), turns);
            let began = Instant::now();
            let until = if is_last { self.setting.run.deadline } else { self.setting.wrap_up_at };
            let run = self.setting.run;
            let answered = tokio::select! {
                biased;
                () = run.cancel.cancelled() => return Err(Stop::Cancelled),
                answered = run.outside.chat(self.phase.as_str(), self.seat(), &request).instrument(span.clone()) => Some(answered),
                () = run.outside.until(until) => None,
            };
            let turn = Turn {
                provider: self.seat().provider(),
                model: self.seat().model(),
                endpoint: self.seat().endpoint(),
                phase: self.phase,
                took: began.elapsed(),
            };
            match answered {
                Some(Ok(reply)) => {
                    self.spent.turns += 1;
                    self.gauge.learn(chars_sent, reply.usage.prompt_tokens);
                    spans::chat_answered(&span, facts(&reply));
                    journal.model_answered(&turn, &reply).instrument(span).await;
                    return Ok(Some(reply));
                }
                Some(Err(error)) => {
                    spans::failed(&span, error.kind.as_str());
                    journal.model_failed(&turn, &error).instrument(span).await;
                    if self.seat().fail_over(&error) {
                        continue;
                    }
                    if error.kind != ErrorKind::ContextLength || was_too_long {
                        return Err(Stop::Provider(error));
                    }
                    was_too_long = true;
                    percent = fitting::FILL_AFTER_REFUSAL_PERCENT;
                    self.gauge.distrust();
                }
                None => {
                    spans::failed(&span, ErrorKind::Timeout.as_str());
                    journal.model_too_late(&turn).instrument(span).await;
                    return if is_last { Err(Stop::OutOfTime) } else { Ok(None) };
                }
            }
        }
    }

    /// Characters the messages may have, so that request and answer fit into this share of the window beside what else is
    /// sent.
    fn room(&self, percent: usize, overhead: usize) -> Result<usize, Stop> {
        let room = self.limits.window_tokens * percent / 100;
        let reserved = self.output_tokens_max().unwrap_or(self.seat().output_tokens_max());
        let tokens = room.saturating_sub(usize::try_from(reserved).unwrap_or(usize::MAX));
        self.gauge.chars(tokens).checked_sub(overhead).ok_or(Stop::TooLong)
    }

    /// Makes the messages fit; their characters.
    fn fit(&mut self, chars_max: usize) -> Result<usize, Stop> {
        let fence = self.setting.fence;
        let mut fitting = Fitting { messages: &mut self.messages, results: &mut self.results, fence };
        if !fitting.fit(chars_max) {
            return Err(Stop::TooLong);
        }
        Ok(fitting::size_of_messages(&self.messages))
    }

    /// Raised once after a truncated answer, as far as the window allows.
    fn output_tokens_max(&self) -> Option<u32> {
        let half = u32::try_from(self.limits.window_tokens / 2).unwrap_or(u32::MAX);
        self.spent.output_tokens_max.map(|raised| raised.min(half))
    }

    /// The tools of this turn: everything, or only the ways to submit. A model that answers in text is offered no way to
    /// submit, so nothing at all on the last turn.
    fn offer(&self, is_last: bool) -> (Arc<[ToolDefinition]>, ToolChoice) {
        if !is_last {
            return (Arc::clone(&self.offered), ToolChoice::Auto);
        }
        if self.setting.answers_in_text() {
            return (Arc::default(), ToolChoice::Auto);
        }
        let choice = match self.submit.as_slice() {
            [only] => ToolChoice::Named(only.name.clone()),
            _ => ToolChoice::Required,
        };
        (self.submit.as_slice().into(), choice)
    }

    fn form(&self, in_json: bool) -> TextForm<'_> {
        match &self.schema {
            _ if in_json => TextForm::Json,
            Some(schema) => TextForm::Schema(schema),
            None => TextForm::Free,
        }
    }

    fn push(&mut self, message: Message) {
        self.messages.push(message);
    }
}

fn facts(reply: &ChatReply) -> ChatFacts<'_> {
    ChatFacts {
        model: reply.model.as_deref(),
        input_tokens: reply.usage.prompt_tokens,
        output_tokens: reply.usage.completion_tokens,
        finish_reason: reply.finish.as_str(),
    }
}

/// What a message says, for sizes and excerpts.
fn text_of(message: &Message) -> &str {
    match message {
        Message::System(text) | Message::User(text) => text,
        Message::Assistant(said) => &said.text,
        Message::ToolResult { content, .. } => content,
    }
}
