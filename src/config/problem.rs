//! Configuration errors written for the person who made them: all at once, each in one line (operations §1.8).

use std::fmt;
use std::path::Path;

use super::node::{Origin, Source};

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// The file cannot be read, or is no YAML map.
    Parse,
    /// Nothing has a key of that name.
    UnknownKey,
    /// A known key with a wrong type, a value outside its range, or one that contradicts another.
    Invalid,
}

impl ProblemKind {
    /// Label of metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::UnknownKey => "unknown_key",
            Self::Invalid => "invalid",
        }
    }
}

/// One mistake. Displays as one line: file, line and column, path, reason, suggestion. Values of secrets are never in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    /// `file:line:column`, `file`, or the name of a flag or variable.
    pub place: String,
    /// Dotted path of the key; empty where the reason names it or nothing has one.
    pub path: String,
    pub reason: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A wrong value.
    pub(super) fn new(origin: &Origin, path: &str, reason: String) -> Self {
        let reason = match &origin.written {
            Some(written) if !path.is_empty() => format!("{reason} (written as {written})"),
            _ => reason,
        };
        Self { kind: ProblemKind::Invalid, place: origin.to_string(), path: path.to_owned(), reason, suggestion: None }
    }

    /// A file as a whole.
    pub(super) fn of_file(path: &Path, reason: impl Into<String>) -> Self {
        let origin = Origin::named(Source::Main, &path.display().to_string());
        Self { kind: ProblemKind::Parse, ..Self::new(&origin, "", reason.into()) }
    }

    pub(super) fn is_unknown_key(&self) -> bool {
        self.kind == ProblemKind::UnknownKey
    }

    pub(super) fn unknown_key(origin: &Origin, path: &str, suggestion: Option<String>) -> Self {
        let problem = Self::new(origin, path, "unknown key".to_owned());
        Self { kind: ProblemKind::UnknownKey, suggestion, ..problem }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.reason)?;
        match &self.suggestion {
            Some(meant) => write!(f, " (did you mean `{meant}`?)"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a configuration. One problem displays as its line; more as a heading and their lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty.
    problems: Vec<Problem>,
}

impl ConfigError {
    /// Nothing when there is no problem.
    pub(super) fn of(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }

    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The first kind there is, in the order of [`ProblemKind`]: what an operator has to mend first.
    pub fn kind(&self) -> ProblemKind {
        self.problems.iter().map(|problem| problem.kind).min().unwrap_or(ProblemKind::Invalid)
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [only] => only.fmt(f),
            problems => {
                write!(f, "{} problems in the configuration", problems.len())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}
