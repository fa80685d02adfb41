//! One look at a text: every rule finds its places in the original, then all are replaced at once.

use super::assignments::{self, Piece};
use super::braces;
use super::counts::Counts;
use super::keywords::{self, ESCAPE, Hit, NAME, OBJECT, PEM, Triggers};
use super::lines;
use super::patterns;
use super::pem;
use super::pii;
use super::placeholder::Tagger;
use super::rules;
use super::span::{self, Span};

/// How deep texts within strings within texts are read by structure: a manifest in an annotation in a manifest in a log.
const DEPTH_MAX: usize = 6;

#[derive(Debug, Clone, Copy)]
pub(super) struct Pass<'a> {
    pub(super) tagger: &'a Tagger,
    depth: usize,
    /// E-mail and IPv4 addresses go as well.
    personal_data: bool,
}

impl<'a> Pass<'a> {
    pub(super) fn new(tagger: &'a Tagger, personal_data: bool) -> Self {
        Self { tagger, depth: 0, personal_data }
    }

    /// `None` when nothing has to be replaced.
    pub(super) fn text(&self, text: &str) -> Option<(String, Counts)> {
        self.member(None, text)
    }

    /// A string under a name: what the name says of it, and all that its text says.
    pub(super) fn member(&self, name: Option<&str>, text: &str) -> Option<(String, Counts)> {
        let mut spans = Vec::new();
        if let Some((class, range)) = name.and_then(|name| rules::member(name, text)) {
            spans.push(Span::new(range, class));
        }
        self.find(text, &mut spans);
        let mut counts = Counts::default();
        let text = span::apply(text, spans, self.tagger, &mut counts)?;
        Some((text, counts))
    }

    pub(super) fn deeper(&self) -> Self {
        Self { depth: self.depth + 1, ..*self }
    }

    fn find(&self, text: &str, spans: &mut Vec<Span>) {
        if self.personal_data {
            pii::find(text, spans);
        }
        let hits = keywords::hits(text);
        let triggers = all_triggers(&hits);
        if triggers == 0 {
            return;
        }
        let is_json = is_json(text);
        if triggers & PEM != 0 && !is_json {
            pem::find(text, spans);
        }
        let leaves = if self.depth < DEPTH_MAX && text.contains(['{', '[', '"']) {
            braces::scan(*self, text, &hits, is_json, spans)
        } else {
            Vec::new()
        };
        if triggers & (NAME | OBJECT | ESCAPE) != 0 && !is_json && text.contains('\n') {
            lines::find(*self, text, spans);
        }
        pieces(text, &hits, &leaves, spans);
    }
}

fn all_triggers(hits: &[Hit]) -> Triggers {
    hits.iter().fold(0, |all, hit| all | hit.triggers)
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Looks by pattern at each line with a keyword, leaving out the strings that were read by structure.
fn pieces(text: &str, hits: &[Hit], leaves: &[std::ops::Range<usize>], spans: &mut Vec<Span>) {
    let mut rest = hits;
    while let Some(first) = rest.first() {
        let place = first.end.saturating_sub(1);
        let next = leaves.partition_point(|leaf| leaf.end <= place);
        let after = leaves.get(next);
        if let Some(leaf) = after.filter(|leaf| leaf.start <= place) {
            rest = skip(rest, leaf.end);
            continue;
        }
        let low = next.checked_sub(1).and_then(|before| leaves.get(before)).map_or(0, |leaf| leaf.end);
        let high = after.map_or(text.len(), |leaf| leaf.start);
        let break_before = text.get(low..first.end).unwrap_or_default().rfind('\n');
        let start = break_before.map_or(low, |place| low + place + 1);
        let break_after = text.get(first.end..high).unwrap_or_default().find('\n');
        let end = break_after.map_or(high, |place| first.end + place);
        let behind = skip(rest, end + 1);
        let inside = rest.get(..rest.len() - behind.len()).unwrap_or_default();
        let begins_line = start == 0 || break_before.is_some();
        let piece = Piece { text: text.get(start..end).unwrap_or_default(), at: start, begins_line };
        look(piece, inside, spans);
        rest = behind;
    }
}

/// The hits that end behind `place`.
fn skip(hits: &[Hit], place: usize) -> &[Hit] {
    let count = hits.iter().take_while(|hit| hit.end <= place.max(1)).count();
    hits.get(count.max(1)..).unwrap_or_default()
}

fn look(piece: Piece<'_>, hits: &[Hit], spans: &mut Vec<Span>) {
    let triggers = all_triggers(hits);
    patterns::find(piece.text, piece.at, triggers, spans);
    if triggers & NAME != 0 {
        assignments::find(piece, hits, spans);
        assignments::find_encoded(piece, spans);
    }
}
