//! One pure codec per dialect: neutral request → wire body, wire body → neutral reply.

pub mod openai_chat;

/// A reply that is not what the dialect promises. The text names the member, never its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);
