//! What the members of an object and the elements of a list mean for redaction.

use std::ops::Range;

use super::Scanner;
use super::frame::{Candidate, Key, Kind, Leaf};
use crate::redaction::counts::{Class, Counts};
use crate::redaction::escape::{escape, unescape};
use crate::redaction::secrets::{self, Field, LAST_APPLIED};
use crate::redaction::span::{Fill, Span};
use crate::redaction::{names, rules, values};

impl Scanner<'_> {
    /// The object or list is complete, or the text ended in it.
    pub(super) fn pop(&mut self, is_cut: bool) {
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

    pub(super) fn value(&mut self, leaf: Leaf) {
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
    pub(super) fn rewrite(&mut self, name: Option<&str>, leaf: &Leaf) {
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
