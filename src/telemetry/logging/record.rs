//! One record: collecting fields, and writing them as a line.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use jiff::Timestamp;
use serde::ser::{Serialize, Serializer};
use serde_json::Value;
use tracing::Metadata;
use tracing::field::{Field, Visit};

use super::{Format, Identity, Scrub};
use crate::telemetry::trace::SpanContext;

/// Longest string value of a record; a dropped audit event must still fit whole.
const FIELD_BYTES_MAX: usize = 64 * 1024;
/// Longest string value of a debug or trace record, where prompts and tool data appear.
const DEBUG_FIELD_BYTES_MAX: usize = 4 * 1024;
/// Causes of an error that are written.
const CHAIN_MAX: usize = 8;
/// Members of a record, about.
const MEMBERS: usize = 24;
/// `event` of records that do not name one: those of libraries.
const UNNAMED_EVENT: &str = "log";

/// Named values in the order they came. There are few: names are found by looking at all.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(Vec<(Cow<'static, str>, Value)>);

impl Values {
    /// A value of the same name is replaced where it stands.
    fn insert(&mut self, name: impl Into<Cow<'static, str>>, value: Value) {
        let name = name.into();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    pub(super) fn extend(&mut self, others: Self) {
        others.0.into_iter().for_each(|(name, value)| self.insert(name, value));
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// Collects the fields of one event or span, secrets removed.
pub(super) struct Fields<'a> {
    values: Values,
    scrub: &'a Scrub,
}

impl<'a> Fields<'a> {
    pub(super) fn new(scrub: &'a Scrub) -> Self {
        Self { values: Values::default(), scrub }
    }

    pub(super) fn into_values(self) -> Values {
        self.values
    }

    fn insert(&mut self, field: &Field, value: Value) {
        if is_of_traces(field) {
            return;
        }
        // `r#type` is written `type`.
        self.values.insert(field.name().trim_start_matches("r#"), value);
    }

    fn insert_text(&mut self, field: &Field, text: &str) {
        if is_of_traces(field) {
            return;
        }
        let clean = (self.scrub)(text).into_owned();
        self.insert(field, Value::String(clean));
    }
}

/// Attributes of a trace are no fields of records.
fn is_of_traces(field: &Field) -> bool {
    field.name().contains('.')
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if !is_of_traces(field) {
            self.insert_text(field, &format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert_text(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    /// The error's own text, and its causes as `<field>_chain`.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.insert_text(field, &value.to_string());
        let causes: Vec<String> = std::iter::successors(value.source(), |&cause| cause.source())
            .take(CHAIN_MAX)
            .map(ToString::to_string)
            .collect();
        if !causes.is_empty() {
            let chain = (self.scrub)(&causes.join(": ")).into_owned();
            self.values.insert(format!("{}_chain", field.name()), Value::String(chain));
        }
    }
}

/// A record under construction: the fixed members first, then those of spans from the outermost inwards, then its own.
pub(super) struct Line {
    values: Values,
    field_bytes_max: usize,
}

impl Line {
    pub(super) fn new(now: Timestamp, metadata: &Metadata<'_>, identity: &Identity) -> Self {
        let level = metadata.level().as_str().to_ascii_lowercase();
        let debug = *metadata.level() > tracing::Level::INFO;
        let logger = metadata.target();
        let mut values = Values(Vec::with_capacity(MEMBERS));
        for (name, text) in [
            ("ts", format!("{now:.3}")),
            ("level", level),
            ("msg", String::new()),
            ("event", UNNAMED_EVENT.to_owned()),
            ("logger", logger.strip_prefix(concat!(env!("CARGO_CRATE_NAME"), "::")).unwrap_or(logger).to_owned()),
            ("service", identity.service.clone()),
            ("version", identity.version.clone()),
            ("pod", identity.pod.clone()),
            ("namespace", identity.namespace.clone()),
        ] {
            values.0.push((Cow::Borrowed(name), Value::String(text)));
        }
        Self { values, field_bytes_max: if debug { DEBUG_FIELD_BYTES_MAX } else { FIELD_BYTES_MAX } }
    }

    /// Where in a trace the record was made.
    pub(super) fn place(&mut self, place: SpanContext) {
        self.values.insert("trace_id", Value::String(place.trace_id.to_string()));
        self.values.insert("span_id", Value::String(place.span_id.to_string()));
    }

    /// Adds fields; later ones replace earlier ones of the same name, except the fixed members.
    pub(super) fn add(&mut self, fields: Values) {
        for (name, value) in fields.0 {
            let name = match name.as_ref() {
                "message" => Cow::Borrowed("msg"),
                "ts" | "level" | "logger" | "service" | "version" | "pod" | "namespace" => format!("{name}_").into(),
                _ => name,
            };
            let value = match value {
                Value::String(text) => Value::String(cut(text, self.field_bytes_max)),
                other => other,
            };
            // Platform-wide queries look for the correlation id.
            if name == "remediation_id" {
                self.values.insert("correlation_id", value.clone());
            }
            self.values.insert(name, value);
        }
    }

    /// The finished line, newline included.
    pub(super) fn finish(self, format: Format) -> Vec<u8> {
        let mut line = match format {
            Format::Json => serde_json::to_vec(&self.values).unwrap_or_default(),
            Format::Text => self.text().into_bytes(),
        };
        line.push(b'\n');
        line
    }

    /// `<ts> <LEVEL> <logger>: <msg> event=… name=value …`, without what is the same on every line.
    fn text(&self) -> String {
        let get = |name: &str| self.values.get(name).and_then(Value::as_str).unwrap_or_default();
        let level = get("level").to_uppercase();
        let mut text = format!("{} {level:>5} {}: {}", get("ts"), get("logger"), one_line(get("msg")));
        const IN_FRONT: &[&str] = &["ts", "level", "msg", "logger", "service", "version", "pod", "namespace"];
        let unnamed = |name: &str, value: &Value| name == "event" && value == UNNAMED_EVENT;
        for (name, value) in self
            .values
            .iter()
            .filter(|(name, value)| !IN_FRONT.contains(name) && *name != "correlation_id" && !unnamed(name, value))
        {
            text.push_str(&format!(" {name}={}", plain(value)));
        }
        text
    }
}

/// Bare when it reads as one word, else quoted.
fn plain(value: &Value) -> String {
    match value {
        Value::String(word) if !word.is_empty() && !word.contains([' ', '"', '=', '\n', '\t', '\r']) => word.clone(),
        other => other.to_string(),
    }
}

fn one_line(text: &str) -> Cow<'_, str> {
    if text.contains('\n') { Cow::Owned(text.replace('\n', "\\n")) } else { Cow::Borrowed(text) }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push('…');
    }
    text
}
