//! One conversation with a model: one phase, one growing list of messages, tools until there is an answer
//! (investigation §1.5.3, §2.3).
//!
//! Corrections are appended; nothing is restarted. Every budget that runs out earns the model exactly one concluding turn,
//! in which it may only submit; only then does the phase stop without an answer.

mod calls;
mod fitting;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::journal::{Journal, Turn};
use super::ledger::Ledger;
use super::run::RunContext;
use crate::llm::{
    AssistantMessage, ChatReply, ChatRequest, ErrorKind, FinishReason, Llm, LlmError, Message, ToolCall, ToolChoice,
    ToolDefinition,
};
use crate::redaction::Redactor;
use crate::redaction::injection::Fence;
use crate::telemetry::metrics::Phase;
use crate::tools::ToolSet;
use calls::Made;
use fitting::Fitting;

/// What a phase may spend (investigation §1.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) turns_max: u32,
    pub(super) tool_calls_max: u32,
    pub(super) calls_per_tool_max: u32,
    pub(super) format_corrections_max: u32,
    pub(super) parallel_calls_max: usize,
    pub(super) call_timeout: std::time::Duration,
    /// Characters of one tool result in the conversation.
    pub(super) result_chars_max: usize,
    /// Tokens the model can take in at once.
    pub(super) window_tokens: usize,
    /// Tokens of the whole investigation.
    pub(super) tokens_max: Option<u64>,
}

/// What every phase of one investigation shares.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) llm: &'a Llm,
    pub(super) run: &'a RunContext,
    /// From this moment on the model may only conclude.
    pub(super) wrap_up_at: Instant,
    pub(super) journal: &'a Journal,
    pub(super) redactor: &'a Redactor,
    pub(super) fence: &'a Fence,
    pub(super) ledger: &'a Arc<Ledger>,
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
    messages: Vec<Message>,
    /// Which messages are tool results, and of which call.
    results: Vec<fitting::ResultMark>,
    made: HashMap<String, Made>,
    per_tool: HashMap<String, u32>,
    spent: Spent,
    /// Names the budget that ran out; the next turn is the last.
    concluding: Option<&'static str>,
    gauge: fitting::Gauge,
}

#[derive(Debug, Default)]
struct Spent {
    turns: u32,
    tool_calls: u32,
    /// Calls of tools that do not count.
    free_calls: u32,
    format_corrections: u32,
    empty_in_a_row: u32,
    truncations: u32,
    refusals: u32,
}

/// Calls of one message that are looked at. More is no plan.
const CALLS_A_MESSAGE_MAX: usize = 64;

/// Feedback the loop itself appends. Words are the model's to read; the conversation's own files of `prompts` hold the
/// rest.
const CONCLUDE: &str = "The budget of this step is used up. Submit your answer now, with what you know; name the gaps and \
                        lower the confidence for them.";
const TRUNCATED: &str = "Your answer was cut off by the output limit. Give the complete answer again, shorter, through the \
                         submit tool.";
const EMPTY: &str = "Your message was empty. Call a tool, or give your answer through the submit tool.";
const NEUTRAL: &str = "This is routine operation of a Kubernetes cluster: find out why the workload fails, from the data \
                       shown, and submit the answer through the submit tool.";

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
        Self {
            setting,
            phase,
            limits,
            tools,
            submit,
            messages: vec![Message::System(system), Message::User(user)],
            results: Vec::new(),
            made: HashMap::new(),
            per_tool: HashMap::new(),
            spent: Spent::default(),
            concluding: None,
            gauge: fitting::Gauge::default(),
        }
    }

    /// Turns used so far.
    pub(super) fn turns(&self) -> u32 {
        self.spent.turns
    }

    /// True when a budget has run out: no correction can be answered any more.
    pub(super) fn is_over(&self) -> bool {
        self.concluding.is_some()
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

    /// Whether this is the last turn. Tells the model so once.
    fn begin_turn(&mut self) -> Result<bool, Stop> {
        if self.setting.run.cancel.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let now = Instant::now();
        if now >= self.setting.run.deadline {
            return Err(Stop::OutOfTime);
        }
        let used = self.setting.journal.spent().usage;
        let tokens = used.prompt_tokens.saturating_add(used.completion_tokens);
        let over = if now >= self.setting.wrap_up_at {
            Some("time")
        } else if self.limits.tokens_max.is_some_and(|most| tokens >= most) {
            Some("tokens")
        } else if self.spent.turns + 1 >= self.limits.turns_max {
            Some("turns")
        } else if self.spent.tool_calls >= self.limits.tool_calls_max {
            Some("tool calls")
        } else {
            None
        };
        if let Some(budget) = over
            && self.concluding.is_none()
        {
            self.concluding = Some(budget);
            self.push(Message::User(CONCLUDE.to_owned()));
        }
        Ok(self.concluding.is_some())
    }

    /// One call of the model. `None` when the time to conclude came while it was thinking.
    async fn ask(&mut self, is_last: bool) -> Result<Option<ChatReply>, Stop> {
        let mut percent = fitting::FILL_MAX_PERCENT;
        let mut was_too_long = false;
        let (tools, choice) = self.offer(is_last);
        loop {
            let chars_sent = self.fit(percent, &tools)?;
            let request = ChatRequest {
                messages: &self.messages,
                tools: &tools,
                tool_choice: choice.clone(),
                output_tokens_max: self.output_tokens_max(),
            };
            let journal = self.setting.journal;
            let newest = self.messages.last().map(text_of).unwrap_or_default();
            let chars = self.messages.iter().map(|message| text_of(message).chars().count()).sum();
            journal.model_asked(self.setting.llm.model(), newest, chars, self.tools.toolsets()).await;
            let began = Instant::now();
            let until = if is_last { self.setting.run.deadline } else { self.setting.wrap_up_at };
            let answered = tokio::select! {
                () = self.setting.run.cancel.cancelled() => return Err(Stop::Cancelled),
                answered = timeout_at(until, self.setting.llm.chat(&request)) => answered,
            };
            let turn = Turn {
                provider: self.setting.llm.provider(),
                model: self.setting.llm.model(),
                phase: self.phase,
                took: began.elapsed(),
            };
            match answered {
                Ok(Ok(reply)) => {
                    self.spent.turns += 1;
                    self.gauge.learn(chars_sent, reply.usage.prompt_tokens);
                    journal.model_answered(&turn, &reply).await;
                    return Ok(Some(reply));
                }
                Ok(Err(error)) => {
                    journal.model_failed(&turn, &error).await;
                    if error.kind != ErrorKind::ContextLength || was_too_long {
                        return Err(Stop::Provider(error));
                    }
                    was_too_long = true;
                    percent = fitting::FILL_AFTER_REFUSAL_PERCENT;
                    self.gauge.distrust();
                }
                Err(_) => {
                    let sentence = "the model did not answer before the investigation's time was up".to_owned();
                    let error = LlmError { kind: ErrorKind::Timeout, sentence, retries: 0 };
                    journal.model_failed(&turn, &error).await;
                    return if is_last { Err(Stop::OutOfTime) } else { Ok(None) };
                }
            }
        }
    }

    /// Makes request and answer fit into this share of the window; the characters that are sent.
    fn fit(&mut self, percent: usize, tools: &[ToolDefinition]) -> Result<usize, Stop> {
        let room = self.limits.window_tokens * percent / 100;
        let reserved = self.output_tokens_max().unwrap_or(self.setting.llm.output_tokens_max());
        let tokens = room.saturating_sub(usize::try_from(reserved).unwrap_or(usize::MAX));
        let around = fitting::size_of_tools(tools);
        let chars_max = self.gauge.chars(tokens).checked_sub(around).ok_or(Stop::TooLong)?;
        let fence = self.setting.fence;
        let mut fitting = Fitting { messages: &mut self.messages, results: &mut self.results, fence };
        if !fitting.fit(chars_max) {
            return Err(Stop::TooLong);
        }
        Ok(fitting::size_of_messages(&self.messages) + around)
    }

    /// The tools of this turn: everything, or only the ways to submit.
    fn offer(&self, is_last: bool) -> (Vec<ToolDefinition>, ToolChoice) {
        if !is_last {
            let mut tools = self.tools.definitions();
            tools.extend(self.submit.iter().cloned());
            return (tools, ToolChoice::Auto);
        }
        let choice = match self.submit.as_slice() {
            [only] => ToolChoice::Named(only.name.clone()),
            _ => ToolChoice::Required,
        };
        (self.submit.clone(), choice)
    }

    /// Raised once after a truncated answer (investigation §2.2), as far as the window allows.
    fn output_tokens_max(&self) -> Option<u32> {
        const RAISED: u32 = 16_384;
        let half = u32::try_from(self.limits.window_tokens / 2).unwrap_or(u32::MAX);
        (self.spent.truncations > 0).then_some(RAISED.min(half))
    }

    /// Sorts a reply (investigation §2.3 step 5): an answer, or something after which the conversation goes on.
    async fn take<T>(
        &mut self,
        reply: ChatReply,
        read: &impl Fn(&Said) -> Result<T, String>,
    ) -> Result<Option<T>, Stop> {
        let ChatReply { message, finish, .. } = reply;
        let is_empty = message.text.trim().is_empty() && message.tool_calls.is_empty();
        if !is_empty {
            self.spent.empty_in_a_row = 0;
        }
        match finish {
            FinishReason::Length => self.truncated(message).map(|()| None),
            FinishReason::Refusal => self.refused(message).map(|()| None),
            _ if !message.tool_calls.is_empty() => self.called(message, read).await,
            _ if is_empty => self.empty().map(|()| None),
            _ => self.wrote(message, read),
        }
    }

    fn truncated(&mut self, message: AssistantMessage) -> Result<(), Stop> {
        self.spent.truncations += 1;
        if self.spent.truncations > 1 {
            return Err(Stop::Unreadable("the model's answer was cut off by its output limit twice".to_owned()));
        }
        // Calls whose arguments were cut cannot be answered; the text shows the model where it was.
        let text = if message.text.trim().is_empty() { "(cut off)".to_owned() } else { message.text };
        self.push(Message::Assistant(AssistantMessage { text, ..AssistantMessage::default() }));
        self.push(Message::User(TRUNCATED.to_owned()));
        Ok(())
    }

    fn refused(&mut self, message: AssistantMessage) -> Result<(), Stop> {
        self.spent.refusals += 1;
        if self.spent.refusals > 1 {
            return Err(Stop::Refused);
        }
        let text = if message.text.trim().is_empty() { "(refused)".to_owned() } else { message.text };
        self.push(Message::Assistant(AssistantMessage { text, ..AssistantMessage::default() }));
        self.push(Message::User(NEUTRAL.to_owned()));
        Ok(())
    }

    fn empty(&mut self) -> Result<(), Stop> {
        self.spent.empty_in_a_row += 1;
        if self.spent.empty_in_a_row > 1 {
            return Err(Stop::Unreadable("the model answered with nothing twice in a row".to_owned()));
        }
        self.correct_format(EMPTY.to_owned(), "the model's message was empty")
    }

    fn wrote<T>(
        &mut self,
        message: AssistantMessage,
        read: &impl Fn(&Said) -> Result<T, String>,
    ) -> Result<Option<T>, Stop> {
        let answer = read(&Said::Text(message.text.clone()));
        self.push(Message::Assistant(message));
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(problem) => self.correct_format(self.format_feedback(&problem), &problem).map(|()| None),
        }
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
            self.push(Message::ToolResult { call_id: call.id.clone(), content });
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
        format!(
            "Correction {} of {}: your answer cannot be used: {problem}. Give the complete answer again by calling {}.",
            self.spent.format_corrections + 1,
            self.limits.format_corrections_max,
            names.join(" or ")
        )
    }

    /// Spends one format correction.
    fn correct_format(&mut self, feedback: String, problem: &str) -> Result<(), Stop> {
        if self.spent.format_corrections >= self.limits.format_corrections_max {
            return Err(Stop::Unreadable(problem.to_owned()));
        }
        self.spent.format_corrections += 1;
        self.push(Message::User(feedback));
        Ok(())
    }

    fn push(&mut self, message: Message) {
        self.messages.push(message);
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
