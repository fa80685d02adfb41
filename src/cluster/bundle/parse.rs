//! Parses one piece of text into a value, within bounds that hold for hostile input.

use std::borrow::Cow;

use serde_json::Value;

/// Deepest nesting accepted in YAML: a level costs about 25 KiB of stack in a debug build, and threads have 2 MiB. The
/// deepest real objects, schemas in CustomResourceDefinitions, stay below 40. JSON stops at serde_json's own 128 levels.
const NESTING_MAX: usize = 48;

/// Texts with aliases are accepted up to this size (bytes): beyond it an alias could multiply too much.
const ALIASED_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Aliases in one text, and parser events they may expand to.
const ALIASES_MAX: usize = 100;
const ALIAS_EVENTS_MAX: usize = 2_000;

/// How a piece of text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    Json,
    YamlDocument,
    /// One `- ` item of a block sequence, with its dash.
    YamlItem,
}

/// Why a text is not a value. Never quotes the text: it may hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParseError {
    /// Line within the text, from 1.
    pub(super) line: Option<u64>,
    pub(super) reason: Cow<'static, str>,
    /// The text uses an anchor defined outside of it.
    pub(super) needs_context: bool,
}

impl ParseError {
    fn plain(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { line: None, reason: reason.into(), needs_context: false }
    }
}

/// Parses the text.
///
/// # Errors
/// See [`ParseError`].
pub(super) fn parse(notation: Notation, bytes: &[u8]) -> Result<Value, ParseError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        let line = Some(line);
        ParseError { line, reason: "not UTF-8 text".into(), needs_context: false }
    })?;
    match notation {
        Notation::Json => serde_json::from_str(text).map_err(|error| json_error(&error)),
        Notation::YamlDocument => yaml(text),
        Notation::YamlItem => match yaml(text)? {
            Value::Array(items) if items.len() == 1 => Ok(items.into_iter().next().unwrap_or_default()),
            _ => Err(ParseError::plain("not one item")),
        },
    }
}

fn json_error(error: &serde_json::Error) -> ParseError {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default().to_owned();
    ParseError { line: Some(error.line() as u64), reason: reason.into(), needs_context: false }
}

fn yaml(text: &str) -> Result<Value, ParseError> {
    serde_saphyr::from_str_with_options(text, yaml_options(text.len())).map_err(|error| {
        let error = error.without_snippet();
        let location = error.location();
        let needs_context = matches!(error, serde_saphyr::Error::UnknownAnchor { .. });
        ParseError { line: location.map(|location| location.line()), reason: yaml_reason(error), needs_context }
    })
}

fn yaml_reason(error: &serde_saphyr::Error) -> Cow<'static, str> {
    // The place is told with the line of the file.
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned().into()
}

/// Kubernetes reads YAML 1.1: `yes` is true, `0644` is octal. Repeated keys: the last one counts, as in JSON.
fn yaml_options(text_bytes: usize) -> serde_saphyr::Options {
    let mut budget = serde_saphyr::Budget::default();
    let aliases_max = if text_bytes <= ALIASED_TEXT_BYTES_MAX { ALIASES_MAX } else { 0 };
    budget.max_aliases = aliases_max;
    budget.max_depth = NESTING_MAX;
    budget.flow_nesting_limit = NESTING_MAX;
    // The text's own size bounds these; the parser's defaults refuse large but honest documents.
    budget.max_events = text_bytes.saturating_mul(2).saturating_add(64);
    budget.max_nodes = budget.max_events;
    budget.max_total_scalar_bytes = budget.max_total_scalar_bytes.max(text_bytes);
    let mut options = serde_saphyr::Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = ALIAS_EVENTS_MAX;
    options.duplicate_keys = serde_saphyr::options::DuplicateKeyPolicy::PassThrough;
    options.non_finite_float_policy = serde_saphyr::options::NonFiniteFloatPolicy::AsString;
    options.legacy_octal_numbers = true;
    options.emit_comments = false;
    options.with_snippet = false;
    options
}

/// Estimated heap bytes of a value.
pub(super) fn value_bytes(value: &Value) -> usize {
    const NODE_BYTES: usize = 72;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => NODE_BYTES,
        Value::String(text) => NODE_BYTES + text.len(),
        Value::Array(items) => items.iter().map(value_bytes).sum::<usize>() + NODE_BYTES,
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| NODE_BYTES + key.len() + value_bytes(value);
            members.iter().map(member).sum::<usize>() + NODE_BYTES
        }
    }
}

#[cfg(test)]
mod tests;
