//! Dialect-neutral chat types.

use serde_json::Value;

/// One call of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatRequest<'a> {
    pub messages: &'a [Message],
    /// Offered tools in a fixed order: the order is part of the cacheable prefix.
    pub tools: &'a [ToolDefinition],
    pub tool_choice: ToolChoice,
    /// Ceiling of the answer in tokens; `None` = the provider's own.
    pub output_tokens_max: Option<u32>,
}

/// What the model may do with the offered tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    Auto,
    /// It must call some offered tool.
    Required,
    /// It must call this one.
    Named(String),
}

/// A tool as the model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDefinition {
    pub name: String,
    pub description: String,
    /// JSON Schema of the arguments, an object schema.
    pub parameters: Value,
}

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    System(String),
    User(String),
    Assistant(AssistantMessage),
    ToolResult { call_id: String, content: String },
}

/// What the model said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AssistantMessage {
    pub text: String,
    pub tool_calls: Vec<ToolCall>,
    /// Provider-opaque members (signed reasoning and the like), replayed unchanged to the same provider only.
    pub opaque: Option<Value>,
}

/// A requested tool call. `arguments` is the raw text: repairing it is the tool loop's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub arguments: String,
}

/// A complete reply.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatReply {
    pub message: AssistantMessage,
    pub finish: FinishReason,
    pub usage: Usage,
    /// How many attempts before this one failed.
    pub retries: u32,
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// Tokens of one call; sums over a conversation with `+=`, which never overflows: the numbers are the provider's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub prompt_tokens: u64,
    /// Part of the prompt that was read from the provider's cache.
    pub cached_tokens: u64,
    pub completion_tokens: u64,
    pub reasoning_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_a_lying_provider_do_not_overflow() {
        let most =
            Usage { prompt_tokens: u64::MAX, cached_tokens: 1, completion_tokens: u64::MAX, reasoning_tokens: 0 };
        let mut sum = most;
        sum += most;
        assert_eq!(sum, Usage { cached_tokens: 2, ..most });
    }
}
