//! One request at a time on behalf of the shipper: reads the events, marks the attempt, posts, and writes down what became
//! of each event before it reports. A crash at any point leaves marks from which the next start goes on.

use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use super::classify::{OutageClass, Verdict, verdict};
use super::config::AuditConfig;
use super::parcel::{Form, Item, Parcel, Part};
use super::quarantine::Verdicts;
use super::rules;
use super::schedule::{Cargo, Correlation, End, Report};
use crate::datastorage::{DataStorage, Delivery, Refused};
use crate::store::{OutboxChange, OutboxRow, QuarantineReason, Store, StoreError};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{AuditEndpoint, AuditWrite};

/// Body bytes of one request (audit §3.5).
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// What every request needs. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) store: Store,
    pub(super) datastorage: DataStorage,
    pub(super) config: Arc<AuditConfig>,
    pub(super) metrics: Metrics,
}

/// What is known of a request while it runs.
struct Run {
    removed: Vec<(Correlation, u64)>,
    reached: bool,
}

impl Run {
    fn remove(&mut self, correlation_id: &str) {
        self.count(correlation_id, |count| count.saturating_add(1));
    }

    /// Nothing of the lane is left.
    fn forget(&mut self, correlation_id: &str) {
        self.count(correlation_id, |_| u64::MAX);
    }

    fn count(&mut self, correlation_id: &str, change: impl FnOnce(u64) -> u64) {
        if let Some((_, count)) = self.removed.iter_mut().find(|(name, _)| **name == *correlation_id) {
            *count = change(*count);
        }
    }
}

impl Sender {
    /// One request with the oldest events of some lanes, none behind `until_seq`.
    pub(super) async fn send(self, cargo: Cargo, until_seq: i64) -> Report {
        let removed = cargo.lanes.iter().map(|lane| (Arc::clone(lane), 0)).collect();
        let mut run = Run { removed, reached: false };
        let end = match self.fit_for_sending(&cargo, until_seq, &mut run).await {
            Ok(items) => self.send_all(Parcel::new(items), &mut run).await,
            Err(error) => self.store_failed(&error),
        };
        Report { removed: run.removed, reached: run.reached, pause: cargo.pause, end }
    }

    /// Takes the oldest event of a lane out of its order.
    pub(super) async fn park(self, lane: Correlation, until_seq: i64, pause: u64) -> Report {
        let mut run = Run { removed: vec![(Arc::clone(&lane), 0)], reached: false };
        let parked = async {
            let rows = self.store.outbox_rows(&lane, until_seq, 1, REQUEST_BYTES_MAX).await?;
            let Some(row) = rows.first() else { return Ok(()) };
            let until = later(Timestamp::now(), self.config.suspect.retry);
            self.store.change_outbox(vec![OutboxChange::Park { seq: row.seq, until }]).await?;
            tracing::warn!(
                event = "audit_event_suspect",
                event_id = row.event_id,
                event_type = row.event_type,
                correlation_id = row.correlation_id,
                attempts = row.attempts,
                "an audit event fails alone while others succeed; it is tried again now and then"
            );
            run.remove(&lane);
            Ok(())
        };
        let end = match parked.await {
            Ok(()) => End::Clear,
            Err(error) => self.store_failed(&error),
        };
        Report { removed: run.removed, reached: false, pause, end }
    }

    /// Tries a suspect again. Its lane does not count it, so nothing is reported as removed.
    pub(super) async fn retry_suspect(self, lane: Correlation, row: OutboxRow, pause: u64) -> Report {
        let mut run = Run { removed: Vec::new(), reached: false };
        let until = later(Timestamp::now(), self.config.suspect.retry);
        let park = vec![OutboxChange::Park { seq: row.seq, until }];
        let end = match self.sort_out(vec![row], QuarantineReason::Suspect, &mut run).await {
            Ok(items) => self.send_all(Parcel::new(items), &mut run).await,
            Err(error) => self.store_failed(&error),
        };
        // Whatever is left of it goes back to its place; a row that is gone is not found.
        let end = match (self.store.change_outbox(park).await, end) {
            (Err(error), _) => self.store_failed(&error),
            (Ok(_), End::ServerError { .. } | End::Doubt { .. }) => End::Clear,
            (Ok(_), end) => end,
        };
        Report { removed: vec![(lane, 0)], reached: run.reached, pause, end }
    }

    /// The events of a request. What must not be sent goes to the quarantine here.
    async fn fit_for_sending(&self, cargo: &Cargo, until_seq: i64, run: &mut Run) -> Result<Part, StoreError> {
        let mut rows = Vec::new();
        let mut bytes = 0;
        for lane in &cargo.lanes {
            let places = cargo.events_max.saturating_sub(rows.len());
            let room = REQUEST_BYTES_MAX.saturating_sub(bytes);
            if places == 0 || (room == 0 && !rows.is_empty()) {
                break;
            }
            let places = u32::try_from(places).unwrap_or(u32::MAX);
            let found = match self.store.outbox_rows(lane, until_seq, places, room).await {
                Ok(found) => found,
                Err(error) if error.is_damage() => {
                    // Left to the next start, which saves what it can; the others go on.
                    self.store_failed(&error);
                    Vec::new()
                }
                Err(error) => return Err(error),
            };
            if found.is_empty() {
                // Somebody else took them, or a damaged index lost them: the lane is not to be tried for ever.
                run.forget(lane);
            }
            for mut row in found {
                if *row.correlation_id != **lane {
                    // The row was altered: it belongs to the lane it was found by.
                    (row.body, row.correlation_id) = (None, lane.as_ref().to_owned());
                }
                let size = row.body.as_ref().map_or(0, String::len);
                if bytes + size > REQUEST_BYTES_MAX && !rows.is_empty() {
                    break;
                }
                bytes += size;
                rows.push(row);
            }
        }
        self.sort_out(rows, QuarantineReason::Expired, run).await
    }

    /// Keeps what may be sent; the rest goes to the quarantine, `outdated` ones under that reason.
    async fn sort_out(
        &self,
        rows: Vec<OutboxRow>,
        outdated: QuarantineReason,
        run: &mut Run,
    ) -> Result<Part, StoreError> {
        let oldest = Timestamp::now().checked_sub(signed(self.config.age_max)).unwrap_or(Timestamp::MIN);
        let mut items = Vec::new();
        let mut unfit = Verdicts::default();
        for mut row in rows {
            match row.body.take().filter(|body| names(body, &row)) {
                None => {
                    self.metrics.audit_corrupt_records(1);
                    unfit.add(row, QuarantineReason::Altered, None, "the body is not the one that was recorded");
                }
                Some(_) if row.event_timestamp < oldest => {
                    unfit.add(row, outdated, None, "older than audit.max_age_hours");
                }
                Some(body) => items.push(Item { row, body, form: Form::AsRecorded }),
            }
        }
        self.condemn(unfit, run).await?;
        Ok(items)
    }

    async fn condemn(&self, verdicts: Verdicts, run: &mut Run) -> Result<(), StoreError> {
        let condemned = verdicts.carry_out(&self.store, &self.metrics).await?;
        for correlation_id in condemned {
            run.remove(&correlation_id);
        }
        Ok(())
    }

    async fn send_all(&self, mut parcel: Parcel, run: &mut Run) -> End {
        while let Some(part) = parcel.next() {
            match self.send_part(part, &mut parcel, run).await {
                Ok(None) => {}
                Ok(Some(end)) => return end,
                Err(error) => return self.store_failed(&error),
            }
        }
        End::Clear
    }

    /// Sends one part; `None` when the next one may follow.
    async fn send_part(&self, part: Part, parcel: &mut Parcel, run: &mut Run) -> Result<Option<End>, StoreError> {
        let seqs: Vec<i64> = part.iter().map(|item| item.row.seq).collect();
        let at = Timestamp::now();
        let ask_at = later(at, self.config.confirm.ambiguity_wait);
        self.store.change_outbox(vec![OutboxChange::Attempt { seqs: seqs.clone(), at, ask_at }]).await?;
        let (answer, sent) = (self.post(&part).await, Instant::now());
        let release = || self.store.change_outbox(vec![OutboxChange::Release { seqs: seqs.clone() }]);
        Ok(match answer {
            Verdict::Delivered => {
                run.reached = true;
                let delivered = OutboxChange::Delivered { seqs, at: Timestamp::now() };
                if let Err(error) = self.store.change_outbox(vec![delivered]).await {
                    self.store_failed(&error);
                    return Ok(Some(doubt(&part, sent + self.config.spool.reopen_interval, false)));
                }
                self.count_delivered(&part, run);
                None
            }
            Verdict::Accepted => {
                let wait = self.config.accepted_waits().first().copied().unwrap_or_default();
                let ask_at = later(Timestamp::now(), wait);
                self.metrics.audit_unconfirmed(part.len());
                let unconfirmed = OutboxChange::Unconfirmed { seqs, asked: 0, ask_at };
                if let Err(error) = self.store.change_outbox(vec![unconfirmed]).await {
                    // The mark of the attempt is enough for the question.
                    self.store_failed(&error);
                }
                Some(doubt(&part, sent + wait, false))
            }
            Verdict::Ambiguous => {
                self.failed("ambiguous");
                Some(doubt(&part, sent + self.config.confirm.ambiguity_wait, true))
            }
            Verdict::Outage(outage) => {
                self.failed(outage.class.as_str());
                release().await?;
                Some(End::Outage(outage))
            }
            Verdict::ServerError => {
                self.failed("server_error");
                release().await?;
                Some(End::ServerError { lanes: lanes(&part), events: part.len() })
            }
            Verdict::Poison { index, refused, expired } => {
                self.failed("poison");
                release().await?;
                let reason = if expired { QuarantineReason::Expired } else { QuarantineReason::Validation };
                self.refused(part, index, (reason, refused), parcel, run).await?;
                None
            }
            Verdict::TooLarge(refused) => {
                self.failed("too_large");
                release().await?;
                match part.len() {
                    0 | 1 => self.refused(part, None, (QuarantineReason::TooLarge, refused), parcel, run).await?,
                    _ => parcel.halve(part),
                }
                None
            }
        })
    }

    async fn post(&self, part: &Part) -> Verdict {
        let bodies: Vec<&str> = part.iter().map(|item| item.body.as_str()).collect();
        let began = Instant::now();
        let delivery = timeout(self.config.http_timeout, self.datastorage.post_events(&bodies)).await;
        self.metrics.audit_request(began.elapsed());
        tracing::debug!(
            event = "audit_flush",
            events = bodies.len(),
            duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "audit events sent"
        );
        let delivery = delivery.unwrap_or_else(|_| Delivery::Ambiguous("no answer in time".to_owned()));
        verdict(delivery, !self.config.accepted_waits().is_empty())
    }

    /// A refused part is taken apart; a single event is repaired once, then given up.
    async fn refused(
        &self,
        mut part: Part,
        index: Option<usize>,
        (reason, refused): (QuarantineReason, Refused),
        parcel: &mut Parcel,
        run: &mut Run,
    ) -> Result<(), StoreError> {
        if part.len() > 1 {
            parcel.separate(part, index);
            return Ok(());
        }
        let Some(item) = part.pop() else { return Ok(()) };
        let repaired = match (item.form, reason) {
            (Form::AsRecorded, QuarantineReason::Validation | QuarantineReason::TooLarge) => {
                rules::minimal(&item.body, self.config.schema_profile)
            }
            _ => None,
        };
        match repaired {
            Some(body) => parcel.again(Item { body, form: Form::Minimal, ..item }),
            None => {
                let mut verdicts = Verdicts::default();
                verdicts.add(item.row, reason, Some(refused.status), &refused.detail);
                self.condemn(verdicts, run).await?;
            }
        }
        Ok(())
    }

    fn count_delivered(&self, part: &Part, run: &mut Run) {
        let endpoint = if part.len() == 1 { AuditEndpoint::Single } else { AuditEndpoint::Batch };
        self.metrics.audit_write(AuditWrite::Success);
        for item in part {
            run.remove(&item.row.correlation_id);
            self.metrics.audit_written(&item.row.event_type, endpoint);
            if item.form == Form::Minimal {
                self.metrics.audit_repaired();
            }
        }
    }

    fn failed(&self, class: &'static str) {
        self.metrics.audit_write(AuditWrite::Failure);
        self.metrics.audit_batch_failed(class);
    }

    fn store_failed(&self, error: &StoreError) -> End {
        self.store.distrust(error);
        tracing::error!(event = "audit_outbox_unavailable", error = %error, "the outbox cannot be used; delivery pauses");
        End::StoreFailed
    }
}

/// Every class of a failed request, for the metric.
pub(super) const FAILURE_CLASSES: [&str; 10] = [
    "ambiguous",
    "server_error",
    "poison",
    "too_large",
    OutageClass::Unreachable.as_str(),
    OutageClass::Unavailable.as_str(),
    OutageClass::Unauthorized.as_str(),
    OutageClass::Forbidden.as_str(),
    OutageClass::WrongServer.as_str(),
    OutageClass::ClockSkew.as_str(),
];

/// Whether the body is that of an event with the row's identity: the digest does not cover the other columns.
fn names(body: &str, row: &OutboxRow) -> bool {
    let states = |member: &str, value: &str| {
        serde_json::to_string(value).is_ok_and(|value| body.contains(&format!("\"{member}\":{value}")))
    };
    states("event_id", &row.event_id)
        && states("correlation_id", &row.correlation_id)
        && states("event_type", &row.event_type)
}

fn lanes(part: &Part) -> Vec<Correlation> {
    let mut lanes: Vec<Correlation> = Vec::new();
    for item in part {
        if !lanes.iter().any(|lane| **lane == *item.row.correlation_id) {
            lanes.push(item.row.correlation_id.as_str().into());
        }
    }
    lanes
}

fn doubt(part: &Part, ask_at: Instant, answer_lost: bool) -> End {
    End::Doubt { lanes: lanes(part), ask_at, answer_lost }
}

pub(super) fn signed(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

pub(super) fn later(at: Timestamp, wait: std::time::Duration) -> Timestamp {
    at.checked_add(signed(wait)).unwrap_or(Timestamp::MAX)
}
