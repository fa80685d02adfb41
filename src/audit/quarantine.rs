//! Events that cannot be delivered are kept for a person (audit §3.6): moved out of the way of the others, counted, told
//! at ERROR without their content.

use jiff::Timestamp;

use super::config::SpoolConfig;
use super::sender::signed;
use crate::store::{OutboxChange, OutboxRow, QuarantineReason, Store, StoreError};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::DropReason;

/// Most that is kept of what the receiver said, in bytes.
const PROBLEM_BYTES_MAX: usize = 2 * 1024;

/// Events to be moved together.
#[derive(Debug, Default)]
pub(super) struct Verdicts(Vec<(OutboxRow, QuarantineReason, OutboxChange)>);

impl Verdicts {
    /// `problem` may quote the event: it is kept with it and shown nowhere else.
    pub(super) fn add(&mut self, row: OutboxRow, reason: QuarantineReason, status: Option<u16>, problem: &str) {
        let problem = problem.get(..problem.floor_char_boundary(PROBLEM_BYTES_MAX)).unwrap_or_default().to_owned();
        let change = OutboxChange::Quarantine { seq: row.seq, reason, status, problem, at: Timestamp::now() };
        self.0.push((row, reason, change));
    }

    /// Moves them; answers the correlation of each.
    ///
    /// # Errors
    /// None was moved.
    pub(super) async fn carry_out(self, store: &Store, metrics: &Metrics) -> Result<Vec<String>, StoreError> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let (told, changes): (Vec<_>, Vec<_>) =
            self.0.into_iter().map(|(row, reason, change)| ((row, reason), change)).unzip();
        store.change_outbox(changes).await?;
        for (row, reason) in &told {
            metrics.audit_quarantined(reason.as_str());
            tracing::error!(
                event = "audit_event_quarantined",
                reason = reason.as_str(),
                event_id = row.event_id,
                event_type = row.event_type,
                correlation_id = row.correlation_id,
                attempts = row.attempts,
                "an audit event cannot be delivered and is kept in quarantine: see `audit list --quarantine`"
            );
        }
        Ok(told.into_iter().map(|(row, _)| row.correlation_id).collect())
    }
}

/// Keeps the quarantine within its bounds.
pub(super) async fn prune(store: &Store, config: &SpoolConfig, metrics: &Metrics) {
    let before = Timestamp::now().checked_sub(signed(config.quarantine_age_max)).unwrap_or(Timestamp::MIN);
    match store.prune_quarantine(before, config.quarantine_bytes_max).await {
        Ok(0) => {}
        Ok(events) => {
            for _ in 0..events {
                metrics.audit_dropped(DropReason::Rejected);
            }
            tracing::error!(event = "audit_event_dropped", events, "the oldest events of a full quarantine are gone");
        }
        Err(error) => {
            tracing::warn!(event = "audit_prune_failed", error = %error, "old quarantined events stay for now");
        }
    }
}
