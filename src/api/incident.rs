//! `/api/v1/incident/…`: submit an incident, follow its session, fetch the result (http-api §1.6–1.8).

mod request;
mod response;
mod session;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tracing::info;
use utoipa::ToSchema;

pub use self::request::{AnalyzeBody, Invalid, JSON_DEPTH_MAX};
pub use self::response::{
    AlternativeWorkflow, HumanReviewReason, IncidentResponse, SeverityVocabulary, ValidationAttempt,
};
use self::session::{Outcome, SessionPath, SessionStatus};
use super::problem::Problem;
use super::schema::{CallerProblems, IncidentRequest, SessionProblems, SubmissionProblems};
use super::{AppState, body};
use crate::auth::Caller;
use crate::domain::Incident;
use crate::sessions::Sessions;

/// When the first look at a new session is worth it.
const FIRST_POLL_SECONDS: u32 = 1;

/// The session of an accepted incident.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AnalyzeAccepted {
    /// UUIDv4, lower case.
    #[schema(format = "uuid")]
    session_id: String,
}

/// Submits an incident.
///
/// Answers at once with the id of a session; the investigation runs on its own. Poll the session, then fetch its result.
/// Bodies of January clients (`signal_type` instead of `signal_name`) are answered in the same way.
#[utoipa::path(post, path = "/api/v1/incident/analyze", tag = "Incident Analysis",
    operation_id = "incident_analyze_endpoint_api_v1_incident_analyze_post",
    security(("bearer" = [])), request_body = IncidentRequest,
    responses(
        (status = 202, description = "Accepted", body = AnalyzeAccepted,
            headers(("Location" = String, description = "Path of the session"), ("Retry-After" = i32))),
        SubmissionProblems, CallerProblems,
    ))]
pub(super) async fn analyze(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    let bytes = body::json_bytes(request, &state.limits).await?;
    let incident = Incident::try_from(AnalyzeBody::parse(&bytes)?)?;
    info!(event = "incident_analysis_requested", incident_id = incident.incident_id, "incident received");
    let session_id = state.sessions.submit(incident, &caller.user).await?.to_string();
    let headers =
        [(LOCATION, format!("/api/v1/incident/session/{session_id}")), (RETRY_AFTER, FIRST_POLL_SECONDS.to_string())];
    Ok((StatusCode::ACCEPTED, headers, Json(AnalyzeAccepted { session_id })).into_response())
}

/// State of a session.
#[utoipa::path(get, path = "/api/v1/incident/session/{session_id}", tag = "Incident Analysis",
    operation_id = "incident_session_status_endpoint_api_v1_incident_session__session_id__get",
    security(("bearer" = [])), params(("session_id" = String, Path)),
    responses((status = 200, description = "Known session", body = SessionStatus), SessionProblems, CallerProblems))]
pub(super) async fn status(
    State(sessions): State<Sessions>,
    SessionPath(id): SessionPath,
) -> Result<Json<SessionStatus>, Problem> {
    let record = sessions.get(&id).await?.ok_or_else(|| Problem::no_session(&id))?;
    Ok(Json(SessionStatus::of(&record)))
}

/// Result of a completed session. Reading it does not consume it.
#[utoipa::path(get, path = "/api/v1/incident/session/{session_id}/result", tag = "Incident Analysis",
    operation_id = "incident_session_result_endpoint_api_v1_incident_session__session_id__result_get",
    security(("bearer" = [])), params(("session_id" = String, Path)),
    responses(
        (status = 200, description = "Finished investigation", body = IncidentResponse),
        (status = 409, description = "Not yet completed, or failed", body = super::problem::ProblemDocument,
            content_type = "application/problem+json"),
        SessionProblems, CallerProblems,
    ))]
pub(super) async fn result(
    State(state): State<Arc<AppState>>,
    SessionPath(id): SessionPath,
) -> Result<Json<IncidentResponse>, Problem> {
    let record = state.sessions.get(&id).await?.ok_or_else(|| Problem::no_session(&id))?;
    match session::outcome(&record, state.severities) {
        Outcome::Result(response) => Ok(Json(*response)),
        Outcome::NotCompleted(status) => Err(Problem::session_not_completed(&id, status)),
        Outcome::Failed(error) => Err(Problem::session_failed(&id, &error)),
    }
}
