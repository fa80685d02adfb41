//! What to send next, and what a result means for what comes after it (audit §3.4, §3.5, §3.7). A state machine without
//! I/O, clock or randomness of its own: the shipper tells it what arrived and how requests went, and asks for the next
//! step.
//!
//! Each correlation with events waiting is a lane, and a lane is in one of four situations: ready, under way, held back for
//! a while, or in doubt until DataStorage was asked. So there is one request at a time for each correlation. The number of
//! lanes is bounded; events of further correlations stay in the store, unmet, until there is room.

mod lane;
mod step;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::circuit::{Circuit, Failure, Gate, State};
use super::classify::{Outage, OutageClass};
use super::config::{AuditConfig, SuspectConfig};
use lane::{Lane, Situation};
pub(super) use step::{Answer, Cargo, Correlation, End, Report, Step};

/// Correlations known at once.
const LANES_MAX: usize = 4_096;
/// Correlations in one request: the server locks each, and two clients that lock the same ones may deadlock.
pub(super) const REQUEST_LANES_MAX: usize = 16;
/// Failures of the database, while it took other events, after which a lane's events are sent on their own.
const FAILURES_TO_SEPARATE: u32 = 3;

/// The server does not do its work, without saying for how long.
const UNAVAILABLE: Outage = Outage { class: OutageClass::Unavailable, retry_after: None };

/// The durations and counts the machine goes by.
#[derive(Debug, Clone)]
struct Pace {
    linger: Duration,
    batch_events_max: usize,
    senders: usize,
    forbidden: Duration,
    /// Between a question without an answer and the next one: long enough for others to have their turn.
    ask_again: Duration,
    reopen_interval: Duration,
    suspect: SuspectConfig,
}

impl Pace {
    fn of(config: &AuditConfig) -> Self {
        Self {
            linger: config.effective_linger(),
            batch_events_max: config.batch_events_max(),
            senders: config.senders,
            forbidden: config.backoff.forbidden,
            ask_again: config.backoff.ceiling,
            reopen_interval: config.spool.reopen_interval,
            suspect: config.suspect.clone(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    lanes: HashMap<Correlation, Lane>,
    /// Lanes that are ready, by their oldest event.
    ready: BTreeSet<(i64, Correlation)>,
    ready_events: u64,
    /// Lanes held back or in doubt, by the time this ends.
    timers: BTreeSet<(Instant, Correlation)>,
    circuit: Circuit,
    under_way: usize,
    /// Requests after which the server had taken something.
    successes: u64,
    /// Nothing ready should wait for company.
    hurried: bool,
    draining: bool,
}

impl Schedule {
    pub(super) fn new(config: &AuditConfig) -> Self {
        Self {
            pace: Pace::of(config),
            lanes: HashMap::new(),
            ready: BTreeSet::new(),
            ready_events: 0,
            timers: BTreeSet::new(),
            circuit: Circuit::new(&config.backoff),
            under_way: 0,
            successes: 0,
            hurried: false,
            draining: false,
        }
    }

    /// Goes by other durations and counts from the next step on; what waits for a time goes on waiting for that time.
    pub(super) fn set_pace(&mut self, config: &AuditConfig) {
        self.pace = Pace::of(config);
        self.circuit.set_pauses(&config.backoff);
    }

    /// Sends what is ready at once, as after a terminal event.
    pub(super) fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Nothing waits for company any more.
    pub(super) fn drain(&mut self) {
        self.draining = true;
    }

    pub(super) fn circuit_state(&self, now: Instant) -> State {
        self.circuit.state(now)
    }

    /// No lane is left.
    pub(super) fn is_idle(&self) -> bool {
        self.lanes.is_empty()
    }

    /// An event that was not met before, in the order of recording; `ask_at` when an earlier process left it in doubt.
    /// Answers false when there is no room for its correlation: to be told again later.
    #[must_use]
    pub(super) fn arrived(&mut self, correlation: &str, seq: i64, ask_at: Option<Instant>, now: Instant) -> bool {
        let Some((correlation, mut lane)) = self.lanes.remove_entry(correlation) else {
            if self.lanes.len() >= LANES_MAX {
                return false;
            }
            let mut lane = Lane::new(seq, now);
            lane.doubt(ask_at);
            self.settle(Arc::from(correlation), lane, now);
            return true;
        };
        self.unlist(&correlation, &lane);
        lane.pending += 1;
        lane.doubt(ask_at);
        self.settle(correlation, lane, now);
        true
    }

    /// Takes a correlation for a request about an event outside of its order, unless it is under way or in doubt.
    pub(super) fn take(&mut self, correlation: &str, now: Instant) -> Option<(Correlation, u64)> {
        let is_free = |lane: &Lane| matches!(lane.situation, Situation::Ready | Situation::Held(_));
        let server_is_free = self.gate(now) == Gate::Free && self.under_way < self.pace.senders;
        if !server_is_free || !self.lanes.get(correlation).is_none_or(is_free) {
            return None;
        }
        let entry = self.lanes.remove_entry(correlation);
        let (correlation, mut lane) = entry.unwrap_or_else(|| (Arc::from(correlation), Lane::empty(now)));
        self.unlist(&correlation, &lane);
        self.under_way += 1;
        lane.situation = Situation::UnderWay;
        self.lanes.insert(Arc::clone(&correlation), lane);
        Some((correlation, self.circuit.pause()))
    }

    pub(super) fn next(&mut self, now: Instant) -> Step {
        let until = match self.gate(now) {
            Gate::Closed { until } => Some(until),
            _ if self.under_way >= self.pace.senders => None,
            Gate::Probe if self.under_way > 0 => None,
            Gate::Probe | Gate::Free => return self.next_open(now),
        };
        // Whatever else falls due has to wait for the gate anyway.
        Step::Wait(until)
    }

    fn gate(&self, now: Instant) -> Gate {
        self.circuit.gate(now)
    }

    fn next_open(&mut self, now: Instant) -> Step {
        while let Some((due, _)) = self.timers.first() {
            if *due > now {
                break;
            }
            let Some((_, correlation)) = self.timers.pop_first() else { break };
            let Some(mut lane) = self.lanes.remove(&correlation) else { continue };
            match lane.situation {
                Situation::InDoubt(_) => {
                    lane.situation = Situation::UnderWay;
                    self.lanes.insert(Arc::clone(&correlation), lane);
                    self.under_way += 1;
                    return Step::Ask(correlation);
                }
                Situation::Ready | Situation::Held(_) | Situation::UnderWay => {
                    lane.situation = Situation::Ready;
                    self.settle(correlation, lane, now);
                }
            }
        }
        let timer = self.timers.first().map(|(due, _)| *due);
        match self.lingers(now) {
            Err(nothing) => Step::Wait(earliest(nothing, timer)),
            Ok(()) => self.load(now),
        }
    }

    /// `Ok` when something should be sent now; else when that will be, as far as it is known.
    fn lingers(&mut self, now: Instant) -> Result<(), Option<Instant>> {
        let Some(oldest) = self.ready.iter().filter_map(|(_, name)| Some(self.lanes.get(name)?.ready_since)).min()
        else {
            self.hurried = false;
            return Err(None);
        };
        let full = self.ready_events >= self.pace.batch_events_max as u64;
        let due = oldest + self.pace.linger;
        if full || self.hurried || self.draining || due <= now { Ok(()) } else { Err(Some(due)) }
    }

    /// Chooses what goes into the next request.
    fn load(&mut self, now: Instant) -> Step {
        let lane = |correlation: &Correlation| self.lanes.get(correlation);
        let is_trusted = |correlation: &Correlation| lane(correlation).is_some_and(|lane| lane.trouble.is_none());
        let names = || self.ready.iter().map(|(_, correlation)| correlation);
        let first_trusted = names().find(|correlation| is_trusted(correlation));
        // A probe goes to a lane that nothing speaks against; otherwise whoever waits longest is next.
        let probing = self.circuit.is_open();
        let Some(first) = first_trusted.filter(|_| probing).or_else(|| names().next()).cloned() else {
            return Step::Wait(None);
        };
        let trouble = lane(&first).and_then(|lane| lane.trouble);
        if let Some(trouble) = trouble
            && trouble.is_hopeless(&self.pace.suspect, self.successes, now)
        {
            self.depart(&first);
            self.under_way += 1;
            return Step::Park(first);
        }
        let separate = trouble.and_then(|trouble| trouble.separate);
        let (lanes, events_max) = match separate {
            _ if probing => (vec![first], 1),
            Some(events_max) => (vec![first], events_max),
            None => (self.company(&first), self.pace.batch_events_max),
        };
        for correlation in &lanes {
            self.depart(correlation);
        }
        self.under_way += 1;
        Step::Send(Cargo { lanes, events_max, pause: self.circuit.pause() })
    }

    /// `first` and the lanes behind it that may share a request, until it is full.
    fn company(&self, first: &Correlation) -> Vec<Correlation> {
        let mut lanes = Vec::new();
        let mut events = 0;
        for (_, correlation) in &self.ready {
            let Some(lane) = self.lanes.get(correlation) else { continue };
            let fits = correlation == first || lane.trouble.is_none_or(|trouble| trouble.separate.is_none());
            if fits {
                lanes.push(Arc::clone(correlation));
                events += lane.pending;
            }
            if lanes.len() >= REQUEST_LANES_MAX || events >= self.pace.batch_events_max as u64 {
                break;
            }
        }
        lanes
    }

    fn depart(&mut self, correlation: &Correlation) {
        let Some((correlation, mut lane)) = self.lanes.remove_entry(correlation) else { return };
        self.unlist(&correlation, &lane);
        lane.situation = Situation::UnderWay;
        self.lanes.insert(correlation, lane);
    }

    /// A request came back. `random` is uniform in 0..1.
    pub(super) fn returned(&mut self, report: &Report, now: Instant, random: f64) {
        self.under_way = self.under_way.saturating_sub(1);
        if report.reached {
            self.successes += 1;
            self.circuit.succeeded();
        }
        match report.end {
            End::Outage(outage) => self.failed(outage, report.pause, now, random),
            End::Doubt { answer_lost: true, .. } => self.failed(UNAVAILABLE, report.pause, now, random),
            End::Doubt { .. } | End::Clear | End::ServerError { .. } | End::StoreFailed => {}
        }
        let mut suspicious = false;
        for (correlation, removed) in &report.removed {
            let Some((correlation, mut lane)) = self.lanes.remove_entry(correlation) else { continue };
            lane.removed(*removed, self.pace.batch_events_max);
            match &report.end {
                End::Clear | End::Outage(_) => lane.situation = Situation::Ready,
                End::Doubt { lanes, ask_at, .. } if lanes.contains(&correlation) => lane.doubt(Some(*ask_at)),
                End::ServerError { lanes, events } if lanes.contains(&correlation) => {
                    suspicious |= lane.failed(*events, self.successes, now);
                    let pause = self.circuit_pause(lane.failures());
                    lane.situation = Situation::Held(now + pause);
                }
                End::Doubt { .. } | End::ServerError { .. } => lane.situation = Situation::Ready,
                End::StoreFailed => lane.situation = Situation::Held(now + self.pace.reopen_interval),
            }
            lane.come_back();
            self.settle(correlation, lane, now);
        }
        if matches!(report.end, End::ServerError { .. }) && !suspicious {
            self.failed(UNAVAILABLE, report.pause, now, random);
        }
    }

    /// A question was answered, or was not.
    pub(super) fn answered(
        &mut self,
        correlation: &Correlation,
        pause: u64,
        answer: Answer,
        now: Instant,
        random: f64,
    ) {
        self.under_way = self.under_way.saturating_sub(1);
        match answer {
            Answer::Settled { .. } | Answer::AskAgain { .. } => self.circuit.succeeded(),
            Answer::Failed(outage) => self.failed(outage, pause, now, random),
            Answer::StoreFailed => {}
        }
        let Some((correlation, mut lane)) = self.lanes.remove_entry(correlation) else { return };
        match answer {
            Answer::Settled { stored } => {
                lane.asked_in_vain = None;
                lane.removed(stored, self.pace.batch_events_max);
                lane.situation = Situation::Ready;
            }
            Answer::AskAgain { stored, at } => {
                lane.removed(stored, self.pace.batch_events_max);
                lane.doubt(Some(at));
            }
            // Where only questions are refused, an event twice is better than an event never.
            Answer::Failed(outage) if outage.class.needs_a_person() && lane.cannot_ask(self.successes) => {
                lane.situation = Situation::Ready;
            }
            Answer::Failed(_) => lane.doubt(Some(now + self.pace.ask_again)),
            Answer::StoreFailed => lane.doubt(Some(now + self.pace.reopen_interval)),
        }
        lane.come_back();
        self.settle(correlation, lane, now);
    }

    /// Number of the current pause, for questions.
    pub(super) fn pause(&self) -> u64 {
        self.circuit.pause()
    }

    fn failed(&mut self, outage: Outage, pause: u64, now: Instant, random: f64) {
        let at_least = if outage.class == OutageClass::Forbidden { self.pace.forbidden } else { Duration::ZERO };
        self.circuit.failed(Failure { pause, at_least, retry_after: outage.retry_after, random }, now);
    }

    /// How long a lane rests after its own failures; the circuit's steps, without its memory.
    fn circuit_pause(&self, failures: u32) -> Duration {
        self.circuit.pause_after(failures)
    }

    /// Puts a lane where its situation says; one without events is forgotten.
    fn settle(&mut self, correlation: Correlation, lane: Lane, now: Instant) {
        let mut lane = lane;
        match lane.situation {
            Situation::UnderWay => {}
            _ if lane.pending == 0 => return,
            Situation::Ready => {
                if !lane.listed {
                    lane.ready_since = now;
                }
                lane.listed = true;
                self.ready.insert((lane.head, Arc::clone(&correlation)));
                self.ready_events += lane.pending;
            }
            Situation::Held(until) | Situation::InDoubt(until) => {
                self.timers.insert((until, Arc::clone(&correlation)));
            }
        }
        self.lanes.insert(correlation, lane);
    }

    /// The reverse of [`Self::settle`].
    fn unlist(&mut self, correlation: &Correlation, lane: &Lane) {
        match lane.situation {
            Situation::UnderWay => {}
            Situation::Ready => {
                self.ready.remove(&(lane.head, Arc::clone(correlation)));
                self.ready_events = self.ready_events.saturating_sub(lane.pending);
            }
            Situation::Held(until) | Situation::InDoubt(until) => {
                self.timers.remove(&(until, Arc::clone(correlation)));
            }
        }
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
