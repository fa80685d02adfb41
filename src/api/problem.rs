//! Problem documents (http-api §2.7): the only place that turns an error into a status code.
//!
//! A handler returns a [`Problem`]; it travels as a response extension to the edge, which knows the path and the request
//! id and writes the body. So every error has all members, whoever raised it.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use super::config::ErrorMediaType;
use super::fields::FieldError;
use super::json::Invalid;
use crate::auth::Refusal;
use crate::investigation::FailureCode;
use crate::metering::{Exhausted, Resource, Scope};
use crate::sessions::{SessionsError, SubmitError};

const TYPE_BASE: &str = "https://kubernaut.ai/problems/";
pub(super) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// When a refused request is worth repeating: queue full, draining, dependency down.
const UNAVAILABLE_RETRY_SECONDS: u32 = 5;
/// When a result that is not ready is worth asking for again.
const NOT_READY_RETRY_SECONDS: u32 = 1;

/// Row of the table of http-api §2.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Validation,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    SessionNotCompleted,
    SessionFailed,
    SessionTerminal,
    SessionInProgress,
    IdempotencyConflict,
    PayloadTooLarge,
    UnsupportedMediaType,
    RateLimited,
    Internal,
    BadGateway,
    Unavailable,
    GatewayTimeout,
}

impl Kind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Validation => (StatusCode::BAD_REQUEST, "validation-error", "Bad Request"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "Forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not Found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method Not Allowed"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request-timeout", "Request Timeout"),
            Self::SessionNotCompleted => (StatusCode::CONFLICT, "session-not-completed", "Conflict"),
            Self::SessionFailed => (StatusCode::CONFLICT, "session-failed", "Conflict"),
            Self::SessionTerminal => (StatusCode::CONFLICT, "session-already-terminal", "Conflict"),
            Self::SessionInProgress => (StatusCode::CONFLICT, "session-in-progress", "Conflict"),
            Self::IdempotencyConflict => (StatusCode::CONFLICT, "idempotency-conflict", "Conflict"),
            Self::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "Payload Too Large"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Unsupported Media Type")
            }
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate-limited", "Too Many Requests"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal-error", "Internal Server Error"),
            Self::BadGateway => (StatusCode::BAD_GATEWAY, "bad-gateway", "Bad Gateway"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "service-unavailable", "Service Unavailable"),
            Self::GatewayTimeout => (StatusCode::GATEWAY_TIMEOUT, "gateway-timeout", "Gateway Timeout"),
        }
    }
}

/// An error on its way to the client. `detail` is written for the client: no internals, no upstream text, no secrets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    kind: Kind,
    detail: String,
    errors: Vec<FieldError>,
    advice: Option<Advice>,
    /// Raised while deciding about the caller; its media type is configurable.
    about_caller: bool,
}

/// What the client is told to do, in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advice {
    RetryAfter(u32),
    CloseConnection,
}

impl Problem {
    fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), advice: None, about_caller: false }
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.advice = Some(Advice::RetryAfter(seconds));
        self
    }

    /// Last part of `type`.
    pub(super) fn word(&self) -> &'static str {
        self.kind.parts().1
    }

    /// An unexpected fault; the cause is logged where it is handled.
    pub(super) fn internal() -> Self {
        Self::new(Kind::Internal, "An unexpected error occurred")
    }

    pub(super) fn no_route() -> Self {
        Self::new(Kind::NotFound, "Not Found")
    }

    pub(super) fn no_session(id: &str) -> Self {
        Self::new(Kind::NotFound, format!("Session {id} not found"))
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(Kind::MethodNotAllowed, "Method Not Allowed")
    }

    pub(super) fn session_not_completed(id: &str, status: &str) -> Self {
        let detail = format!("Session {id} is not yet completed (status: {status})");
        Self::new(Kind::SessionNotCompleted, detail).retry_after(NOT_READY_RETRY_SECONDS)
    }

    pub(super) fn session_failed(id: &str, error: &str) -> Self {
        Self::new(Kind::SessionFailed, format!("Session {id} failed: {error}"))
    }

    /// Cancelling what is over, or is being cancelled.
    pub(super) fn session_terminal(id: &str) -> Self {
        Self::new(Kind::SessionTerminal, format!("session {id} is already in a terminal state"))
    }

    pub(super) fn session_in_progress(id: &str) -> Self {
        let detail = format!("session {id} is still in progress; live=true shows what it knows so far");
        Self::new(Kind::SessionInProgress, detail).retry_after(NOT_READY_RETRY_SECONDS)
    }

    /// Whoever waits for a result gets none in time.
    pub(super) fn gateway_timeout(waited: Duration) -> Self {
        let detail = format!("The investigation did not end within {} s", waited.as_secs());
        Self::new(Kind::GatewayTimeout, detail)
    }

    /// Whoever waits for a result learns that the run failed with this line (http-api §1.6, §1.9).
    pub(super) fn run_failed(line: &str) -> Self {
        match FailureCode::of_line(line) {
            FailureCode::LlmUnavailable | FailureCode::LlmTimeout => {
                Self::new(Kind::Unavailable, "LLM provider unavailable").retry_after(UNAVAILABLE_RETRY_SECONDS)
            }
            // It answered, but with nothing to work with.
            FailureCode::LlmAuth | FailureCode::LlmQuota => {
                Self::new(Kind::BadGateway, "LLM provider returned no usable response")
            }
            FailureCode::DeadlineExceeded => {
                Self::new(Kind::GatewayTimeout, "The investigation did not end within its time")
            }
            FailureCode::ShuttingDown => Self::shutting_down(),
            FailureCode::LlmNotConfigured
            | FailureCode::KubernetesUnavailable
            | FailureCode::Cancelled
            | FailureCode::Internal => Self::internal(),
        }
    }

    /// The caller's own budget is its own doing; the service's is nobody's fault.
    fn budget_spent(exhausted: Exhausted) -> Self {
        let (kind, whose) = match exhausted.limit.scope {
            Scope::CallerDay => (Kind::RateLimited, "The caller's"),
            Scope::Day | Scope::Investigation => (Kind::Unavailable, "The service's"),
        };
        let what = match exhausted.limit.resource {
            Resource::Tokens => "tokens",
            Resource::Money => "money",
            Resource::Calls => "model calls",
            Resource::Time => "investigation time",
        };
        let detail = format!("{whose} budget of {what} for today is used up; it begins anew at midnight UTC");
        Self::new(kind, detail).retry_after(exhausted.seconds_left)
    }

    pub(super) fn too_many_streams() -> Self {
        Self::new(Kind::Unavailable, "Too many event streams are open").retry_after(UNAVAILABLE_RETRY_SECONDS)
    }

    pub(super) fn payload_too_large(bytes_max: usize) -> Self {
        Self::new(Kind::PayloadTooLarge, format!("Request body is larger than {bytes_max} bytes"))
    }

    pub(super) fn unsupported_media_type() -> Self {
        Self::new(Kind::UnsupportedMediaType, "Content-Type must be application/json")
    }

    pub(super) fn body_unreadable() -> Self {
        Self::new(Kind::Validation, "There was an error parsing the body")
    }

    /// The rest of the body is not waited for, so the connection cannot be used again.
    pub(super) fn body_too_slow() -> Self {
        let mut problem = Self::new(Kind::RequestTimeout, "Request body was not received in time");
        problem.advice = Some(Advice::CloseConnection);
        problem
    }

    pub(super) fn too_many_requests_at_once() -> Self {
        Self::new(Kind::Unavailable, "Too many requests at once").retry_after(1)
    }

    /// One client sends more than it may; `wait` until its next request counts.
    pub(super) fn rate_limited(wait: Duration) -> Self {
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        Self::new(Kind::RateLimited, "Too many requests from this address").retry_after(seconds)
    }

    pub(super) fn shutting_down() -> Self {
        Self::new(Kind::Unavailable, "Service is gracefully shutting down").retry_after(UNAVAILABLE_RETRY_SECONDS)
    }

    /// For errors that the framework made without asking us.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::no_route(),
            StatusCode::METHOD_NOT_ALLOWED => Self::method_not_allowed(),
            status if status.is_client_error() => Self::body_unreadable(),
            _ => Self::internal(),
        }
    }

    fn status(&self) -> StatusCode {
        self.kind.parts().0
    }

    /// The finished response. `instance` is the request's path without query.
    pub(super) fn render(self, response: Response, instance: &str, id: &str, media: ErrorMediaType) -> Response {
        let (status, suffix, title) = self.kind.parts();
        let document = ProblemDocument {
            kind: format!("{TYPE_BASE}{suffix}"),
            title: title.to_owned(),
            detail: self.detail,
            status: status.as_u16(),
            instance: instance.to_owned(),
            request_id: Some(id.to_owned()),
            errors: self.errors,
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        // What else the response carries stays, such as `Allow`.
        let (mut parts, _) = response.into_parts();
        parts.status = status;
        let plain = self.about_caller && media == ErrorMediaType::Json;
        parts.headers.insert(CONTENT_TYPE, if plain { JSON } else { PROBLEM_JSON });
        parts.headers.remove(CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(body))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        match self.advice {
            Some(Advice::RetryAfter(seconds)) => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Some(Advice::CloseConnection) => {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            None => {}
        }
        if self.kind == Kind::Unauthorized {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        Self { errors: invalid.errors, ..Self::new(Kind::Validation, invalid.detail) }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let kind = match &refusal {
            Refusal::MissingHeader
            | Refusal::InvalidHeader
            | Refusal::EmptyToken
            | Refusal::NotAuthenticated
            | Refusal::WrongAudience
            | Refusal::NoIdentity => Kind::Unauthorized,
            Refusal::Denied { .. } => Kind::Forbidden,
            Refusal::AuthenticationUnavailable | Refusal::AuthorizationUnavailable => Kind::Unavailable,
        };
        let problem = Self { about_caller: true, ..Self::new(kind, refusal.to_string()) };
        if kind == Kind::Unavailable { problem.retry_after(UNAVAILABLE_RETRY_SECONDS) } else { problem }
    }
}

impl From<SubmitError> for Problem {
    fn from(refused: SubmitError) -> Self {
        match refused {
            SubmitError::QueueFull => Self::new(Kind::Unavailable, "Too many investigations are waiting")
                .retry_after(UNAVAILABLE_RETRY_SECONDS),
            SubmitError::Draining => Self::shutting_down(),
            SubmitError::AuditFull => Self::new(Kind::Unavailable, "Too many audit events wait for delivery")
                .retry_after(UNAVAILABLE_RETRY_SECONDS),
            SubmitError::BudgetSpent(exhausted) => Self::budget_spent(exhausted),
            SubmitError::KeyTaken => {
                Self::new(Kind::IdempotencyConflict, "The Idempotency-Key was used for another request")
            }
            SubmitError::Store(cause) => {
                let cause: &dyn std::error::Error = &cause;
                error!(event = "unexpected_error", error = cause, "incident could not be stored");
                Self::new(Kind::Unavailable, "The incident could not be stored").retry_after(UNAVAILABLE_RETRY_SECONDS)
            }
        }
    }
}

impl From<SessionsError> for Problem {
    fn from(cause: SessionsError) -> Self {
        let shown: &dyn std::error::Error = &cause;
        error!(event = "unexpected_error", error = shown, "session could not be read");
        match cause {
            SessionsError::Store(_) => {
                Self::new(Kind::Unavailable, "Sessions cannot be read").retry_after(UNAVAILABLE_RETRY_SECONDS)
            }
            SessionsError::Damaged { .. } | SessionsError::Audit(_) => Self::internal(),
        }
    }
}

/// RFC 7807 problem document.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = HTTPError)]
pub(super) struct ProblemDocument {
    /// URI of the kind of problem.
    #[serde(rename = "type")]
    kind: String,
    title: String,
    detail: String,
    /// Equals the HTTP status.
    status: u16,
    /// Path of the request.
    instance: String,
    /// Equals the header `X-Request-ID`.
    #[schema(nullable = false)]
    request_id: Option<String>,
    /// Every bad member; only with `validation-error`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false, value_type = Vec<super::schema::ValidationError>)]
    errors: Vec<FieldError>,
}
