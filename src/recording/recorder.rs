//! Asks whoever is to be asked, and keeps question and answer until the run is over.
//!
//! Nothing is redacted while the run goes on; [`Recorder::finished`] does it all at the end, off the run's time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::dialogue::{self, Asked, Plain, Thread};
use super::format::{End, Entry, FORMAT, Outcome, Places, RECORDING_BYTES_MAX, Recording, Settings};
use super::{canonical, redacted};
use crate::domain::{Cost, Incident, Investigation};
use crate::investigation::{InvestigationError, Outside, Reality, redacted_output, redacted_value};
use crate::llm::{ChatReply, ChatRequest, LlmError, Message, Roster, Seat};
use crate::metering::Level;
use crate::redaction::Redactor;
use crate::telemetry::Build;
use crate::tools::mcp::{self, McpServers, Served};
use crate::tools::{Invocation, Tool, ToolOutput};

/// What the moment is called at which the budget ends.
pub(super) const DEADLINE: &str = "deadline";
/// The port where MCP servers say what they offer.
pub(super) const SERVED: &str = "mcp.tools";
/// What is known of a run before it begins.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    pub(super) session: String,
    pub(super) incident: Incident,
    pub(super) settings: Settings,
    pub(super) models: Option<Roster>,
    pub(super) toolsets: Vec<String>,
    /// Names of the tools that read something outside the service; the others are run again when it is played.
    pub(super) reading_tools: BTreeSet<String>,
    pub(super) places: Places,
    pub(super) deadline: Instant,
    pub(super) cancel: CancellationToken,
}

/// Records one run.
#[derive(Debug)]
pub struct Recorder {
    beginning: Beginning,
    started_at: Timestamp,
    base: Instant,
    redactor: Redactor,
    redaction_key: [u8; 32],
    delimiter: [u8; 16],
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    entries: Vec<Raw>,
    /// Of questions and answers.
    bytes: usize,
    incomplete: bool,
    /// The run is over: what is still open was called off.
    is_over: bool,
    clock_us: BTreeMap<String, Vec<i64>>,
    times: BTreeMap<String, Vec<Timestamp>>,
    costs: Vec<Cost>,
    levels: Vec<Level>,
    patience_ms: BTreeMap<String, u64>,
    offers: BTreeMap<String, Value>,
    thread: Thread<Message>,
}

/// A question, not redacted.
#[derive(Debug)]
struct Raw {
    asked: &'static str,
    question: Question,
    end: Option<End>,
    answer: Answer,
}

#[derive(Debug)]
enum Question {
    Plain(Value),
    Model { asked: Box<Asked>, messages: Vec<Message> },
}

#[derive(Debug)]
enum Answer {
    None,
    /// JSON.
    Plain(String),
    Model(Box<Result<ChatReply, LlmError>>),
}

/// A question that waits for its answer.
pub(super) struct Slot<'a> {
    recorder: &'a Recorder,
    /// `None`: the recording is full.
    index: Option<usize>,
}

impl Recorder {
    /// From here on the incident is the one without secrets.
    pub(super) fn begin(mut beginning: Beginning) -> Arc<Self> {
        let redaction_key = Reality.redaction_key();
        let redactor = Redactor::new(redaction_key).with_personal_data(beginning.settings.redact.pii).counted_apart();
        beginning.incident = redacted::incident(&beginning.incident, &redactor);
        Arc::new(Self {
            beginning,
            started_at: Timestamp::now(),
            base: Instant::now(),
            redactor,
            redaction_key,
            delimiter: Reality.delimiter(),
            log: Mutex::default(),
        })
    }

    /// What is investigated, without secrets.
    pub(super) fn incident(&self) -> &Incident {
        &self.beginning.incident
    }

    pub(super) fn places(&self) -> &Places {
        &self.beginning.places
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The end of the budget as the run is to see it: what is written and what is compared must be the same.
    pub(super) fn deadline(&self) -> Instant {
        self.moment(self.since(self.beginning.deadline))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, asked: &'static str, question: Value) -> Slot<'_> {
        let bytes = question.to_string().len();
        self.keep(asked, Question::Plain(question), bytes)
    }

    fn keep(&self, asked: &'static str, question: Question, bytes: usize) -> Slot<'_> {
        let mut log = self.log();
        if !log.has_room(bytes) {
            return Slot { recorder: self, index: None };
        }
        log.entries.push(Raw { asked, question, end: None, answer: Answer::None });
        Slot { recorder: self, index: Some(log.entries.len() - 1) }
    }

    fn open_model(&self, phase: &str, request: &ChatRequest<'_>) -> Slot<'_> {
        let Plain { messages, tools, choice, output_tokens_max, form } = Plain::of(request);
        let offer = canonical::sha256(&tools);
        let mut log = self.log();
        let (kept, messages) = log.thread.shorten(phase, messages);
        log.offers.entry(offer.clone()).or_insert(tools);
        drop(log);
        let bytes = json!(messages).to_string().len();
        let asked =
            Asked { phase: phase.to_owned(), kept, messages: Vec::new(), offer, choice, output_tokens_max, form };
        self.keep("model", Question::Model { asked: Box::new(asked), messages }, bytes)
    }

    /// Microseconds since the beginning.
    fn since(&self, moment: Instant) -> i64 {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        match moment.checked_duration_since(self.base) {
            Some(after) => micros(after),
            None => -micros(self.base.saturating_duration_since(moment)),
        }
    }

    fn moment(&self, since_us: i64) -> Instant {
        at(self.base, since_us)
    }

    /// Everything in the form of the file. Blocks for as long as redaction takes.
    pub(super) fn finished(&self, result: Option<&Result<Investigation, InvestigationError>>) -> Recording {
        let mut log = self.log();
        log.is_over = true;
        let log = std::mem::take(&mut *log);
        let entries = log.entries.into_iter().map(|raw| self.written(raw)).collect();
        Recording {
            format: FORMAT,
            engine: format!("{} ({})", Build::CURRENT.version, Build::CURRENT.commit),
            session: self.beginning.session.clone(),
            started_at: self.started_at,
            budget_us: self.since(self.beginning.deadline),
            incident: self.beginning.incident.clone(),
            settings: self.beginning.settings.clone(),
            models: self.beginning.models.clone(),
            toolsets: self.beginning.toolsets.clone(),
            reading_tools: self.beginning.reading_tools.clone(),
            places: self.beginning.places.clone(),
            clock_us: log.clock_us,
            times: log.times,
            costs: log.costs,
            levels: log.levels,
            patience_ms: log.patience_ms,
            delimiter: canonical::hexadecimal(&self.delimiter),
            offers: log.offers,
            entries,
            incomplete: log.incomplete,
            outcome: outcome(result, &self.redactor),
        }
    }

    fn written(&self, raw: Raw) -> Entry {
        let question = match raw.question {
            Question::Plain(mut question) => {
                redacted_value(&self.redactor, &mut question);
                question
            }
            Question::Model { asked, messages } => {
                let messages = messages.iter().map(|message| dialogue::redacted(message, &self.redactor)).collect();
                json!(Asked { messages, ..*asked })
            }
        };
        let answer = match raw.answer {
            Answer::None => Value::Null,
            Answer::Plain(json) => {
                let mut answer = serde_json::from_str(&json).unwrap_or_default();
                redacted_value(&self.redactor, &mut answer);
                answer
            }
            Answer::Model(answer) => json!(dialogue::written(&answer, &self.redactor)),
        };
        Entry { asked: raw.asked.to_owned(), question, end: raw.end.unwrap_or(End::Cancelled), answer }
    }
}

/// How a run ended, without secrets. `None`: it did not come to an end.
pub(super) fn outcome(result: Option<&Result<Investigation, InvestigationError>>, redactor: &Redactor) -> Outcome {
    match result {
        Some(Ok(investigation)) => Outcome::completed(redacted_result(investigation, redactor)),
        Some(Err(error)) if error.phase == "cancelled" => Outcome::Cut,
        Some(Err(error)) => Outcome::Failed(redactor.text(&error.to_string()).text),
        None => Outcome::Cut,
    }
}

/// Parameters are the model's own words; see `dialogue`.
fn redacted_result(investigation: &Investigation, redactor: &Redactor) -> Value {
    let mut result = json!(investigation);
    const PARAMETERS: &str = "/selected_workflow/parameters";
    let own = result.pointer_mut(PARAMETERS).map(Value::take);
    redactor.value(&mut result);
    if let (Some(mut own), Some(place)) = (own, result.pointer_mut(PARAMETERS)) {
        dialogue::leaves(&mut own, redactor);
        *place = own;
    }
    result
}

/// The moment so many microseconds after another, or before it.
pub(super) fn at(base: Instant, since_us: i64) -> Instant {
    let span = Duration::from_micros(since_us.unsigned_abs());
    let moved = if since_us < 0 { base.checked_sub(span) } else { base.checked_add(span) };
    moved.unwrap_or(base)
}

impl Log {
    fn has_room(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        self.incomplete |= self.bytes > RECORDING_BYTES_MAX;
        !self.incomplete && !self.is_over
    }
}

impl Slot<'_> {
    pub(super) fn close(self, answer: &impl Serialize) {
        let json = serde_json::to_string(answer).unwrap_or_default();
        let bytes = json.len();
        self.fill(Answer::Plain(json), bytes);
    }

    fn fill(mut self, answer: Answer, bytes: usize) {
        let Some(index) = self.index.take() else { return };
        let mut log = self.recorder.log();
        let has_room = log.has_room(bytes);
        if let Some(entry) = log.entries.get_mut(index) {
            entry.end = Some(if has_room { End::Answered } else { End::Cancelled });
            entry.answer = if has_room { answer } else { Answer::None };
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let Some(index) = self.index else { return };
        let is_cancelled = self.recorder.beginning.cancel.is_cancelled();
        if let Some(entry) = self.recorder.log().entries.get_mut(index) {
            entry.end = Some(if is_cancelled { End::Cancelled } else { End::Overdue });
        }
    }
}

#[async_trait]
impl Outside for Recorder {
    fn now(&self, what: &str) -> Timestamp {
        let now = Timestamp::now();
        self.log().times.entry(what.to_owned()).or_default().push(now);
        now
    }

    fn instant(&self, what: &str) -> Instant {
        let since = self.since(Instant::now());
        self.log().clock_us.entry(what.to_owned()).or_default().push(since);
        self.moment(since)
    }

    fn deadline(&self, real: Instant) -> Instant {
        let since = self.since(real);
        self.log().clock_us.entry(DEADLINE.to_owned()).or_default().push(since);
        self.moment(since)
    }

    fn cost(&self, real: Cost) -> Cost {
        self.log().costs.push(real);
        real
    }

    fn level(&self, real: Level) -> Level {
        self.log().levels.push(real);
        real
    }

    fn redaction_key(&self) -> [u8; 32] {
        self.redaction_key
    }

    fn delimiter(&self) -> [u8; 16] {
        self.delimiter
    }

    async fn until(&self, moment: Instant) {
        tokio::time::sleep_until(moment).await;
    }

    fn patience(&self, tool: &dyn Tool) -> Duration {
        let patience = tool.timeout();
        let millis = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.log().patience_ms.insert(tool.definition().name.clone(), millis);
        patience
    }

    async fn chat(&self, phase: &'static str, seat: &Seat, request: &ChatRequest<'_>) -> Result<ChatReply, LlmError> {
        let slot = self.open_model(phase, request);
        let answer = seat.chat(request).await;
        let bytes = json!(answer).to_string().len();
        slot.fill(Answer::Model(Box::new(answer.clone())), bytes);
        answer
    }

    async fn call(&self, tool: &dyn Tool, call: Invocation<'_>) -> ToolOutput {
        let reads = mcp::is_served(tool.toolset()) || self.beginning.reading_tools.contains(&tool.definition().name);
        let slot = self.open(if reads { "tool" } else { "service_tool" }, asked_of_tool(tool, call));
        let output = tool.call(call).await;
        if !reads {
            slot.close(&Value::Null);
            return output;
        }
        let redactor = self.redactor.clone();
        let clean = tokio::task::spawn_blocking(move || redacted_output(&redactor, output)).await;
        let output = clean.unwrap_or_else(|_| ToolOutput::error("the result was withheld: it could not be redacted"));
        slot.close(&output);
        output
    }

    async fn served(&self, servers: &McpServers) -> Vec<Served> {
        if servers.is_empty() {
            return Vec::new();
        }
        let slot = self.open(SERVED, Value::Null);
        let (redactor, mut served) = (self.redactor.clone(), json!(servers.served().await));
        let clean = tokio::task::spawn_blocking(move || {
            redacted_value(&redactor, &mut served);
            serde_json::from_value::<Vec<Served>>(served).unwrap_or_default()
        });
        let served = clean.await.unwrap_or_default();
        slot.close(&served);
        served
    }
}

/// The question a tool is asked.
pub(super) fn asked_of_tool(tool: &dyn Tool, call: Invocation<'_>) -> Value {
    json!({"tool": tool.definition().name, "as": call.name, "arguments": call.arguments})
}
