//! How much is let in: requests answered at once, and requests of one client. Both limits may change under the service.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::rate_limit::{RateLimit, RateLimitConfig};

/// The limits of the router. Clones share them.
#[derive(Debug, Clone)]
pub struct Traffic {
    pub(super) places: Places,
    pub(super) clients: RateLimit,
}

impl Traffic {
    /// `concurrent_requests_max` 0 is no limit.
    pub fn new(concurrent_requests_max: usize, clients: &RateLimitConfig) -> Self {
        Self { places: Places::new(concurrent_requests_max), clients: RateLimit::new(clients) }
    }

    /// Other limits from the next request on; requests under way are not touched.
    pub fn change(&self, concurrent_requests_max: usize, clients: &RateLimitConfig) {
        self.places.0.most.store(concurrent_requests_max, Ordering::Relaxed);
        self.clients.change(clients);
    }
}

/// Places of authenticated requests.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Count>);

#[derive(Debug)]
struct Count {
    taken: AtomicUsize,
    /// 0 is no limit.
    most: AtomicUsize,
}

/// One place, given back when dropped.
#[derive(Debug)]
pub(super) struct Taken(Arc<Count>);

impl Places {
    fn new(most: usize) -> Self {
        Self(Arc::new(Count { taken: AtomicUsize::new(0), most: AtomicUsize::new(most) }))
    }

    /// A place, if one is free.
    pub(super) fn take(&self) -> Option<Taken> {
        let most = self.0.most.load(Ordering::Relaxed);
        let one_more = |taken: usize| (most == 0 || taken < most).then(|| taken.saturating_add(1));
        let taken = self.0.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.ok().map(|_| Taken(Arc::clone(&self.0)))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_places_changes_under_those_who_have_one() {
        let traffic = Traffic::new(2, &RateLimitConfig::default());
        let change = |most| traffic.change(most, &RateLimitConfig::default());
        let mut taken: Vec<Taken> = (0..2).map(|_| traffic.places.take().unwrap()).collect();
        assert!(traffic.places.take().is_none());
        change(3);
        taken.extend(traffic.places.take());
        assert_eq!(taken.len(), 3);
        change(1);
        taken.truncate(1);
        assert!(traffic.places.take().is_none(), "one is left, and one is the most");
        change(0);
        taken.extend((0..1_000).map_while(|_| traffic.places.take()));
        assert_eq!(taken.len(), 1_001, "no limit, and everybody is counted");
        change(1_001);
        assert!(traffic.places.take().is_none());
        taken.clear();
        assert!(traffic.places.take().is_some());
    }
}
