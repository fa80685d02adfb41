//! What the audit trail is told of a session's life beside its terminal event; only the schema profile `h` has a place for
//! it (audit §1.6).

use super::Inner;
use super::conclusion::Conclusion;
use super::record::SessionState;
use super::task::Admitted;
use crate::audit::{AuditEvent, AuditSubject, Payload, SessionEnd};

impl Inner {
    pub(super) async fn tell_start(&self, session: &Admitted) {
        let incident = &session.incident;
        let payload = Payload::SessionStarted {
            session_id: session.id.to_string(),
            signal_name: incident.signal_name.clone(),
            severity: incident.severity,
            created_by: session.claim.caller.clone(),
        };
        self.tell(AuditSubject::of(incident), payload).await;
    }

    pub(super) async fn tell_end(&self, subject: AuditSubject, id: &str, conclusion: &Conclusion) {
        let end = match conclusion.state() {
            SessionState::Cancelled => SessionEnd::Cancelled,
            SessionState::Failed => SessionEnd::Failed(conclusion.error().unwrap_or_default()),
            SessionState::Pending | SessionState::Investigating | SessionState::Completed => SessionEnd::Completed,
        };
        self.tell(subject, Payload::SessionEnded { session_id: id.to_owned(), end }).await;
    }

    async fn tell(&self, subject: AuditSubject, payload: Payload) {
        if let Err(error) = self.audit.record(AuditEvent::about(subject, payload)).await {
            tracing::error!(event = "audit_write_failed", error = %error, "audit event not recorded");
        }
    }
}
