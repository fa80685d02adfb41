//! Following a session event by event (http-api §8.3). A follower has its own place; it never slows the run.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::record::SessionState;
use super::table::Followed;
use crate::investigation::{ProgressEvent, ProgressReader};

/// What a follower learns next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Event(Arc<ProgressEvent>),
    /// The session has a final state, and every event that is kept was told.
    Over,
    /// The process goes down and leaves the session to the next start.
    Parked,
    /// The session was forgotten meanwhile.
    Forgotten,
}

/// One who follows a session.
#[derive(Debug)]
pub struct Follower {
    /// `None` when the run was over before.
    reader: Option<ProgressReader>,
    state: watch::Receiver<SessionState>,
    parked: CancellationToken,
}

impl Follower {
    pub(super) fn new(followed: Followed, parked: CancellationToken) -> Self {
        let Followed { reader, state } = followed;
        Self { reader, state, parked }
    }

    /// Waits for the next step. May be dropped and called again without losing anything.
    pub async fn next(&mut self) -> Step {
        let Self { reader, state, parked } = self;
        let Some(reader) = reader else { return Step::Over };
        let ended = tokio::select! {
            biased;
            event = reader.next() => return Step::Event(event),
            ended = state.wait_for(|state| state.is_terminal()) => ended.is_ok(),
            () = parked.cancelled() => return Step::Parked,
        };
        match reader.ready() {
            // Told between the two looks.
            Some(event) => Step::Event(event),
            None if ended => Step::Over,
            None => Step::Forgotten,
        }
    }
}
