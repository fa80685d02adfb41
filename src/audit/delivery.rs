//! What recording and delivery tell each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::backpressure::Spool;
use super::fallback::Fallback;

/// Shared by the trail and the shipper.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) spool: Spool,
    pub(super) fallback: Fallback,
    /// Something was recorded.
    pub(super) wake: Notify,
    hurry: AtomicBool,
    pub(super) draining: CancellationToken,
    standing: watch::Sender<Standing>,
}

/// How delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Standing {
    /// The shipper runs.
    pub(super) alive: bool,
    /// Events in the outbox.
    pub(super) waiting: u64,
    /// How long the oldest of them waits.
    pub(super) oldest: Duration,
    /// Everything recorded before draining began is delivered.
    pub(super) drained: bool,
}

impl Delivery {
    pub(super) fn new(spool: Spool) -> Self {
        Self {
            spool,
            fallback: Fallback::default(),
            wake: Notify::new(),
            hurry: AtomicBool::new(false),
            draining: CancellationToken::new(),
            standing: watch::Sender::new(Standing::default()),
        }
    }

    /// An event of so many bytes was committed; `last` when its correlation ends with it, so that it does not wait for
    /// company.
    pub(super) fn recorded(&self, bytes: u64, last: bool) {
        self.spool.grew(bytes);
        if last {
            self.hurry.store(true, Ordering::Relaxed);
        }
        self.wake.notify_one();
    }

    pub(super) fn take_hurry(&self) -> bool {
        self.hurry.swap(false, Ordering::Relaxed)
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Standing)) {
        self.standing.send_modify(change);
    }

    pub(super) fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Waits until everything recorded so far is delivered.
    pub(super) async fn drained(&self) {
        self.draining.cancel();
        let mut standing = self.standing.subscribe();
        // The sender lives as long as `self`.
        let _ = standing.wait_for(|standing| standing.drained).await;
    }
}
