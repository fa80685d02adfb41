//! What a run tells those who watch it: the phase it is in, how far it is, and what it does, event by event (http-api §8.3).
//!
//! A run never waits for a watcher. The newest [`EVENTS_MAX`] events are kept; each reader has its own place among them, and
//! one that falls behind misses the oldest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::domain::{Cost, Usage};

/// Events kept for readers that are late or slow.
pub const EVENTS_MAX: usize = 64;
/// Characters of a text the model wrote.
const TEXT_CHARS_MAX: usize = 2_000;
/// Characters of a tool result.
const PREVIEW_CHARS_MAX: usize = 200;
/// Characters of the summary of the cause.
const CAUSE_CHARS_MAX: usize = 1_000;

/// Phases as watchers know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    Rca,
    WorkflowDiscovery,
    Validation,
}

impl RunPhase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rca => "rca",
            Self::WorkflowDiscovery => "workflow_discovery",
            Self::Validation => "validation",
        }
    }

    /// The phase behind the words shown to people.
    fn of(words: &str) -> Self {
        match words {
            "workflow selection" => Self::WorkflowDiscovery,
            "validation" | "decision" => Self::Validation,
            _ => Self::Rca,
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    pub phase: Option<RunPhase>,
    /// Answers of the model.
    pub turn: u32,
    pub tool_calls: u32,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    /// What the model cost; `None` before its first answer, and in records of earlier releases.
    pub cost: Option<Cost>,
    /// The cause as far as it is known, in one sentence.
    pub cause: Option<String>,
    /// Events told; the newest has this id.
    pub events: u64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgressEvent {
    /// From 1, without gaps.
    pub id: u64,
    pub turn: u32,
    pub phase: Option<RunPhase>,
    pub kind: ProgressKind,
}

/// What happened. Texts hold no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProgressKind {
    /// A phase began, or the model said something.
    Reasoning {
        text: String,
        /// Calls it asked for at the same time.
        tool_call_count: usize,
    },
    ToolStarted {
        tool: String,
        /// From 0 within the investigation.
        index: u64,
    },
    ToolAnswered {
        tool: String,
        index: u64,
        /// The beginning of the result.
        preview: String,
    },
}

/// The run's side. Clones tell the same watchers.
#[derive(Debug, Clone)]
pub struct ProgressSender(Arc<Channel>);

#[derive(Debug)]
struct Channel {
    /// The phase in words for people.
    words: watch::Sender<&'static str>,
    /// Id of the newest event.
    newest: watch::Sender<u64>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    standing: Standing,
    events: VecDeque<Arc<ProgressEvent>>,
}

impl Default for ProgressSender {
    fn default() -> Self {
        let (words, newest) = (watch::Sender::new(""), watch::Sender::new(0));
        Self(Arc::new(Channel { words, newest, log: Mutex::default() }))
    }
}

impl ProgressSender {
    /// Human text of the phase now running, e.g. `workflow selection` (http-api §1.7 `progress`).
    pub fn phase(&self, words: &'static str) {
        if self.0.words.send_replace(words) != words {
            let text = words.to_owned();
            self.tell(ProgressKind::Reasoning { text, tool_call_count: 0 }, |standing| {
                standing.phase = Some(RunPhase::of(words));
            });
        }
    }

    /// The cause as far as it is known.
    pub fn cause(&self, summary: &str) {
        let summary = beginning(summary, CAUSE_CHARS_MAX);
        self.0.log().standing.cause = Some(summary).filter(|summary| !summary.is_empty());
    }

    /// The model answered; `usage` is what this answer cost. `text` holds no secret.
    pub fn model_answered(&self, text: &str, tool_call_count: usize, usage: Usage) {
        let text = beginning(text, TEXT_CHARS_MAX);
        self.tell(ProgressKind::Reasoning { text, tool_call_count }, |standing| {
            standing.turn = standing.turn.saturating_add(1);
            standing.prompt_tokens = standing.prompt_tokens.saturating_add(usage.prompt_tokens);
            standing.completion_tokens = standing.completion_tokens.saturating_add(usage.completion_tokens);
        });
    }

    /// An answer of the model cost so much.
    pub fn spent(&self, cost: Cost) {
        *self.0.log().standing.cost.get_or_insert_default() += cost;
    }

    pub fn tool_started(&self, tool: &str, index: u64) {
        self.tell(ProgressKind::ToolStarted { tool: tool.to_owned(), index }, |standing| {
            standing.tool_calls = standing.tool_calls.saturating_add(1);
        });
    }

    /// A tool answered; `result` holds no secret.
    pub fn tool_answered(&self, tool: &str, index: u64, result: &str) {
        let preview = beginning(result, PREVIEW_CHARS_MAX);
        self.tell(ProgressKind::ToolAnswered { tool: tool.to_owned(), index, preview }, |_| {});
    }

    /// The phase in words for people; empty before the first.
    pub fn words(&self) -> &'static str {
        *self.0.words.borrow()
    }

    pub fn standing(&self) -> Standing {
        self.0.log().standing.clone()
    }

    /// A reader of the events behind the one with the id `after`; 0 for all that are kept.
    pub fn reader(&self, after: u64) -> ProgressReader {
        ProgressReader { channel: Arc::clone(&self.0), newest: self.0.newest.subscribe(), seen: after }
    }

    fn tell(&self, kind: ProgressKind, change: impl FnOnce(&mut Standing)) {
        let id = {
            let mut log = self.0.log();
            let Log { standing, events } = &mut *log;
            change(standing);
            standing.events = standing.events.saturating_add(1);
            let Standing { turn, phase, events: id, .. } = *standing;
            if events.len() >= EVENTS_MAX {
                events.pop_front();
            }
            events.push_back(Arc::new(ProgressEvent { id, turn, phase, kind }));
            id
        };
        // Events of several tasks may be announced out of order; the newest id must not go back.
        self.0.newest.send_if_modified(|newest| {
            let is_newer = id > *newest;
            *newest = id.max(*newest);
            is_newer
        });
    }
}

impl Channel {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader and its own place.
#[derive(Debug)]
pub struct ProgressReader {
    channel: Arc<Channel>,
    newest: watch::Receiver<u64>,
    seen: u64,
}

impl ProgressReader {
    /// The next event that is still kept, if there is one already.
    pub fn ready(&mut self) -> Option<Arc<ProgressEvent>> {
        let next = self.channel.log().events.iter().find(|event| event.id > self.seen).map(Arc::clone)?;
        self.seen = next.id;
        Some(next)
    }

    /// Waits for the next event. Says nothing about the end of the run: the reader itself keeps the channel open.
    pub async fn next(&mut self) -> Arc<ProgressEvent> {
        loop {
            if let Some(event) = self.ready() {
                return event;
            }
            let seen = self.seen;
            if self.newest.wait_for(|newest| *newest > seen).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// At most so many characters, without surrounding space.
fn beginning(text: &str, chars_max: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(reader: &mut ProgressReader) -> Vec<u64> {
        std::iter::from_fn(|| reader.ready()).map(|event| event.id).collect()
    }

    #[test]
    fn every_reader_has_its_own_place_and_late_ones_miss_the_oldest() {
        let progress = ProgressSender::default();
        let (mut early, mut resumed) = (progress.reader(0), progress.reader(2));
        for index in 0..3 {
            progress.tool_started("t", index);
        }
        assert_eq!((ids(&mut early), ids(&mut resumed)), (vec![1, 2, 3], vec![3]));
        for index in 3..100 {
            progress.tool_started("t", index);
        }
        assert_eq!(ids(&mut early), (37..=100).collect::<Vec<_>>(), "64 are kept");
        assert_eq!(ids(&mut progress.reader(0)).len(), EVENTS_MAX);
        assert!(ids(&mut progress.reader(100)).is_empty());
        assert_eq!((progress.standing().tool_calls, progress.standing().events), (100, 100));
    }

    #[test]
    fn phases_are_told_once_and_stamp_what_follows() {
        let progress = ProgressSender::default();
        progress.phase("root cause analysis");
        progress.phase("root cause analysis");
        let usage = Usage { prompt_tokens: 10, completion_tokens: 2, ..Usage::default() };
        progress.model_answered(" I look at the pod. ", 1, usage);
        progress.phase("workflow selection");
        progress.tool_answered("logs", 0, &"x".repeat(500));
        let mut reader = progress.reader(0);
        let events: Vec<_> = std::iter::from_fn(|| reader.ready()).collect();
        let told: Vec<_> = events.iter().map(|event| (event.turn, event.phase.map(RunPhase::as_str))).collect();
        let (rca, selection) = (Some("rca"), Some("workflow_discovery"));
        assert_eq!(told, [(0, rca), (1, rca), (1, selection), (1, selection)]);
        assert!(
            matches!(&events[1].kind, ProgressKind::Reasoning { text, tool_call_count: 1 } if text == "I look at the pod.")
        );
        assert!(matches!(&events[3].kind, ProgressKind::ToolAnswered { preview, .. } if preview.len() == 200));
        let standing = progress.standing();
        assert_eq!((standing.prompt_tokens, standing.completion_tokens, standing.turn), (10, 2, 1));
    }

    #[tokio::test]
    async fn a_waiting_reader_wakes_up() {
        let progress = ProgressSender::default();
        let mut reader = progress.reader(0);
        let waiting = tokio::spawn(async move { reader.next().await.id });
        tokio::task::yield_now().await;
        progress.phase("decision");
        assert_eq!(waiting.await.unwrap(), 1);
    }
}
