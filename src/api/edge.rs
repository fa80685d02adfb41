//! What happens to every request before and after its handler.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::{Instrument, Span, debug, error, info, warn};
use uuid::Uuid;

use super::problem::{JSON, Problem};
use super::server::{PeerAddress, Scheme};
use super::{AppState, routes};
use crate::telemetry::spans::{self, RequestFacts};
use crate::telemetry::trace::{TRACEPARENT, TRACESTATE};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken over.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// Longest user agent that is logged.
const USER_AGENT_BYTES_MAX: usize = 200;
/// Route label of requests that matched nothing.
pub(super) const UNMATCHED: &str = "unmatched";
/// Answers from this status on are failures of the service.
const FAILS_FROM: u16 = 500;
/// Identity headers that only a proxy in front of us could set honestly, and none does.
const FORGED_IDENTITIES: &[&str] = &["x-auth-request-user", "x-forwarded-user"];
const FORGED_IDENTITY_PREFIXES: &[&str] = &["impersonate-", "x-remote-"];

/// Path as the client sent it, before normalisation; `instance` of problem documents.
#[derive(Debug, Clone)]
pub(super) struct RequestedPath(pub(super) String);

/// Set by the authentication layer on responses, so that the access line knows who was let in.
#[derive(Debug, Clone)]
pub(super) struct Authenticated(pub(super) String);

/// Outermost layer: request id, forged headers, panics, problem bodies, response headers, metrics, access line.
pub(super) async fn edge(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let facts = Facts::of(&request);
    let _in_flight = state.metrics.http_request_started(&facts.route, &facts.method);
    drop_forged_identities(request.headers_mut());
    let span = spans::request(RequestFacts {
        request_id: &facts.request_id,
        method: &facts.method,
        scheme: request.extensions().get::<Scheme>().map_or("http", |scheme| scheme.0),
        route: &facts.route,
        path: request.uri().path(),
        client: &facts.source_ip,
        user_agent: facts.user_agent.as_deref(),
        traceparent: facts.traceparent.as_deref(),
        tracestate: facts.tracestate.as_deref(),
    });

    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let response = answer.unwrap_or_else(|_| {
        let _span = span.enter();
        error!(event = "unhandled_exception_in_handler", path = facts.route, "a handler panicked");
        Problem::internal().into_response()
    });
    let response = span.in_scope(|| facts.finish(response, &state));
    facts.record(&response, started, &span, &state);
    response
}

/// The values of all headers of a name, as one list; `None` where one is no text.
fn joined(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Result<Vec<&str>, _> = headers.get_all(name).iter().map(HeaderValue::to_str).collect();
    values.ok().filter(|values| !values.is_empty()).map(|values| values.join(","))
}

/// What is known about a request before it is handed on.
struct Facts {
    request_id: String,
    route: String,
    instance: String,
    method: String,
    source_ip: String,
    user_agent: Option<String>,
    /// The caller's place in a trace.
    traceparent: Option<String>,
    /// Of all headers of the name, in their order.
    tracestate: Option<String>,
    bytes_in: Option<u64>,
}

impl Facts {
    fn of(request: &Request) -> Self {
        let extensions = request.extensions();
        let path = request.uri().path();
        let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        Self {
            request_id: request_id(request.headers()),
            route: extensions.get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str).to_owned(),
            instance: extensions.get::<RequestedPath>().map_or(path, |path| &path.0).to_owned(),
            method: request.method().as_str().to_owned(),
            source_ip: source_ip(request),
            user_agent: header(USER_AGENT).map(|agent| agent.chars().take(USER_AGENT_BYTES_MAX).collect()),
            traceparent: request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()).map(str::to_owned),
            tracestate: joined(request.headers(), TRACESTATE),
            bytes_in: header(CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        }
    }

    /// Writes problem bodies and the headers every answer has.
    fn finish(&self, mut response: Response, state: &AppState) -> Response {
        let raised = response.extensions_mut().remove::<Problem>();
        let problem = raised.or_else(|| is_foreign_error(&response).then(|| Problem::of_status(response.status())));
        if let Some(problem) = problem {
            self.tell(response.status().as_u16());
            state.metrics.problem_told(response.status().as_u16(), problem.word());
            response = problem.render(response, &self.instance, &self.request_id, state.http.auth_error_media_type);
        }
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert(REQUEST_ID, id);
        }
        if self.instance.starts_with("/api/v1") {
            // The event stream has said so in its own way.
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
        response
    }

    /// A record for what a caller did wrong and for what failed here; refused callers have one of their own.
    fn tell(&self, status: u16) {
        let Self { route: path, method, .. } = self;
        match status {
            400 | 422 => warn!(event = "validation_error", method, path, status, "request refused"),
            FAILS_FROM.. => warn!(event = "http_exception", method, path, status, "request failed"),
            _ => {}
        }
    }

    /// One access line and one observation. Nothing a stranger sent, except method and path, is logged.
    fn record(&self, response: &Response, started: Instant, span: &Span, state: &AppState) {
        let duration = started.elapsed();
        let status = response.status().as_u16();
        state.metrics.http_request_finished(&self.route, &self.method, status, duration);
        let known = response.extensions().get::<Authenticated>();
        let user = known.map(|user| user.0.as_str());
        let user_agent = known.and(self.user_agent.as_deref());
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let bytes_out = response.body().size_hint().exact();
        let Self { route: path, method, source_ip, bytes_in, .. } = self;
        spans::answered(span, status, FAILS_FROM);
        let _span = span.enter();
        if state.quiet_probes && routes::is_probe(path) && status < 400 {
            debug!(event = "request_completed", method, path, status, duration_ms, source_ip, "probe answered");
        } else {
            info!(
                event = "request_completed",
                method, path, status, duration_ms, source_ip, user, user_agent, bytes_in, bytes_out, "request answered"
            );
        }
    }
}

/// Address of the peer; empty when nobody knows.
pub(super) fn source_ip(request: &Request) -> String {
    request.extensions().get::<PeerAddress>().map(|peer| peer.0.ip().to_string()).unwrap_or_default()
}

/// The caller's id when it is well-formed, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let legal = |id: &&str| {
        (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
    };
    given.filter(legal).map_or_else(|| Uuid::new_v4().to_string(), str::to_owned)
}

fn drop_forged_identities(headers: &mut HeaderMap) {
    let forged = |name: &&HeaderName| {
        let name = name.as_str();
        FORGED_IDENTITIES.contains(&name) || FORGED_IDENTITY_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    let names: Vec<HeaderName> = headers.keys().filter(forged).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// An error that the framework made: no problem, and not one of the JSON bodies of probes.
fn is_foreign_error(response: &Response) -> bool {
    let status = response.status();
    (status.is_client_error() || status.is_server_error()) && response.headers().get(CONTENT_TYPE) != Some(&JSON)
}
