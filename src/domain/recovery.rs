//! A remediation that was executed and failed, and what is known of it (investigation §1.3.1, http-api §2.10).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// That an incident is the next attempt after a remediation that failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recovery {
    /// Whether the caller says that something was tried before.
    pub is_attempt: bool,
    /// From 1, where the caller counts.
    pub attempt_number: Option<u32>,
    /// Absent: nothing is known of the failed attempt, and the incident is investigated like any other.
    pub previous_execution: Option<PreviousExecution>,
}

/// The failed attempt. Members that later generations renamed are read by either name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreviousExecution {
    /// Name of the execution object in the cluster.
    pub workflow_execution_ref: String,
    pub original_rca: OriginalRootCause,
    pub selected_workflow: TriedWorkflow,
    pub failure: ExecutionFailure,
    /// The executor's own words.
    #[serde(default)]
    pub natural_language_summary: Option<String>,
}

/// What the investigation before concluded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OriginalRootCause {
    pub summary: String,
    #[serde(alias = "signal_type")]
    pub signal_name: String,
    /// Free text.
    pub severity: String,
    #[serde(default)]
    pub contributing_factors: Vec<String>,
}

/// What was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriedWorkflow {
    /// Id in the catalogue; earlier generations send the name.
    pub workflow_id: String,
    pub version: String,
    #[serde(alias = "container_image")]
    pub execution_bundle: String,
    /// As the executor got them: texts, those set by the service included.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    pub rationale: String,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionFailure {
    /// From 0.
    pub failed_step_index: u32,
    pub failed_step_name: String,
    /// Kubernetes reason code such as `OOMKilled`, `DeadlineExceeded`, `Forbidden`.
    pub reason: String,
    pub message: String,
    #[serde(default)]
    pub exit_code: Option<i64>,
    /// ISO 8601 by convention, kept as sent.
    pub failed_at: String,
    /// Such as `2m34s`, kept as sent.
    pub execution_time: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn either_spelling_of_a_renamed_member_is_read() {
        let body = |signal: &str, bundle: &str| {
            json!({
                "workflow_execution_ref": "we-1",
                "original_rca": {"summary": "s", signal: "OOMKilled", "severity": "high"},
                "selected_workflow": {"workflow_id": "w", "version": "1", bundle: "q/x:1", "rationale": "r"},
                "failure": {"failed_step_index": 2, "failed_step_name": "apply", "reason": "Forbidden", "message": "m",
                            "failed_at": "2026-01-30T10:12:44Z", "execution_time": "48s"},
            })
        };
        let january: PreviousExecution = serde_json::from_value(body("signal_type", "container_image")).unwrap();
        let later: PreviousExecution = serde_json::from_value(body("signal_name", "execution_bundle")).unwrap();
        assert_eq!(january, later);
        assert_eq!((january.original_rca.signal_name.as_str(), january.failure.exit_code), ("OOMKilled", None));
        let mut negative = body("signal_name", "execution_bundle");
        negative["failure"]["failed_step_index"] = json!(-1);
        assert!(serde_json::from_value::<PreviousExecution>(negative).is_err());
    }
}
