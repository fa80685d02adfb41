//! GET requests to the API server: bounded in time, bytes and number; answers as the port's errors. There is no other verb.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::header::ACCEPT;
use hyper::{Request, Response, StatusCode};
use kube::client::Body;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;
use tracing::{Instrument as _, Span};

use crate::cluster::ClusterError;
use crate::domain::object::text;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Dependency;
use crate::telemetry::spans::{self, OutgoingFacts};
use crate::telemetry::trace;

/// Pause before the only second try, after answers that another moment may cure.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Answers from this status on are failures of a request.
const FAILS_FROM: u16 = 400;
/// Bytes of an error's body that are read.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// Characters of the API server's own words that are repeated.
const MESSAGE_CHARS_MAX: usize = 300;

/// Plain JSON.
pub(super) const JSON: &str = "application/json";

/// What a request is for: in words for errors, and how much may come back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose<'a> {
    /// Label of the metric: `get`, `list`, `logs` or `discover`.
    pub(super) operation: &'static str,
    /// `list pods in namespace checkout`, after "not allowed to".
    pub(super) action: &'a str,
    /// What is missing when the answer is 404.
    pub(super) subject: &'a str,
    pub(super) accept: &'static str,
    pub(super) bytes_max: usize,
}

/// Why there is no answer.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The answer is larger than allowed.
    TooLarge,
    /// A list position that the API server no longer knows.
    Expired,
    /// The request makes no sense to the API server, in its words.
    Rejected(String),
    Other(ClusterError),
}

impl Failure {
    /// As the port's error; `action` names what was asked.
    pub(super) fn into_error(self, action: &str) -> ClusterError {
        match self {
            Self::TooLarge => ClusterError::Unavailable(format!("the answer to {action} is too large")),
            Self::Expired => ClusterError::Unavailable(format!("the cluster changed too fast to {action}")),
            Self::Rejected(message) => ClusterError::Invalid(message),
            Self::Other(error) => error,
        }
    }
}

/// The API server. Cloning shares connections and limits.
#[derive(Clone)]
pub(super) struct Transport {
    client: kube::Client,
    /// Of the API server, for traces.
    host: String,
    slots: Arc<Semaphore>,
    timeout: Duration,
    metrics: Option<Metrics>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Transport {
    /// At most `requests_max` run at the same time.
    pub(super) fn new(client: kube::Client, host: &str, timeout: Duration, requests_max: usize) -> Self {
        let host = host.to_owned();
        Self { client, host, slots: Arc::new(Semaphore::new(requests_max)), timeout, metrics: None }
    }

    pub(super) fn report_to(&mut self, metrics: Metrics) {
        self.metrics = Some(metrics);
    }

    fn measured(&self, purpose: Purpose<'_>, status: &str, began: Instant) {
        if let Some(metrics) = &self.metrics {
            metrics.dependency_request(Dependency::Kubernetes, purpose.operation, status, began.elapsed());
        }
    }

    /// Reads a whole JSON answer.
    pub(super) async fn json(&self, path: &str, purpose: Purpose<'_>) -> Result<Value, Failure> {
        let bytes = self.read(path, purpose, usize::MAX).await?.bytes;
        serde_json::from_slice(&bytes).map_err(|_| unavailable("the API server's answer is not JSON"))
    }

    /// Reads an answer and keeps its last `tail_bytes_max` bytes.
    pub(super) async fn read(
        &self,
        path: &str,
        purpose: Purpose<'_>,
        tail_bytes_max: usize,
    ) -> Result<Received, Failure> {
        let reading = async {
            let _slot = self.slot().await?;
            match self.read_once(path, purpose, tail_bytes_max).await {
                Err((_, true)) => {
                    sleep(RETRY_PAUSE).await;
                    self.read_once(path, purpose, tail_bytes_max).await.map_err(|(failure, _)| failure)
                }
                answer => answer.map_err(|(failure, _)| failure),
            }
        };
        let late = |_| {
            let seconds = self.timeout.as_secs_f32();
            unavailable(&format!("no answer within {seconds} s when asked to {}", purpose.action))
        };
        tokio::time::timeout(self.timeout, reading).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    async fn slot(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.slots.acquire().await.map_err(|_| unavailable("the client is closed"))
    }

    /// One try as part of the caller's trace.
    async fn read_once(
        &self,
        path: &str,
        purpose: Purpose<'_>,
        tail_bytes_max: usize,
    ) -> Result<Received, (Failure, bool)> {
        let span = spans::outgoing(OutgoingFacts {
            peer: Dependency::Kubernetes.as_str(),
            operation: purpose.operation,
            method: "GET",
            host: &self.host,
            path: path.split('?').next().unwrap_or_default(),
        });
        self.exchange(path, purpose, tail_bytes_max).instrument(span).await
    }

    /// One try; an error tells whether another is worth it.
    async fn exchange(
        &self,
        path: &str,
        purpose: Purpose<'_>,
        tail_bytes_max: usize,
    ) -> Result<Received, (Failure, bool)> {
        let mut request = Request::get(path).header(ACCEPT, purpose.accept);
        for (name, value) in trace::headers() {
            request = request.header(name, value);
        }
        let request = request.body(Body::empty());
        let request = request.map_err(|_| (Failure::Rejected(format!("cannot ask for {path:?}")), false))?;
        let began = Instant::now();
        let response = match self.client.send(request).await {
            Ok(response) => response,
            Err(error) => {
                self.measured(purpose, "error", began);
                spans::failed(&Span::current(), "no_answer");
                return Err((unavailable(&root_cause(&error)), true));
            }
        };
        let status = response.status();
        self.measured(purpose, status.as_str(), began);
        spans::answered(&Span::current(), status.as_u16(), FAILS_FROM);
        if !status.is_success() {
            let retry = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
            return Err((refusal(status, &message(response).await, purpose), retry));
        }
        let mut body = response.into_body();
        let mut received = Received::default();
        let mut bytes_read = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| (unavailable("the connection broke during the answer"), true))?;
            let piece = frame.into_data().unwrap_or_default();
            bytes_read += piece.len();
            if bytes_read > purpose.bytes_max {
                return Err((Failure::TooLarge, false));
            }
            received.bytes.extend_from_slice(&piece);
            // Cutting only at double size moves each byte once on average.
            if received.bytes.len() / 2 > tail_bytes_max {
                received.cut_to(tail_bytes_max);
            }
        }
        received.cut_to(tail_bytes_max);
        Ok(received)
    }
}

/// An answer, or its end.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    /// Bytes before were left out.
    pub(super) cut: bool,
}

impl Received {
    fn cut_to(&mut self, bytes_max: usize) {
        if let Some(excess) = self.bytes.len().checked_sub(bytes_max).filter(|excess| *excess > 0) {
            self.bytes.drain(..excess);
            self.cut = true;
        }
    }
}

pub(super) fn unavailable(reason: &str) -> Failure {
    Failure::Other(ClusterError::Unavailable(reason.to_owned()))
}

/// The innermost cause says what happened; the outer ones repeat that a request failed.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("the API server cannot be reached: {cause}")
}

pub(super) fn refusal(status: StatusCode, message: &str, purpose: Purpose<'_>) -> Failure {
    let detail = if message.is_empty() { String::new() } else { format!(": {message}") };
    match status {
        StatusCode::NOT_FOUND => Failure::Other(ClusterError::NotFound(purpose.subject.to_owned())),
        StatusCode::FORBIDDEN => Failure::Other(ClusterError::Forbidden(purpose.action.to_owned())),
        StatusCode::GONE => Failure::Expired,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::METHOD_NOT_ALLOWED => {
            Failure::Rejected(if message.is_empty() { status.to_string() } else { message.to_owned() })
        }
        StatusCode::UNAUTHORIZED => unavailable("the API server does not accept the credentials (401)"),
        _ => unavailable(&format!("the API server answered {}{detail}", status.as_u16())),
    }
}

/// The message of a `Status`, shortened; empty for anything else.
async fn message(response: Response<Body>) -> String {
    let limited = http_body_util::Limited::new(response.into_body(), ERROR_BYTES_MAX);
    let bytes: Bytes = limited.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let status: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    text(&status, "message").chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
}
