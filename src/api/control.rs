//! What the successor's clients do with a session besides polling it: cancel it, look into it (http-api §8.2, §8.7).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AppState;
use super::cost::CostView;
use super::incident::readable;
use super::problem::Problem;
use super::schema::{CallerProblems, ConflictProblem, SessionProblems};
use super::session::{SessionPath, Visible, error_text, find};
use crate::auth::Caller;
use crate::investigation::RunPhase;
use crate::sessions::{CancelError, SessionKind, SessionRecord, SessionState};

/// A session that was cancelled.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CancelSessionResponse {
    session_id: String,
    /// Always `cancelled`.
    status: &'static str,
}

/// Cancels a session that is waiting or running.
///
/// Only for the caller that created it. The investigation stops at once.
#[utoipa::path(post, path = "/api/v1/incident/session/{session_id}/cancel", tag = "Incident Analysis",
    operation_id = "cancel_session_api_v1_incident_session__session_id__cancel_post",
    security(("bearer" = [])), params(("session_id" = String, Path)),
    responses(
        (status = 200, description = "Cancelled", body = CancelSessionResponse),
        ConflictProblem, SessionProblems, CallerProblems,
    ))]
pub(super) async fn cancel(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
) -> Result<Json<CancelSessionResponse>, Problem> {
    let record = find(&state, &caller, &id, SessionKind::Incident, Visible::ToItsCreator).await?;
    state.sessions.cancel(record.id).await.map_err(|refused| match refused {
        CancelError::Unknown => Problem::no_session(&id),
        CancelError::Over => Problem::session_terminal(&id),
        CancelError::Draining => Problem::shutting_down(),
        CancelError::Sessions(cause) => cause.into(),
    })?;
    Ok(Json(CancelSessionResponse { session_id: record.id.to_string(), status: SessionState::Cancelled.as_str() }))
}

/// A look into a session. Whoever asks for it knows the successor's states, so they are shown as they are.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct SessionSnapshot {
    session_id: String,
    status: &'static str,
    /// RFC 3339, UTC, whole seconds.
    created_at: String,
    /// `created_by`, `incident_id`.
    #[schema(required = false)]
    metadata: BTreeMap<&'static str, String>,
    /// Only when failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// `rca` or `workflow_discovery`; only when cancelled while running.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_phase: Option<&'static str>,
    /// Answers the model had given by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_at_turn: Option<u32>,
    /// The cause as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    rca_summary: Option<String>,
    #[schema(required = false)]
    total_prompt_tokens: u64,
    #[schema(required = false)]
    total_completion_tokens: u64,
    /// What that cost; absent when no model answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cost: Option<CostView>,
}

impl SessionSnapshot {
    fn of(record: &SessionRecord) -> Self {
        let standing = &record.standing;
        let stopped_in = standing.phase.filter(|_| record.state == SessionState::Cancelled);
        let found = record.result.as_ref().map(|result| &result.root_cause.summary);
        let summary = found.filter(|summary| !summary.trim().is_empty()).or(standing.cause.as_ref());
        Self {
            session_id: record.id.to_string(),
            status: record.state.as_str(),
            created_at: format!("{:.0}", record.created_at),
            metadata: BTreeMap::from([
                ("created_by", record.caller.clone()),
                ("incident_id", record.incident_id.clone()),
            ]),
            error: (record.state == SessionState::Failed).then(|| error_text(record)),
            cancelled_phase: stopped_in.map(|phase| match phase {
                RunPhase::Rca => RunPhase::Rca.as_str(),
                RunPhase::WorkflowDiscovery | RunPhase::Validation => RunPhase::WorkflowDiscovery.as_str(),
            }),
            cancelled_at_turn: stopped_in.map(|_| standing.turn),
            rca_summary: summary.map(|summary| readable(summary)),
            total_prompt_tokens: standing.prompt_tokens,
            total_completion_tokens: standing.completion_tokens,
            cost: standing.cost.map(CostView::from),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SnapshotQuery {
    live: String,
}

/// What a session knows, or knew when it ended.
///
/// Only for the caller that created it. With `live=true` also while it runs.
#[utoipa::path(get, path = "/api/v1/incident/session/{session_id}/snapshot", tag = "Incident Analysis",
    operation_id = "session_snapshot_api_v1_incident_session__session_id__snapshot_get",
    security(("bearer" = [])),
    params(("session_id" = String, Path), ("live" = Option<bool>, Query, description = "Also while it runs")),
    responses(
        (status = 200, description = "Snapshot", body = SessionSnapshot),
        ConflictProblem, SessionProblems, CallerProblems,
    ))]
pub(super) async fn snapshot(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    query: Result<Query<SnapshotQuery>, QueryRejection>,
) -> Result<Json<SessionSnapshot>, Problem> {
    let record = find(&state, &caller, &id, SessionKind::Incident, Visible::ToItsCreator).await?;
    let is_live = query.is_ok_and(|Query(query)| query.live.eq_ignore_ascii_case("true"));
    if !record.state.is_terminal() && !is_live {
        return Err(Problem::session_in_progress(&id));
    }
    Ok(Json(SessionSnapshot::of(&record)))
}
