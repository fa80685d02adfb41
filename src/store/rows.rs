//! What goes into the tables and comes out of them. Values are plain: what they mean is for the rooms above.

mod outbox;
mod spending;

use jiff::Timestamp;
use uuid::Uuid;

pub use outbox::{
    Arrival, DoubtfulRow, OutboxChange, OutboxRow, OutboxState, OutboxTotals, QuarantineReason, QuarantinedEvent,
    WaitingEvent,
};
pub use spending::SpendingRow;

/// A session when it is accepted; its state is `pending`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    pub id: String,
    pub caller: String,
    pub shape: String,
    pub incident_id: String,
    pub created_at: Timestamp,
    pub deadline_at: Timestamp,
    /// JSON
    pub incident: String,
    /// `incident` or `recovery`.
    pub kind: &'static str,
    /// The caller's own key.
    pub idempotency_key: Option<String>,
    /// SHA-256 of the request in canonical form.
    pub request_sha256: [u8; 32],
}

/// A final state, written at most once for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalState {
    pub id: String,
    /// `completed`, `failed` or `cancelled`.
    pub state: &'static str,
    pub completed_at: Timestamp,
    pub error: Option<String>,
    /// JSON
    pub result: Option<String>,
    /// JSON: how far the run got.
    pub standing: Option<String>,
}

/// The narrow columns of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    pub id: String,
    pub state: String,
    pub caller: String,
    pub shape: String,
    pub incident_id: String,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub deadline_at: Timestamp,
    pub error: Option<String>,
    /// `incident` or `recovery`.
    pub kind: String,
    pub idempotency_key: Option<String>,
    /// `None` for sessions of earlier versions.
    pub request_sha256: Option<Vec<u8>>,
    pub standing: Option<String>,
}

/// Which table keeps an audit event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditTable {
    /// Events that stay here.
    Local,
    /// Events on their way to DataStorage.
    Outbox,
}

/// An audit event ready to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub table: AuditTable,
    pub event_id: Uuid,
    pub correlation_id: String,
    pub event_type: &'static str,
    pub event_timestamp: Timestamp,
    /// The exact JSON of the event.
    pub body: String,
}

/// An audit event read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Position in the table; grows with every event and is never used again.
    pub seq: i64,
    pub event_id: String,
    pub correlation_id: String,
    pub event_type: String,
    pub event_timestamp: Timestamp,
    pub body: String,
    /// Whether the body still has the digest it was stored with.
    pub intact: bool,
}

/// Which audit events to read, oldest first. Asks the local table, the outbox and the quarantine alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditQuery {
    pub correlation_id: Option<String>,
    pub event_type: Option<String>,
    pub event_id: Option<String>,
    pub since: Option<Timestamp>,
    /// Exclusive.
    pub until: Option<Timestamp>,
    /// Continue behind this position.
    pub after_seq: i64,
    pub events_max: u32,
}

impl AuditQuery {
    /// Rows one read returns unless told otherwise.
    pub const EVENTS_MAX: u32 = 1_000;
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self {
            correlation_id: None,
            event_type: None,
            event_id: None,
            since: None,
            until: None,
            after_seq: 0,
            events_max: Self::EVENTS_MAX,
        }
    }
}

/// How much the local audit table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditTotals {
    pub events: u64,
    /// Bytes of bodies.
    pub bytes: u64,
}
