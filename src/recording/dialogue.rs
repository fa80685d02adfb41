//! Questions put to the model as a recording keeps them: what came new since the question before, offered tools once. Pure.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::canonical;
use crate::llm::{AssistantMessage, ChatReply, ChatRequest, LlmError, Message};
use crate::redaction::Redactor;

/// Digits of a tool's sum shown.
const SUM_CHARS: usize = 12;

/// A question to the model in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) phase: String,
    /// How many messages are those of the question before, in the same phase.
    pub(super) kept: usize,
    /// The messages behind them.
    pub(super) messages: Vec<Value>,
    /// Which tools are offered: a key of the recording's `offers`.
    pub(super) offer: String,
    pub(super) choice: Value,
    pub(super) output_tokens_max: Option<u32>,
    pub(super) form: Value,
}

/// What a reply is in the file. `opaque_chars` keeps the size of what only the provider can read: it counts when a
/// conversation is made to fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Replied {
    reply: ChatReply,
    #[serde(default)]
    opaque_chars: usize,
}

pub(super) type Answer = Result<Replied, LlmError>;

/// A request without what only a provider can read. Not redacted.
pub(super) struct Plain {
    pub(super) messages: Vec<Message>,
    pub(super) tools: Value,
    pub(super) choice: Value,
    pub(super) output_tokens_max: Option<u32>,
    pub(super) form: Value,
}

impl Plain {
    pub(super) fn of(request: &ChatRequest<'_>) -> Self {
        Self {
            messages: request.messages.iter().map(without_opaque).collect(),
            tools: json!(request.tools),
            choice: json!(request.tool_choice),
            output_tokens_max: request.output_tokens_max,
            form: json!(request.form),
        }
    }

    /// As it is compared and shown.
    pub(super) fn whole(&self, phase: &str, redactor: &Redactor) -> Whole {
        Whole {
            phase: phase.to_owned(),
            messages: self.messages.iter().map(|message| redacted(message, redactor)).collect(),
            tools: self.tools.clone(),
            choice: self.choice.clone(),
            output_tokens_max: self.output_tokens_max,
            form: self.form.clone(),
        }
    }
}

/// A complete question, redacted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Whole {
    pub(super) phase: String,
    messages: Vec<Value>,
    tools: Value,
    choice: Value,
    output_tokens_max: Option<u32>,
    form: Value,
}

impl Whole {
    /// For people: one line for each line of text, and tools as their names and sums.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("phase: {}", self.phase),
            format!("tool choice: {}", self.choice),
            format!("form: {}", self.form.pointer("/schema/name").and_then(Value::as_str).unwrap_or("-")),
            format!("output tokens: {}", json!(self.output_tokens_max)),
        ];
        let tools = self.tools.as_array().into_iter().flatten();
        lines.extend(tools.map(|tool| {
            let sum: String = canonical::sha256(tool).chars().take(SUM_CHARS).collect();
            format!("tool {} {sum}", text(tool, "name"))
        }));
        lines.extend(self.messages.iter().flat_map(lines_of));
        lines
    }
}

/// Who says it, then what.
fn lines_of(message: &Value) -> Vec<String> {
    let said = message.as_object().and_then(|members| members.iter().next());
    let Some((who, said)) = said else { return vec![message.to_string()] };
    let mut lines = vec![format!("--- {who}")];
    for text in [said.as_str().unwrap_or_default(), text(said, "text"), text(said, "content")] {
        lines.extend(text.lines().map(str::to_owned));
    }
    let calls = said.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
    lines.extend(calls.map(|call| format!("call {} {}", text(call, "name"), text(call, "arguments"))));
    lines
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// Makes whole questions short again or short ones whole, phase by phase.
#[derive(Debug)]
pub(super) struct Thread<T> {
    before: HashMap<String, Vec<T>>,
}

impl<T> Default for Thread<T> {
    fn default() -> Self {
        Self { before: HashMap::new() }
    }
}

impl Thread<Message> {
    /// How many messages the question shares with the one before, and the others.
    pub(super) fn shorten(&mut self, phase: &str, messages: Vec<Message>) -> (usize, Vec<Message>) {
        let before = self.before.entry(phase.to_owned()).or_default();
        let kept = before.iter().zip(&messages).take_while(|(old, new)| old == new).count();
        let new = messages.get(kept..).unwrap_or_default().to_vec();
        *before = messages;
        (kept, new)
    }
}

impl Thread<Value> {
    /// The question as it was put.
    ///
    /// # Errors
    /// It refers to something the recording does not hold.
    pub(super) fn expand(&mut self, asked: &Asked, offers: &BTreeMap<String, Value>) -> Result<Whole, String> {
        let before = self.before.entry(asked.phase.clone()).or_default();
        if asked.kept > before.len() {
            return Err(format!("a question of phase {} refers to messages that are not there", asked.phase));
        }
        before.truncate(asked.kept);
        before.extend(asked.messages.iter().cloned());
        let tools = offers.get(&asked.offer).ok_or("a question names tools that are not in the recording")?;
        Ok(Whole {
            phase: asked.phase.clone(),
            messages: before.clone(),
            tools: tools.clone(),
            choice: asked.choice.clone(),
            output_tokens_max: asked.output_tokens_max,
            form: asked.form.clone(),
        })
    }
}

/// A message without secrets.
pub(super) fn redacted(message: &Message, redactor: &Redactor) -> Value {
    if let Message::Assistant(said) = message {
        return json!(Message::Assistant(own_words(said, redactor)));
    }
    let mut value = json!(message);
    redactor.value(&mut value);
    value
}

/// What the model says itself. It was shown no secrets, so that the name of a member makes none of its value: a workflow's
/// parameter `TAINT_KEY` keeps it. Anything that looks like a secret goes.
fn own_words(said: &AssistantMessage, redactor: &Redactor) -> AssistantMessage {
    let mut said = AssistantMessage { text: redactor.text(&said.text).text, ..said.clone() };
    for call in &mut said.tool_calls {
        match serde_json::from_str::<Value>(&call.arguments) {
            Ok(mut arguments) => {
                if leaves(&mut arguments, redactor) {
                    call.arguments = arguments.to_string();
                }
            }
            Err(_) => call.arguments = redactor.text(&call.arguments).text,
        }
    }
    said
}

/// Redacts each text by itself, whatever the member is called; whether there was anything to redact.
pub(super) fn leaves(value: &mut Value, redactor: &Redactor) -> bool {
    match value {
        Value::String(text) => {
            let redacted = redactor.text(text);
            *text = redacted.text;
            !redacted.counts.is_empty()
        }
        Value::Array(items) => items.iter_mut().fold(false, |found, item| leaves(item, redactor) | found),
        Value::Object(members) => members.values_mut().fold(false, |found, member| leaves(member, redactor) | found),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A reply as it is written: without what only the provider can read, and without secrets.
pub(super) fn written(answer: &Result<ChatReply, LlmError>, redactor: &Redactor) -> Answer {
    match answer {
        Ok(reply) => {
            let opaque_chars = reply.message.opaque.as_ref().map_or(0, |opaque| opaque.to_string().len());
            let message = Message::Assistant(reply.message.clone());
            let said = match serde_json::from_value(redacted(&without_opaque(&message), redactor)) {
                Ok(Message::Assistant(said)) => said,
                _ => AssistantMessage::default(),
            };
            Ok(Replied { reply: ChatReply { message: said, ..reply.clone() }, opaque_chars })
        }
        Err(error) => Err(LlmError { sentence: redactor.text(&error.sentence).text, ..error.clone() }),
    }
}

/// The reply with something as large in place of what only the provider could read.
pub(super) fn spoken(answer: Answer) -> Result<ChatReply, LlmError> {
    const QUOTES: usize = 2;
    answer.map(|Replied { mut reply, opaque_chars }| {
        if opaque_chars > 0 {
            reply.message.opaque = Some(Value::String("x".repeat(opaque_chars.saturating_sub(QUOTES))));
        }
        reply
    })
}

fn without_opaque(message: &Message) -> Message {
    match message {
        Message::Assistant(said) => {
            Message::Assistant(AssistantMessage { opaque: None, issuer: String::new(), ..said.clone() })
        }
        other => other.clone(),
    }
}
