//! Takes YAML apart by lines and indentation: documents at `---`, and the `- ` items of a top-level `items:` or of a
//! top-level sequence. Content of an item is always indented deeper than its dash, block scalars included, so a dash in
//! the item column starts the next item. Whatever does not look like that is left as one document.

use std::io::{self, BufRead};

use super::{Document, Format, Items, Piece, Preamble, Split, SplitProblem};

/// Bytes of a line that are looked at.
const LINE_PREFIX_BYTES: usize = 320;

/// Takes apart every document of the file.
pub(super) fn split(mut reader: impl BufRead, preamble: Preamble, pieces_max: usize) -> io::Result<Split> {
    let mut splitter = Splitter::new(preamble, pieces_max);
    let mut prefix = Vec::with_capacity(LINE_PREFIX_BYTES);
    // The indentation of the first line is already consumed; it counts as part of the line.
    let mut indent = preamble.column;
    loop {
        let bytes = read_line(&mut reader, &mut prefix)?;
        if bytes == 0 {
            return Ok(splitter.finish(None));
        }
        if indent > 0 {
            let spaces = usize::try_from(indent).unwrap_or(LINE_PREFIX_BYTES).min(LINE_PREFIX_BYTES);
            prefix.splice(..0, std::iter::repeat_n(b' ', spaces));
        }
        if let Err(reason) = splitter.line(&prefix) {
            return Ok(splitter.finish(Some(reason)));
        }
        splitter.offset += bytes + indent;
        splitter.line += 1;
        indent = 0;
    }
}

/// Reads one line of any length, keeping its first bytes without the line break; returns its length, 0 at the end.
fn read_line(reader: &mut impl BufRead, prefix: &mut Vec<u8>) -> io::Result<u64> {
    prefix.clear();
    let mut bytes = 0;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        let line_end = chunk.iter().position(|byte| *byte == b'\n');
        let taken = line_end.map_or(chunk.len(), |end| end + 1);
        let text = chunk.get(..line_end.unwrap_or(taken)).unwrap_or_default();
        let room = LINE_PREFIX_BYTES.saturating_sub(prefix.len());
        prefix.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
        reader.consume(taken);
        bytes += taken as u64;
        if line_end.is_some() {
            break;
        }
    }
    while matches!(prefix.last(), Some(b'\r' | b' ' | b'\t')) {
        prefix.pop();
    }
    Ok(bytes)
}

struct Splitter {
    offset: u64,
    line: u64,
    document: Document,
    /// A line with content was seen.
    has_content: bool,
    /// Inside the items; the column of their dashes once one was seen.
    in_items: bool,
    item_indent: Option<usize>,
    pieces: usize,
    pieces_max: usize,
    split: Split,
}

fn empty_document(start: u64, line: u64) -> Document {
    let whole = Piece { start, bytes: 0, line };
    Document { format: Format::Yaml, whole, kind: None, api_version: None, items: Items::None }
}

impl Splitter {
    fn new(preamble: Preamble, pieces_max: usize) -> Self {
        let (offset, line) = (preamble.bytes - preamble.column, preamble.lines + 1);
        Self {
            offset,
            line,
            document: empty_document(offset, line),
            has_content: false,
            in_items: false,
            item_indent: None,
            pieces: 0,
            pieces_max,
            split: Split::default(),
        }
    }

    fn line(&mut self, text: &[u8]) -> Result<(), &'static str> {
        if is_marker(text, b"---") {
            self.end_document();
            self.has_content = text.get(3..).is_some_and(|rest| !is_blank_or_comment(rest));
            return Ok(());
        }
        if is_marker(text, b"...") {
            self.end_document();
            return Ok(());
        }
        if is_blank_or_comment(text) || (!self.has_content && text.starts_with(b"%")) {
            return Ok(());
        }
        let indent = text.iter().take_while(|byte| **byte == b' ').count();
        let content = text.get(indent..).unwrap_or_default();
        let dash = content == b"-" || content.starts_with(b"- ");
        if !self.has_content && dash {
            (self.in_items, self.item_indent) = (true, Some(indent));
            self.document.items = Items::Sequence(Vec::new());
        }
        if !self.has_content && matches!(content.first(), Some(b'{' | b'[')) {
            // Flow style: there may be items, only a parse finds them.
            self.document.items = Items::Unknown;
        }
        self.has_content = true;
        if self.in_items { self.line_in_items(indent, dash, content) } else { self.line_outside(indent, content) }
    }

    fn line_in_items(&mut self, indent: usize, dash: bool, content: &[u8]) -> Result<(), &'static str> {
        let column = *self.item_indent.get_or_insert(indent);
        if dash && indent == column {
            return self.begin_item();
        }
        if indent > column {
            // Content before the first dash is no block sequence.
            if self.items_mut().is_none_or(|items| items.is_empty()) {
                self.give_up();
            }
            return Ok(());
        }
        self.end_item();
        self.in_items = false;
        if matches!(self.document.items, Items::Sequence(_)) || indent > 0 {
            self.give_up();
            return Ok(());
        }
        self.line_outside(indent, content)
    }

    fn line_outside(&mut self, indent: usize, content: &[u8]) -> Result<(), &'static str> {
        if indent > 0 {
            return Ok(());
        }
        if let Some(value) = member(content, b"kind") {
            self.document.kind = plain_text(value);
        } else if let Some(value) = member(content, b"apiVersion") {
            self.document.api_version = plain_text(value);
        } else if let Some(value) = member(content, b"items") {
            if value == b"[]" {
                self.document.items = Items::Member(Vec::new());
            } else if is_blank_or_comment(value) {
                (self.in_items, self.item_indent) = (true, None);
                self.document.items = Items::Member(Vec::new());
            } else {
                self.document.items = Items::Unknown;
            }
        }
        Ok(())
    }

    fn items_mut(&mut self) -> Option<&mut Vec<Piece>> {
        match &mut self.document.items {
            Items::Member(items) | Items::Sequence(items) => Some(items),
            Items::None | Items::Unknown => None,
        }
    }

    /// The items are not laid out as expected: leave them to the parser.
    fn give_up(&mut self) {
        self.in_items = false;
        self.document.items = Items::Unknown;
    }

    fn begin_item(&mut self) -> Result<(), &'static str> {
        self.end_item();
        self.pieces += 1;
        if self.pieces > self.pieces_max {
            return Err("more objects than are read, the rest is skipped; record fewer kinds or namespaces");
        }
        let item = Piece { start: self.offset, bytes: 0, line: self.line };
        if let Some(items) = self.items_mut() {
            items.push(item);
        }
        Ok(())
    }

    /// Gives the item that was open its length.
    fn end_item(&mut self) {
        let offset = self.offset;
        if let Some(item) = self.items_mut().and_then(|items| items.last_mut()).filter(|item| item.bytes == 0) {
            item.bytes = offset - item.start;
        }
    }

    fn end_document(&mut self) {
        self.end_item();
        let mut document = std::mem::replace(&mut self.document, empty_document(self.offset, self.line));
        document.whole.bytes = self.offset - document.whole.start;
        if self.has_content {
            self.split.documents.push(document);
        }
        (self.has_content, self.in_items, self.item_indent) = (false, false, None);
    }

    fn finish(mut self, reason: Option<&'static str>) -> Split {
        self.split.problem = reason.map(|reason| SplitProblem { line: self.line, reason });
        self.end_document();
        self.split
    }
}

fn is_marker(text: &[u8], marker: &[u8]) -> bool {
    text.strip_prefix(marker).is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t')))
}

fn is_blank_or_comment(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), None | Some(b'#'))
}

/// The value after `key:`, trimmed.
fn member<'a>(content: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let rest = content.strip_prefix(key)?.strip_prefix(b":")?;
    matches!(rest.first(), None | Some(b' ' | b'\t')).then(|| rest.trim_ascii())
}

/// A one-line scalar without its quotes and comment.
fn plain_text(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let text = text.split(" #").next().unwrap_or(text).trim();
    let text = text.trim_matches(['"', '\'']);
    (!text.is_empty()).then(|| text.to_owned())
}
