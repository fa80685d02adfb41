//! Metrics in the classic Prometheus text format (operations §4). The only place that knows a metric name.
//!
//! [`Metrics`] is built once by the composition root and cloned into whoever counts something. Methods say what
//! happened; which series move is decided here. Label values that come from outside (models, signal names, tools) are
//! cut and capped, so that no caller can grow the number of series without bound.

mod audit;
mod config;
mod cost;
mod families;
pub mod labels;
mod legacy;
mod process;
mod runtime;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus::{Encoder, TextEncoder};
use tokio::runtime::Handle;

pub use self::audit::AuditOutbox;
pub use self::cost::LlmCost;
use self::families::Families;
pub use self::families::{Family, FamilyKind};
pub use self::labels::{
    AuditEndpoint, AuditWrite, AuthResult, AuthReview, CacheResult, ConfigFault, ConfigSource, DenialReason,
    Dependency, DropReason, EvictionReason, InjectionSign, InvestigationStatus, LlmErrorKind, LlmStatus, Phase,
    PhaseOutcome, RedactedIn, ReloadResult, RetryOutcome, SessionOutcome, SpanFate, StoredStatus, TokenType,
    ToolStatus,
};
pub use self::legacy::{LegacyPrefix, MetricsConfig, USER_LABELS_MAX};
use super::Build;

/// Distinct values of the `model` label; later ones are counted as `other`.
pub const MODEL_LABELS_MAX: usize = 32;
/// Distinct values of the `signal_name` label.
pub const SIGNAL_LABELS_MAX: usize = 128;
/// Distinct values of the `tool` label.
pub const TOOL_LABELS_MAX: usize = 128;
/// Longest value of a label that comes from outside.
pub const LABEL_BYTES_MAX: usize = 128;
/// Media type of [`Metrics::encode`].
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

const OTHER: &str = "other";
/// Label of every tool where tools are not told apart.
const ALL_TOOLS: &str = "all";
const TOO_MANY_REQUESTS: u16 = 429;

/// A family could not be registered: a programming mistake in the table of families, found at start.
#[derive(Debug, thiserror::Error)]
#[error("metric family not registered")]
pub struct MetricsError(#[source] prometheus::Error);

/// Handle to every series of the process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    families: Families,
    /// Held while the series of process and runtime are read and the text is written.
    scrape: Mutex<()>,
    /// The runtime that does the work, whoever scrapes.
    runtime: OnceLock<Handle>,
    models: CappedLabel,
    signals: CappedLabel,
    tools: CappedLabel,
    /// Names of ServiceAccounts in old families.
    users: CappedLabel,
    /// Tools are told apart.
    per_tool: AtomicBool,
}

/// One call to the model, retries included, for [`Metrics::llm_call`].
#[derive(Debug, Clone, Copy)]
pub struct LlmCall<'a> {
    /// As configured: `openai`, `anthropic`, ….
    pub provider: &'a str,
    /// Without a routing prefix.
    pub model: &'a str,
    pub status: LlmStatus,
    pub duration: Duration,
    /// Tokens of a successful call, else 0.
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

impl Metrics {
    /// Registers every present family and creates the series with closed label sets.
    ///
    /// # Errors
    /// Two families with one name, or an illegal name.
    pub fn build() -> Result<Self, MetricsError> {
        Self::build_with(&MetricsConfig::default())
    }

    /// The same, and old families where they are asked for.
    ///
    /// # Errors
    /// Two families with one name, or an illegal name.
    pub fn build_with(config: &MetricsConfig) -> Result<Self, MetricsError> {
        let families = Families::register(&config.legacy_names)?;
        let Build { version, commit, rust_version } = Build::CURRENT;
        families.build_info.with_label_values(&[version, commit, rust_version]).set(1);
        Ok(Self(Arc::new(Inner {
            families,
            scrape: Mutex::new(()),
            runtime: OnceLock::new(),
            models: CappedLabel::new(MODEL_LABELS_MAX),
            signals: CappedLabel::new(SIGNAL_LABELS_MAX),
            tools: CappedLabel::new(TOOL_LABELS_MAX),
            users: CappedLabel::new(USER_LABELS_MAX),
            per_tool: AtomicBool::new(config.per_tool),
        })))
    }

    /// All series in the classic text format ([`TEXT_FORMAT`]). Reads `/proc`, nothing else.
    pub fn encode(&self) -> String {
        let _scrape = self.0.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.families.process.refresh();
        self.0.families.runtime.refresh(self.0.runtime.get());
        let mut text = Vec::new();
        // Writing to memory fails only for a family without series, which `gather` leaves out.
        let _ = TextEncoder::new().encode(&self.0.families.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Every family, also those without a series so far.
    pub fn described(&self) -> &[Family] {
        &self.0.families.described
    }

    /// `aiagent_api_runtime_*` are about the calling runtime from now on.
    pub fn watch_this_runtime(&self) {
        if let Ok(runtime) = Handle::try_current() {
            // The first one counts.
            let _ = self.0.runtime.set(runtime);
        }
    }

    /// An analysis ended: once per investigation, never for a refused submission.
    pub fn investigation_finished(&self, status: InvestigationStatus, duration: Duration) {
        self.0.families.investigations.with_label_values(&[status.as_str()]).inc();
        self.0.families.investigation_seconds.observe(duration.as_secs_f64());
    }

    /// A phase of an investigation ended or was skipped.
    pub fn phase_finished(&self, phase: Phase, outcome: PhaseOutcome) {
        self.0.families.investigation_phases.with_label_values(&[phase.as_str(), outcome.as_str()]).inc();
    }

    /// Model turns a phase needed.
    pub fn phase_turns(&self, phase: Phase, turns: u32) {
        self.0.families.investigation_turns.with_label_values(&[phase.as_str()]).observe(f64::from(turns));
    }

    /// A call to the model ended, well or not. Moves the families of both generations.
    pub fn llm_call(&self, call: LlmCall<'_>) {
        let families = &self.0.families;
        let (provider, status, seconds) = (cut(call.provider), call.status.as_str(), call.duration.as_secs_f64());
        let model = self.0.models.value(call.model);
        families.llm_calls.with_label_values(&[provider, &model, status]).inc();
        families.llm_call_seconds.with_label_values(&[provider, &model]).observe(seconds);
        families.llm_requests.with_label_values(&[status]).inc();
        families.llm_request_seconds.observe(seconds);
        let tokens = [(TokenType::Prompt, call.prompt_tokens), (TokenType::Completion, call.completion_tokens)];
        for (kind, count) in tokens.into_iter().filter(|(_, count)| *count > 0) {
            families.llm_token_usage.with_label_values(&[provider, &model, kind.as_str()]).inc_by(count);
            families.llm_tokens.with_label_values(&[kind.as_str()]).inc_by(count);
        }
        self.old_llm_call(call, provider, &model);
    }

    /// One attempt to call the model failed.
    pub fn llm_error(&self, provider: &str, model: &str, kind: LlmErrorKind) {
        let model = self.0.models.value(model);
        self.0.families.llm_errors.with_label_values(&[cut(provider), &model, kind.as_str()]).inc();
    }

    /// A streamed reply began this long after the question was sent.
    pub fn llm_first_piece(&self, provider: &str, model: &str, waited: Duration) {
        let model = self.0.models.value(model);
        let labels = &[cut(provider), &*model];
        self.0.families.llm_first_piece_seconds.with_label_values(labels).observe(waited.as_secs_f64());
    }

    /// A call that needed at least one retry ended.
    pub fn llm_retried(&self, phase: Phase, outcome: RetryOutcome) {
        self.0.families.llm_call_retries.with_label_values(&[phase.as_str(), outcome.as_str()]).inc();
    }

    /// A tool call ended. Not for result submission.
    pub fn tool_call(&self, toolset: &str, tool: &str, status: ToolStatus, duration: Duration) {
        let families = &self.0.families;
        let (toolset, tool) = (cut(toolset), self.tool_label(tool));
        families.tool_calls.with_label_values(&[toolset, &tool, status.as_str()]).inc();
        families.tool_call_seconds.with_label_values(&[toolset, &tool]).observe(duration.as_secs_f64());
        families.investigation_tool_calls.with_label_values(&[&tool]).inc();
    }

    /// A tool that exists was asked for and not run.
    pub fn tool_denied(&self, toolset: &str, tool: &str) {
        let tool = self.tool_label(tool);
        let labels = &[cut(toolset), &*tool, ToolStatus::Denied.as_str()];
        self.0.families.tool_calls.with_label_values(labels).inc();
    }

    /// Whether tools are told apart from now on. The series of before end: sums over all tools stay right.
    pub fn label_tools(&self, per_tool: bool) {
        if self.0.per_tool.swap(per_tool, Ordering::Relaxed) != per_tool {
            let families = &self.0.families;
            families.tool_calls.reset();
            families.tool_call_seconds.reset();
            families.investigation_tool_calls.reset();
        }
    }

    fn tool_label(&self, tool: &str) -> Arc<str> {
        if self.0.per_tool.load(Ordering::Relaxed) { self.0.tools.value(tool) } else { ALL_TOOLS.into() }
    }

    /// An investigation left the queue after `queued`.
    pub fn session_started(&self, signal_name: &str, severity: &str, queued: Duration) {
        let signal = self.0.signals.value(signal_name);
        self.0.families.sessions_started.with_label_values(&[&signal, cut(severity)]).inc();
        self.0.families.session_queue_seconds.observe(queued.as_secs_f64());
    }

    /// A session reached a final state `duration` after its start (zero when it never started).
    pub fn session_finished(&self, outcome: SessionOutcome, duration: Duration) {
        self.0.families.sessions_completed.with_label_values(&[outcome.as_str()]).inc();
        self.0.families.session_seconds.with_label_values(&[outcome.as_str()]).observe(duration.as_secs_f64());
    }

    /// A remembered session was forgotten.
    pub fn session_evicted(&self, reason: EvictionReason) {
        self.0.families.sessions_evicted.with_label_values(&[reason.as_str()]).inc();
    }

    /// Investigations running now.
    pub fn sessions_active(&self, count: usize) {
        self.0.families.sessions_active.set(gauge_value(count));
    }

    /// Sessions waiting for a slot now.
    pub fn sessions_pending(&self, count: usize) {
        self.0.families.sessions_pending.set(gauge_value(count));
    }

    /// Sessions remembered in one state now.
    pub fn sessions_stored(&self, status: StoredStatus, count: usize) {
        self.0.families.sessions_stored.with_label_values(&[status.as_str()]).set(gauge_value(count));
    }

    /// Counts a request as in flight until the guard is dropped. `endpoint` is a route template.
    pub fn http_request_started(&self, endpoint: &str, method: &str) -> InFlight {
        self.0.families.http_requests_in_flight.inc();
        self.old_request_started(endpoint, method)
    }

    /// A request was answered. `endpoint` is a route template, never a raw path.
    pub fn http_request_finished(&self, endpoint: &str, method: &str, status: u16, duration: Duration) {
        let method = known_method(method);
        if status == TOO_MANY_REQUESTS {
            self.0.families.http_rate_limited.inc();
        }
        let (status, seconds) = (status.to_string(), duration.as_secs_f64());
        self.0.families.http_request_seconds.with_label_values(&[endpoint, method, &status]).observe(seconds);
        self.old_request_finished(endpoint, method, &status, seconds);
    }

    /// A non-public request was authenticated and authorised, or not.
    pub fn auth_request(&self, result: AuthResult) {
        self.0.families.auth_requests.with_label_values(&[result.as_str()]).inc();
    }

    /// A Kubernetes review was answered or failed.
    pub fn auth_review(&self, review: AuthReview, duration: Duration) {
        self.0.families.auth_review_seconds.with_label_values(&[review.as_str()]).observe(duration.as_secs_f64());
    }

    /// A remembered review was looked up.
    pub fn auth_cache(&self, result: CacheResult) {
        self.0.families.auth_cache.with_label_values(&[result.as_str()]).inc();
    }

    /// An authenticated caller was refused.
    pub fn authorization_denied(&self, reason: DenialReason) {
        self.0.families.authz_denied.with_label_values(&[reason.as_str()]).inc();
    }

    /// Creates the series of these audit event types at zero. Called once with the event catalogue.
    pub fn declare_audit_events<'a>(&self, event_types: impl IntoIterator<Item = &'a str>) {
        let families = &self.0.families;
        for event_type in event_types {
            families.audit_emitted.with_label_values(&[event_type]);
            for endpoint in AuditEndpoint::ALL {
                families.audit.written.with_label_values(&[event_type, endpoint.as_str()]);
            }
        }
    }

    /// This many secrets were taken out.
    pub fn redacted(&self, place: RedactedIn, values: u64) {
        self.0.families.redactions.with_label_values(&[place.as_str()]).inc_by(values);
    }

    /// Data tries to steer the model.
    pub fn injection_found(&self, sign: InjectionSign) {
        self.0.families.injection_signs.with_label_values(&[sign.as_str()]).inc();
    }

    /// An audit event was accepted for delivery. `event_type` is one of the event catalogue.
    pub fn audit_emitted(&self, event_type: &str) {
        self.0.families.audit_emitted.with_label_values(&[event_type]).inc();
    }

    /// An audit event was given up.
    pub fn audit_dropped(&self, reason: DropReason) {
        self.0.families.dropped(reason).inc();
    }

    /// Result of a dependency's background probe.
    pub fn dependency_up(&self, dependency: Dependency, up: bool) {
        self.0.families.dependency_up.with_label_values(&[dependency.as_str()]).set(i64::from(up));
    }

    /// A request to a dependency ended. `operation` is from a closed list; `status` is a status code or an error word.
    pub fn dependency_request(&self, dependency: Dependency, operation: &str, status: &str, duration: Duration) {
        let labels = &[dependency.as_str(), operation, status];
        self.0.families.dependency_request_seconds.with_label_values(labels).observe(duration.as_secs_f64());
    }

    /// State of a circuit breaker: 0 closed, 1 half-open, 2 open.
    pub fn circuit_breaker(&self, name: &str, state: u8) {
        self.0.families.circuit_breaker_state.with_label_values(&[name]).set(i64::from(state));
    }

    /// Finished spans of traces were sent, or lost.
    pub fn spans(&self, fate: SpanFate, spans: usize) {
        self.0.families.spans.with_label_values(&[fate.as_str()]).inc_by(spans as u64);
    }

    /// The service began to drain.
    pub fn shutting_down(&self) {
        self.0.families.shutting_down.set(1);
    }
}

/// A request being answered; see [`Metrics::http_request_started`].
#[derive(Debug)]
pub struct InFlight {
    metrics: Metrics,
    /// Of old families: method and route.
    labels: Option<[String; 2]>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.metrics.0.families.http_requests_in_flight.dec();
        if let Some(labels) = &self.labels {
            self.metrics.old_request_ended(labels);
        }
    }
}

/// A method that may be a label.
fn known_method(method: &str) -> &str {
    match method {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => method,
        _ => OTHER,
    }
}

/// A label with open values: the first `values_max` distinct ones are kept, the rest become `other`.
#[derive(Debug)]
struct CappedLabel {
    values_max: usize,
    seen: Mutex<BTreeSet<Arc<str>>>,
}

impl CappedLabel {
    fn new(values_max: usize) -> Self {
        Self { values_max, seen: Mutex::new(BTreeSet::new()) }
    }

    fn value(&self, text: &str) -> Arc<str> {
        let text = cut(text);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = seen.get(text) {
            return Arc::clone(known);
        }
        if seen.len() >= self.values_max {
            return OTHER.into();
        }
        let value: Arc<str> = text.into();
        seen.insert(Arc::clone(&value));
        value
    }
}

/// The longest prefix of at most [`LABEL_BYTES_MAX`] bytes that ends between characters.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LABEL_BYTES_MAX)).unwrap_or_default()
}

fn gauge_value(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
