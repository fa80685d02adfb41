//! The language model: neutral chat types, one pure codec per dialect, one exchange that retries, classifies and
//! bounds. Nothing here knows what is being investigated.

pub mod chat;
pub mod codec;
pub mod config;
mod exchange;
mod failure;

pub use chat::{
    AnswerSchema, AssistantMessage, ChatReply, ChatRequest, FinishReason, Message, TextForm, ToolCall, ToolChoice,
    ToolDefinition, Usage,
};
pub use config::{LlmConfig, StructuredOutput};
pub use exchange::{Llm, LlmBuildError};
pub use failure::{ErrorKind, LlmError};
