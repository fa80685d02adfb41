//! The breaker of questions (operations §7.5): while the server fails, nobody waits for it to fail again. Audit events have a
//! circuit of their own: they are kept and must arrive.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::transport::{Answer, CallError};
use crate::retry::breaker::{Breaker, Pass, Rules, State, Verdict};
use crate::telemetry::Metrics;

/// In metrics and logs.
const NAME: &str = "data_storage";

#[derive(Debug)]
pub(super) struct Guard {
    breaker: Mutex<Breaker>,
    metrics: Metrics,
}

/// A call that was let through; without a verdict it counts as never made.
pub(super) struct Admission<'a> {
    guard: &'a Guard,
    pass: Pass,
    verdict: Verdict,
}

impl Guard {
    pub(super) fn new(rules: Rules, metrics: Metrics) -> Self {
        let guard = Self { breaker: Mutex::new(Breaker::new(rules, Instant::now())), metrics };
        guard.metrics.circuit_breaker(NAME, State::Closed.number());
        guard
    }

    /// Other rules begin anew; the same ones change nothing.
    pub(super) fn set_rules(&self, rules: Rules) {
        self.with(|breaker| {
            if *breaker.rules() != rules {
                *breaker = Breaker::new(rules, Instant::now());
            }
        });
    }

    /// # Errors
    /// Nothing is sent now.
    pub(super) fn admit(&self) -> Result<Admission<'_>, CallError> {
        let admitted = self.with(|breaker| breaker.admit(Instant::now()));
        let suspended = |_| CallError::NotSent("it failed too often just now and is left alone for a while".to_owned());
        let pass = admitted.map_err(suspended)?;
        Ok(Admission { guard: self, pass, verdict: Verdict::Unknown })
    }

    /// Does something with the breaker, and tells when that changed its state.
    fn with<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let (done, before, after) = {
            let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
            let before = breaker.state();
            (act(&mut breaker), before, breaker.state())
        };
        if before != after {
            self.tell(after);
        }
        done
    }

    fn tell(&self, state: State) {
        self.metrics.circuit_breaker(NAME, state.number());
        match state {
            State::Open => {
                tracing::warn!(event = "circuit_breaker_opened", name = NAME, "questions to DataStorage suspended");
            }
            State::HalfOpen => {
                tracing::info!(event = "circuit_breaker_half_open", name = NAME, "questions to DataStorage tried");
            }
            State::Closed => {
                tracing::info!(event = "circuit_breaker_closed", name = NAME, "questions to DataStorage resumed");
            }
        }
    }
}

impl Admission<'_> {
    /// How the call ended.
    pub(super) fn settle(mut self, answer: &Result<Answer, CallError>) {
        self.verdict = match answer {
            Ok(answer) if matches!(answer.status.as_u16(), 500 | 502 | 503 | 504 | 529) => Verdict::Failed,
            Err(CallError::NotSent(_) | CallError::Lost(_)) => Verdict::Failed,
            Ok(_) | Err(CallError::Status { .. } | CallError::Malformed) => Verdict::Answered,
        };
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        self.guard.with(|breaker| breaker.record(&self.pass, self.verdict, Instant::now()));
    }
}
