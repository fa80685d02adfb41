//! One pure codec per dialect: neutral request → wire body, wire body or stream of events → neutral reply.
//!
//! Streams are folded into the body the provider would have sent at once, and that is decoded: both ways give the same
//! value by construction.

pub mod anthropic;
pub mod converse;
mod event_stream;
mod fold;
pub mod gemini;
mod names;
pub mod openai_chat;
pub mod openai_responses;
mod order;
mod parameters;
mod sse;
mod tokens;
mod turns;

use serde_json::Value;

pub use event_stream::{Frame, FrameDecoder, FrameError};
pub use fold::{Fold, StreamError};
pub use parameters::{Effort, Parameters, Reasoning, Unsupported, unsupported_parameter};
pub use sse::{SseDecoder, SseEvent};

use super::chat::{ChatReply, ChatRequest};

/// A reply that is not what the dialect promises. The text names the member, never its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

impl DecodeError {
    fn new(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    OpenAiChat,
    OpenAiResponses,
    Anthropic(anthropic::Host),
    /// Gemini generateContent: native and on Vertex, with the same bodies.
    Gemini,
    BedrockConverse,
}

impl Dialect {
    pub const ALL: [Self; 7] = [
        Self::OpenAiChat,
        Self::OpenAiResponses,
        Self::Anthropic(anthropic::Host::Native),
        Self::Anthropic(anthropic::Host::Vertex),
        Self::Anthropic(anthropic::Host::Bedrock),
        Self::Gemini,
        Self::BedrockConverse,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai_chat",
            Self::OpenAiResponses => "openai_responses",
            Self::Anthropic(anthropic::Host::Native) => "anthropic",
            Self::Anthropic(anthropic::Host::Vertex) => "anthropic_on_vertex",
            Self::Anthropic(anthropic::Host::Bedrock) => "anthropic_on_bedrock",
            Self::Gemini => "gemini",
            Self::BedrockConverse => "bedrock_converse",
        }
    }

    /// The request body. Members a model was found to refuse stay out.
    pub fn encode(self, model: &str, request: &ChatRequest<'_>, parameters: &Parameters) -> Value {
        match self {
            Self::OpenAiChat => openai_chat::encode(model, request, parameters),
            Self::OpenAiResponses => openai_responses::encode(model, request, parameters),
            Self::Anthropic(host) => anthropic::encode(host, model, request, parameters),
            Self::Gemini => gemini::encode(model, request, parameters),
            Self::BedrockConverse => converse::encode(model, request, parameters),
        }
    }

    /// Reads a whole reply. Tolerates what compatible servers leave out; refuses what is no reply at all.
    ///
    /// # Errors
    /// The member that is missing.
    pub fn decode(self, body: &Value) -> Result<ChatReply, DecodeError> {
        let reply = match self {
            Self::OpenAiChat => openai_chat::decode(body),
            Self::OpenAiResponses => openai_responses::decode(body),
            Self::Anthropic(_) => anthropic::decode(body),
            Self::Gemini => gemini::decode(body),
            Self::BedrockConverse => converse::decode(body),
        }?;
        Ok(ChatReply { model: model_of(body), ..reply })
    }

    /// What reads the streamed form of a reply.
    pub fn fold(self) -> Fold {
        Fold::new(self)
    }
}

/// Who answered, by what a body or an event of a stream says; bounded.
fn model_of(data: &Value) -> Option<String> {
    const CHARS_MAX: usize = 128;
    const PLACES: [&str; 4] = ["/model", "/modelVersion", "/message/model", "/response/model"];
    let said = PLACES.iter().find_map(|place| data.pointer(place)?.as_str()).filter(|name| !name.is_empty())?;
    Some(said.chars().take(CHARS_MAX).collect())
}

#[cfg(test)]
mod tests;
