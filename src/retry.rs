//! Pure backoff arithmetic: how long to wait before the next attempt; and the breaker, which says whether to make one. No clock;
//! callers bring the time and the randomness, [`jitter`].

pub mod breaker;

use std::time::Duration;

use jiff::Timestamp;

/// Exponential backoff with jitter and a ceiling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// Wait before the first retry.
    pub base: Duration,
    /// Longest wait of our own making.
    pub ceiling: Duration,
    /// Longest wait a server may ask for.
    pub server_ceiling: Duration,
    /// Share of the wait that jitter may add or take, 0–1.
    pub jitter: f64,
}

impl Backoff {
    /// Wait before retry number `retry` (0 = first). `random` is uniform in 0..1; `server_delay` comes from a
    /// `Retry-After` header and is taken first, without jitter, up to `server_ceiling`.
    pub fn delay(&self, retry: u32, random: f64, server_delay: Option<Duration>) -> Duration {
        if let Some(delay) = server_delay {
            return delay.min(self.server_ceiling);
        }
        let doubled = self.base.saturating_mul(1_u32.checked_shl(retry).unwrap_or(u32::MAX)).min(self.ceiling);
        doubled.mul_f64((1.0 + self.jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0)).max(0.0))
    }
}

/// Uniform in 0..1, for [`Backoff::delay`]: jitter needs no more than the randomness of a UUID.
pub fn jitter() -> f64 {
    let bits = uuid::Uuid::new_v4().as_u64_pair().0;
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// Reads a `Retry-After` value: whole seconds or an HTTP date relative to `now`. Past dates mean no wait.
pub fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_millis(500),
        ceiling: Duration::from_secs(5),
        server_ceiling: Duration::from_mins(1),
        jitter: 0.2,
    };

    #[test]
    fn waits_double_up_to_the_ceiling_with_jitter_around_them() {
        let middle = |retry| BACKOFF.delay(retry, 0.5, None).as_millis();
        assert_eq!(
            [middle(0), middle(1), middle(2), middle(3), middle(9), middle(200)],
            [500, 1000, 2000, 4000, 5000, 5000]
        );
        assert_eq!(BACKOFF.delay(0, 0.0, None).as_millis(), 400);
        assert_eq!(BACKOFF.delay(0, 1.0, None).as_millis(), 600);
    }

    #[test]
    fn the_server_decides_first_within_bounds() {
        assert_eq!(BACKOFF.delay(0, 0.9, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(BACKOFF.delay(0, 0.9, Some(Duration::from_hours(1))), Duration::from_mins(1));
    }

    #[test]
    fn retry_after_takes_seconds_and_dates() {
        let now: Timestamp = "2026-04-12T09:00:00Z".parse().unwrap();
        assert_eq!(retry_after(" 12 ", now), Some(Duration::from_secs(12)));
        assert_eq!(retry_after("Sun, 12 Apr 2026 09:00:30 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sun, 12 Apr 2026 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
