//! Finds where the objects of a file begin and end, streaming, so that each can be parsed on its own and again later.
//!
//! A broken object then costs only itself, and memory stays at one object however large the file.

mod json;
mod yaml;

use std::io::{self, BufRead};

/// How a piece is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    /// One YAML document, or one `- ` item of a block sequence.
    Yaml,
}

/// A byte range of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: u64,
    pub(super) bytes: u64,
    /// Line of the first byte, from 1.
    pub(super) line: u64,
}

/// One document: an object, or a list whose items were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) format: Format,
    pub(super) whole: Piece,
    /// Values of its own `kind` and `apiVersion`, where they were plain.
    pub(super) kind: Option<String>,
    pub(super) api_version: Option<String>,
    pub(super) items: Items,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Items {
    /// Not written as a list.
    None,
    /// Elements of the member `items`. Whether the document is a list depends on its kind.
    Member(Vec<Piece>),
    /// Elements of a top-level sequence.
    Sequence(Vec<Piece>),
    /// There are items, but only a full parse finds them.
    Unknown,
}

impl Document {
    /// Whether the document is a list of objects and not an object that happens to have a member `items`.
    pub(super) fn is_list(&self) -> bool {
        let named_list = || self.kind.as_ref().is_none_or(|kind| kind.ends_with("List"));
        match &self.items {
            Items::Sequence(_) => true,
            Items::Member(_) | Items::Unknown => named_list(),
            Items::None => false,
        }
    }
}

/// Something wrong with the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SplitProblem {
    pub(super) line: u64,
    pub(super) reason: &'static str,
}

/// What a file consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) documents: Vec<Document>,
    pub(super) problem: Option<SplitProblem>,
}

impl Split {
    /// Whether what was taken for JSON must be something else; `is_json` tells of a piece that it is.
    pub(super) fn is_only_like_json(&self, is_json: impl FnOnce(&Piece) -> bool) -> bool {
        let separated = self.problem.as_ref().is_some_and(|problem| problem.reason == json::NOT_A_VALUE);
        let first = match self.documents.first() {
            Some(Document { format: Format::Yaml, .. }) => return false,
            Some(Document { items: Items::Member(items) | Items::Sequence(items), whole, .. }) => {
                Some(items.first().unwrap_or(whole))
            }
            Some(document) => Some(&document.whole),
            None => None,
        };
        separated || first.is_some_and(|piece| !is_json(piece))
    }
}

/// Takes a file apart, at most `pieces_max` pieces. The format is told by the first character, not by the file's name.
///
/// # Errors
/// Only those of the reader.
pub(super) fn split(mut reader: impl BufRead, pieces_max: usize) -> io::Result<Split> {
    match first_character(&mut reader)? {
        (b'{' | b'[', preamble) => json::split(reader, preamble, pieces_max),
        (_, preamble) => yaml::split(reader, preamble, pieces_max),
    }
}

/// Takes a file apart as YAML whatever its first character: it may be in flow style, `{kind: Pod, …}`.
///
/// # Errors
/// Only those of the reader.
pub(super) fn split_yaml(mut reader: impl BufRead, pieces_max: usize) -> io::Result<Split> {
    let (_, preamble) = first_character(&mut reader)?;
    yaml::split(reader, preamble, pieces_max)
}

/// White space (and a byte order mark) before the first character, already consumed.
#[derive(Debug, Clone, Copy, Default)]
struct Preamble {
    bytes: u64,
    lines: u64,
    /// Bytes since the last line break: indentation of the first character.
    column: u64,
}

/// The first byte that is not white space, 0 at the end of the file.
fn first_character(reader: &mut impl BufRead) -> io::Result<(u8, Preamble)> {
    let mut preamble = Preamble::default();
    if reader.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
        preamble.bytes = 3;
    }
    loop {
        let Some(&byte) = reader.fill_buf()?.first() else { return Ok((0, preamble)) };
        match byte {
            b'\n' => (preamble.lines, preamble.column) = (preamble.lines + 1, 0),
            b' ' | b'\t' | b'\r' => preamble.column += 1,
            _ => return Ok((byte, preamble)),
        }
        reader.consume(1);
        preamble.bytes += 1;
    }
}

#[cfg(test)]
mod tests;
