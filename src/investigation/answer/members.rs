//! Members of an object whatever their spelling, and single values in every form they are written in (investigation §5.3).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::literal;
use crate::redaction::injection;

/// JSON inside a JSON string inside a JSON string, and no further.
pub(super) const UNWRAPS_MAX: usize = 2;
/// Entries of a list that are kept.
const LIST_ITEMS_MAX: usize = 40;
/// Characters of one text that are kept. Consumers hold the whole result in an object of limited size.
const TEXT_CHARS_MAX: usize = 16_000;
/// Characters of an entry of a list, of a quote or a claim.
const ENTRY_CHARS_MAX: usize = 2_000;
/// Characters of a name or an identifier: no real one is longer.
const NAME_CHARS_MAX: usize = 300;
/// Remarks that are kept.
const NOTES_MAX: usize = 16;
/// Characters of the model's words inside a remark or a sentence.
const EXCERPT_CHARS_MAX: usize = 60;

/// What was changed or left out while reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Notes(pub(super) Vec<String>);

impl Notes {
    pub(super) fn add(&mut self, note: impl Into<String>) {
        if self.0.len() < NOTES_MAX {
            self.0.push(note.into());
        }
    }
}

/// The beginning of what the model wrote, in quotes.
pub(super) fn excerpt(text: &str) -> String {
    let kept: String = text.trim().chars().take(EXCERPT_CHARS_MAX).collect();
    format!("{kept:?}")
}

/// `remediationTarget`, `Remediation Target` and `remediation-target` are all `remediation_target`.
pub(super) fn canonical(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut letters = name.trim().chars().peekable();
    let mut before = '_';
    while let Some(letter) = letters.next() {
        if letter.is_alphanumeric() {
            let begins_word = letter.is_uppercase()
                && (before.is_lowercase()
                    || before.is_numeric()
                    || (before.is_uppercase() && letters.peek().is_some_and(|next| next.is_lowercase())));
            if begins_word {
                snake.push('_');
            }
            snake.extend(letter.to_lowercase());
        } else if !snake.ends_with('_') {
            snake.push('_');
        }
        before = letter;
    }
    snake.trim_end_matches('_').to_owned()
}

/// An object's members under their canonical names. Of two spellings of one name the first that is not null counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Members<'m>(BTreeMap<String, &'m Value>);

impl<'m> Members<'m> {
    pub(super) fn of(map: &'m Map<String, Value>) -> Self {
        let mut members: BTreeMap<String, &Value> = BTreeMap::new();
        for (name, value) in map {
            let slot = members.entry(canonical(name)).or_insert(value);
            if slot.is_null() {
                *slot = value;
            }
        }
        Self(members)
    }

    /// The first of the names that has a value other than null.
    pub(super) fn get(&self, names: &[&str]) -> Option<&'m Value> {
        names.iter().filter_map(|name| self.0.get(*name).copied()).find(|value| !value.is_null())
    }

    /// The first of the names that is there, also as null.
    pub(super) fn stated(&self, names: &[&str]) -> Option<&'m Value> {
        self.get(names).or_else(|| names.iter().find_map(|name| self.0.get(*name).copied()))
    }

    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().filter_map(|name| self.0.get(*name)).find_map(|value| text(value))
    }

    /// A text that is an entry among others.
    pub(super) fn entry(&self, names: &[&str]) -> Option<String> {
        self.text(names).map(|text| cut(text, ENTRY_CHARS_MAX))
    }

    /// A name or identifier: one line.
    pub(super) fn name(&self, names: &[&str]) -> Option<String> {
        let name = self.text(names).map(|text| injection::field(&text, NAME_CHARS_MAX));
        name.filter(|name| !name.is_empty())
    }

    pub(super) fn flag(&self, names: &[&str]) -> Option<bool> {
        self.get(names).and_then(flag)
    }

    pub(super) fn count(&self, names: &[&str]) -> usize {
        names.iter().filter(|name| self.0.contains_key(**name)).count()
    }
}

/// Trimmed text that is not blank, without characters that show nothing, of bounded length. Numbers and truth values are
/// written out.
pub(super) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => injection::clean(text).trim().to_owned(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty()).then(|| cut(text, TEXT_CHARS_MAX))
}

fn cut(mut text: String, chars_max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Text of anything: an object with one telling member is that member, everything else is written as JSON.
fn telling(value: &Value) -> Option<String> {
    const TELLING: &[&str] =
        &["description", "factor", "cause", "step", "event", "text", "statement", "summary", "name"];
    match value {
        Value::Null => None,
        Value::Object(map) => Members::of(map).text(TELLING).or_else(|| written(value)),
        Value::Array(_) => written(value),
        _ => text(value),
    }
    .map(|text| cut(text, ENTRY_CHARS_MAX))
}

/// Structured data as text.
pub(super) fn written(value: &Value) -> Option<String> {
    text(&Value::String(value.to_string()))
}

/// A list of texts. Something else than a list is a list of one.
pub(super) fn texts(value: Option<&Value>) -> Vec<String> {
    let unwrapped = value.and_then(unwrapped);
    match unwrapped.as_ref().or(value) {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().filter_map(telling).take(LIST_ITEMS_MAX).collect(),
        Some(other) => telling(other).into_iter().collect(),
    }
}

/// Objects of a list, also when the list stands inside a text. An object alone is a list of one; a text that is no JSON
/// becomes an object with the one member `bare`.
pub(super) fn objects(value: Option<&Value>, bare: &str) -> Vec<Map<String, Value>> {
    let unwrapped = value.and_then(unwrapped);
    let items: &[Value] = match unwrapped.as_ref().or(value) {
        None => &[],
        Some(Value::Array(items)) => items,
        Some(single) => std::slice::from_ref(single),
    };
    let object = |item: &Value| match item {
        Value::Object(map) => Some(map.clone()),
        other => text(other).map(|text| Map::from_iter([(bare.to_owned(), Value::String(text))])),
    };
    items.iter().take(LIST_ITEMS_MAX).filter_map(object).collect()
}

/// The object or list written inside a text, up to [`UNWRAPS_MAX`] levels.
pub(super) fn unwrapped(value: &Value) -> Option<Value> {
    let mut text = value.as_str()?.to_owned();
    for _ in 0..UNWRAPS_MAX {
        if !text.trim_start().starts_with(['{', '[', '"', '\'']) {
            return None;
        }
        match literal::read_whole(&text).ok()? {
            Value::String(inner) => text = inner,
            value @ (Value::Object(_) | Value::Array(_)) => return Some(value),
            _ => return None,
        }
    }
    None
}

/// An object, also one inside a text.
pub(super) fn object(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map.clone()),
        other => match unwrapped(other)? {
            Value::Object(map) => Some(map),
            _ => None,
        },
    }
}

pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" => Some(true),
            "false" | "no" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A confidence as a fraction: numbers, numeric texts and percentages. Anything outside of 0–1 is clamped with a remark; a
/// bare whole number from 2 to 100 is a percentage without its sign.
pub(super) fn confidence(value: &Value, notes: &mut Notes) -> Option<f64> {
    const BARE_PERCENT_MIN: f64 = 2.0;
    const HUNDRED: f64 = 100.0;
    let written = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => String::new(),
    };
    let percent = written.strip_suffix('%').map(str::trim_end);
    let Some(number) = percent.unwrap_or(&written).parse::<f64>().ok().filter(|number| number.is_finite()) else {
        if !value.is_null() {
            notes.add(format!("confidence {} is not a number and was ignored", excerpt(&value.to_string())));
        }
        return None;
    };
    let is_bare_percent = percent.is_none() && number.fract() == 0.0 && (BARE_PERCENT_MIN..=HUNDRED).contains(&number);
    if is_bare_percent {
        notes.add(format!("confidence {number} was read as {number}%"));
    }
    let fraction = if percent.is_some() || is_bare_percent { number / HUNDRED } else { number };
    if !(0.0..=1.0).contains(&fraction) {
        notes.add(format!("confidence {} is outside of 0 to 1 and was clamped", excerpt(&written)));
    }
    Some(fraction.clamp(0.0, 1.0))
}
