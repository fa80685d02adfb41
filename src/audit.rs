//! The audit trail: what happened in each investigation, as typed events, recorded durably (audit specification).
//!
//! ```text
//! record ─► store (group commit) ─► shipper ─► sender × k ─► DataStorage
//!              ▲                    (schedule)     │
//!              └── what became of each event ◄─────┘─► quarantine
//! ```
//!
//! [`AuditTrail::record`] returns after the event is committed to the store and never does network I/O. An event gets
//! its identity once, here, and its time in the same step in which it enters the write queue, so time order and commit
//! order are the same. Audit never decides the outcome of an investigation: callers log a failure and go on.

mod backpressure;
mod circuit;
mod classify;
mod clock;
mod config;
mod confirm;
mod content;
mod delivery;
mod envelope;
mod event;
mod fallback;
mod local;
mod parcel;
mod profile;
mod quarantine;
mod response;
pub mod rules;
mod schedule;
mod security;
mod sender;
mod shipper;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use serde_json::value::to_raw_value;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

pub use backpressure::{Reservation, SpoolFull};
pub use config::{AuditConfig, AuditSink, BackoffConfig, ConfirmConfig, LocalAuditConfig, SpoolConfig, SuspectConfig};
pub use event::{AccessRefusal, AuditEvent, AuditSubject, Excerpt, Payload, RcaFinding, SessionEnd};
pub use profile::Profile;
pub use security::SecurityAudit;

use crate::datastorage::DataStorage;
use crate::settings::Setting;
use crate::store::{AuditRow, AuditTable, FinalState, QuarantineReason, Store, StoreError, WritePermit};
use crate::telemetry::Metrics;
use backpressure::Spool;
use clock::EventClock;
use delivery::Delivery;
use local::LocalTable;
use sender::Sender;

/// Handle through which every event is recorded. Clones share it.
#[derive(Debug, Clone)]
pub struct AuditTrail(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    profile: Profile,
    settings: Setting<AuditConfig>,
    sink: Sink,
    metrics: Metrics,
    clock: Mutex<EventClock>,
}

/// What becomes of a recorded event.
#[derive(Debug)]
enum Sink {
    Local(LocalTable),
    Outbox {
        delivery: Arc<Delivery>,
        /// Ends with the trail.
        shipper: Mutex<Option<AbortOnDropHandle<()>>>,
    },
}

/// Why no incident can be accepted, or what an operator should know (audit §3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditFault {
    /// The outbox is above its high-water mark.
    SpoolFull,
    /// An event waits longer than `audit.readiness_max_age_seconds`.
    Overdue,
    /// Nobody delivers.
    NotDelivering,
}

impl AuditFault {
    pub const ALL: [Self; 3] = [Self::SpoolFull, Self::Overdue, Self::NotDelivering];

    /// Reason word of readiness.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SpoolFull => "audit_spool_full",
            Self::Overdue => "audit_delivery_overdue",
            Self::NotDelivering => "audit_unavailable",
        }
    }
}

impl AuditTrail {
    /// Opens the trail for recording. With `audit.sink: datastorage` nothing is delivered before [`Self::deliver_to`].
    ///
    /// # Errors
    /// [`AuditError::Store`] when what an earlier process left cannot be read.
    pub async fn open(config: &AuditConfig, store: Store, metrics: Metrics) -> Result<Self, AuditError> {
        metrics.declare_audit_events(config.schema_profile.event_types());
        let clock = EventClock::after(store.newest_event_timestamp().await?);
        let sink = match config.sink {
            AuditSink::Local => Sink::Local(LocalTable::new(&config.local)),
            AuditSink::DataStorage => {
                metrics.declare_audit_delivery(
                    &QuarantineReason::ALL.map(QuarantineReason::as_str),
                    &sender::FAILURE_CLASSES,
                );
                if let Some(salvage) = store.salvage() {
                    metrics.audit_corrupt_records(salvage.unreadable);
                }
                let totals = store.outbox_totals().await?;
                metrics.audit_recovered(totals.events);
                if totals.events > 0 {
                    tracing::info!(
                        event = "audit_recovered",
                        events = totals.events,
                        "audit events of an earlier process wait"
                    );
                }
                let delivery = Arc::new(Delivery::new(Spool::new(&config.spool, totals.bytes)));
                Sink::Outbox { delivery, shipper: Mutex::new(None) }
            }
        };
        let (profile, settings) = (config.schema_profile, Setting::new(config.clone()));
        Ok(Self(Arc::new(Inner { store, profile, settings, sink, metrics, clock: Mutex::new(clock) })))
    }

    /// Delivers otherwise from the next request on (operations §2.5). Sink, profile and bounds of the outbox stay as they are.
    pub fn set_config(&self, config: &AuditConfig) {
        self.0.settings.set(config.clone());
    }

    /// Begins to deliver what waits and what will be recorded. Without effect for `audit.sink: local`.
    pub fn deliver_to(&self, datastorage: DataStorage) {
        let Sink::Outbox { delivery, shipper } = &self.0.sink else { return };
        let sender = Sender {
            store: self.0.store.clone(),
            datastorage,
            config: self.0.settings.get(),
            metrics: self.0.metrics.clone(),
        };
        let task = tokio::spawn(shipper::run(sender, self.0.settings.clone(), Arc::clone(delivery)));
        *shipper.lock().unwrap_or_else(PoisonError::into_inner) = Some(AbortOnDropHandle::new(task));
    }

    /// Delivers what was recorded for up to `audit.drain_timeout_seconds`, then stops delivering; answers how many events
    /// are left to the next start. Recording goes on working.
    pub async fn drain(&self) -> u64 {
        let Sink::Outbox { delivery, shipper } = &self.0.sink else { return 0 };
        let is_delivering = shipper.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if is_delivering && timeout(self.0.settings.get().drain_timeout, delivery.drained()).await.is_err() {
            tracing::warn!(event = "audit_flush_timeout", "undelivered audit events are left to the next start");
        }
        self.stop_delivery();
        if delivery.fallback.restore(&self.0.store, &self.0.metrics).await.is_err() {
            let events = delivery.fallback.abandon(&self.0.metrics);
            tracing::error!(
                event = "audit_event_dropped",
                events,
                "events kept in memory are lost: the disk takes none"
            );
        }
        match self.0.store.outbox_totals().await {
            Ok(totals) => totals.events,
            Err(_) => delivery.standing().waiting,
        }
    }

    /// Stops delivering at once, as a crash would: requests under way are in doubt, the next start asks for them.
    pub fn stop_delivery(&self) {
        if let Sink::Outbox { shipper, .. } = &self.0.sink {
            drop(shipper.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    /// Sets room aside for the events of one investigation, until the answer is dropped. Never fails: whoever was
    /// accepted may run.
    pub fn reserve(&self) -> Reservation {
        match &self.0.sink {
            Sink::Local(_) => Reservation::unlimited(),
            Sink::Outbox { delivery, .. } => delivery.spool.reserve(),
        }
    }

    /// Whether the trail of another incident would have room.
    ///
    /// # Errors
    /// The outbox is above its high-water mark, or everything up to its bound is set aside.
    pub fn admits(&self) -> Result<(), SpoolFull> {
        match &self.0.sink {
            Sink::Local(_) => Ok(()),
            Sink::Outbox { delivery, .. } => delivery.spool.admits(),
        }
    }

    /// What readiness has to tell now.
    pub fn faults(&self) -> Vec<AuditFault> {
        let Sink::Outbox { delivery, .. } = &self.0.sink else { return Vec::new() };
        let (standing, age_max) = (delivery.standing(), self.0.settings.get().readiness_age_max);
        let present = |fault: &AuditFault| match fault {
            AuditFault::SpoolFull => delivery.spool.is_above_high_water(),
            AuditFault::Overdue => standing.oldest > age_max,
            AuditFault::NotDelivering => !standing.alive,
        };
        AuditFault::ALL.into_iter().filter(present).collect()
    }

    /// Records one event; when this returns, it survives a crash. Nothing happens when the schema profile has no such
    /// event.
    ///
    /// # Errors
    /// The event is not recorded; while the disk fails it is kept in memory, to be recorded later. To be logged, never to
    /// change a result.
    pub async fn record(&self, event: AuditEvent) -> Result<(), AuditError> {
        if !event.payload.kind().exists_in(self.0.profile) {
            return Ok(());
        }
        let Sink::Outbox { delivery, .. } = &self.0.sink else {
            return self.commit(event, WritePermit::record_event).await.map(drop);
        };
        let mut copy = None;
        let recorded = self.commit(event, |permit, row| {
            copy = Some(row.clone());
            permit.record_event(row)
        });
        let recorded = recorded.await.map(drop);
        if let (Err(AuditError::Store(StoreError::Write(_))), Some(row)) = (&recorded, copy) {
            delivery.fallback.keep(row, &self.0.metrics);
        }
        recorded
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
        if let Sink::Outbox { delivery, .. } = &self.0.sink
            && !delivery.fallback.is_empty()
        {
            // Older events first. Should this fail, so will what follows.
            let _ = delivery.fallback.restore(&self.0.store, &self.0.metrics).await;
        }
        let began = Instant::now();
        let event_type = event.payload.event_type();
        let event_id = Uuid::new_v4();
        let profile = self.0.profile;
        let data = to_raw_value(&envelope::event_data(&event, event_id, profile))?;
        let table = self.0.sink.table();
        let permit = self.0.store.permit().await?;
        let (receipt, bytes) = {
            // Held from taking the time until the row is queued: see the module's promise about order.
            let mut clock = self.0.clock.lock().unwrap_or_else(PoisonError::into_inner);
            let event_timestamp = clock.next(Timestamp::now());
            let body = envelope::body(&event, event_timestamp, &data, profile)?;
            let correlation_id = envelope::correlation_id(&event).to_owned();
            let bytes = body.len() as u64;
            (queue(permit, AuditRow { table, event_id, correlation_id, event_type, event_timestamp, body }), bytes)
        };
        let affected = receipt.committed().await?;
        if affected > 0 {
            self.0.metrics.audit_committed(began.elapsed());
            self.0.metrics.audit_emitted(event_type);
        }
        match &self.0.sink {
            Sink::Local(local) => local.grew(bytes, &self.0.store).await,
            Sink::Outbox { delivery, .. } if affected > 0 => delivery.recorded(bytes, event.payload.is_terminal()),
            Sink::Outbox { .. } => {}
        }
        Ok(affected)
    }
}

impl Sink {
    fn table(&self) -> AuditTable {
        match self {
            Self::Local(_) => AuditTable::Local,
            Self::Outbox { .. } => AuditTable::Outbox,
        }
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
}
