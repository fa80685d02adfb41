//! The evidence ledger: every tool result under an id, kept whole, so that a quoted span can be held against what was
//! really seen and the rest of a shortened result can still be read.

mod paging;
mod quotes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{Evidence, Source};
use crate::tools::ToolStatus;

pub(super) use paging::ReadToolResult;

/// Characters kept of one result.
const RESULT_CHARS_MAX: usize = 1_000_000;
/// Bytes kept of all results of an investigation; the texts of the oldest go first.
const TOTAL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Shortest quote that proves anything, in characters.
const QUOTE_CHARS_MIN: usize = 4;
/// Shortest name whose occurrence in a text means anything, in characters.
const NAME_CHARS_MIN: usize = 6;
/// Longest quote carried on, in characters.
const QUOTE_CHARS_MAX: usize = 600;

/// Results of one investigation in the order they arrived. Texts are redacted before they come here.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    all: Vec<Entry>,
    bytes: usize,
}

/// One tool result.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// `r1`, `r2`, …
    pub(super) id: String,
    pub(super) tool: String,
    /// `name=value` words.
    pub(super) arguments: String,
    pub(super) status: ToolStatus,
    /// `None` before it arrives, and once room was needed for newer results.
    pub(super) text: Option<Arc<str>>,
}

/// What a model claims and where it says it saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Citation<'a> {
    pub(super) statement: &'a str,
    pub(super) result_id: &'a str,
    pub(super) quote: &'a str,
}

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the result of a call that is about to run: ids follow the order of the requests, whichever ends first.
    pub(super) fn reserve(&self, tool: &str, arguments: String) -> String {
        let mut entries = self.entries();
        let id = format!("r{}", entries.all.len() + 1);
        entries.all.push(Entry {
            id: id.clone(),
            tool: tool.to_owned(),
            arguments,
            status: ToolStatus::Error,
            text: None,
        });
        id
    }

    /// Keeps the result under its id.
    pub(super) fn keep(&self, id: &str, status: ToolStatus, text: &str) {
        let end = text.char_indices().nth(RESULT_CHARS_MAX).map_or(text.len(), |(end, _)| end);
        let text: Arc<str> = text.get(..end).unwrap_or_default().into();
        let mut entries = self.entries();
        let Entries { all, bytes } = &mut *entries;
        if let Some(entry) = all.iter_mut().find(|entry| entry.id == id) {
            *bytes += text.len();
            (entry.status, entry.text) = (status, Some(text));
        }
        entries.make_room();
    }

    pub(super) fn get(&self, id: &str) -> Option<Entry> {
        let id = id.trim().trim_matches(['"', '#', '[', ']', '(', ')']);
        self.entries().all.iter().find(|entry| entry.id.eq_ignore_ascii_case(id)).cloned()
    }

    /// The first result of any other tool than these in which a text occurs.
    pub(super) fn occurs_outside(&self, tools: &[&str], text: &str) -> Option<Entry> {
        let text = text.trim();
        if text.chars().count() < NAME_CHARS_MIN {
            return None;
        }
        let entries = self.entries();
        let holds = |entry: &&Entry| entry.text.as_ref().is_some_and(|kept| kept.contains(text));
        entries.all.iter().filter(|entry| !tools.contains(&entry.tool.as_str())).find(holds).cloned()
    }

    /// Evidence when the quoted span really occurs in that result.
    ///
    /// # Errors
    /// Why the claim does not count.
    pub(super) fn verify(&self, claim: &Citation<'_>) -> Result<Evidence, &'static str> {
        let quote = claim.quote.trim();
        if quote.chars().count() < QUOTE_CHARS_MIN {
            return Err("the quote is too short to prove anything");
        }
        let Some(entry) = self.get(claim.result_id) else { return Err("no tool result has this id") };
        let Some(text) = &entry.text else { return Err("the tool result is no longer kept") };
        if entry.status == ToolStatus::Error {
            return Err("an error of a tool is no observation");
        }
        if !quotes::occurs(quote, text) {
            return Err("the quote does not occur in that tool result");
        }
        let quote = quote.chars().take(QUOTE_CHARS_MAX).collect();
        Ok(Evidence {
            claim: claim.statement.trim().to_owned(),
            source: Source::ToolResult { id: entry.id, tool: entry.tool, arguments: entry.arguments, quote },
        })
    }
}

impl Entries {
    fn make_room(&mut self) {
        let newest = self.all.len().saturating_sub(1);
        for entry in self.all.iter_mut().take(newest) {
            if self.bytes <= TOTAL_BYTES_MAX {
                return;
            }
            if let Some(text) = entry.text.take() {
                self.bytes -= text.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(ledger: &Ledger, tool: &str, status: ToolStatus, text: &str) -> String {
        let id = ledger.reserve(tool, String::new());
        ledger.keep(&id, status, text);
        id
    }

    fn cite<'a>(id: &'a str, quote: &'a str) -> Citation<'a> {
        Citation { statement: "it was killed", result_id: id, quote }
    }

    #[test]
    fn only_what_was_seen_counts() {
        let ledger = Ledger::default();
        let id = add(&ledger, "kubectl_describe", ToolStatus::Success, r#"{"reason":"OOMKilled","exitCode":137}"#);
        let failed = add(&ledger, "kubectl_events", ToolStatus::Error, "OOMKilled is not an event");
        assert_eq!((id.as_str(), failed.as_str()), ("r1", "r2"));
        let evidence = ledger.verify(&cite("R1", r#""reason": "OOMKilled""#)).unwrap();
        assert_eq!(evidence.claim, "it was killed");
        assert!(
            matches!(evidence.source, Source::ToolResult { id, tool, .. } if id == "r1" && tool == "kubectl_describe")
        );
        for (id, quote, why) in [
            ("r1", "Evicted by the kubelet", "does not occur"),
            ("r9", "OOMKilled", "no tool result"),
            ("r2", "OOMKilled", "an error"),
            ("r1", " 1 ", "too short"),
        ] {
            let error = ledger.verify(&cite(id, quote)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn room_is_made_by_the_oldest() {
        let ledger = Ledger::default();
        for _ in 0..20 {
            add(&ledger, "fetch_pod_logs", ToolStatus::Success, &"x".repeat(RESULT_CHARS_MAX + 5));
        }
        assert!(ledger.get("r1").unwrap().text.is_none());
        assert_eq!(ledger.get("r20").unwrap().text.unwrap().len(), RESULT_CHARS_MAX);
        assert_eq!(ledger.verify(&cite("r1", "xxxx")), Err("the tool result is no longer kept"));
    }
}
