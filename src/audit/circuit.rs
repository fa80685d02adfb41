//! When DataStorage may be asked again (audit §3.5): one shared backoff, because an outage concerns everyone. No clock, no
//! randomness of its own.

use std::time::{Duration, Instant};

use super::config::BackoffConfig;
use crate::retry::Backoff;

/// Failures in a row that open the circuit.
const FAILURES_TO_OPEN: u32 = 3;
/// Longest pause a server may ask for.
const SERVER_DELAY_MAX: Duration = Duration::from_mins(5);

/// How many requests may be under way now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Free,
    /// One, to see whether the server is back.
    Probe,
    Closed {
        until: Instant,
    },
}

/// What the operator sees. The gauge counts closed 0, half-open 1, open 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    HalfOpen,
    Open,
}

/// A failure of the whole server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Failure {
    /// Number of the pause the request was sent in, from [`Circuit::pause`].
    pub(super) pause: u64,
    /// Shortest pause now due.
    pub(super) at_least: Duration,
    /// What the server asked for.
    pub(super) retry_after: Option<Duration>,
    /// Uniform in 0..1.
    pub(super) random: f64,
}

#[derive(Debug)]
pub(super) struct Circuit {
    backoff: Backoff,
    failures: u32,
    until: Option<Instant>,
    pause: u64,
}

impl Circuit {
    pub(super) fn new(config: &BackoffConfig) -> Self {
        Self { backoff: backoff(config), failures: 0, until: None, pause: 0 }
    }

    /// The next pause will be as long as this says; one that has begun stays.
    pub(super) fn set_pauses(&mut self, config: &BackoffConfig) {
        self.backoff = backoff(config);
    }

    pub(super) fn gate(&self, now: Instant) -> Gate {
        match self.until {
            None => Gate::Free,
            Some(until) if until > now => Gate::Closed { until },
            Some(_) => Gate::Probe,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.failures >= FAILURES_TO_OPEN
    }

    pub(super) fn state(&self, now: Instant) -> State {
        match self.gate(now) {
            _ if !self.is_open() => State::Closed,
            Gate::Closed { .. } => State::Open,
            Gate::Free | Gate::Probe => State::HalfOpen,
        }
    }

    /// Number of the current pause; requests under way carry it.
    pub(super) fn pause(&self) -> u64 {
        self.pause
    }

    pub(super) fn succeeded(&mut self) {
        (self.failures, self.until) = (0, None);
    }

    /// A pause of our own after so many failures in a row.
    pub(super) fn pause_after(&self, failures: u32) -> Duration {
        self.backoff.delay(failures.saturating_sub(1), 0.0, None)
    }

    /// Requests that failed together make one step.
    pub(super) fn failed(&mut self, failure: Failure, now: Instant) {
        if failure.pause != self.pause {
            return;
        }
        let wait = match failure.retry_after {
            Some(_) => self.backoff.delay(self.failures, 0.0, failure.retry_after),
            // Between half of the pause and all of it, so that replicas do not come back together.
            None => self.backoff.delay(self.failures, 0.0, None).mul_f64(0.5 + failure.random.clamp(0.0, 1.0) / 2.0),
        };
        self.failures = self.failures.saturating_add(1);
        self.pause += 1;
        self.until = Some(now + wait.max(failure.at_least));
    }
}

fn backoff(config: &BackoffConfig) -> Backoff {
    Backoff { base: config.base, ceiling: config.ceiling, server_ceiling: SERVER_DELAY_MAX, jitter: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(circuit: &Circuit) -> Failure {
        Failure { pause: circuit.pause(), at_least: Duration::ZERO, retry_after: None, random: 1.0 }
    }

    #[test]
    fn three_failures_open_it_and_one_success_closes_it() {
        let start = Instant::now();
        let mut circuit = Circuit::new(&BackoffConfig::default());
        let mut now = start;
        let mut waits = Vec::new();
        for failures in 1..=8 {
            assert_eq!(circuit.state(now) == State::Closed, failures <= 3, "before failure {failures}");
            circuit.failed(failure(&circuit), now);
            let Gate::Closed { until } = circuit.gate(now) else { panic!("no pause after failure {failures}") };
            waits.push((until - now).as_millis());
            now = until;
            assert_eq!(circuit.gate(now), Gate::Probe);
        }
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(circuit.state(now), State::HalfOpen);
        circuit.succeeded();
        assert_eq!((circuit.gate(now), circuit.state(now)), (Gate::Free, State::Closed));
    }

    #[test]
    fn requests_that_fail_together_make_one_step() {
        let now = Instant::now();
        let mut circuit = Circuit::new(&BackoffConfig::default());
        let together = failure(&circuit);
        circuit.failed(together, now);
        let gate = circuit.gate(now);
        circuit.failed(together, now);
        assert_eq!(circuit.gate(now), gate);
    }

    #[test]
    fn pauses_follow_the_server_within_bounds_and_jitter_between_half_and_all() {
        let now = Instant::now();
        let config = BackoffConfig::default();
        let wait = |retry_after: Option<u64>, at_least: u64, random: f64| {
            let mut circuit = Circuit::new(&config);
            let (retry_after, at_least) = (retry_after.map(Duration::from_secs), Duration::from_secs(at_least));
            circuit.failed(Failure { pause: 0, at_least, retry_after, random }, now);
            match circuit.gate(now) {
                Gate::Closed { until } => (until - now).as_millis(),
                gate => panic!("{gate:?}"),
            }
        };
        assert_eq!([wait(None, 0, 0.0), wait(None, 0, 1.0)], [250, 500]);
        assert_eq!([wait(Some(7), 0, 0.5), wait(Some(3_600), 0, 0.5)], [7_000, 300_000]);
        assert_eq!(wait(None, 5, 0.0), 5_000);
    }
}
