//! The event catalogue (audit §1.2–1.3) as types: what may be recorded, before it becomes JSON.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::domain::{Incident, Investigation, ResourceRef};

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
        Self { subject: AuditSubject::of(incident), payload, duration: None }
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
    pub fn of(incident: &Incident) -> Self {
        let remediation_id = incident.remediation_id.trim();
        Self {
            correlation_id: if remediation_id.is_empty() { "unknown" } else { remediation_id }.to_owned(),
            incident_id: incident.incident_id.clone(),
            resource: incident.resource.clone(),
        }
    }
}

/// The eight events of the April catalogue. Optional members are left out of the JSON when unknown.
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
    /// After each model conversation. An empty analysis makes the outcome `failure`.
    LlmResponse { analysis: Excerpt, tokens_used: Option<u64>, tool_call_count: u64 },
    /// At the time of each tool call; `index` counts from 0 within the investigation.
    ToolCall { index: u64, tool: String, arguments: Map<String, Value>, result: Value, failed: bool },
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
    EnrichmentFailed { reason: String, detail: String, affected: ResourceRef },
    /// Terminal: a result, human review included.
    ResponseComplete { investigation: Arc<Investigation> },
    /// Terminal: no result. `phase` is one of audit §1.3; the event's duration becomes `duration_seconds`.
    ResponseFailed { error_message: String, phase: &'static str },
}

impl Payload {
    /// Every event type there is, in catalogue order.
    pub const EVENT_TYPES: [&'static str; 8] = [
        "aiagent.llm.request",
        "aiagent.llm.response",
        "aiagent.llm.tool_call",
        "aiagent.workflow.validation_attempt",
        "aiagent.response.complete",
        "aiagent.response.failed",
        "aiagent.enrichment.completed",
        "aiagent.enrichment.failed",
    ];

    /// Discriminator of envelope and payload.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::LlmRequest { .. } => "aiagent.llm.request",
            Self::LlmResponse { .. } => "aiagent.llm.response",
            Self::ToolCall { .. } => "aiagent.llm.tool_call",
            Self::ValidationAttempt { .. } => "aiagent.workflow.validation_attempt",
            Self::EnrichmentCompleted { .. } => "aiagent.enrichment.completed",
            Self::EnrichmentFailed { .. } => "aiagent.enrichment.failed",
            Self::ResponseComplete { .. } => "aiagent.response.complete",
            Self::ResponseFailed { .. } => "aiagent.response.failed",
        }
    }

    /// Whether its investigation ends with it.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Self::ResponseComplete { .. } | Self::ResponseFailed { .. })
    }

    /// Free text of the envelope, in the April spelling.
    pub fn action(&self) -> &'static str {
        match self {
            Self::LlmRequest { .. } => "llm_request_sent",
            Self::LlmResponse { .. } => "llm_response_received",
            Self::ToolCall { .. } => "tool_invoked",
            Self::ValidationAttempt { .. } => "validation_executed",
            Self::EnrichmentCompleted { .. } => "enrichment_completed",
            Self::EnrichmentFailed { .. } => "enrichment_failed",
            Self::ResponseComplete { .. } => "response_sent",
            Self::ResponseFailed { .. } => "response_failed",
        }
    }

    /// `success`, `failure` or `pending` (audit §1.3).
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::LlmRequest { .. } | Self::EnrichmentCompleted { .. } | Self::ResponseComplete { .. } => "success",
            Self::LlmResponse { analysis, .. } if analysis.chars == 0 => "failure",
            Self::LlmResponse { .. } => "success",
            Self::ToolCall { failed: true, .. } => "failure",
            Self::ToolCall { .. } => "success",
            Self::ValidationAttempt { is_valid: true, .. } => "success",
            Self::ValidationAttempt { is_final: true, .. } => "failure",
            Self::ValidationAttempt { .. } => "pending",
            Self::EnrichmentFailed { .. } | Self::ResponseFailed { .. } => "failure",
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
