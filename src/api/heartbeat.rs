//! Whether the runtime still schedules tasks (operations §5.3, liveness).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Silence after which the runtime counts as stuck.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Nobody has ticked: nobody watches.
const UNWATCHED: u64 = u64::MAX;

/// The newest tick, in milliseconds since `began`.
#[derive(Debug)]
pub(super) struct Heartbeat {
    began: Instant,
    newest_ms: AtomicU64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { began: Instant::now(), newest_ms: AtomicU64::new(UNWATCHED) }
    }
}

impl Heartbeat {
    pub(super) fn tick(&self) {
        self.newest_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    pub(super) fn is_alive(&self) -> bool {
        self.is_alive_at(self.now_ms())
    }

    fn is_alive_at(&self, now_ms: u64) -> bool {
        match self.newest_ms.load(Ordering::Relaxed) {
            UNWATCHED => true,
            newest => Duration::from_millis(now_ms.saturating_sub(newest)) < SILENCE_MAX,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(UNWATCHED - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_of_silence_are_too_many() {
        let heartbeat = Heartbeat::default();
        assert!(heartbeat.is_alive_at(3_600_000), "nobody watches");
        heartbeat.newest_ms.store(5_000, Ordering::Relaxed);
        assert!(heartbeat.is_alive_at(14_999));
        assert!(!heartbeat.is_alive_at(15_000));
        heartbeat.tick();
        assert!(heartbeat.is_alive());
    }
}
