//! Characters that show nothing to a person and something to a model.

use std::borrow::Cow;

const ESCAPE: char = '\u{1b}';
const BELL: char = '\u{7}';
/// Longest sequence taken for an ANSI escape, in characters: a lone escape must not swallow the text.
const SEQUENCE_CHARS_MAX: usize = 256;
/// What stands where a field was cut.
const CUT: char = '…';

/// Removes control, zero-width, bidirectional and tag characters and ANSI escapes; keeps line breaks and tabs.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let after = rest.get(character.len_utf8()..).unwrap_or_default();
        rest = if character == ESCAPE { behind_sequence(after) } else { after };
        if !is_hidden(character) {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// One line of at most `chars_max` characters: cleaned, every run of space one space, a mark where it was cut.
pub fn field(text: &str, chars_max: usize) -> String {
    // Line breaks count as space before they would vanish.
    let cleaned = clean(text);
    let mut out = String::with_capacity(cleaned.len().min(chars_max.saturating_mul(4)));
    for word in cleaned.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > chars_max.saturating_mul(4) {
            break;
        }
    }
    if out.chars().nth(chars_max).is_some() {
        out = out.chars().take(chars_max.saturating_sub(1)).collect();
        out.truncate(out.trim_end().len());
        if chars_max > 0 {
            out.push(CUT);
        }
    }
    out
}

fn is_hidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}'
        | '\u{ffa0}' => true,
        // Zero width, joiners and marks of direction; embeddings and overrides; isolates and invisible operators.
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{180b}'..='\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' => true,
        // Tags and the selectors behind them carry whole hidden texts.
        '\u{e0000}'..='\u{e0fff}' => true,
        other => other.is_control(),
    }
}

/// What follows an ANSI sequence whose escape character was just read: `[31m`, `]0;title BEL`, `(B`.
fn behind_sequence(text: &str) -> &str {
    let is_end = match text.chars().next() {
        Some('[') => |c: char| ('@'..='~').contains(&c),
        Some(']' | 'P' | '^' | '_' | 'X') => |c: char| matches!(c, BELL | '\u{9c}' | ESCAPE),
        Some('(' | ')' | '*' | '+' | '#' | '%') => |_: char| true,
        Some('@'..='_' | '`'..='~' | '0'..='?') => return text.get(1..).unwrap_or_default(),
        _ => return text,
    };
    let inside = text.char_indices().skip(1).take(SEQUENCE_CHARS_MAX);
    let end = inside.take_while(|(_, c)| *c != '\n').find(|(_, c)| is_end(*c));
    match end {
        // A string ends with ESC \: the escape itself is left for the next round.
        Some((place, ESCAPE)) => text.get(place..).unwrap_or_default(),
        Some((place, last)) => text.get(place + last.len_utf8()..).unwrap_or_default(),
        None => text.get(1..).unwrap_or_default(),
    }
}
