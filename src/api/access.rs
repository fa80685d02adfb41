//! Layers that decide whether a request reaches its handler: cross-origin rules, authentication, concurrency.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    AUTHORIZATION, ORIGIN, VARY,
};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::{Span, error};

use super::edge::{Authenticated, UNMATCHED, source_ip};
use super::problem::Problem;
use super::traffic::{Places, Taken};
use super::{AppState, routes};
use crate::audit::{AccessRefusal, SecurityAudit};
use crate::auth::{Attempt, Refusal};

/// Web pages that may call the API from a browser.
const ALLOWED_ORIGINS: &[&str] = &["http://localhost", "http://127.0.0.1"];

/// Answers preflights, which carry no token, and marks answers for the allowed origins.
pub(super) async fn cross_origin(request: Request, next: Next) -> Response {
    let origin = request.headers().get(ORIGIN).cloned();
    let allowed = origin.clone().filter(|origin| ALLOWED_ORIGINS.iter().any(|known| origin == known));
    let is_preflight = request.method() == Method::OPTIONS
        && origin.is_some()
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    if origin.is_some() {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    let Some(allowed) = allowed else {
        return response;
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    if is_preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        let names = "authorization, content-type, idempotency-key, last-event-id, prefer, x-request-id";
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(names));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    } else {
        let names = "location, preference-applied, retry-after, x-request-id";
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(names));
    }
    response
}

/// Lets public paths pass and asks who sent everything else, unknown paths included. Runs before the body is read.
/// A plain `OPTIONS` on a known route tells its methods to anybody.
pub(super) async fn authenticate(State(state): State<Arc<AppState>>, mut request: Request, next: Next) -> Response {
    let is_options = request.method() == Method::OPTIONS && request.extensions().get::<MatchedPath>().is_some();
    if is_options || is_public(&request) {
        return next.run(request).await;
    }
    let outcome = {
        let authorization: Vec<&[u8]> =
            request.headers().get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
        let source_ip = source_ip(&request);
        let attempt = Attempt {
            method: request.method().as_str(),
            path: request.uri().path(),
            authorization: &authorization,
            source_ip: &source_ip,
        };
        let outcome = state.authenticator.check(attempt).await;
        if let Err(refusal) = &outcome {
            record(&state.security, attempt, refusal).await;
        }
        outcome
    };
    let caller = match outcome {
        Ok(caller) => caller,
        Err(refusal) => {
            let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str);
            let known = old_reason(&refusal);
            let response = Problem::from(refusal).into_response();
            let reason = known.map_or_else(|| format!("error_{}", response.status().as_u16()), str::to_owned);
            state.metrics.caller_refused(route, &reason);
            return response;
        }
    };
    state.metrics.caller_accepted(&caller.user);
    Span::current().record("user", &caller.user);
    let known = Authenticated(caller.user.clone());
    // Nothing behind this point needs the token.
    request.headers_mut().remove(AUTHORIZATION);
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    response.extensions_mut().insert(known);
    response
}

/// What January's metrics called it; others are named by the status of the answer.
fn old_reason(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::MissingHeader => Some("missing_auth_header"),
        Refusal::Denied { .. } => Some("insufficient_permissions"),
        _ => None,
    }
}

/// Reading a public path needs no token; the path is compared as the client wrote it, so no other spelling is public.
pub(super) fn is_public(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD) && routes::is_public(request.uri().path())
}

async fn record(security: &SecurityAudit, attempt: Attempt<'_>, refusal: &Refusal) {
    let Some(reason) = refusal.reason() else { return };
    let refused = AccessRefusal {
        is_known: matches!(refusal, Refusal::Denied { .. }),
        source_ip: attempt.source_ip.to_owned(),
        method: attempt.method.to_owned(),
        path: attempt.path.to_owned(),
        reason: reason.to_owned(),
    };
    if let Err(cause) = security.refused(refused).await {
        error!(event = "audit_write_failed", error = %cause, "audit event not recorded");
    }
}

/// A request's place among those answered at once. Who has to wait long gives it back first.
#[derive(Debug, Clone)]
pub(super) struct Place(Arc<Mutex<Option<Taken>>>);

impl Place {
    pub(super) fn give_back(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Bounds how many authenticated requests are answered at once. Probes are never turned away.
pub(super) async fn limit_concurrency(State(places): State<Places>, mut request: Request, next: Next) -> Response {
    if is_public(&request) {
        return next.run(request).await;
    }
    let Some(taken) = places.take() else {
        return Problem::too_many_requests_at_once().into_response();
    };
    let place = Place(Arc::new(Mutex::new(Some(taken))));
    request.extensions_mut().insert(place.clone());
    let response = next.run(request).await;
    place.give_back();
    response
}
