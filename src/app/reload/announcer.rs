//! A rejected configuration as an Event of the pod, so that `kubectl describe pod` shows it (operations §2.4 step 7).

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::cluster::live::PodEvents;
use crate::redaction::Redactor;

/// Contents remembered as told; the oldest is forgotten first.
const TOLD_MAX: usize = 64;
/// Rejections that wait to be told; there is at most one of each source between two looks.
const WAITING_MAX: usize = 4;
/// Reason of the Event.
const REASON: &str = "ConfigurationRejected";

/// Something on disk that is not taken over.
struct Rejected {
    source: String,
    hash: String,
    problems: String,
}

/// Tells each content once.
pub(super) struct Announcer {
    /// `None` outside a cluster.
    events: Option<Arc<PodEvents>>,
    redactor: Redactor,
    waiting: VecDeque<Rejected>,
    /// Hashes.
    told: VecDeque<String>,
}

impl Announcer {
    pub(super) fn new(events: Option<Arc<PodEvents>>) -> Self {
        let key = Sha256::digest(Uuid::new_v4().as_bytes()).into();
        Self { events, redactor: Redactor::new(key), waiting: VecDeque::new(), told: VecDeque::new() }
    }

    /// To be told with the next [`Announcer::tell`], unless this content was told before.
    pub(super) fn note(&mut self, source: &str, hash: &str, problems: &str) {
        if self.events.is_none() || self.told.iter().any(|told| told == hash) {
            return;
        }
        let rejected =
            Rejected { source: source.to_owned(), hash: hash.to_owned(), problems: self.redactor.text(problems).text };
        push(&mut self.told, hash.to_owned(), TOLD_MAX);
        push(&mut self.waiting, rejected, WAITING_MAX);
    }

    /// Writes what waits. One try each: the log has it all.
    pub(super) async fn tell(&mut self) {
        let Some(events) = self.events.clone() else { return };
        while let Some(Rejected { source, hash, problems }) = self.waiting.pop_front() {
            let short: String = hash.chars().take(16).collect();
            let message = format!("{source} ({short}) is not taken over, what was active stays: {problems}");
            if let Err(error) = events.warn(REASON, &message, Timestamp::now()).await {
                tracing::warn!(event = "event_not_written", %error, "an Event about this pod could not be written");
            }
        }
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() == max {
        queue.pop_front();
    }
    queue.push_back(item);
}
