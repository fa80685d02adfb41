//! One pass over a text that finds the places worth a closer look. Most lines of a log have none.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// Which rules a keyword calls for.
pub(super) type Triggers = u32;

/// Names of credentials: assignments, flags, members.
pub(super) const NAME: Triggers = 1;
pub(super) const URL: Triggers = 1 << 1;
pub(super) const SCHEME: Triggers = 1 << 2;
pub(super) const VENDOR: Triggers = 1 << 3;
pub(super) const CLIENT: Triggers = 1 << 4;
/// Marks of a Secret object.
pub(super) const OBJECT: Triggers = 1 << 5;
pub(super) const PEM: Triggers = 1 << 6;
/// An escaped character may hide any of the others.
pub(super) const ESCAPE: Triggers = 1 << 7;
pub(super) const HASH: Triggers = 1 << 8;
pub(super) const PHRASE: Triggers = 1 << 9;

const KEYWORDS: &[(&str, Triggers)] = &[
    ("pass", NAME | PHRASE),
    ("pwd", NAME),
    ("secret", NAME | OBJECT),
    ("token", NAME),
    ("key", NAME),
    ("cred", NAME),
    ("auth", NAME | PHRASE),
    ("username", NAME),
    ("id_", NAME),
    ("generatorur", NAME),
    ("dockerc", NAME | OBJECT),
    ("data\"", OBJECT),
    ("data\\", OBJECT),
    ("stringdata", OBJECT),
    ("opaque", OBJECT),
    ("kubernetes.io/tls", OBJECT),
    ("helm.sh/release", OBJECT),
    ("last-applied", OBJECT),
    ("-----begin", PEM),
    ("-----end", PEM),
    ("\\u", ESCAPE),
    ("\\x", ESCAPE),
    (":\\/", ESCAPE),
    ("://", URL),
    ("invalid port", URL),
    ("@tcp(", URL),
    ("@unix(", URL),
    ("jdbc:oracle", URL),
    ("bearer", SCHEME),
    ("basic", SCHEME),
    ("eyj", VENDOR),
    ("sk-", VENDOR),
    ("sk_", VENDOR),
    ("rk_", VENDOR),
    ("akia", VENDOR),
    ("asia", VENDOR),
    ("ghp_", VENDOR),
    ("gho_", VENDOR),
    ("ghs_", VENDOR),
    ("ghu_", VENDOR),
    ("ghr_", VENDOR),
    ("github_pat_", VENDOR),
    ("xox", VENDOR),
    ("xapp-", VENDOR),
    ("glpat-", VENDOR),
    ("npm_", VENDOR),
    ("aiza", VENDOR),
    ("ya29.", VENDOR),
    ("hf_", VENDOR),
    ("dop_v1_", VENDOR),
    ("dckr_pat_", VENDOR),
    ("hvs.", VENDOR),
    ("hvb.", VENDOR),
    ("sg.", VENDOR),
    ("pypi-", VENDOR),
    ("age-secret-", VENDOR),
    ("sig=", VENDOR),
    ("signature=", VENDOR),
    ("cookie", PHRASE),
    ("webhook", VENDOR),
    ("hooks.slack", VENDOR),
    ("mysql", CLIENT),
    ("mariadb", CLIENT),
    ("mongo", CLIENT),
    ("redis-cli", CLIENT),
    ("sqlcmd", CLIENT),
    ("login", CLIENT),
    ("curl", CLIENT),
    ("wget", CLIENT),
    ("-p", CLIENT),
    ("identified", PHRASE),
    ("$2", HASH),
    ("$1$", HASH),
    ("$5$", HASH),
    ("$6$", HASH),
    ("$y$", HASH),
    ("$apr1$", HASH),
    ("$argon2", HASH),
];

/// `None` only if the table were broken; [`tests`] shows that it is not. Redaction then treats every place as found.
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(KEYWORDS.iter().map(|(keyword, _)| keyword))
        .ok()
});

/// A keyword's place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) triggers: Triggers,
}

/// All keywords in the order of their ends, overlapping ones too.
pub(super) fn hits(text: &str) -> Vec<Hit> {
    let Some(automaton) = AUTOMATON.as_ref() else {
        return vec![Hit { start: 0, end: text.len(), triggers: Triggers::MAX }];
    };
    let hit = |found: aho_corasick::Match| {
        let triggers = KEYWORDS.get(found.pattern().as_usize()).map_or(Triggers::MAX, |(_, triggers)| *triggers);
        Hit { start: found.start(), end: found.end(), triggers }
    };
    automaton.find_overlapping_iter(text).map(hit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_keywords_are_all_found() {
        let triggers = |text: &str| hits(text).iter().fold(0, |all, hit| all | hit.triggers);
        assert!(AUTOMATON.is_some());
        assert_eq!(triggers("nothing to see"), 0);
        assert_eq!(triggers("DOCKER LOGIN -Pbasic://"), CLIENT | SCHEME | URL);
    }
}
