//! Names with a value beside them in running text: `DB_PASSWORD=x`, `password: x`, `--token x`, `"api_key": "x"`.
//!
//! Read by hand rather than by expression: what a value is depends on the name, the separator, the place in the line and
//! what follows, and `invalid token: signature mismatch` has to survive.

mod bounds;

use std::ops::Range;

use bounds::{quoted, reference_end, word_end};

use super::counts::Class;
use super::keywords::{self, Hit};
use super::span::Span;
use super::{names, rules, values};

/// A longer value beside the name of a credential is taken out without a closer look: it keeps the work linear in the text.
const LOOK_BYTES_MAX: usize = 1024;
/// Longest indentation of a line that begins with a name, in bytes.
const INDENT_BYTES_MAX: usize = 256;

/// One line, or the part of one that lies outside of quoted strings already read by structure.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    /// Where the piece begins in the whole text.
    pub(super) at: usize,
    pub(super) begins_line: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// `=`, `:=`, `=>`
    Equals,
    /// A colon with space behind it, or at the end of a quoted name.
    Colon,
    /// A colon that touches what follows: also part of addresses, images and ARNs.
    TightColon,
    /// The space behind a flag.
    Flag,
}

/// A name found in the piece, and where its value begins.
struct Found<'a> {
    piece: Piece<'a>,
    name: &'a str,
    class: Class,
    separator: Separator,
    value_at: usize,
    begins_line: bool,
    /// The quote right before the name, when it encloses the value too: `"DB_PASSWORD=two words"`.
    enclosing: Option<char>,
}

/// Finds assignments around the keywords. `hits` are those of the piece, with places in the whole text.
pub(super) fn find(piece: Piece<'_>, hits: &[Hit], spans: &mut Vec<Span>) {
    let mut done = 0;
    for hit in hits.iter().filter(|hit| hit.triggers & keywords::NAME != 0) {
        let Some(start) = hit.start.checked_sub(piece.at).filter(|start| *start >= done) else { continue };
        let name = name_around(piece.text, start, done);
        done = name.end;
        let secret = found(piece, name).and_then(|found| found.secret());
        if let Some((class, range)) = secret {
            done = range.end;
            spans.push(Span::new(range, class).shifted(piece.at));
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn name_around(text: &str, place: usize, not_before: usize) -> Range<usize> {
    let (before, after) = text.split_at_checked(place).unwrap_or((text, ""));
    let before = before.get(not_before..).unwrap_or_default();
    let left = before.bytes().rev().take_while(|byte| is_name_byte(*byte)).count();
    let right = after.bytes().take_while(|byte| is_name_byte(*byte)).count();
    place - left..place + right.max(1)
}

fn found(piece: Piece<'_>, range: Range<usize>) -> Option<Found<'_>> {
    let token = piece.text.get(range.clone())?;
    let before = piece.text.get(..range.start)?;
    let after = piece.text.get(range.end..)?;
    if before.ends_with(']') && token.starts_with('_') {
        return None;
    }
    let name = token.trim_start_matches('-');
    let quote = before.chars().next_back().filter(|c| matches!(c, '"' | '\'' | '`'));
    let unquoted = quote.and_then(|quote| after.strip_prefix(quote)).unwrap_or(after);
    let is_quoted = unquoted.len() < after.len();
    let rest = unquoted.trim_start_matches([' ', '\t']);
    let (separator, rest) = match separator(rest) {
        Some((Separator::TightColon, rest)) if is_quoted => (Separator::Colon, rest),
        Some(found) => found,
        None if token.starts_with('-') && !is_quoted && rest.len() < after.len() => (Separator::Flag, rest),
        None => return None,
    };
    let class = class_of(name, before, separator, is_quoted)?;
    let value_at = piece.text.len() - rest.trim_start_matches([' ', '\t']).len();
    let begins_line = piece.begins_line
        && before.len() <= INDENT_BYTES_MAX
        && before.trim_start().trim_start_matches(['-', '+', ' ']).trim_matches(['"', '\'', ' ']).is_empty();
    let enclosing = quote.filter(|_| !is_quoted && separator == Separator::Equals);
    Some(Found { piece, name, class, separator, value_at, begins_line, enclosing })
}

fn separator(rest: &str) -> Option<(Separator, &str)> {
    for equals in [":=", "=>", "==", "="] {
        if let Some(rest) = rest.strip_prefix(equals) {
            return Some((Separator::Equals, rest));
        }
    }
    let rest = rest.strip_prefix(':')?;
    match rest.chars().next() {
        Some(':') => None,
        Some('/') if rest.starts_with("//") => None,
        None | Some(' ' | '\t') => Some((Separator::Colon, rest)),
        Some(_) => Some((Separator::TightColon, rest)),
    }
}

fn class_of(name: &str, before: &str, separator: Separator, is_quoted: bool) -> Option<Class> {
    if before.ends_with("checksum/") || separator == Separator::TightColon && before.ends_with([':', '/', '@']) {
        return None;
    }
    if name.eq_ignore_ascii_case("pass") && separator != Separator::Equals {
        return None;
    }
    if name.eq_ignore_ascii_case("key") {
        // "API key: x" is two words.
        let word =
            before.strip_suffix(' ').and_then(|before| before.rsplit(|c: char| !c.is_ascii_alphabetic()).next())?;
        const KINDS: [&str; 7] = ["api", "access", "secret", "private", "encryption", "signing", "master"];
        let is_kind = KINDS.iter().any(|kind| word.eq_ignore_ascii_case(kind));
        return is_kind.then_some(if word.eq_ignore_ascii_case("api") { Class::ApiKey } else { Class::Key });
    }
    names::judge(name).filter(|class| *class != Class::GeneratorUrl || is_quoted)
}

impl Found<'_> {
    fn secret(&self) -> Option<(Class, Range<usize>)> {
        let rest = self.piece.text.get(self.value_at..)?;
        let (range, is_quoted) = match quoted(rest) {
            Some(range) => (range, true),
            None => (0..self.bare_end(rest)?, false),
        };
        let value = rest.get(range.clone())?;
        let place = self.value_at + range.start..self.value_at + range.end;
        if names::is_header(self.name) {
            let header = rules::header(value)?;
            return Some((self.class, place.start + header.start..place.start + header.end));
        }
        if value.len() > LOOK_BYTES_MAX {
            return Some((self.class, place));
        }
        if !values::is_secret(value, self.class) || rules::is_reference_field(self.name, value, self.class) {
            return None;
        }
        if !is_quoted && self.is_about(value, rest.get(range.end..)?) {
            return None;
        }
        Some((self.class, place))
    }

    /// Where a value without quotes ends; `None` when there is none.
    fn bare_end(&self, rest: &str) -> Option<usize> {
        let is_block = rest.len() <= 4 && matches!(rest.trim_end(), "|" | ">" | "|-" | ">-" | "|+" | ">+");
        if rest.is_empty() || is_block {
            return None;
        }
        if names::is_header(self.name) {
            let first = rest.split_ascii_whitespace().next()?;
            if rules::is_header_prose(first) {
                return None;
            }
            let end = if rules::is_list_scheme(first) { None } else { rest.find(['"', '\'']) };
            return Some(end.unwrap_or(rest.len()));
        }
        if let Some(end) = reference_end(rest) {
            return Some(end);
        }
        if let Some(end) = self.enclosing.and_then(|quote| rest.find(quote)) {
            return Some(end);
        }
        let word = word_end(self.piece.text.get(..self.value_at)?, rest);
        if self.is_whole_line(rest, word) {
            let line = rest.split_once(" #").map_or(rest, |(line, _)| line);
            return Some(line.trim_end().trim_end_matches(',').len());
        }
        Some(word)
    }

    /// A name in capitals at the beginning of a line: a variable of the environment and hardly prose.
    fn is_variable(&self) -> bool {
        self.begins_line && !self.name.bytes().any(|byte| byte.is_ascii_lowercase())
    }

    /// Whether the rest of the line is the value, spaces and all: YAML and files of environment variables.
    fn is_whole_line(&self, rest: &str, word: usize) -> bool {
        let (word, following) = rest.split_at_checked(word).unwrap_or((rest, ""));
        match self.separator {
            Separator::Colon => {
                let is_message = values::is_prose(word) || word.ends_with(':') && values::is_plain_word(word);
                let may_have_spaces = self.is_variable() || self.begins_line && self.class == Class::Password;
                may_have_spaces && !is_message && !following.starts_with(" bytes")
            }
            Separator::Equals => self.is_variable() && !following.contains('=') && !following.contains(" -"),
            Separator::TightColon | Separator::Flag => false,
        }
    }

    /// Whether the words are about a credential: an error's text, a size, a version.
    fn is_about(&self, value: &str, following: &str) -> bool {
        let goes_on = following.starts_with([' ', '\t']) && !following.trim().is_empty();
        // A word may well be the secret: elsewhere it begins a sentence.
        let is_password = self.class == Class::Password || self.is_variable();
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        if value.starts_with(['{', '[', '(']) && value.len() == 1 || is_number && following.starts_with(" bytes") {
            return true;
        }
        match self.separator {
            Separator::Equals => !is_password && values::is_prose(value),
            Separator::TightColon => !is_password && is_version(value),
            Separator::Flag => {
                value.starts_with('-') || values::is_prose(value) || !is_password && values::is_plain_word(value)
            }
            Separator::Colon => {
                let is_word = values::is_plain_word(value);
                values::is_prose(value) && (goes_on || !is_password || !self.begins_line)
                    || is_word && value.ends_with(':') && goes_on
                    || is_word && !is_password && (goes_on || !self.begins_line)
                    || !is_password && !self.begins_line && (values::is_object_name(value) || is_pair(value))
            }
        }
    }
}

/// `error=401`: the next pair of a log line, behind a colon that ended a sentence.
fn is_pair(value: &str) -> bool {
    value
        .split_once('=')
        .is_some_and(|(name, value)| values::is_plain_word(name) && !value.is_empty() && !value.starts_with('='))
}

fn is_version(value: &str) -> bool {
    let digits = value.strip_prefix('v').unwrap_or(value);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// A line as Secrets print it, `username: YWRtaW4=` or `key: …`: names that mean nothing elsewhere, with a value in base64.
pub(super) fn find_encoded(piece: Piece<'_>, spans: &mut Vec<Span>) {
    if !piece.begins_line {
        return;
    }
    let Some((name, value)) = piece.text.split_once(':') else { return };
    let name = name.trim().trim_start_matches("- ").trim_matches('"');
    let trimmed = value.trim_start().trim_start_matches('"');
    let at = piece.at + piece.text.len() - trimmed.len();
    let value = trimmed.trim_end_matches(['"', ',', ' ', '\r']);
    let is_name = ["username", "key", "user"].iter().any(|known| name.eq_ignore_ascii_case(known));
    if is_name && values::is_encoded_text(value) {
        spans.push(Span::new(at..at + value.len(), Class::EncodedValue));
    }
}
