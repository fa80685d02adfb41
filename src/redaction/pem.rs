//! PEM blocks, whole or cut: private keys go, certificates shrink to what diagnosis needs.

use std::ops::Range;

use super::certificate;
use super::counts::{Class, Counts};
use super::span::{Fill, Span};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// How far behind its opening line the end of a key is looked for whatever stands between, in bytes.
const KEY_BYTES_MAX: usize = 64 * 1024;
/// How far before a closing line without an opening one its key may begin, in bytes.
const TAIL_BYTES_MAX: usize = 8 * 1024;
/// Longest label, in bytes: `RSA PRIVATE KEY`, `PGP PRIVATE KEY BLOCK`.
const LABEL_BYTES_MAX: usize = 64;

pub(super) fn find(text: &str, spans: &mut Vec<Span>) {
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(next_mark).map(|found| at + found) {
        let rest = text.get(start..).unwrap_or_default();
        let begins = rest.starts_with(BEGIN);
        let Some((label, body)) = label(rest) else {
            at = start + DASHES.len();
            continue;
        };
        let body_at = start + body;
        let is_private = label.contains("PRIVATE KEY");
        if !begins {
            at = body_at;
            if is_private {
                let window = text.floor_char_boundary(start.saturating_sub(TAIL_BYTES_MAX));
                let from = window + tail_start(text.get(window..start).unwrap_or_default());
                spans.push(Span::new(from..body_at, Class::PrivateKey));
            }
            continue;
        }
        let end = key_end(text, body_at).filter(|_| is_private).unwrap_or_else(|| block_end(text, body_at, label));
        at = end.max(body_at);
        if is_private {
            spans.push(Span::new(start..end, Class::PrivateKey));
        } else if label.ends_with("CERTIFICATE") {
            spans.push(certificate_span(text, start..end));
        }
    }
}

fn next_mark(text: &str) -> Option<usize> {
    text.match_indices(DASHES).map(|(place, _)| place).find(|place| {
        let rest = text.get(*place..).unwrap_or_default();
        rest.starts_with(BEGIN) || rest.starts_with(END)
    })
}

/// The label of the line that begins here, and the length of the line up to its closing dashes.
fn label(line: &str) -> Option<(&str, usize)> {
    let skipped = if line.starts_with(BEGIN) { BEGIN.len() } else { END.len() };
    let rest = line.get(skipped..)?;
    let length = rest
        .bytes()
        .take(LABEL_BYTES_MAX)
        .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b' ' | b'#'))
        .count();
    let (label, after) = rest.split_at_checked(length)?;
    after.starts_with(DASHES).then_some((label, skipped + length + DASHES.len()))
}

/// Behind the closing line of a private key, when that is the next mark: string concatenation, comment signs and the like
/// may stand between.
fn key_end(text: &str, body_at: usize) -> Option<usize> {
    let body = text.get(body_at..)?;
    let place = next_mark(body).filter(|place| *place <= KEY_BYTES_MAX)?;
    let closing = body.get(place..).filter(|closing| closing.starts_with(END))?;
    let spans_objects = body.get(..place).is_none_or(|inside| inside.contains(['{', '}']));
    let (label, length) = label(closing)?;
    (label.contains("PRIVATE KEY") && !spans_objects).then_some(body_at + place + length)
}

/// Where the block ends: behind the matching closing line, or where what looks like a body stops.
fn block_end(text: &str, body_at: usize, wanted: &str) -> usize {
    let body = text.get(body_at..).unwrap_or_default();
    let stop = body_len(body);
    let closing = body.get(stop..).unwrap_or_default();
    match closing.starts_with(END).then(|| label(closing)).flatten() {
        Some((found, length)) if found == wanted => body_at + stop + length,
        _ => body_at + body.get(..stop).unwrap_or_default().trim_end().len(),
    }
}

/// Base64, header fields (`DEK-Info: AES-256-CBC,…`), line breaks, written as such or as `\n`.
fn body_len(body: &str) -> usize {
    let mut length = 0;
    for line in body.split_inclusive('\n') {
        let content = line.trim();
        let inside = content.find(DASHES).map_or(content, |dashes| content.get(..dashes).unwrap_or_default());
        if !is_body(inside) {
            // The first line may hold the whole block: a literal `\n` or a space joins the lines.
            return if length == 0 { prefix_of_body(line) } else { length };
        }
        if inside.len() < content.len() {
            return length + line.find(DASHES).unwrap_or_default();
        }
        length += line.len();
    }
    length
}

fn is_body(line: &str) -> bool {
    line.is_empty() || is_header(line) || line.bytes().all(is_body_byte)
}

fn is_header(line: &str) -> bool {
    ["Proc-Type:", "DEK-Info:", "Comment:", "Version:", "Charset:", "Hash:"].iter().any(|name| line.starts_with(name))
}

fn is_body_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\\')
}

fn prefix_of_body(line: &str) -> usize {
    line.bytes()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'\\' | b' '))
        .count()
}

/// Where the end of a key begins whose opening line was cut off: back over lines of base64.
fn tail_start(before: &str) -> usize {
    let mut start = before.len();
    for line in before.split_inclusive('\n').rev() {
        let content = line.trim();
        let is_base64 = content.bytes().all(is_body_byte);
        if content.is_empty() && start < before.len() || !is_base64 {
            break;
        }
        start -= line.len();
    }
    start + before.get(start..).map_or(0, |kept| kept.len() - kept.trim_start().len())
}

fn certificate_span(text: &str, range: Range<usize>) -> Span {
    let mut counts = Counts::default();
    counts.add(Class::Certificate);
    let summary = certificate::summary(text.get(range.clone()).unwrap_or_default());
    Span { range, class: Class::Certificate, fill: Fill::Text { text: summary, counts } }
}

/// Summaries of a text that holds certificates and nothing else.
pub(super) fn summaries(text: &str) -> Option<String> {
    let mut spans = Vec::new();
    find(text, &mut spans);
    let mut rest = text;
    let mut lines = Vec::new();
    for span in spans.iter().rev() {
        let Fill::Text { text: line, .. } = &span.fill else { return None };
        if !rest.get(span.range.end..)?.trim().is_empty() {
            return None;
        }
        rest = rest.get(..span.range.start)?;
        lines.push(line.as_str());
    }
    lines.reverse();
    (rest.trim().is_empty() && !lines.is_empty()).then(|| lines.join(" "))
}
