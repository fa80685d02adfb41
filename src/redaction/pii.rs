//! Personal data (class 22 of investigation §8.2): e-mail and IPv4 addresses. Off unless asked for: without addresses a
//! network cannot be diagnosed.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::counts::Class;
use super::span::Span;

static EMAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)[a-z0-9][a-z0-9._%+\-]{0,63}@(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}\b").ok()
});
static IPV4: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\b(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}\b").ok());

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut all = |regex: &LazyLock<Option<Regex>>, class| {
        let found = regex.as_ref().into_iter().flat_map(|regex| regex.find_iter(text));
        spans.extend(found.map(|place| Span::new(behind_escape(text, place.range()), class)));
    };
    if text.contains('@') {
        all(&EMAIL, Class::Email);
    }
    if text.contains('.') {
        all(&IPV4, Class::Ipv4);
    }
}

/// In `\nme@example.org` inside a JSON string the `n` belongs to the escape.
fn behind_escape(text: &str, range: Range<usize>) -> Range<usize> {
    let before = text.get(..range.start).unwrap_or_default();
    let backslashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if backslashes % 2 == 0 { range } else { range.start + 1..range.end }
}

#[cfg(test)]
mod tests {
    use super::super::Redactor;
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new([7; 32]).with_personal_data(true)
    }

    #[test]
    fn addresses_disappear_and_are_counted_by_kind() {
        for (text, emails, addresses) in [
            ("mail jo.doe+x@sub.example.org now", 1, 0),
            ("dial tcp 10.0.12.7:5432 and 192.168.0.1", 0, 2),
            ("from a@b.co at 10.1.2.3", 1, 1),
            ("{\"message\":\"first\\nme@example.org 10.9.8.7\"}", 1, 1),
            ("host: 172.16.254.1\nowner: x@y.example\n", 1, 1),
        ] {
            let redacted = redactor().text(text);
            let counts = (redacted.counts.of(Class::Email), redacted.counts.of(Class::Ipv4));
            assert_eq!(counts, (emails, addresses), "{}", redacted.text);
            assert_eq!(redacted.text.matches("[REDACTED").count() as u64, emails + addresses, "{}", redacted.text);
            assert_eq!(redactor().text(&redacted.text).text, redacted.text);
            if text.starts_with('{') {
                serde_json::from_str::<serde_json::Value>(&redacted.text).unwrap();
            }
            assert_eq!(Redactor::new([7; 32]).text(text).text, text);
        }
    }

    #[test]
    fn what_only_resembles_an_address_stays() {
        for text in
            ["registry.example/app@sha256:0a1b2c", "v1.2.3", "1.2.3.4.5 is no version", "999.1.1.1", "pod@node", "a@b"]
        {
            let redacted = redactor().text(text).text;
            let stays = text != "1.2.3.4.5 is no version";
            assert_eq!(redacted == text, stays, "{text}: {redacted}");
        }
    }

    #[test]
    fn data_is_redacted_by_structure_as_well() {
        let mut value = serde_json::json!({"podIP": "10.0.0.9", "args": ["--to", "a@example.org"], "10.0.0.1": 1});
        let counts = redactor().value(&mut value);
        assert_eq!((counts.of(Class::Email), counts.of(Class::Ipv4)), (1, 2), "{value}");
    }
}
