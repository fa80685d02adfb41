//! Shapes that exist only in the OpenAPI document: the request as clients know it, and which errors an operation has.
//!
//! Requests are decoded by a lenient reader and not through these types; a test compares the two.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AnyOfBuilder, ArrayBuilder, Type};
use utoipa::openapi::{Content, Object, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

/// An incident to investigate.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the request in the document")]
pub(super) struct IncidentRequest {
    /// The caller's id, echoed in the result.
    incident_id: String,
    /// Correlation id for audit and history only; never used for analysis.
    #[schema(min_length = 1)]
    remediation_id: String,
    /// Canonical signal name, e.g. OOMKilled.
    signal_name: String,
    /// January's name of `signal_name`, read when that is absent.
    signal_type: Option<String>,
    /// Severity of the signal.
    severity: Severity,
    /// Monitoring system.
    signal_source: String,
    /// Empty for cluster-scoped resources.
    resource_namespace: String,
    resource_kind: String,
    resource_name: String,
    /// e.g. apps/v1; tells apart kinds of the same name.
    resource_api_version: Option<String>,
    /// May be empty.
    error_message: String,
    description: Option<String>,
    environment: String,
    /// P0 to P3 by convention.
    priority: String,
    risk_tolerance: String,
    business_category: String,
    cluster_name: String,
    /// Business class of the cluster.
    cluster: Option<String>,
    #[schema(default = false)]
    is_duplicate: Option<bool>,
    #[schema(default = 0)]
    occurrence_count: Option<i64>,
    deduplication_window_minutes: Option<i64>,
    /// ISO 8601 by convention, as are the next three.
    firing_time: Option<String>,
    received_time: Option<String>,
    first_seen: Option<String>,
    last_seen: Option<String>,
    signal_labels: Option<HashMap<String, String>>,
    signal_annotations: Option<HashMap<String, String>>,
    enrichment_results: Option<EnrichmentResults>,
    /// Absent means reactive.
    signal_mode: Option<SignalMode>,
    interactive: Option<bool>,
}

/// The next attempt after a remediation that failed.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the request in the document")]
pub(super) struct RecoveryRequest {
    /// The caller's id, echoed in the result.
    incident_id: String,
    /// Correlation id for audit and history only; never used for analysis.
    #[schema(min_length = 1)]
    remediation_id: String,
    #[schema(default = false)]
    is_recovery_attempt: Option<bool>,
    #[schema(minimum = 1)]
    recovery_attempt_number: Option<u32>,
    /// Absent: nothing is known of the failed attempt.
    previous_execution: Option<PreviousExecution>,
    /// Free form; with February's spellings as for incidents.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    enrichment_results: Option<Map<String, Value>>,
    /// January's name of `signal_name`.
    signal_type: Option<String>,
    signal_name: Option<String>,
    /// Free text; with February's spellings a severity.
    severity: Option<String>,
    resource_namespace: Option<String>,
    resource_kind: Option<String>,
    resource_name: Option<String>,
    #[schema(default = "unknown", required = false)]
    environment: String,
    #[schema(default = "P2", required = false)]
    priority: String,
    #[schema(default = "medium", required = false)]
    risk_tolerance: String,
    #[schema(default = "standard", required = false)]
    business_category: String,
    error_message: Option<String>,
    cluster_name: Option<String>,
    signal_source: Option<String>,
}

/// The attempt that failed.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the request in the document")]
pub(super) struct PreviousExecution {
    /// Name of the execution object.
    workflow_execution_ref: String,
    original_rca: OriginalRca,
    selected_workflow: SelectedWorkflowSummary,
    failure: ExecutionFailure,
    /// The executor's own words.
    natural_language_summary: Option<String>,
}

/// What the investigation before concluded. One of `signal_type` and `signal_name` is required.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OriginalRCA)]
#[expect(dead_code, reason = "describes the request in the document")]
pub(super) struct OriginalRca {
    summary: String,
    signal_type: Option<String>,
    signal_name: Option<String>,
    severity: String,
    #[schema(required = false)]
    contributing_factors: Vec<String>,
}

/// What was run. One of `container_image` and `execution_bundle` is required.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the request in the document")]
pub(super) struct SelectedWorkflowSummary {
    workflow_id: String,
    version: String,
    container_image: Option<String>,
    execution_bundle: Option<String>,
    #[schema(required = false)]
    parameters: HashMap<String, String>,
    rationale: String,
}

/// How it ended.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the request in the document")]
pub(super) struct ExecutionFailure {
    /// From 0.
    #[schema(minimum = 0)]
    failed_step_index: u32,
    failed_step_name: String,
    /// Kubernetes reason code.
    reason: String,
    message: String,
    exit_code: Option<i64>,
    failed_at: String,
    /// Such as 2m34s.
    execution_time: String,
}

/// What the caller already knows about the resource.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the request in the document")]
pub(super) struct EnrichmentResults {
    /// Free form.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    kubernetes_context: Option<Map<String, Value>>,
    /// Subdomain to values; a catalogue filter.
    custom_labels: Option<BTreeMap<String, Vec<String>>>,
    business_classification: Option<BusinessClassification>,
}

/// Business view of the resource.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the request in the document")]
pub(super) struct BusinessClassification {
    business_unit: Option<String>,
    service_owner: Option<String>,
    /// critical, high, medium or low by convention.
    criticality: Option<String>,
    /// platinum, gold, silver or bronze by convention.
    sla_requirement: Option<String>,
}

/// Severity of a signal. `warning` and `info` are accepted too and mean `medium` and `low`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Critical,
    High,
    Medium,
    Low,
    Unknown,
}

/// Reactive: something broke. Proactive: a prediction, nothing has broken yet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum SignalMode {
    Reactive,
    Proactive,
}

/// One bad member of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ValidationError {
    /// From `body` down to the member.
    #[schema(schema_with = location)]
    loc: Vec<Value>,
    msg: String,
    #[serde(rename = "type")]
    kind: String,
}

fn location() -> ArrayBuilder {
    let steps = [Type::String, Type::Integer].map(Object::with_type);
    ArrayBuilder::new().items(steps.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item))
}

/// Never sent; kept so that generated clients keep their types.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HTTPValidationError)]
pub(super) struct HttpValidationError {
    #[schema(required = false)]
    detail: Vec<ValidationError>,
}

const PROBLEM: &str = "application/problem+json";
const JSON: &str = "application/json";

type Responses = BTreeMap<String, RefOr<Response>>;

fn error(description: &str, media_types: &[&str]) -> RefOr<Response> {
    let content = || Content::new(Some(Ref::from_schema_name("HTTPError")));
    let builder = ResponseBuilder::new().description(description);
    media_types.iter().fold(builder, |builder, media_type| builder.content(*media_type, content())).build().into()
}

fn table(rows: &[(&str, &str, &[&str])]) -> Responses {
    rows.iter().map(|(status, text, media_types)| ((*status).to_owned(), error(text, media_types))).collect()
}

/// Refusals of the caller, of every operation that needs a token.
pub(super) struct CallerProblems;

impl IntoResponses for CallerProblems {
    fn responses() -> Responses {
        table(&[
            ("401", "No token, or a token nobody vouches for", &[PROBLEM, JSON]),
            ("403", "The caller may not do this", &[PROBLEM, JSON]),
            ("429", "Too many requests of this client (`server.rate_limit`); see Retry-After", &[PROBLEM]),
            ("500", "Unexpected fault", &[PROBLEM, JSON]),
            ("503", "Overloaded, shutting down, or the caller cannot be checked; see Retry-After", &[PROBLEM, JSON]),
        ])
    }
}

/// Errors of submitting.
pub(super) struct SubmissionProblems;

impl IntoResponses for SubmissionProblems {
    fn responses() -> Responses {
        table(&[
            ("400", "The body is no incident", &[PROBLEM, JSON]),
            ("408", "The body came too slowly", &[PROBLEM]),
            ("413", "The body is too large", &[PROBLEM]),
            ("415", "The body is not JSON", &[PROBLEM]),
            ("422", "Never sent; bad bodies are answered with 400", &[PROBLEM, JSON]),
            (
                "429",
                "The caller's budget of the day is used up, or too many requests of this client; see Retry-After",
                &[PROBLEM],
            ),
        ])
    }
}

/// Errors of naming a session.
pub(super) struct SessionProblems;

impl IntoResponses for SessionProblems {
    fn responses() -> Responses {
        let validation = Content::new(Some(Ref::from_schema_name("HTTPValidationError")));
        let never = ResponseBuilder::new().description("Never sent; a malformed id is answered with 404");
        let mut responses = table(&[("404", "No such session", &[PROBLEM])]);
        responses.insert("422".to_owned(), never.content(JSON, validation).build().into());
        responses
    }
}

/// Errors of waiting for a result.
pub(super) struct WaitingProblems;

impl IntoResponses for WaitingProblems {
    fn responses() -> Responses {
        table(&[
            ("502", "Only when waiting: the model provider returned nothing usable", &[PROBLEM]),
            ("504", "Only when waiting: no result in time", &[PROBLEM]),
        ])
    }
}

/// The session or the key is in another state than the request needs.
pub(super) struct ConflictProblem;

impl IntoResponses for ConflictProblem {
    fn responses() -> Responses {
        table(&[("409", "In conflict with the session's state, or with an earlier use of the key", &[PROBLEM])])
    }
}

/// The events of a session: text whose form no JSON schema describes.
pub(super) struct EventStream;

impl IntoResponses for EventStream {
    fn responses() -> Responses {
        let content = Content::new(None::<Ref>);
        let events = ResponseBuilder::new().description("Server-sent events").content("text/event-stream", content);
        Responses::from([("200".to_owned(), events.build().into())])
    }
}
