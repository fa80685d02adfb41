//! The table of `audit.sink: local`: kept within its bounds, the oldest events go first.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::config::LocalAuditConfig;
use crate::store::Store;

#[derive(Debug)]
pub(super) struct LocalTable {
    config: LocalAuditConfig,
    growth: Mutex<Growth>,
}

/// What was added since the table was last pruned.
#[derive(Debug, Default)]
struct Growth {
    bytes: u64,
    pruned_at: Option<Instant>,
}

impl LocalTable {
    pub(super) fn new(config: &LocalAuditConfig) -> Self {
        Self { config: config.clone(), growth: Mutex::default() }
    }

    /// An event of so many bytes was added.
    pub(super) async fn grew(&self, bytes: u64, store: &Store) {
        if self.is_due(bytes) {
            self.prune(store).await;
        }
    }

    /// Whether enough was added, or enough time went by, to look at the bounds again.
    fn is_due(&self, bytes: u64) -> bool {
        const EVERY: Duration = Duration::from_secs(600);
        /// The table may exceed its bound by one part in this many.
        const SLACK: u64 = 64;
        let mut growth = self.growth.lock().unwrap_or_else(PoisonError::into_inner);
        growth.bytes += bytes;
        let due =
            growth.bytes > self.config.bytes_max / SLACK || growth.pruned_at.is_none_or(|at| at.elapsed() > EVERY);
        if due {
            *growth = Growth { bytes: 0, pruned_at: Some(Instant::now()) };
        }
        due
    }

    async fn prune(&self, store: &Store) {
        /// One call removes a bounded number of rows; a table that shrank in the configuration needs several.
        const ROUNDS_MAX: usize = 256;
        let age = SignedDuration::try_from(self.config.age_max).unwrap_or(SignedDuration::MAX);
        let before = Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN);
        for _ in 0..ROUNDS_MAX {
            match store.prune_events(before, self.config.bytes_max).await {
                Ok(0) => return,
                Ok(events) => tracing::debug!(event = "audit_pruned", events, "oldest audit events removed"),
                Err(error) => {
                    tracing::warn!(event = "audit_prune_failed", error = %error, "old audit events stay for now");
                    return;
                }
            }
        }
    }
}
