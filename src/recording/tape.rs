//! Between a port and whoever answers it: asks and writes down, or answers from what was written down.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::player::Player;
use super::recorder::Recorder;

#[derive(Debug, Clone)]
pub(super) enum Tape {
    Recording(Arc<Recorder>),
    Playing(Arc<Player>),
}

impl Tape {
    /// The answer to a question: of `live` when recording, else the recorded one. `absent` makes the answer to a question
    /// that was never asked; while playing strictly such a question ends the run.
    pub(super) async fn ask<T>(
        &self,
        asked: &'static str,
        question: Value,
        live: impl Future<Output = T> + Send,
        absent: impl FnOnce() -> T + Send,
    ) -> T
    where
        T: Serialize + DeserializeOwned + Send,
    {
        match self {
            Self::Recording(recorder) => {
                let slot = recorder.open(asked, question);
                let answer = live.await;
                slot.close(&answer);
                answer
            }
            Self::Playing(player) => {
                let answer = player.answer(asked, question).await;
                answer.and_then(|answer| serde_json::from_value(answer).ok()).unwrap_or_else(absent)
            }
        }
    }

    /// The same without waiting.
    pub(super) fn tell<T>(&self, asked: &'static str, question: Value, live: impl FnOnce() -> T) -> Option<T>
    where
        T: Serialize + DeserializeOwned,
    {
        match self {
            Self::Recording(recorder) => {
                let slot = recorder.open(asked, question);
                let answer = live();
                slot.close(&answer);
                Some(answer)
            }
            Self::Playing(player) => {
                player.told(asked, question).and_then(|answer| serde_json::from_value(answer).ok())
            }
        }
    }
}
