//! A structural scanner for JSON: brackets, strings and the keys of the outermost object, nothing else.

use std::io::{self, BufRead};

use super::{Document, Format, Items, Piece, Preamble, Split, SplitProblem};

/// Levels whose bracket kinds are compared; deeper ones are only counted (such an object fails to parse later).
const TYPED_LEVELS_MAX: usize = 256;

/// Longest key or value remembered at the outermost level, in bytes.
const WORD_BYTES_MAX: usize = 256;

/// Something stands where a value or nothing should.
pub(super) const NOT_A_VALUE: &str = "not a JSON value; keep objects or lists alone in a .json file";

/// Takes apart one JSON value after another.
pub(super) fn split(mut reader: impl BufRead, preamble: Preamble, pieces_max: usize) -> io::Result<Split> {
    let mut scanner = Scanner::new(preamble, pieces_max);
    loop {
        let chunk = reader.fill_buf()?;
        let taken = chunk.len();
        if taken == 0 {
            break;
        }
        for &byte in chunk {
            if let Err(reason) = scanner.byte(byte) {
                return Ok(scanner.finish(Some(reason)));
            }
            scanner.offset += 1;
        }
        reader.consume(taken);
    }
    let cut = (scanner.depth > 0).then_some("ends in the middle of a value; record the file again");
    Ok(scanner.finish(cut))
}

/// Where in the outermost object the scanner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Key,
    Value,
}

struct Scanner {
    offset: u64,
    line: u64,
    depth: usize,
    brackets: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// The string being read at the outermost level.
    word: Vec<u8>,
    key: Vec<u8>,
    expect: Expect,
    /// Level whose objects are elements: 1 in a top-level array, 2 inside `items`.
    element_level: Option<usize>,
    element: Option<Piece>,
    document: Option<Document>,
    pieces: usize,
    pieces_max: usize,
    split: Split,
}

impl Scanner {
    fn new(preamble: Preamble, pieces_max: usize) -> Self {
        Self {
            offset: preamble.bytes,
            line: preamble.lines + 1,
            depth: 0,
            brackets: Vec::new(),
            in_string: false,
            escaped: false,
            word: Vec::new(),
            key: Vec::new(),
            expect: Expect::Key,
            element_level: None,
            element: None,
            document: None,
            pieces: 0,
            pieces_max,
            split: Split::default(),
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), &'static str> {
        if byte == b'\n' {
            self.line += 1;
            // A raw line break ends a string: the object is broken, its neighbours are not.
            (self.in_string, self.escaped) = (false, false);
            return Ok(());
        }
        if self.in_string {
            self.string_byte(byte);
            return Ok(());
        }
        match byte {
            b' ' | b'\t' | b'\r' => {}
            b'"' if self.depth > 0 => {
                self.in_string = true;
                self.word.clear();
            }
            b'{' | b'[' => return self.open(byte),
            b'}' | b']' => return self.close(byte),
            _ if self.depth == 0 => return Err(NOT_A_VALUE),
            b':' if self.depth == 1 => self.expect = Expect::Value,
            b',' if self.depth == 1 => self.expect = Expect::Key,
            _ => {}
        }
        Ok(())
    }

    fn string_byte(&mut self, byte: u8) {
        if self.escaped {
            self.escaped = false;
        } else if byte == b'\\' {
            self.escaped = true;
        } else if byte == b'"' {
            self.in_string = false;
            if self.depth == 1 {
                self.end_word();
            }
            return;
        }
        if self.depth == 1 && self.word.len() < WORD_BYTES_MAX {
            self.word.push(byte);
        }
    }

    /// A string of the outermost object ended: a key, or the value of one.
    fn end_word(&mut self) {
        if self.expect == Expect::Key {
            self.key.clone_from(&self.word);
            return;
        }
        let text = || String::from_utf8_lossy(&self.word).into_owned();
        match (self.key.as_slice(), &mut self.document) {
            (b"kind", Some(document)) => document.kind = Some(text()),
            (b"apiVersion", Some(document)) => document.api_version = Some(text()),
            _ => {}
        }
    }

    fn open(&mut self, byte: u8) -> Result<(), &'static str> {
        let here = Piece { start: self.offset, bytes: 0, line: self.line };
        match self.depth {
            0 => {
                let items = if byte == b'[' { Items::Sequence(Vec::new()) } else { Items::None };
                self.element_level = (byte == b'[').then_some(1);
                self.expect = Expect::Key;
                self.key.clear();
                self.document =
                    Some(Document { format: Format::Json, whole: here, kind: None, api_version: None, items });
            }
            1 if byte == b'[' && self.expect == Expect::Value && self.key == b"items" => {
                self.element_level = Some(2);
                if let Some(document) = &mut self.document {
                    document.items = Items::Member(Vec::new());
                }
            }
            level if byte == b'{' && self.element_level == Some(level) => {
                self.pieces += 1;
                if self.pieces > self.pieces_max {
                    return Err("more objects than are read, the rest is skipped; record fewer kinds or namespaces");
                }
                self.element = Some(here);
            }
            _ => {}
        }
        if self.brackets.len() < TYPED_LEVELS_MAX {
            self.brackets.push(byte);
        }
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self, byte: u8) -> Result<(), &'static str> {
        if self.depth == 0 {
            return Err(NOT_A_VALUE);
        }
        self.depth -= 1;
        if self.depth < TYPED_LEVELS_MAX {
            let opened = self.brackets.pop();
            if !matches!((opened, byte), (Some(b'{'), b'}') | (Some(b'['), b']')) {
                return Err("closing bracket that does not fit, the rest is not read; record the file again");
            }
        }
        if self.element_level == Some(self.depth) {
            if let Some(mut element) = self.element.take() {
                element.bytes = self.offset + 1 - element.start;
                if let Some(Items::Member(items) | Items::Sequence(items)) =
                    self.document.as_mut().map(|document| &mut document.items)
                {
                    items.push(element);
                }
            }
        } else if self.element_level == Some(self.depth + 1) {
            self.element_level = None;
        }
        if self.depth == 0 {
            self.end_document();
        }
        Ok(())
    }

    fn end_document(&mut self) {
        if let Some(mut document) = self.document.take() {
            document.whole.bytes = (self.offset + 1).saturating_sub(document.whole.start);
            self.split.documents.push(document);
        }
    }

    /// `reason` tells why scanning stopped early. Of a document cut off only complete items count.
    fn finish(mut self, reason: Option<&'static str>) -> Split {
        self.split.problem = reason.map(|reason| SplitProblem { line: self.line, reason });
        let has_items = |document: &Document| matches!(&document.items, Items::Member(items) | Items::Sequence(items) if !items.is_empty());
        if self.document.as_ref().is_some_and(|document| has_items(document) && document.is_list()) {
            self.end_document();
        }
        self.split
    }
}
