//! One attempt: request, reply, and the patience for each of its steps.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Body, Response};
use serde_json::Value;
use tokio::time::timeout;

use super::{Listener, Profile};
use crate::llm::chat::{ChatReply, ChatRequest};
use crate::llm::codec::{Dialect, StreamError};
use crate::llm::delays::server_delay;
use crate::llm::failure::{ErrorKind, Failure, credential_failure, network_failure, refusal, stream_failure};
use crate::telemetry::trace;

/// Largest reply read, in bytes.
const REPLY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Characters of a token of JSON or log text, about.
const CHARS_PER_TOKEN: usize = 3;

impl Profile {
    /// Asks once.
    pub(super) async fn attempt(
        &self,
        request: &ChatRequest<'_>,
        listener: &mut Option<Listener<'_>>,
    ) -> Result<ChatReply, Failure> {
        let parameters = self.parameters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let body = self.route.dialect.encode(&self.route.model, request, &parameters).to_string();
        let turn = self.pace.turn((body.len() / CHARS_PER_TOKEN) as u64).await;
        let began = Instant::now();
        let response = self.send(body, parameters.streaming).await?;
        let status = response.status();
        if !status.is_success() {
            let delay = server_delay(response.headers(), Timestamp::now());
            let text = self.read(response).await?;
            let failure = refusal(status, &String::from_utf8_lossy(&text));
            return Err(Failure { server_delay: delay.or(failure.server_delay), ..failure });
        }
        let reply = if is_stream(&response) {
            self.read_stream(response, began, listener).await?
        } else {
            whole(self.route.dialect, &self.read(response).await?)?
        };
        turn.cost(reply.usage.total());
        Ok(reply)
    }

    async fn send(&self, body: String, streaming: bool) -> Result<Response, Failure> {
        let http = self.http.get();
        let body = Bytes::from(body);
        let call = http.post(self.route.url(streaming)).header(CONTENT_TYPE, "application/json").body(body.clone());
        let mut call = call.timeout(self.patience.total).build().map_err(|error| network_failure(&error))?;
        for (name, value) in self.route.headers() {
            call.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        self.headers.put(&mut call).map_err(|error| credential_failure(&error))?;
        self.credentials.sign(&http, &mut call).await.map_err(|error| credential_failure(&error))?;
        // Once it is sent nobody needs it: a body that could be sent again would be kept until the answer begins.
        *call.body_mut() = Some(Body::wrap(Full::new(body)));
        for (name, value) in trace::headers() {
            if let Ok(value) = HeaderValue::try_from(value) {
                call.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        let sent = timeout(self.patience.first_byte, http.execute(call)).await;
        let sent =
            sent.map_err(|_| Failure::outage(ErrorKind::Timeout, "the model provider did not begin to answer"))?;
        sent.map_err(|error| network_failure(&error))
    }

    /// The next piece of a reply.
    async fn chunk(&self, response: &mut Response) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
        let late = |_| Failure::outage(ErrorKind::Timeout, "the model provider fell silent in the middle of its reply");
        let next: Result<_, Failure> = timeout(self.patience.idle, response.chunk()).await.map_err(late);
        next?.map_err(|error| network_failure(&error))
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            bounded(bytes.len() + chunk.as_ref().len())?;
            bytes.extend_from_slice(chunk.as_ref());
        }
        Ok(bytes)
    }

    async fn read_stream(
        &self,
        mut response: Response,
        began: Instant,
        listener: &mut Option<Listener<'_>>,
    ) -> Result<ChatReply, Failure> {
        let mut fold = self.route.dialect.fold();
        let (mut length, mut heard) = (0, 0);
        let mut read = async || -> Result<(), Failure> {
            while !fold.is_done() {
                let Some(chunk) = self.chunk(&mut response).await? else { break };
                if length == 0
                    && let Some(metrics) = self.metrics.get()
                {
                    metrics.llm_first_piece(self.provider(), self.model(), began.elapsed());
                }
                length += chunk.as_ref().len();
                bounded(length)?;
                fold.push(chunk.as_ref()).map_err(|error| stream_failure(&error))?;
                let text = fold.text();
                if let (Some(listener), Some(news)) =
                    (listener.as_mut(), text.get(heard..).filter(|news| !news.is_empty()))
                {
                    listener(news);
                    heard = text.len();
                }
            }
            Ok(())
        };
        let ended = read().await;
        let finished = match ended {
            Ok(()) => fold.finish().map_err(|error| stream_failure(&error)),
            Err(failure) => Err(failure),
        };
        finished.map_err(|failure| Failure { was_heard: heard > 0, ..failure })
    }
}

fn bounded(bytes: usize) -> Result<(), Failure> {
    if bytes > REPLY_BYTES_MAX {
        return Err(Failure::new(ErrorKind::Decode, "the model provider's reply is too large"));
    }
    Ok(())
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/event-stream") || kind.starts_with("application/vnd.amazon.eventstream")
}

/// A reply at once; or a stream that does not say so.
fn whole(dialect: Dialect, bytes: &[u8]) -> Result<ChatReply, Failure> {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
        let looks_streamed = bytes.starts_with(b"data:") || bytes.starts_with(b"event:");
        if !looks_streamed {
            return Err(Failure::new(ErrorKind::Decode, "the model provider answered something that is not JSON"));
        }
        let mut fold = dialect.fold();
        let read = fold.push(bytes).and_then(|()| fold.finish());
        return read.map_err(|error| stream_failure(&error));
    };
    dialect.decode(&body).map_err(|error| stream_failure(&StreamError::Decode(error)))
}

/// Patience of an attempt that names none of its own.
pub(super) fn within(total: Duration, milliseconds: Option<u64>) -> Duration {
    milliseconds.map_or(total, Duration::from_millis).min(total)
}
