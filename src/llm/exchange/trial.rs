//! Trying a model out before anybody depends on it: can its provider be reached, and does it make a call it is told to make.

use std::error::Error as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{DROPS_MAX, Profile};
use crate::llm::chat::{ChatReply, ChatRequest, FinishReason, Message, TextForm, ToolChoice, ToolDefinition};
use crate::llm::failure::{ErrorKind, LlmError, network_failure};

/// Ceiling of the answer, in tokens: a call of few words.
const ANSWER_TOKENS_MAX: u32 = 64;
/// The same for models that reason before they answer.
const REASONING_TOKENS_MAX: u32 = 2_048;
/// Longest cause of a failed connection, in characters.
const CAUSE_CHARS_MAX: usize = 300;
/// The tool to be called.
const TOOL: &str = "report_ready";

/// A provider that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The `Date` of its answer, as sent.
    pub date: Option<String>,
    /// Until its headers.
    pub round_trip: Duration,
}

/// A provider that does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    pub kind: ErrorKind,
    /// The innermost cause: `Connection refused`, `invalid peer certificate: UnknownIssuer`.
    pub cause: String,
}

/// How a model took the order to call a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obedience {
    Called,
    /// It wrote instead.
    Wrote,
    /// The limit on its answer came first.
    Cut,
}

impl Profile {
    /// Asks for nothing and looks whether anybody answers. Costs nothing.
    ///
    /// # Errors
    /// No connection, or no answer in time.
    pub async fn reach(&self, patience: Duration) -> Result<Reached, Unreached> {
        let began = Instant::now();
        let answer = self.http.get().head(self.endpoint()).timeout(patience).send().await;
        let answer = answer.map_err(|error| Unreached { kind: network_failure(&error).kind, cause: cause(&error) })?;
        let date = answer.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        Ok(Reached { date: date.map(str::to_owned), round_trip: began.elapsed() })
    }

    /// One call of some hundred tokens that orders the model to call a tool. Nothing is retried but a parameter the model
    /// refuses and a credential that can be renewed.
    ///
    /// # Errors
    /// The failure, classified.
    pub async fn try_tool_call(&self) -> Result<Obedience, LlmError> {
        let messages =
            [Message::User(format!("This is a test of tool calling. Call the tool {TOOL} with ready = true."))];
        let parameters = json!({
            "type": "object",
            "properties": {"ready": {"type": "boolean", "description": "Always true."}},
            "required": ["ready"],
        });
        let tools = [ToolDefinition::new(TOOL, "Says that tools can be called.", parameters)];
        let reasons = self.parameters.lock().is_ok_and(|parameters| parameters.reasoning.is_some());
        let request = ChatRequest {
            messages: &messages,
            tools: &tools,
            tool_choice: ToolChoice::Named(TOOL.to_owned()),
            output_tokens_max: Some(if reasons { REASONING_TOKENS_MAX } else { ANSWER_TOKENS_MAX }),
            form: TextForm::Free,
        };
        let (mut drops, mut renewed) = (0, false);
        loop {
            let failure = match self.attempt(&request, &mut None).await {
                Ok(reply) => return Ok(obedience(&reply)),
                Err(failure) => failure,
            };
            if let Some(parameter) = failure.unsupported
                && drops < DROPS_MAX
                && self.drop_parameter(parameter)
            {
                drops += 1;
            } else if failure.kind == ErrorKind::Auth && !renewed && self.credentials.renew().await {
                renewed = true;
            } else {
                return Err(LlmError { kind: failure.kind, sentence: failure.sentence, retries: 0 });
            }
        }
    }
}

fn obedience(reply: &ChatReply) -> Obedience {
    if reply.message.tool_calls.iter().any(|call| call.name == TOOL) {
        Obedience::Called
    } else if reply.finish == FinishReason::Length {
        Obedience::Cut
    } else {
        Obedience::Wrote
    }
}

/// The innermost cause says what happened; the outer ones repeat the address.
fn cause(error: &reqwest::Error) -> String {
    let mut last = error.source();
    while let Some(deeper) = last.and_then(std::error::Error::source) {
        last = Some(deeper);
    }
    let text = last.map_or_else(|| "no answer in time".to_owned(), ToString::to_string);
    text.chars().take(CAUSE_CHARS_MAX).collect()
}
