//! A circuit breaker (operations §7.5): stops asking who does not answer, and tries again with a few calls. Pure: the time is
//! an argument.

use std::time::{Duration, Instant};

/// When it opens and closes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// One that is off lets everything through.
    pub is_on: bool,
    /// Trial calls at once, and how many must succeed, while half open.
    pub trials: u32,
    /// Over which calls are counted.
    pub window: Duration,
    /// How long it stays open.
    pub open_for: Duration,
    /// Calls in the window before it may open.
    pub sample_min: u32,
    /// Share of failed calls that opens it.
    pub failure_ratio: f64,
}

/// Whether calls go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Closed,
    HalfOpen,
    Open,
}

impl State {
    /// As the metric counts it.
    pub fn number(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

/// How a call ended, as far as it says something about the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It answered, be it with a refusal.
    Answered,
    Failed,
    /// Nobody waited for the answer.
    Unknown,
}

/// Lets one call through. It is handed back with the call's verdict.
#[derive(Debug)]
pub struct Pass {
    generation: u64,
}

/// One that is asked: a model of a provider, a server.
#[derive(Debug)]
pub struct Breaker {
    rules: Rules,
    state: State,
    /// Verdicts about an earlier state say nothing about this one.
    generation: u64,
    /// End of the window while closed, of the wait while open.
    until: Instant,
    /// Let through since the state began, and not withdrawn.
    admitted: u32,
    answered: u32,
    failed: u32,
}

impl Breaker {
    pub fn new(rules: Rules, now: Instant) -> Self {
        let until = now + rules.window;
        Self { rules, state: State::Closed, generation: 0, until, admitted: 0, answered: 0, failed: 0 }
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Lets a call through, or tells how long nobody is.
    pub fn admit(&mut self, now: Instant) -> Result<Pass, Duration> {
        match self.state {
            State::Closed if now >= self.until => self.enter(State::Closed, now),
            State::Open if now >= self.until => self.enter(State::HalfOpen, now),
            State::Open if self.rules.is_on => return Err(self.until - now),
            _ => {}
        }
        if self.state == State::HalfOpen && self.admitted >= self.rules.trials {
            return Err(Duration::from_secs(1));
        }
        self.admitted += 1;
        Ok(Pass { generation: self.generation })
    }

    pub fn record(&mut self, pass: &Pass, verdict: Verdict, now: Instant) {
        if pass.generation != self.generation {
            return;
        }
        match verdict {
            Verdict::Answered => self.answered += 1,
            Verdict::Failed => self.failed += 1,
            Verdict::Unknown => self.admitted = self.admitted.saturating_sub(1),
        }
        match self.state {
            State::Closed if self.is_tripped() => self.enter(State::Open, now),
            State::HalfOpen if self.failed > 0 => self.enter(State::Open, now),
            State::HalfOpen if self.answered >= self.rules.trials => self.enter(State::Closed, now),
            _ => {}
        }
    }

    fn is_tripped(&self) -> bool {
        let calls = self.answered + self.failed;
        let ratio = f64::from(self.failed) / f64::from(calls.max(1));
        self.rules.is_on && calls >= self.rules.sample_min && ratio >= self.rules.failure_ratio
    }

    fn enter(&mut self, state: State, now: Instant) {
        let lasts = match state {
            State::Closed => self.rules.window,
            State::Open | State::HalfOpen => self.rules.open_for,
        };
        self.state = state;
        self.generation += 1;
        self.until = now + lasts;
        (self.admitted, self.answered, self.failed) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        is_on: true,
        trials: 2,
        window: Duration::from_secs(30),
        open_for: Duration::from_secs(10),
        sample_min: 4,
        failure_ratio: 0.5,
    };

    struct Watch {
        breaker: Breaker,
        began: Instant,
    }

    impl Watch {
        fn new(rules: Rules) -> Self {
            let began = Instant::now();
            Self { breaker: Breaker::new(rules, began), began }
        }

        fn at(&self, second: u64) -> Instant {
            self.began + Duration::from_secs(second)
        }

        /// One whole call; false when it is not let through.
        fn call(&mut self, second: u64, verdict: Verdict) -> bool {
            let now = self.at(second);
            let Ok(pass) = self.breaker.admit(now) else { return false };
            self.breaker.record(&pass, verdict, now);
            true
        }
    }

    #[test]
    fn it_opens_at_the_ratio_of_a_large_enough_sample() {
        let mut watch = Watch::new(RULES);
        for verdict in [Verdict::Failed, Verdict::Failed, Verdict::Failed] {
            assert!(watch.call(0, verdict));
        }
        assert_eq!(watch.breaker.state(), State::Closed, "three calls are too few");
        assert!(watch.call(1, Verdict::Answered));
        assert_eq!(watch.breaker.state(), State::Open, "three of four failed");
        assert!(!watch.call(10, Verdict::Answered));
        assert_eq!(watch.breaker.admit(watch.at(5)).err(), Some(Duration::from_secs(6)));
    }

    #[test]
    fn a_window_that_ended_counts_no_more() {
        let mut watch = Watch::new(RULES);
        assert!((0..3).all(|_| watch.call(0, Verdict::Failed)));
        assert!((0..3).all(|_| watch.call(31, Verdict::Failed)));
        assert_eq!(watch.breaker.state(), State::Closed);
        assert!(watch.call(32, Verdict::Failed));
        assert_eq!(watch.breaker.state(), State::Open);
    }

    #[test]
    fn a_few_calls_close_it_and_one_failure_opens_it_again() {
        let mut watch = Watch::new(RULES);
        assert!((0..4).all(|_| watch.call(0, Verdict::Failed)));
        assert!(watch.call(10, Verdict::Answered));
        assert_eq!(watch.breaker.state(), State::HalfOpen);
        assert!(watch.call(10, Verdict::Failed));
        assert_eq!(watch.breaker.state(), State::Open);
        assert!(!watch.call(19, Verdict::Answered));
        assert!(watch.call(20, Verdict::Answered) && watch.call(20, Verdict::Answered));
        assert_eq!(watch.breaker.state(), State::Closed);
    }

    #[test]
    fn while_half_open_only_so_many_at_once_and_nobody_who_left_keeps_a_place() {
        let mut watch = Watch::new(RULES);
        assert!((0..4).all(|_| watch.call(0, Verdict::Failed)));
        let now = watch.at(10);
        let first = watch.breaker.admit(now).unwrap();
        let second = watch.breaker.admit(now).unwrap();
        assert!(watch.breaker.admit(now).is_err());
        watch.breaker.record(&first, Verdict::Unknown, now);
        let third = watch.breaker.admit(now).unwrap();
        watch.breaker.record(&second, Verdict::Answered, now);
        watch.breaker.record(&third, Verdict::Answered, now);
        assert_eq!(watch.breaker.state(), State::Closed);
        watch.breaker.record(&third, Verdict::Failed, now);
        assert_eq!(watch.breaker.failed, 0, "a verdict about an earlier state");
    }

    #[test]
    fn switched_off_it_lets_everything_through() {
        let mut watch = Watch::new(Rules { is_on: false, ..RULES });
        assert!((0..50).all(|_| watch.call(0, Verdict::Failed)));
        assert_eq!(watch.breaker.state(), State::Closed);
    }
}
