//! What the schedule asks for and what it is told.

use std::sync::Arc;
use std::time::Instant;

use crate::audit::classify::Outage;

/// The name of a lane.
pub(in crate::audit) type Correlation = Arc<str>;

/// What the shipper should do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit) enum Step {
    /// One request with the oldest events of these.
    Send(Cargo),
    /// Ask which events of the correlation are stored.
    Ask(Correlation),
    /// Take the oldest event of the correlation out of its order.
    Park(Correlation),
    /// Nothing until then, or until something happens.
    Wait(Option<Instant>),
}

/// Contents of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit) struct Cargo {
    pub(in crate::audit) lanes: Vec<Correlation>,
    pub(in crate::audit) events_max: usize,
    /// Number of the pause in which it is sent.
    pub(in crate::audit) pause: u64,
}

/// How a request went.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::audit) struct Report {
    /// What left the outbox of each lane, delivered or put into quarantine.
    pub(in crate::audit) removed: Vec<(Correlation, u64)>,
    /// Whether the server took anything.
    pub(in crate::audit) reached: bool,
    pub(in crate::audit) pause: u64,
    pub(in crate::audit) end: End,
}

/// Why a request ended.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::audit) enum End {
    /// Nothing is left to do about it.
    Clear,
    Outage(Outage),
    /// The database refused the last part: these lanes, so many events.
    ServerError {
        lanes: Vec<Correlation>,
        events: usize,
    },
    /// These lanes' events may be stored; ask then.
    Doubt {
        lanes: Vec<Correlation>,
        ask_at: Instant,
        /// There was no answer: the server may be on its way down.
        answer_lost: bool,
    },
    /// Our own store failed; nothing was sent that it does not know of.
    StoreFailed,
}

/// What asking brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::audit) enum Answer {
    /// So many are stored; the others are not.
    Settled {
        stored: u64,
    },
    /// So many are stored; ask for the others again then.
    AskAgain {
        stored: u64,
        at: Instant,
    },
    Failed(Outage),
    StoreFailed,
}
