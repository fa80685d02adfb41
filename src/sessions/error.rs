//! How submitting, waiting, cancelling and draining may end.

use super::record::SessionRecord;
use crate::audit::AuditError;
use crate::metering::Exhausted;
use crate::store::StoreError;

/// What [`Sessions::drain`] achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Sessions that reached a final state while draining.
    pub finished: usize,
    /// Sessions left for the next start.
    pub parked: usize,
}

/// How waiting for a session ended.
#[derive(Debug)]
pub enum Waited {
    /// It has a final state.
    Finished(Box<SessionRecord>),
    /// The time was over first.
    Late,
    /// The process goes down and leaves the session to the next start.
    Parked,
    Forgotten,
}

/// Why a session was not stopped.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    #[error("the session is unknown")]
    Unknown,
    /// It has a final state, or is being stopped already.
    #[error("the session is over")]
    Over,
    /// The process goes down and leaves the session to the next start.
    #[error("the service is shutting down")]
    Draining,
    #[error(transparent)]
    Sessions(#[from] SessionsError),
}

/// Why an incident was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Every slot and every queue place is taken. Worth a retry in seconds.
    #[error("the queue of investigations is full")]
    QueueFull,
    /// The process is shutting down. Worth a retry elsewhere or later.
    #[error("the service is shutting down")]
    Draining,
    /// The caller's key belongs to another request of the same caller.
    #[error("the idempotency key belongs to another request")]
    KeyTaken,
    /// Too many audit events wait for delivery (audit §3.8). Worth a retry later.
    #[error("too many audit events wait for delivery")]
    AuditFull,
    /// The budget of the day is used up. Worth a retry after midnight UTC.
    #[error(transparent)]
    BudgetSpent(Exhausted),
    /// The session could not be made durable.
    #[error("the session could not be stored")]
    Store(#[source] StoreError),
}

/// Sessions could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    #[error("the session store failed")]
    Store(#[from] StoreError),
    /// The terminal event of a session of an earlier process.
    #[error("the audit trail failed")]
    Audit(#[from] AuditError),
    /// A stored value does not decode; the row was altered or written by another version.
    #[error("stored session {id} cannot be read: {reason}")]
    Damaged { id: String, reason: String },
}
