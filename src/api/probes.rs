//! What is served before everything is wired, and beside the API: probes, metrics, and what an operator may switch
//! (operations §5.1, §5.3, §1.3.5 `server`). No token; nothing here shows or changes work.

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::{FromRef, Request, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tower::ServiceExt;

use super::readiness::Readiness;
use super::{operations, routes};
use crate::telemetry::Metrics;
use crate::telemetry::logging::{Level, LoggingHandle};

/// When a service that starts is worth asking again, in seconds.
const STARTING_RETRY_SECONDS: &str = "1";
/// Longest body of a request to change the level, in bytes.
const LEVEL_BYTES_MAX: usize = 256;

/// The API once it is wired, the probes until then. Clones share it.
#[derive(Debug, Clone)]
pub struct Door {
    probes: Router,
    opened: Arc<OnceLock<Router>>,
}

impl Door {
    /// Closed: probes and metrics are answered, everything else is told to wait.
    pub fn closed(readiness: Readiness, metrics: Metrics) -> Self {
        let probes = probes(readiness, metrics).fallback(starting);
        Self { probes, opened: Arc::default() }
    }

    /// From now on everything goes to the API.
    pub fn open(&self, api: Router) {
        // It is opened once.
        let _ = self.opened.set(api);
    }

    /// What to serve.
    pub fn router(&self) -> Router {
        let door = self.clone();
        Router::new().fallback(async move |request: Request| door.pass(request).await)
    }

    async fn pass(&self, request: Request) -> Response {
        let router = self.opened.get().unwrap_or(&self.probes).clone();
        router.oneshot(request).await.into_response()
    }
}

#[derive(Debug, Clone)]
struct Probed {
    readiness: Readiness,
    metrics: Metrics,
}

impl FromRef<Probed> for Readiness {
    fn from_ref(state: &Probed) -> Self {
        state.readiness.clone()
    }
}

impl FromRef<Probed> for Metrics {
    fn from_ref(state: &Probed) -> Self {
        state.metrics.clone()
    }
}

fn probes(readiness: Readiness, metrics: Metrics) -> Router {
    let routes: Router<Probed> = routes::probes().into();
    routes.with_state(Probed { readiness, metrics })
}

async fn starting() -> Response {
    let body = json!({ "status": "starting", "reason": "starting" });
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, STARTING_RETRY_SECONDS)], Json(body)).into_response()
}

/// What the extra address for probes serves.
#[derive(Debug)]
pub(super) struct ProbeParts {
    pub(super) readiness: Readiness,
    pub(super) metrics: Metrics,
    /// `/config` is answered by the API, with its rules.
    pub(super) door: Door,
    /// The runtime that does the work.
    pub(super) runtime: Handle,
    /// `None`: `/admin` is off.
    pub(super) logging: Option<LoggingHandle>,
    /// `/debug` is on.
    pub(super) profiling: bool,
}

/// Probes, `/config`, and what is switched on of `/admin` and `/debug`.
pub(super) fn probe_router(parts: ProbeParts) -> Router {
    let ProbeParts { readiness, metrics, door, runtime, logging, profiling } = parts;
    let mut router = probes(readiness, metrics);
    let working = runtime.clone();
    let config = async move |request: Request| {
        // The API's own clients belong to its runtime.
        let answered = working.spawn(async move { door.pass(request).await }).await;
        answered.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    };
    router = router.route("/config", get(config));
    if let Some(logging) = logging {
        let level = Router::new().route("/admin/loglevel", get(level).put(set_level)).with_state(logging);
        router = router.merge(level);
    }
    if profiling {
        router = router.route("/debug/runtime", get(async move || Json(described(&runtime))));
    }
    router.fallback(async || StatusCode::NOT_FOUND)
}

/// `/metrics` alone.
pub(super) fn metrics_router(metrics: Metrics) -> Router {
    let text = async move || operations::metrics(State(metrics)).await;
    Router::new().route("/metrics", get(text)).fallback(async || StatusCode::NOT_FOUND)
}

async fn level(State(logging): State<LoggingHandle>) -> Json<Value> {
    Json(json!({ "level": logging.level() }))
}

/// `{"level": "debug"}`; any spelling of the configuration.
async fn set_level(State(logging): State<LoggingHandle>, body: Body) -> Response {
    let read = axum::body::to_bytes(body, LEVEL_BYTES_MAX).await.unwrap_or_default();
    let asked = serde_json::from_slice::<Value>(&read).ok();
    let asked = asked.as_ref().and_then(|body| body.get("level")?.as_str()).and_then(Level::parse);
    let Some(level) = asked else {
        let told = json!({ "error": "send {\"level\": \"TRACE|DEBUG|INFO|WARN|ERROR\"}" });
        return (StatusCode::BAD_REQUEST, Json(told)).into_response();
    };
    match logging.set_level(level) {
        Ok(()) => {
            tracing::warn!(event = "log_level_changed", to = ?level, "the log level was changed by hand");
            Json(json!({ "level": level })).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// How the runtime is doing, worker by worker.
fn described(runtime: &Handle) -> Value {
    let metrics = runtime.metrics();
    let workers: Vec<Value> = (0..metrics.num_workers())
        .map(|worker| {
            let busy = metrics.worker_total_busy_duration(worker).as_secs_f64();
            json!({ "busy_seconds": busy, "parks": metrics.worker_park_count(worker) })
        })
        .collect();
    json!({
        "tasks_alive": metrics.num_alive_tasks(),
        "queue_depth": metrics.global_queue_depth(),
        "workers": workers,
    })
}
