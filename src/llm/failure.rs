//! Why a call of the model failed: classes, and how an attempt is sorted into them (investigation §2.4). Pure.

use std::time::Duration;

use reqwest::StatusCode;

use super::codec::{Unsupported, unsupported_parameter};

/// Why a call failed, after retries. Holds no key, no prompt and no upstream body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct LlmError {
    pub kind: ErrorKind,
    pub sentence: String,
    pub retries: u32,
}

/// Closed list; the text form is the `kind` label of the error metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
        }
    }

    pub(super) fn retries_max(self, configured: u32) -> u32 {
        match self {
            Self::RateLimit | Self::Server | Self::Timeout | Self::Network => configured,
            Self::Decode => configured.min(1),
            Self::Auth | Self::BadRequest | Self::ContextLength | Self::NotFound => 0,
        }
    }
}

/// One failed attempt.
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) sentence: String,
    pub(super) server_delay: Option<Duration>,
    pub(super) unsupported: Option<Unsupported>,
}

impl Failure {
    pub(super) fn new(kind: ErrorKind, sentence: impl Into<String>) -> Self {
        Self { kind, sentence: sentence.into(), server_delay: None, unsupported: None }
    }
}

/// A connection that failed.
pub(super) fn network_failure(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::new(ErrorKind::Timeout, "the model provider did not answer in time")
    } else if error.is_connect() {
        Failure::new(ErrorKind::Network, "the model provider cannot be reached")
    } else {
        Failure::new(ErrorKind::Network, "the connection to the model provider broke")
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
        429 => Failure::new(ErrorKind::RateLimit, "the model provider's rate limit or quota is used up (HTTP 429)"),
        400 | 413 | 422 if too_long.iter().any(|words| text.contains(words)) => {
            Failure::new(ErrorKind::ContextLength, "the prompt does not fit the model's context window")
        }
        408 | 409 | 425 => Failure::new(ErrorKind::Server, format!("the model provider is busy (HTTP {status})")),
        500.. => Failure::new(ErrorKind::Server, format!("the model provider failed (HTTP {status})")),
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
        assert_eq!(kind(400, "This model's maximum context length is 8192 tokens sk-secret"), ErrorKind::ContextLength);
    }
}
