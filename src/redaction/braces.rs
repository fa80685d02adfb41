//! Reads what is written with braces, wherever it stands in a text: JSON, whole, cut or in the middle of a log line, the
//! flow style of YAML, printed dictionaries.
//!
//! The reader never fails and never gives up: what it does not understand is left to the patterns. It reports places to
//! replace and the strings it has read, so that no pattern reaches across the end of a string and breaks the syntax.
//! Work is linear in the text.

mod frame;
mod members;

use std::ops::Range;

use frame::{Frame, Key, Kind, Leaf};

use super::escape::unescape;
use super::keywords::Hit;
use super::names;
use super::pass::Pass;
use super::placeholder::placeholder_len;
use super::secrets::Field;
use super::span::Span;

/// How deep objects and lists are told apart; parsers of JSON stop at 128.
const FRAMES_MAX: usize = 256;

/// Finds the secrets; returns the insides of all strings read, in order.
pub(super) fn scan(
    pass: Pass<'_>,
    text: &str,
    hits: &[Hit],
    is_json: bool,
    spans: &mut Vec<Span>,
) -> Vec<Range<usize>> {
    let mut scanner = Scanner::new(pass, text, hits, spans);
    if is_json {
        scanner.at = text.len() - text.trim_start().len();
        scanner.step();
    }
    while scanner.at < text.len() {
        if scanner.frames.is_empty() { scanner.seek() } else { scanner.step() }
    }
    scanner.finish()
}

/// Takes out all values of the braces that open at `at`: the `data` of a Secret in flow style.
pub(super) fn scan_secret(pass: Pass<'_>, text: &str, at: usize, field: Field, spans: &mut Vec<Span>) {
    let mut scanner = Scanner::new(pass, text, &[], spans);
    let mut outer = Frame::new(true);
    outer.kind = Kind::Secret;
    let name = if field == Field::Data { "data" } else { "stringData" };
    outer.key = Some(Key { name: name.to_owned(), start: at, is_quoted: false });
    scanner.frames.push(outer);
    scanner.at = at;
    scanner.step();
    while scanner.at < text.len() && scanner.frames.len() > 1 {
        scanner.step();
    }
    scanner.finish();
}

struct Scanner<'a> {
    pass: Pass<'a>,
    text: &'a str,
    hits: &'a [Hit],
    at: usize,
    frames: Vec<Frame>,
    /// Open braces beyond [`FRAMES_MAX`].
    beyond: usize,
    leaves: Vec<Range<usize>>,
    spans: &'a mut Vec<Span>,
}

impl<'a> Scanner<'a> {
    fn new(pass: Pass<'a>, text: &'a str, hits: &'a [Hit], spans: &'a mut Vec<Span>) -> Self {
        Self { pass, text, hits, at: 0, frames: Vec::new(), beyond: 0, leaves: Vec::new(), spans }
    }

    fn byte(&self) -> Option<u8> {
        self.byte_at(self.at)
    }

    fn byte_at(&self, place: usize) -> Option<u8> {
        self.text.as_bytes().get(place).copied()
    }

    fn slice(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    fn behind_space(&self, place: usize) -> usize {
        let rest = self.slice(place..self.text.len());
        place + rest.bytes().take_while(u8::is_ascii_whitespace).count()
    }

    /// Outside of braces: goes to the next place where something may begin.
    fn seek(&mut self) {
        let rest = self.slice(self.at..self.text.len());
        let Some(found) = rest.bytes().position(|byte| matches!(byte, b'{' | b'[' | b'"')) else {
            self.at = self.text.len();
            return;
        };
        self.at += found;
        let next = self.byte_at(self.behind_space(self.at + 1));
        match self.byte() {
            Some(b'{') => self.open(true),
            Some(b'[') if matches!(next, Some(b'"' | b'\'' | b'{' | b'[')) => self.open(false),
            Some(b'"') => self.escaped_string(),
            _ => self.at += 1,
        }
    }

    /// A string of a log line, `body="{\"password\":\"x\"}"`, read only if there are quotes in it.
    fn escaped_string(&mut self) {
        let before = self.at.checked_sub(1).and_then(|place| self.byte_at(place));
        let may_begin =
            before.is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'=' | b':' | b'(' | b',' | b'['));
        // Looking for the end only where a string may begin keeps the work linear: those quotes end each other.
        let (end, is_closed) = if may_begin { self.string_end(self.at) } else { (self.at + 1, false) };
        let content = self.slice(self.at + 1..end);
        if is_closed && content.contains("\\\"") {
            let leaf = Leaf { range: self.at + 1..end, quote: Some(b'"') };
            let name = name_before(self.slice(0..self.at));
            self.at = end + 1;
            self.rewrite(name, &leaf);
        } else {
            self.at += 1;
        }
    }

    fn step(&mut self) {
        match self.byte() {
            Some(b'{') => self.open(true),
            Some(b'[') if placeholder_len(self.slice(self.at..self.text.len())) == 0 => self.open(false),
            Some(byte @ (b'}' | b']')) => self.close(byte == b'}'),
            Some(b',') => {
                let at = self.at;
                if let Some(frame) = self.frames.last_mut() {
                    frame.key = None;
                    frame.last_comma = Some(at);
                }
                self.at += 1;
            }
            Some(b'"') => self.quoted(self.at),
            Some(b'\'') if self.string_end(self.at).1 => self.quoted(self.at),
            Some(b'b' | b'u' | b'r') if matches!(self.byte_at(self.at + 1), Some(b'"' | b'\'')) => {
                self.quoted(self.at + 1);
            }
            Some(b':') => self.at += 1,
            Some(byte) if byte.is_ascii_whitespace() => self.at = self.behind_space(self.at),
            _ => self.bare(),
        }
    }

    /// Where the string that opens at `start` ends, and whether a quote closes it. A line break ends what was cut.
    fn string_end(&self, start: usize) -> (usize, bool) {
        let quote = self.byte_at(start);
        let mut is_escaped = false;
        for (place, byte) in self.text.bytes().enumerate().skip(start + 1) {
            match byte {
                b'\n' => return (place, false),
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                byte if Some(byte) == quote => return (place, true),
                _ => {}
            }
        }
        (self.text.len(), false)
    }

    fn quoted(&mut self, start: usize) {
        let (end, is_closed) = self.string_end(start);
        let leaf = Leaf { range: start + 1..end, quote: self.byte_at(start) };
        let token = self.at;
        self.at = end + usize::from(is_closed);
        let next = self.behind_space(self.at);
        // In lists too: YAML allows it, and what looks like a list may be the rest of something else.
        let is_key = self.byte_at(next) == Some(b':') && self.byte_at(next + 1) != Some(b':');
        if is_key {
            self.at = next + 1;
            let name = unescape(self.slice(leaf.range.clone())).into_owned();
            self.rewrite(None, &leaf);
            self.set_key(Key { name, start: token, is_quoted: true });
        } else {
            self.value(leaf);
        }
    }

    fn bare(&mut self) {
        let start = self.at;
        let rest = self.slice(start..self.text.len()).as_bytes();
        let ends_name = |place: usize| {
            let next = rest.get(place + 1);
            next.is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'{' | b'['))
        };
        let mut length = 0;
        while let Some(byte) = rest.get(length) {
            let placeholder =
                if *byte == b'[' { placeholder_len(self.slice(start + length..self.text.len())) } else { 0 };
            let stops = match byte {
                b'[' => placeholder == 0,
                b',' | b'{' | b'}' | b']' | b'\n' => true,
                b':' => ends_name(length),
                b'"' => self.begins_escaped(start, length),
                _ => false,
            };
            if stops {
                break;
            }
            length += placeholder.max(1);
        }
        let end = self.text.ceil_char_boundary(start + length.max(1));
        let word = self.slice(start..end).trim_end();
        self.at = end;
        if self.byte() == Some(b'"') {
            let name = name_before(word).unwrap_or_default().to_owned();
            self.set_key(Key { name, start, is_quoted: false });
        } else if self.byte() == Some(b':') {
            self.at += 1;
            // Of several words the last is the name: `invalid token: "x"`.
            let name =
                if word.contains([' ', '\t', '"']) { name_before(self.slice(start..self.at)) } else { Some(word) };
            let name = name.unwrap_or_default().to_owned();
            self.set_key(Key { name, start, is_quoted: false });
        } else {
            self.value(Leaf { range: start..start + word.len(), quote: None });
        }
    }

    /// Whether `name="{\"a\":1}"` begins its string here.
    fn begins_escaped(&self, start: usize, place: usize) -> bool {
        let is_value = place.checked_sub(1).and_then(|before| self.byte_at(start + before)) == Some(b'=');
        let (end, is_closed) = if is_value { self.string_end(start + place) } else { return false };
        is_closed && self.slice(start + place..end).contains("\\\"")
    }

    fn set_key(&mut self, key: Key) {
        if let Some(frame) = self.frames.last_mut() {
            frame.key = Some(key);
        }
    }

    fn open(&mut self, is_map: bool) {
        self.at += 1;
        if self.frames.len() >= FRAMES_MAX {
            self.beyond += 1;
            return;
        }
        let mut frame = Frame::new(is_map);
        let depth = self.frames.len();
        if let Some(parent) = self.frames.last_mut() {
            let key = parent.key.take().map(|key| key.name).unwrap_or_default();
            frame.owner = Field::named(&key).map(|field| (depth - 1, field)).or(parent.owner);
            frame.is_under_items = if is_map { !parent.is_map && parent.is_under_items } else { key == "items" };
            frame.elements = if is_map { None } else { names::judge_list(&key) };
        }
        self.frames.push(frame);
    }

    fn close(&mut self, is_map: bool) {
        self.at += 1;
        if self.beyond > 0 {
            self.beyond -= 1;
        } else if self.frames.last().is_some_and(|frame| frame.is_map == is_map) {
            self.pop(false);
        }
    }

    fn finish(mut self) -> Vec<Range<usize>> {
        while !self.frames.is_empty() {
            self.pop(true);
        }
        self.leaves
    }
}

/// Longest distance between a name and the quote of its value, in bytes.
const NAME_DISTANCE_BYTES_MAX: usize = 8;

/// The name of the value whose quote comes next: `name=`, `name: `.
fn name_before(text: &str) -> Option<&str> {
    let gap = text
        .bytes()
        .rev()
        .take(NAME_DISTANCE_BYTES_MAX)
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'=' | b':' | b'"' | b'\''))
        .count();
    let text = text.get(..text.len() - gap)?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let length = text.bytes().rev().take(names::NAME_BYTES_MAX).take_while(is_name).count();
    text.get(text.len() - length..).filter(|_| gap > 0 && length > 0)
}
