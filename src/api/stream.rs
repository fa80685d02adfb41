//! The event stream of a session (http-api §8.3), as server-sent events.

mod frame;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use self::frame::{KEEP_ALIVE, ended, event, session_ended};
use super::AppState;
use super::problem::Problem;
use super::schema::{CallerProblems, EventStream, SessionProblems};
use super::session::{SessionPath, Visible, find};
use crate::auth::Caller;
use crate::sessions::{Follower, SessionId, SessionKind, Step};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a session does, event by event, until it ends.
///
/// Only for the caller that created it. Every reader has its own place; `Last-Event-ID` resumes within the newest 64 events.
#[utoipa::path(get, path = "/api/v1/incident/session/{session_id}/stream", tag = "Incident Analysis",
    operation_id = "session_stream_api_v1_incident_session__session_id__stream_get",
    security(("bearer" = [])),
    params(("session_id" = String, Path), ("Last-Event-ID" = Option<u64>, Header, description = "The last event seen")),
    responses(EventStream, SessionProblems, CallerProblems))]
pub(super) async fn stream(
    State(state): State<Arc<AppState>>,
    Extension(caller): Extension<Caller>,
    SessionPath(id): SessionPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let record = find(&state, &caller, &id, SessionKind::Incident, Visible::ToItsCreator).await?;
    let place = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| Problem::too_many_streams())?;
    let seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()?.trim().parse().ok()).unwrap_or(0);
    // An id from elsewhere must not hide what comes.
    let seen = record.standing.events.min(seen);
    let follower = state.sessions.follow(record.id, seen).ok_or_else(|| Problem::no_session(&id))?;
    let reading =
        Reading { state, id: record.id, follower, seen, last: VecDeque::new(), is_over: false, _place: place };
    let frames = unfold(reading, async |mut reading| {
        let frame = reading.next().await?;
        Some((Ok::<_, Infallible>(frame), reading))
    });
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (X_ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// One reader of one session.
struct Reading {
    state: Arc<AppState>,
    id: SessionId,
    follower: Follower,
    /// The newest event sent.
    seen: u64,
    /// What is still to be sent at the end.
    last: VecDeque<Bytes>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Reading {
    async fn next(&mut self) -> Option<Bytes> {
        if !self.is_over {
            let Ok(step) = timeout(self.state.limits.keep_alive, self.follower.next()).await else {
                return Some(Bytes::from_static(KEEP_ALIVE));
            };
            if let Step::Event(told) = &step {
                self.seen = told.id;
                return Some(event(told));
            }
            self.is_over = true;
            self.last = self.ending(&step).await;
        }
        self.last.pop_front()
    }

    async fn ending(&self, step: &Step) -> VecDeque<Bytes> {
        let reason = match step {
            Step::Parked => "shutting_down",
            Step::Event(_) | Step::Over | Step::Forgotten => "expired",
        };
        let record = match step {
            Step::Over => self.state.sessions.get(&self.id.to_string()).await.ok().flatten(),
            Step::Event(_) | Step::Parked | Step::Forgotten => None,
        };
        match record {
            Some(record) => ended(&record, self.state.severities).into(),
            None => VecDeque::from([session_ended(self.seen + 1, 0, reason)]),
        }
    }
}
