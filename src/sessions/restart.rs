//! What an earlier process left (decision 14): finished sessions stay readable; an unfinished one writes its terminal
//! event and is forgotten, so that its caller gets 404 and submits again.

use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use tokio::time::Instant;

use super::conclusion::Conclusion;
use super::entry::{Ending, Entry, Identity};
use super::record::{SessionId, SessionKind, SessionState};
use super::submission::{Claim, Fingerprint};
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
            if entry.over(now).is_some() {
                expired.push(row.id);
            } else {
                self.table().restore(id, entry);
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
        let identity = Identity {
            kind: SessionKind::parse(&row.kind)?,
            shape: serde_json::from_value(row.shape.as_str().into()).ok()?,
            incident_id: row.incident_id.clone(),
            caller: row.caller.clone(),
            created_at: row.created_at,
        };
        let (max_age, ttl) = self.table().lifetimes();
        let mut entry = Entry::new(identity, now + remaining(row.created_at, max_age, clock));
        entry.claim = claim(row);
        // How far it got is only for display.
        let standing = row.standing.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
        let end = Ending { state, completed_at, error: row.error.clone(), result: None, standing, stored: true };
        entry.end(end, now + remaining(completed_at, ttl, clock));
        Some((id, entry))
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

/// What a repetition may still find it by: its key. Whether somebody waited for it is not stored.
fn claim(row: &SessionRow) -> Option<Claim> {
    let fingerprint = Fingerprint::read(row.request_sha256.as_deref()?)?;
    Some(Claim { caller: row.caller.clone(), key: Some(row.idempotency_key.clone()?), fingerprint, is_shared: false })
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
