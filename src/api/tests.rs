//! The layers around routes that misbehave or tell what reaches them.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::HeaderMap;
use axum::routing::get;
use serde_json::Value;

use super::*;
use crate::audit::{AuditConfig, AuditSink, AuditTrail};
use crate::auth::{AuthConfig, AuthMode};
use crate::investigation::InvestigationError;
use crate::sessions::{SessionsConfig, SessionsParts, Work};
use crate::store::{Access, Store, StoreLocation};

fn unlimited(routes: Router<Arc<AppState>>, state: AppState) -> Router {
    layered(routes, state, Traffic::new(0, &RateLimitConfig::default()))
}

async fn state(folder: &std::path::Path) -> AppState {
    let metrics = Metrics::build().unwrap();
    let store = Store::open(&StoreLocation::in_directory(folder), Access::Serve).await.unwrap();
    let audit = AuditConfig { sink: AuditSink::Local, ..AuditConfig::default() };
    let audit = AuditTrail::open(&audit, store.clone(), metrics.clone()).await.unwrap();
    let parts = SessionsParts {
        config: SessionsConfig::default(),
        timeout: Duration::from_secs(1),
        audit: audit.clone(),
        store,
        metrics: metrics.clone(),
        metering: crate::metering::Metering::default(),
        work: Work::new(async |_, _| Err(InvestigationError::internal("rca", "unused"))),
    };
    let path = folder.join("tokens");
    std::fs::write(&path, "alice:secret-of-alice\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = AuthConfig { mode: AuthMode::Token, token_file: Some(path), ..AuthConfig::default() };
    AppState {
        sessions: Sessions::open(parts).await.unwrap(),
        authenticator: Authenticator::open_token_file(&config, folder, metrics.clone()).unwrap(),
        security: SecurityAudit::new(audit),
        readiness: Readiness::new(&[], metrics.clone()),
        metrics,
        config: ConfigView::default(),
        limits: Limits::default(),
        http: HttpConfig::default(),
        severities: incident::SeverityVocabulary::Auto,
        modes: Setting::new(CompatConfig::default().modes(Duration::from_secs(1))),
        ownership: SessionOwnership::Off,
        streams: Arc::new(Semaphore::new(1)),
        quiet_probes: true,
    }
}

async fn panics() -> &'static str {
    panic!("hunter2 at /srv/internal")
}

/// Every header that reached the handler.
async fn headers(headers: HeaderMap) -> String {
    headers.keys().map(|name| format!("{name}\n")).collect()
}

async fn answer(router: Router, request: axum::http::request::Builder) -> (StatusCode, HeaderMap, String) {
    let request = request.header("authorization", "Bearer secret-of-alice").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1024 * 1024).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_panic_is_a_problem_without_internals() {
    let folder = tempfile::tempdir().unwrap();
    let router = unlimited(Router::new().route("/api/v1/boom", get(panics)), state(folder.path()).await);
    let request = Request::get("/api/v1/boom?q=1").header("x-request-id", "r-1");
    let (status, headers, text) = answer(router, request).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (StatusCode::INTERNAL_SERVER_ERROR, "application/problem+json")
    );
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "type": "https://kubernaut.ai/problems/internal-error", "title": "Internal Server Error",
            "detail": "An unexpected error occurred", "status": 500, "instance": "/api/v1/boom", "request_id": "r-1"
        })
    );
    assert_eq!(headers["cache-control"], "no-store");
}

#[tokio::test]
async fn handlers_see_neither_tokens_nor_forged_identities() {
    let folder = tempfile::tempdir().unwrap();
    let router = unlimited(Router::new().route("/seen", get(headers)), state(folder.path()).await);
    let request = Request::get("/seen")
        .header("x-auth-request-user", "root")
        .header("X-Forwarded-User", "root")
        .header("Impersonate-User", "root")
        .header("impersonate-extra-scopes", "all")
        .header("x-remote-group", "system:masters")
        .header("accept", "text/plain");
    let (status, _, text) = answer(router, request).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, "accept\n"));
}

#[tokio::test]
async fn a_framework_error_becomes_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let teapot = get(async || (StatusCode::IM_A_TEAPOT, "short and stout"));
    let router = unlimited(Router::new().route("/tea", teapot), state(folder.path()).await);
    let (status, headers, text) = answer(router, Request::get("/tea")).await;
    assert_eq!(headers["content-type"], "application/problem+json");
    assert!(!text.contains("stout"), "{text}");
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
