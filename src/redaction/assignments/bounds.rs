//! Where a value of an assignment ends.

use std::ops::Range;

use super::{LOOK_BYTES_MAX, is_name_byte};

/// How far behind a comma the next `name=` is looked for, in bytes.
const NEXT_NAME_BYTES_MAX: usize = 40;

/// The inside of a quoted value. One that never closes reaches to the end of the piece.
pub(super) fn quoted(rest: &str) -> Option<Range<usize>> {
    if let Some(inside) = rest.strip_prefix("\\\"") {
        return Some(2..2 + inside.find("\\\"").unwrap_or(inside.len()));
    }
    // Python writes b'…' and u'…'.
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'' | b'`');
    let is_prefixed = matches!(rest.as_bytes(), [b'b' | b'u' | b'r', b'"' | b'\'', ..]);
    let start = usize::from(is_prefixed);
    let quote = rest.as_bytes().get(start).copied().filter(is_quote)?;
    let mut is_escaped = false;
    for (place, byte) in rest.bytes().enumerate().skip(start + 1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            byte if byte == quote => return Some(start + 1..place),
            _ => {}
        }
    }
    Some(start + 1..rest.len())
}

/// A reference is one value, spaces and all: `<set to the key 'password' in secret 'db-creds'>`, `$(cat /file)`.
pub(super) fn reference_end(rest: &str) -> Option<usize> {
    let (open, close) = [("<", ">"), ("$(", ")"), ("{{", "}}")].into_iter().find(|(open, _)| rest.starts_with(open))?;
    let near = rest.get(open.len()..rest.floor_char_boundary(LOOK_BYTES_MAX))?;
    let end = open.len() + near.find(close)? + close.len();
    let next = rest.get(end..)?.chars().next();
    next.is_none_or(|next| next.is_whitespace() || matches!(next, ',' | '"' | '\'')).then_some(end)
}

/// Where a bare word ends: at space; at a quote that was opened before the word; at `,`, `;`, `&` and `|` when the next
/// pair begins there.
pub(super) fn word_end(before: &str, rest: &str) -> usize {
    let mut end = rest.len();
    for (place, character) in rest.char_indices() {
        let stops = match character {
            '"' | '\'' | '`' => is_open(before, character),
            ',' | ';' | '&' | '|' => ends_pair(rest.get(place + 1..).unwrap_or_default()),
            '\\' => rest.get(place + 1..).is_some_and(|next| next.starts_with(['"', 'n', 'r', 't'])),
            other => other.is_whitespace(),
        };
        if stops {
            end = place;
            break;
        }
    }
    without_closers(rest.get(..end).unwrap_or_default()).len()
}

/// Whether a string in these quotes was opened and not closed; an apostrophe opens nothing.
fn is_open(before: &str, quote: char) -> bool {
    let near = before.get(before.ceil_char_boundary(before.len().saturating_sub(LOOK_BYTES_MAX))..).unwrap_or_default();
    let mut count = 0;
    let mut previous = ' ';
    for character in near.chars() {
        if character == quote && !(quote == '\'' && previous.is_alphanumeric() && count % 2 == 0) {
            count += 1;
        }
        previous = character;
    }
    count % 2 == 1
}

fn ends_pair(next: &str) -> bool {
    let start = next.trim_start_matches(' ');
    if start.len() < next.len() || start.is_empty() || start.starts_with(['"', '\'', '{', '[', '&', '|']) {
        return true;
    }
    let near = start.bytes().take(NEXT_NAME_BYTES_MAX);
    let name = near.take_while(|byte| is_name_byte(*byte) || *byte == b' ').count();
    name > 0 && start.as_bytes().get(name).is_some_and(|byte| matches!(byte, b'=' | b':'))
}

/// Without the brackets that close what was opened before the value.
fn without_closers(word: &str) -> &str {
    let count = |wanted: char| word.matches(wanted).count();
    let mut surplus =
        [('(', ')'), ('[', ']'), ('{', '}')].map(|(open, close)| (close, count(close).saturating_sub(count(open))));
    let mut word = word.trim_end_matches([',', ';']);
    while let Some(last) = word.chars().next_back() {
        let Some((_, left)) = surplus.iter_mut().find(|(close, left)| *close == last && *left > 0) else { break };
        *left -= 1;
        word = word.strip_suffix(last).unwrap_or(word);
    }
    word
}
