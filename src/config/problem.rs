//! Configuration errors written for the person who made them.

use std::path::{Path, PathBuf};

/// What is wrong with a configuration. Displays as one readable line; values of keys are never repeated.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    /// A YAML or type error, or an unknown key, with its place.
    #[error("{}{}: {reason}{}", path.display(), place(*.line, *.column), suggestion.as_deref().unwrap_or_default())]
    Invalid { path: PathBuf, line: u64, column: u64, reason: String, suggestion: Option<String> },
    #[error("{}: {reason}", path.display())]
    Contradiction { path: PathBuf, reason: String },
}

/// `:4:3`, or nothing when the place is unknown.
fn place(line: u64, column: u64) -> String {
    if line == 0 { String::new() } else { format!(":{line}:{column}") }
}

impl ConfigError {
    pub(super) fn invalid(path: &Path, error: &serde_saphyr::Error) -> Self {
        let (line, column) = error.location().map_or((0, 0), |location| (location.line(), location.column()));
        let message = error.without_snippet().to_string();
        let reason = message.split(" at line ").next().unwrap_or(&message).to_owned();
        let suggestion = nearest(&reason).map(|key| format!(" (did you mean `{key}`?)"));
        Self::Invalid { path: path.to_owned(), line, column, reason, suggestion }
    }
}

/// The expected word closest to the unknown one in a message like
/// ``unknown field `prot`, expected one of port, host``.
fn nearest(message: &str) -> Option<String> {
    let unknown = message.split('`').nth(1)?;
    let (_, expected) = message.split_once("expected ")?;
    let expected = expected.trim_start_matches("one of ");
    let words = expected.split(", ").map(|word| word.trim_matches(['`', ' ']));
    let scored = words.map(|word| (strsim::normalized_damerau_levenshtein(unknown, word), word));
    let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
    (best.0 >= 0.5).then(|| best.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_named_when_one_is_near() {
        assert_eq!(nearest("unknown field `prot`, expected one of port, host").as_deref(), Some("port"));
        assert_eq!(nearest("unknown variant `lives`, expected one of `live`, `bundle`").as_deref(), Some("live"));
        assert_eq!(nearest("unknown field `zzzzzz`, expected one of port, host"), None);
        assert_eq!(nearest("invalid u16"), None);
    }
}
