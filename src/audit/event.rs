//! The event catalogue (audit §1.2–1.3, §1.6) as types: what may be recorded, before it becomes JSON.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::profile::EventType;
use crate::domain::{Incident, Investigation, ResourceRef, RootCause, Severity};

/// One event to record. Identity and time are given by [`super::AuditTrail::record`].
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEvent {
    pub subject: AuditSubject,
    pub payload: Payload,
    /// How long the thing took, where that is known.
    pub duration: Option<Duration>,
}

impl AuditEvent {
    pub fn new(incident: &Incident, payload: Payload) -> Self {
        Self::about(AuditSubject::of(incident), payload)
    }

    pub fn about(subject: AuditSubject, payload: Payload) -> Self {
        Self { subject, payload, duration: None }
    }

    #[must_use]
    pub fn took(mut self, duration: Duration) -> Self {
        self.duration = Some(duration);
        self
    }
}

/// What every event says about the incident it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSubject {
    /// The remediation id, or `unknown` (audit §1.1).
    pub correlation_id: String,
    pub incident_id: String,
    pub resource: ResourceRef,
}

impl AuditSubject {
    /// Correlation of events whose incident names none.
    pub(super) const UNKNOWN: &str = "unknown";

    pub fn of(incident: &Incident) -> Self {
        let remediation_id = incident.remediation_id.trim();
        Self {
            correlation_id: if remediation_id.is_empty() { Self::UNKNOWN } else { remediation_id }.to_owned(),
            incident_id: incident.incident_id.clone(),
            resource: incident.resource.clone(),
        }
    }

    /// Of something that belongs to no incident: a refused caller.
    pub fn security() -> Self {
        Self {
            correlation_id: format!("security-{}", Uuid::new_v4()),
            incident_id: String::new(),
            resource: ResourceRef::cluster_scoped("", ""),
        }
    }
}

/// What is recorded. The first eight are the April catalogue, the others exist only under the schema profile `h` and are
/// not recorded under `a`. Optional members are left out of the JSON when unknown.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// Before each model conversation.
    LlmRequest {
        model: String,
        prompt: Excerpt,
        toolsets: Vec<String>,
        mcp_servers: Vec<String>,
        tokens_max: Option<u64>,
    },
    /// After each model conversation. Nothing at all, neither analysis nor calls, makes the outcome `failure`.
    LlmResponse {
        analysis: String,
        tokens_used: Option<u64>,
        tool_call_count: u64,
    },
    /// At the time of each tool call; `index` counts from 0 within the investigation.
    ToolCall {
        index: u64,
        tool: String,
        arguments: Map<String, Value>,
        result: Value,
        failed: bool,
    },
    /// After each validation of a submitted workflow; `attempt` counts from 1.
    ValidationAttempt {
        attempt: u32,
        attempts_max: u32,
        is_valid: bool,
        errors: Vec<String>,
        workflow_id: Option<String>,
        workflow_name: Option<String>,
        /// Only on the last attempt, and only when it failed.
        review_reason: Option<String>,
        is_final: bool,
    },
    EnrichmentCompleted {
        root_owner: ResourceRef,
        /// 1 = the object has no owner.
        owner_chain_length: u32,
        /// `None` when no detector ran.
        detected_labels: Option<Map<String, Value>>,
        failed_detections: Option<Vec<String>>,
        remediation_history_fetched: bool,
    },
    /// Known reason: `rca_incomplete`.
    EnrichmentFailed {
        reason: String,
        detail: String,
        affected: ResourceRef,
    },
    /// Terminal: a result, human review included.
    ResponseComplete {
        investigation: Arc<Investigation>,
    },
    /// Terminal: no result. `phase` is one of audit §1.3; the event's duration becomes `duration_seconds`.
    ResponseFailed {
        error_message: String,
        phase: &'static str,
    },
    /// The cause is known, before a workflow is chosen.
    RcaComplete(Box<RcaFinding>),
    /// A session was accepted.
    SessionStarted {
        session_id: String,
        signal_name: String,
        severity: Severity,
        /// Identity that submitted it.
        created_by: String,
    },
    SessionEnded {
        session_id: String,
        end: SessionEnd,
    },
    /// What an investigation had cost when it was cancelled.
    InvestigationCancelled {
        /// `rca` or `workflow_discovery`.
        phase: &'static str,
        /// Model turns so far.
        turn: u32,
        prompt_tokens: u64,
        completion_tokens: u64,
    },
    /// A caller was not let in.
    AccessRefused(AccessRefusal),
}

/// What is known when the root cause is found.
#[derive(Debug, Clone, PartialEq)]
pub struct RcaFinding {
    pub root_cause: RootCause,
    /// Narrative for people.
    pub analysis: String,
    /// 0–1.
    pub confidence: f64,
    pub found_at: Timestamp,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    Completed,
    Cancelled,
    /// One line for people.
    Failed(String),
}

/// A refused request, as far as a stranger may be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRefusal {
    /// Known, but not allowed; else not even known.
    pub is_known: bool,
    pub source_ip: String,
    pub method: String,
    pub path: String,
    /// A word of audit §1.6, followed by how many refusals were not recorded.
    pub reason: String,
}

impl Payload {
    pub(super) fn kind(&self) -> EventType {
        match self {
            Self::LlmRequest { .. } => EventType::LlmRequest,
            Self::LlmResponse { .. } => EventType::LlmResponse,
            Self::ToolCall { .. } => EventType::ToolCall,
            Self::ValidationAttempt { .. } => EventType::ValidationAttempt,
            Self::EnrichmentCompleted { .. } => EventType::EnrichmentCompleted,
            Self::EnrichmentFailed { .. } => EventType::EnrichmentFailed,
            Self::ResponseComplete { .. } => EventType::ResponseComplete,
            Self::ResponseFailed { .. } => EventType::ResponseFailed,
            Self::RcaComplete(_) => EventType::RcaComplete,
            Self::SessionStarted { .. } => EventType::SessionStarted,
            Self::SessionEnded { end: SessionEnd::Completed, .. } => EventType::SessionCompleted,
            Self::SessionEnded { end: SessionEnd::Cancelled, .. } => EventType::SessionCancelled,
            Self::SessionEnded { end: SessionEnd::Failed(_), .. } => EventType::SessionFailed,
            Self::InvestigationCancelled { .. } => EventType::InvestigationCancelled,
            Self::AccessRefused(AccessRefusal { is_known: false, .. }) => EventType::AuthFailure,
            Self::AccessRefused(AccessRefusal { is_known: true, .. }) => EventType::AuthDenied,
        }
    }

    /// Whether its investigation ends with it.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::ResponseComplete { .. } | Self::ResponseFailed { .. })
    }

    /// Discriminator of envelope and payload.
    pub fn event_type(&self) -> &'static str {
        self.kind().name()
    }

    /// `success`, `failure` or `pending` (audit §1.3).
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::LlmRequest { .. } | Self::EnrichmentCompleted { .. } | Self::ResponseComplete { .. } => "success",
            // Asking for tools is no failure.
            Self::LlmResponse { analysis, tool_call_count: 0, .. } if analysis.is_empty() => "failure",
            Self::LlmResponse { .. } => "success",
            Self::ToolCall { failed: true, .. } => "failure",
            Self::ToolCall { .. } => "success",
            Self::ValidationAttempt { is_valid: true, .. } => "success",
            Self::ValidationAttempt { is_final: true, .. } => "failure",
            Self::ValidationAttempt { .. } => "pending",
            Self::EnrichmentFailed { .. } | Self::ResponseFailed { .. } => "failure",
            Self::RcaComplete(_) | Self::SessionStarted { .. } => "success",
            Self::SessionEnded { end: SessionEnd::Failed(_), .. } => "failure",
            // A cancellation that was asked for succeeded.
            Self::SessionEnded { .. } | Self::InvestigationCancelled { .. } => "success",
            Self::AccessRefused(_) => "failure",
        }
    }
}

/// Length and beginning of a text too long to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Characters of the whole text.
    pub chars: usize,
    /// The first [`Excerpt::CHARS_MAX`] characters, `...` appended when cut.
    pub preview: String,
}

impl Excerpt {
    pub const CHARS_MAX: usize = 500;

    pub fn of(text: &str) -> Self {
        let chars = text.chars().count();
        let mut preview: String = text.chars().take(Self::CHARS_MAX).collect();
        if chars > Self::CHARS_MAX {
            preview.push_str("...");
        }
        Self { chars, preview }
    }
}
