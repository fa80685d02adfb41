//! How many investigations run at once. The number may change under them: a smaller one takes nothing away from those that
//! run, it is reached when enough of them have ended; a larger one lets those that wait begin.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places of running investigations. Fair: whoever asks first starts first. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Debug)]
struct Size {
    limit: usize,
    /// Places that are taken and do not exist any more: each goes when it is given back.
    surplus: usize,
}

/// A place, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Inner>,
    place: Option<OwnedSemaphorePermit>,
}

impl Slots {
    pub(super) fn new(limit: usize) -> Self {
        let limit = bounded(limit);
        let size = Mutex::new(Size { limit, surplus: 0 });
        Self(Arc::new(Inner { places: Arc::new(Semaphore::new(limit)), size }))
    }

    /// From now on so many at once.
    pub(super) fn resize(&self, limit: usize) {
        let limit = bounded(limit);
        self.0.with(|size| {
            if limit < size.limit {
                let fewer = size.limit - limit;
                size.surplus += fewer - self.0.places.forget_permits(fewer);
            } else {
                let more = limit - size.limit;
                let kept = more.min(size.surplus);
                size.surplus -= kept;
                self.0.places.add_permits(more - kept);
            }
            size.limit = limit;
        });
    }

    /// Waits for a place. `None` never happens: nobody closes the places.
    pub(super) async fn take(self) -> Option<Slot> {
        loop {
            let place = Arc::clone(&self.0.places).acquire_owned().await.ok()?;
            // One that somebody was given and did not want may have come back without being counted.
            if let Some(place) = self.0.unless_surplus(place) {
                return Some(Slot { slots: Arc::clone(&self.0), place: Some(place) });
            }
        }
    }
}

impl Inner {
    /// Held for moments only, never across an await.
    fn with<T>(&self, act: impl FnOnce(&mut Size) -> T) -> T {
        act(&mut self.size.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Destroys a place if there are too many.
    fn unless_surplus(&self, place: OwnedSemaphorePermit) -> Option<OwnedSemaphorePermit> {
        self.with(|size| {
            if size.surplus == 0 {
                return Some(place);
            }
            size.surplus -= 1;
            place.forget();
            None
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Goes back, unless there are too many.
        drop(self.place.take().and_then(|place| self.slots.unless_surplus(place)));
    }
}

fn bounded(limit: usize) -> usize {
    limit.min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;

    use super::*;

    fn try_take(slots: &Slots) -> Option<Slot> {
        match pin!(slots.clone().take()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(slot) => slot,
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn a_smaller_number_waits_for_those_that_run() {
        let slots = Slots::new(3);
        let mut running: Vec<Slot> = (0..3).map(|_| try_take(&slots).unwrap()).collect();
        slots.resize(1);
        for left in [2, 1] {
            running.truncate(left);
            assert!(try_take(&slots).is_none(), "{left} run");
        }
        running.clear();
        let only = try_take(&slots).unwrap();
        assert!(try_take(&slots).is_none());
        drop(only);
    }

    #[tokio::test]
    async fn a_larger_number_wakes_those_that_wait_in_their_order() {
        let slots = Slots::new(1);
        let first = try_take(&slots).unwrap();
        let waiting: Vec<_> = (0..2).map(|_| tokio::spawn(slots.clone().take())).collect();
        tokio::task::yield_now().await;
        slots.resize(2);
        let mut waiting = waiting.into_iter();
        let second = waiting.next().unwrap().await.unwrap().unwrap();
        let third = waiting.next().unwrap();
        assert!(!third.is_finished());
        drop(first);
        drop((second, third.await.unwrap().unwrap()));
    }

    #[test]
    fn a_place_that_nobody_wanted_is_no_place_too_many() {
        let slots = Slots::new(1);
        let first = try_take(&slots).unwrap();
        let mut waiting = Box::pin(slots.clone().take());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        slots.resize(2);
        slots.resize(1);
        // Given the place that is one too many, and gone.
        drop(waiting);
        assert!(try_take(&slots).is_none());
        drop(first);
        assert!(try_take(&slots).is_some());
    }

    proptest! {
        /// Steps: take, give back, another size.
        #[test]
        fn never_more_begin_than_the_number_allows(limit in 1_usize..6, steps in proptest::collection::vec((0_u8..3, 1_usize..6), 1..60)) {
            let slots = Slots::new(limit);
            let (mut limit, mut running) = (limit, Vec::new());
            for (step, number) in steps {
                match step {
                    0 => {
                        let taken = try_take(&slots);
                        prop_assert_eq!(taken.is_some(), running.len() < limit);
                        running.extend(taken);
                    }
                    1 => drop(running.pop()),
                    _ => {
                        limit = number;
                        slots.resize(limit);
                    }
                }
            }
        }
    }
}
