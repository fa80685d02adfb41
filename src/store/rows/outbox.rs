//! Rows of the outbox and the quarantine (audit §3.3, §3.6).

use jiff::Timestamp;

/// Where an event of the outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboxState {
    /// Not sent, or certainly not stored by the receiver.
    Pending,
    /// A request with it was begun; whether it was stored is not known.
    Attempted,
    /// The receiver took it without storing it yet.
    Unconfirmed,
    /// Fails alone while others succeed: out of order, tried again now and then.
    Suspect,
}

impl OutboxState {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Attempted, Self::Unconfirmed, Self::Suspect];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Attempted => "attempted",
            Self::Unconfirmed => "unconfirmed",
            Self::Suspect => "suspect",
        }
    }

    pub(in crate::store) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What the dispatcher has to know of an event it has not met yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub seq: i64,
    pub correlation_id: String,
    pub state: OutboxState,
    pub next_attempt_at: Option<Timestamp>,
}

/// An event of the outbox with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub seq: i64,
    pub event_id: String,
    pub correlation_id: String,
    pub event_type: String,
    pub event_timestamp: Timestamp,
    pub attempts: u32,
    /// The JSON to send; `None` when it no longer has the digest it was stored with.
    pub body: Option<String>,
}

/// An event whose fate at the receiver is not known, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoubtfulRow {
    pub seq: i64,
    pub event_id: String,
    pub event_timestamp: Timestamp,
    pub state: OutboxState,
    /// Times it was asked for in vain.
    pub confirmations: u32,
}

/// Why an event is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineReason {
    /// The receiver refuses it.
    Validation,
    /// Older than the receiver takes.
    Expired,
    /// Failed for days while others succeeded.
    Suspect,
    /// Larger than the receiver takes, shortened too.
    TooLarge,
    /// Its body is not the one that was stored.
    Altered,
}

impl QuarantineReason {
    pub const ALL: [Self; 5] = [Self::Validation, Self::Expired, Self::Suspect, Self::TooLarge, Self::Altered];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Expired => "expired",
            Self::Suspect => "suspect",
            Self::TooLarge => "too_large",
            Self::Altered => "altered",
        }
    }

    pub(in crate::store) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// A change of the outbox. Several are applied together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxChange {
    /// A request with these begins. Whoever finds the mark later asks the receiver at `ask_at` first.
    Attempt { seqs: Vec<i64>, at: Timestamp, ask_at: Timestamp },
    /// Certainly not stored by the receiver.
    Release { seqs: Vec<i64> },
    /// Stored by the receiver: the rows go.
    Delivered { seqs: Vec<i64>, at: Timestamp },
    /// Taken by the receiver and not shown; `asked` times in vain so far.
    Unconfirmed { seqs: Vec<i64>, asked: u32, ask_at: Timestamp },
    /// Out of the order of its correlation until then.
    Park { seq: i64, until: Timestamp },
    /// Moves to the quarantine with everything known about it.
    Quarantine { seq: i64, reason: QuarantineReason, status: Option<u16>, problem: String, at: Timestamp },
}

impl OutboxChange {
    pub(in crate::store) fn is_one_statement(&self) -> bool {
        match self {
            Self::Attempt { .. } | Self::Release { .. } | Self::Unconfirmed { .. } | Self::Park { .. } => true,
            Self::Delivered { .. } | Self::Quarantine { .. } => false,
        }
    }
}

/// How much outbox and quarantine hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxTotals {
    pub events: u64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// Since when the oldest event waits, suspects left out.
    pub oldest: Option<Timestamp>,
    /// Events delivered since the database was made.
    pub delivered: u64,
    pub last_delivered_at: Option<Timestamp>,
    pub quarantined: u64,
    /// Bytes of bodies in quarantine.
    pub quarantined_bytes: u64,
}

/// An event of the outbox as `audit list` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingEvent {
    pub event: super::StoredEvent,
    pub state: OutboxState,
    pub attempts: u32,
    pub next_attempt_at: Option<Timestamp>,
}

/// An event in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedEvent {
    pub event: super::StoredEvent,
    pub reason: QuarantineReason,
    /// What the receiver answered, where it did.
    pub status: Option<u16>,
    pub problem: String,
    pub attempts: u32,
    pub first_seen: Timestamp,
    pub quarantined_at: Timestamp,
}
