//! What was tried on a resource before, as DataStorage tells it (investigation §7.5, datastorage §6). Pure.
//!
//! Reading is tolerant: a member that is missing, null or of another type is as if it were not known; unknown members and
//! words do no harm; an entry without an id is left out.

mod render;
mod repetition;

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use render::render;
pub use repetition::{Repetition, avoided_action_types, repetitions};

/// How often the same action may complete for the same signal before it is called a repetition, unless configured
/// otherwise (`prompt.repeated_remediation_escalation_threshold`).
pub const REPETITIONS_MAX: usize = 2;

/// The answer of DataStorage, or several merged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct History {
    /// `namespace/Kind/name`.
    #[serde(deserialize_with = "lenient")]
    pub target_resource: String,
    #[serde(deserialize_with = "lenient")]
    pub current_spec_hash: String,
    /// The present configuration is one that was remediated before.
    #[serde(deserialize_with = "lenient")]
    pub regression_detected: bool,
    /// Recent remediations in detail.
    #[serde(deserialize_with = "lenient")]
    pub tier1: Tier,
    /// Older ones in brief.
    #[serde(deserialize_with = "lenient")]
    pub tier2: Tier,
}

/// Remediations of one span of time, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tier {
    /// A Go duration: `24h0m0s`.
    #[serde(deserialize_with = "lenient")]
    pub window: String,
    #[serde(deserialize_with = "entries")]
    pub chain: Vec<Entry>,
}

/// One remediation. Which members tier 2 lacks: fingerprint, spec hashes, health, metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    #[serde(rename = "remediationUID", deserialize_with = "lenient")]
    pub remediation_uid: String,
    #[serde(deserialize_with = "lenient")]
    pub completed_at: Option<Timestamp>,
    #[serde(deserialize_with = "lenient")]
    pub signal_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub action_type: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub outcome: Option<String>,
    /// 0–1; unknown until assessed.
    #[serde(deserialize_with = "lenient")]
    pub effectiveness_score: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub signal_resolved: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub hash_match: HashMatch,
    #[serde(deserialize_with = "lenient")]
    pub pre_remediation_spec_hash: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub post_remediation_spec_hash: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub health_checks: HealthChecks,
    #[serde(deserialize_with = "lenient")]
    pub metric_deltas: MetricDeltas,
    #[serde(deserialize_with = "lenient")]
    pub assessment_reason: Option<AssessmentReason>,
}

impl Entry {
    /// The specification was changed by someone else while the effect was assessed: scores and checks say nothing.
    pub fn is_spec_drift(&self) -> bool {
        self.assessment_reason == Some(AssessmentReason::SpecDrift)
    }

    /// The score, unless spec drift made it meaningless.
    pub fn score(&self) -> Option<f64> {
        self.effectiveness_score.filter(|score| score.is_finite() && !self.is_spec_drift())
    }
}

/// How the present configuration relates to a remediation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HashMatch {
    /// It is the one before: a regression.
    PreRemediation,
    /// It is the one the remediation left.
    PostRemediation,
    #[default]
    #[serde(other)]
    None,
}

/// State of the pods after a remediation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthChecks {
    #[serde(deserialize_with = "lenient")]
    pub pod_running: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub readiness_pass: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub restart_delta: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    pub crash_loops: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub oom_killed: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub pending_count: Option<u64>,
}

/// Metrics before and after a remediation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MetricDeltas {
    #[serde(deserialize_with = "lenient")]
    pub cpu_before: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub cpu_after: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub memory_before: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub memory_after: Option<f64>,
    #[serde(rename = "latencyP95BeforeMs", deserialize_with = "lenient")]
    pub latency_p95_before_ms: Option<f64>,
    #[serde(rename = "latencyP95AfterMs", deserialize_with = "lenient")]
    pub latency_p95_after_ms: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub error_rate_before: Option<f64>,
    #[serde(deserialize_with = "lenient")]
    pub error_rate_after: Option<f64>,
}

/// How the assessment of a remediation ended, in either spelling of the platform (`spec_drift`, `SpecDrift`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum AssessmentReason {
    Full,
    Partial,
    SpecDrift,
    Expired,
    NoExecution,
    MetricsTimedOut,
    AlertDecayTimeout,
    Unrecoverable,
    Other(String),
}

impl From<String> for AssessmentReason {
    fn from(text: String) -> Self {
        match text.replace('_', "").to_ascii_lowercase().as_str() {
            "full" => Self::Full,
            "partial" => Self::Partial,
            "specdrift" => Self::SpecDrift,
            "expired" => Self::Expired,
            "noexecution" => Self::NoExecution,
            "metricstimedout" => Self::MetricsTimedOut,
            "alertdecaytimeout" => Self::AlertDecayTimeout,
            "unrecoverable" => Self::Unrecoverable,
            _ => Self::Other(text),
        }
    }
}

impl From<AssessmentReason> for String {
    fn from(reason: AssessmentReason) -> Self {
        match reason {
            AssessmentReason::Full => "full",
            AssessmentReason::Partial => "partial",
            AssessmentReason::SpecDrift => "spec_drift",
            AssessmentReason::Expired => "expired",
            AssessmentReason::NoExecution => "no_execution",
            AssessmentReason::MetricsTimedOut => "metrics_timed_out",
            AssessmentReason::AlertDecayTimeout => "alert_decay_timeout",
            AssessmentReason::Unrecoverable => "unrecoverable",
            AssessmentReason::Other(text) => return text,
        }
        .to_owned()
    }
}

impl History {
    pub fn is_empty(&self) -> bool {
        self.tier1.chain.is_empty() && self.tier2.chain.is_empty()
    }

    /// Entries of both tiers, the older tier first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.tier2.chain.iter().chain(&self.tier1.chain)
    }
}

/// Answers to one question under several hashes, as one: each remediation once, from the tier that tells more, preferring
/// the answer that says how it relates to the present configuration; each tier in the order of time.
pub fn merge(histories: impl IntoIterator<Item = History>) -> History {
    let mut merged = History::default();
    let mut recent = Vec::new();
    let mut older = Vec::new();
    for history in histories {
        merged.regression_detected |= history.regression_detected;
        let texts = [
            (&mut merged.target_resource, history.target_resource),
            (&mut merged.current_spec_hash, history.current_spec_hash),
            (&mut merged.tier1.window, history.tier1.window),
            (&mut merged.tier2.window, history.tier2.window),
        ];
        texts.into_iter().filter(|(have, _)| have.is_empty()).for_each(|(have, new)| *have = new);
        recent.extend(history.tier1.chain);
        older.extend(history.tier2.chain);
    }
    merged.tier1.chain = distinct(recent);
    let known: HashSet<&str> = merged.tier1.chain.iter().map(|entry| entry.remediation_uid.as_str()).collect();
    older.retain(|entry| !known.contains(entry.remediation_uid.as_str()));
    merged.tier2.chain = distinct(older);
    merged
}

fn distinct(entries: Vec<Entry>) -> Vec<Entry> {
    let mut by_id: HashMap<String, Entry> = HashMap::new();
    let mut order = Vec::new();
    for entry in entries {
        match by_id.get_mut(&entry.remediation_uid) {
            Some(known) if known.hash_match == HashMatch::None => *known = entry,
            Some(_) => {}
            None => {
                order.push(entry.remediation_uid.clone());
                by_id.insert(entry.remediation_uid.clone(), entry);
            }
        }
    }
    let mut distinct: Vec<Entry> = order.iter().filter_map(|id| by_id.remove(id)).collect();
    // Stable: entries without a time come first, in the order they were told.
    distinct.sort_by_key(|entry| entry.completed_at);
    distinct
}

/// The value, or nothing when it does not fit.
fn lenient<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    let elements: Vec<Value> = lenient(deserializer)?;
    let entries = elements.into_iter().filter_map(|element| serde_json::from_value::<Entry>(element).ok());
    Ok(entries.filter(|entry| !entry.remediation_uid.is_empty()).collect())
}

#[cfg(test)]
mod tests;
