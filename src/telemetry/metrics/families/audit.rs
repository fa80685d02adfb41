//! Families of the audit trail's delivery (operations §4.4, audit §3.10).

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::{DEFAULT_SECONDS, MetricsError, Registrar};
use crate::telemetry::metrics::labels::AuditWrite;

#[derive(Debug)]
pub(in crate::telemetry::metrics) struct AuditFamilies {
    pub(in crate::telemetry::metrics) buffer_events: IntGauge,
    pub(in crate::telemetry::metrics) buffer_capacity: IntGauge,
    pub(in crate::telemetry::metrics) writes: IntCounterVec,
    pub(in crate::telemetry::metrics) flush_seconds: Histogram,
    pub(in crate::telemetry::metrics) commit_seconds: Histogram,
    pub(in crate::telemetry::metrics) written: IntCounterVec,
    pub(in crate::telemetry::metrics) batches_failed: IntCounterVec,
    pub(in crate::telemetry::metrics) quarantined: IntCounterVec,
    pub(in crate::telemetry::metrics) repaired: IntCounter,
    pub(in crate::telemetry::metrics) unconfirmed: IntCounter,
    pub(in crate::telemetry::metrics) duplicates_suppressed: IntCounter,
    pub(in crate::telemetry::metrics) recovered: IntCounter,
    pub(in crate::telemetry::metrics) corrupt: IntCounter,
    pub(in crate::telemetry::metrics) spool_bytes: IntGauge,
    pub(in crate::telemetry::metrics) spool_oldest_seconds: IntGauge,
    pub(in crate::telemetry::metrics) spool_degraded: IntGauge,
    pub(in crate::telemetry::metrics) quarantine_events: IntGauge,
}

impl AuditFamilies {
    pub(super) fn register(r: &Registrar) -> Result<Self, MetricsError> {
        let families = Self {
            buffer_events: r.gauge("aiagent_api_audit_buffer_events", "Audit events waiting for delivery")?,
            buffer_capacity: r.gauge(
                "aiagent_api_audit_buffer_capacity",
                "Audit events that could wait, of the size of those that do",
            )?,
            writes: r.counters("aiagent_api_audit_writes_total", "Requests with audit events", &["result"])?,
            flush_seconds: r.histogram(
                "aiagent_api_audit_flush_duration_seconds",
                "Wall time of a request with audit events",
                DEFAULT_SECONDS,
            )?,
            commit_seconds: r.histogram(
                "audit_commit_duration_seconds",
                "Time until a recorded audit event is durable",
                DEFAULT_SECONDS,
            )?,
            written: r.counters("audit_events_written_total", "Audit events delivered", &["event_type", "endpoint"])?,
            batches_failed: r.counters(
                "audit_batches_failed_total",
                "Requests with audit events that failed, by class",
                &["class"],
            )?,
            quarantined: r.counters(
                "audit_events_quarantined_total",
                "Audit events that cannot be delivered and are kept",
                &["reason"],
            )?,
            repaired: r.counter("audit_events_repaired_total", "Audit events delivered in a shorter form")?,
            unconfirmed: r
                .counter("audit_events_unconfirmed_total", "Audit events taken and not yet shown as stored")?,
            duplicates_suppressed: r
                .counter("audit_duplicates_suppressed_total", "Audit events found stored and not sent again")?,
            recovered: r.counter("audit_recovered_events_total", "Audit events an earlier process left")?,
            corrupt: r.counter("audit_corrupt_records_total", "Audit events whose stored body was altered")?,
            spool_bytes: r.gauge("audit_spool_bytes", "Bytes of audit events waiting for delivery")?,
            spool_oldest_seconds: r.gauge("audit_spool_oldest_seconds", "How long the oldest audit event waits")?,
            spool_degraded: r.gauge("audit_spool_degraded", "1 while audit events are kept in memory only")?,
            quarantine_events: r.gauge("audit_quarantine_events", "Audit events in quarantine")?,
        };
        for result in AuditWrite::ALL {
            families.writes.with_label_values(&[result.as_str()]);
        }
        Ok(families)
    }
}
