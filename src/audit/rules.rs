//! What the receiver demands of an event (audit Part 1; datastorage §3.1, §3.7), compiled in: a 400 or a value its
//! database refuses is found here before it is sent.
//!
//! [`check`] tells every broken rule. [`minimal`] is the one repair that is tried after a refusal (audit §3.6): the
//! required members only, cleaned.

mod table;

use std::fmt;
use std::str::FromStr as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::table::{Member, Need, Shape};
use super::content;
use super::profile::{EventType, Profile};

pub(super) use self::table::{names_incident, review_reasons};

/// Most broken rules told of one event.
const VIOLATIONS_MAX: usize = 32;
/// Stands where a text may not be empty and nothing is known.
const UNKNOWN: &str = "unknown";

/// A broken rule. Quotes no value: those may hold what people must not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer into the event.
    pub pointer: String,
    pub problem: &'static str,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.problem)
    }
}

/// Whether the receiver would take this event, envelope and payload.
///
/// # Errors
/// Every broken rule, 32 at most.
pub fn check(event: &Value, profile: Profile) -> Result<(), Vec<Violation>> {
    let mut found = Findings::default();
    match (event.as_object(), kind_of(event, profile)) {
        (None, _) => found.add("", "not an object"),
        (_, None) => found.add("/event_data/event_type", "unknown type of event"),
        (Some(members), Some(kind)) => {
            found.members("", members, table::ENVELOPE);
            if members.get("event_type") != Some(&json!(kind.name())) {
                found.add("/event_type", "differs from the payload's");
            }
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("event_data", Value::Object(data)) => found.data(data, kind, profile),
                    _ => found.nul(&format!("/{name}"), member),
                }
            }
        }
    }
    found.verdict()
}

/// The least form of an event that was refused: required members only, cleaned, identity and time kept. `None` when it is
/// that already, or when there is nothing to make one from.
pub fn minimal(body: &str, profile: Profile) -> Option<String> {
    let event: Value = serde_json::from_str(body).ok()?;
    let kind = kind_of(&event, profile)?;
    let data = event.get("event_data")?.as_object()?;
    let mut least = least_members(event.as_object()?, table::ENVELOPE);
    least.insert("event_type".to_owned(), json!(kind.name()));
    least.insert("event_data".to_owned(), Value::Object(least_data(data, kind, profile)));
    let least = Value::Object(least);
    check(&least, profile).ok()?;
    let text = serde_json::to_string(&least).ok()?;
    (text != body).then_some(text)
}

/// A payload as built here. It keeps the rules; should a fault of this program break one, tests fail and a running
/// service records the least form.
pub(super) fn settled(data: Map<String, Value>, kind: EventType, profile: Profile) -> Map<String, Value> {
    let mut found = Findings::default();
    found.data(&data, kind, profile);
    let Err(violations) = found.verdict() else { return data };
    debug_assert!(violations.is_empty(), "{}: {violations:?}", kind.name());
    let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
    tracing::error!(
        event = "audit_event_repaired",
        event_type = kind.name(),
        violations = told.join("; "),
        "an audit event broke the rules of its schema and is recorded in its least form"
    );
    least_data(&data, kind, profile)
}

fn kind_of(event: &Value, profile: Profile) -> Option<EventType> {
    let name = event.get("event_data")?.get("event_type")?.as_str()?;
    EventType::parse(name).filter(|kind| kind.exists_in(profile))
}

#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn verdict(self) -> Result<(), Vec<Violation>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }

    fn add(&mut self, pointer: &str, problem: &'static str) {
        if self.0.len() < VIOLATIONS_MAX {
            self.0.push(Violation { pointer: pointer.to_owned(), problem });
        }
    }

    fn data(&mut self, data: &Map<String, Value>, kind: EventType, profile: Profile) {
        self.members("/event_data", data, table::COMMON);
        self.members("/event_data", data, table::payload(kind, profile));
        if serde_json::to_vec(data).is_ok_and(|bytes| bytes.len() > content::EVENT_DATA_BYTES_MAX) {
            self.add("/event_data", "larger than 256 KiB");
        }
        for (name, member) in data {
            let pointer = format!("/event_data/{name}");
            self.contents(&pointer, member, 2);
            self.nul(&pointer, member);
        }
    }

    /// Members of an object against their rules. Others are dropped by the receiver and do no harm.
    fn members(&mut self, pointer: &str, members: &Map<String, Value>, rules: &[Member]) {
        for Member { name, need, shape } in rules {
            let pointer = format!("{pointer}/{name}");
            match (members.get(*name), need) {
                (None, Need::Required) => self.add(&pointer, "missing"),
                (None, _) | (Some(Value::Null), Need::Nullable) => {}
                (Some(value), _) => self.value(&pointer, value, shape),
            }
        }
    }

    fn value(&mut self, pointer: &str, value: &Value, shape: &Shape) {
        match (shape, value) {
            (Shape::Closed(rules), Value::Object(members)) => {
                if members.keys().any(|name| !rules.iter().any(|rule| rule.name == name)) {
                    self.add(pointer, "has a member the closed schema does not know");
                }
                self.members(pointer, members, rules);
            }
            (Shape::Open(rules), Value::Object(members)) => self.members(pointer, members, rules),
            (Shape::List(item), Value::Array(items)) => {
                for (index, one) in items.iter().enumerate() {
                    self.value(&format!("{pointer}/{index}"), one, item);
                }
            }
            _ => {
                if !fits(value, shape) {
                    self.add(pointer, shape.demand());
                }
            }
        }
    }

    /// What the receiver's database cannot hold, whatever the member.
    fn contents(&mut self, pointer: &str, value: &Value, level: usize) {
        let is_container = value.is_array() || value.is_object();
        if is_container && level > content::RECEIVED_LEVELS_MAX {
            return self.add(pointer, "deeper than ten levels");
        }
        match value {
            Value::Number(number) => {
                let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
                if magnitude.is_some_and(|magnitude| magnitude > content::INTEGER_MAX) {
                    self.add(pointer, "an integer beyond 2^53");
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.contents(pointer, item, level + 1)),
            Value::Object(members) => members.values().for_each(|member| self.contents(pointer, member, level + 1)),
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }

    fn nul(&mut self, pointer: &str, value: &Value) {
        match value {
            Value::String(text) if text.contains('\0') => self.add(pointer, "contains U+0000"),
            Value::Array(items) => items.iter().for_each(|item| self.nul(pointer, item)),
            Value::Object(members) => {
                for (name, member) in members {
                    if name.contains('\0') {
                        self.add(pointer, "a name contains U+0000");
                    }
                    self.nul(&format!("{pointer}/{name}"), member);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Whether a value without inner rules is as demanded.
fn fits(value: &Value, shape: &Shape) -> bool {
    match shape {
        Shape::Text { chars_min, chars_max } => {
            value.as_str().is_some_and(|text| (*chars_min..=*chars_max).contains(&text.chars().count()))
        }
        Shape::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Shape::Time => value.as_str().is_some_and(is_time),
        Shape::Uuid => value.as_str().is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
        Shape::Flag => value.is_boolean(),
        Shape::Whole { min, max } => value.as_i64().is_some_and(|number| (*min..=*max).contains(&number)),
        Shape::Number { min, max } => value.as_f64().is_some_and(|number| (*min..=*max).contains(&number)),
        Shape::Anything => !value.is_null(),
        Shape::Object | Shape::Closed(_) | Shape::Open(_) => value.is_object(),
        Shape::List(_) => value.is_array(),
    }
}

/// RFC 3339 as the receiver reads it: `T`, seconds, and a zone, `Z` in upper case.
fn is_time(text: &str) -> bool {
    const ZONE_BYTES: usize = 6; // +00:00
    let Some((date, time)) = text.split_once('T') else { return false };
    let offset = time.len().checked_sub(ZONE_BYTES).and_then(|at| time.get(at..));
    let is_offset = offset.is_some_and(|zone| zone.starts_with(['+', '-']) && zone.get(3..4) == Some(":"));
    let shaped = date.len() == "2026-04-07".len()
        && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        && time.as_bytes().get(5) == Some(&b':')
        && (time.ends_with('Z') || is_offset);
    shaped && Timestamp::from_str(text).is_ok()
}

fn least_data(data: &Map<String, Value>, kind: EventType, profile: Profile) -> Map<String, Value> {
    let mut least = least_members(data, table::COMMON);
    least.insert("event_type".to_owned(), json!(kind.name()));
    least.extend(least_members(data, table::payload(kind, profile)));
    content::bounded(least)
}

fn least_members(members: &Map<String, Value>, rules: &[Member]) -> Map<String, Value> {
    let required = rules.iter().filter(|rule| matches!(rule.need, Need::Required));
    required.map(|rule| (rule.name.to_owned(), least(members.get(rule.name), &rule.shape))).collect()
}

/// The value as far as it keeps the rules, else the nearest that does.
fn least(value: Option<&Value>, shape: &Shape) -> Value {
    let given = value.filter(|value| fits(value, shape));
    match shape {
        Shape::Text { chars_min, chars_max } => {
            let text = value.and_then(Value::as_str).unwrap_or_default();
            let text = if text.is_empty() && *chars_min > 0 { UNKNOWN } else { text };
            json!(content::column(text, *chars_max))
        }
        Shape::Word(words) => given.cloned().unwrap_or_else(|| json!(words.last())),
        Shape::Time => given.cloned().unwrap_or_else(|| json!(Timestamp::UNIX_EPOCH.to_string())),
        Shape::Uuid => given.cloned().unwrap_or_else(|| json!(uuid::Uuid::nil().to_string())),
        Shape::Flag => json!(given == Some(&Value::Bool(true))),
        Shape::Whole { min, max } => json!(value.and_then(Value::as_i64).unwrap_or(*min).clamp(*min, *max)),
        Shape::Number { min, max } => json!(value.and_then(Value::as_f64).unwrap_or(*min).clamp(*min, *max)),
        Shape::Anything => given.cloned().map_or_else(|| json!(""), content::exact),
        Shape::Object => given.cloned().map_or_else(|| json!({}), content::exact),
        Shape::Closed(rules) | Shape::Open(rules) => {
            let members = value.and_then(Value::as_object).cloned().unwrap_or_default();
            Value::Object(least_members(&members, rules))
        }
        Shape::List(item) => {
            let items = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            items.iter().map(|one| least(Some(one), item)).collect()
        }
    }
}
