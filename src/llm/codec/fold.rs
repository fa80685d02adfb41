//! The streamed form of a reply: frames → events → the body it would have been at once → reply.

use base64ct::{Base64, Encoding as _};
use serde_json::Value;

use super::anthropic::{self, Host};
use super::{
    DecodeError, Dialect, Frame, FrameDecoder, FrameError, SseDecoder, SseEvent, converse, gemini, openai_chat,
    openai_responses,
};
use crate::llm::chat::ChatReply;

/// Longest class word of a provider's error that is kept, in characters.
const CLASS_CHARS_MAX: usize = 60;

/// A stream that brings no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error("the stream ended before the reply was complete")]
    Cut,
    #[error("an event is not JSON")]
    NotJson,
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The provider gave up in the middle. Holds its word for the error, letters only, never its message.
    #[error("the provider gave up in the middle: {0}")]
    Provider(String),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl StreamError {
    /// From an error object: its most telling word.
    pub(super) fn of(error: &Value) -> Self {
        let words = ["type", "status", "code"].iter().filter_map(|name| error.get(*name));
        let word = words.map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned));
        Self::named(&word.collect::<Vec<_>>().join(" "))
    }

    fn named(word: &str) -> Self {
        let is_word = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ' ');
        Self::Provider(word.chars().filter(is_word).take(CLASS_CHARS_MAX).collect())
    }
}

/// Reads a stream. Whoever feeds it bounds how many bytes that are.
#[derive(Debug)]
pub struct Fold {
    framing: Framing,
    whole: Whole,
    dialect: Dialect,
    model: Option<String>,
    is_done: bool,
}

#[derive(Debug)]
enum Framing {
    Sse(SseDecoder),
    Frames(FrameDecoder),
}

#[derive(Debug)]
enum Whole {
    Chat(openai_chat::stream::Whole),
    Responses(openai_responses::stream::Whole),
    Anthropic(anthropic::stream::Whole),
    Gemini(gemini::stream::Whole),
    Converse(converse::stream::Whole),
}

impl Fold {
    pub(super) fn new(dialect: Dialect) -> Self {
        let framing = match dialect {
            Dialect::Anthropic(Host::Bedrock) | Dialect::BedrockConverse => Framing::Frames(FrameDecoder::default()),
            _ => Framing::Sse(SseDecoder::default()),
        };
        let whole = match dialect {
            Dialect::OpenAiChat => Whole::Chat(openai_chat::stream::Whole::default()),
            Dialect::OpenAiResponses => Whole::Responses(openai_responses::stream::Whole::default()),
            Dialect::Anthropic(_) => Whole::Anthropic(anthropic::stream::Whole::default()),
            Dialect::Gemini => Whole::Gemini(gemini::stream::Whole::default()),
            Dialect::BedrockConverse => Whole::Converse(converse::stream::Whole::default()),
        };
        Self { framing, whole, dialect, model: None, is_done: false }
    }

    /// Takes the next bytes, however they are cut.
    ///
    /// # Errors
    /// Bytes that are no event, or an event that says the provider gave up.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        match &mut self.framing {
            Framing::Sse(decoder) => {
                let events = decoder.push(bytes);
                events.iter().try_for_each(|event| self.event(event))
            }
            Framing::Frames(decoder) => {
                let frames = decoder.push(bytes)?;
                frames.iter().try_for_each(|frame| self.frame(frame))
            }
        }
    }

    /// True when nothing that matters can follow: a server that keeps the connection open need not be waited for.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// What was said so far, apart from calls and reasoning.
    pub fn text(&self) -> &str {
        match &self.whole {
            Whole::Chat(whole) => whole.text(),
            Whole::Responses(whole) => whole.text(),
            Whole::Anthropic(whole) => whole.text(),
            Whole::Gemini(whole) => whole.text(),
            Whole::Converse(whole) => whole.text(),
        }
    }

    /// The reply, once the stream has ended.
    ///
    /// # Errors
    /// [`StreamError::Cut`] when it ended too early; otherwise as decoding the body.
    pub fn finish(mut self) -> Result<ChatReply, StreamError> {
        match std::mem::replace(&mut self.framing, Framing::Frames(FrameDecoder::default())) {
            Framing::Sse(decoder) => decoder.finish().map_or(Ok(()), |event| self.event(&event))?,
            Framing::Frames(decoder) if decoder.is_empty() => {}
            Framing::Frames(_) => return Err(StreamError::Cut),
        }
        let (is_complete, body) = match self.whole {
            Whole::Chat(whole) => (whole.is_complete() || self.is_done, whole.finish()),
            Whole::Responses(whole) => (whole.is_complete(), whole.finish()),
            Whole::Anthropic(whole) => (whole.is_complete(), whole.finish()),
            Whole::Gemini(whole) => (whole.is_complete(), whole.finish()),
            Whole::Converse(whole) => (whole.is_complete(), whole.finish()),
        };
        if !is_complete {
            return Err(StreamError::Cut);
        }
        let reply = self.dialect.decode(&body)?;
        Ok(ChatReply { model: self.model.or(reply.model), ..reply })
    }

    fn event(&mut self, event: &SseEvent) -> Result<(), StreamError> {
        let data = event.data.trim();
        if data == "[DONE]" {
            self.is_done = true;
        }
        if self.is_done || data.is_empty() {
            return Ok(());
        }
        let data: Value = serde_json::from_str(data).map_err(|_| StreamError::NotJson)?;
        self.data(&event.event, &data)
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), StreamError> {
        if let Some(exception) = frame.header(":exception-type").or_else(|| frame.header(":error-code")) {
            return Err(StreamError::named(exception));
        }
        let data: Value = serde_json::from_slice(&frame.payload).map_err(|_| StreamError::NotJson)?;
        if self.dialect == Dialect::BedrockConverse {
            return self.data(frame.header(":event-type").unwrap_or_default(), &data);
        }
        // A model's own event, wrapped: `{"bytes": "<base64 of the event>"}`.
        let Some(bytes) = data.get("bytes").and_then(Value::as_str) else { return Ok(()) };
        let bytes = Base64::decode_vec(bytes).map_err(|_| StreamError::NotJson)?;
        let data = serde_json::from_slice(&bytes).map_err(|_| StreamError::NotJson)?;
        self.data("", &data)
    }

    fn data(&mut self, event: &str, data: &Value) -> Result<(), StreamError> {
        if self.model.is_none() {
            self.model = super::model_of(data);
        }
        match &mut self.whole {
            Whole::Chat(whole) => whole.event(data),
            Whole::Responses(whole) => {
                whole.event(data)?;
                self.is_done = whole.is_complete();
                Ok(())
            }
            Whole::Anthropic(whole) => {
                whole.event(data)?;
                self.is_done = whole.is_complete();
                Ok(())
            }
            Whole::Gemini(whole) => whole.event(data),
            Whole::Converse(whole) => {
                whole.event(event, data);
                Ok(())
            }
        }
    }
}
