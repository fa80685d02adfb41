//! The HTTP contract (http-api). The only room that knows axum.
//!
//! [`router`] builds everything a request passes, from the outside in:
//!
//! 1. path: one trailing slash is dropped, so that both spellings are one route and nobody is redirected;
//! 2. compression of answers, where the client takes it; never of the event stream;
//! 3. edge: request id, forged identity headers dropped, panics caught; on the way back problem bodies, response headers,
//!    metrics and the access line;
//! 4. cross-origin rules: preflights are answered here, without a token;
//! 5. `server.rate_limit`, where it is on; public paths pass;
//! 6. authentication, before anything of the body is read; public paths pass;
//! 7. concurrency bound of authenticated requests; who waits for a result gives its place back;
//! 8. the route's handler: media type, size, JSON, fields, capacity, in this order.

mod access;
mod body;
mod config;
mod control;
mod cost;
mod docs;
mod edge;
mod fields;
mod heartbeat;
pub mod incident;
mod json;
mod mode;
mod openapi;
mod operations;
mod probes;
mod problem;
mod rate_limit;
mod readiness;
mod recovery;
mod routes;
mod schema;
mod server;
mod session;
mod side_doors;
mod stream;
mod submission;
mod tls;
mod traffic;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, Request};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tower::ServiceExt;
use tower_http::compression::CompressionLayer;

pub use self::config::{CompatConfig, ErrorMediaType, HttpConfig, Limits, Modes, ServerConfig};
pub use self::cost::CostView;
use self::edge::RequestedPath;
pub use self::fields::{FieldError, Step};
pub use self::mode::Form;
pub use self::openapi::document as openapi;
pub use self::operations::{ConfigField, ConfigSummary, ConfigView, LlmSummary, RejectedConfig, public_address};
pub use self::probes::Door;
use self::problem::Problem;
pub use self::rate_limit::RateLimitConfig;
pub use self::readiness::{Demand, Phase, Readiness, ReadinessConfig};
pub use self::server::{ServeConfig, ServerHandle, serve};
pub use self::side_doors::{Shown, SideDoors};
pub use self::tls::{CertificateError, Certificates, Look, ServerTlsConfig, TlsProfile};
pub use self::traffic::Traffic;
use crate::audit::SecurityAudit;
use crate::auth::{Authenticator, SessionOwnership};
use crate::sessions::Sessions;
use crate::settings::Setting;
use crate::telemetry::Metrics;

/// What the routes work with. The composition root fills it.
#[derive(Debug)]
pub struct AppState {
    pub sessions: Sessions,
    pub authenticator: Authenticator,
    /// Where refused callers are written down.
    pub security: SecurityAudit,
    pub readiness: Readiness,
    pub metrics: Metrics,
    /// What `GET /config` tells.
    pub config: ConfigView,
    pub limits: Limits,
    pub http: HttpConfig,
    pub severities: incident::SeverityVocabulary,
    /// How submissions are answered now.
    pub modes: Setting<Modes>,
    pub ownership: SessionOwnership,
    /// Places of event streams.
    pub streams: Arc<Semaphore>,
    /// Log answered probes at debug level only (`logging.sample_health`).
    pub quiet_probes: bool,
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

/// The whole service behind its layers, ready for [`serve`]; no client is limited.
pub fn router(state: AppState) -> Router {
    let traffic = Traffic::new(state.limits.concurrent_requests_max, &RateLimitConfig::default());
    limited_router(state, traffic)
}

/// The same with limits that may change.
pub fn limited_router(state: AppState, traffic: Traffic) -> Router {
    layered(routes::routes().split_for_parts().0, state, traffic)
}

fn layered(routes: Router<Arc<AppState>>, state: AppState, traffic: Traffic) -> Router {
    let Traffic { places, clients } = traffic;
    let state = Arc::new(state);
    let inner: Router = routes
        .fallback(async || Problem::no_route())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(places, access::limit_concurrency))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), access::authenticate))
        .layer(middleware::from_fn_with_state(clients, rate_limit::limit_rate))
        .layer(middleware::from_fn(access::cross_origin))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), edge::edge))
        // Passes event streams over: they must not wait for a block to fill.
        .layer(CompressionLayer::new())
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
