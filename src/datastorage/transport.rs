//! One attempt at one call: token, address, bounded body, classified failure.

use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument as _;
use uuid::Uuid;

use super::config::DataStorageConfig;
use super::tls::{Built, HttpClient, Reload};
use crate::retry::retry_after;
use crate::service_account::TokenPool;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Dependency;
use crate::telemetry::spans::{self, OutgoingFacts};
use crate::telemetry::trace;

/// Largest answer read, in bytes.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most that is read of an error body, in bytes.
const ERROR_BYTES_MAX: usize = 256 * 1024;
/// Most that is kept of an error body, in bytes (datastorage §2).
pub(super) const DETAIL_BYTES_MAX: usize = 2 * 1024;
/// Answers from this status on are failures of a call.
const FAILS_FROM: u16 = 400;
/// Connections that audit events may take.
const AUDIT_CONNECTIONS_MAX: usize = 8;

/// A configuration that cannot work. Shown to the operator at start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataStorageBuildError {
    #[error("data_storage.url is not an absolute http(s) URL without user name, query or fragment")]
    BadUrl,
    #[error("data_storage.health_url is not an absolute http(s) URL without user name, query or fragment")]
    BadHealthUrl,
    #[error("data_storage.{key} {path}: {reason}")]
    File { key: &'static str, path: String, reason: String },
    #[error("data_storage.{key}: {reason}")]
    Pem { key: &'static str, reason: String },
    #[error("HTTP client: {0}")]
    Client(String),
}

/// Why a call has no usable answer. Holds neither token nor what the server said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing reached the server.
    #[error("DataStorage cannot be reached ({0})")]
    NotSent(String),
    /// The server may have done what was asked.
    #[error("the answer of DataStorage was lost ({0})")]
    Lost(String),
    /// An answer that says no.
    #[error("DataStorage answered HTTP {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    /// A success that cannot be read.
    #[error("DataStorage answered something that is not the expected JSON")]
    Malformed,
}

/// Who waits for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Audit,
    /// Workflows and history.
    Questions,
}

/// One call.
pub(super) struct Call<'a> {
    /// Label of the metric.
    pub(super) operation: &'static str,
    pub(super) lane: Lane,
    pub(super) method: Method,
    /// Appended to the base address, each as one segment.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, String)],
    /// JSON
    pub(super) body: Option<String>,
    /// All of it: waiting for a connection, connecting, sending, reading.
    pub(super) timeout: Duration,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Refusals. What the server says may quote what it was sent: it stays below `info`.
    fn log(&self, operation: &'static str, request_id: Uuid) {
        let status = self.status.as_u16();
        match status {
            200..=299 => {}
            401 | 403 => tracing::warn!(
                event = "data_storage_refused",
                operation,
                status,
                %request_id,
                "DataStorage refuses this service: see its token and its role"
            ),
            _ => tracing::info!(event = "data_storage_error", operation, status, %request_id, "DataStorage says no"),
        }
        if !self.status.is_success() {
            tracing::debug!(event = "data_storage_error_detail", operation, detail = self.detail(), "what it says");
        }
    }

    /// What a success holds.
    ///
    /// # Errors
    /// No success, or something else than is expected.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, CallError> {
        if !self.status.is_success() {
            return Err(CallError::Status { status: self.status.as_u16(), retry_after: self.retry_after });
        }
        serde_json::from_slice(&self.body).map_err(|_| CallError::Malformed)
    }

    /// The `detail` of a problem document, else the body as it is; at most 2 KiB.
    pub(super) fn detail(&self) -> String {
        let problem: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let stated = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
        let text = stated.map_or_else(|| String::from_utf8_lossy(&self.body).into_owned(), str::to_owned);
        let end = text.floor_char_boundary(DETAIL_BYTES_MAX);
        text.get(..end).unwrap_or_default().to_owned()
    }
}

/// The server and how it is spoken to.
pub(super) struct Transport {
    client: HttpClient,
    base: Url,
    tokens: TokenPool,
    connections: Semaphore,
    audit_connections: Semaphore,
    metrics: Metrics,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Transport {
    pub(super) fn build(
        config: &DataStorageConfig,
        tokens: TokenPool,
        metrics: Metrics,
    ) -> Result<Self, DataStorageBuildError> {
        let base = base_url(&config.url).ok_or(DataStorageBuildError::BadUrl)?;
        if is_exposed(&base) {
            let host = base.host_str();
            tracing::warn!(
                event = "data_storage_plain_http",
                host,
                "data_storage.url is plain http to a host outside the cluster: the token and all data travel unprotected"
            );
        }
        let client = HttpClient::build(config)?;
        let connections = config.max_connections.min(Semaphore::MAX_PERMITS);
        Ok(Self {
            client,
            base,
            tokens,
            connections: Semaphore::new(connections),
            audit_connections: Semaphore::new(AUDIT_CONNECTIONS_MAX.min(connections)),
            metrics,
        })
    }

    /// One attempt, and a second one when the first was refused for its token and there is another token by now.
    pub(super) async fn call(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let began = Instant::now();
        let outcome = self.within(call).await;
        let status = match &outcome {
            Ok(answer) => answer.status.as_u16().to_string(),
            Err(_) => "error".to_owned(),
        };
        self.metrics.dependency_request(Dependency::DataStorage, call.operation, &status, began.elapsed());
        outcome
    }

    async fn within(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let deadline = tokio::time::Instant::now() + call.timeout;
        let _places = tokio::time::timeout_at(deadline, self.places(call.lane))
            .await
            .map_err(|_| CallError::NotSent("no free connection in time".to_owned()))?;
        let outcome = tokio::time::timeout_at(deadline, self.attempts(call)).await;
        outcome.unwrap_or_else(|_| Err(CallError::Lost("timeout".to_owned())))
    }

    async fn attempts(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let token = self.token()?;
        let answer = self.attempt(call, &token).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.tokens.refused(&token) {
            return Ok(answer);
        }
        self.attempt(call, &self.token()?).await
    }

    /// Without a token nothing is sent.
    fn token(&self) -> Result<SecretString, CallError> {
        self.tokens.token().map_err(|error| {
            tracing::warn!(event = "token_unavailable", %error, "nothing can be sent to DataStorage");
            CallError::NotSent(error.to_string())
        })
    }

    /// Places in the bounded set of connections; first come, first served.
    async fn places(&self, lane: Lane) -> [Option<SemaphorePermit<'_>>; 2] {
        match lane {
            Lane::Audit => [self.audit_connections.acquire().await.ok(), self.connections.acquire().await.ok()],
            Lane::Questions => [None, self.connections.acquire().await.ok()],
        }
    }

    async fn attempt(&self, call: &Call<'_>, token: &SecretString) -> Result<Answer, CallError> {
        let address = self.address(call);
        let span = spans::outgoing(OutgoingFacts {
            peer: Dependency::DataStorage.as_str(),
            operation: call.operation,
            method: call.method.as_str(),
            host: address.host_str().unwrap_or_default(),
            path: address.path(),
        });
        let answered = self.exchange(call, token, address).instrument(span.clone()).await;
        match &answered {
            Ok(answer) => spans::answered(&span, answer.status.as_u16(), FAILS_FROM),
            Err(_) => spans::failed(&span, "no_answer"),
        }
        answered
    }

    async fn exchange(&self, call: &Call<'_>, token: &SecretString, address: Url) -> Result<Answer, CallError> {
        let request_id = Uuid::new_v4();
        let mut request = self
            .client
            .get()
            .request(call.method.clone(), address)
            .header(ACCEPT, "application/json, application/problem+json")
            .header("x-request-id", request_id.to_string())
            .bearer_auth(token.expose_secret());
        for (name, value) in trace::headers() {
            request = request.header(name, value);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let status = response.status();
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|value| retry_after(value, Timestamp::now()));
        let most = if status.is_success() { ANSWER_BYTES_MAX } else { ERROR_BYTES_MAX };
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + chunk.len() > most {
                if status.is_success() {
                    return Err(CallError::Malformed);
                }
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let answer = Answer { status, retry_after, body };
        answer.log(call.operation, request_id);
        Ok(answer)
    }

    /// The server without a token, for its health. One attempt; the body is not read.
    pub(super) async fn knock(&self, url: Url, timeout: Duration) -> Result<StatusCode, CallError> {
        let request = self.client.get().get(url).timeout(timeout);
        request.send().await.map(|response| response.status()).map_err(|error| failure(&error))
    }

    /// The `Date` of the server's answer to a request without a token, whatever else it says.
    pub(super) async fn date(&self, url: Url, timeout: Duration) -> Result<Option<String>, CallError> {
        let answer = self.client.get().get(url).timeout(timeout).send().await.map_err(|error| failure(&error))?;
        let date = answer.headers().get(reqwest::header::DATE).and_then(|date| date.to_str().ok());
        Ok(date.map(str::to_owned))
    }

    /// Reads the certificates again; blocks on their files.
    ///
    /// # Errors
    /// What is wrong with them; those in use stay.
    pub(super) fn reload_tls(&self) -> Result<Reload, DataStorageBuildError> {
        self.client.reload()
    }

    /// Reads the certificates of another configuration; blocks on their files.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn prepare(&self, config: &DataStorageConfig) -> Result<Built, DataStorageBuildError> {
        self.client.prepare(config)
    }

    pub(super) fn adopt(&self, built: Built) {
        self.client.adopt(built);
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    fn address(&self, call: &Call<'_>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(call.path);
        }
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query);
        }
        url
    }
}

/// An absolute http(s) address without user name, query and fragment.
pub(super) fn base_url(text: &str) -> Option<Url> {
    let url = Url::parse(text.trim()).ok()?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && plain).then_some(url)
}

/// Whether what is sent there crosses a network that is not the cluster's in the clear (auth §1.3).
fn is_exposed(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback());
    let is_inside = host.ends_with(".svc") || host.ends_with(".svc.cluster.local") || !host.contains(['.', ':']);
    url.scheme() == "http" && !is_loopback && !is_inside
}

/// Before the connection stood, nothing was sent; afterwards nobody can say.
fn failure(error: &reqwest::Error) -> CallError {
    let reason = innermost(error);
    if error.is_connect() || error.is_builder() { CallError::NotSent(reason) } else { CallError::Lost(reason) }
}

/// The last cause of an error: `Connection refused`, `invalid peer certificate: UnknownIssuer`.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_fine_inside_the_cluster_and_on_the_machine() {
        for (url, expected) in [
            ("http://data-storage:8080", false),
            ("http://data-storage.platform.svc", false),
            ("http://data-storage.platform.svc.cluster.local:8080", false),
            ("http://localhost", false),
            ("http://127.0.0.1:1", false),
            ("http://[::1]:1", false),
            ("http://10.0.0.9:8080", true),
            ("http://[2001:db8::1]", true),
            ("http://storage.example.com", true),
            ("https://storage.example.com", false),
        ] {
            assert_eq!(is_exposed(&base_url(url).unwrap()), expected, "{url}");
        }
        for bad in ["data-storage:8080", "ftp://x", "http://u:p@x", "http://x?a=b", "http://x#a", ""] {
            assert_eq!(base_url(bad), None, "{bad}");
        }
    }
}
