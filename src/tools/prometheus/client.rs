//! The Prometheus HTTP API, version 1, as far as reading goes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Mutex;

use super::config::PrometheusConfig;
use super::promql;
use crate::tools::endpoint::{BuildError, Endpoint, EndpointError, EndpointSettings, Question};

/// As the server is called in answers.
pub(super) const SERVER: &str = "Prometheus";
/// Remarks of the server passed on, and the longest of them in characters.
const REMARKS_MAX: usize = 3;
const REMARK_CHARS_MAX: usize = 200;
/// How much longer than the server itself this side waits for a query.
const GRACE: Duration = Duration::from_secs(2);

/// A configured Prometheus. One connection pool, one list of rules.
pub struct PrometheusClient {
    endpoint: Endpoint,
    config: PrometheusConfig,
    rules: Mutex<Option<Kept>>,
}

impl fmt::Debug for PrometheusClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusClient").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The rules as they were fetched.
struct Kept {
    at: Instant,
    rules: Arc<Value>,
}

/// The `data` of an answer and what the server remarked.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) data: Value,
    pub(super) remarks: Vec<String>,
}

impl PrometheusClient {
    /// Reads the files the section names and builds the client.
    ///
    /// # Errors
    /// Whatever in the section cannot work, in words for the operator.
    pub fn build(config: &PrometheusConfig) -> Result<Self, BuildError> {
        let endpoint = Endpoint::build(&EndpointSettings {
            server: SERVER,
            url_key: "toolsets.\"prometheus/metrics\".config.prometheus_url",
            url: config.prometheus_url.as_deref(),
            headers: &config.headers,
            token_file: config.bearer_token_file.as_deref(),
            ca_file: config.prometheus_ssl_ca_file.as_deref(),
            verify_tls: config.prometheus_ssl_enabled,
        })?;
        Ok(Self { endpoint, config: config.clone(), rules: Mutex::new(None) })
    }

    pub(super) fn config(&self) -> &PrometheusConfig {
        &self.config
    }

    /// The expression, limited to the configured labels where there are any.
    ///
    /// # Errors
    /// An expression that is too long or cannot be limited.
    pub(super) fn limited(&self, expression: &str) -> Result<String, String> {
        if expression.len() > promql::EXPRESSION_BYTES_MAX {
            return Err(format!("the expression is longer than {} bytes", promql::EXPRESSION_BYTES_MAX));
        }
        if self.config.additional_labels.is_empty() {
            return Ok(expression.to_owned());
        }
        promql::with_labels(expression, &self.config.additional_labels)
    }

    /// A selector for the discovery requests: the given one or, where labels are configured, just those.
    ///
    /// # Errors
    /// As [`limited`](Self::limited).
    pub(super) fn selector(&self, given: Option<&str>) -> Result<Option<String>, String> {
        match given {
            Some(given) => self.limited(given).map(Some),
            None if self.config.additional_labels.is_empty() => Ok(None),
            None => self.limited("{}").map(Some),
        }
    }

    /// Discovery: names, labels, series, metadata.
    pub(super) async fn discover(&self, path: &[&str], query: &[(&str, String)]) -> Result<Answer, EndpointError> {
        let timeout = Duration::from_secs(self.config.default_metadata_timeout_seconds);
        self.ask(&Question { path, query, timeout, takes_form: false }).await
    }

    /// A query, which the server itself gives up after `timeout`.
    pub(super) async fn query(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        timeout: Duration,
    ) -> Result<Answer, EndpointError> {
        let mut query = query.to_vec();
        query.push(("timeout", format!("{}s", timeout.as_secs())));
        self.ask(&Question { path, query: &query, timeout: timeout + GRACE, takes_form: true }).await
    }

    /// The groups of rules and how long ago they were fetched. Callers at the same time share one request.
    ///
    /// # Errors
    /// Whatever kept the server from answering; nothing is kept then.
    pub async fn rules(&self, now: Instant) -> Result<(Arc<Value>, Duration), EndpointError> {
        let mut kept = self.rules.lock().await;
        let ttl = Duration::from_secs(self.config.rules_cache_duration_seconds);
        if let Some(kept) = &*kept {
            let age = now.saturating_duration_since(kept.at);
            if age < ttl {
                return Ok((Arc::clone(&kept.rules), age));
            }
        }
        let answer = self.discover(&["api", "v1", "rules"], &[]).await?;
        let rules = Arc::new(answer.data);
        *kept = Some(Kept { at: now, rules: Arc::clone(&rules) });
        Ok((rules, Duration::ZERO))
    }

    async fn ask(&self, question: &Question<'_>) -> Result<Answer, EndpointError> {
        let mut answer = self.endpoint.ask(question).await?;
        let malformed = EndpointError::Malformed { server: SERVER };
        if answer.get("status").and_then(Value::as_str) != Some("success") {
            return Err(malformed);
        }
        let remarks = remarks(&answer);
        let data = answer.get_mut("data").map(Value::take).ok_or(malformed)?;
        Ok(Answer { data, remarks })
    }
}

fn remarks(answer: &Value) -> Vec<String> {
    let of = |member| answer.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let remark = |text: &str| format!("{SERVER}: {}", text.chars().take(REMARK_CHARS_MAX).collect::<String>());
    of("warnings").chain(of("infos")).take(REMARKS_MAX).map(remark).collect()
}

/// Whether a label set has all the pairs.
pub(super) fn has_labels(set: Option<&Value>, pairs: &BTreeMap<String, String>) -> bool {
    pairs.iter().all(|(name, value)| {
        set.and_then(|set| set.get(name)).and_then(Value::as_str).is_some_and(|found| found == value)
    })
}
