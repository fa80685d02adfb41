//! The audit trail: what happened in each investigation, as typed events, recorded durably (audit specification).
//!
//! [`AuditTrail::record`] returns after the event is committed to the store and never does network I/O. An event gets
//! its identity once, here, and its time in the same step in which it enters the write queue, so time order and commit
//! order are the same. Audit never decides the outcome of an investigation: callers log a failure and go on.

mod clock;
mod config;
mod content;
mod envelope;
mod event;
mod response;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::value::to_raw_value;
use uuid::Uuid;

pub use config::{AuditConfig, AuditSink, LocalAuditConfig};
pub use event::{AuditEvent, AuditSubject, Excerpt, Payload};

use crate::store::{AuditRow, AuditTable, FinalState, Store, StoreError, WritePermit};
use crate::telemetry::Metrics;
use clock::EventClock;

/// Handle through which every event is recorded. Clones share it.
#[derive(Debug, Clone)]
pub struct AuditTrail(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    local: LocalAuditConfig,
    metrics: Metrics,
    clock: Mutex<EventClock>,
    growth: Mutex<Growth>,
}

/// What was added since the table was last pruned.
#[derive(Debug, Default)]
struct Growth {
    bytes: u64,
    pruned_at: Option<Instant>,
}

impl AuditTrail {
    /// # Errors
    /// [`AuditError::SinkUnavailable`] for a sink that does not exist yet, [`AuditError::Store`] when the newest event
    /// cannot be read.
    pub async fn open(config: &AuditConfig, store: Store, metrics: Metrics) -> Result<Self, AuditError> {
        match config.sink {
            AuditSink::Local => {}
            AuditSink::DataStorage => return Err(AuditError::SinkUnavailable),
        }
        metrics.declare_audit_events(Payload::EVENT_TYPES);
        let clock = EventClock::after(store.newest_event_timestamp().await?);
        Ok(Self(Arc::new(Inner {
            store,
            local: config.local.clone(),
            metrics,
            clock: Mutex::new(clock),
            growth: Mutex::new(Growth::default()),
        })))
    }

    /// Records one event; when this returns, it survives a crash.
    ///
    /// # Errors
    /// The event is not recorded. To be logged, never to change a result.
    pub async fn record(&self, event: AuditEvent) -> Result<(), AuditError> {
        self.commit(event, WritePermit::record_event).await.map(drop)
    }

    /// Gives a session its final state and records the event that tells it, both or neither. Answers whether the session
    /// had no final state before; when it had one, nothing happens.
    ///
    /// # Errors
    /// Neither happened.
    pub async fn finish_session(&self, end: FinalState, event: AuditEvent) -> Result<bool, AuditError> {
        let affected = self.commit(event, |permit, row| permit.finish_session(end, Some(row))).await?;
        Ok(affected > 0)
    }

    /// Forgets a session and records the event that explains it, both or neither. Answers whether it was known.
    ///
    /// # Errors
    /// Neither happened.
    pub async fn remove_session(&self, id: &str, event: AuditEvent) -> Result<bool, AuditError> {
        let affected = self.commit(event, |permit, row| permit.remove_session(id, Some(row))).await?;
        Ok(affected > 0)
    }

    async fn commit(
        &self,
        event: AuditEvent,
        queue: impl FnOnce(WritePermit, AuditRow) -> crate::store::Receipt,
    ) -> Result<u64, AuditError> {
        let event_type = event.payload.event_type();
        let event_id = Uuid::new_v4();
        let data = to_raw_value(&envelope::event_data(&event, event_id))?;
        let permit = self.0.store.permit().await?;
        let (receipt, bytes) = {
            // Held from taking the time until the row is queued: see the module's promise about order.
            let mut clock = self.0.clock.lock().unwrap_or_else(PoisonError::into_inner);
            let event_timestamp = clock.next(Timestamp::now());
            let body = envelope::body(&event, event_timestamp, &data)?;
            let correlation_id = envelope::correlation_id(&event).to_owned();
            let bytes = body.len() as u64;
            (
                queue(
                    permit,
                    AuditRow { table: AuditTable::Local, event_id, correlation_id, event_type, event_timestamp, body },
                ),
                bytes,
            )
        };
        let affected = receipt.committed().await?;
        if affected > 0 {
            self.0.metrics.audit_emitted(event_type);
        }
        if self.0.growth_is_due(bytes) {
            self.prune().await;
        }
        Ok(affected)
    }

    /// Keeps the local table within its bounds.
    async fn prune(&self) {
        /// One call removes a bounded number of rows; a table that shrank in the configuration needs several.
        const ROUNDS_MAX: usize = 256;
        let local = &self.0.local;
        let age = SignedDuration::try_from(local.age_max).unwrap_or(SignedDuration::MAX);
        let before = Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN);
        for _ in 0..ROUNDS_MAX {
            match self.0.store.prune_events(before, local.bytes_max).await {
                Ok(0) => return,
                Ok(events) => tracing::debug!(event = "audit_pruned", events, "oldest audit events removed"),
                Err(error) => {
                    tracing::warn!(event = "audit_prune_failed", error = %error, "old audit events stay for now");
                    return;
                }
            }
        }
    }
}

impl Inner {
    /// Whether enough was added, or enough time went by, to look at the bounds again.
    fn growth_is_due(&self, bytes: u64) -> bool {
        const EVERY: Duration = Duration::from_secs(600);
        /// The table may exceed its bound by one part in this many.
        const SLACK: u64 = 64;
        let mut growth = self.growth.lock().unwrap_or_else(PoisonError::into_inner);
        growth.bytes += bytes;
        let due = growth.bytes > self.local.bytes_max / SLACK || growth.pruned_at.is_none_or(|at| at.elapsed() > EVERY);
        if due {
            *growth = Growth { bytes: 0, pruned_at: Some(Instant::now()) };
        }
        due
    }
}

/// An event could not be recorded, or the trail not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The disk; worth an alarm.
    #[error("the audit store failed")]
    Store(#[from] StoreError),
    /// A fault of this program.
    #[error("the audit event cannot be encoded")]
    Encode(#[from] serde_json::Error),
    /// A configuration this version cannot serve.
    #[error("audit.sink `datastorage` is not available; set `audit.sink: local`")]
    SinkUnavailable,
}
