//! Keeping a conversation inside the model's window (investigation §2.6): sizes are estimated from what the provider
//! reports, results asked for again give way first, then the largest are shortened fairly. The task is never dropped. Pure.

use serde_json::Value;

use super::text_of;
use crate::llm::{AnswerSchema, Message, ToolDefinition};
use crate::redaction::injection::Fence;

/// Share of the window a request and its answer may fill, per cent.
pub(super) const FILL_MAX_PERCENT: usize = 85;
/// The same after the provider found a request too long.
pub(super) const FILL_AFTER_REFUSAL_PERCENT: usize = 60;
/// Characters of what stands behind a shortened result: the closing delimiter and the line that says so.
const MARK_CHARS: usize = 180;
/// Characters of a message's members besides its texts.
const AROUND: usize = 24;

/// A message that is a tool result; the ledger still holds it whole.
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
    /// Takes what the provider counted for so many characters, within reason.
    #[expect(clippy::cast_precision_loss, reason = "sizes of texts")]
    pub(super) fn learn(&mut self, chars: usize, prompt_tokens: u64) {
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
    pub(super) fn chars(self, tokens: usize) -> usize {
        (tokens as f64 * self.chars_per_token) as usize
    }
}

/// Characters of a message with everything that is sent of it.
fn size(message: &Message) -> usize {
    let more = match message {
        Message::Assistant(said) => {
            let calls = said.tool_calls.iter();
            let calls: usize = calls.map(|call| call.id.len() + call.arguments.len() + call.name.len() + AROUND).sum();
            calls + said.opaque.as_ref().map_or(0, written_len)
        }
        Message::ToolResult { call_id, .. } => call_id.len(),
        Message::System(_) | Message::User(_) => 0,
    };
    text_of(message).chars().count() + more + AROUND
}

/// Characters of all messages.
pub(super) fn size_of_messages(messages: &[Message]) -> usize {
    messages.iter().map(size).sum()
}

/// Characters of the offered tools.
pub(super) fn size_of_tools(tools: &[ToolDefinition]) -> usize {
    let size = |tool: &ToolDefinition| tool.name.len() + tool.description.len() + written_len(&tool.parameters);
    tools.iter().map(|tool| size(tool) + AROUND).sum()
}

pub(super) fn size_of_schema(answer: &AnswerSchema) -> usize {
    written_len(&answer.schema) + AROUND
}

/// Bytes of a value as JSON.
fn written_len(value: &Value) -> usize {
    let mut count = Count(0);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Least share of the room at which a shortened result is still worth reading, in characters.
const SHARE_CHARS_MIN: usize = 4_000;

/// True when the messages do not fit, and equal shares of the room would leave too little of so many results.
pub(super) fn is_cramped(messages: &[Message], results: usize, chars_max: usize) -> bool {
    let whole = size_of_messages(messages);
    let is_result = |message: &&Message| matches!(message, Message::ToolResult { .. });
    let of_results: usize = messages.iter().filter(is_result).map(size).sum();
    let room = chars_max.saturating_sub(whole - of_results);
    whole > chars_max && room / results.max(1) < SHARE_CHARS_MIN
}

/// A conversation's messages, and which of them may be shortened.
pub(super) struct Fitting<'a> {
    pub(super) messages: &'a mut [Message],
    pub(super) results: &'a mut [ResultMark],
    pub(super) fence: &'a Fence,
}

impl Fitting<'_> {
    /// Makes the messages fit into so many characters. False when what is not a tool result is too long alone.
    pub(super) fn fit(&mut self, chars_max: usize) -> bool {
        if size_of_messages(self.messages) <= chars_max {
            return true;
        }
        self.stub_superseded();
        let whole = size_of_messages(self.messages);
        if whole <= chars_max {
            return true;
        }
        let sizes = self.sizes();
        let rest = whole - sizes.iter().map(|(_, size)| size).sum::<usize>();
        let Some(room) = chars_max.checked_sub(rest) else { return false };
        tracing::info!(
            event = "history_compacted",
            room_chars = room,
            "tool results shortened to fit the model's window"
        );
        self.shorten_fairly(sizes, room);
        size_of_messages(self.messages) <= chars_max
    }

    /// Results that may be shortened, smallest first.
    fn sizes(&self) -> Vec<(usize, usize)> {
        let marks = self.results.iter().enumerate().filter(|(_, mark)| !mark.is_stub);
        let mut sizes: Vec<(usize, usize)> =
            marks.filter_map(|(index, mark)| Some((index, size(self.messages.get(mark.message)?)))).collect();
        sizes.sort_by_key(|(_, size)| *size);
        sizes
    }

    /// Of several results of the same question only the newest stays.
    fn stub_superseded(&mut self) {
        let keys: Vec<String> = self.results.iter().map(|mark| mark.key.clone()).collect();
        for index in 0..self.results.len() {
            let newer = keys.iter().skip(index + 1).any(|key| keys.get(index) == Some(key));
            if newer {
                self.replace(index, |mark, _, _| {
                    format!("result_id={} superseded by a newer result below", mark.result_id)
                });
                if let Some(mark) = self.results.get_mut(index) {
                    mark.is_stub = true;
                }
            }
        }
    }

    /// Small results stay whole; the others get equal shares of the room.
    fn shorten_fairly(&mut self, sizes: Vec<(usize, usize)>, room: usize) {
        let mut left = room;
        let count = sizes.len();
        for (position, (index, size)) in sizes.into_iter().enumerate() {
            let share = left / (count - position);
            if size <= share {
                left -= size;
                continue;
            }
            left -= share;
            self.replace(index, |mark, call_id, text| {
                let kept = share.saturating_sub(MARK_CHARS + AROUND + call_id.len());
                shortened(text, kept, self.fence, &mark.result_id)
            });
        }
    }

    fn replace(&mut self, index: usize, new: impl FnOnce(&ResultMark, &str, &str) -> String) {
        let Some(mark) = self.results.get(index).filter(|mark| !mark.is_stub) else { return };
        if let Some(Message::ToolResult { call_id, content, .. }) = self.messages.get_mut(mark.message) {
            *content = new(mark, call_id, content);
        }
    }
}

/// The beginning, and where the rest is. Data stays between its delimiters: cut off, the closing one is put back.
fn shortened(text: &str, kept: usize, fence: &Fence, result_id: &str) -> String {
    let hint = format!("shortened to make room; read_tool_result(result_id=\"{result_id}\") shows it");
    if kept == 0 {
        return format!("result_id={result_id} {hint}");
    }
    let head: String = text.chars().take(kept).collect();
    format!("{}\n… {hint}", closed(&head, fence))
}

/// The beginning of a text with the closing delimiter put back, where it was cut off.
pub(super) fn closed(head: &str, fence: &Fence) -> String {
    let closing = fence.closing();
    let is_open = head.contains(&fence.opening()) && !head.contains(&closing);
    if is_open { format!("{head}\n{closing}") } else { head.to_owned() }
}

#[cfg(test)]
mod tests;
