//! Remembered positive answers, and questions that are being asked. How long an answer may be used is asked for each time: the
//! limits may be others by then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    pub(super) since: Instant,
    /// Of the token; the answer is worth nothing afterwards.
    pub(super) ends_at: Option<Instant>,
}

impl Known {
    /// Whether the answer is younger than this, and the token still counts.
    fn is_within(&self, age_max: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < age_max && self.ends_at.is_none_or(|ends_at| now < ends_at)
    }
}

type Flight = Arc<OnceCell<Result<Known, Verdict>>>;

#[derive(Debug, Default)]
pub(super) struct ReviewCache {
    known: Mutex<HashMap<Key, Known>>,
    /// At most as many as requests being answered.
    flights: Mutex<HashMap<Key, Flight>>,
}

impl ReviewCache {
    /// An answer younger than this.
    pub(super) fn known(&self, key: &Key, age_max: Duration, now: Instant) -> Option<Caller> {
        lock(&self.known).get(key).filter(|known| known.is_within(age_max, now)).map(|known| known.caller.clone())
    }

    /// Asks the question, or waits for the answer when somebody is already asking. Should that one give up, the next one
    /// asks. While nobody can be asked, an answer younger than `usable_for` stands in.
    pub(super) async fn once(
        &self,
        key: Key,
        usable_for: Duration,
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
            Err(verdict) if verdict.is_outage() => {
                self.known(&key, usable_for, Instant::now()).ok_or_else(|| verdict.clone())
            }
            Err(verdict) => Err(verdict.clone()),
        }
    }

    fn remember(&self, key: Key, answer: &Result<Known, Verdict>) {
        let mut known = lock(&self.known);
        match answer {
            Ok(new) => {
                if known.len() >= ENTRIES_MAX {
                    make_room(&mut known);
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

/// Drops the older half: one look at all for many that come.
fn make_room(known: &mut HashMap<Key, Known>) {
    let mut ages: Vec<Instant> = known.values().map(|entry| entry.since).collect();
    let middle = ages.len() / 2;
    let (_, median, _) = ages.select_nth_unstable(middle);
    let median = *median;
    known.retain(|_, entry| entry.since > median);
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

    use super::*;

    const KEY: Key = [1; 32];

    const LONG: Duration = Duration::from_secs(9);

    fn known() -> Known {
        Known { caller: Caller { user: "alice".into() }, since: Instant::now(), ends_at: None }
    }

    #[tokio::test]
    async fn a_hundred_at_once_are_one_question() {
        let (cache, asked) = (ReviewCache::default(), AtomicUsize::new(0));
        let ask = async || {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Err(Verdict::NotAuthenticated)
        };
        let all = futures_util::future::join_all((0..100).map(|_| cache.once(KEY, LONG, ask()))).await;
        assert!(all.iter().all(|answer| *answer == Err(Verdict::NotAuthenticated)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(lock(&cache.flights).is_empty());
        assert_eq!(
            cache.once(KEY, LONG, async { Ok(known()) }).await.unwrap().user,
            "alice",
            "refusals are not remembered"
        );
    }

    #[tokio::test]
    async fn when_the_asker_gives_up_the_next_one_asks() {
        let cache = ReviewCache::default();
        let stuck = tokio::time::timeout(Duration::from_millis(10), cache.once(KEY, LONG, std::future::pending()));
        assert!(stuck.await.is_err());
        assert!(lock(&cache.flights).is_empty());
        assert!(cache.once(KEY, LONG, async { Ok(known()) }).await.is_ok());
    }

    #[tokio::test]
    async fn older_answers_stand_in_only_for_outages() {
        let cache = ReviewCache::default();
        let outage = || async { Err(Verdict::AuthenticationUnavailable) };
        assert!(cache.once(KEY, LONG, async { Ok(known()) }).await.is_ok());
        assert!(cache.once(KEY, LONG, outage()).await.is_ok());
        assert!(cache.once(KEY, Duration::ZERO, outage()).await.is_err(), "the limit of now counts");
        assert!(cache.once(KEY, LONG, async { Err(Verdict::NotAuthenticated) }).await.is_err());
        assert!(cache.once(KEY, LONG, outage()).await.is_err(), "a revoked token stays out");
    }

    #[test]
    fn an_answer_ends_with_its_age_or_with_its_token() {
        let cache = ReviewCache::default();
        let answer = Known { ends_at: Some(Instant::now() + Duration::from_secs(5)), ..known() };
        let at = |seconds| answer.since + Duration::from_secs(seconds);
        cache.remember(KEY, &Ok(answer.clone()));
        for (age_max, second, expected) in [(3, 2, true), (3, 3, false), (60, 4, true), (60, 5, false), (0, 0, false)] {
            let found = cache.known(&KEY, Duration::from_secs(age_max), at(second));
            assert_eq!(found.is_some(), expected, "{age_max} {second}");
        }
    }

    #[tokio::test]
    async fn the_number_of_answers_is_bounded() {
        let cache = ReviewCache::default();
        for number in 0..ENTRIES_MAX + 10 {
            let mut key = KEY;
            key[..8].copy_from_slice(&number.to_le_bytes());
            cache.remember(key, &Ok(known()));
            assert!(lock(&cache.known).len() <= ENTRIES_MAX);
        }
        assert!(lock(&cache.known).len() > ENTRIES_MAX / 4);
    }
}
