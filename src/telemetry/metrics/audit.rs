//! What happens to audit events between recording and delivery.

use std::time::Duration;

use super::labels::{AuditEndpoint, AuditWrite};
use super::{Metrics, gauge_value};

/// The outbox and the quarantine as measured.
#[derive(Debug, Clone, Copy)]
pub struct AuditOutbox {
    pub events: u64,
    pub bytes: u64,
    pub bytes_max: u64,
    /// How long the oldest event waits.
    pub oldest: Duration,
    pub quarantined: u64,
}

impl Metrics {
    /// Creates the series of these reasons and classes at zero. Called once with the closed sets of the audit trail.
    pub fn declare_audit_delivery(&self, reasons: &[&'static str], classes: &[&'static str]) {
        let families = &self.0.families.audit;
        for reason in reasons {
            families.quarantined.with_label_values(&[reason]);
        }
        for class in classes {
            families.batches_failed.with_label_values(&[class]);
        }
    }

    /// A recorded event became durable.
    pub fn audit_committed(&self, duration: Duration) {
        self.0.families.audit.commit_seconds.observe(duration.as_secs_f64());
    }

    /// A request with events ended, whatever its answer.
    pub fn audit_request(&self, duration: Duration) {
        self.0.families.audit.flush_seconds.observe(duration.as_secs_f64());
    }

    /// A request with events was taken, or not.
    pub fn audit_write(&self, result: AuditWrite) {
        self.0.families.audit.writes.with_label_values(&[result.as_str()]).inc();
    }

    /// An event was delivered.
    pub fn audit_written(&self, event_type: &str, endpoint: AuditEndpoint) {
        self.0.families.audit.written.with_label_values(&[event_type, endpoint.as_str()]).inc();
    }

    /// A request with events failed; `class` is from a closed list.
    pub fn audit_batch_failed(&self, class: &str) {
        self.0.families.audit.batches_failed.with_label_values(&[class]).inc();
    }

    /// An event went into quarantine; `reason` is from a closed list.
    pub fn audit_quarantined(&self, reason: &str) {
        self.0.families.audit.quarantined.with_label_values(&[reason]).inc();
    }

    /// An event was delivered in a shorter form.
    pub fn audit_repaired(&self) {
        self.0.families.audit.repaired.inc();
    }

    /// Events were taken and not yet shown as stored.
    pub fn audit_unconfirmed(&self, events: usize) {
        self.0.families.audit.unconfirmed.inc_by(events as u64);
    }

    /// Events whose answer was lost turned out to be stored.
    pub fn audit_duplicates_suppressed(&self, events: usize) {
        self.0.families.audit.duplicates_suppressed.inc_by(events as u64);
    }

    /// An earlier process left these events.
    pub fn audit_recovered(&self, events: u64) {
        self.0.families.audit.recovered.inc_by(events);
    }

    /// Stored events were altered or cannot be read.
    pub fn audit_corrupt_records(&self, events: u64) {
        self.0.families.audit.corrupt.inc_by(events);
    }

    /// Whether events are kept in memory only because the store takes none.
    pub fn audit_spool_degraded(&self, degraded: bool) {
        self.0.families.audit.spool_degraded.set(i64::from(degraded));
    }

    /// The outbox was measured.
    pub fn audit_outbox(&self, outbox: AuditOutbox) {
        /// Size of an event when there is none to measure.
        const TYPICAL_BYTES: u64 = 2 * 1024;
        let families = &self.0.families.audit;
        let gauge = |count: u64| gauge_value(usize::try_from(count).unwrap_or(usize::MAX));
        let typical = outbox.bytes.checked_div(outbox.events).unwrap_or(TYPICAL_BYTES).max(1);
        families.buffer_events.set(gauge(outbox.events));
        families.buffer_capacity.set(gauge(outbox.bytes_max / typical));
        families.spool_bytes.set(gauge(outbox.bytes));
        families.spool_oldest_seconds.set(gauge(outbox.oldest.as_secs()));
        families.quarantine_events.set(gauge(outbox.quarantined));
    }
}
