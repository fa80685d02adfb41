//! What an earlier process left (decision 14): finished sessions stay readable; an unfinished one writes its terminal
//! event and is forgotten, so that its caller gets 404 and submits again.

use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use super::conclusion::Conclusion;
use super::record::{SessionId, SessionState};
use super::table::{Entry, Lifetime};
use super::{Inner, SessionsError};
use crate::audit::{AuditEvent, AuditSubject};
use crate::domain::{Incident, RequestShape, ResourceRef};
use crate::store::SessionRow;

impl Inner {
    pub(super) async fn take_over(&self) -> Result<(), SessionsError> {
        let (now, clock) = (Instant::now(), Timestamp::now());
        let mut lost = Vec::new();
        let mut expired = Vec::new();
        for row in self.store.sessions().await? {
            let Some((id, entry)) = self.restore(&row, now, clock) else {
                let has_ended = SessionState::parse(&row.state).is_some_and(SessionState::is_terminal);
                if has_ended {
                    // Written by a later version. Its terminal event is told already; a second one would be wrong.
                    tracing::warn!(event = "session_unreadable", session_id = row.id, "finished session forgotten");
                    expired.push(row.id);
                } else {
                    lost.push(row);
                }
                continue;
            };
            if entry.is_over(now) {
                expired.push(row.id);
            } else {
                self.table().insert(id, entry);
            }
        }
        if !lost.is_empty() {
            tracing::warn!(
                event = "sessions_abandoned",
                count = lost.len(),
                "unfinished sessions of an earlier process end"
            );
        }
        try_join_all(lost.iter().map(|row| self.abandon(row))).await?;
        try_join_all(expired.iter().map(|id| self.store.remove_session(id))).await?;
        Ok(())
    }

    /// An entry for a finished session.
    fn restore(&self, row: &SessionRow, now: Instant, clock: Timestamp) -> Option<(SessionId, Entry)> {
        let id = SessionId::parse(&row.id)?;
        let state = SessionState::parse(&row.state).filter(|state| state.is_terminal())?;
        let completed_at = row.completed_at?;
        let shape = serde_json::from_value(row.shape.as_str().into()).ok()?;
        let age_ends = now + remaining(row.created_at, self.config.max_age, clock);
        let ttl_ends = now + remaining(completed_at, self.config.ttl, clock);
        let lifetime = Lifetime { age_ends, ttl_ends: None };
        let entry = Entry::new(shape, row.incident_id.clone(), row.caller.clone(), row.created_at, lifetime);
        Some((id, entry.ended(state, completed_at, row.error.clone(), ttl_ends)))
    }

    async fn abandon(&self, row: &SessionRow) -> Result<(), SessionsError> {
        let incident = self.store.session_incident(&row.id).await?.unwrap_or_default();
        let subject = match serde_json::from_str::<Incident>(&incident) {
            Ok(incident) => AuditSubject::of(&incident),
            Err(_) => AuditSubject {
                correlation_id: "unknown".to_owned(),
                incident_id: row.incident_id.clone(),
                resource: ResourceRef::cluster_scoped("", ""),
            },
        };
        let since = Timestamp::now().duration_since(row.created_at);
        let end = Conclusion::shut_down();
        let event = AuditEvent { subject: subject.clone(), payload: end.payload(), duration: since.try_into().ok() };
        if self.audit.remove_session(&row.id, event).await? {
            self.tell_end(subject, &row.id, &end).await;
        }
        tracing::info!(
            event = "session_failed",
            session_id = row.id,
            incident_id = row.incident_id,
            "session lost in a restart"
        );
        Ok(())
    }
}

/// What is left of `span` counted from `from`; nothing when the clock was set forward, all of it when set back.
fn remaining(from: Timestamp, span: Duration, clock: Timestamp) -> Duration {
    let elapsed = Duration::try_from(clock.duration_since(from)).unwrap_or(Duration::ZERO);
    span.saturating_sub(elapsed)
}

/// The stored spelling of a shape: the one serde uses.
pub(super) fn shape_text(shape: RequestShape) -> String {
    let value = serde_json::to_value(shape).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
