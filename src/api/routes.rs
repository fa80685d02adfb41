//! All routes on one screen, and who may use them without a token.

use std::sync::Arc;

use axum::extract::FromRef;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::readiness::Readiness;
use super::{AppState, control, docs, incident, openapi, operations, recovery, stream};
use crate::telemetry::Metrics;

/// Routes that are asked every few seconds by machines: see [`probes`]. They need no token.
const PROBES: &[&str] =
    &["/health", "/health/ready", "/ready", "/healthz", "/livez", "/readyz", "/startupz", "/metrics"];
/// Other paths that need none (http-api §3.1): compared as a whole. The assets of the documentation page join them.
const PAGES: &[&str] = &["/openapi.json", "/docs", "/redoc"];

pub(super) fn is_public(path: &str) -> bool {
    is_probe(path) || PAGES.contains(&path) || docs::is_asset(path)
}

pub(super) fn is_probe(route: &str) -> bool {
    PROBES.contains(&route)
}

/// Probes and metrics, as they are served by the API, before it is wired, and beside it.
pub(super) fn probes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Readiness: FromRef<S>,
    Metrics: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(operations::health))
        .routes(routes!(operations::ready))
        .route("/health/ready", get(operations::ready))
        .route("/healthz", get(operations::alive))
        .route("/livez", get(operations::alive))
        .route("/readyz", get(operations::ready_briefly))
        .route("/startupz", get(operations::started))
        .route("/metrics", get(operations::metrics))
}

/// The catalogue of endpoints (http-api §1.1). Those registered with `routes!` are described by `/openapi.json`.
pub(super) fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::with_openapi(openapi::head())
        // With a token.
        .routes(routes!(incident::analyze))
        .routes(routes!(incident::status))
        .routes(routes!(incident::result))
        .routes(routes!(control::cancel))
        .routes(routes!(control::snapshot))
        .routes(routes!(stream::stream))
        .routes(routes!(recovery::analyze))
        .routes(routes!(recovery::status))
        .routes(routes!(recovery::result))
        .routes(routes!(operations::config))
        // Without one.
        .merge(probes())
        .route("/openapi.json", get(docs::document))
        .route("/docs", get(docs::page))
        .route("/docs/{asset}", get(docs::asset))
        .route("/redoc", get(docs::redirect))
}
