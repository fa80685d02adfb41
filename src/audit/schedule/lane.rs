//! One correlation with events waiting.

use std::time::Instant;

use super::FAILURES_TO_SEPARATE;
use crate::audit::config::SuspectConfig;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Situation {
    Ready,
    UnderWay,
    /// Ready again then.
    Held(Instant),
    /// To be asked for then.
    InDoubt(Instant),
}

/// What speaks against the oldest events of a lane: the database failed with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    failures: u32,
    since: Instant,
    /// Successes of others before the first failure.
    successes: u64,
    /// Sent on their own, so many at once.
    pub(super) separate: Option<usize>,
}

impl Trouble {
    /// One event alone failed often and long enough while others succeeded.
    pub(super) fn is_hopeless(&self, config: &SuspectConfig, successes: u64, now: Instant) -> bool {
        self.separate == Some(1)
            && self.failures >= config.failures
            && now.duration_since(self.since) >= config.after
            && successes > self.successes
    }
}

#[derive(Debug)]
pub(super) struct Lane {
    /// Position of the oldest event known, or one before it: lanes with older events come first.
    pub(super) head: i64,
    /// Events known and not delivered.
    pub(super) pending: u64,
    pub(super) situation: Situation,
    pub(super) trouble: Option<Trouble>,
    pub(super) ready_since: Instant,
    /// Successes of others when a question was first left without an answer.
    pub(super) asked_in_vain: Option<u64>,
    /// Whether `ready_since` is that of the present wait.
    pub(super) listed: bool,
    /// An event in doubt arrived while the lane was under way.
    doubt_behind: Option<Instant>,
}

impl Lane {
    pub(super) fn new(seq: i64, now: Instant) -> Self {
        Self {
            head: seq,
            pending: 1,
            situation: Situation::Ready,
            trouble: None,
            ready_since: now,
            asked_in_vain: None,
            listed: false,
            doubt_behind: None,
        }
    }

    /// For a request about an event that is not in the order of its correlation.
    pub(super) fn empty(now: Instant) -> Self {
        Self { pending: 0, ..Self::new(0, now) }
    }

    /// Notes that DataStorage has to be asked at `ask_at`, once a request under way is back.
    pub(super) fn doubt(&mut self, ask_at: Option<Instant>) {
        let Some(ask_at) = ask_at else { return };
        match self.situation {
            Situation::UnderWay => self.doubt_behind = self.doubt_behind.max(Some(ask_at)),
            Situation::InDoubt(until) => self.situation = Situation::InDoubt(until.max(ask_at)),
            Situation::Ready | Situation::Held(_) => self.situation = Situation::InDoubt(ask_at),
        }
    }

    /// A question was refused again, although the server took events in between.
    pub(super) fn cannot_ask(&mut self, successes: u64) -> bool {
        let before = *self.asked_in_vain.get_or_insert(successes);
        let cannot = successes > before;
        if cannot {
            self.asked_in_vain = None;
        }
        cannot
    }

    /// The request under way is back.
    pub(super) fn come_back(&mut self) {
        self.listed = false;
        let ask_at = self.doubt_behind.take();
        if self.situation == Situation::UnderWay {
            self.situation = Situation::Ready;
        }
        self.doubt(ask_at);
    }

    /// Events left the outbox: what spoke against them speaks against nobody any more.
    pub(super) fn removed(&mut self, events: u64, batch_events_max: usize) {
        if events == 0 {
            return;
        }
        self.pending = self.pending.saturating_sub(events);
        self.head = self.head.saturating_add_unsigned(events);
        let separate = self.trouble.and_then(|trouble| trouble.separate);
        // Whoever was separated comes back slowly: the culprit may be next.
        let wider = separate.map(|events| events.saturating_mul(2)).filter(|events| *events < batch_events_max);
        self.trouble =
            self.trouble.filter(|_| wider.is_some()).map(|trouble| Trouble { failures: 0, separate: wider, ..trouble });
    }

    /// The database failed with `events` of this lane and others. Answers whether it took other events meanwhile, so that
    /// the fault probably lies here.
    pub(super) fn failed(&mut self, events: usize, successes: u64, now: Instant) -> bool {
        let fresh = Trouble { failures: 0, since: now, successes, separate: None };
        let mut trouble = self
            .trouble
            .filter(|trouble| trouble.failures > 0)
            .unwrap_or(Trouble { separate: self.trouble.and_then(|trouble| trouble.separate), ..fresh });
        trouble.failures += 1;
        let others_succeeded = successes > trouble.successes;
        if others_succeeded && trouble.failures >= FAILURES_TO_SEPARATE && trouble.separate != Some(1) {
            let half = trouble.separate.unwrap_or(events).min(events).div_ceil(2).max(1);
            trouble = if half == 1 { Trouble { separate: Some(1), ..fresh } } else { trouble };
            trouble.separate = Some(half);
        }
        self.trouble = Some(trouble);
        others_succeeded
    }

    /// Failures of the oldest events in a row.
    pub(super) fn failures(&self) -> u32 {
        self.trouble.map_or(0, |trouble| trouble.failures)
    }
}
