//! Which generation of the published schema the receiver speaks (audit §1.6), and how each type of event is spelt in it.

use serde::Deserialize;

/// `audit.schema_profile`. The generations refuse each other's events, so this is chosen and never tried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The April generation: eight types.
    #[default]
    A,
    /// The successor: the same eight with more members, and the life of sessions beside them.
    H,
}

impl Profile {
    pub const ALL: [Self; 2] = [Self::A, Self::H];

    /// Names of the types that exist in it, in catalogue order.
    pub fn event_types(self) -> impl Iterator<Item = &'static str> {
        EventType::ALL.into_iter().filter(move |kind| kind.exists_in(self)).map(EventType::name)
    }

    /// Who the events come from.
    pub(super) fn actor_id(self) -> &'static str {
        match self {
            Self::A => "holmesgpt-api",
            Self::H => "kubernaut-agent",
        }
    }
}

/// Every type of event this service has the facts for (audit §1.3, §1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum EventType {
    LlmRequest,
    LlmResponse,
    ToolCall,
    ValidationAttempt,
    ResponseComplete,
    ResponseFailed,
    EnrichmentCompleted,
    EnrichmentFailed,
    RcaComplete,
    SessionStarted,
    SessionCompleted,
    SessionCancelled,
    SessionFailed,
    InvestigationCancelled,
    AuthFailure,
    AuthDenied,
}

impl EventType {
    pub(super) const ALL: [Self; 16] = [
        Self::LlmRequest,
        Self::LlmResponse,
        Self::ToolCall,
        Self::ValidationAttempt,
        Self::ResponseComplete,
        Self::ResponseFailed,
        Self::EnrichmentCompleted,
        Self::EnrichmentFailed,
        Self::RcaComplete,
        Self::SessionStarted,
        Self::SessionCompleted,
        Self::SessionCancelled,
        Self::SessionFailed,
        Self::InvestigationCancelled,
        Self::AuthFailure,
        Self::AuthDenied,
    ];

    /// Name, action under `a` (`None`: the type does not exist there), action under `h`.
    const fn row(self) -> (&'static str, Option<&'static str>, &'static str) {
        match self {
            Self::LlmRequest => ("aiagent.llm.request", Some("llm_request_sent"), "llm_request"),
            Self::LlmResponse => ("aiagent.llm.response", Some("llm_response_received"), "llm_response"),
            Self::ToolCall => ("aiagent.llm.tool_call", Some("tool_invoked"), "tool_execution"),
            Self::ValidationAttempt => {
                ("aiagent.workflow.validation_attempt", Some("validation_executed"), "validation")
            }
            Self::ResponseComplete => ("aiagent.response.complete", Some("response_sent"), "response_sent"),
            Self::ResponseFailed => ("aiagent.response.failed", Some("response_failed"), "response_failed"),
            Self::EnrichmentCompleted => ("aiagent.enrichment.completed", Some("enrichment_completed"), "enriched"),
            Self::EnrichmentFailed => ("aiagent.enrichment.failed", Some("enrichment_failed"), "enriched"),
            Self::RcaComplete => ("aiagent.rca.complete", None, "rca_complete"),
            Self::SessionStarted => ("aiagent.session.started", None, "session_started"),
            Self::SessionCompleted => ("aiagent.session.completed", None, "session_completed"),
            Self::SessionCancelled => ("aiagent.session.cancelled", None, "session_cancelled"),
            Self::SessionFailed => ("aiagent.session.failed", None, "session_failed"),
            Self::InvestigationCancelled => ("aiagent.investigation.cancelled", None, "investigation_cancelled"),
            Self::AuthFailure => ("aiagent.auth.failure", None, "auth_failure"),
            Self::AuthDenied => ("aiagent.auth.denied", None, "auth_denied"),
        }
    }

    /// Discriminator of envelope and payload.
    pub(super) const fn name(self) -> &'static str {
        self.row().0
    }

    /// Whether the receiver takes it; else it is not recorded.
    pub(super) const fn exists_in(self, profile: Profile) -> bool {
        match profile {
            Profile::A => self.row().1.is_some(),
            Profile::H => true,
        }
    }

    /// Free text of the envelope.
    pub(super) const fn action(self, profile: Profile) -> &'static str {
        match (profile, self.row()) {
            (Profile::A, (_, Some(action), _)) | (_, (_, _, action)) => action,
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
