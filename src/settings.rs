//! Values that change under a running service (operations §2.5).
//!
//! A room that can live with other settings keeps a [`Setting`]: whoever begins something takes the value that counts and keeps
//! it to the end, so nothing that runs is half of one configuration and half of another. The composition root sets it anew
//! when the configuration changes. Reading is a reference count under a shared lock that is held exclusively for the moment
//! of a change only.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

/// A value that may be another one the next time. Clones share it.
#[derive(Debug)]
pub struct Setting<T>(watch::Sender<Arc<T>>);

impl<T> Clone for Setting<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Default> Default for Setting<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Setting<T> {
    pub fn new(value: T) -> Self {
        Self(watch::Sender::new(Arc::new(value)))
    }

    /// The value that counts now; what is taken stays as it is.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }

    /// From now on this value counts.
    pub fn set(&self, value: T) {
        self.0.send_replace(Arc::new(value));
    }

    /// Tells of changes from now on.
    pub fn changes(&self) -> Changes<T> {
        Changes(self.0.subscribe())
    }
}

/// Changes of a [`Setting`], the newest only. Does not keep the setting alive.
#[derive(Debug)]
pub struct Changes<T>(watch::Receiver<Arc<T>>);

impl<T> Changes<T> {
    /// Waits for a value that was not told before; for ever once nobody can set one any more. Safe to cancel.
    pub async fn next(&mut self) -> Arc<T> {
        match self.0.changed().await {
            Ok(()) => Arc::clone(&self.0.borrow_and_update()),
            Err(_) => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_was_taken_stays_and_the_newest_change_is_told_once() {
        let setting = Setting::new(1);
        let (taken, shared, mut changes) = (setting.get(), setting.clone(), setting.changes());
        shared.set(2);
        shared.set(3);
        assert_eq!((*taken, *setting.get()), (1, 3));
        assert_eq!(*changes.next().await, 3);
        let nothing = timeout(Duration::from_millis(5), changes.next()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        drop((setting, shared));
        assert!(timeout(Duration::from_millis(5), changes.next()).await.is_err(), "nobody is left to change it");
    }
}
