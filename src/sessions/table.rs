//! The index of all remembered sessions: who may enter, what state each is in, who is forgotten when. In memory, without
//! I/O; the clock is an argument.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::config::SessionsConfig;
use super::entry::{Ending, Entry, Stop};
use super::record::{SessionId, SessionRecord, SessionState};
use super::submission::{Attendance, Claim, Claims, Found, Presence, Storing};
use crate::domain::Investigation;
use crate::investigation::ProgressReader;
use crate::metering::Exhausted;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{EvictionReason, StoredStatus};

/// Results kept in memory; older ones are read from the store.
const RESULTS_IN_MEMORY_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Table {
    config: SessionsConfig,
    entries: HashMap<SessionId, Entry>,
    claims: Claims,
    /// Entries in each state, in the order of [`SessionState::ALL`].
    counts: [usize; SessionState::ALL.len()],
    /// Admitted, not yet durable and so not yet an entry.
    admitted: usize,
    draining: bool,
    /// Sessions whose result is in memory and also stored, oldest first.
    results: VecDeque<SessionId>,
    metrics: Metrics,
}

/// Why nobody may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Full,
    Draining,
    /// The caller's key belongs to another request.
    KeyTaken,
    /// The budget of the day is used up.
    Spent(Exhausted),
}

/// What becomes of a submission.
#[derive(Debug)]
pub(super) enum Admission {
    /// A place is reserved. `forgotten` had to go for it; `stored` is to be told when the session is durable.
    New { forgotten: Vec<SessionId>, stored: watch::Sender<Storing> },
    /// It was submitted before. Whoever waits is counted already when the session is durable.
    Known { found: Found, attendance: Option<Attendance> },
}

/// A session as somebody who follows it sees it.
#[derive(Debug)]
pub(super) struct Followed {
    /// `None` when the run is over.
    pub(super) reader: Option<ProgressReader>,
    pub(super) state: watch::Receiver<SessionState>,
}

impl Table {
    pub(super) fn new(config: SessionsConfig, metrics: Metrics) -> Self {
        Self {
            config,
            entries: HashMap::new(),
            claims: Claims::default(),
            counts: [0; SessionState::ALL.len()],
            admitted: 0,
            draining: false,
            results: VecDeque::new(),
            metrics,
        }
    }

    /// Other lifetimes and limits from now on.
    pub(super) fn set_limits(&mut self, config: &SessionsConfig) {
        self.config = config.clone();
    }

    /// How long any session is remembered after it was accepted, and one that has ended after its end.
    pub(super) fn lifetimes(&self) -> (Duration, Duration) {
        (self.config.max_age, self.config.ttl)
    }

    /// Finds the session of a repetition, or reserves a place for a new one under `id`, if the budget of the day allows one.
    pub(super) fn admit(
        &mut self,
        id: SessionId,
        claim: &Claim,
        presence: Presence,
        budget: Result<(), Exhausted>,
        now: Instant,
    ) -> Result<Admission, Refusal> {
        if self.draining {
            return Err(Refusal::Draining);
        }
        if let Some(found) = self.known(claim, presence, now)? {
            // Under the same lock: the last one to leave must not take the run along meanwhile.
            let attendance = presence.grace().map(|_| self.attend(found.id)).transpose()?.flatten();
            return Ok(Admission::Known { found, attendance });
        }
        budget.map_err(Refusal::Spent)?;
        let places = self.config.max_concurrent_investigations.saturating_add(self.config.queue_limit);
        if self.unfinished() >= places {
            return Err(Refusal::Full);
        }
        let mut forgotten = Vec::new();
        if self.remembered() >= self.config.max_sessions {
            forgotten = self.forget_expired(now);
        }
        if self.remembered() >= self.config.max_sessions {
            let ended = self.entries.iter().filter_map(|(id, entry)| Some((entry.completed_at?, *id)));
            let (_, oldest) = ended.min().ok_or(Refusal::Full)?;
            self.remove(oldest, EvictionReason::Capacity);
            forgotten.push(oldest);
        }
        self.admitted += 1;
        let stored = watch::Sender::new(Storing::Waiting);
        self.claims.insert(claim, id, &stored);
        Ok(Admission::New { forgotten, stored })
    }

    /// By its key, where it has one; else, when the caller waits, by the request itself.
    fn known(&self, claim: &Claim, presence: Presence, now: Instant) -> Result<Option<Found>, Refusal> {
        let remembered = |found: &Found| self.entries.get(&found.id).filter(|entry| entry.over(now).is_none());
        if let Some(key) = &claim.key {
            let found = self.claims.by_key(&claim.caller, key);
            return match found.filter(|found| remembered(found).is_some() || found.is_being_stored()) {
                Some(found) if found.fingerprint != claim.fingerprint => Err(Refusal::KeyTaken),
                found => Ok(found.cloned()),
            };
        }
        let Some(grace) = presence.grace() else { return Ok(None) };
        let found = self.claims.by_request(&claim.caller, claim.fingerprint);
        let found = found.filter(|found| match remembered(found) {
            Some(entry) => entry.is_worth_attaching(grace, self.config.ttl, now),
            None => found.is_being_stored(),
        });
        Ok(found.cloned())
    }

    /// Gives a reserved place back.
    pub(super) fn withdraw(&mut self, id: SessionId, claim: &Claim) {
        self.admitted = self.admitted.saturating_sub(1);
        self.claims.remove(claim, id);
    }

    /// Turns a reserved place into a pending session.
    pub(super) fn enter(&mut self, id: SessionId, entry: Entry) {
        self.admitted = self.admitted.saturating_sub(1);
        self.insert(id, entry);
    }

    /// Adds a session of an earlier process.
    pub(super) fn restore(&mut self, id: SessionId, entry: Entry) {
        if let Some(claim) = &entry.claim {
            self.claims.insert(claim, id, &watch::Sender::new(Storing::Stored));
        }
        self.insert(id, entry);
    }

    fn insert(&mut self, id: SessionId, entry: Entry) {
        self.moved(None, Some(entry.state()));
        self.entries.insert(id, entry);
    }

    /// That one more caller waits for the session; `None` when it is unknown.
    pub(super) fn attend(&self, id: SessionId) -> Result<Option<Attendance>, Refusal> {
        let Some(entry) = self.entries.get(&id) else { return Ok(None) };
        Attendance::begin(&entry.waiters).map(Some).ok_or(Refusal::Full)
    }

    pub(super) fn investigating(&mut self, id: SessionId) {
        if let Some(entry) = self.entries.get(&id).filter(|entry| entry.state() == SessionState::Pending) {
            entry.state.send_replace(SessionState::Investigating);
            self.moved(Some(SessionState::Pending), Some(SessionState::Investigating));
        }
    }

    /// Calls a session off; false when it is over or called off already, `None` when it is unknown.
    pub(super) fn stop(&self, id: SessionId, why: Stop) -> Option<bool> {
        let entry = self.entries.get(&id)?;
        let first = |stop: &mut Option<Stop>| {
            let is_first = stop.is_none();
            stop.get_or_insert(why);
            is_first
        };
        Some(!entry.state().is_terminal() && entry.stop.send_if_modified(first))
    }

    /// Calls a session off unless somebody waits for it again.
    pub(super) fn abandon(&self, id: SessionId) {
        if self.entries.get(&id).is_some_and(|entry| *entry.waiters.borrow() == 0) {
            self.stop(id, Stop::Abandoned);
        }
    }

    /// Gives a session its final state; a session that has one keeps it.
    pub(super) fn finish(&mut self, id: SessionId, end: Ending, now: Instant) {
        let ttl_ends = now + self.config.ttl;
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.state().is_terminal()) else { return };
        let (state, stored) = (end.state, end.stored);
        let before = entry.end(end, ttl_ends);
        if stored {
            self.keep_result(id);
        }
        self.moved(Some(before), Some(state));
    }

    /// Remembers a result read from the store.
    pub(super) fn cache(&mut self, id: SessionId, result: Arc<Investigation>) {
        if let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.result.is_none()) {
            entry.result = Some(result);
            self.keep_result(id);
        }
    }

    fn keep_result(&mut self, id: SessionId) {
        self.results.push_back(id);
        while self.results.len() > RESULTS_IN_MEMORY_MAX {
            let oldest = self.results.pop_front().and_then(|oldest| self.entries.get_mut(&oldest));
            if let Some(entry) = oldest {
                entry.result = None;
            }
        }
    }

    /// The session as it is now, unless its time is over.
    pub(super) fn record(&self, id: SessionId, now: Instant) -> Option<SessionRecord> {
        let entry = self.entries.get(&id).filter(|entry| entry.over(now).is_none())?;
        Some(entry.record(id))
    }

    pub(super) fn watch(&self, id: SessionId) -> Option<watch::Receiver<SessionState>> {
        self.entries.get(&id).map(|entry| entry.state.subscribe())
    }

    /// The session's events behind the one with the id `after`, and its state.
    pub(super) fn follow(&self, id: SessionId, after: u64) -> Option<Followed> {
        let entry = self.entries.get(&id)?;
        let reader = entry.progress.as_ref().map(|progress| progress.reader(after));
        Some(Followed { reader, state: entry.state.subscribe() })
    }

    /// Forgets what is over. Sessions that still run are told to stop and go with the next sweep.
    pub(super) fn forget_expired(&mut self, now: Instant) -> Vec<SessionId> {
        let over = self.entries.iter().filter_map(|(id, entry)| Some((*id, entry.state(), entry.over(now)?)));
        let over: Vec<_> = over.collect();
        let mut forgotten = Vec::new();
        for (id, state, reason) in over {
            if state.is_terminal() {
                self.remove(id, reason);
                forgotten.push(id);
            } else {
                self.stop(id, Stop::TooOld);
            }
        }
        forgotten
    }

    fn remove(&mut self, id: SessionId, reason: EvictionReason) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if let Some(claim) = &entry.claim {
            self.claims.remove(claim, id);
        }
        self.results.retain(|kept| *kept != id);
        self.metrics.session_evicted(reason);
        self.moved(Some(entry.state()), None);
    }

    pub(super) fn refuse_all(&mut self) {
        self.draining = true;
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Accepted and without a final state.
    pub(super) fn unfinished(&self) -> usize {
        let states = SessionState::ALL.into_iter().zip(self.counts);
        self.admitted + states.filter(|(state, _)| !state.is_terminal()).map(|(_, count)| count).sum::<usize>()
    }

    fn remembered(&self) -> usize {
        self.admitted + self.entries.len()
    }

    /// Counts an entry that changed its state, came or went, and shows the counts.
    fn moved(&mut self, from: Option<SessionState>, to: Option<SessionState>) {
        for (state, count) in SessionState::ALL.into_iter().zip(&mut self.counts) {
            if from == Some(state) {
                *count = count.saturating_sub(1);
            }
            if to == Some(state) {
                *count += 1;
            }
            match state {
                SessionState::Pending => self.metrics.sessions_pending(*count),
                SessionState::Investigating => self.metrics.sessions_active(*count),
                SessionState::Completed | SessionState::Failed | SessionState::Cancelled => {}
            }
            self.metrics.sessions_stored(status(state), *count);
        }
    }
}

fn status(state: SessionState) -> StoredStatus {
    match state {
        SessionState::Pending => StoredStatus::Pending,
        SessionState::Investigating => StoredStatus::Investigating,
        SessionState::Completed => StoredStatus::Completed,
        SessionState::Failed => StoredStatus::Failed,
        SessionState::Cancelled => StoredStatus::Cancelled,
    }
}
