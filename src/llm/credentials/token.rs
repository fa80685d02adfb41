//! Something that runs out and is fetched again, by one caller at a time.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Fetched again this long before it runs out.
const MARGIN: Duration = Duration::from_mins(1);

/// What was fetched last.
pub(super) struct Fetched<T> {
    /// Held while fetching: others wait for the result instead of asking as well.
    slot: Mutex<Option<(T, Option<Instant>)>>,
}

impl<T> Default for Fetched<T> {
    fn default() -> Self {
        Self { slot: Mutex::new(None) }
    }
}

impl<T: Clone> Fetched<T> {
    /// The one at hand, or a new one. `fetch` tells how long it lasts; `None` = until it is refused.
    pub(super) async fn get<E>(&self, fetch: impl AsyncFnOnce() -> Result<(T, Option<Duration>), E>) -> Result<T, E> {
        let mut slot = self.slot.lock().await;
        let now = Instant::now();
        if let Some((value, _)) = slot.as_ref().filter(|(_, until)| until.is_none_or(|until| now < until)) {
            return Ok(value.clone());
        }
        let (value, lasts) = fetch().await?;
        // A short life is used up to its half.
        let until = lasts.map(|lasts| now + lasts.saturating_sub(MARGIN).max(lasts / 2));
        *slot = Some((value.clone(), until));
        Ok(value)
    }

    /// The next caller gets a new one. False when there was none.
    pub(super) async fn forget(&self) -> bool {
        self.slot.lock().await.take().is_some()
    }
}
