//! The current transport: every message is a request of its own to one address; a session ties them together where the server
//! wants one.

use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use super::exchange::{Http, Line, McpError, token};
use super::message;

const SESSION_ID: &str = "mcp-session-id";
const REVISION: &str = "mcp-protocol-version";

/// A session that was opened.
#[derive(Debug)]
pub(super) struct Session {
    /// Absent where the server keeps none.
    id: Option<HeaderValue>,
    revision: HeaderValue,
}

impl Session {
    pub(super) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The request as part of the session.
    pub(super) fn mark(&self, call: RequestBuilder) -> RequestBuilder {
        let call = call.header(REVISION, self.revision.clone());
        match &self.id {
            Some(id) => call.header(SESSION_ID, id.clone()),
            None => call,
        }
    }
}

impl Http {
    /// Says hello and hears it.
    pub(super) async fn open_session(&self, id: u64) -> Result<Session, McpError> {
        let line = Line { url: &self.url, session: None };
        let response = self.post(line, &message::request(id, "initialize", message::hello())).await?;
        let session_id = response.headers().get(SESSION_ID).and_then(token);
        let hello = self.answer(response, id, line).await?;
        let session = Session { id: session_id, revision: revision(&hello)? };
        self.notify(&session, "notifications/initialized", json!({})).await?;
        Ok(session)
    }

    /// One question within a session.
    pub(super) async fn ask(&self, session: &Session, id: u64, method: &str, params: Value) -> Result<Value, McpError> {
        let line = Line { url: &self.url, session: Some(session) };
        let response = self.post(line, &message::request(id, method, params)).await?;
        self.answer(response, id, line).await
    }

    /// Tells the server something that has no answer.
    pub(super) async fn notify(&self, session: &Session, method: &str, params: Value) -> Result<(), McpError> {
        let line = Line { url: &self.url, session: Some(session) };
        self.post(line, &message::notification(method, params)).await.map(drop)
    }
}

/// The revision the server chose, as a header says it.
pub(super) fn revision(hello: &Value) -> Result<HeaderValue, McpError> {
    let revision = message::revision(hello).map_err(|given| McpError::Protocol(format!("revision {given}")))?;
    HeaderValue::from_str(&revision).map_err(|_| McpError::Protocol("revision".to_owned()))
}
