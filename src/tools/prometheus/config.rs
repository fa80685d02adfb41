//! Configuration of `prometheus/metrics` (operations §1.3.4, investigation §4.4).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::tools::endpoint::ExtraHeaders;

/// `toolsets."prometheus/metrics".config`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrometheusConfig {
    /// Base URL, with a path prefix where the server has one. Required.
    pub prometheus_url: Option<String>,
    /// PEM bundle added to the system's roots.
    pub prometheus_ssl_ca_file: Option<PathBuf>,
    /// Whether the server's certificate is verified. Default true.
    pub prometheus_ssl_enabled: bool,
    /// File holding a bearer token; read again when the server refuses it.
    pub bearer_token_file: Option<PathBuf>,
    /// Sent with every request (`X-Scope-OrgID`, `Authorization`).
    pub headers: ExtraHeaders,
    /// Equality matchers put into every selector of every request.
    pub additional_labels: BTreeMap<String, String>,
    /// A query without a `timeout` argument, seconds. Default 20.
    pub default_query_timeout_seconds: u64,
    /// Most a `timeout` argument may ask for, seconds. Default 180, 1 to 180.
    pub max_query_timeout_seconds: u64,
    /// Requests for names, labels, series, metadata and rules, seconds. Default 20, 1 to 60.
    pub default_metadata_timeout_seconds: u64,
    /// Names and labels seen in this window are listed when the model names no start, hours. Default 1, 1 to 720.
    pub default_metadata_time_window_hrs: u64,
    /// Most names, values or series of one answer. Default 100, 1 to 10000.
    pub metadata_limit: usize,
    /// Larger query results are replaced by a summary, characters. Default 30000, 1000 to 1000000.
    pub query_response_size_limit: usize,
    /// Most points per series of a range query. Default 100, 2 to 1000.
    pub max_points_per_series: u64,
    /// How long the list of rules is kept, seconds. Default 1800, at most 86400.
    pub rules_cache_duration_seconds: u64,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self {
            prometheus_url: None,
            prometheus_ssl_ca_file: None,
            prometheus_ssl_enabled: true,
            bearer_token_file: None,
            headers: ExtraHeaders::default(),
            additional_labels: BTreeMap::new(),
            default_query_timeout_seconds: 20,
            max_query_timeout_seconds: 180,
            default_metadata_timeout_seconds: 20,
            default_metadata_time_window_hrs: 1,
            metadata_limit: 100,
            query_response_size_limit: 30_000,
            max_points_per_series: 100,
            rules_cache_duration_seconds: 1_800,
        }
    }
}

impl PrometheusConfig {
    /// # Errors
    /// A missing address, a value outside its range, or two that contradict each other; the sentence names the key.
    pub fn check(&self) -> Result<(), String> {
        const PLACE: &str = "toolsets.\"prometheus/metrics\".config";
        if self.prometheus_url.as_deref().is_none_or(|url| url.trim().is_empty()) {
            return Err(format!("{PLACE}.prometheus_url is required"));
        }
        if self.bearer_token_file.is_some() && self.headers.has_authorization() {
            return Err(format!("{PLACE} has both bearer_token_file and an Authorization header"));
        }
        for (key, value, most) in [
            ("max_query_timeout_seconds", self.max_query_timeout_seconds, 180),
            ("default_query_timeout_seconds", self.default_query_timeout_seconds, self.max_query_timeout_seconds),
            ("default_metadata_timeout_seconds", self.default_metadata_timeout_seconds, 60),
            ("default_metadata_time_window_hrs", self.default_metadata_time_window_hrs, 720),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!("{PLACE}.{key} is {value}, it must be 1 to {most}"));
            }
        }
        for (key, value, least, most) in [
            ("metadata_limit", self.metadata_limit as u64, 1, 10_000),
            ("query_response_size_limit", self.query_response_size_limit as u64, 1_000, 1_000_000),
            ("max_points_per_series", self.max_points_per_series, 2, 1_000),
            ("rules_cache_duration_seconds", self.rules_cache_duration_seconds, 0, 86_400),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("{PLACE}.{key} is {value}, it must be {least} to {most}"));
            }
        }
        match self.additional_labels.keys().find(|name| !is_label_name(name)) {
            Some(name) => Err(format!("{PLACE}.additional_labels: `{name}` is not a label name")),
            None => Ok(()),
        }
    }
}

/// Whether the text is a label name in the classic alphabet and not the metric's name.
pub(super) fn is_label_name(text: &str) -> bool {
    let starts_well = text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_');
    starts_well && text != "__name__" && text.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
