//! Every metric family: its name, help text, labels and buckets, each written once (operations §4.2, §4.4).

mod audit;
mod config;
mod cost;
mod legacy;
mod registrar;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

pub(super) use self::audit::AuditFamilies;
pub(super) use self::config::ConfigFamilies;
pub(super) use self::cost::CostFamilies;
pub(super) use self::legacy::LegacyFamilies;
pub(super) use self::registrar::Registrar;
pub use self::registrar::{Family, FamilyKind};
use super::MetricsError;
use super::labels::{
    AuthResult, AuthReview, CacheResult, DenialReason, Dependency, DropReason, EvictionReason, InjectionSign,
    InvestigationStatus, LlmStatus, Phase, PhaseOutcome, RedactedIn, RetryOutcome, SessionOutcome, SpanFate,
    StoredStatus, TokenType,
};
use super::legacy::LegacyPrefix;
use super::process::ProcessFamilies;
use super::runtime::RuntimeFamilies;

/// `service` label of the one family that all services of the platform share.
const SERVICE: &str = "holmesgpt-api";

const ANALYSIS_SECONDS: &[f64] = &[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0];
const LLM_SECONDS: &[f64] = &[0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
const SESSION_SECONDS: &[f64] = &[5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0];
const QUEUE_SECONDS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];
const HTTP_SECONDS: &[f64] = &[0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.5, 5.0];
const REVIEW_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
const TOOL_SECONDS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0];
/// The client libraries' default, 5 ms to 10 s.
const DEFAULT_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const FIRST_PIECE_SECONDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
const TURNS: &[f64] = &[1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 40.0];

/// Handles of all families, registered in one registry.
#[derive(Debug)]
pub(super) struct Families {
    pub(super) registry: Registry,
    /// What is registered, in order, for the reference.
    pub(super) described: Vec<Family>,

    pub(super) investigations: IntCounterVec,
    pub(super) investigation_seconds: Histogram,
    pub(super) investigation_phases: IntCounterVec,
    pub(super) investigation_turns: HistogramVec,
    pub(super) investigation_tool_calls: IntCounterVec,

    pub(super) llm_calls: IntCounterVec,
    pub(super) llm_call_seconds: HistogramVec,
    pub(super) llm_token_usage: IntCounterVec,
    pub(super) llm_requests: IntCounterVec,
    pub(super) llm_request_seconds: Histogram,
    pub(super) llm_tokens: IntCounterVec,
    pub(super) llm_call_retries: IntCounterVec,
    pub(super) llm_errors: IntCounterVec,
    pub(super) cost: CostFamilies,
    pub(super) llm_first_piece_seconds: HistogramVec,

    pub(super) tool_calls: IntCounterVec,
    pub(super) tool_call_seconds: HistogramVec,

    pub(super) redactions: IntCounterVec,
    pub(super) injection_signs: IntCounterVec,

    pub(super) sessions_started: IntCounterVec,
    pub(super) sessions_completed: IntCounterVec,
    pub(super) sessions_active: IntGauge,
    pub(super) sessions_pending: IntGauge,
    pub(super) sessions_stored: IntGaugeVec,
    pub(super) sessions_evicted: IntCounterVec,
    pub(super) session_seconds: HistogramVec,
    pub(super) session_queue_seconds: Histogram,

    pub(super) http_request_seconds: HistogramVec,
    pub(super) http_requests_in_flight: IntGauge,
    pub(super) http_rate_limited: IntCounter,
    pub(super) auth_requests: IntCounterVec,
    pub(super) auth_review_seconds: HistogramVec,
    pub(super) auth_cache: IntCounterVec,
    pub(super) authz_denied: IntCounterVec,

    pub(super) audit_emitted: IntCounterVec,
    pub(super) audit_dropped: IntCounterVec,
    pub(super) audit: AuditFamilies,
    pub(super) config: ConfigFamilies,

    pub(super) dependency_up: IntGaugeVec,
    pub(super) dependency_request_seconds: HistogramVec,
    pub(super) circuit_breaker_state: IntGaugeVec,
    pub(super) build_info: IntGaugeVec,
    pub(super) shutting_down: IntGauge,
    pub(super) spans: IntCounterVec,
    /// One for each old prefix that is asked for.
    pub(super) legacy: Vec<LegacyFamilies>,
    pub(super) process: ProcessFamilies,
    pub(super) runtime: RuntimeFamilies,
}

impl Families {
    #[expect(clippy::too_many_lines, reason = "a table: one line or two for each family")]
    pub(super) fn register(old: &[LegacyPrefix]) -> Result<Self, MetricsError> {
        let r = Registrar::default();
        let llm = &["provider", "model"];
        let families = Self {
            investigations: r.counters("aiagent_api_investigations_total", "Analyses by outcome", &["status"])?,
            investigation_seconds: r.histogram(
                "aiagent_api_investigations_duration_seconds",
                "Wall time of an analysis",
                ANALYSIS_SECONDS,
            )?,
            investigation_phases: r.counters(
                "aiagent_investigation_phases_total",
                "Phases of investigations by outcome",
                &["phase", "outcome"],
            )?,
            investigation_turns: r.histograms(
                "aiagent_investigation_turns",
                "Model turns of a phase",
                &["phase"],
                TURNS,
            )?,
            investigation_tool_calls: r.counters(
                "aiagent_investigation_tool_calls_total",
                "Tool calls by tool, without result submission",
                &["tool_name"],
            )?,

            llm_calls: r.counters(
                "aiagent_api_llm_calls_total",
                "Calls to the model",
                &["provider", "model", "status"],
            )?,
            llm_call_seconds: r.histograms(
                "aiagent_api_llm_call_duration_seconds",
                "Wall time of a call to the model, failures included",
                llm,
                LLM_SECONDS,
            )?,
            llm_token_usage: r.counters(
                "aiagent_api_llm_token_usage_total",
                "Tokens of successful calls",
                &["provider", "model", "type"],
            )?,
            llm_requests: r.counters(
                "aiagent_api_llm_requests_total",
                "Calls to the model, without provider and model",
                &["status"],
            )?,
            llm_request_seconds: r.histogram(
                "aiagent_api_llm_request_duration_seconds",
                "Wall time of a call to the model, without provider and model",
                DEFAULT_SECONDS,
            )?,
            llm_tokens: r.counters(
                "aiagent_api_llm_tokens_total",
                "Tokens of successful calls, without provider and model",
                &["type"],
            )?,
            llm_call_retries: r.counters(
                "aiagent_llm_call_retries_total",
                "Calls to the model that needed at least one retry",
                &["phase", "outcome"],
            )?,
            llm_errors: r.counters(
                "aiagent_api_llm_errors_total",
                "Failed attempts to call the model by kind",
                &["provider", "model", "kind"],
            )?,
            cost: CostFamilies::register(&r)?,
            llm_first_piece_seconds: r.histograms(
                "aiagent_api_llm_time_to_first_token_seconds",
                "Time until a streamed reply begins",
                llm,
                FIRST_PIECE_SECONDS,
            )?,

            tool_calls: r.counters(
                "aiagent_api_tool_calls_total",
                "Tool calls by outcome",
                &["toolset", "tool", "status"],
            )?,
            tool_call_seconds: r.histograms(
                "aiagent_api_tool_call_duration_seconds",
                "Wall time of a tool call",
                &["toolset", "tool"],
                TOOL_SECONDS,
            )?,

            redactions: r.counters(
                "aiagent_api_sanitizer_redactions_total",
                "Secrets taken out of tool results, prompts and log records",
                &["where"],
            )?,
            injection_signs: r.counters(
                "aiagent_api_injection_signs_total",
                "Signs of text in data that tries to steer the model",
                &["sign"],
            )?,

            sessions_started: r.counters(
                "aiagent_sessions_started_total",
                "Sessions whose investigation started",
                &["signal_name", "severity"],
            )?,
            sessions_completed: r.counters("aiagent_sessions_completed_total", "Sessions by outcome", &["outcome"])?,
            sessions_active: r.gauge("aiagent_sessions_active", "Investigations running now")?,
            sessions_pending: r.gauge("aiagent_sessions_pending", "Sessions accepted and waiting for a slot")?,
            sessions_stored: r.gauges("aiagent_sessions_stored", "Remembered sessions by status", &["status"])?,
            sessions_evicted: r.counters("aiagent_sessions_evicted_total", "Sessions forgotten", &["reason"])?,
            session_seconds: r.histograms(
                "aiagent_session_duration_seconds",
                "Time from start to end of a session",
                &["outcome"],
                SESSION_SECONDS,
            )?,
            session_queue_seconds: r.histogram(
                "aiagent_session_queue_seconds",
                "Time from submission to start",
                QUEUE_SECONDS,
            )?,

            http_request_seconds: r.histograms(
                "aiagent_http_request_duration_seconds",
                "Time to answer a request, by route template",
                &["endpoint", "method", "status"],
                HTTP_SECONDS,
            )?,
            http_requests_in_flight: r.gauge("aiagent_http_requests_in_flight", "Requests being answered now")?,
            http_rate_limited: r.counter("aiagent_http_rate_limited_total", "Requests answered 429")?,
            auth_requests: r.counters(
                "aiagent_api_auth_requests_total",
                "Authentication of non-public requests by result",
                &["result"],
            )?,
            auth_review_seconds: r.histograms(
                "aiagent_api_auth_review_duration_seconds",
                "Wall time of a Kubernetes review",
                &["review"],
                REVIEW_SECONDS,
            )?,
            auth_cache: r.counters("aiagent_api_auth_cache_total", "Look-ups of remembered reviews", &["result"])?,
            authz_denied: r.counters(
                "aiagent_authz_denied_total",
                "Requests of authenticated callers refused",
                &["reason"],
            )?,

            audit_emitted: r.counters(
                "aiagent_audit_events_emitted_total",
                "Audit events accepted for delivery",
                &["event_type"],
            )?,
            audit_dropped: r.counters("audit_events_dropped_total", "Audit events given up", &["service", "reason"])?,
            audit: AuditFamilies::register(&r)?,
            config: ConfigFamilies::register(&r)?,

            dependency_up: r.gauges(
                "aiagent_api_dependency_up",
                "Whether a dependency answers its background probe",
                &["dependency"],
            )?,
            dependency_request_seconds: r.histograms(
                "aiagent_api_dependency_request_duration_seconds",
                "Wall time of a request to a dependency",
                &["dependency", "operation", "status"],
                DEFAULT_SECONDS,
            )?,
            circuit_breaker_state: r.gauges(
                "aiagent_api_circuit_breaker_state",
                "0 closed, 1 half-open, 2 open",
                &["name"],
            )?,
            build_info: r.gauges(
                "aiagent_api_build_info",
                "What is running; always 1",
                &["version", "commit", "rust_version"],
            )?,
            shutting_down: r.gauge("aiagent_api_shutting_down", "1 while the service drains")?,
            spans: r.counters("aiagent_api_trace_spans_total", "Finished spans of traces", &["result"])?,
            legacy: LegacyPrefix::ALL
                .iter()
                .filter(|prefix| old.contains(prefix))
                .map(|prefix| LegacyFamilies::register(&r, *prefix))
                .collect::<Result<_, _>>()?,
            process: ProcessFamilies::register(&r)?,
            runtime: RuntimeFamilies::register(&r)?,
            described: r.described.into_inner(),
            registry: r.registry,
        };
        families.create_closed_sets();
        Ok(families)
    }

    /// Creates every series whose label values form a closed set, so that `rate()` works from zero.
    fn create_closed_sets(&self) {
        for status in InvestigationStatus::ALL {
            self.investigations.with_label_values(&[status.as_str()]);
        }
        for status in LlmStatus::ALL {
            self.llm_requests.with_label_values(&[status.as_str()]);
        }
        for kind in TokenType::ALL {
            self.llm_tokens.with_label_values(&[kind.as_str()]);
        }
        for phase in Phase::ALL {
            self.investigation_turns.with_label_values(&[phase.as_str()]);
            for outcome in PhaseOutcome::ALL {
                self.investigation_phases.with_label_values(&[phase.as_str(), outcome.as_str()]);
            }
            for outcome in RetryOutcome::ALL {
                self.llm_call_retries.with_label_values(&[phase.as_str(), outcome.as_str()]);
            }
        }
        for place in RedactedIn::ALL {
            self.redactions.with_label_values(&[place.as_str()]);
        }
        for sign in InjectionSign::ALL {
            self.injection_signs.with_label_values(&[sign.as_str()]);
        }
        for outcome in SessionOutcome::ALL {
            self.sessions_completed.with_label_values(&[outcome.as_str()]);
            self.session_seconds.with_label_values(&[outcome.as_str()]);
        }
        for status in StoredStatus::ALL {
            self.sessions_stored.with_label_values(&[status.as_str()]);
        }
        for reason in EvictionReason::ALL {
            self.sessions_evicted.with_label_values(&[reason.as_str()]);
        }
        for result in AuthResult::ALL {
            self.auth_requests.with_label_values(&[result.as_str()]);
        }
        for review in AuthReview::ALL {
            self.auth_review_seconds.with_label_values(&[review.as_str()]);
        }
        for result in CacheResult::ALL {
            self.auth_cache.with_label_values(&[result.as_str()]);
        }
        for reason in DenialReason::ALL {
            self.authz_denied.with_label_values(&[reason.as_str()]);
        }
        for reason in DropReason::ALL {
            self.audit_dropped.with_label_values(&[SERVICE, reason.as_str()]);
        }
        for fate in SpanFate::ALL {
            self.spans.with_label_values(&[fate.as_str()]);
        }
        for dependency in Dependency::ALL {
            self.dependency_up.with_label_values(&[dependency.as_str()]);
        }
    }

    pub(super) fn dropped(&self, reason: DropReason) -> IntCounter {
        self.audit_dropped.with_label_values(&[SERVICE, reason.as_str()])
    }
}
