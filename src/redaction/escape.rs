//! Escapes of quoted strings. Tolerant: what is no escape stays as it is, so a cut string can be read too.

use std::borrow::Cow;

/// The text a quoted string means.
pub(super) fn unescape(content: &str) -> Cow<'_, str> {
    if !content.contains('\\') {
        return Cow::Borrowed(content);
    }
    let mut out = String::with_capacity(content.len());
    let mut rest = content;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.push_str(before);
        rest = resolve(escape, &mut out);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Writes the character the escape stands for; returns what follows.
fn resolve<'a>(escape: &'a str, out: &mut String) -> &'a str {
    let mut characters = escape.chars();
    let simple = match characters.next() {
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('u') => return resolve_units(escape, out),
        Some('x') => match hex(escape, 1, 2).and_then(char::from_u32) {
            Some(character) => {
                out.push(character);
                return escape.get(3..).unwrap_or_default();
            }
            None => {
                out.push('\\');
                return escape;
            }
        },
        Some(other @ ('"' | '\'' | '\\' | '/')) => other,
        _ => {
            out.push('\\');
            return escape;
        }
    };
    out.push(simple);
    characters.as_str()
}

/// `u0041`, or two halves of a surrogate pair.
fn resolve_units<'a>(escape: &'a str, out: &mut String) -> &'a str {
    let Some(first) = hex(escape, 1, 4) else {
        out.push('\\');
        return escape;
    };
    let after = escape.get(5..).unwrap_or_default();
    if let Some(character) = char::from_u32(first) {
        out.push(character);
        return after;
    }
    let second = after.strip_prefix('\\').filter(|next| next.starts_with('u')).and_then(|next| hex(next, 1, 4));
    let pair = second.and_then(|second| char::decode_utf16([first as u16, second as u16]).next()?.ok());
    out.push(pair.unwrap_or(char::REPLACEMENT_CHARACTER));
    if pair.is_some() { after.get(6..).unwrap_or_default() } else { after }
}

fn hex(text: &str, from: usize, digits: usize) -> Option<u32> {
    let digits = text.get(from..from + digits)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// The text as content of a string in the given quotes.
pub(super) fn escape(text: &str, quote: u8) -> String {
    if quote == b'\'' {
        let text = text.replace('\\', "\\\\").replace('\'', "\\'");
        return text.replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    }
    let quoted = serde_json::Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_resolve_and_odd_ones_stay() {
        for (content, text) in [
            (r"plain", "plain"),
            (r#"a\"b\\c\/d\n"#, "a\"b\\c/d\n"),
            (r"\u0070ass \ud83d\ude00 \x41", "pass 😀 A"),
            (r"\ud83d x", "\u{fffd} x"),
            (r"\q \u12 \", "\\q \\u12 \\"),
        ] {
            assert_eq!(unescape(content), text);
        }
        assert_eq!(escape("a\"b\n", b'"'), r#"a\"b\n"#);
        assert_eq!(unescape(&escape("it's\n\\", b'\'')), "it's\n\\");
    }
}
