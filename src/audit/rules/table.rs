//! The rules as tables: one row for each member, as the published schema has it.

use crate::audit::content;
use crate::audit::profile::{EventType, Profile};

/// One member of an object.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) need: Need,
    pub(super) shape: Shape,
}

#[derive(Clone, Copy)]
pub(super) enum Need {
    Required,
    /// May be left out, but not `null`.
    Optional,
    /// May be left out or `null`.
    Nullable,
}

/// What a value must be. Numbers include their bounds; a text's length is in characters.
pub(super) enum Shape {
    Text {
        chars_min: usize,
        chars_max: usize,
    },
    /// One of these; the last is the least that can be said.
    Word(&'static [&'static str]),
    Time,
    Uuid,
    Flag,
    Whole {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    /// Any JSON but `null`.
    Anything,
    /// Free-form.
    Object,
    /// Further members are refused.
    Closed(&'static [Member]),
    /// Further members are dropped.
    Open(&'static [Member]),
    List(&'static Shape),
}

impl Shape {
    pub(super) fn demand(&self) -> &'static str {
        match self {
            Self::Text { .. } => "not a text of the demanded length",
            Self::Word(_) => "not one of the known words",
            Self::Time => "not a time with zone",
            Self::Uuid => "not a UUID",
            Self::Flag => "not true or false",
            Self::Whole { .. } => "not a whole number within its bounds",
            Self::Number { .. } => "not a number within its bounds",
            Self::Anything => "null",
            Self::Object | Self::Closed(_) | Self::Open(_) => "not an object",
            Self::List(_) => "not a list",
        }
    }
}

const fn required(name: &'static str, shape: Shape) -> Member {
    Member { name, need: Need::Required, shape }
}

const fn optional(name: &'static str, shape: Shape) -> Member {
    Member { name, need: Need::Optional, shape }
}

const fn nullable(name: &'static str, shape: Shape) -> Member {
    Member { name, need: Need::Nullable, shape }
}

const fn text(chars_min: usize, chars_max: usize) -> Shape {
    Shape::Text { chars_min, chars_max }
}

const TEXT: Shape = text(0, usize::MAX);
const TEXTS: Shape = Shape::List(&TEXT);
/// As large as every reader keeps exactly.
const COUNT: Shape = whole(0, content::INTEGER_MAX.cast_signed());
const UNIT: Shape = Shape::Number { min: 0.0, max: 1.0 };
/// Column of 32 bits.
const DURATION_MS: Shape = whole(0, i32::MAX as i64);

const fn whole(min: i64, max: i64) -> Shape {
    Shape::Whole { min, max }
}

/// The request around a payload. What this service never sends is left out.
pub(super) const ENVELOPE: &[Member] = &[
    required("version", text(1, 10)),
    required("event_category", Shape::Word(&["aiagent"])),
    required("event_type", text(1, 100)),
    required("event_action", text(1, 50)),
    required("event_outcome", Shape::Word(&["success", "pending", "failure"])),
    required("event_timestamp", Shape::Time),
    required("correlation_id", text(1, 255)),
    required("event_data", Shape::Open(&[])),
    optional("actor_type", text(0, 50)),
    optional("actor_id", text(0, 255)),
    optional("resource_type", text(0, 100)),
    optional("resource_id", text(0, 255)),
    nullable("namespace", text(0, 253)),
    nullable("severity", text(0, 20)),
    nullable("duration_ms", DURATION_MS),
    nullable("parent_event_id", Shape::Uuid),
];

/// What every payload has.
pub(super) const COMMON: &[Member] = &[required("event_type", text(1, 100)), required("event_id", text(1, 255))];

const INCIDENT: Member = required("incident_id", TEXT);
const SESSION: Member = required("session_id", TEXT);

const LLM_REQUEST: &[Member] = &[
    INCIDENT,
    required("model", TEXT),
    required("prompt_length", COUNT),
    required("prompt_preview", TEXT),
    optional("toolsets_enabled", TEXTS),
    optional("mcp_servers", TEXTS),
    optional("max_tokens", COUNT),
];
const LLM_RESPONSE: &[Member] = &[
    INCIDENT,
    required("has_analysis", Shape::Flag),
    required("analysis_length", COUNT),
    required("analysis_preview", TEXT),
    optional("analysis_full", TEXT),
    optional("tokens_used", COUNT),
    optional("tool_call_count", COUNT),
];
const TOOL_CALL: &[Member] = &[
    INCIDENT,
    required("tool_call_index", COUNT),
    required("tool_name", TEXT),
    required("tool_result", Shape::Anything),
    optional("tool_arguments", Shape::Object),
    optional("tool_result_preview", TEXT),
];
const VALIDATION_ATTEMPT: &[Member] = &[
    INCIDENT,
    required("attempt", whole(1, u32::MAX as i64)),
    required("max_attempts", whole(1, u32::MAX as i64)),
    required("is_valid", Shape::Flag),
    optional("errors", TEXTS),
    optional("validation_errors", TEXT),
    optional("workflow_id", TEXT),
    optional("workflow_name", TEXT),
    optional("human_review_reason", TEXT),
    optional("is_final_attempt", Shape::Flag),
];
const RESPONSE_FAILED: &[Member] = &[
    INCIDENT,
    required("error_message", TEXT),
    required("phase", TEXT),
    optional("duration_seconds", Shape::Number { min: 0.0, max: f64::MAX }),
];
const ENRICHMENT_COMPLETED: &[Member] = &[
    INCIDENT,
    required("root_owner_kind", TEXT),
    required("root_owner_name", TEXT),
    required("owner_chain_length", COUNT),
    required("remediation_history_fetched", Shape::Flag),
    optional("root_owner_namespace", TEXT),
    nullable("detected_labels_summary", Shape::Object),
    nullable("failed_detections", TEXTS),
];
const ENRICHMENT_FAILED: &[Member] = &[
    INCIDENT,
    required("reason", TEXT),
    required("detail", TEXT),
    required("affected_resource_kind", TEXT),
    required("affected_resource_name", TEXT),
    optional("affected_resource_namespace", TEXT),
];
const SESSION_STARTED: &[Member] = &[
    SESSION,
    optional("incident_id", TEXT),
    optional("signal_name", TEXT),
    optional("severity", TEXT),
    optional("created_by", TEXT),
];
const SESSION_ENDED: &[Member] = &[SESSION];
const SESSION_FAILED: &[Member] = &[SESSION, optional("error", TEXT)];
const INVESTIGATION_CANCELLED: &[Member] = &[
    required("cancelled_phase", TEXT),
    required("cancelled_at_turn", COUNT),
    optional("total_prompt_tokens", COUNT),
    optional("total_completion_tokens", COUNT),
    optional("total_tokens", COUNT),
];
const ACCESS_REFUSED: &[Member] =
    &[optional("source_ip", TEXT), optional("path", TEXT), optional("method", TEXT), optional("reason", TEXT)];

/// Payload of the terminal event and of its forerunner, by profile.
const fn response(response_data: Shape) -> [Member; 4] {
    [
        INCIDENT,
        required("response_data", response_data),
        optional("total_prompt_tokens", COUNT),
        optional("total_completion_tokens", COUNT),
    ]
}

const RESPONSE_A: &[Member] = &response(Shape::Open(&[
    required("incidentId", TEXT),
    required("analysis", TEXT),
    required(
        "rootCauseAnalysis",
        Shape::Closed(&[
            required("summary", TEXT),
            required("severity", Shape::Word(&["critical", "high", "medium", "low", "unknown"])),
            required("contributingFactors", TEXTS),
        ]),
    ),
    required("confidence", UNIT),
    required("timestamp", Shape::Time),
    optional("selectedWorkflow", SELECTED),
    optional("needsHumanReview", Shape::Flag),
    optional("humanReviewReason", Shape::Word(REVIEW_REASONS_A)),
    optional("warnings", TEXTS),
    optional(
        "alternativeWorkflows",
        Shape::List(&Shape::Closed(&[optional("workflowId", TEXT), optional("rationale", TEXT)])),
    ),
]));
const RESPONSE_H: &[Member] = &response(Shape::Open(&[
    required("incidentId", TEXT),
    required("analysis", TEXT),
    required("rootCauseAnalysis", Shape::Closed(ROOT_CAUSE_H)),
    required("confidence", UNIT),
    required("timestamp", Shape::Time),
    optional("selectedWorkflow", SELECTED),
    nullable("isActionable", Shape::Flag),
    optional("needsHumanReview", Shape::Flag),
    optional("humanReviewReason", Shape::Word(REVIEW_REASONS_H)),
    optional("warnings", TEXTS),
    optional(
        "alternativeWorkflows",
        Shape::List(&Shape::Closed(&[
            optional("workflowId", TEXT),
            optional("rationale", TEXT),
            optional("executionBundle", TEXT),
            optional("confidence", UNIT),
        ])),
    ),
]));
const ROOT_CAUSE_H: &[Member] = &[
    required("summary", TEXT),
    required("severity", Shape::Word(&["critical", "high", "warning", "info", "unknown"])),
    required("contributingFactors", TEXTS),
    optional(
        "remediationTarget",
        Shape::Closed(&[optional("kind", TEXT), optional("name", TEXT), optional("namespace", TEXT)]),
    ),
    optional("causalChain", TEXTS),
    optional(
        "dueDiligence",
        Shape::Closed(&[
            optional("causalCompleteness", TEXT),
            optional("targetAccuracy", TEXT),
            optional("evidenceSufficiency", TEXT),
            optional("alternativeHypotheses", TEXT),
            optional("scopeCompleteness", TEXT),
            optional("proportionality", TEXT),
            optional("regressionAwareness", TEXT),
            optional("confidenceCalibration", TEXT),
        ]),
    ),
    optional("reasoning", TEXT),
    optional("reasoningRedacted", Shape::Flag),
];
const SELECTED: Shape = Shape::Closed(&[
    optional("workflowId", TEXT),
    optional("actionType", TEXT),
    optional("executionBundle", TEXT),
    optional("confidence", UNIT),
    optional("parameters", Shape::Object),
]);
const REVIEW_REASONS_A: &[&str] = &[
    "workflow_not_found",
    "image_mismatch",
    "parameter_validation_failed",
    "no_matching_workflows",
    "low_confidence",
    "llm_parsing_error",
    "rca_incomplete",
    "investigation_inconclusive",
];
const REVIEW_REASONS_H: &[&str] = &[
    "workflow_not_found",
    "image_mismatch",
    "parameter_validation_failed",
    "no_matching_workflows",
    "low_confidence",
    "llm_parsing_error",
    "rca_incomplete",
    "alignment_check_failed",
    "decision_expired",
    "investigation_inconclusive",
];

/// Reasons for a person to look that the receiver knows.
pub(in crate::audit) fn review_reasons(profile: Profile) -> &'static [&'static str] {
    match profile {
        Profile::A => REVIEW_REASONS_A,
        Profile::H => REVIEW_REASONS_H,
    }
}

/// Members beside the common ones.
pub(super) fn payload(kind: EventType, profile: Profile) -> &'static [Member] {
    match kind {
        EventType::LlmRequest => LLM_REQUEST,
        EventType::LlmResponse => LLM_RESPONSE,
        EventType::ToolCall => TOOL_CALL,
        EventType::ValidationAttempt => VALIDATION_ATTEMPT,
        EventType::ResponseComplete | EventType::RcaComplete => match profile {
            Profile::A => RESPONSE_A,
            Profile::H => RESPONSE_H,
        },
        EventType::ResponseFailed => RESPONSE_FAILED,
        EventType::EnrichmentCompleted => ENRICHMENT_COMPLETED,
        EventType::EnrichmentFailed => ENRICHMENT_FAILED,
        EventType::SessionStarted => SESSION_STARTED,
        EventType::SessionCompleted | EventType::SessionCancelled => SESSION_ENDED,
        EventType::SessionFailed => SESSION_FAILED,
        EventType::InvestigationCancelled => INVESTIGATION_CANCELLED,
        EventType::AuthFailure | EventType::AuthDenied => ACCESS_REFUSED,
    }
}

/// Whether a payload of this type says which incident it belongs to.
pub(in crate::audit) fn names_incident(kind: EventType, profile: Profile) -> bool {
    payload(kind, profile).iter().any(|member| member.name == "incident_id")
}
