//! Answers from a recording.
//!
//! Strict: whoever asks what was not recorded, or puts another question to the model, ends the run, and [`Drift`] says what
//! was different. With a model of its own, the model is really asked; what tools were not asked then has no answer now.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::dialogue::{self, Asked, Plain, Thread, Whole};
use super::format::{End, Recording};
use super::recorder::{DEADLINE, SERVED, asked_of_tool, at};
use super::{canonical, difference};
use crate::domain::Cost;
use crate::investigation::{Outside, Reality, redacted_value};
use crate::llm::{ChatReply, ChatRequest, ErrorKind, LlmError, Seat};
use crate::metering::Level;
use crate::redaction::Redactor;
use crate::tools::mcp::{self, McpServers, Served};
use crate::tools::{Invocation, Tool, ToolOutput};

/// Most differences kept; the first is what counts.
const DRIFTS_MAX: usize = 20;
/// Most unanswered questions listed.
const UNRECORDED_MAX: usize = 100;
/// What whoever asks is told.
pub(super) const NOT_RECORDED: &str = "the recording holds no answer to this question";

/// Something the run asked that the recording does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// `question 3 to the model (rca)`, `tool kubectl_describe`.
    pub place: String,
    /// A unified difference to the nearest recorded question; empty when there is none like it.
    pub difference: String,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was not recorded", self.place)?;
        if self.difference.is_empty() { Ok(()) } else { write!(f, "\n{}", self.difference) }
    }
}

/// Plays one recording to one run.
#[derive(Debug)]
pub struct Player {
    questions: HashMap<String, Vec<(End, Value)>>,
    /// What was asked at each port, for finding the nearest.
    known: HashMap<String, Vec<Value>>,
    exchanges: Vec<Exchange>,
    /// Names of the tools whose answers are recorded; the others are run again.
    reading_tools: BTreeSet<String>,
    patience_ms: BTreeMap<String, u64>,
    delimiter: [u8; 16],
    redactor: Redactor,
    redaction_key: [u8; 32],
    incomplete: bool,
    /// The model is really asked.
    asks_model: bool,
    base: Instant,
    cancel: CancellationToken,
    /// How many wait for what was never answered: only then time passes.
    stalled: watch::Sender<usize>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Exchange {
    asked: Whole,
    end: End,
    answer: Value,
}

#[derive(Debug, Default)]
struct State {
    /// How often each question was asked.
    given: HashMap<String, usize>,
    /// Exchanges with the model so far.
    turns: usize,
    clock_us: BTreeMap<String, Readings<i64>>,
    times: BTreeMap<String, Readings<Timestamp>>,
    costs: Readings<Cost>,
    levels: Readings<Level>,
    drifts: Vec<Drift>,
    unrecorded: Vec<String>,
}

/// Recorded values, each given once, the last again and again.
#[derive(Debug)]
struct Readings<T> {
    values: Vec<T>,
    next: usize,
}

impl<T> Default for Readings<T> {
    fn default() -> Self {
        Self { values: Vec::new(), next: 0 }
    }
}

impl<T: Copy> Readings<T> {
    fn next(&mut self) -> Option<T> {
        let value = self.values.get(self.next).or(self.values.last()).copied();
        self.next += 1;
        value
    }
}

fn readings<T: Clone>(recorded: &BTreeMap<String, Vec<T>>) -> BTreeMap<String, Readings<T>> {
    recorded.iter().map(|(what, values)| (what.clone(), Readings { values: values.clone(), next: 0 })).collect()
}

/// What becomes of a question.
enum Found {
    Answer(Value),
    /// It was never answered: time passes, or the run is called off.
    Never(End),
    Unknown,
}

impl Player {
    /// `asks_model`: the model is really asked, and only the rest comes from the recording.
    ///
    /// # Errors
    /// The recording contradicts itself, in one sentence.
    pub fn new(recording: &Recording, asks_model: bool) -> Result<Self, String> {
        let redaction_key = Reality.redaction_key();
        let redactor = Redactor::new(redaction_key).with_personal_data(recording.settings.redact.pii);
        let mut player = Self {
            questions: HashMap::new(),
            known: HashMap::new(),
            exchanges: Vec::new(),
            reading_tools: recording.reading_tools.clone(),
            patience_ms: recording.patience_ms.clone(),
            delimiter: bytes(&recording.delimiter).ok_or("the delimiter is not 32 hexadecimal digits")?,
            redactor,
            redaction_key,
            incomplete: recording.incomplete,
            asks_model,
            base: Instant::now(),
            cancel: CancellationToken::new(),
            stalled: watch::Sender::new(0),
            state: Mutex::new(State {
                clock_us: readings(&recording.clock_us),
                times: readings(&recording.times),
                costs: Readings { values: recording.costs.clone(), next: 0 },
                levels: Readings { values: recording.levels.clone(), next: 0 },
                ..State::default()
            }),
        };
        let mut thread = Thread::default();
        for entry in &recording.entries {
            if entry.asked == "model" {
                let asked: Asked = serde_json::from_value(entry.question.clone()).map_err(|error| error.to_string())?;
                let asked = thread.expand(&asked, &recording.offers)?;
                player.exchanges.push(Exchange { asked, end: entry.end, answer: entry.answer.clone() });
            } else {
                let key = key(&entry.asked, &entry.question);
                player.questions.entry(key).or_default().push((entry.end, entry.answer.clone()));
                player.known.entry(entry.asked.clone()).or_default().push(entry.question.clone());
            }
        }
        Ok(player)
    }

    /// Ends the run.
    pub fn cancel(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// The end of a budget of so many microseconds.
    pub fn deadline(&self, budget_us: i64) -> Instant {
        at(self.base, budget_us)
    }

    /// What the run asked that was not recorded.
    pub fn drifts(&self) -> Vec<Drift> {
        self.state().drifts.clone()
    }

    /// With a model of its own: the questions that had no answer, one line each.
    pub fn unrecorded(&self) -> Vec<String> {
        self.state().unrecorded.clone()
    }

    /// Recorded exchanges with the model, and how many took place.
    pub fn exchanges(&self) -> (usize, usize) {
        (self.exchanges.len(), self.state().turns)
    }

    pub(super) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The recorded answer; `None` when there is none and the run goes on nevertheless.
    pub(super) async fn answer(&self, asked: &str, question: Value) -> Option<Value> {
        match self.find(asked, question) {
            Found::Answer(answer) => Some(answer),
            Found::Never(_) | Found::Unknown if self.asks_model => None,
            Found::Never(end) => self.never(end).await,
            Found::Unknown => std::future::pending().await,
        }
    }

    /// The same without waiting.
    pub(super) fn told(&self, asked: &str, question: Value) -> Option<Value> {
        match self.find(asked, question) {
            Found::Answer(answer) => Some(answer),
            Found::Never(_) | Found::Unknown => None,
        }
    }

    fn find(&self, asked: &str, mut question: Value) -> Found {
        redacted_value(&self.redactor, &mut question);
        let key = key(asked, &question);
        let Some(answers) = self.questions.get(&key) else {
            self.unknown(asked, &question);
            return Found::Unknown;
        };
        let number = {
            let mut state = self.state();
            let number = state.given.entry(key).or_default();
            *number += 1;
            *number - 1
        };
        match answers.get(number).or(answers.last()) {
            Some((End::Answered, answer)) => Found::Answer(answer.clone()),
            Some((end, _)) => Found::Never(*end),
            None => Found::Unknown,
        }
    }

    /// Nobody answered in the recording. Whoever waits learns that time passes, or the run is called off.
    async fn never<T>(&self, end: End) -> T {
        let _stall = match end {
            End::Cancelled => {
                self.cancel.cancel();
                None
            }
            End::Overdue | End::Answered => Some(Stall::begin(&self.stalled)),
        };
        std::future::pending().await
    }

    fn unknown(&self, asked: &str, question: &Value) {
        if self.asks_model {
            let mut state = self.state();
            if state.unrecorded.len() < UNRECORDED_MAX {
                state.unrecorded.push(format!("{asked} {}", canonical::text(question)));
            }
            return;
        }
        let text = canonical::text(question);
        let known = self.known.get(asked).map(Vec::as_slice).unwrap_or_default();
        let nearest = known.iter().max_by_key(|known| difference::likeness(&canonical::text(known), &text));
        let difference = nearest.map(|nearest| difference::unified(&pretty(nearest), &pretty(question)));
        let place = match question.get("tool").and_then(Value::as_str) {
            Some(tool) => format!("tool {tool} {}", question.get("arguments").unwrap_or(&Value::Null)),
            None => format!("{asked} {text}"),
        };
        self.drift(place, difference.unwrap_or_default());
    }

    fn drift(&self, place: String, difference: String) {
        let place = if self.incomplete { format!("(the recording is incomplete) {place}") } else { place };
        {
            let mut state = self.state();
            if state.drifts.len() < DRIFTS_MAX {
                state.drifts.push(Drift { place, difference });
            }
        }
        self.cancel.cancel();
    }

    /// The exchange that comes next, if it is the one that was recorded.
    fn exchange(&self, phase: &str, request: &ChatRequest<'_>) -> Option<&Exchange> {
        let number = {
            let mut state = self.state();
            state.turns += 1;
            state.turns
        };
        let now = Plain::of(request).whole(phase, &self.redactor);
        let place = format!("question {number} to the model ({phase})");
        let Some(exchange) = self.exchanges.get(number - 1) else {
            let nearest = self.exchanges.last().map(|last| difference::unified(&last.asked.lines(), &now.lines()));
            self.drift(place, nearest.unwrap_or_default());
            return None;
        };
        if exchange.asked == now {
            return Some(exchange);
        }
        let shown = difference::unified(&exchange.asked.lines(), &now.lines());
        let shown = if shown.is_empty() { "a member that is not shown is different".to_owned() } else { shown };
        self.drift(place, shown);
        None
    }
}

/// One who waits for what was never answered.
struct Stall<'a>(&'a watch::Sender<usize>);

impl<'a> Stall<'a> {
    fn begin(stalled: &'a watch::Sender<usize>) -> Self {
        stalled.send_modify(|count| *count += 1);
        Self(stalled)
    }
}

impl Drop for Stall<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[async_trait]
impl Outside for Player {
    fn now(&self, what: &str) -> Timestamp {
        let recorded = || self.state().times.get_mut(what).and_then(Readings::next);
        if self.asks_model { Timestamp::now() } else { recorded().unwrap_or_else(Timestamp::now) }
    }

    fn instant(&self, what: &str) -> Instant {
        if self.asks_model {
            return Instant::now();
        }
        let since = self.state().clock_us.get_mut(what).and_then(Readings::next);
        at(self.base, since.unwrap_or_default())
    }

    fn deadline(&self, real: Instant) -> Instant {
        let recorded = || self.state().clock_us.get_mut(DEADLINE).and_then(Readings::next);
        if self.asks_model { real } else { recorded().map_or(real, |since| at(self.base, since)) }
    }

    fn cost(&self, real: Cost) -> Cost {
        if self.asks_model { real } else { self.state().costs.next().unwrap_or_default() }
    }

    fn level(&self, real: Level) -> Level {
        if self.asks_model { real } else { self.state().levels.next().unwrap_or(Level::Within) }
    }

    fn redaction_key(&self) -> [u8; 32] {
        self.redaction_key
    }

    fn delimiter(&self) -> [u8; 16] {
        self.delimiter
    }

    async fn until(&self, moment: Instant) {
        if self.asks_model {
            return tokio::time::sleep_until(moment).await;
        }
        let mut stalled = self.stalled.subscribe();
        if stalled.wait_for(|count| *count > 0).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn patience(&self, tool: &dyn Tool) -> Duration {
        let recorded = self.patience_ms.get(&tool.definition().name);
        recorded.map_or_else(|| tool.timeout(), |millis| Duration::from_millis(*millis))
    }

    async fn chat(&self, phase: &'static str, seat: &Seat, request: &ChatRequest<'_>) -> Result<ChatReply, LlmError> {
        if self.asks_model {
            self.state().turns += 1;
            return seat.chat(request).await;
        }
        let Some(exchange) = self.exchange(phase, request) else { return std::future::pending().await };
        if exchange.end != End::Answered {
            return self.never(exchange.end).await;
        }
        let unreadable = |error: serde_json::Error| LlmError {
            kind: ErrorKind::Decode,
            sentence: format!("the recorded reply cannot be read: {error}"),
            retries: 0,
        };
        let answer: dialogue::Answer = serde_json::from_value(exchange.answer.clone()).map_err(unreadable)?;
        dialogue::spoken(answer)
    }

    async fn call(&self, tool: &dyn Tool, call: Invocation<'_>) -> ToolOutput {
        let question = asked_of_tool(tool, call);
        if !mcp::is_served(tool.toolset()) && !self.reading_tools.contains(&tool.definition().name) {
            // A tool of the service itself is run again, over recorded ports.
            if !self.asks_model {
                self.answer("service_tool", question).await;
            }
            return tool.call(call).await;
        }
        let answer = self.answer("tool", question).await;
        let output = answer.and_then(|answer| serde_json::from_value(answer).ok());
        output.unwrap_or_else(|| ToolOutput::error(format!("not recorded: {NOT_RECORDED}; use what you have")))
    }

    /// Nobody is asked, whatever servers there are; a recording without servers holds no such question.
    async fn served(&self, _servers: &McpServers) -> Vec<Served> {
        if !self.known.contains_key(SERVED) {
            return Vec::new();
        }
        let answer = self.answer(SERVED, Value::Null).await;
        answer.and_then(|answer| serde_json::from_value(answer).ok()).unwrap_or_default()
    }
}

fn key(asked: &str, question: &Value) -> String {
    format!("{asked} {}", canonical::text(question))
}

fn pretty(value: &Value) -> Vec<String> {
    serde_json::to_string_pretty(value).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// 32 hexadecimal digits.
fn bytes(text: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32).map(u128::to_be_bytes)
}
