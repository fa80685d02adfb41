//! Event times (audit §3.4): microseconds, unique, strictly increasing, also across a restart and a clock set back.

use jiff::{SignedDuration, Timestamp};

/// Beyond this the receiver's own limit (one hour ahead) comes near, and the wall clock is followed again.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(45);
/// A wall clock set back by more than this is worth a word.
const SET_BACK_NOTICED: SignedDuration = SignedDuration::from_mins(5);

/// Gives every event its time.
#[derive(Debug)]
pub(super) struct EventClock {
    last: Timestamp,
    set_back: bool,
}

impl EventClock {
    /// Continues behind the newest event already kept.
    pub(super) fn after(last: Option<Timestamp>) -> Self {
        Self { last: last.unwrap_or(Timestamp::MIN), set_back: false }
    }

    /// The next event's time.
    pub(super) fn next(&mut self, now: Timestamp) -> Timestamp {
        let ahead = self.last.duration_since(now);
        let was_set_back = std::mem::replace(&mut self.set_back, ahead > SET_BACK_NOTICED);
        if self.set_back && !was_set_back {
            tracing::warn!(
                event = "clock_set_back",
                by_seconds = ahead.as_secs(),
                "the clock went back; audit events keep counting from the newest one"
            );
        }
        let following = self.last.checked_add(SignedDuration::from_micros(1)).unwrap_or(self.last);
        self.last = if ahead > AHEAD_MAX { now } else { now.max(following) };
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn micros_after(base: Timestamp, micros: i64) -> Timestamp {
        base + SignedDuration::from_micros(micros)
    }

    #[test]
    fn times_never_repeat() {
        let mut clock = EventClock::after(None);
        assert_eq!([clock.next(at(0)), clock.next(at(0))], [at(0), micros_after(at(0), 1)]);
        assert_eq!(clock.next(at(1)), at(1));
    }

    #[test]
    fn a_restart_and_a_clock_set_back_continue_from_the_newest() {
        let mut clock = EventClock::after(Some(at(100)));
        assert_eq!(clock.next(at(99)), micros_after(at(100), 1));
        assert_eq!(clock.next(at(100 - 44 * 60)), micros_after(at(100), 2));
    }

    #[test]
    fn far_ahead_follows_the_wall_clock_again() {
        let mut clock = EventClock::after(Some(at(0)));
        let hour_before = at(-3_600);
        assert_eq!([clock.next(hour_before), clock.next(hour_before)], [hour_before, micros_after(hour_before, 1)]);
    }

    /// Audit §3.13 #10.
    #[test]
    fn test_10_set_back_by_an_hour_set_forward_by_two_and_two_in_one_microsecond() {
        let mut clock = EventClock::after(Some(at(0)));
        assert_eq!(clock.next(at(-3_600)), at(-3_600), "an hour ahead would be refused");
        assert_eq!(clock.next(at(7_200)), at(7_200));
        assert_eq!(clock.next(at(7_200)), micros_after(at(7_200), 1));
        assert_eq!(clock.next(at(7_200 - 600)), micros_after(at(7_200), 2), "ten minutes back: goes on counting");
    }
}
