//! What a session looks like from outside (http-api §1.7, §1.8, §4.1): pure functions of its record. And who may see it.

use std::convert::Infallible;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use jiff::Timestamp;
use serde::Serialize;
use subtle::ConstantTimeEq as _;
use tracing::warn;
use utoipa::ToSchema;

use super::AppState;
use super::incident::{IncidentResponse, SeverityVocabulary};
use super::problem::Problem;
use crate::auth::{Caller, SessionOwnership};
use crate::domain::RequestShape;
use crate::sessions::{SessionKind, SessionRecord, SessionState};
use crate::telemetry::metrics::DenialReason;

/// Longest error text of a session (http-api §1.7).
const ERROR_CHARS_MAX: usize = 512;
const CANCELLED: &str = "Investigation cancelled";
pub(super) const RESULT_MISSING: &str = "internal: the result is missing";

/// The session id of a path: any text. What cannot be one is an unknown session, never a bad request.
pub(super) struct SessionPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        Ok(Self(path.map(|Path(id)| id).unwrap_or_default()))
    }
}

/// Whose sessions an endpoint shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visible {
    /// To every caller, unless `auth.session_ownership` says otherwise (http-api §3.3).
    AsConfigured,
    /// Only to the caller that created it, always (http-api §8.5).
    ToItsCreator,
}

/// The session with this id, of this kind, as far as the caller may see it. One that may not be seen does not exist.
pub(super) async fn find(
    state: &AppState,
    caller: &Caller,
    id: &str,
    kind: SessionKind,
    visible: Visible,
) -> Result<SessionRecord, Problem> {
    let record = state.sessions.get(id).await?.filter(|record| record.kind == kind);
    let record = record.ok_or_else(|| Problem::no_session(id))?;
    let is_bound = visible == Visible::ToItsCreator || state.ownership == SessionOwnership::Enforce;
    let is_creator = bool::from(record.caller.as_bytes().ct_eq(caller.user.as_bytes()));
    if is_bound && !is_creator {
        state.metrics.authorization_denied(DenialReason::SessionNotFound);
        warn!(event = "session_access_denied", session_id = id, "a session of another caller was asked for");
        return Err(Problem::no_session(id));
    }
    Ok(record)
}

/// State of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct SessionStatus {
    session_id: String,
    /// `pending`, `investigating`, `completed`, `failed`; `cancelled` only for successor clients.
    status: &'static str,
    /// RFC 3339, UTC.
    created_at: String,
    /// Present in final states.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    /// One line; only when failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What is being done now, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<&'static str>,
}

impl SessionStatus {
    pub(super) fn of(record: &SessionRecord) -> Self {
        let status = shown(record.state, record.shape);
        let error = (status == SessionState::Failed).then(|| error_text(record));
        Self {
            session_id: record.id.to_string(),
            status: status.as_str(),
            created_at: micros(record.created_at),
            completed_at: record.completed_at.filter(|_| record.state.is_terminal()).map(micros),
            error,
            progress: record.progress.filter(|text| !text.is_empty() && !record.state.is_terminal()),
        }
    }
}

/// Clients before the successor take an unknown state for "pending" and would poll a cancelled session until it is gone.
fn shown(state: SessionState, shape: RequestShape) -> SessionState {
    match (state, shape) {
        (SessionState::Cancelled, RequestShape::January | RequestShape::April) => SessionState::Failed,
        (state, _) => state,
    }
}

pub(super) fn error_text(record: &SessionRecord) -> String {
    if record.state == SessionState::Cancelled {
        return CANCELLED.to_owned();
    }
    let text = record.error.as_deref().unwrap_or("internal: the investigation failed");
    text.split(['\n', '\r']).next().unwrap_or_default().chars().take(ERROR_CHARS_MAX).collect()
}

/// Answer to a request for the result.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome<T> {
    Result(Box<T>),
    /// Still in this state.
    NotCompleted(&'static str),
    /// Failed with this error, for clients that know no result of a failed session.
    Failed(String),
}

impl<T> Outcome<T> {
    /// # Errors
    /// 409 without a result.
    pub(super) fn result(self, id: &str) -> Result<T, Problem> {
        match self {
            Self::Result(response) => Ok(*response),
            Self::NotCompleted(status) => Err(Problem::session_not_completed(id, status)),
            Self::Failed(error) => Err(Problem::session_failed(id, &error)),
        }
    }

    /// No result yet, in the words of the client.
    pub(super) fn not_completed(record: &SessionRecord) -> Self {
        Self::NotCompleted(shown(record.state, record.shape).as_str())
    }
}

/// The result of an incident's session.
pub(super) fn outcome(record: &SessionRecord, severities: SeverityVocabulary) -> Outcome<IncidentResponse> {
    let ended = record.completed_at.unwrap_or(record.created_at);
    let stand_in = |error: &str| IncidentResponse::of_failure(&record.incident_id, error, ended);
    let result = match (record.state, &record.result) {
        (SessionState::Pending | SessionState::Investigating, _) => return Outcome::not_completed(record),
        (SessionState::Completed, Some(result)) => IncidentResponse::render_with(result, record.shape, severities),
        // Sessions store the result together with the state, so this is a fault of ours.
        (SessionState::Completed, None) => stand_in(RESULT_MISSING),
        (SessionState::Failed, _) if is_successor(record.shape) => stand_in(&error_text(record)),
        (SessionState::Failed, _) => return Outcome::Failed(error_text(record)),
        (SessionState::Cancelled, _) => IncidentResponse::of_cancellation(&record.incident_id, record.shape, ended),
    };
    Outcome::Result(Box::new(result))
}

fn is_successor(shape: RequestShape) -> bool {
    matches!(shape, RequestShape::Successor | RequestShape::LateSuccessor)
}

/// `2026-04-12T09:14:06.120334Z`
fn micros(at: Timestamp) -> String {
    format!("{at:.6}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sessions::SessionId;

    const ID: &str = "5b0e7f0c-2f1c-4a0e-9d35-7d3bb8a2c1e4";

    fn record(state: SessionState, shape: RequestShape) -> SessionRecord {
        SessionRecord {
            id: SessionId::parse(ID).unwrap(),
            kind: SessionKind::Incident,
            state,
            created_at: "2026-04-12T09:14:06.120334Z".parse().unwrap(),
            completed_at: state.is_terminal().then(|| "2026-04-12T09:16:40Z".parse().unwrap()),
            error: Some("llm_unavailable: provider did not answer\nTraceback".to_owned()),
            progress: Some("workflow selection"),
            standing: Default::default(),
            shape,
            incident_id: "aia-1".to_owned(),
            caller: "alice".to_owned(),
            result: None,
        }
    }

    fn status(state: SessionState, shape: RequestShape) -> serde_json::Value {
        serde_json::to_value(SessionStatus::of(&record(state, shape))).unwrap()
    }

    #[test]
    fn status_bodies() {
        assert_eq!(
            status(SessionState::Investigating, RequestShape::April),
            json!({ "session_id": ID, "status": "investigating", "created_at": "2026-04-12T09:14:06.120334Z",
                    "progress": "workflow selection" })
        );
        assert_eq!(
            status(SessionState::Failed, RequestShape::April),
            json!({ "session_id": ID, "status": "failed", "created_at": "2026-04-12T09:14:06.120334Z",
                    "completed_at": "2026-04-12T09:16:40.000000Z",
                    "error": "llm_unavailable: provider did not answer" })
        );
        let completed = status(SessionState::Completed, RequestShape::April);
        assert!(completed.get("error").is_none() && completed.get("progress").is_none());
    }

    #[test]
    fn a_cancelled_session_looks_failed_to_clients_that_know_no_better() {
        for shape in [RequestShape::January, RequestShape::April] {
            let body = status(SessionState::Cancelled, shape);
            assert_eq!((&body["status"], &body["error"]), (&json!("failed"), &json!("Investigation cancelled")));
        }
        for shape in [RequestShape::Successor, RequestShape::LateSuccessor] {
            let body = status(SessionState::Cancelled, shape);
            assert_eq!((&body["status"], body.get("error")), (&json!("cancelled"), None));
        }
    }

    #[test]
    fn results_by_state_and_shape() {
        use RequestShape::{April, LateSuccessor};
        let outcome = |state, shape| outcome(&record(state, shape), SeverityVocabulary::Auto);
        assert_eq!(outcome(SessionState::Pending, April), Outcome::NotCompleted("pending"));
        assert_eq!(outcome(SessionState::Investigating, LateSuccessor), Outcome::NotCompleted("investigating"));
        let error = "llm_unavailable: provider did not answer".to_owned();
        assert_eq!(outcome(SessionState::Failed, April), Outcome::Failed(error.clone()));
        let Outcome::Result(failed) = outcome(SessionState::Failed, LateSuccessor) else { panic!() };
        assert_eq!(failed.analysis, format!("Investigation failed: {error}"));
        let Outcome::Result(cancelled) = outcome(SessionState::Cancelled, April) else { panic!() };
        assert!(cancelled.needs_human_review);
        let Outcome::Result(lost) = outcome(SessionState::Completed, April) else { panic!() };
        assert!(lost.needs_human_review, "a missing result is never taken for nothing to do");
    }
}
