//! Line filters as a model writes them. Pure.

use regex::{Regex, RegexBuilder};

use crate::tools::kubernetes::Fault;

/// Longest pattern, in characters.
pub(super) const PATTERN_CHARS_MAX: usize = 1_024;
/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// Matches ignoring case: a regular expression, or plain text where it is none.
#[derive(Debug)]
pub(super) enum Pattern {
    Expression(Regex),
    /// In lower case.
    Text(String),
}

impl Pattern {
    /// Reads a pattern; the second value says when it was taken literally.
    pub(super) fn read(name: &str, pattern: Option<&str>) -> Result<(Option<Self>, Option<String>), Fault> {
        let Some(pattern) = pattern else { return Ok((None, None)) };
        if pattern.chars().count() > PATTERN_CHARS_MAX {
            return Err(Fault(format!("{name} is longer than {PATTERN_CHARS_MAX} characters; use a shorter one")));
        }
        match RegexBuilder::new(pattern).case_insensitive(true).size_limit(PATTERN_BYTES_MAX).build() {
            Ok(expression) => Ok((Some(Self::Expression(expression)), None)),
            Err(_) => {
                let note = format!("{name} is no valid regular expression and was looked for as plain text");
                Ok((Some(Self::Text(pattern.to_lowercase())), Some(note)))
            }
        }
    }

    pub(super) fn matches(&self, line: &str) -> bool {
        match self {
            Self::Expression(expression) => expression.is_match(line),
            Self::Text(text) => line.to_lowercase().contains(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_expressions_else_text() {
        let table = [
            ("err(or)?", "An ERROR", true, false),
            ("^web", "the web", false, false),
            ("a(b", "xA(By", true, true),
            ("[", "list [1]", true, true),
        ];
        for (pattern, line, matches, is_noted) in table {
            let (read, note) = Pattern::read("filter", Some(pattern)).unwrap();
            assert_eq!((read.unwrap().matches(line), note.is_some()), (matches, is_noted), "{pattern}");
        }
        assert!(Pattern::read("filter", Some(&"x".repeat(PATTERN_CHARS_MAX + 1))).is_err());
        let (read, note) = Pattern::read("filter", Some("(a{500}){500}")).unwrap();
        assert!(matches!(read, Some(Pattern::Text(_))) && note.is_some(), "too large when compiled");
    }
}
