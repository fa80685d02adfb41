//! The families of January's version under one of their prefixes (operations §4.1, §4.5). Those of its retired context
//! service are left out: nothing could move them.

use prometheus::{HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::{ANALYSIS_SECONDS, LLM_SECONDS, MetricsError, Registrar};
use crate::telemetry::metrics::legacy::LegacyPrefix;

const HTTP_SECONDS: &[f64] = &[0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0];

#[derive(Debug)]
pub(in crate::telemetry::metrics) struct LegacyFamilies {
    pub(in crate::telemetry::metrics) investigations: IntCounterVec,
    pub(in crate::telemetry::metrics) investigation_seconds: HistogramVec,
    pub(in crate::telemetry::metrics) llm_calls: IntCounterVec,
    pub(in crate::telemetry::metrics) llm_call_seconds: HistogramVec,
    pub(in crate::telemetry::metrics) llm_token_usage: IntCounterVec,
    pub(in crate::telemetry::metrics) auth_failures: IntCounterVec,
    pub(in crate::telemetry::metrics) auth_success: IntCounterVec,
    pub(in crate::telemetry::metrics) config_reloads: IntCounter,
    pub(in crate::telemetry::metrics) config_reload_errors: IntCounter,
    pub(in crate::telemetry::metrics) config_last_reload: IntGauge,
    pub(in crate::telemetry::metrics) active_requests: IntGaugeVec,
    pub(in crate::telemetry::metrics) http_requests: IntCounterVec,
    pub(in crate::telemetry::metrics) http_request_seconds: HistogramVec,
    pub(in crate::telemetry::metrics) problems: IntCounterVec,
}

impl LegacyFamilies {
    pub(super) fn register(r: &Registrar, prefix: LegacyPrefix) -> Result<Self, MetricsError> {
        let name = |rest: &str| format!("{}_{rest}", prefix.as_str());
        let answer = &["method", "endpoint", "status"];
        let request = &["method", "endpoint"];
        let model = &["provider", "model"];
        Ok(Self {
            investigations: r.counters(&name("investigations_total"), "Old name: answers under /api/v1", answer)?,
            investigation_seconds: r.histograms(
                &name("investigations_duration_seconds"),
                "Old name: time to answer a request under /api/v1",
                request,
                ANALYSIS_SECONDS,
            )?,
            llm_calls: r.counters(
                &name("llm_calls_total"),
                "Old name: calls to the model",
                &["provider", "model", "status"],
            )?,
            llm_call_seconds: r.histograms(
                &name("llm_call_duration_seconds"),
                "Old name: wall time of a call to the model",
                model,
                LLM_SECONDS,
            )?,
            llm_token_usage: r.counters(
                &name("llm_token_usage_total"),
                "Old name: tokens of successful calls",
                &["provider", "model", "type"],
            )?,
            auth_failures: r.counters(
                &name("auth_failures_total"),
                "Old name: callers refused",
                &["reason", "endpoint"],
            )?,
            auth_success: r.counters(
                &name("auth_success_total"),
                "Old name: requests of callers let in",
                &["username", "role"],
            )?,
            config_reloads: r
                .counter(&name("config_reload_total"), "Old name: files of the configuration taken over")?,
            config_reload_errors: r
                .counter(&name("config_reload_errors_total"), "Old name: files of the configuration rejected")?,
            config_last_reload: r.gauge(
                &name("config_last_reload_timestamp"),
                "Old name: when a configuration was last taken over, Unix time",
            )?,
            active_requests: r.gauges(&name("active_requests"), "Old name: requests being answered now", request)?,
            http_requests: r.counters(&name("http_requests_total"), "Old name: requests answered", answer)?,
            http_request_seconds: r.histograms(
                &name("http_request_duration_seconds"),
                "Old name: time to answer a request",
                request,
                HTTP_SECONDS,
            )?,
            problems: r.counters(
                &name("rfc7807_errors_total"),
                "Old name: problem documents",
                &["status_code", "error_type"],
            )?,
        })
    }
}
