//! One HTTP client for one server: messages out, answers in, both bounded; no redirects; whatever goes wrong is a value.

use std::fmt;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use super::config::{McpServerConfig, endpoint};
use super::inbox::{ANSWER_BYTES_MAX, Inbox, body};
use super::message::{self, Incoming, Refusal};
use super::session::Session;
use crate::redaction::injection;
use crate::tools::endpoint::{BuildError, CONNECT_TIMEOUT, certificates, innermost};

/// Longest message of a server that is passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 500;
/// Most that is read of a refusal, in bytes.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// Why there is no answer. Continues a sentence that begins with the server; its own words are bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum McpError {
    #[error("did not answer within {seconds} s")]
    Timeout { seconds: u64 },
    #[error("cannot be reached ({reason})")]
    Unreachable { reason: String },
    #[error("broke the connection")]
    Broken,
    #[error("answered with more than {} MiB", ANSWER_BYTES_MAX >> 20)]
    TooLarge,
    /// What answers is no MCP server, or one of another revision.
    #[error("does not speak the protocol: {0}")]
    Protocol(String),
    #[error("refused this service's credentials (HTTP {status})")]
    Credentials { status: u16 },
    #[error("redirects (HTTP {status}), which is not followed")]
    Redirect { status: u16 },
    #[error("answered HTTP {status}: {message}")]
    Refused { status: u16, message: String },
    /// The session is gone; a new one may be opened.
    #[error("ended the session")]
    SessionLost,
    #[error("refused the call: {message} (code {code})")]
    Rejected { code: i64, message: String },
}

impl McpError {
    /// What a model should do instead.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Timeout { .. } | Self::TooLarge => "ask for less, or go on without it",
            Self::Broken | Self::SessionLost => "trying once more may help",
            Self::Rejected { .. } => "correct the arguments, or go on without it",
            Self::Unreachable { .. }
            | Self::Protocol(_)
            | Self::Credentials { .. }
            | Self::Redirect { .. }
            | Self::Refused { .. } => "go on without it",
        }
    }
}

impl From<Refusal> for McpError {
    fn from(Refusal { code, message }: Refusal) -> Self {
        Self::Rejected { code, message }
    }
}

/// Where a message goes, and in which session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub(super) url: &'a Url,
    pub(super) session: Option<&'a Session>,
}

/// One server's client.
pub(super) struct Http {
    client: reqwest::Client,
    /// The MCP endpoint. Its query may hold a key: it is not shown.
    pub(super) url: Url,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

impl Http {
    /// Reads the certificates and builds the client. Proxies of the environment count (operations §1.9).
    ///
    /// # Errors
    /// Whatever in the configuration cannot work.
    pub(super) fn build(config: &McpServerConfig) -> Result<Self, BuildError> {
        let url = endpoint(&config.url).ok_or(BuildError::BadUrl("url"))?;
        let mut client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(config.headers.to_map()?)
            .user_agent(concat!("holmesgpt-api/", env!("CARGO_PKG_VERSION")));
        for bundle in &config.trusted {
            client = client.tls_certs_merge(certificates(bundle)?);
        }
        let client = client.build().map_err(|error| BuildError::Client(error.to_string()))?;
        Ok(Self { client, url })
    }

    /// Sends a message; the answer has begun and is no refusal.
    pub(super) async fn post(&self, line: Line<'_>, message: &Value) -> Result<Response, McpError> {
        let mut call = self.client.post(line.url.clone()).header(ACCEPT, "application/json, text/event-stream");
        if let Some(session) = line.session {
            call = session.mark(call);
        }
        admitted(call.header(CONTENT_TYPE, "application/json").body(message.to_string()), line.session).await
    }

    /// Opens a stream of events.
    pub(super) async fn listen(&self, url: &Url) -> Result<Inbox, McpError> {
        let response = admitted(self.client.get(url.clone()).header(ACCEPT, "text/event-stream"), None).await?;
        match kind(&response) {
            Some("text/event-stream") => Ok(Inbox::new(response)),
            _ => Err(McpError::Protocol("no stream of events stands at this address".to_owned())),
        }
    }

    /// Ends a session; what becomes of it is the server's affair.
    pub(super) async fn end(&self, session: &Session) {
        let told = session.mark(self.client.delete(self.url.clone())).send().await;
        if let Err(error) = told {
            tracing::debug!(event = "mcp_session_not_ended", error = innermost(&error), "an MCP session was left open");
        }
    }

    /// The answer to request `id`, which the response to it carries.
    pub(super) async fn answer(&self, response: Response, id: u64, line: Line<'_>) -> Result<Value, McpError> {
        match kind(&response) {
            Some("text/event-stream") => self.await_answer(&mut Inbox::new(response), id, line).await,
            Some("application/json") => {
                let bytes = body(response, ANSWER_BYTES_MAX).await?;
                let incoming = std::str::from_utf8(&bytes).ok().and_then(|text| message::incoming(text, id));
                let incoming = incoming.ok_or_else(|| McpError::Protocol("no JSON-RPC message".to_owned()))?;
                self.sift(incoming, line).await.unwrap_or_else(|| Err(McpError::Protocol("no answer in it".to_owned())))
            }
            other => {
                let other = injection::field(other.unwrap_or("none"), 60);
                Err(McpError::Protocol(format!("content type {other}")))
            }
        }
    }

    /// Reads events until the answer comes.
    pub(super) async fn await_answer(&self, inbox: &mut Inbox, id: u64, line: Line<'_>) -> Result<Value, McpError> {
        while let Some(event) = inbox.next().await? {
            let incoming = message::incoming(&event.data, id).unwrap_or_default();
            if let Some(answer) = self.sift(incoming, line).await {
                return answer;
            }
        }
        Err(McpError::Broken)
    }

    /// The answer among what came in; what the server asks itself is answered on the way.
    async fn sift(&self, incoming: Vec<Incoming>, line: Line<'_>) -> Option<Result<Value, McpError>> {
        let mut answer = None;
        for one in incoming {
            match one {
                Incoming::Answer(result) => answer = Some(result.map_err(McpError::from)),
                // Whether it arrives is the server's affair.
                Incoming::Asked(told) => drop(self.post(line, &told).await),
                Incoming::Other => {}
            }
        }
        answer
    }
}

/// The media type without parameters, where it is one of the two that are known.
fn kind(response: &Response) -> Option<&str> {
    let value = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// Sends and reads the status. The addresses of our own requests hold no secret that an error could tell: errors are cut to
/// their innermost cause.
async fn admitted(call: RequestBuilder, session: Option<&Session>) -> Result<Response, McpError> {
    let response = call.send().await.map_err(|error| failure(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let has_session = session.is_some_and(Session::has_id);
    if has_session && status == StatusCode::NOT_FOUND {
        return Err(McpError::SessionLost);
    }
    let status = status.as_u16();
    match status {
        300..=399 => return Err(McpError::Redirect { status }),
        401 | 403 => return Err(McpError::Credentials { status }),
        _ => {}
    }
    let bytes = body(response, REFUSAL_BYTES_MAX).await.unwrap_or_default();
    let message = words(&bytes);
    // Servers made with the TypeScript SDK's examples answer 400 to a session they do not know.
    if has_session && status == 400 && message.to_ascii_lowercase().contains("session") {
        return Err(McpError::SessionLost);
    }
    Err(McpError::Refused { status, message })
}

/// What a request failed of.
pub(super) fn failure(error: &reqwest::Error) -> McpError {
    if error.is_connect() { McpError::Unreachable { reason: innermost(error) } } else { McpError::Broken }
}

/// The words of a refusal: those of its JSON-RPC error, else the body as it is.
fn words(body: &[u8]) -> String {
    let known = serde_json::from_slice::<Value>(body).ok();
    let known = known.as_ref().and_then(|value| value.pointer("/error/message").and_then(Value::as_str));
    let text = injection::field(known.unwrap_or(&String::from_utf8_lossy(body)), MESSAGE_CHARS_MAX);
    if text.is_empty() { "no message".to_owned() } else { text }
}

/// A header's value that may be sent back as it came.
pub(super) fn token(value: &HeaderValue) -> Option<HeaderValue> {
    const BYTES_MAX: usize = 1_024;
    let is_visible = |byte: &u8| (0x21..=0x7e).contains(byte);
    let bytes = value.as_bytes();
    (!bytes.is_empty() && bytes.len() <= BYTES_MAX && bytes.iter().all(is_visible)).then(|| value.clone())
}
