//! The incident under investigation: `IncidentRequest` (http-api §2.1) after the door.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::recovery::Recovery;
use super::resource::ResourceRef;

/// An accepted incident. Required texts are present; blank optional ones are `None`; the resource's empty namespace
/// means cluster-scoped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The caller's id, echoed in the result.
    pub incident_id: String,
    /// Correlation id for audit and history. Never used for analysis and never shown to a model.
    pub remediation_id: String,
    pub signal_name: String,
    pub severity: Severity,
    pub signal_source: String,
    /// The object the signal names. Kind and name may be empty when the caller knew neither.
    pub resource: ResourceRef,
    pub error_message: String,
    pub description: Option<String>,
    pub environment: String,
    /// `P0`–`P3` by convention, not checked.
    pub priority: String,
    pub risk_tolerance: String,
    pub business_category: String,
    pub cluster_name: String,
    pub signal_mode: SignalMode,
    pub is_duplicate: bool,
    pub occurrence_count: i64,
    pub deduplication_window_minutes: Option<i64>,
    /// Times are ISO 8601 by convention and kept as sent.
    pub firing_time: Option<String>,
    pub received_time: Option<String>,
    pub first_seen: Option<String>,
    pub last_seen: Option<String>,
    pub signal_labels: BTreeMap<String, String>,
    pub signal_annotations: BTreeMap<String, String>,
    /// `enrichment_results.customLabels`: subdomain → values. A catalogue filter, never shown to a model.
    pub custom_labels: BTreeMap<String, Vec<String>>,
    /// Which client generation the body looks like (http-api §0.4); decides the vocabulary of the answer.
    pub shape: RequestShape,
    /// The client would have liked to take part; told in the result that it could not.
    #[serde(default)]
    pub interactive: bool,
    /// Set when a remediation was executed and failed: this is the next attempt (investigation §1.3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Box<Recovery>>,
}

/// Canonical severities (http-api §2.9). Late successor clients spell `medium`/`low` as `warning`/`info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Critical,
    High,
    Medium,
    Low,
    Unknown,
}

impl Severity {
    /// Reads either vocabulary, ignoring case and surrounding space; `None` when it is neither.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" => Self::High,
            "medium" | "warning" => Self::Medium,
            "low" | "info" => Self::Low,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }

    /// The April spelling, which is also the canonical one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Unknown => "unknown",
        }
    }

    /// The spelling of late successor clients.
    pub fn as_late_str(self) -> &'static str {
        match self {
            Self::Medium => "warning",
            Self::Low => "info",
            other => other.as_str(),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reactive: something broke. Proactive: a prediction, nothing has broken yet (http-api §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalMode {
    #[default]
    Reactive,
    Proactive,
}

/// Client generation as far as the body tells (http-api §0.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestShape {
    /// `signal_type` without `signal_name`.
    January,
    /// The released clients; the compatibility baseline.
    #[default]
    April,
    /// Carries `interactive`.
    Successor,
    /// Carries `resource_api_version`, or severity `warning`/`info`.
    LateSuccessor,
}
