//! Reads what is written with braces, wherever it stands in a text: JSON, whole, cut or in the middle of a log line, the
//! flow style of YAML, printed dictionaries.
//!
//! The reader never fails and never gives up: what it does not understand is left to the patterns. It reports places to
//! replace and the strings it has read, so that no pattern reaches across the end of a string and breaks the syntax.
//! Work is linear in the text.

mod frame;

use std::ops::Range;

use frame::{Candidate, Frame, Key, Kind, Leaf};

use super::counts::{Class, Counts};
use super::escape::{escape, unescape};
use super::keywords::Hit;
use super::pass::Pass;
use super::secrets::{self, Field, LAST_APPLIED};
use super::span::{Fill, Span};
use super::{names, rules, values};

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
            Some(b'[') => self.open(false),
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
        let stop = rest.iter().enumerate().position(|(place, byte)| match byte {
            b',' | b'{' | b'}' | b'[' | b']' | b'\n' => true,
            b':' => ends_name(place),
            b'"' => self.begins_escaped(start, place),
            _ => false,
        });
        let length = stop.unwrap_or(rest.len()).max(1);
        let end = self.text.ceil_char_boundary(start + length);
        let word = self.slice(start..end).trim_end();
        self.at = end;
        if self.byte() == Some(b'"') {
            let name = name_before(word).unwrap_or_default().to_owned();
            self.set_key(Key { name, start, is_quoted: false });
        } else if self.byte() == Some(b':') {
            self.at += 1;
            if !word.contains([' ', '\t', '"']) {
                self.set_key(Key { name: word.to_owned(), start, is_quoted: false });
            }
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

    /// The object or list is complete, or the text ended in it.
    fn pop(&mut self, is_cut: bool) {
        let Some(mut frame) = self.frames.pop() else { return };
        if let (Some(name), Some(leaf)) = (frame.pair_name.take(), frame.pair_value.take()) {
            self.pair(&name, &leaf);
        }
        // `kind` comes last and may be what was cut off: values in base64 then count.
        let is_unknown = is_cut && frame.kind == Kind::Unknown;
        let is_secret = frame.is_secret();
        let is_list = frame.kind == Kind::SecretList;
        self.take_all(&frame.candidates, is_secret, is_unknown);
        self.take_all(&frame.item_candidates, is_list, is_unknown);
        if is_secret {
            return;
        }
        let list_owner = self.frames.len().checked_sub(2).filter(|_| frame.is_map && frame.is_under_items);
        if let Some(owner) = list_owner.and_then(|owner| self.frames.get_mut(owner)) {
            owner.item_candidates.append(&mut frame.candidates);
        } else if let Some(owner) = frame.owner.and_then(|(owner, _)| self.frames.get_mut(owner)) {
            owner.candidates.append(&mut frame.candidates);
        }
    }

    fn take_all(&mut self, candidates: &[Candidate], all: bool, encoded: bool) {
        for candidate in candidates {
            if all || encoded && self.is_encoded(candidate) {
                self.take(candidate);
            }
        }
    }

    fn is_encoded(&self, candidate: &Candidate) -> bool {
        let leaf = &candidate.leaf;
        let is_cut = leaf.range.end == self.text.len();
        candidate.field == Field::Data && values::may_be_base64(self.slice(leaf.range.clone()), is_cut)
    }

    fn take(&mut self, candidate: &Candidate) {
        let leaf = &candidate.leaf;
        let raw = self.slice(leaf.range.clone());
        let value = if leaf.quote.is_some() { unescape(raw) } else { raw.into() };
        if leaf.quote.is_none() && matches!(value.as_ref(), "null" | "~" | "|" | ">") {
            return;
        }
        if let Some(fill) = secrets::fill(candidate.field, &candidate.name, &value, leaf.quote.is_none()) {
            self.spans.push(Span { range: leaf.range.clone(), class: Class::SecretObject, fill });
        }
    }

    fn pair(&mut self, name: &str, leaf: &Leaf) {
        let raw = self.slice(leaf.range.clone());
        let value = unescape(raw);
        match rules::member(name, &value) {
            Some((class, range)) if range == (0..value.len()) => self.tagged(leaf, class, &value),
            Some(_) => self.rewrite(Some(name), leaf),
            None => {}
        }
    }

    fn tagged(&mut self, leaf: &Leaf, class: Class, value: &str) {
        let fill = Fill::Tagged { secret: value.as_bytes().to_vec(), quoted: leaf.quote.is_none() };
        self.spans.push(Span { range: leaf.range.clone(), class, fill });
    }

    fn value(&mut self, leaf: Leaf) {
        let Some(frame) = self.frames.last_mut() else {
            return self.rewrite(None, &leaf);
        };
        match frame.key.take() {
            Some(key) => self.map_value(key, leaf),
            None if frame.is_map => self.rewrite(None, &leaf),
            None => self.list_value(&leaf),
        }
    }

    fn map_value(&mut self, key: Key, leaf: Leaf) {
        if key.name == LAST_APPLIED {
            self.mark(&leaf);
            return self.remove(&key);
        }
        let value = unescape(self.slice(leaf.range.clone()));
        let has_owner = self.note(&key, &leaf, &value);
        if leaf.quote.is_some() {
            self.rewrite(Some(&key.name), &leaf);
        } else if key.is_quoted
            && let Some((class, _)) = rules::member(&key.name, &value)
        {
            self.tagged(&leaf, class, &value);
        }
        let owner = if let Some(field) = Field::named(&key.name) {
            Some((self.frames.len().saturating_sub(1), field))
        } else {
            has_owner
        };
        if let Some((owner, field)) = owner {
            self.candidate(owner, Candidate { leaf, field, name: key.name });
        }
    }

    /// Remembers what the member says of its object; returns whose data it belongs to.
    fn note(&mut self, key: &Key, leaf: &Leaf, value: &str) -> Option<(usize, Field)> {
        let frame = self.frames.last_mut()?;
        match key.name.as_str() {
            "kind" => {
                frame.kind = match value.trim() {
                    "Secret" => Kind::Secret,
                    "SecretList" => Kind::SecretList,
                    _ => Kind::Other,
                };
            }
            "type" => frame.has_secret_type |= secrets::is_secret_type(value),
            "name" | "Name" => frame.pair_name = Some(value.to_owned()),
            "key" | "Key" => {
                frame.pair_name.get_or_insert_with(|| value.to_owned());
            }
            "value" | "Value" => frame.pair_value = Some(leaf.clone()),
            _ => {}
        }
        frame.owner
    }

    fn candidate(&mut self, owner: usize, candidate: Candidate) {
        if self.beyond > 0 {
            // Too deep to tell whose value it is.
            self.take(&candidate);
        } else if let Some(frame) = self.frames.get_mut(owner) {
            frame.candidates.push(candidate);
        }
    }

    fn list_value(&mut self, leaf: &Leaf) {
        let value = unescape(self.slice(leaf.range.clone()));
        let Some(frame) = self.frames.last_mut() else { return };
        let by_name = frame.elements.filter(|class| leaf.quote.is_some() && values::is_secret(&value, *class));
        let secret = by_name.map(|class| (class, 0)).or_else(|| frame.arguments.next(&value));
        let owner = frame.owner;
        match secret {
            Some((class, 0)) => self.tagged(leaf, class, &value),
            // The flag before the secret has no escapes.
            Some((class, from)) => self.spans.push(Span::new(leaf.range.start + from..leaf.range.end, class)),
            None => {}
        }
        if leaf.quote.is_some() {
            self.rewrite(None, leaf);
        }
        if let Some((owner, field)) = owner {
            self.candidate(owner, Candidate { leaf: leaf.clone(), field, name: String::new() });
        }
    }

    /// Treats the inside of a string as a text of its own.
    fn rewrite(&mut self, name: Option<&str>, leaf: &Leaf) {
        let Some(quote) = leaf.quote else { return };
        self.mark(leaf);
        if !self.has_hit(&leaf.range) && name.and_then(names::judge).is_none() {
            return;
        }
        let text = unescape(self.slice(leaf.range.clone()));
        if let Some((text, counts)) = self.pass.deeper().member(name, &text) {
            self.push_text(leaf.range.clone(), escape(&text, quote), counts);
        }
    }

    /// No pattern has to look into this string any more.
    fn mark(&mut self, leaf: &Leaf) {
        if leaf.quote.is_some() && self.leaves.last().is_none_or(|last| last.end <= leaf.range.start) {
            self.leaves.push(leaf.range.clone());
        }
    }

    fn push_text(&mut self, range: Range<usize>, text: String, counts: Counts) {
        self.spans.push(Span { range, class: Class::Secret, fill: Fill::Text { text, counts } });
    }

    fn has_hit(&self, range: &Range<usize>) -> bool {
        let next = self.hits.partition_point(|hit| hit.end <= range.start);
        self.hits.get(next).is_some_and(|hit| hit.end <= range.end)
    }

    /// The whole member with one of the commas around it.
    fn remove(&mut self, key: &Key) {
        let next = self.behind_space(self.at);
        let comma_before = self.frames.last().and_then(|frame| frame.last_comma);
        let range = match self.byte_at(next) {
            Some(b',') => key.start..self.behind_space(next + 1),
            _ => comma_before.unwrap_or(key.start)..self.at,
        };
        self.spans.push(Span { range, class: Class::LastApplied, fill: Fill::Removed });
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
