//! What other tracing systems say along the way (W3C Trace Context, `tracestate`): passed on as it came, never read.

use std::fmt;
use std::sync::Arc;

/// Longest list that is passed on, in bytes; whoever is asked for more may drop all of it.
const BYTES_MAX: usize = 512;
/// Most members of a list.
const MEMBERS_MAX: usize = 32;
/// Longest key and longest value of a member, in bytes.
const PART_BYTES_MAX: usize = 256;

/// A well-formed list. Clones share it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceState(Arc<str>);

impl TraceState {
    /// Reads a header, several of them joined by commas. One that is empty, malformed or too long is `None`, whole.
    pub fn parse(header: &str) -> Option<Self> {
        if header.len() > BYTES_MAX {
            return None;
        }
        let members: Vec<&str> = header
            .split(',')
            .map(|member| member.trim_matches([' ', '\t']))
            .filter(|member| !member.is_empty())
            .collect();
        let keys: Option<Vec<&str>> = members.iter().map(|member| key_of(member)).collect();
        let mut keys = keys.filter(|keys| !keys.is_empty() && keys.len() <= MEMBERS_MAX)?;
        keys.sort_unstable();
        let is_unique = keys.windows(2).all(|pair| pair.first() != pair.last());
        is_unique.then(|| Self(members.join(",").into()))
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of a well-formed member.
fn key_of(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let may_begin = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let may_go_on = |byte: u8| may_begin(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    let is_key = key.len() <= PART_BYTES_MAX
        && key.bytes().next().is_some_and(may_begin)
        && key.bytes().all(may_go_on)
        && key.bytes().filter(|byte| *byte == b'@').count() <= 1;
    let may_stand = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
    let is_value = !value.is_empty() && value.len() <= PART_BYTES_MAX && value.bytes().all(may_stand);
    (is_key && is_value).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_the_standard_says() {
        let long = |length: usize| format!("a={}", "x".repeat(length));
        let many = |count: usize| (0..count).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
        for (header, passed) in [
            ("rojo=00f067aa0ba902b7", Some("rojo=00f067aa0ba902b7")),
            ("rojo=1, congo=t61rcWkgMzE \t,", Some("rojo=1,congo=t61rcWkgMzE")),
            ("fw529a3039@dt=FfAz~!, 0a_-*/=x y", Some("fw529a3039@dt=FfAz~!,0a_-*/=x y")),
            ("", None),
            (" , ", None),
            ("rojo", None),
            ("rojo=", None),
            ("=x", None),
            ("Rojo=1", None),
            ("a@b@c=1", None),
            ("a=1=2", None),
            ("a=1,a=2", None),
            ("a=é", None),
            ("a=1\u{7f}", None),
            ("a b=1", None),
        ] {
            assert_eq!(TraceState::parse(header).map(|state| state.to_string()).as_deref(), passed, "{header}");
        }
        for (header, is_passed) in [
            (long(256), true),
            (long(257), false),
            (format!("{},b={}", long(250), "x".repeat(257 - 8)), true),
            (format!("{},b={}", long(255), "x".repeat(256)), false),
            (many(32), true),
            (many(33), false),
        ] {
            assert_eq!(TraceState::parse(&header).is_some(), is_passed, "{} bytes", header.len());
        }
    }
}
