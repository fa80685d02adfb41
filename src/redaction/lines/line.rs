//! One line of YAML, as far as redaction has to understand it.

use std::ops::Range;

use crate::redaction::escape::unescape;

#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Spaces in front.
    pub(super) indent: usize,
    /// Where the content begins, behind the dashes of list items.
    pub(super) column: usize,
    pub(super) is_item: bool,
    pub(super) is_blank: bool,
    /// `---` or `...`
    pub(super) is_border: bool,
    /// The name of the member, without quotes.
    pub(super) key: Range<usize>,
    pub(super) is_quoted_key: bool,
    /// What stands behind the colon or, without a name, behind the dashes; without space around.
    pub(super) value: Range<usize>,
    /// Where the line begins in the text.
    pub(super) start: usize,
    pub(super) end: usize,
}

pub(super) fn split(text: &str) -> Vec<Line> {
    let mut start = 0;
    let mut lines = Vec::new();
    for whole in text.split_inclusive('\n') {
        let content = whole.trim_end_matches(['\n', '\r']);
        lines.push(parse(content, start));
        start += whole.len();
    }
    lines
}

fn parse(line: &str, start: usize) -> Line {
    let indent = line.bytes().take_while(|byte| *byte == b' ').count();
    let mut rest = line.get(indent..).unwrap_or_default();
    let is_border = rest.trim_end() == "---" || indent == 0 && (rest.starts_with("--- ") || rest == "...");
    while let Some(item) = rest.strip_prefix("- ").filter(|_| !is_border) {
        rest = item.trim_start_matches(' ');
    }
    let column = line.len() - rest.len();
    let content = rest.trim_end();
    let (key, is_quoted_key, value) = match key(content) {
        Some((key, is_quoted, value)) => (start + column + key.start..start + column + key.end, is_quoted, value),
        None => (0..0, false, content),
    };
    // `value` ends where the content ends.
    let value_end = start + column + content.len();
    Line {
        indent,
        column,
        is_item: column > indent,
        is_blank: content.is_empty() || content.starts_with('#'),
        is_border,
        key,
        is_quoted_key,
        value: value_end - value.len()..value_end,
        start,
        end: start + line.len(),
    }
}

/// The name of a member, whether it is quoted, and what follows its colon.
fn key(content: &str) -> Option<(Range<usize>, bool, &str)> {
    let quote = content.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (range, after) = match quote {
        Some(quote) => {
            let inside = content.get(1..)?;
            let length = inside.find(quote)?;
            (1..1 + length, inside.get(length + 1..)?.trim_start())
        }
        None => {
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'/');
            let length = content.bytes().take_while(is_name).count();
            (0..length, content.get(length..)?)
        }
    };
    let value = after
        .strip_prefix(':')
        .filter(|value| value.is_empty() || value.starts_with([' ', '\t']) || quote.is_some())?;
    (!range.is_empty()).then(|| (range, quote.is_some(), value.trim_start()))
}

/// A scalar on one line: the place of its content, whether it is quoted, and what it means. `None` when it goes on in the
/// next line or is no scalar.
pub(super) fn scalar(text: &str, value: &Range<usize>) -> Option<(Range<usize>, bool, String)> {
    let raw = text.get(value.clone())?;
    if let Some(quote) = raw.bytes().next().filter(|byte| matches!(byte, b'"' | b'\'')) {
        let length = closing(raw.get(1..)?, quote)?;
        let range = value.start + 1..value.start + 1 + length;
        let content = text.get(range.clone())?;
        let meaning = if quote == b'"' { unescape(content).into_owned() } else { content.replace("''", "'") };
        return Some((range, true, meaning));
    }
    let plain = raw.split_once(" #").map_or(raw, |(plain, _)| plain).trim_end().trim_end_matches(',');
    if plain.is_empty()
        || is_indicator(plain)
        || plain.starts_with(['{', '[', '&', '*', '!']) && !plain.starts_with("[REDACTED")
    {
        return None;
    }
    Some((value.start..value.start + plain.len(), false, plain.to_owned()))
}

fn closing(inside: &str, quote: u8) -> Option<usize> {
    let mut is_escaped = false;
    let mut bytes = inside.bytes().enumerate().peekable();
    while let Some((place, byte)) = bytes.next() {
        let is_doubled = quote == b'\'' && bytes.peek().is_some_and(|(_, next)| *next == quote);
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if quote == b'"' => is_escaped = true,
            byte if byte == quote && is_doubled => {
                bytes.next();
            }
            byte if byte == quote => return Some(place),
            _ => {}
        }
    }
    None
}

/// `|`, `>-`, `|2+`: the value stands in the lines below.
pub(super) fn is_indicator(value: &str) -> bool {
    value.starts_with(['|', '>'])
        && value.len() <= 3
        && value.bytes().skip(1).all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-'))
}
