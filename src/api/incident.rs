//! `/api/v1/incident/…`: submit an incident, follow its session, fetch the result (http-api §1.6–1.8).

pub(super) mod request;
mod response;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::Response;

pub use self::request::AnalyzeBody;
pub(super) use self::response::readable::readable;
pub use self::response::{
    AlternativeWorkflow, HumanReviewReason, IncidentResponse, SeverityVocabulary, ValidationAttempt,
};
use super::AppState;
pub use super::json::{Invalid, JSON_DEPTH_MAX};
use super::problem::Problem;
use super::schema::{
    CallerProblems, ConflictProblem, IncidentRequest, SessionProblems, SubmissionProblems, WaitingProblems,
};
use super::session::{SessionPath, SessionStatus, Visible, find, outcome};
use super::submission::{AnalyzeAccepted, submit};
use crate::auth::Caller;
use crate::domain::Incident;
use crate::sessions::SessionKind;

/// Decodes an incident.
///
/// # Errors
/// Not JSON, not an object, or members that are missing or wrong.
pub(super) fn decode(bytes: &[u8]) -> Result<Incident, Invalid> {
    Incident::try_from(AnalyzeBody::parse(bytes)?)
}

/// Submits an incident.
///
/// Answers at once with the id of a session; the investigation runs on its own. Poll the session, then fetch its result.
/// Bodies of January clients (`signal_type` instead of `signal_name`) are answered with the result; `mode` and `Prefer` say
/// otherwise.
#[utoipa::path(post, path = "/api/v1/incident/analyze", tag = "Incident Analysis",
    operation_id = "incident_analyze_endpoint_api_v1_incident_analyze_post",
    security(("bearer" = [])), request_body = IncidentRequest,
    params(
        ("mode" = Option<String>, Query, description = "`sync` or `async`; wins over everything else"),
        ("Prefer" = Option<String>, Header, description = "`respond-async`, `wait=<seconds>`, or both"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters"),
    ),
    responses(
        (status = 200, description = "Finished investigation", body = IncidentResponse),
        (status = 202, description = "Accepted", body = AnalyzeAccepted,
            headers(("Location" = String, description = "Path of the session"), ("Retry-After" = i32))),
        CallerProblems, SubmissionProblems, WaitingProblems, ConflictProblem,
    ))]
pub(super) async fn analyze(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    submit(&state, caller, SessionKind::Incident, request).await
}

/// State of a session.
#[utoipa::path(get, path = "/api/v1/incident/session/{session_id}", tag = "Incident Analysis",
    operation_id = "incident_session_status_endpoint_api_v1_incident_session__session_id__get",
    security(("bearer" = [])), params(("session_id" = String, Path)),
    responses((status = 200, description = "Known session", body = SessionStatus), SessionProblems, CallerProblems))]
pub(super) async fn status(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<SessionStatus>, Problem> {
    let record = find(&state, &caller, &id, SessionKind::Incident, Visible::AsConfigured).await?;
    Ok(Json(SessionStatus::of(&record)))
}

/// Result of a completed session. Reading it does not consume it.
#[utoipa::path(get, path = "/api/v1/incident/session/{session_id}/result", tag = "Incident Analysis",
    operation_id = "incident_session_result_endpoint_api_v1_incident_session__session_id__result_get",
    security(("bearer" = [])), params(("session_id" = String, Path)),
    responses(
        (status = 200, description = "Finished investigation", body = IncidentResponse),
        ConflictProblem, SessionProblems, CallerProblems,
    ))]
pub(super) async fn result(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<IncidentResponse>, Problem> {
    let record = find(&state, &caller, &id, SessionKind::Incident, Visible::AsConfigured).await?;
    outcome(&record, state.severities).result(&id).map(Json)
}
