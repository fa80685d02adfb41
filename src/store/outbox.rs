//! The outbox and the quarantine behind the handle.

use jiff::Timestamp;

use super::rows::{
    Arrival, AuditQuery, DoubtfulRow, OutboxChange, OutboxRow, OutboxTotals, QuarantinedEvent, WaitingEvent,
};
use super::writer::Write;
use super::{Store, StoreError, StoreLocation, location, sqlite};

impl Store {
    /// Applies changes to the outbox, all or none; answers the number of rows affected.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn change_outbox(&self, changes: Vec<OutboxChange>) -> Result<u64, StoreError> {
        self.permit().await?.queue(Write::ChangeOutbox(changes)).committed().await
    }

    /// Removes quarantined events older than `before`, then the oldest until their bodies fit into `bytes_max`, a bounded
    /// number of rows per call; answers how many went.
    ///
    /// # Errors
    /// Nothing was removed.
    pub async fn prune_quarantine(&self, before: Timestamp, bytes_max: u64) -> Result<u64, StoreError> {
        /// Rows of each kind per call.
        const ROWS_MAX: u32 = 1_000;
        let prune = Write::PruneQuarantine { before, bytes_max, rows_max: ROWS_MAX };
        self.permit().await?.queue(prune).committed().await
    }

    /// Events of the outbox behind `after_seq`, oldest first, suspects left out.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn arrivals(&self, after_seq: i64, rows_max: u32) -> Result<Vec<Arrival>, StoreError> {
        sqlite::arrivals(&self.0.readers, after_seq, rows_max).await
    }

    /// The oldest events of a correlation up to `until_seq` while their bodies fit into `bytes_max`, at least one;
    /// suspects left out.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn outbox_rows(
        &self,
        correlation_id: &str,
        until_seq: i64,
        rows_max: u32,
        bytes_max: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        sqlite::outbox_rows(&self.0.readers, correlation_id, until_seq, rows_max, bytes_max).await
    }

    /// The suspect that is due first, if any is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn due_suspect(&self, now: Timestamp) -> Result<Option<OutboxRow>, StoreError> {
        sqlite::due_suspect(&self.0.readers, now).await
    }

    /// When the next suspect is due.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn next_suspect_at(&self) -> Result<Option<Timestamp>, StoreError> {
        sqlite::next_suspect_at(&self.0.readers).await
    }

    /// Events of a correlation whose fate at the receiver is not known, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn doubtful(&self, correlation_id: &str, rows_max: u32) -> Result<Vec<DoubtfulRow>, StoreError> {
        sqlite::doubtful(&self.0.readers, correlation_id, rows_max).await
    }

    /// How much outbox and quarantine hold.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn outbox_totals(&self) -> Result<OutboxTotals, StoreError> {
        sqlite::outbox_totals(&self.0.readers).await
    }

    /// Events waiting for delivery, in the order they were recorded.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn waiting_events(&self, query: &AuditQuery) -> Result<Vec<WaitingEvent>, StoreError> {
        sqlite::waiting_events(&self.0.readers, query).await
    }

    /// Events in quarantine, in the order they came there.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn quarantined_events(&self, query: &AuditQuery) -> Result<Vec<QuarantinedEvent>, StoreError> {
        sqlite::quarantined_events(&self.0.readers, query).await
    }

    /// Moves an event from the quarantine back to the end of the outbox, beside a serving process, which picks it up.
    /// Answers whether there was such an event.
    ///
    /// # Errors
    /// The database cannot be opened or written; the event stays where it was.
    pub async fn requeue(location: &StoreLocation, event_id: &str) -> Result<bool, StoreError> {
        let files = location::Files::borrow(location)?;
        sqlite::requeue_beside(&files.database, event_id, Timestamp::now()).await
    }
}
