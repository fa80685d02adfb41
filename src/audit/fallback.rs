//! Events of running investigations while the disk takes none (audit §3.8): kept in memory, written to the outbox in
//! their order as soon as it takes writes again. They are not delivered past the outbox: without the mark of an attempt
//! on disk nobody could tell later whether they are stored, and older events of their correlation may still wait there.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::store::{AuditRow, Store, StoreError};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::DropReason;

/// Events kept in memory.
const EVENTS_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Fallback {
    rows: Mutex<VecDeque<AuditRow>>,
    /// Held by whoever writes them.
    restoring: tokio::sync::Mutex<()>,
}

impl Fallback {
    fn rows(&self) -> MutexGuard<'_, VecDeque<AuditRow>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows().is_empty()
    }

    /// Keeps an event behind those already here; a full memory gives it up.
    pub(super) fn keep(&self, row: AuditRow, metrics: &Metrics) {
        let mut rows = self.rows();
        if rows.len() >= EVENTS_MAX {
            drop(rows);
            metrics.audit_dropped(DropReason::BufferFull);
            tracing::error!(
                event = "audit_event_dropped",
                event_type = row.event_type,
                "neither disk nor memory has room"
            );
            return;
        }
        if rows.is_empty() {
            tracing::error!(event = "audit_spool_degraded", "the outbox takes no events; they are kept in memory");
            metrics.audit_spool_degraded(true);
        }
        rows.push_back(row);
    }

    /// Writes the events to the outbox, oldest first; those that cannot be written stay.
    pub(super) async fn restore(&self, store: &Store, metrics: &Metrics) -> Result<(), StoreError> {
        let _alone = self.restoring.lock().await;
        let mut restored = 0_u64;
        loop {
            let Some(row) = self.rows().front().cloned() else { break };
            store.permit().await?.record_event(row).committed().await?;
            self.rows().pop_front();
            restored += 1;
        }
        if restored > 0 {
            metrics.audit_spool_degraded(false);
            tracing::info!(event = "audit_spool_restored", events = restored, "the outbox takes events again");
        }
        Ok(())
    }

    /// Gives up what is left; answers how many.
    pub(super) fn abandon(&self, metrics: &Metrics) -> usize {
        let lost = std::mem::take(&mut *self.rows()).len();
        for _ in 0..lost {
            metrics.audit_dropped(DropReason::Shutdown);
        }
        lost
    }
}
