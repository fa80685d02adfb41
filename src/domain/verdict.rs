//! What an investigation concluded: one complete value, whatever happened on the way.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::evidence::Evidence;
use super::finding::CauseClass;
use super::incident::Severity;
use super::resource::ResourceRef;
use super::usage::PhaseUsage;

/// The finished investigation. `api` renders it for the wire (http-api §2.5), `cli` for the terminal; `sessions` stores
/// it as it is. Invariants (http-api §5.1): `review` is set if and only if a person is needed and then `warnings` is
/// not empty; `actionable == Some(false)` and resolved results carry no workflow and no review.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Investigation {
    pub incident_id: String,
    /// Narrative for people; never empty.
    pub analysis: String,
    pub root_cause: RootCause,
    pub selected_workflow: Option<SelectedWorkflow>,
    /// 0–1, rounded to two decimals.
    pub confidence: f64,
    pub completed_at: Timestamp,
    pub review: Option<ReviewReason>,
    /// Only `Some(false)` is ever written to the wire.
    pub actionable: Option<bool>,
    pub warnings: Vec<String>,
    pub alternatives: Vec<AlternativeWorkflow>,
    pub validation_attempts: Vec<ValidationAttempt>,
    /// Labels detected on the target, under their wire names (http-api §2.3); `None` when nobody looked.
    #[serde(default)]
    pub detected_labels: Option<Map<String, Value>>,
    /// Who answered.
    pub engine: Engine,
    /// What a model's answer rests on; `None` for the analyser, whose confidence is computed from facts itself.
    #[serde(default)]
    pub confidence_basis: Option<ConfidenceBasis>,
    /// Why every other workflow of the action type was left out: the report's "why not".
    #[serde(default)]
    pub excluded: Vec<ExcludedWorkflow>,
    /// What could not be looked at and would be worth a look, in plain words.
    #[serde(default)]
    pub not_checked: Vec<String>,
}

/// Root cause as the wire's `root_cause_analysis` needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RootCause {
    pub summary: String,
    pub severity: Severity,
    /// The signal after investigation; may differ from the incident's.
    pub signal_name: Option<String>,
    pub cause_class: Option<CauseClass>,
    pub contributing_factors: Vec<String>,
    /// The object to change: the verified root owner.
    pub target: Option<ResourceRef>,
    /// From cause to symptom.
    pub causal_chain: Vec<String>,
    /// The model's review of its own answer, by dimension (http-api §2.5 `due_diligence`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub due_diligence: BTreeMap<String, String>,
    pub evidence: Vec<Evidence>,
}

/// How far a model's answer is supported, and by what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceBasis {
    pub band: ConfidenceBand,
    /// The model's own number, as given.
    pub model_confidence: Option<f64>,
    /// What the band was computed from, in plain words.
    pub facts: Vec<String>,
}

/// Support of an answer by facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfidenceBand {
    Low,
    Medium,
    High,
}

impl ConfidenceBand {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// A workflow that passed validation, with the catalogue's own execution data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SelectedWorkflow {
    pub workflow_id: String,
    pub workflow_name: String,
    pub action_type: String,
    pub version: String,
    pub execution_bundle: Option<String>,
    pub execution_bundle_digest: Option<String>,
    /// `tekton`, `job` or `ansible`.
    pub execution_engine: String,
    pub service_account_name: Option<String>,
    pub engine_config: Option<Value>,
    pub confidence: f64,
    pub rationale: String,
    pub parameters: Map<String, Value>,
}

/// Another candidate, for operators only; never executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlternativeWorkflow {
    pub workflow_id: String,
    pub workflow_name: String,
    pub execution_bundle: Option<String>,
    pub confidence: f64,
    pub rationale: String,
}

/// A workflow that did not qualify, with the reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExcludedWorkflow {
    pub workflow_name: String,
    pub reasons: Vec<String>,
}

/// One validation of a submitted workflow (investigation §6.5), oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationAttempt {
    pub attempt: u32,
    pub workflow_id: Option<String>,
    pub is_valid: bool,
    pub errors: Vec<String>,
    pub timestamp: Timestamp,
}

/// Why a person must look (http-api §2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewReason {
    WorkflowNotFound,
    ImageMismatch,
    ParameterValidationFailed,
    NoMatchingWorkflows,
    LowConfidence,
    #[serde(rename = "llm_parsing_error")]
    LlmParsingError,
    InvestigationInconclusive,
    RcaIncomplete,
}

impl ReviewReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WorkflowNotFound => "workflow_not_found",
            Self::ImageMismatch => "image_mismatch",
            Self::ParameterValidationFailed => "parameter_validation_failed",
            Self::NoMatchingWorkflows => "no_matching_workflows",
            Self::LowConfidence => "low_confidence",
            Self::LlmParsingError => "llm_parsing_error",
            Self::InvestigationInconclusive => "investigation_inconclusive",
            Self::RcaIncomplete => "rca_incomplete",
        }
    }
}

/// Who produced the conclusion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Engine {
    /// The deterministic analyser; `because` is set when it stood in for a model.
    Analyser { because: Option<String> },
    /// A language model. Token counts are totals over all turns.
    Model {
        model: String,
        turns: u32,
        tool_calls: u32,
        prompt_tokens: u64,
        completion_tokens: u64,
        /// The same by phase and class, in the order of the phases. Records of earlier releases have none.
        #[serde(default)]
        phases: Vec<PhaseUsage>,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_without_phases_are_still_read() {
        let stored = json!({"type": "model", "model": "m", "turns": 3, "tool_calls": 5, "prompt_tokens": 41, "completion_tokens": 8});
        let engine: Engine = serde_json::from_value(stored).unwrap();
        assert!(matches!(&engine, Engine::Model { turns: 3, phases, .. } if phases.is_empty()), "{engine:?}");
        let stored = json!({"type": "model", "model": "m", "turns": 1, "tool_calls": 0, "prompt_tokens": 41, "completion_tokens": 8,
            "phases": [{"phase": "rca", "turns": 1, "usage": {"prompt_tokens": 41, "a_class_of_later_days": 1}}]});
        let engine: Engine = serde_json::from_value(stored).unwrap();
        assert!(matches!(engine, Engine::Model { phases, .. } if phases[0].usage.prompt_tokens == 41));
    }
}
