//! One remembered session in the table.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::record::{SessionId, SessionKind, SessionRecord, SessionState};
use super::submission::Claim;
use crate::domain::{Incident, Investigation, RequestShape};
use crate::investigation::{ProgressSender, Standing};
use crate::telemetry::metrics::EvictionReason;

/// Why a run is called off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The session reached its maximum age.
    TooOld,
    /// Its caller asked for it.
    Requested,
    /// Nobody waits for the answer any more.
    Abandoned,
}

/// What of a session never changes.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) kind: SessionKind,
    pub(super) shape: RequestShape,
    pub(super) incident_id: String,
    pub(super) caller: String,
    pub(super) created_at: Timestamp,
}

impl Identity {
    pub(super) fn of(incident: &Incident, caller: &str, created_at: Timestamp) -> Self {
        Self {
            kind: SessionKind::of(incident),
            shape: incident.shape,
            incident_id: incident.incident_id.clone(),
            caller: caller.to_owned(),
            created_at,
        }
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    identity: Identity,
    pub(super) claim: Option<Claim>,
    pub(super) completed_at: Option<Timestamp>,
    error: Option<String>,
    /// Where the run tells how it goes; `None` after its end.
    pub(super) progress: Option<ProgressSender>,
    /// How far it got, after its end.
    standing: Standing,
    pub(super) result: Option<Arc<Investigation>>,
    /// Set once the run is called off.
    pub(super) stop: watch::Sender<Option<Stop>>,
    /// How many callers wait for the answer.
    pub(super) waiters: watch::Sender<usize>,
    lifetime: Lifetime,
    pub(super) state: watch::Sender<SessionState>,
}

/// When a session is forgotten.
#[derive(Debug, Clone, Copy)]
struct Lifetime {
    /// Whatever the state.
    age_ends: Instant,
    /// Set with the final state.
    ttl_ends: Option<Instant>,
}

/// A final state to be shown.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) state: SessionState,
    pub(super) completed_at: Timestamp,
    pub(super) error: Option<String>,
    pub(super) result: Option<Arc<Investigation>>,
    pub(super) standing: Standing,
    /// Whether the store has it too. Otherwise the result stays in memory.
    pub(super) stored: bool,
}

impl Entry {
    /// A pending session.
    pub(super) fn new(identity: Identity, age_ends: Instant) -> Self {
        Self {
            identity,
            claim: None,
            completed_at: None,
            error: None,
            progress: Some(ProgressSender::default()),
            standing: Standing::default(),
            result: None,
            stop: watch::Sender::new(None),
            waiters: watch::Sender::new(0),
            lifetime: Lifetime { age_ends, ttl_ends: None },
            state: watch::Sender::new(SessionState::Pending),
        }
    }

    /// Gives it its final state; answers the one before.
    pub(super) fn end(&mut self, ending: Ending, ttl_ends: Instant) -> SessionState {
        self.completed_at = Some(ending.completed_at);
        self.error = ending.error;
        self.result = ending.result;
        self.standing = ending.standing;
        self.progress = None;
        self.lifetime.ttl_ends = Some(ttl_ends);
        // Last, so that whoever waits for it sees the rest.
        self.state.send_replace(ending.state)
    }

    pub(super) fn state(&self) -> SessionState {
        *self.state.borrow()
    }

    /// Whether its time is over, and why.
    pub(super) fn over(&self, now: Instant) -> Option<EvictionReason> {
        let Lifetime { age_ends, ttl_ends } = self.lifetime;
        if ttl_ends.is_some_and(|end| end <= now) {
            Some(EvictionReason::Ttl)
        } else {
            (age_ends <= now).then_some(EvictionReason::MaxAge)
        }
    }

    /// Whether the same request may have this session's answer: it runs, or it completed less than `grace` ago.
    pub(super) fn is_worth_attaching(&self, grace: Duration, ttl: Duration, now: Instant) -> bool {
        match self.state() {
            SessionState::Pending | SessionState::Investigating => self.stop.borrow().is_none(),
            SessionState::Completed => self.lifetime.ttl_ends.is_some_and(|end| end + grace > now + ttl),
            // A retry deserves an attempt of its own.
            SessionState::Failed | SessionState::Cancelled => false,
        }
    }

    pub(super) fn record(&self, id: SessionId) -> SessionRecord {
        let state = self.state();
        let words = self.progress.as_ref().map(ProgressSender::words).unwrap_or_default();
        let standing = self.progress.as_ref().map_or_else(|| self.standing.clone(), ProgressSender::standing);
        let Identity { kind, shape, incident_id, caller, created_at } = self.identity.clone();
        SessionRecord {
            id,
            kind,
            state,
            created_at,
            completed_at: self.completed_at,
            error: self.error.clone(),
            progress: (state == SessionState::Investigating && !words.is_empty()).then_some(words),
            standing,
            shape,
            incident_id,
            caller,
            result: self.result.clone(),
        }
    }
}
