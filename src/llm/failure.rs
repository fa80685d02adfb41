//! Why a call of the model failed: classes, and how an attempt is sorted into them (investigation §2.4). Pure.

use std::time::Duration;

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use super::codec::{StreamError, Unsupported, unsupported_parameter};
use super::credentials::CredentialError;

/// Why a call failed, after retries. Holds no key, no prompt and no upstream body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{sentence}")]
pub struct LlmError {
    pub kind: ErrorKind,
    pub sentence: String,
    pub retries: u32,
}

/// Closed list; the text form is the `kind` label of the error metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    Auth,
    RateLimit,
    BadRequest,
    /// The prompt does not fit the model's window.
    ContextLength,
    NotFound,
    Server,
    Timeout,
    Network,
    Decode,
    /// The provider failed too often just now and is not asked.
    BreakerOpen,
}

impl ErrorKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::RateLimit => "rate_limit",
            Self::BadRequest | Self::ContextLength => "bad_request",
            Self::NotFound => "not_found",
            Self::Server => "server",
            Self::Timeout => "timeout",
            Self::Network => "network",
            Self::Decode => "decode",
            Self::BreakerOpen => "breaker_open",
        }
    }

    pub(super) fn retries_max(self, configured: u32) -> u32 {
        match self {
            Self::RateLimit | Self::Server | Self::Timeout | Self::Network => configured,
            Self::Decode => configured.min(1),
            Self::Auth | Self::BadRequest | Self::ContextLength | Self::NotFound | Self::BreakerOpen => 0,
        }
    }
}

/// One failed attempt.
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) sentence: String,
    pub(super) server_delay: Option<Duration>,
    pub(super) unsupported: Option<Unsupported>,
    /// Speaks against the provider as a whole: the breaker counts it (operations §7.5).
    pub(super) is_outage: bool,
    /// Somebody heard the beginning of the reply already.
    pub(super) was_heard: bool,
}

impl Failure {
    pub(super) fn new(kind: ErrorKind, sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        Self { kind, sentence, server_delay: None, unsupported: None, is_outage: false, was_heard: false }
    }

    pub(super) fn outage(kind: ErrorKind, sentence: impl Into<String>) -> Self {
        Self { is_outage: true, ..Self::new(kind, sentence) }
    }
}

/// A connection that failed.
pub(super) fn network_failure(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::outage(ErrorKind::Timeout, "the model provider did not answer in time")
    } else if error.is_connect() {
        Failure::outage(ErrorKind::Network, "the model provider cannot be reached")
    } else {
        Failure::outage(ErrorKind::Network, "the connection to the model provider broke")
    }
}

/// A call that could not prove who makes it.
pub(super) fn credential_failure(error: &CredentialError) -> Failure {
    let kind = match error {
        CredentialError::KeyFile(_) | CredentialError::Unusable(_) | CredentialError::Refused(_) => ErrorKind::Auth,
        CredentialError::Unreachable(_) => ErrorKind::Network,
    };
    Failure::new(kind, error.to_string())
}

/// A reply that began and is none.
pub(super) fn stream_failure(error: &StreamError) -> Failure {
    match error {
        StreamError::Cut => Failure::outage(ErrorKind::Network, "the model provider's reply broke off"),
        StreamError::Provider(word) => given_up(word),
        StreamError::NotJson | StreamError::Frame(_) | StreamError::Decode(_) => {
            Failure::new(ErrorKind::Decode, format!("the model provider's reply is malformed: {error}"))
        }
    }
}

/// The provider's word for an error in the middle of a stream, sorted.
fn given_up(word: &str) -> Failure {
    let lower = word.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["rate", "throttl", "429", "exhausted", "quota"]) {
        Failure::new(ErrorKind::RateLimit, "the model provider's rate limit or quota is used up")
    } else if says(&["auth", "permission", "denied"]) {
        Failure::new(ErrorKind::Auth, "the model provider refused the credentials")
    } else if says(&["invalid", "validation", "bad_request"]) {
        Failure::new(ErrorKind::BadRequest, "the model provider refused the request")
    } else {
        Failure::outage(ErrorKind::Server, format!("the model provider gave up in the middle: {word}"))
    }
}

/// An answer that says no. Its body is read for what it means and never repeated.
pub(super) fn refusal(status: StatusCode, body: &str) -> Failure {
    let text = body.to_ascii_lowercase();
    let too_long = ["context_length", "context length", "maximum context", "too many tokens", "prompt is too long"];
    match status.as_u16() {
        401 | 403 => {
            Failure::new(ErrorKind::Auth, format!("the model provider refused the credentials (HTTP {status})"))
        }
        404 => Failure::new(ErrorKind::NotFound, "the model provider does not know this model or path (HTTP 404)"),
        429 => Failure {
            server_delay: named_delay(body),
            ..Failure::new(ErrorKind::RateLimit, "the model provider's rate limit or quota is used up (HTTP 429)")
        },
        400 | 413 | 422 if too_long.iter().any(|words| text.contains(words)) => {
            Failure::new(ErrorKind::ContextLength, "the prompt does not fit the model's context window")
        }
        408 | 409 | 425 => Failure::new(ErrorKind::Server, format!("the model provider is busy (HTTP {status})")),
        500.. => Failure::outage(ErrorKind::Server, format!("the model provider failed (HTTP {status})")),
        300..=399 => Failure::new(
            ErrorKind::BadRequest,
            format!("the model endpoint redirects (HTTP {status}); set llm.endpoint to its target"),
        ),
        _ => Failure {
            unsupported: unsupported_parameter(body),
            ..Failure::new(ErrorKind::BadRequest, format!("the model provider refused the request (HTTP {status})"))
        },
    }
}

/// Google names the wait in the body: `"retryDelay": "12s"`.
fn named_delay(body: &str) -> Option<Duration> {
    let (_, rest) = body.split_once("\"retryDelay\"")?;
    let seconds = rest.split('"').nth(1)?.strip_suffix('s')?;
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_classified_without_repeating_the_body() {
        let kind = |status: u16, body: &str| {
            let failure = refusal(StatusCode::from_u16(status).unwrap(), body);
            assert!(!failure.sentence.contains("sk-secret"), "{}", failure.sentence);
            failure.kind
        };
        for (status, expected) in [
            (401, ErrorKind::Auth),
            (403, ErrorKind::Auth),
            (404, ErrorKind::NotFound),
            (429, ErrorKind::RateLimit),
            (500, ErrorKind::Server),
            (529, ErrorKind::Server),
            (408, ErrorKind::Server),
            (422, ErrorKind::BadRequest),
            (302, ErrorKind::BadRequest),
        ] {
            assert_eq!(kind(status, "sk-secret"), expected, "{status}");
        }
        let google = r#"{"error": {"details": [{"@type": "RetryInfo", "retryDelay": "12.5s"}]}}"#;
        assert_eq!(refusal(StatusCode::TOO_MANY_REQUESTS, google).server_delay, Some(Duration::from_millis(12_500)));
        assert_eq!(kind(400, "This model's maximum context length is 8192 tokens sk-secret"), ErrorKind::ContextLength);
    }
}
