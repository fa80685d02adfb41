//! Regular expressions of jq on the one engine this service has: linear time, bounded size.

use jaq_core::native::{Fun, bome};
use jaq_core::{Bind, Error, Native};
use jaq_json::{Map, Val};
use jaq_std::ValT;
use regex::{Captures, Regex, RegexBuilder};

use super::natives::Limited;

/// Longest pattern, in characters.
const PATTERN_CHARS_MAX: usize = 1_024;
/// Largest compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// Under which everything in the standard library that takes a pattern is defined.
pub(super) fn all() -> [Fun<Limited>; 3] {
    let two = || [Bind::Var(()), Bind::Var(())].into();
    let matches = Native::<Limited>::new(|mut cv| {
        let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
        bome(parts(&cv.1, &pattern, &flags, [false, true]))
    });
    let both = Native::<Limited>::new(|mut cv| {
        let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
        bome(parts(&cv.1, &pattern, &flags, [true, true]))
    });
    let between = Native::<Limited>::new(|mut cv| {
        let (flags, pattern) = (cv.0.pop_var(), cv.0.pop_var());
        bome(parts(&cv.1, &pattern, &flags, [true, false]))
    });
    [("matches", two(), matches), ("split_matches", two(), both), ("split_", two(), between)]
}

fn text(value: &Val) -> Result<&str, Error<Val>> {
    std::str::from_utf8(ValT::try_as_utf8_bytes(value)?).map_err(Error::str)
}

/// What lies between matches (text), matches (list of captures), or both in turn.
fn parts(input: &Val, pattern: &Val, flags: &Val, [between, matches]: [bool; 2]) -> Result<Val, Error<Val>> {
    let (input, flags) = (text(input)?, text(flags)?);
    let expression = compiled(text(pattern)?, flags)?;
    let (mut parts, mut end) = (Vec::new(), 0);
    // Where the last match began, in bytes and in characters.
    let mut begun = (0, 0);
    let found = expression.captures_iter(input);
    let found = found.filter(|captures| !(flags.contains('n') && captures.get(0).is_some_and(|all| all.is_empty())));
    for captures in found.take(if flags.contains('g') { usize::MAX } else { 1 }) {
        let Some(all) = captures.get(0) else { continue };
        if between {
            parts.push(Val::from(input.get(end..all.start()).unwrap_or_default().to_owned()));
            end = all.end();
        }
        if matches {
            let since = input.get(begun.0..all.start()).unwrap_or_default().chars().count();
            begun = (all.start(), begun.1 + since);
            parts.push(captured(input, &expression, &captures, begun));
        }
    }
    if between {
        parts.push(Val::from(input.get(end..).unwrap_or_default().to_owned()));
    }
    Ok(parts.into_iter().collect())
}

fn compiled(pattern: &str, flags: &str) -> Result<Regex, Error<Val>> {
    if let Some(unknown) = flags.chars().find(|flag| !"gnimslxp".contains(*flag)) {
        return Err(Error::str(format!("invalid regex flag: {unknown}")));
    }
    if pattern.chars().count() > PATTERN_CHARS_MAX {
        return Err(Error::str(format!("pattern longer than {PATTERN_CHARS_MAX} characters")));
    }
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(flags.contains('i')).ignore_whitespace(flags.contains('x')).size_limit(PATTERN_BYTES_MAX);
    builder.multi_line(flags.contains(['m', 'p'])).dot_matches_new_line(flags.contains(['s', 'p']));
    builder.build().map_err(|_| Error::str("invalid regular expression"))
}

/// The whole match, which begins at so many bytes and characters, and each group: where, how long (in characters), what,
/// and its name.
fn captured(input: &str, expression: &Regex, captures: &Captures<'_>, (bytes, chars): (usize, usize)) -> Val {
    let groups = expression.capture_names().zip(captures.iter()).filter_map(|(name, group)| {
        let group = group?;
        let offset = chars + input.get(bytes..group.start()).unwrap_or_default().chars().count();
        let mut members = Map::default();
        let mut say = |key: &str, value: Val| _ = members.insert(Val::from(key.to_owned()), value);
        say("offset", Val::from(offset));
        say("length", Val::from(group.as_str().chars().count()));
        say("string", Val::from(group.as_str().to_owned()));
        if let Some(name) = name {
            say("name", Val::from(name.to_owned()));
        }
        Some(Val::obj(members))
    });
    groups.collect()
}
