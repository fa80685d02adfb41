//! Remembered positive answers, and questions that are being asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::OnceCell;

use super::Verdict;
use crate::auth::Caller;

/// Most answers that are remembered.
const ENTRIES_MAX: usize = 4096;

/// SHA-256 of a question.
pub(super) type Key = [u8; 32];

/// A caller who was let in.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) caller: Caller,
    /// Until then nobody is asked again.
    pub(super) fresh_until: Instant,
    /// Until then the answer may stand in while the API server is down.
    pub(super) usable_until: Instant,
}

type Flight = Arc<OnceCell<Result<Known, Verdict>>>;

#[derive(Debug, Default)]
pub(super) struct ReviewCache {
    known: Mutex<HashMap<Key, Known>>,
    /// At most as many as requests being answered.
    flights: Mutex<HashMap<Key, Flight>>,
}

impl ReviewCache {
    pub(super) fn fresh(&self, key: &Key, now: Instant) -> Option<Caller> {
        lock(&self.known).get(key).filter(|known| known.fresh_until > now).map(|known| known.caller.clone())
    }

    /// Asks the question, or waits for the answer when somebody is already asking. Should that one give up, the next one
    /// asks.
    pub(super) async fn once(
        &self,
        key: Key,
        ask: impl Future<Output = Result<Known, Verdict>>,
    ) -> Result<Caller, Verdict> {
        let flight = Arc::clone(lock(&self.flights).entry(key).or_default());
        let landed = Landing { cache: self, key, flight };
        let answer = landed.flight.get_or_init(async || {
            let answer = ask.await;
            self.remember(key, &answer);
            answer
        });
        match answer.await {
            Ok(known) => Ok(known.caller.clone()),
            Err(verdict) if verdict.is_outage() => self.usable(&key, Instant::now()).ok_or_else(|| verdict.clone()),
            Err(verdict) => Err(verdict.clone()),
        }
    }

    fn usable(&self, key: &Key, now: Instant) -> Option<Caller> {
        lock(&self.known).get(key).filter(|known| known.usable_until > now).map(|known| known.caller.clone())
    }

    fn remember(&self, key: Key, answer: &Result<Known, Verdict>) {
        let mut known = lock(&self.known);
        match answer {
            Ok(new) => {
                if known.len() >= ENTRIES_MAX {
                    make_room(&mut known, Instant::now());
                }
                known.insert(key, new.clone());
            }
            Err(verdict) if verdict.is_outage() => {}
            // What was revoked must not stand in later.
            Err(_) => {
                known.remove(&key);
            }
        }
    }
}

/// Drops what is of no use any more, and if that is nothing, what expires first.
fn make_room(known: &mut HashMap<Key, Known>, now: Instant) {
    known.retain(|_, entry| entry.usable_until > now);
    if known.len() >= ENTRIES_MAX
        && let Some(oldest) = known.iter().min_by_key(|(_, entry)| entry.usable_until).map(|(key, _)| *key)
    {
        known.remove(&oldest);
    }
}

/// Takes the flight off the list when the last passenger leaves, also one who gives up.
struct Landing<'a> {
    cache: &'a ReviewCache,
    key: Key,
    flight: Flight,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        /// This one's, and the list's.
        const LAST: usize = 2;
        let mut flights = lock(&self.cache.flights);
        let listed = flights.get(&self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        if listed && (self.flight.initialized() || Arc::strong_count(&self.flight) <= LAST) {
            flights.remove(&self.key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    const KEY: Key = [1; 32];

    fn known(fresh: u64, usable: u64) -> Known {
        let now = Instant::now();
        Known {
            caller: Caller { user: "alice".into() },
            fresh_until: now + Duration::from_secs(fresh),
            usable_until: now + Duration::from_secs(usable),
        }
    }

    #[tokio::test]
    async fn a_hundred_at_once_are_one_question() {
        let (cache, asked) = (ReviewCache::default(), AtomicUsize::new(0));
        let ask = async || {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err(Verdict::NotAuthenticated)
        };
        let all = futures_util::future::join_all((0..100).map(|_| cache.once(KEY, ask()))).await;
        assert!(all.iter().all(|answer| *answer == Err(Verdict::NotAuthenticated)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(lock(&cache.flights).is_empty());
        assert_eq!(
            cache.once(KEY, async { Ok(known(9, 9)) }).await.unwrap().user,
            "alice",
            "refusals are not remembered"
        );
    }

    #[tokio::test]
    async fn when_the_asker_gives_up_the_next_one_asks() {
        let cache = ReviewCache::default();
        let stuck = tokio::time::timeout(Duration::from_millis(10), cache.once(KEY, std::future::pending()));
        assert!(stuck.await.is_err());
        assert!(lock(&cache.flights).is_empty());
        assert!(cache.once(KEY, async { Ok(known(9, 9)) }).await.is_ok());
    }

    #[tokio::test]
    async fn older_answers_stand_in_only_for_outages() {
        let cache = ReviewCache::default();
        let outage = || async { Err(Verdict::AuthenticationUnavailable) };
        assert!(cache.once(KEY, async { Ok(known(0, 9)) }).await.is_ok());
        assert_eq!(cache.fresh(&KEY, Instant::now()), None);
        assert!(cache.once(KEY, outage()).await.is_ok());
        assert!(cache.once(KEY, async { Err(Verdict::NotAuthenticated) }).await.is_err());
        assert!(cache.once(KEY, outage()).await.is_err(), "a revoked token stays out");
    }

    #[tokio::test]
    async fn the_number_of_answers_is_bounded() {
        let cache = ReviewCache::default();
        for number in 0..ENTRIES_MAX + 10 {
            let mut key = KEY;
            key[..8].copy_from_slice(&number.to_le_bytes());
            cache.remember(key, &Ok(known(9, 9)));
        }
        assert_eq!(lock(&cache.known).len(), ENTRIES_MAX);
    }
}
