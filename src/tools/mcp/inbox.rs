//! What a server writes, read within bounds.

use std::collections::VecDeque;

use reqwest::Response;

use super::exchange::{McpError, failure};
use crate::llm::codec::{SseDecoder, SseEvent};

/// Largest answer read, in bytes: what comes while one answer is awaited counts together.
pub(super) const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A body that is read as a stream of events.
#[derive(Debug)]
pub(super) struct Inbox {
    /// `None` once it has ended.
    response: Option<Response>,
    decoder: SseDecoder,
    waiting: VecDeque<SseEvent>,
    /// Read since [`Inbox::begin`].
    bytes: usize,
}

impl Inbox {
    pub(super) fn new(response: Response) -> Self {
        Self { response: Some(response), decoder: SseDecoder::default(), waiting: VecDeque::new(), bytes: 0 }
    }

    /// From here on another answer is awaited.
    pub(super) fn begin(&mut self) {
        self.bytes = 0;
    }

    /// The next event; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Result<Option<SseEvent>, McpError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(Some(event));
            }
            let Some(response) = &mut self.response else { return Ok(None) };
            match response.chunk().await.map_err(|error| failure(&error))? {
                Some(chunk) => {
                    self.bytes += chunk.len();
                    if self.bytes > ANSWER_BYTES_MAX {
                        return Err(McpError::TooLarge);
                    }
                    self.waiting.extend(self.decoder.push(&chunk));
                }
                None => {
                    self.response = None;
                    self.waiting.extend(std::mem::take(&mut self.decoder).finish());
                }
            }
        }
    }
}

/// A whole body.
pub(super) async fn body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, McpError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        if bytes.len() + chunk.len() > bytes_max {
            return Err(McpError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
