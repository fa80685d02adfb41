//! `/api/v1/recovery/…`: the next attempt after a remediation that failed (http-api §1.9, §2.10, §5.7).

mod request;
mod response;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::Response;

pub(super) use self::request::decode;
use self::response::Frame;
pub(super) use self::response::RecoveryResponse;
use super::AppState;
use super::incident::SeverityVocabulary;
use super::problem::Problem;
use super::schema::{
    CallerProblems, ConflictProblem, RecoveryRequest, SessionProblems, SubmissionProblems, WaitingProblems,
};
use super::session::{Outcome, SessionPath, SessionStatus, Visible, error_text, find};
use super::submission::{AnalyzeAccepted, submit};
use crate::auth::Caller;
use crate::domain::Incident;
use crate::sessions::{SessionKind, SessionRecord, SessionState};

/// Submits a recovery.
///
/// Answered with the result; bodies of February clients (`signal_name`, `execution_bundle`) with a session, as for
/// incidents.
#[utoipa::path(post, path = "/api/v1/recovery/analyze", tag = "Recovery Analysis",
    operation_id = "recovery_analyze_endpoint_api_v1_recovery_analyze_post",
    security(("bearer" = [])), request_body = RecoveryRequest,
    params(
        ("mode" = Option<String>, Query, description = "`sync` or `async`; wins over everything else"),
        ("Prefer" = Option<String>, Header, description = "`respond-async`, `wait=<seconds>`, or both"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters"),
    ),
    responses(
        (status = 200, description = "Finished analysis", body = RecoveryResponse),
        (status = 202, description = "Accepted", body = AnalyzeAccepted,
            headers(("Location" = String, description = "Path of the session"), ("Retry-After" = i32))),
        CallerProblems, SubmissionProblems, WaitingProblems, ConflictProblem,
    ))]
pub(super) async fn analyze(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Problem> {
    submit(&state, caller, SessionKind::Recovery, request).await
}

/// State of a recovery's session.
#[utoipa::path(get, path = "/api/v1/recovery/session/{session_id}", tag = "Recovery Analysis",
    operation_id = "recovery_session_status_endpoint_api_v1_recovery_session__session_id__get",
    security(("bearer" = [])), params(("session_id" = String, Path)),
    responses((status = 200, description = "Known session", body = SessionStatus), SessionProblems, CallerProblems))]
pub(super) async fn status(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<SessionStatus>, Problem> {
    let record = find(&state, &caller, &id, SessionKind::Recovery, Visible::AsConfigured).await?;
    Ok(Json(SessionStatus::of(&record)))
}

/// Result of a completed recovery. Reading it does not consume it.
#[utoipa::path(get, path = "/api/v1/recovery/session/{session_id}/result", tag = "Recovery Analysis",
    operation_id = "recovery_session_result_endpoint_api_v1_recovery_session__session_id__result_get",
    security(("bearer" = [])), params(("session_id" = String, Path)),
    responses(
        (status = 200, description = "Finished analysis", body = RecoveryResponse),
        ConflictProblem, SessionProblems, CallerProblems,
    ))]
pub(super) async fn result(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<RecoveryResponse>, Problem> {
    let record = find(&state, &caller, &id, SessionKind::Recovery, Visible::AsConfigured).await?;
    let incident = state.sessions.incident(record.id).await?.ok_or_else(|| Problem::no_session(&id))?;
    outcome(&record, &incident, state.severities).result(&id).map(Json)
}

/// The result of a recovery's session.
pub(super) fn outcome(
    record: &SessionRecord,
    incident: &Incident,
    severities: SeverityVocabulary,
) -> Outcome<RecoveryResponse> {
    let ended = record.completed_at.unwrap_or(record.created_at);
    let frame = Frame { incident, accepted: record.created_at, ended, severities };
    let result = match (record.state, &record.result) {
        (SessionState::Pending | SessionState::Investigating, _) => return Outcome::not_completed(record),
        (SessionState::Completed, Some(result)) => RecoveryResponse::render(result, frame),
        (SessionState::Completed, None) | (SessionState::Failed, _) => return Outcome::Failed(error_text(record)),
        (SessionState::Cancelled, _) => RecoveryResponse::of_cancellation(frame),
    };
    Outcome::Result(Box::new(result))
}
