//! A small reader of JSON members with the leniency and the texts of http-api §2.0.
//!
//! It collects every error instead of stopping at the first, and hands out harmless defaults meanwhile, so that one pass
//! reports all of them in declaration order.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// Longest string member.
pub(super) const STRING_BYTES_MAX: usize = 64 * 1024;
/// Most entries of one map member.
pub(super) const MAP_ENTRIES_MAX: usize = 512;

/// One step of the way to a bad value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Step {
    Name(String),
    Index(usize),
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => write!(f, "{index}"),
        }
    }
}

/// One bad member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// From `body` down to the member.
    pub loc: Vec<Step>,
    /// Stable word for the kind of error.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub msg: String,
}

impl FieldError {
    /// An error of the body as a whole, or of a position in it.
    pub(super) fn of_body(position: Option<usize>, kind: &'static str, msg: impl Into<String>) -> Self {
        let mut loc = vec![Step::Name("body".to_owned())];
        loc.extend(position.map(Step::Index));
        Self { loc, kind, msg: msg.into() }
    }

    /// The wording clients know: only the last step is named.
    pub(super) fn detail(&self) -> String {
        let last = self.loc.last().map(ToString::to_string).unwrap_or_default();
        format!("Validation error: Field '{last}': {}", self.msg)
    }
}

/// What is wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    kind: &'static str,
    msg: String,
}

impl Fault {
    pub(super) fn new(kind: &'static str, msg: impl Into<String>) -> Self {
        Self { kind, msg: msg.into() }
    }

    pub(super) fn missing() -> Self {
        Self::new("missing", "Field required")
    }

    pub(super) fn not_an_object() -> Self {
        Self::new("model_attributes_type", "Input should be a valid dictionary or object to extract fields from")
    }
}

/// Members of one object, read one after the other.
pub(super) struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: Vec<Step>,
    errors: &'a mut Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Members of the body itself.
    pub(super) fn of_body(object: &'a Map<String, Value>, errors: &'a mut Vec<FieldError>) -> Self {
        Self { object, path: vec![Step::Name("body".to_owned())], errors }
    }

    /// The member's value; `null` counts as absent.
    pub(super) fn present(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn fail(&mut self, steps: impl IntoIterator<Item = Step>, fault: Fault) {
        let loc = self.path.iter().cloned().chain(steps).collect();
        self.errors.push(FieldError { loc, kind: fault.kind, msg: fault.msg });
    }

    /// Reads a required member. `null` is a value here, and mostly the wrong one.
    pub(super) fn required<T: Default>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, Fault>) -> T {
        let result = self.object.get(name).map_or_else(|| Err(Fault::missing()), read);
        result.unwrap_or_else(|fault| {
            self.fail([Step::Name(name.to_owned())], fault);
            T::default()
        })
    }

    /// Reads a member that may be absent or `null`.
    pub(super) fn optional<T>(&mut self, name: &str, read: impl FnOnce(&Value) -> Result<T, Fault>) -> Option<T> {
        match read(self.present(name)?) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fail([Step::Name(name.to_owned())], fault);
                None
            }
        }
    }

    pub(super) fn required_text(&mut self, name: &str) -> String {
        self.required(name, text)
    }

    /// An optional text; a blank one counts as absent.
    pub(super) fn optional_text(&mut self, name: &str) -> Option<String> {
        self.optional(name, text).filter(|text| !text.trim().is_empty())
    }

    /// Members of an optional nested object.
    pub(super) fn nested(&mut self, name: &str) -> Option<Fields<'_>> {
        let Some(object) = self.present(name)?.as_object() else {
            self.fail([Step::Name(name.to_owned())], Fault::not_an_object());
            return None;
        };
        let path = self.path.iter().cloned().chain([Step::Name(name.to_owned())]).collect();
        Some(Fields { object, path, errors: self.errors })
    }

    /// Members of a required nested object.
    pub(super) fn required_nested(&mut self, name: &str) -> Option<Fields<'_>> {
        match self.object.get(name) {
            None => self.fail([Step::Name(name.to_owned())], Fault::missing()),
            Some(Value::Null) => self.fail([Step::Name(name.to_owned())], Fault::not_an_object()),
            Some(_) => return self.nested(name),
        }
        None
    }

    /// Whichever of two spellings of a member is there; the first when neither is.
    pub(super) fn spelling<'n>(&self, names: [&'n str; 2]) -> &'n str {
        let [first, second] = names;
        if self.present(first).is_none() && self.object.contains_key(second) { second } else { first }
    }

    /// A text with a default that may be absent, but not `null`.
    pub(super) fn defaulted_text(&mut self, name: &str, default: &str) -> String {
        if self.object.contains_key(name) { self.required_text(name) } else { default.to_owned() }
    }

    /// An optional list of texts.
    pub(super) fn text_list(&mut self, name: &str) -> Vec<String> {
        let list = |value: &Value| value.as_array().cloned().ok_or_else(not_a_list);
        let mut texts = Vec::new();
        for (index, item) in self.optional(name, list).unwrap_or_default().iter().enumerate() {
            match text(item) {
                Ok(text) => texts.push(text),
                Err(fault) => self.fail([Step::Name(name.to_owned()), Step::Index(index)], fault),
            }
        }
        texts
    }

    /// An optional map whose values are all read the same way. Bad entries are reported and left out.
    fn map<T>(&mut self, name: &str, read: impl Fn(&Value) -> Result<T, (Option<Step>, Fault)>) -> BTreeMap<String, T> {
        let Some(object) = self.optional(name, members) else {
            return BTreeMap::new();
        };
        let mut entries = BTreeMap::new();
        for (key, value) in object {
            match read(&value) {
                Ok(value) => {
                    entries.insert(key, value);
                }
                Err((step, fault)) => {
                    self.fail([Step::Name(name.to_owned()), Step::Name(key)].into_iter().chain(step), fault);
                }
            }
        }
        entries
    }

    /// An optional map of texts.
    pub(super) fn text_map(&mut self, name: &str) -> BTreeMap<String, String> {
        self.map(name, |value| text(value).map_err(|fault| (None, fault)))
    }

    /// An optional map of lists of texts.
    pub(super) fn text_list_map(&mut self, name: &str) -> BTreeMap<String, Vec<String>> {
        self.map(name, |value| {
            let items = value.as_array().ok_or_else(|| (None, not_a_list()))?;
            let item = |(index, item)| text(item).map_err(|fault| (Some(Step::Index(index)), fault));
            items.iter().enumerate().map(item).collect()
        })
    }
}

/// A string of acceptable length; a number is not a string.
pub(super) fn text(value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) if text.len() > STRING_BYTES_MAX => {
            Err(Fault::new("string_too_long", format!("String should have at most {STRING_BYTES_MAX} bytes")))
        }
        Value::String(text) => Ok(text.clone()),
        _ => Err(Fault::new("string_type", "Input should be a valid string")),
    }
}

/// A map of acceptable size, whatever is in it.
fn members(value: &Value) -> Result<Map<String, Value>, Fault> {
    let object = value.as_object().ok_or_else(|| Fault::new("dict_type", "Input should be a valid dictionary"))?;
    if object.len() > MAP_ENTRIES_MAX {
        let msg = format!("Dictionary should have at most {MAP_ENTRIES_MAX} items, not {}", object.len());
        return Err(Fault::new("too_long", msg));
    }
    Ok(object.clone())
}

/// The same with every text and map inside it. The depth of a body is bounded, so the recursion is.
pub(super) fn free_form(value: &Value) -> Result<Map<String, Value>, Fault> {
    let object = members(value)?;
    object.values().try_for_each(bounded)?;
    Ok(object)
}

fn bounded(value: &Value) -> Result<(), Fault> {
    match value {
        Value::String(_) => text(value).map(drop),
        Value::Array(items) => items.iter().try_for_each(bounded),
        Value::Object(_) => free_form(value).map(drop),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn not_a_list() -> Fault {
    Fault::new("list_type", "Input should be a valid list")
}

/// `true`, `1`, `"yes"`, `"Off"`, ….
pub(super) fn boolean(value: &Value) -> Result<bool, Fault> {
    let unreadable = || Fault::new("bool_parsing", "Input should be a valid boolean, unable to interpret input");
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Number(number) => match number.as_f64() {
            Some(1.0) => Ok(true),
            Some(0.0) => Ok(false),
            _ => Err(unreadable()),
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "t" | "y" | "1" => Ok(true),
            "false" | "no" | "off" | "f" | "n" | "0" => Ok(false),
            _ => Err(unreadable()),
        },
        _ => Err(Fault::new("bool_type", "Input should be a valid boolean")),
    }
}

/// `3`, `3.0`, `"3"`, `true`.
pub(super) fn integer(value: &Value) -> Result<i64, Fault> {
    match value {
        Value::Bool(value) => Ok(i64::from(*value)),
        Value::Number(number) => number.as_i64().map_or_else(|| whole(number.as_f64()), Ok),
        Value::String(text) => {
            let trimmed = text.trim();
            let digits = trimmed.split_once('.').filter(|(_, zeros)| zeros.bytes().all(|byte| byte == b'0'));
            digits.map_or(trimmed, |(digits, _)| digits).parse().map_err(|_| {
                Fault::new("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
            })
        }
        _ => Err(Fault::new("int_type", "Input should be a valid integer")),
    }
}

/// An integer that fits into 32 bits and is not below `least`.
pub(super) fn count(value: &Value, least: u32) -> Result<u32, Fault> {
    let number = integer(value)?;
    if number < i64::from(least) {
        return Err(Fault::new("greater_than_equal", format!("Input should be greater than or equal to {least}")));
    }
    u32::try_from(number)
        .map_err(|_| Fault::new("less_than_equal", format!("Input should be less than or equal to {}", u32::MAX)))
}

fn whole(number: Option<f64>) -> Result<i64, Fault> {
    /// 2⁵³: up to here every whole double is exactly one integer.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match number {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53, so the cast is exact")]
        Some(number) if number.fract() == 0.0 && number.abs() <= EXACT_MAX => Ok(number as i64),
        Some(number) if number.fract() != 0.0 => {
            Err(Fault::new("int_from_float", "Input should be a valid integer, got a number with a fractional part"))
        }
        _ => Err(Fault::new("int_parsing_size", "Input should be a valid integer, exceeded maximum size")),
    }
}
