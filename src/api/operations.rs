//! Health, readiness, configuration and metrics (http-api §1.10–1.12). None of these answers is a problem document.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::AppState;
use super::readiness::{Phase, Readiness};
use super::schema::CallerProblems;
use crate::telemetry::Build;
use crate::telemetry::metrics::{Metrics, TEXT_FORMAT};

/// What `GET /config` tells. Holds no secret; addresses are shown without user, password and query.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ConfigSummary {
    pub llm: LlmSummary,
    /// What the configuration calls it; null unless it does.
    pub environment: Option<String>,
    /// Always false: there is no developer mode.
    pub dev_mode: bool,
    /// `model`, `analyser` or `auto`.
    pub engine: Option<String>,
    /// `live` or `bundle`.
    pub cluster_source: Option<String>,
    /// `datastorage`, `custom_resources` or `directory`.
    pub catalogue_source: Option<String>,
    /// Address of DataStorage, where it is used.
    pub data_storage: Option<String>,
    pub version: Option<String>,
    /// SHA-256 of the active files.
    pub active_hash: Option<String>,
    /// Of those on disk: another one while they are rejected.
    pub on_disk_hash: Option<String>,
    /// When a change was last taken over, RFC 3339.
    pub last_reload: Option<String>,
    /// While what is on disk is rejected.
    pub last_rejected: Option<RejectedConfig>,
    /// Keys that say something else on disk and count with the next start.
    pub restart_required: Vec<String>,
    /// Every value that counts.
    pub fields: Vec<ConfigField>,
}

/// What `GET /config` tells now. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ConfigView(Arc<RwLock<ConfigSummary>>);

impl ConfigView {
    pub fn new(summary: ConfigSummary) -> Self {
        Self(Arc::new(RwLock::new(summary)))
    }

    pub fn get(&self) -> ConfigSummary {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut ConfigSummary)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A configuration that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedConfig {
    pub hash: String,
    /// RFC 3339.
    pub at: String,
    pub problems: Vec<String>,
}

/// One value that counts, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConfigField {
    pub path: String,
    pub value: String,
    /// `flag`, `env`, `secret`, `sdk`, `main` or `default`.
    pub source: &'static str,
    /// Whether a change of it needs no restart.
    pub live: bool,
}

/// The model, as far as anybody may know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LlmSummary {
    pub provider: Option<String>,
    pub model: Option<String>,
    pub endpoint: Option<String>,
}

impl LlmSummary {
    /// `endpoint` loses user, password, query and fragment; one that is no URL is left out.
    pub fn new(provider: Option<String>, model: Option<String>, endpoint: Option<&str>) -> Self {
        Self { provider, model, endpoint: endpoint.and_then(public_address) }
    }
}

/// An address without user, password, query and fragment; `None` for what is none.
pub fn public_address(text: &str) -> Option<String> {
    let mut url = reqwest::Url::parse(text).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    // Fails only for addresses that cannot have a user, which then have none.
    let _ = (url.set_username(""), url.set_password(None));
    Some(url.to_string())
}

/// Liveness: 200 while the process schedules work.
#[utoipa::path(get, path = "/health", tag = "Health", operation_id = "health_check_health_get",
    responses(
        (status = 200, description = "The process is alive", body = Object),
        (status = 503, description = "Nothing is scheduled any more", body = Object),
    ))]
pub(super) async fn health(State(readiness): State<Readiness>) -> Response {
    if !readiness.is_alive() {
        return stuck();
    }
    let body = json!({
        "status": "healthy",
        "service": "holmesgpt-api",
        "endpoints": ["/api/v1/incident/analyze", "/api/v1/recovery/analyze", "/health", "/ready"],
        "features": { "incident_analysis": true, "recovery_analysis": true, "authentication": true },
    });
    Json(body).into_response()
}

/// The watchdog has not been scheduled for too long.
fn stuck() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "unhealthy", "reason": "not_scheduling" })))
        .into_response()
}

/// Liveness in the successor's form.
pub(super) async fn alive(State(readiness): State<Readiness>) -> Response {
    if !readiness.is_alive() {
        return stuck();
    }
    Json(json!({ "status": "healthy", "timestamp": format!("{:.0}", Timestamp::now()) })).into_response()
}

/// Readiness with the state of every dependency.
#[utoipa::path(get, path = "/ready", tag = "Health", operation_id = "readiness_check_ready_get",
    responses(
        (status = 200, description = "Ready for work", body = Object),
        (status = 503, description = "Starting, unable to work, or shutting down", body = Object),
    ))]
pub(super) async fn ready(State(readiness): State<Readiness>) -> Response {
    (status(readiness.phase()), Json(readiness.report())).into_response()
}

/// Readiness in the successor's form.
pub(super) async fn ready_briefly(State(readiness): State<Readiness>) -> Response {
    let phase = readiness.phase();
    let body = match readiness.reason() {
        None => json!({ "status": "ready", "interactive_mode": "disabled" }),
        Some(reason) => json!({ "status": "not_ready", "reason": reason }),
    };
    (status(phase), Json(body)).into_response()
}

/// 503 until the start is finished; draining does not undo it.
pub(super) async fn started(State(readiness): State<Readiness>) -> Response {
    match readiness.phase() {
        Phase::Starting => {
            let reason = readiness.reason();
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "starting", "reason": reason }))).into_response()
        }
        Phase::Ready | Phase::NotReady | Phase::ShuttingDown => Json(json!({ "status": "started" })).into_response(),
    }
}

fn status(phase: Phase) -> StatusCode {
    if phase == Phase::Ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// The effective configuration, as far as it may be shown.
#[utoipa::path(get, path = "/config", tag = "Health", operation_id = "get_config_config_get",
    security(("bearer" = [])),
    responses((status = 200, description = "Configuration without secrets", body = Object), CallerProblems))]
pub(super) async fn config(State(state): State<Arc<AppState>>) -> Json<ConfigSummary> {
    let version = Some(Build::CURRENT.version.to_owned());
    Json(ConfigSummary { version, ..state.config.get() })
}

/// Prometheus' classic text format.
pub(super) async fn metrics(State(metrics): State<Metrics>) -> Response {
    ([(CONTENT_TYPE, TEXT_FORMAT)], metrics.encode()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_secrets() {
        let shown = |text| LlmSummary::new(None, None, Some(text)).endpoint;
        let secret = "https://user:hunter2@llm.example.internal/v1?api-key=hunter2#hunter2";
        assert_eq!(shown(secret).as_deref(), Some("https://llm.example.internal/v1"));
        assert_eq!(shown("hunter2"), None);
    }
}
