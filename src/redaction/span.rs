//! Places of a text to replace. Every rule looks at the original text; what overlaps is replaced as one.

use std::ops::Range;

use super::counts::{Class, Counts};
use super::placeholder::Tagger;

#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) range: Range<usize>,
    pub(super) class: Class,
    pub(super) fill: Fill,
}

#[derive(Debug, Clone)]
pub(super) enum Fill {
    /// A placeholder tagged with the text it replaces.
    Placeholder,
    /// A placeholder tagged with the meaning of the text: decoded base64, resolved escapes. In double quotes where the
    /// text was a bare word of JSON or YAML.
    Tagged { secret: Vec<u8>, quoted: bool },
    /// Nothing: the text disappears with all that overlaps it.
    Removed,
    /// Ready text: a string rewritten inside, a certificate's summary. Counted by whoever made it.
    Text { text: String, counts: Counts },
}

impl Span {
    pub(super) fn new(range: Range<usize>, class: Class) -> Self {
        Self { range, class, fill: Fill::Placeholder }
    }

    pub(super) fn shifted(mut self, by: usize) -> Self {
        self.range = self.range.start + by..self.range.end + by;
        self
    }

    /// Which of two spans tells how to fill their union: the wider, then the one that knows more of the value.
    fn weight(&self) -> (usize, u8, bool) {
        let knowledge = match self.fill {
            Fill::Text { .. } => 0,
            Fill::Placeholder => 1,
            Fill::Tagged { .. } => 2,
            Fill::Removed => 3,
        };
        (self.range.len(), knowledge, !self.class.suffix().is_empty())
    }
}

/// Applies the spans; `None` when there are none.
pub(super) fn apply(text: &str, mut spans: Vec<Span>, tagger: &Tagger, counts: &mut Counts) -> Option<String> {
    if spans.is_empty() {
        return None;
    }
    spans.sort_by_key(|span| (span.range.start, span.range.end));
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let mut rest = spans.into_iter().peekable();
    while let Some(first) = rest.next() {
        let mut union = first.range.clone();
        let mut chosen = first;
        while let Some(next) = rest.next_if(|next| next.range.start < union.end) {
            union.end = union.end.max(next.range.end);
            if next.weight() > chosen.weight() {
                chosen = next;
            }
        }
        out.push_str(text.get(copied..union.start).unwrap_or_default());
        let whole = text.get(union.clone()).unwrap_or_default();
        fill(&mut out, whole, chosen, &union, tagger, counts);
        copied = union.end;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Some(out)
}

fn fill(out: &mut String, whole: &str, span: Span, union: &Range<usize>, tagger: &Tagger, counts: &mut Counts) {
    match span.fill {
        Fill::Removed => counts.add(span.class),
        Fill::Text { text, counts: own } if span.range == *union => {
            counts.merge(&own);
            out.push_str(&text);
        }
        Fill::Tagged { secret, quoted } if span.range == *union => {
            counts.add(span.class);
            let quote = if quoted { "\"" } else { "" };
            out.push_str(quote);
            out.push_str(&tagger.placeholder(&secret, span.class));
            out.push_str(quote);
        }
        _ => {
            counts.add(span.class);
            out.push_str(&tagger.placeholder(whole.as_bytes(), span.class));
        }
    }
}
