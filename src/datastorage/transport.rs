//! One attempt at one call: token, address, bounded body, classified failure.

use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use secrecy::ExposeSecret;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::config::DataStorageConfig;
use crate::retry::retry_after;
use crate::service_account::TokenPool;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Dependency;

/// Largest answer read, in bytes.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Most that is kept of an error body, in bytes (datastorage §2).
pub(super) const DETAIL_BYTES_MAX: usize = 2 * 1024;
/// Connections that audit events may take.
const AUDIT_CONNECTIONS_MAX: usize = 8;

/// A configuration that cannot work. Shown to the operator at start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DataStorageBuildError {
    #[error("data_storage.url is not an absolute http(s) URL without user name, query or fragment")]
    BadUrl,
    #[error("data_storage.ca_file {path}: {reason}")]
    CaFile { path: String, reason: String },
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

/// The server and how it is spoken to.
pub(super) struct Transport {
    client: reqwest::Client,
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
        let mut client = reqwest::Client::builder()
            .http1_only()
            .connect_timeout(DataStorageConfig::CONNECT_TIMEOUT)
            .pool_idle_timeout(DataStorageConfig::IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("holmesgpt-api/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &config.ca_file {
            let problem = |reason: String| DataStorageBuildError::CaFile { path: path.display().to_string(), reason };
            let bytes = std::fs::read(path).map_err(|error| problem(error.to_string()))?;
            let found = reqwest::Certificate::from_pem_bundle(&bytes).map_err(|error| problem(error.to_string()))?;
            if found.is_empty() {
                return Err(problem("holds no PEM certificate".to_owned()));
            }
            client = client.tls_certs_only(found);
        }
        let client = client.build().map_err(|error| DataStorageBuildError::Client(error.to_string()))?;
        let connections = config.max_connections.min(Semaphore::MAX_PERMITS);
        Ok(Self {
            client,
            base: base_url(&config.url)?,
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
        let token = self.tokens.token().map_err(|error| CallError::NotSent(error.to_string()))?;
        let answer = self.attempt(call, &token).await?;
        if answer.status != StatusCode::UNAUTHORIZED || !self.tokens.refused(&token) {
            return Ok(answer);
        }
        let token = self.tokens.token().map_err(|error| CallError::NotSent(error.to_string()))?;
        self.attempt(call, &token).await
    }

    /// Places in the bounded set of connections; first come, first served.
    async fn places(&self, lane: Lane) -> [Option<SemaphorePermit<'_>>; 2] {
        match lane {
            Lane::Audit => [self.audit_connections.acquire().await.ok(), self.connections.acquire().await.ok()],
        }
    }

    async fn attempt(&self, call: &Call<'_>, token: &secrecy::SecretString) -> Result<Answer, CallError> {
        let mut request = self
            .client
            .request(call.method.clone(), self.address(call))
            .header(ACCEPT, "application/json, application/problem+json")
            .bearer_auth(token.expose_secret());
        if let Some(body) = &call.body {
            request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let status = response.status();
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|value| retry_after(value, Timestamp::now()));
        let most = if status.is_success() { ANSWER_BYTES_MAX } else { DETAIL_BYTES_MAX * 8 };
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
        Ok(Answer { status, retry_after, body })
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

fn base_url(text: &str) -> Result<Url, DataStorageBuildError> {
    let url = Url::parse(text.trim()).map_err(|_| DataStorageBuildError::BadUrl)?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && plain { Ok(url) } else { Err(DataStorageBuildError::BadUrl) }
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
