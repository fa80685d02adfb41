//! Delivery: one task that owns the [`Schedule`] and runs its requests. The store is the truth; this task can be killed or
//! started again at any moment and goes on from what is written there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::circuit::State;
use super::classify::OutageClass;
use super::config::AuditConfig;
use super::delivery::{Delivery, Standing};
use super::quarantine;
use super::schedule::{Answer, Cargo, Correlation, End, Report, Schedule, Step};
use super::sender::Sender;
use crate::retry::jitter;
use crate::settings::{Changes, Setting};
use crate::store::{Arrival, OutboxState, OutboxTotals};
use crate::telemetry::metrics::AuditOutbox;

/// Events met in one look at the store.
const ARRIVALS_MAX: u32 = 1_000;
/// Least time between two looks at the store for events that nobody hurries.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// After a fault of this program.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
/// Least time between two measurements of the outbox.
const MEASURE_INTERVAL: Duration = Duration::from_millis(200);
/// Between two looks at the bounds of the quarantine.
const PRUNE_INTERVAL: Duration = Duration::from_mins(1);
/// Longest wait taken over from the marks of an earlier process, whose clock may have been another.
const INHERITED_WAIT_MAX: Duration = Duration::from_mins(15);
/// Name of the circuit in metrics and logs.
const CIRCUIT: &str = "audit";

/// Runs the delivery until dropped; a fault of it is told and it starts again from the store.
pub(super) async fn run(sender: Sender, settings: Setting<AuditConfig>, delivery: Arc<Delivery>) {
    loop {
        // Subscribed first: no change is missed.
        let changes = settings.changes();
        let sender = Sender { config: settings.get(), ..sender.clone() };
        let shipper = Shipper::new(sender, changes, Arc::clone(&delivery));
        let ended = AbortOnDropHandle::new(tokio::spawn(shipper.run())).await;
        delivery.set(|standing| standing.alive = false);
        tracing::error!(event = "audit_delivery_failed", error = ?ended.err(), "delivery of audit events starts again");
        sleep(RESTART_PAUSE).await;
    }
}

/// What comes back from a task.
enum Returned {
    Sent(Report),
    Asked { lane: Correlation, pause: u64, answer: Answer },
}

struct Shipper {
    /// With the settings that count; each request keeps those it began with.
    sender: Sender,
    changes: Changes<AuditConfig>,
    delivery: Arc<Delivery>,
    schedule: Schedule,
    requests: JoinSet<Returned>,
    /// Newest event met.
    cursor: i64,
    /// Whether the store may hold events not met yet.
    unmet: bool,
    /// No look at the store before, after it failed.
    reopen_at: Option<Instant>,
    /// No look at the store before: it was looked at just now, or there is no room for what it holds.
    look_at: Option<Instant>,
    suspect_at: Option<Timestamp>,
    measured_at: Option<Instant>,
    pruned_at: Option<Instant>,
    told: Told,
}

/// What was logged, so that it is logged once.
#[derive(Debug, Default)]
struct Told {
    circuit_open: bool,
    /// The kind of outage a person was called for.
    alarm: Option<OutageClass>,
    /// Days the oldest event waits: 0, 1 or 5.
    days: i64,
}

impl Shipper {
    fn new(sender: Sender, changes: Changes<AuditConfig>, delivery: Arc<Delivery>) -> Self {
        let schedule = Schedule::new(&sender.config);
        Self {
            sender,
            changes,
            delivery,
            schedule,
            requests: JoinSet::new(),
            cursor: 0,
            unmet: true,
            reopen_at: None,
            look_at: None,
            suspect_at: None,
            measured_at: None,
            pruned_at: None,
            told: Told::default(),
        }
    }

    /// Ends only when a request panics.
    async fn run(mut self) -> String {
        let mut poll = self.poll();
        let mut draining = false;
        self.delivery.set(|standing| standing.alive = true);
        loop {
            self.meet_arrivals().await;
            let wait = self.dispatch().await;
            self.measure_when_due().await;
            if draining && self.is_idle() {
                self.delivery.set(|standing| standing.drained = true);
            }
            let until = wait.unwrap_or_else(|| Instant::now() + self.sender.config.poll_interval);
            let until = self.next_look().filter(|_| self.unmet).map_or(until, |at| at.min(until));
            tokio::select! {
                Some(returned) = self.requests.join_next() => match returned {
                    Ok(returned) => self.take_in(returned),
                    Err(lost) => return lost.to_string(),
                },
                () = self.delivery.wake.notified() => {
                    self.unmet = true;
                    if self.delivery.take_hurry() {
                        self.schedule.hurry();
                        self.look_at = None;
                    }
                }
                () = self.delivery.draining.cancelled(), if !draining => {
                    draining = true;
                    self.unmet = true;
                    self.look_at = None;
                    self.schedule.drain();
                }
                config = self.changes.next() => {
                    self.sender.config = config;
                    self.schedule.set_pace(&self.sender.config);
                    poll = self.poll();
                }
                _ = poll.tick() => self.look_around().await,
                () = sleep_until(until.into()) => {}
            }
        }
    }

    fn poll(&self) -> Interval {
        let mut poll = interval(self.sender.config.poll_interval);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll
    }

    fn is_idle(&self) -> bool {
        !self.unmet && self.requests.is_empty() && self.schedule.is_idle()
    }

    /// When the store may be looked at again.
    fn next_look(&self) -> Option<Instant> {
        self.look_at.max(self.reopen_at)
    }

    /// Tells the schedule of events it has not met.
    async fn meet_arrivals(&mut self) {
        let now = Instant::now();
        if !self.unmet || self.next_look().is_some_and(|at| at > now) {
            return;
        }
        self.look_at = Some(now + LOOK_INTERVAL);
        while self.unmet {
            let arrivals = match self.sender.store.arrivals(self.cursor, ARRIVALS_MAX).await {
                Ok(arrivals) => arrivals,
                Err(error) => {
                    self.sender.store.distrust(&error);
                    tracing::error!(event = "audit_outbox_unavailable", error = %error, "the outbox cannot be read");
                    self.reopen_at = Some(now + self.sender.config.spool.reopen_interval);
                    return;
                }
            };
            self.reopen_at = None;
            self.unmet = arrivals.len() == usize::try_from(ARRIVALS_MAX).unwrap_or(usize::MAX);
            let wall = Timestamp::now();
            for arrival in arrivals {
                let ask_at = inherited(&arrival, wall, now);
                if !self.schedule.arrived(&arrival.correlation_id, arrival.seq, ask_at, now) {
                    // No room for another correlation: go on when a lane is done.
                    self.unmet = true;
                    self.look_at = Some(now + self.sender.config.poll_interval);
                    return;
                }
                self.cursor = arrival.seq;
            }
        }
    }

    /// Starts whatever may start; answers when to look again.
    async fn dispatch(&mut self) -> Option<Instant> {
        self.try_suspect().await;
        loop {
            let (sender, until_seq) = (self.sender.clone(), self.cursor);
            let pause = self.schedule.pause();
            match self.schedule.next(Instant::now()) {
                Step::Send(cargo) => self.spawn_send(cargo),
                Step::Ask(lane) => {
                    self.requests.spawn(async move {
                        let answer = sender.ask(Arc::clone(&lane)).await;
                        Returned::Asked { lane, pause, answer }
                    });
                }
                Step::Park(lane) => {
                    self.suspect_at = None;
                    self.requests.spawn(async move { Returned::Sent(sender.park(lane, until_seq, pause).await) });
                }
                Step::Wait(until) => return until,
            }
        }
    }

    fn spawn_send(&mut self, cargo: Cargo) {
        let (sender, until_seq) = (self.sender.clone(), self.cursor);
        self.requests.spawn(async move { Returned::Sent(sender.send(cargo, until_seq).await) });
    }

    /// A suspect whose time has come goes before the others.
    async fn try_suspect(&mut self) {
        let now = Timestamp::now();
        if self.suspect_at.is_none_or(|at| at > now) {
            return;
        }
        let Ok(Some(row)) = self.sender.store.due_suspect(now).await else { return };
        if let Some((lane, pause)) = self.schedule.take(&row.correlation_id, Instant::now()) {
            self.suspect_at = None;
            let sender = self.sender.clone();
            self.requests.spawn(async move { Returned::Sent(sender.retry_suspect(lane, row, pause).await) });
        }
    }

    fn take_in(&mut self, returned: Returned) {
        let now = Instant::now();
        self.look_at = None;
        match returned {
            Returned::Sent(report) => {
                if let End::Outage(outage) = report.end {
                    self.tell_alarm(outage.class);
                }
                if report.reached {
                    self.told.alarm = None;
                }
                self.schedule.returned(&report, now, jitter());
            }
            Returned::Asked { lane, pause, answer } => {
                if let Answer::Failed(outage) = answer {
                    self.tell_alarm(outage.class);
                }
                self.schedule.answered(&lane, pause, answer, now, jitter());
            }
        }
        self.tell_circuit(now);
    }

    /// Once for each kind of outage that needs a person.
    fn tell_alarm(&mut self, class: OutageClass) {
        if class.needs_a_person() && self.told.alarm.replace(class) != Some(class) {
            tracing::error!(
                event = "audit_delivery_refused",
                reason = class.as_str(),
                "DataStorage refuses audit events for a reason that waiting will not mend; they are kept"
            );
        }
    }

    /// Once for each change, not for each attempt.
    fn tell_circuit(&mut self, now: Instant) {
        let state = self.schedule.circuit_state(now);
        let gauge = match state {
            State::Closed => 0,
            State::HalfOpen => 1,
            State::Open => 2,
        };
        self.sender.metrics.circuit_breaker(CIRCUIT, gauge);
        let open = state != State::Closed;
        if open == std::mem::replace(&mut self.told.circuit_open, open) {
            return;
        }
        if open {
            tracing::warn!(
                event = "circuit_breaker_opened",
                name = CIRCUIT,
                "DataStorage takes no audit events; they are kept"
            );
        } else {
            tracing::info!(event = "circuit_breaker_closed", name = CIRCUIT, "DataStorage takes audit events again");
        }
    }

    /// What others may have changed, and what grows with time alone.
    async fn look_around(&mut self) {
        self.unmet = true;
        if !self.delivery.fallback.is_empty() {
            // Tried again with the next look.
            let _ = self.delivery.fallback.restore(&self.sender.store, &self.sender.metrics).await;
        }
        self.measure().await;
        match self.sender.store.next_suspect_at().await {
            Ok(at) => self.suspect_at = at,
            Err(error) => tracing::debug!(event = "audit_outbox_unavailable", error = %error, "suspects not read"),
        }
        if self.pruned_at.is_none_or(|at| at.elapsed() >= PRUNE_INTERVAL) {
            self.pruned_at = Some(Instant::now());
            quarantine::prune(&self.sender.store, &self.sender.config.spool, &self.sender.metrics).await;
        }
    }

    async fn measure_when_due(&mut self) {
        if self.measured_at.is_none_or(|at| at.elapsed() >= MEASURE_INTERVAL) {
            self.measure().await;
        }
    }

    async fn measure(&mut self) {
        self.measured_at = Some(Instant::now());
        let Ok(totals) = self.sender.store.outbox_totals().await else { return };
        let spool = &self.delivery.spool;
        spool.measured(totals.bytes);
        let waiting = totals.oldest.map(|oldest| Timestamp::now().duration_since(oldest));
        let waiting = waiting.and_then(|waiting| Duration::try_from(waiting).ok()).unwrap_or(Duration::ZERO);
        self.sender.metrics.audit_outbox(AuditOutbox {
            events: totals.events,
            bytes: totals.bytes,
            bytes_max: spool.bytes_max(),
            oldest: waiting,
            quarantined: totals.quarantined,
        });
        self.delivery.set(|standing| *standing = Standing { waiting: totals.events, oldest: waiting, ..*standing });
        self.tell_age(&totals, waiting);
    }

    /// A word after one day and a louder one after five; the receiver takes no event older than seven.
    fn tell_age(&mut self, totals: &OutboxTotals, waiting: Duration) {
        const DAY_SECONDS: u64 = 24 * 60 * 60;
        let days = match waiting.as_secs() / DAY_SECONDS {
            0 => 0,
            1..=4 => 1,
            _ => 5,
        };
        let before = std::mem::replace(&mut self.told.days, days);
        let events = totals.events;
        match days {
            _ if days <= before => {}
            1 => tracing::warn!(event = "audit_delivery_overdue", events, "audit events wait since more than one day"),
            _ => {
                tracing::error!(
                    event = "audit_delivery_overdue",
                    events,
                    "audit events wait since more than five days"
                );
            }
        }
    }
}

/// When to ask for an event that an earlier process, or this one before a restart of delivery, left in doubt.
fn inherited(arrival: &Arrival, wall: Timestamp, now: Instant) -> Option<Instant> {
    match arrival.state {
        OutboxState::Pending | OutboxState::Suspect => None,
        OutboxState::Attempted | OutboxState::Unconfirmed => {
            let at = arrival.next_attempt_at.unwrap_or(wall);
            let wait = Duration::try_from(at.duration_since(wall)).unwrap_or(Duration::ZERO);
            Some(now + wait.min(INHERITED_WAIT_MAX))
        }
    }
}
