//! What could not be read, bounded.

use std::fmt::Display;

/// Longest reason kept, in characters.
const REASON_CHARS_MAX: usize = 300;

/// A bounded list of `path[ line n]: what is wrong; how to mend it`.
#[derive(Debug, Clone)]
pub(super) struct Problems {
    reported: Vec<String>,
    reported_max: usize,
    more: usize,
}

impl Problems {
    pub(super) fn new(reported_max: usize) -> Self {
        Self { reported: Vec::new(), reported_max, more: 0 }
    }

    pub(super) fn add(&mut self, path: &str, reason: impl Display) {
        self.push(|| format!("{path}: {}", one_line(&reason)));
    }

    /// `line` counts from 1.
    pub(super) fn add_at(&mut self, path: &str, line: u64, reason: impl Display) {
        self.push(|| format!("{path} line {line}: {}", one_line(&reason)));
    }

    fn push(&mut self, text: impl FnOnce() -> String) {
        if self.reported.len() < self.reported_max {
            self.reported.push(text());
        } else {
            self.more += 1;
        }
    }

    pub(super) fn texts(&self) -> Vec<String> {
        let mut texts = self.reported.clone();
        if self.more > 0 {
            texts.push(format!("{} more problems; mend these first", self.more));
        }
        texts
    }
}

/// The first line, without control characters, cut.
fn one_line(reason: &impl Display) -> String {
    let text = reason.to_string();
    let line = text.lines().next().unwrap_or_default();
    let clean = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    clean.take(REASON_CHARS_MAX).collect()
}
