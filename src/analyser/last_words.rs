//! What a program said before it ended: the line that tells best why.

use super::Observed;
use super::connections::{Address, Failure, addresses};
use super::observed::PodLog;
use super::pods::{Container, Termination};
use crate::cluster::LogLine;
use crate::domain::Evidence;

/// Lines looked at from the end: a stack trace and what led to it.
const LINES_MAX: usize = 80;
/// Connections that failed this near to the end had something to do with it.
const CONNECTION_LINES_MAX: usize = 25;

/// What a line says about the end of its program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// Its configuration is missing or cannot be read.
    Configuration,
    /// A file, port or system call is not permitted to it.
    NotPermitted,
    /// Something it needs did not answer.
    Dependency(Option<Address>),
    /// It gave up on an error of its own.
    Error,
}

/// The telling line.
#[derive(Debug, Clone)]
pub struct LastWords<'a> {
    pub says: Says,
    log: &'a PodLog,
    line: &'a LogLine,
    /// Further lines of the same kind, newest first.
    others: Vec<&'a LogLine>,
}

/// Further lines quoted as evidence.
const OTHERS_MAX: usize = 2;

impl<'a> LastWords<'a> {
    /// Of the log of the instance that ended. Connections first: what follows them in a log is mostly their echo;
    /// then the most specific kind of line, and of several the last.
    pub fn of(observed: &'a Observed, container: &Container<'a>, ended: &Termination<'_>) -> Option<Self> {
        let is_current = container.terminated().is_some_and(|current| current.path == ended.path);
        let logs =
            observed.logs_of(container.pod).filter(|log| log.container == container.name && !log.lines.is_empty());
        let mut logs: Vec<&PodLog> = logs.collect();
        logs.sort_by_key(|log| log.previous == is_current);
        // A container that waits for its next start has its last instance in the current log when there is no other.
        let log = logs.into_iter().find(|log| log.previous != is_current || !container.is_running())?;
        Self::of_log(log)
    }

    fn of_log(log: &'a PodLog) -> Option<Self> {
        let read = |(from_end, line): (usize, &'a LogLine)| Some((rank(&says(&line.text, from_end)?), from_end, line));
        let lines = log.lines.iter().rev().filter(|line| !line.text.trim().is_empty()).take(LINES_MAX);
        let mut telling: Vec<_> = lines.enumerate().filter_map(read).collect();
        telling.sort_by_key(|(rank, from_end, _)| (*rank, *from_end));
        let (best, from_end, line) = telling.first().copied()?;
        let alike = telling.iter().skip(1).filter(|(rank, ..)| *rank == best).take(OTHERS_MAX);
        let others = alike.map(|(_, _, line)| *line).collect();
        Some(Self { says: says(&line.text, from_end)?, log, line, others })
    }

    pub fn evidence(&self) -> Vec<Evidence> {
        let others = self.others.iter().map(|line| self.log.evidence(line, "and shortly before"));
        std::iter::once(self.log.evidence(self.line, "what the program said before it ended")).chain(others).collect()
    }

    /// The line without its time, short enough for a sentence.
    pub fn quote(&self) -> String {
        const CHARS_MAX: usize = 160;
        let text = self.line.text.trim();
        let kept: String = text.chars().take(CHARS_MAX).collect();
        if kept.len() < text.len() { format!("{kept}…") } else { kept }
    }
}

fn rank(says: &Says) -> u8 {
    match says {
        Says::Dependency(Some(_)) => 0,
        Says::Configuration => 1,
        Says::NotPermitted => 2,
        Says::Dependency(None) => 3,
        Says::Error => 4,
    }
}

fn says(line: &str, from_end: usize) -> Option<Says> {
    if let Some(failure) = Failure::of_line(line) {
        let address = addresses(line).into_iter().next();
        let near = from_end < CONNECTION_LINES_MAX && !is_only_a_warning(line);
        return near.then_some(match (address, failure) {
            (address, Failure::NameUnknown | Failure::Refused | Failure::Timeout | Failure::Unreachable) => {
                Says::Dependency(address)
            }
            (_, Failure::ResolverTimeout) => Says::Dependency(None),
        });
    }
    let lower = line.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if is_only_a_warning(line) {
        return None;
    }
    if has(CONFIGURATION) || is_missing_variable(&lower) {
        return Some(Says::Configuration);
    }
    if has(NOT_PERMITTED) {
        return Some(Says::NotPermitted);
    }
    has(ERRORS).then_some(Says::Error)
}

/// Programs that warn go on.
fn is_only_a_warning(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    [
        "level=warn",
        "\"level\":\"warn",
        " warn ",
        "[warn",
        "warning:",
        " debug ",
        "level=debug",
        "level=info",
        " info ",
        "[info",
    ]
    .iter()
    .any(|word| lower.contains(word))
}

/// `environment variable X is not set`, `X is required`, `missing required setting X`.
fn is_missing_variable(lower: &str) -> bool {
    let names_setting =
        ["environment variable", "env var", "setting", "option", "flag", "parameter", "property", "config"];
    let misses = ["not set", "is required", "must be set", "missing required", "is missing", "is empty", "undefined"];
    names_setting.iter().any(|word| lower.contains(word)) && misses.iter().any(|word| lower.contains(word))
}

const CONFIGURATION: &[&str] = &[
    "invalid configuration",
    "invalid config",
    "configuration error",
    "config error",
    "config: load failed",
    "bad configuration",
    "could not load config",
    "failed to load config",
    "failed to read config",
    "failed to parse config",
    "error loading config",
    "error parsing config",
    "error reading config",
    "unable to parse config",
    "unable to load config",
    "configuration is invalid",
    "could not resolve placeholder",
    "unknown directive",
    "[emerg]",
    "unknown flag",
    "unrecognized option",
    "unrecognized argument",
    "unknown option",
    "flag provided but not defined",
    "yaml: ",
    "cannot unmarshal",
    "unmarshal error",
    "validationerror",
    "keyerror: '",
    "improperlyconfigured",
    "executable file not found",
    "exec format error",
    "cannot find module",
    "modulenotfounderror",
    "no such file or directory",
    "password authentication failed",
    "access denied for user",
    "authentication failed",
];
const NOT_PERMITTED: &[&str] = &[
    "permission denied",
    "operation not permitted",
    "read-only file system",
    "eacces",
    "address already in use",
    "eaddrinuse",
];
const ERRORS: &[&str] = &[
    "panic:",
    "panicked at",
    "fatal",
    "traceback (most recent call last)",
    "unhandled exception",
    "uncaught exception",
    "unhandledpromiserejection",
    "exception in thread",
    "segmentation fault",
    "sigsegv",
    "assertion failed",
    "outofmemoryerror",
    "stack overflow",
    "error:",
    "exception:",
    "level=error",
    "\"level\":\"error\"",
    " error ",
    "[error]",
    "critical",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_why_a_program_ended() {
        let cases = [
            ("config: load failed: TIMEOUT: unknown unit", Some(Says::Configuration)),
            ("required environment variable DATABASE_URL is not set", Some(Says::Configuration)),
            ("nginx: [emerg] unknown directive \"sevrer\"", Some(Says::Configuration)),
            ("open /data/lock: permission denied", Some(Says::NotPermitted)),
            ("panic: runtime error: index out of range [3]", Some(Says::Error)),
            ("level=warn msg=\"invalid configuration, using default\"", None),
            ("INFO ready", None),
        ];
        for (line, expected) in cases {
            assert_eq!(says(line, 0), expected, "{line}");
        }
        let refused = "dial tcp: lookup db.shop.svc:5432: connect: connection refused to db.shop.svc:5432";
        assert!(matches!(says(refused, 0), Some(Says::Dependency(Some(_)))));
        assert_eq!(says(refused, CONNECTION_LINES_MAX), None, "long before the end");
    }
}
