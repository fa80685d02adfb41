//! Dialect-neutral chat types.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use crate::domain::Usage;

/// One call of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest<'a> {
    pub messages: &'a [Message],
    /// Offered tools in a fixed order: the order is part of the cacheable prefix.
    pub tools: &'a [ToolDefinition],
    pub tool_choice: ToolChoice,
    /// Ceiling of the answer in tokens. The configured one counts where it is higher, or where this is `None`.
    pub output_tokens_max: Option<u32>,
    /// What a text answer is held to.
    pub form: TextForm<'a>,
}

/// The form a provider holds a text answer to (investigation §2.5). Providers that refuse it are not asked again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TextForm<'a> {
    #[default]
    Free,
    /// Any JSON object.
    Json,
    /// JSON of this schema.
    Schema(&'a AnswerSchema),
}

/// A schema in the strict variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerSchema {
    pub name: &'static str,
    pub schema: Value,
}

/// What the model may do with the offered tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    Auto,
    /// It must call some offered tool.
    Required,
    /// It must call this one.
    Named(String),
}

/// A tool as the model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolDefinition {
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments, an object schema. Shared by all who are offered the tool.
    pub parameters: Arc<Value>,
}

impl ToolDefinition {
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self { name: name.into(), description: description.into(), parameters: Arc::new(parameters) }
    }
}

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    System(String),
    User(String),
    Assistant(AssistantMessage),
    ToolResult {
        call_id: String,
        content: String,
        /// The tool failed; dialects that can say so do.
        is_error: bool,
    },
}

impl Message {
    /// The result of a call that went well.
    pub fn result(call_id: impl Into<String>, content: impl Into<String>) -> Self {
        Self::ToolResult { call_id: call_id.into(), content: content.into(), is_error: false }
    }
}

/// What the model said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AssistantMessage {
    pub text: String,
    pub tool_calls: Vec<ToolCall>,
    /// Provider-opaque members (signed reasoning and the like), replayed unchanged to the same provider only.
    pub opaque: Option<Value>,
    /// The profile that issued `opaque`; no other gets it to see. Empty where there is none.
    pub issuer: String,
}

/// A requested tool call. `arguments` is the raw text: repairing it is the tool loop's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatReply {
    pub message: AssistantMessage,
    pub finish: FinishReason,
    pub usage: Usage,
    /// As the provider calls who answered; not everybody says.
    pub model: Option<String>,
    /// How many attempts before this one failed.
    pub retries: u32,
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    Stop,
    ToolCalls,
    /// The output limit cut the answer.
    Length,
    /// A content filter, or the model refused.
    Refusal,
    Other(String),
}

impl FinishReason {
    /// A reason nobody here knows, bounded.
    pub(super) fn other(reason: &str) -> Self {
        const CHARS_MAX: usize = 40;
        Self::Other(reason.chars().take(CHARS_MAX).collect())
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::ToolCalls => "tool_calls",
            Self::Length => "length",
            Self::Refusal => "refusal",
            Self::Other(other) => other,
        }
    }
}
