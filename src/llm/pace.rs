//! How fast one provider is asked: so many calls at once, so many tokens a minute.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Shared by all profiles of one provider and address.
#[derive(Debug)]
pub(super) struct Pace {
    calls: Semaphore,
    tokens: Option<Mutex<Bucket>>,
}

/// A place among those who are served. Given back when dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _place: Option<SemaphorePermit<'a>>,
    pace: &'a Pace,
    estimated: u64,
}

impl Pace {
    pub(super) fn new(calls_max: usize, tokens_per_minute: Option<u64>) -> Self {
        let tokens = tokens_per_minute.map(|most| Mutex::new(Bucket::new(most, Instant::now())));
        Self { calls: Semaphore::new(calls_max), tokens }
    }

    /// Waits for a place and for the tokens; whoever stops waiting leaves the line.
    pub(super) async fn turn(&self, estimated: u64) -> Turn<'_> {
        // The semaphore is never closed; without a place the call goes ahead all the same.
        let place = self.calls.acquire().await.ok();
        if let Some(tokens) = &self.tokens {
            let wait = tokens.lock().unwrap_or_else(PoisonError::into_inner).take(estimated, Instant::now());
            tokio::time::sleep(wait).await;
        }
        Turn { _place: place, pace: self, estimated }
    }
}

impl Turn<'_> {
    /// What the call really cost.
    pub(super) fn cost(self, tokens: u64) {
        if let Some(bucket) = &self.pace.tokens {
            bucket.lock().unwrap_or_else(PoisonError::into_inner).correct(self.estimated, tokens);
        }
    }
}

/// Tokens that may be used now. Pure: the time is an argument.
#[derive(Debug)]
struct Bucket {
    per_minute: f64,
    available: f64,
    at: Instant,
}

impl Bucket {
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    fn new(per_minute: u64, now: Instant) -> Self {
        let per_minute = per_minute as f64;
        Self { per_minute, available: per_minute, at: now }
    }

    /// Takes so many; how long to wait until they are there.
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    fn take(&mut self, tokens: u64, now: Instant) -> Duration {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.per_minute / 60.0;
        self.available = (self.available + gained).min(self.per_minute);
        self.at = now;
        // More than a minute's worth could never be saved up.
        self.available -= (tokens as f64).min(self.per_minute);
        Duration::from_secs_f64((-self.available).max(0.0) * 60.0 / self.per_minute)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    fn correct(&mut self, estimated: u64, real: u64) {
        let estimated = (estimated as f64).min(self.per_minute);
        self.available = (self.available + estimated - real as f64).min(self.per_minute);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_with_time() {
        let began = Instant::now();
        let at = |second: u64| began + Duration::from_secs(second);
        let mut bucket = Bucket::new(6_000, began);
        assert_eq!(bucket.take(6_000, at(0)), Duration::ZERO);
        assert_eq!(bucket.take(1_000, at(0)), Duration::from_secs(10));
        assert_eq!(bucket.take(1_000, at(20)), Duration::ZERO, "2000 came back");
        bucket.correct(1_000, 2_000);
        assert_eq!(bucket.take(500, at(20)), Duration::from_secs(15));
        assert_eq!(bucket.take(1_000_000, at(1_000)), Duration::ZERO, "a minute's worth is the most");
    }

    #[tokio::test]
    async fn only_so_many_are_served_at_once() {
        let pace = Pace::new(1, None);
        let first = pace.turn(10).await;
        assert!(tokio::time::timeout(Duration::from_millis(20), pace.turn(10)).await.is_err());
        first.cost(10);
        assert!(tokio::time::timeout(Duration::from_secs(20), pace.turn(10)).await.is_ok());
    }
}
