//! The words by which a line tells of a failed connection, looked for in one pass.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// Words that mean the same; each group is one bit.
pub(super) type Group = u8;

pub(super) const TIMEOUT: Group = 1;
pub(super) const RESOLVER: Group = 1 << 1;
/// What makes a timeout one of the resolver.
pub(super) const RESOLVING: Group = 1 << 2;
pub(super) const NAME: Group = 1 << 3;
pub(super) const REFUSED: Group = 1 << 4;
pub(super) const UNREACHABLE: Group = 1 << 5;

/// Whatever the case.
const WORDS: &[(Group, &str)] = &[
    (TIMEOUT, "i/o timeout"),
    (TIMEOUT, "timed out"),
    (TIMEOUT, "etimedout"),
    (TIMEOUT, "timeout expired"),
    (TIMEOUT, "connect timeout"),
    (TIMEOUT, "connecttimeout"),
    (TIMEOUT, "connection timeout"),
    (TIMEOUT, "context deadline exceeded"),
    (TIMEOUT, "sockettimeoutexception"),
    (TIMEOUT, "upstream request timeout"),
    (RESOLVER, "temporary failure in name resolution"),
    (RESOLVER, "eai_again"),
    (RESOLVER, "resolution timed out"),
    (RESOLVER, "resolving timed out"),
    (RESOLVING, "lookup "),
    (RESOLVING, "name resolution"),
    (RESOLVING, ":53:"),
    (RESOLVING, "dns"),
    (NAME, "no such host"),
    (NAME, "enotfound"),
    (NAME, "nxdomain"),
    (NAME, "name or service not known"),
    (NAME, "unknownhostexception"),
    (NAME, "could not translate host name"),
    (NAME, "could not resolve host"),
    (REFUSED, "connection refused"),
    (REFUSED, "econnrefused"),
    (REFUSED, "connection was refused"),
    (UNREACHABLE, "no route to host"),
    (UNREACHABLE, "ehostunreach"),
    (UNREACHABLE, "enetunreach"),
    (UNREACHABLE, "network is unreachable"),
];

/// Nothing where it cannot be built, and then the words are looked for one by one.
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder().ascii_case_insensitive(true).build(WORDS.iter().map(|(_, word)| word)).ok()
});

/// The groups a line has words of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vocabulary(Group);

impl Vocabulary {
    pub(super) fn found_in(line: &str) -> Self {
        let group = |index: usize| WORDS.get(index).map_or(0, |(group, _)| *group);
        Self(match &*AUTOMATON {
            Some(automaton) => {
                let found = automaton.find_overlapping_iter(line).map(|found| group(found.pattern().as_usize()));
                found.fold(0, |all, group| all | group)
            }
            None => {
                let line = line.to_ascii_lowercase();
                WORDS.iter().filter(|(_, word)| line.contains(word)).fold(0, |all, (group, _)| all | group)
            }
        })
    }

    pub(super) fn has(self, group: Group) -> bool {
        self.0 & group != 0
    }
}
