//! What a session looks like from outside (http-api §1.7, §1.8, §4.1): pure functions of its record.

use std::convert::Infallible;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::response::{IncidentResponse, SeverityVocabulary};
use crate::domain::RequestShape;
use crate::sessions::{SessionRecord, SessionState};

/// Longest error text of a session (http-api §1.7).
const ERROR_CHARS_MAX: usize = 512;
const CANCELLED: &str = "Investigation cancelled";

/// The session id of a path: any text. What cannot be one is an unknown session, never a bad request.
pub(in crate::api) struct SessionPath(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for SessionPath {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        Ok(Self(path.map(|Path(id)| id).unwrap_or_default()))
    }
}

/// State of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct SessionStatus {
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

fn error_text(record: &SessionRecord) -> String {
    if record.state == SessionState::Cancelled {
        return CANCELLED.to_owned();
    }
    let text = record.error.as_deref().unwrap_or("internal: the investigation failed");
    text.split(['\n', '\r']).next().unwrap_or_default().chars().take(ERROR_CHARS_MAX).collect()
}

/// Answer to a request for the result.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Result(Box<IncidentResponse>),
    /// Still in this state.
    NotCompleted(&'static str),
    /// Failed with this error, for clients that know no result of a failed session.
    Failed(String),
}

pub(super) fn outcome(record: &SessionRecord, severities: SeverityVocabulary) -> Outcome {
    let ended = record.completed_at.unwrap_or(record.created_at);
    let stand_in = |error: &str| IncidentResponse::of_failure(&record.incident_id, error, ended);
    let result = match (record.state, &record.result) {
        (SessionState::Pending | SessionState::Investigating, _) => {
            return Outcome::NotCompleted(shown(record.state, record.shape).as_str());
        }
        (SessionState::Completed, Some(result)) => IncidentResponse::render_with(result, record.shape, severities),
        // Sessions store the result together with the state, so this is a fault of ours.
        (SessionState::Completed, None) => stand_in("internal: the result is missing"),
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
            state,
            created_at: "2026-04-12T09:14:06.120334Z".parse().unwrap(),
            completed_at: state.is_terminal().then(|| "2026-04-12T09:16:40Z".parse().unwrap()),
            error: Some("llm_unavailable: provider did not answer\nTraceback".to_owned()),
            progress: Some("workflow selection"),
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
