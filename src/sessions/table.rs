//! The index of all remembered sessions: who may enter, what state each is in, who is forgotten when. In memory, without
//! I/O; the clock is an argument.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::config::SessionsConfig;
use super::record::{SessionId, SessionRecord, SessionState};
use crate::domain::{Investigation, RequestShape};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::{EvictionReason, StoredStatus};

/// Results kept in memory; older ones are read from the store.
const RESULTS_IN_MEMORY_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Table {
    config: SessionsConfig,
    entries: HashMap<SessionId, Entry>,
    /// Entries in each state, in the order of [`SessionState::ALL`].
    counts: [usize; SessionState::ALL.len()],
    /// Admitted, not yet durable and so not yet an entry.
    admitted: usize,
    draining: bool,
    /// Sessions whose result is in memory and also stored, oldest first.
    results: VecDeque<SessionId>,
    metrics: Metrics,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) created_at: Timestamp,
    pub(super) completed_at: Option<Timestamp>,
    pub(super) error: Option<String>,
    pub(super) shape: RequestShape,
    pub(super) incident_id: String,
    pub(super) caller: String,
    pub(super) progress: watch::Receiver<&'static str>,
    pub(super) result: Option<Arc<Investigation>>,
    /// Ends the run of a session that became too old.
    pub(super) too_old: CancellationToken,
    pub(super) lifetime: Lifetime,
    state: watch::Sender<SessionState>,
}

/// When a session is forgotten.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lifetime {
    /// Whatever the state.
    pub(super) age_ends: Instant,
    /// Set with the final state.
    pub(super) ttl_ends: Option<Instant>,
}

impl Lifetime {
    fn over(self, now: Instant) -> Option<EvictionReason> {
        if self.ttl_ends.is_some_and(|end| end <= now) {
            Some(EvictionReason::Ttl)
        } else {
            (self.age_ends <= now).then_some(EvictionReason::MaxAge)
        }
    }
}

/// Why nobody may enter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Full,
    Draining,
}

impl Entry {
    pub(super) fn new(shape: RequestShape, incident_id: String, caller: String, at: Timestamp, age: Lifetime) -> Self {
        let (_, progress) = watch::channel("");
        Self {
            created_at: at,
            completed_at: None,
            error: None,
            shape,
            incident_id,
            caller,
            progress,
            result: None,
            too_old: CancellationToken::new(),
            lifetime: age,
            state: watch::Sender::new(SessionState::Pending),
        }
    }

    /// An entry for a session that already ended in `state`.
    pub(super) fn ended(
        mut self,
        state: SessionState,
        at: Timestamp,
        error: Option<String>,
        ttl_ends: Instant,
    ) -> Self {
        self.completed_at = Some(at);
        self.error = error;
        self.lifetime.ttl_ends = Some(ttl_ends);
        self.state = watch::Sender::new(state);
        self
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.lifetime.over(now).is_some()
    }

    fn state(&self) -> SessionState {
        *self.state.borrow()
    }
}

impl Table {
    pub(super) fn new(config: SessionsConfig, metrics: Metrics) -> Self {
        Self {
            config,
            entries: HashMap::new(),
            counts: [0; SessionState::ALL.len()],
            admitted: 0,
            draining: false,
            results: VecDeque::new(),
            metrics,
        }
    }

    /// Reserves a place. Answers the sessions that had to be forgotten for it.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Vec<SessionId>, Refusal> {
        if self.draining {
            return Err(Refusal::Draining);
        }
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
        Ok(forgotten)
    }

    /// Gives a reserved place back.
    pub(super) fn withdraw(&mut self) {
        self.admitted = self.admitted.saturating_sub(1);
    }

    /// Turns a reserved place into a pending session.
    pub(super) fn enter(&mut self, id: SessionId, entry: Entry) {
        self.withdraw();
        self.insert(id, entry);
    }

    /// Adds a session of an earlier process.
    pub(super) fn insert(&mut self, id: SessionId, entry: Entry) {
        self.moved(None, Some(entry.state()));
        self.entries.insert(id, entry);
    }

    pub(super) fn investigating(&mut self, id: SessionId) {
        if let Some(entry) = self.entries.get(&id).filter(|entry| entry.state() == SessionState::Pending) {
            entry.state.send_replace(SessionState::Investigating);
            self.moved(Some(SessionState::Pending), Some(SessionState::Investigating));
        }
    }

    /// Gives a session its final state; a session that has one keeps it. `stored` = the result can be read back.
    pub(super) fn finish(&mut self, id: SessionId, end: Ending, now: Instant) {
        let ttl_ends = now + self.config.ttl;
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.state().is_terminal()) else { return };
        entry.completed_at = Some(end.completed_at);
        entry.error = end.error;
        entry.result = end.result;
        entry.lifetime.ttl_ends = Some(ttl_ends);
        // Last, so that whoever waits for it sees the rest.
        let before = entry.state.send_replace(end.state);
        if end.stored {
            self.keep_result(id);
        }
        self.moved(Some(before), Some(end.state));
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
        let entry = self.entries.get(&id).filter(|entry| entry.lifetime.over(now).is_none())?;
        let state = entry.state();
        let progress = *entry.progress.borrow();
        Some(SessionRecord {
            id,
            state,
            created_at: entry.created_at,
            completed_at: entry.completed_at,
            error: entry.error.clone(),
            progress: (state == SessionState::Investigating && !progress.is_empty()).then_some(progress),
            shape: entry.shape,
            incident_id: entry.incident_id.clone(),
            caller: entry.caller.clone(),
            result: entry.result.clone(),
        })
    }

    pub(super) fn watch(&self, id: SessionId) -> Option<watch::Receiver<SessionState>> {
        self.entries.get(&id).map(|entry| entry.state.subscribe())
    }

    /// Forgets what is over. Sessions that still run are told to stop and go with the next sweep.
    pub(super) fn forget_expired(&mut self, now: Instant) -> Vec<SessionId> {
        let over = self.entries.iter().filter_map(|(id, entry)| {
            let reason = entry.lifetime.over(now)?;
            if !entry.state().is_terminal() {
                entry.too_old.cancel();
                return None;
            }
            Some((*id, reason))
        });
        let over: Vec<_> = over.collect();
        for (id, reason) in &over {
            self.remove(*id, *reason);
        }
        over.into_iter().map(|(id, _)| id).collect()
    }

    fn remove(&mut self, id: SessionId, reason: EvictionReason) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.results.retain(|kept| *kept != id);
        self.metrics.session_evicted(reason);
        self.moved(Some(entry.state()), None);
    }

    pub(super) fn refuse_all(&mut self) {
        self.draining = true;
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

/// A final state to be shown.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) state: SessionState,
    pub(super) completed_at: Timestamp,
    pub(super) error: Option<String>,
    pub(super) result: Option<Arc<Investigation>>,
    /// Whether the store has it too. Otherwise the result stays in memory.
    pub(super) stored: bool,
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
