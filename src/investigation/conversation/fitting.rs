//! Keeping a conversation inside the model's window (investigation §2.6): sizes are estimated from what the provider
//! reports, results asked for again give way first, then the largest are shortened fairly. The task is never dropped.

use super::{Conversation, Stop, text_of};
use crate::llm::Message;

/// Share of the window a request may fill, per cent.
pub(super) const FILL_MAX_PERCENT: usize = 85;
/// The same after the provider found a request too long.
pub(super) const FILL_AFTER_REFUSAL_PERCENT: usize = 60;
/// Characters of a result that was shortened to make room; the ledger still holds it whole.
const SHORTENED_CHARS_MIN: usize = 200;
/// Characters of the line that says what was shortened.
const MARK_CHARS: usize = 120;

/// A message that is a tool result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResultMark {
    /// Index of the message.
    pub(super) message: usize,
    /// Tool and arguments: the same question has the same key.
    pub(super) key: String,
    /// Id in the ledger.
    pub(super) result_id: String,
    /// Superseded and reduced to a line.
    pub(super) is_stub: bool,
}

/// Characters per token, learnt from the provider's own counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gauge {
    chars_per_token: f64,
}

impl Default for Gauge {
    fn default() -> Self {
        Self { chars_per_token: 3.2 }
    }
}

impl Gauge {
    /// Takes what the provider counted for these messages, within reason.
    #[expect(clippy::cast_precision_loss, reason = "sizes of texts")]
    pub(super) fn learn(&mut self, messages: &[Message], prompt_tokens: u64) {
        let chars: usize = messages.iter().map(size).sum();
        if prompt_tokens > 200 {
            self.chars_per_token = (chars as f64 / prompt_tokens as f64).clamp(1.5, 5.0);
        }
    }

    /// The provider found the request too long: the estimate was too low.
    pub(super) fn distrust(&mut self) {
        self.chars_per_token = (self.chars_per_token * 0.8).max(1.5);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "sizes of texts"
    )]
    fn chars(self, tokens: usize) -> usize {
        (tokens as f64 * self.chars_per_token) as usize
    }
}

/// Characters of a message with the members around them.
fn size(message: &Message) -> usize {
    const AROUND: usize = 24;
    let calls = match message {
        Message::Assistant(said) => {
            said.tool_calls.iter().map(|call| call.arguments.len() + call.name.len() + AROUND).sum()
        }
        _ => 0,
    };
    text_of(message).chars().count() + calls + AROUND
}

impl Conversation<'_> {
    /// Makes the messages fit into so many tokens.
    ///
    /// # Errors
    /// [`Stop::TooLong`] when what is not a tool result is too long alone.
    pub(super) fn fit(&mut self, tokens_max: usize) -> Result<(), Stop> {
        let chars_max = self.gauge.chars(tokens_max);
        if self.size() <= chars_max {
            return Ok(());
        }
        self.stub_superseded();
        if self.size() <= chars_max {
            return Ok(());
        }
        let is_result = |message: &&Message| matches!(message, Message::ToolResult { .. });
        let rest: usize = self.messages.iter().filter(|message| !is_result(message)).map(size).sum();
        let Some(room) = chars_max.checked_sub(rest) else { return Err(Stop::TooLong) };
        tracing::info!(
            event = "history_compacted",
            room_chars = room,
            "tool results shortened to fit the model's window"
        );
        self.shorten_fairly(room);
        if self.size() <= chars_max { Ok(()) } else { Err(Stop::TooLong) }
    }

    fn size(&self) -> usize {
        self.messages.iter().map(size).sum()
    }

    /// Of several results of the same question only the newest stays.
    fn stub_superseded(&mut self) {
        let keys: Vec<String> = self.results.iter().map(|mark| mark.key.clone()).collect();
        for index in 0..self.results.len() {
            let newer = keys.iter().skip(index + 1).any(|key| keys.get(index) == Some(key));
            if newer {
                self.replace(index, |mark, _| {
                    format!("result_id={} superseded by a newer result below", mark.result_id)
                });
                if let Some(mark) = self.results.get_mut(index) {
                    mark.is_stub = true;
                }
            }
        }
    }

    /// Small results stay whole; the others get equal shares of the room.
    fn shorten_fairly(&mut self, room: usize) {
        let mut sizes: Vec<(usize, usize)> = (0..self.results.len())
            .filter_map(|index| Some((index, size(self.messages.get(self.results.get(index)?.message)?))))
            .collect();
        sizes.sort_by_key(|(_, size)| *size);
        let mut left = room;
        let count = sizes.len();
        for (position, (index, size)) in sizes.into_iter().enumerate() {
            let share = left / (count - position);
            if size <= share {
                left -= size;
                continue;
            }
            left -= share;
            let kept = share.saturating_sub(MARK_CHARS).max(SHORTENED_CHARS_MIN.min(share));
            self.replace(index, |mark, text| {
                let head: String = text.chars().take(kept).collect();
                format!("{head}\n… shortened to make room; read_tool_result(result_id=\"{}\") shows it", mark.result_id)
            });
        }
    }

    fn replace(&mut self, index: usize, new: impl FnOnce(&ResultMark, &str) -> String) {
        let Some(mark) = self.results.get(index).filter(|mark| !mark.is_stub) else { return };
        if let Some(Message::ToolResult { content, .. }) = self.messages.get_mut(mark.message) {
            *content = new(mark, content);
        }
    }
}
