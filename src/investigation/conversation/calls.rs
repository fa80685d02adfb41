//! Running the tools a model asks for (investigation §2.7): checked against budget, schema and what was asked before;
//! run side by side; redacted before anything else; answered in the order of the request.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::fitting::ResultMark;
use super::{Conversation, Setting, Stop};
use crate::catalogue::parameters::plain;
use crate::investigation::journal::ToolCallRecord;
use crate::llm::{Message, ToolCall};
use crate::redaction::Redactor;
use crate::redaction::injection::{self, Mode};
use crate::telemetry::{metrics, spans};
use crate::tools::arguments::{self, Checked};
use crate::tools::{Content, Invocation, Tool, ToolOutput, ToolStatus, reduce};

/// After so long a call whose answer changes with time may be made again.
const REPEAT_AFTER: Duration = Duration::from_secs(60);
/// Characters of a schema shown with an error about arguments.
const SCHEMA_CHARS_MAX: usize = 1_500;
/// Characters of the arguments shown with a piece of evidence.
const ARGUMENTS_CHARS_MAX: usize = 200;
/// Calls one phase may make of tools that do not count: paging is free, not endless.
const FREE_CALLS_MAX: u32 = 100;
/// Characters of the name of a tool that does not exist, and of a remark.
const NAME_CHARS_MAX: usize = 80;
const NOTE_CHARS_MAX: usize = 500;
/// Redaction of more than this leaves the async threads, in characters.
const INLINE_CHARS_MAX: usize = 64 * 1024;

/// A call that was made: what a repetition is told.
#[derive(Debug, Clone)]
pub(super) struct Made {
    turn: u32,
    at: Instant,
    result_id: Option<String>,
    status: ToolStatus,
}

/// What becomes of a requested call.
enum Plan {
    Run(Box<Run>),
    /// Not run; the model is told why.
    Answer(ToolStatus, String),
}

struct Run {
    tool: Arc<dyn Tool>,
    /// As the model called it.
    name: String,
    arguments: Map<String, Value>,
    notes: Vec<String>,
    key: String,
    index: u64,
    result_id: String,
    /// The model's own id.
    call_id: String,
}

/// A call that was run.
struct Ran {
    seen: Seen,
    key: String,
}

/// An answer that may be shown.
pub(super) struct Seen {
    /// As the model called the tool.
    pub(super) name: String,
    pub(super) result_id: String,
    /// Without secrets.
    pub(super) output: ToolOutput,
    /// Of the whole answer.
    pub(super) chars: usize,
    /// What is paged through is needed letter by letter.
    pub(super) may_be_summed_up: bool,
    notes: Vec<String>,
    reduced: reduce::Reduced,
}

impl Conversation<'_> {
    /// Runs the calls of one message and appends their results in its order.
    pub(super) async fn run_calls(&mut self, calls: &[ToolCall]) -> Result<(), Stop> {
        let plans: Vec<Plan> = calls.iter().map(|call| self.plan(call)).collect();
        let (setting, limits) = (self.setting, self.limits);
        let running = plans.into_iter().map(|plan| async move {
            match plan {
                Plan::Answer(status, text) => Err((status, text)),
                Plan::Run(run) => {
                    let span = spans::tool(&run.tool.definition().name, &run.call_id);
                    let finish = run.finish(setting, limits.call_timeout, limits.result_chars_max);
                    Ok(finish.instrument(span).await)
                }
            }
        });
        let running =
            futures_util::stream::iter(running).buffered(limits.parallel_calls_max.max(1)).collect::<Vec<_>>();
        let ran = tokio::select! {
            biased;
            () = setting.run.cancel.cancelled() => return Err(Stop::Cancelled),
            ran = running => ran,
        };
        for (call, outcome) in calls.iter().zip(ran) {
            let (content, status) = match outcome {
                Err((status, text)) => {
                    (format!("tool={} status={}\n{text}", shown(&call.name), status.as_str()), status)
                }
                Ok(Ran { seen, key }) => {
                    let mark = ResultMark {
                        message: self.messages.len(),
                        key: key.clone(),
                        result_id: seen.result_id.clone(),
                        is_stub: false,
                    };
                    self.results.push(mark);
                    let status = seen.output.status;
                    if let Some(made) = self.made.get_mut(&key) {
                        (made.result_id, made.status) = (Some(seen.result_id.clone()), status);
                    }
                    let summary = self.summed_up(&seen).await?;
                    (envelope(setting, &seen, summary.as_ref().unwrap_or(&seen.reduced)), status)
                }
            };
            let is_error = status == ToolStatus::Error;
            if is_error && !self.setting.is_exempt(&call.name) {
                self.runaway.failed(call, self.spent.turns);
            }
            self.push(Message::ToolResult { call_id: call.id.clone(), content, is_error });
        }
        Ok(())
    }

    /// What failed too often, tool, budget, arguments, repetition: in this order.
    fn plan(&mut self, call: &ToolCall) -> Plan {
        let refuse = |text: String| Plan::Answer(ToolStatus::Error, text);
        let name = call.name.trim();
        if let Some(told) = self.runaway.refusal(call) {
            return refuse(told);
        }
        let Some(tool) = self.tools.find(name).map(Arc::clone) else {
            self.spent.tool_calls += u32::from(!self.setting.is_exempt(name));
            let mut known: Vec<&str> = self.tools.names().collect();
            if !self.setting.answers_in_text() {
                known.extend(self.submit.iter().map(|tool| tool.name.as_str()));
            }
            return refuse(format!("{:?} is not available in this step; available: {}", shown(name), known.join(", ")));
        };
        let own_name = tool.definition().name.clone();
        if tool.is_counted() && !self.setting.is_exempt(&own_name) {
            if self.spent.tool_calls >= self.limits.tool_calls_max {
                self.setting.journal.tool_denied(tool.toolset(), &own_name);
                return refuse(
                    "the tool budget of this step is used up: submit your answer with what you know".to_owned(),
                );
            }
            let used = self.per_tool.entry(own_name.clone()).or_default();
            if *used >= self.limits.calls_per_tool_max {
                self.setting.journal.tool_denied(tool.toolset(), &own_name);
                return refuse(format!("{own_name} was called {used} times, its limit: use another tool or submit"));
            }
            *used += 1;
            self.spent.tool_calls += 1;
        } else {
            if self.spent.free_calls >= FREE_CALLS_MAX {
                return refuse(format!(
                    "{own_name} and its like were called {FREE_CALLS_MAX} times, their limit: submit"
                ));
            }
            self.spent.free_calls += 1;
        }
        let schema = &tool.definition().parameters;
        let checked = arguments::parse(&call.arguments).and_then(|given| arguments::check(schema, &given));
        let Checked { arguments, notes } = match checked {
            Ok(checked) => checked,
            Err(problem) => {
                let schema: String = schema.to_string().chars().take(SCHEMA_CHARS_MAX).collect();
                return refuse(format!("the arguments do not fit: {problem}\nschema: {schema}"));
            }
        };
        // Tools are found whatever the case; the same call in another spelling is the same call.
        let name = name.to_ascii_lowercase();
        let key = format!("{name} {}", canonical(&arguments));
        if let Some(told) = self.repeated(&key, tool.is_time_dependent()) {
            return Plan::Answer(ToolStatus::Error, told);
        }
        let at = self.setting.run.outside.instant("call made");
        let made = Made { turn: self.spent.turns, at, result_id: None, status: ToolStatus::Success };
        self.made.insert(key.clone(), made);
        let index = self.setting.journal.next_tool_call(self.phase);
        let shown = self.setting.redactor.text(&in_words(&arguments)).text;
        let result_id = self.setting.ledger.reserve(&own_name, shown);
        let call_id = call.id.clone();
        Plan::Run(Box::new(Run { tool, name, arguments, notes, key, index, result_id, call_id }))
    }

    /// What a second identical call is told instead of an answer.
    fn repeated(&self, key: &str, is_time_dependent: bool) -> Option<String> {
        let made = self.made.get(key)?;
        let since = || self.setting.run.outside.instant("call repeated").saturating_duration_since(made.at);
        if is_time_dependent && since() >= REPEAT_AFTER {
            return None;
        }
        let Some(id) = &made.result_id else {
            return Some("this very call stands earlier in the same message; its result comes with that".to_owned());
        };
        let hint = match made.status {
            ToolStatus::Success => "look there, or ask for something else",
            ToolStatus::NoData => "narrowing it further will not help",
            ToolStatus::Error => "change the arguments or use another tool",
        };
        Some(format!(
            "this call was already made in turn {} with status {} (result_id={id}): {hint}",
            made.turn,
            made.status.as_str()
        ))
    }
}

/// A name as the model gave it, in one short line.
pub(super) fn shown(name: &str) -> String {
    injection::field(name, NAME_CHARS_MAX)
}

/// The same text for the same arguments, whatever their order.
pub(super) fn canonical(arguments: &Map<String, Value>) -> String {
    let sorted: std::collections::BTreeMap<&String, &Value> = arguments.iter().collect();
    serde_json::to_string(&sorted).unwrap_or_default()
}

/// `kind=Pod name=web-0 namespace=shop`, for people who want to see it again.
fn in_words(arguments: &Map<String, Value>) -> String {
    let words = arguments.iter().map(|(name, value)| format!("{name}={}", plain(value)));
    words.collect::<Vec<_>>().join(" ").chars().take(ARGUMENTS_CHARS_MAX).collect()
}

impl Run {
    async fn finish(self, setting: &Setting<'_>, call_timeout: Duration, chars_max: usize) -> Ran {
        let outside = setting.run.outside.as_ref();
        let began = outside.instant(&format!("call {}", self.index));
        setting.journal.tool_started(&self.tool.definition().name, self.index);
        let call = Invocation { name: &self.name, arguments: &self.arguments };
        let patience = outside.patience(self.tool.as_ref()).min(call_timeout);
        let until = (began + patience).min(setting.wrap_up_at);
        let answer = tokio::select! {
            biased;
            output = outside.call(self.tool.as_ref(), call) => Some(output),
            () = outside.until(until) => None,
        };
        let (output, status) = match answer {
            Some(output) => {
                let status = match output.status {
                    ToolStatus::Error => metrics::ToolStatus::Error,
                    ToolStatus::Success | ToolStatus::NoData => metrics::ToolStatus::Success,
                };
                (output, status)
            }
            None if until < setting.wrap_up_at => {
                let text = format!("no answer within {} s: ask for less, or use another tool", patience.as_secs());
                (ToolOutput::error(text), metrics::ToolStatus::Timeout)
            }
            None => {
                let text = "the time for investigating is over: submit your answer with what you know";
                (ToolOutput::error(text), metrics::ToolStatus::Timeout)
            }
        };
        let took = began.elapsed();
        let Cleaned { output, stripped } = redacted(setting, output).await;
        let own_name = &self.tool.definition().name;
        let whole = reduce::whole(&output.content);
        let result_id = self.result_id;
        setting.ledger.keep(&result_id, output.status, &whole);
        if !stripped.is_empty() {
            setting.journal.suspicious_result(&self.name, &result_id, &stripped);
        }
        let reduced = reduce::reduce(&output.content, chars_max);
        let is_truncated = reduced.left_out.is_some();
        if matches!(status, metrics::ToolStatus::Error | metrics::ToolStatus::Timeout) {
            spans::failed(&Span::current(), status.as_str());
        }
        let mut arguments = self.arguments;
        arguments.values_mut().for_each(|value| _ = setting.redactor.value(value));
        setting
            .journal
            .tool_called(ToolCallRecord {
                index: self.index,
                toolset: self.tool.toolset(),
                tool: own_name,
                arguments,
                result: &whole,
                status,
                is_truncated,
                took,
            })
            .await;
        let seen = Seen {
            chars: whole.chars().count(),
            may_be_summed_up: self.tool.is_counted(),
            name: self.name,
            result_id,
            output,
            notes: self.notes,
            reduced,
        };
        Ran { seen, key: self.key }
    }
}

/// An answer that may be shown.
struct Cleaned {
    output: ToolOutput,
    /// Kinds of passages that were taken out because they look like instructions.
    stripped: Vec<&'static str>,
}

/// The whole answer without secrets: before anything is cut, so that no secret can be split and slip through.
async fn redacted(setting: &Setting<'_>, output: ToolOutput) -> Cleaned {
    let (redactor, mode) = (setting.redactor.clone(), setting.injection);
    let chars = match &output.content {
        Content::Text(text) => text.len(),
        Content::Json(_) => INLINE_CHARS_MAX + 1,
        Content::Lines { lines, .. } => lines.iter().map(String::len).sum(),
    };
    let work = move || {
        let output = redacted_output(&redactor, output);
        match mode {
            Mode::Mark => Cleaned { output, stripped: Vec::new() },
            Mode::Strip => stripped(output),
        }
    };
    let done = if chars <= INLINE_CHARS_MAX { Ok(work()) } else { tokio::task::spawn_blocking(work).await };
    done.unwrap_or_else(|_| Cleaned {
        output: ToolOutput::error("the result was withheld: secrets could not be removed from it"),
        stripped: Vec::new(),
    })
}

/// A tool's answer without secrets and hidden characters. Blocks for as long as the text is long.
pub fn redacted_output(redactor: &Redactor, output: ToolOutput) -> ToolOutput {
    let ToolOutput { status, content, notes } = output;
    let notes = notes.iter().map(|note| redactor.text(&injection::clean(note)).text).collect();
    ToolOutput { status, content: clean(redactor, content), notes }
}

/// Data without hidden characters and secrets.
pub fn redacted_value(redactor: &Redactor, value: &mut Value) {
    show_all(value);
    redactor.value(value);
}

/// First without hidden characters, then without secrets: what shows nothing must not keep a secret from being recognised,
/// and quotes are held against what the model was shown.
fn clean(redactor: &Redactor, content: Content) -> Content {
    let plain = |text: &str| redactor.text(&injection::clean(text)).text;
    match content {
        Content::Text(text) => Content::Text(plain(&text)),
        Content::Json(mut value) => {
            redacted_value(redactor, &mut value);
            Content::Json(value)
        }
        Content::Lines { header, lines, footer, keep } => {
            // Together, because a key may span lines.
            let text = plain(&lines.join("\n"));
            let lines = if lines.is_empty() { lines } else { text.split('\n').map(str::to_owned).collect() };
            Content::Lines { header: plain(&header), lines, footer: plain(&footer), keep }
        }
    }
}

/// The answer without lines that look like instructions; says how many there were.
fn stripped(mut output: ToolOutput) -> Cleaned {
    let kinds = injection::suspicions(&reduce::whole(&output.content));
    let mut removed = 0;
    let mut strip = |text: &mut String| {
        let (kept, lines) = injection::strip(text);
        if lines > 0 {
            (removed, *text) = (removed + lines, kept);
        }
        lines > 0
    };
    match &mut output.content {
        Content::Text(text) => _ = strip(text),
        Content::Json(value) => removed = injection::strip_value(value),
        Content::Lines { header, lines, footer, .. } => {
            strip(header);
            strip(footer);
            let mut text = lines.join("\n");
            if strip(&mut text) {
                *lines = text.lines().map(str::to_owned).collect();
            }
        }
    }
    if removed == 0 {
        return Cleaned { output, stripped: Vec::new() };
    }
    Cleaned {
        output: output.noting(injection::removal(removed)),
        stripped: kinds.iter().map(|one| one.kind.as_str()).collect(),
    }
}

/// Takes hidden characters out of every text and name.
fn show_all(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(clean) = injection::clean(text) {
                *text = clean;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(show_all),
        Value::Object(members) => {
            if members.keys().any(|name| matches!(injection::clean(name), Cow::Owned(_))) {
                let taken = std::mem::take(members).into_iter();
                *members = taken.map(|(name, value)| (injection::clean(&name).into_owned(), value)).collect();
            }
            members.values_mut().for_each(show_all);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// First line, remarks, the data between delimiters, what was left out.
fn envelope(setting: &Setting<'_>, seen: &Seen, reduced: &reduce::Reduced) -> String {
    let Seen { name, result_id, output, notes, .. } = seen;
    let mut text = format!("tool={name} status={} result_id={result_id}\n", output.status.as_str());
    for note in notes.iter().chain(&output.notes) {
        text.push_str("note: ");
        // One line each: they stand outside the delimiters.
        text.push_str(&injection::field(note, NOTE_CHARS_MAX));
        text.push('\n');
    }
    let wrapped = setting.fence.wrap(name, &reduced.text);
    if !wrapped.suspicions.is_empty() {
        let kinds: Vec<&str> = wrapped.suspicions.iter().map(|suspicion| suspicion.kind.as_str()).collect();
        setting.journal.suspicious_result(name, result_id, &kinds);
    }
    text.push_str(&wrapped.text);
    if let Some(left_out) = &reduced.left_out {
        text.push_str(&format!(
            "\nleft out: {left_out}; read_tool_result(result_id=\"{result_id}\", search=…) shows it"
        ));
    }
    text
}
