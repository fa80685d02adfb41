//! The audit trail and its delivery.

use super::Kind::{Number, Numbers, Positive, Whole, Word};
use super::{Key, key};

/// Most of anything that has no natural bound.
const MANY: u64 = 1 << 50;
/// Longest age of anything kept, days.
const DAYS_MAX: f64 = 3_660.0;

pub(super) const KEYS: &[Key] = &[
    key(
        "audit.sink",
        Word(&["datastorage", "local"]),
        "datastorage",
        "Events are delivered, or kept in the store and read with `audit list`.",
    ),
    key(
        "audit.schema_profile",
        Word(&["a", "h"]),
        "a",
        "Generation of the schema the receiver speaks: April, or the successor.",
    ),
    key(
        "audit.local.max_bytes",
        Whole(0, MANY),
        "268435456",
        "Event bodies kept with `sink: local`; the oldest go first.",
    ),
    key("audit.local.max_age_days", Positive(DAYS_MAX), "30", "How long they are kept."),
    key(
        "audit.flush_interval_seconds",
        Number(0.05, 60.0),
        "0.2",
        "How long an event may wait for company; above 5 counts as 5.",
    ).now(),
    key("audit.batch_size", Whole(1, 1_000), "100", "Events in one request; above 100 counts as 100.").now(),
    key("audit.http_timeout_seconds", Number(31.0, 60.0), "35", "One request; DataStorage may take 30 s for a batch.").now(),
    key("audit.senders", Whole(1, 8), "2", "Requests at once.").now(),
    key(
        "audit.drain_timeout_seconds",
        Number(0.0, 300.0),
        "20",
        "Delivery goes on this long after the last investigation of a process that ends.",
    ).now(),
    key(
        "audit.max_age_hours",
        Positive(168.0),
        "167",
        "Older events are put into quarantine; DataStorage would refuse them.",
    ).now(),
    key(
        "audit.readiness_max_age_seconds",
        Number(1.0, 604_800.0),
        "3600",
        "The service is not ready while an event waits longer than this.",
    ).now(),
    key(
        "audit.poll_interval_seconds",
        Number(0.01, 60.0),
        "5",
        "Between two looks for events put back by `audit requeue`.",
    ).now(),
    key("audit.spool.max_bytes", Whole(1 << 20, MANY), "536870912", "Event bodies waiting for delivery."),
    key("audit.spool.high_water", Positive(1.0), "0.8", "Share of it above which no incident is accepted."),
    key(
        "audit.spool.reservation_per_investigation",
        Whole(0, MANY),
        "262144",
        "Room set aside for each running investigation.",
    ),
    key("audit.spool.quarantine_max_bytes", Whole(0, MANY), "67108864", "Refused events kept; the oldest go first.").now(),
    key("audit.spool.quarantine_max_age_days", Positive(DAYS_MAX), "30", "How long they are kept.").now(),
    key(
        "audit.spool.reopen_interval_seconds",
        Number(0.01, 3_600.0),
        "30",
        "Between two attempts to use a disk that failed.",
    ).now(),
    key(
        "audit.confirm.ambiguity_wait_seconds",
        Number(0.0, 300.0),
        "35",
        "From a request whose answer was lost to the question whether it was stored.",
    ).now(),
    key(
        "audit.confirm.accepted_waits_seconds",
        Numbers(0.0, 604_800.0),
        "",
        "From a 202, and from each question in vain, to the next question, at most 10; 30, 120 and 600 under profile `a`, none under `h`, unless set.",
    ).now(),
    key(
        "audit.backoff.base_seconds",
        Number(0.001, 60.0),
        "0.5",
        "First pause while DataStorage does not take events; each further one is twice as long.",
    ).now(),
    key("audit.backoff.max_seconds", Number(0.001, 300.0), "30", "Longest pause.").now(),
    key("audit.backoff.forbidden_seconds", Number(0.0, 300.0), "5", "Shortest pause after 403.").now(),
    key("audit.suspect.failures", Whole(1, 1_000), "10", "Failures of an event alone before it is taken out of order.").now(),
    key("audit.suspect.after_seconds", Number(0.0, 86_400.0), "600", "And at least this long.").now(),
    key("audit.suspect.retry_seconds", Number(0.01, 86_400.0), "3600", "Between two further attempts.").now(),
    key(
        "audit.buffer_size",
        Whole(100, 1_000_000),
        "",
        "Accepted for old files, without effect: the outbox is bounded in bytes.",
    ),
    key(
        "audit.max_retries",
        Whole(0, 10),
        "",
        "Accepted for old files, without effect: time and space limit delivery, not attempts.",
    ).now(),
];
