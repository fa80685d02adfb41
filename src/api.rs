//! The HTTP contract (http-api). The only room that knows axum.
//!
//! [`router`] builds everything a request passes, from the outside in:
//!
//! 1. path: one trailing slash is dropped, so that both spellings are one route and nobody is redirected;
//! 2. edge: request id, forged identity headers dropped, panics caught; on the way back problem bodies, response headers,
//!    metrics and the access line;
//! 3. cross-origin rules: preflights are answered here, without a token;
//! 4. authentication, before anything of the body is read; public paths pass;
//! 5. concurrency bound of authenticated requests;
//! 6. the route's handler: media type, size, JSON, fields, capacity, in this order.

mod access;
mod body;
mod config;
mod docs;
mod edge;
mod fields;
pub mod incident;
mod openapi;
mod operations;
mod problem;
mod readiness;
mod routes;
mod schema;
mod server;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tower::ServiceExt;

pub use self::config::{CompatConfig, ErrorMediaType, HttpConfig, Limits, ServerConfig};
use self::edge::RequestedPath;
pub use self::fields::{FieldError, Step};
pub use self::openapi::document as openapi;
pub use self::operations::{ConfigSummary, LlmSummary, public_address};
use self::problem::Problem;
pub use self::readiness::{Phase, Readiness};
pub use self::server::{ServeConfig, ServerHandle, serve};
use crate::auth::Authenticator;
use crate::sessions::Sessions;
use crate::telemetry::Metrics;

/// What the routes work with. The composition root fills it.
#[derive(Debug)]
pub struct AppState {
    pub sessions: Sessions,
    pub authenticator: Authenticator,
    pub readiness: Readiness,
    pub metrics: Metrics,
    /// What `GET /config` tells.
    pub config: ConfigSummary,
    pub limits: Limits,
    pub http: HttpConfig,
    pub severities: incident::SeverityVocabulary,
    /// Log answered probes at debug level only (`logging.sample_health`).
    pub quiet_probes: bool,
}

impl FromRef<Arc<AppState>> for Sessions {
    fn from_ref(state: &Arc<AppState>) -> Self {
        state.sessions.clone()
    }
}

impl FromRef<Arc<AppState>> for Readiness {
    fn from_ref(state: &Arc<AppState>) -> Self {
        state.readiness.clone()
    }
}

impl FromRef<Arc<AppState>> for Metrics {
    fn from_ref(state: &Arc<AppState>) -> Self {
        state.metrics.clone()
    }
}

/// The whole service behind its layers, ready for [`serve`].
pub fn router(state: AppState) -> Router {
    layered(routes::routes().split_for_parts().0, state)
}

fn layered(routes: Router<Arc<AppState>>, state: AppState) -> Router {
    let state = Arc::new(state);
    let slots = match state.limits.concurrent_requests_max {
        0 => None,
        max => Some(Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)))),
    };
    let inner: Router = routes
        .fallback(async || Problem::no_route())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(slots, access::limit_concurrency))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), access::authenticate))
        .layer(middleware::from_fn(access::cross_origin))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), edge::edge))
        .with_state(state);
    // Layers of a router run after it has chosen a route; the path has to change before.
    Router::new().fallback(async move |mut request: Request| {
        normalise_path(&mut request);
        inner.oneshot(request).await
    })
}

/// axum adds `Allow` to both answers.
async fn method_not_allowed(method: Method) -> Response {
    match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => Problem::method_not_allowed().into_response(),
    }
}

/// Drops one trailing slash and remembers what the client wrote.
fn normalise_path(request: &mut Request) {
    let path = request.uri().path().to_owned();
    if let Some(shorter) = path.strip_suffix('/').filter(|shorter| !shorter.is_empty()) {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("{shorter}{query}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    request.extensions_mut().insert(RequestedPath(path));
}

#[cfg(test)]
mod tests;
