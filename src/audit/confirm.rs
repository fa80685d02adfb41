//! Asking DataStorage which events of a correlation it has stored, before any of them is sent again (audit §3.5).

use jiff::{SignedDuration, Timestamp};

use super::classify::question_failed;
use super::schedule::{Answer, Correlation};
use super::sender::{Sender, later};
use crate::datastorage::EventWindow;
use crate::store::{DoubtfulRow, OutboxChange, OutboxState, StoreError};

/// Events one question is about.
const QUESTION_EVENTS_MAX: u32 = 1_000;
/// Added on both sides of the events' times.
const WINDOW_MARGIN: SignedDuration = SignedDuration::from_secs(1);

impl Sender {
    /// One question for all events of a correlation that are in doubt.
    pub(super) async fn ask(self, lane: Correlation) -> Answer {
        self.ask_and_settle(&lane).await.unwrap_or_else(|error| {
            self.store.distrust(&error);
            tracing::error!(event = "audit_outbox_unavailable", error = %error, "the outbox cannot be used; delivery pauses");
            Answer::StoreFailed
        })
    }

    async fn ask_and_settle(&self, lane: &str) -> Result<Answer, StoreError> {
        let rows = self.store.doubtful(lane, QUESTION_EVENTS_MAX).await?;
        let Some(window) = window(lane, &rows) else { return Ok(Answer::Settled { stored: 0 }) };
        let found = match self.datastorage.stored_event_ids(&window).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(event = "audit_confirmation_failed", correlation_id = lane, error = %error, "no answer");
                return Ok(Answer::Failed(question_failed(&error)));
            }
        };
        let (stored, absent): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| found.contains(&row.event_id));
        let now = Timestamp::now();
        let waits = self.config.accepted_waits();
        // An event that was taken is asked for again while there are waits left; any other one is sent again.
        let patience = |row: &DoubtfulRow| {
            let asked = usize::try_from(row.confirmations).unwrap_or(usize::MAX).saturating_add(1);
            waits.get(asked).copied().filter(|_| row.state == OutboxState::Unconfirmed)
        };
        let wait = absent.iter().filter_map(patience).max();
        let mut changes = Vec::new();
        if !stored.is_empty() {
            changes.push(OutboxChange::Delivered { seqs: seqs(&stored), at: now });
        }
        match wait {
            // In order: nothing of the correlation is sent while one of its events is waited for.
            Some(wait) => {
                let asked = absent.iter().map(|row| row.confirmations).max().unwrap_or(0) + 1;
                changes.push(OutboxChange::Unconfirmed { seqs: seqs(&absent), asked, ask_at: later(now, wait) });
            }
            None => changes.push(OutboxChange::Release { seqs: seqs(&absent) }),
        }
        self.store.change_outbox(changes).await?;
        self.metrics.audit_duplicates_suppressed(stored.len());
        let stored = stored.len() as u64;
        Ok(match wait {
            Some(wait) => Answer::AskAgain { stored, at: std::time::Instant::now() + wait },
            None => Answer::Settled { stored },
        })
    }
}

/// The times of the rows with a margin; `None` without rows.
fn window(lane: &str, rows: &[DoubtfulRow]) -> Option<EventWindow> {
    let times = || rows.iter().map(|row| row.event_timestamp);
    let since = times().min()?.checked_sub(WINDOW_MARGIN).unwrap_or(Timestamp::MIN);
    let until = times().max()?.checked_add(WINDOW_MARGIN).unwrap_or(Timestamp::MAX);
    Some(EventWindow { correlation_id: lane.to_owned(), since, until })
}

fn seqs(rows: &[DoubtfulRow]) -> Vec<i64> {
    rows.iter().map(|row| row.seq).collect()
}
