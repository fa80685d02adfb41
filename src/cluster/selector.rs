//! Label and field selectors: kubectl's text forms and the LabelSelector object. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::ClusterError;
use crate::domain::Object;
use crate::domain::object::{at, text};

/// Longest selector text accepted, in bytes.
pub const SELECTOR_BYTES_MAX: usize = 4_096;

/// Labels looked up by key.
pub trait Labels {
    fn value_of(&self, key: &str) -> Option<&str>;
}

impl Labels for BTreeMap<&str, &str> {
    fn value_of(&self, key: &str) -> Option<&str> {
        self.get(key).copied()
    }
}

impl Labels for BTreeMap<String, String> {
    fn value_of(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

/// A parsed label selector; all requirements must hold. The empty selector matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<(String, LabelRule)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LabelRule {
    Exists,
    Absent,
    /// `=`, `==`, `in`.
    AnyOf(BTreeSet<String>),
    /// `!=`, `notin`: also true when the label is absent, as in Kubernetes.
    NoneOf(BTreeSet<String>),
    GreaterThan(i64),
    LessThan(i64),
}

impl LabelRule {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::AnyOf(wanted) => value.is_some_and(|value| wanted.contains(value)),
            Self::NoneOf(unwanted) => value.is_none_or(|value| !unwanted.contains(value)),
            Self::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Self::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

impl LabelSelector {
    /// Parses `app=web,tier!=cache,env in (a,b),zone notin (x),legacy,!old,weight>3`.
    ///
    /// # Errors
    /// `Invalid` naming the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, ClusterError> {
        bounded(text)?;
        let requirements = split_outside_parentheses(text)?.into_iter().map(label_requirement);
        Ok(Self { requirements: requirements.collect::<Result<_, _>>()? })
    }

    pub fn matches(&self, labels: &impl Labels) -> bool {
        self.requirements.iter().all(|(key, rule)| rule.holds(labels.value_of(key)))
    }
}

/// Whether a LabelSelector *object* (`matchLabels` + `matchExpressions`) picks these labels. A null or missing selector
/// picks nothing, an empty one everything; an unknown operator picks nothing.
pub fn matches_object(selector: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let Some(members) = selector.as_object() else { return false };
    let exact = members.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let mut exact = exact.map(|(key, value)| (labels.get(key.as_str()).copied(), value.as_str()));
    let mut expressions = members.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    exact.all(|(have, wanted)| have.is_some() && have == wanted)
        && expressions.all(|expression| expression_holds(expression, labels))
}

/// Whether one `matchExpressions` entry holds. `Gt` and `Lt`, which only node selectors have, compare whole numbers.
pub fn expression_holds(expression: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
    let values: BTreeSet<String> = values.filter_map(Value::as_str).map(str::to_owned).collect();
    let bound = || values.first().and_then(|bound| bound.parse().ok());
    let rule = match text(expression, "operator") {
        "Gt" => bound().map(LabelRule::GreaterThan),
        "Lt" => bound().map(LabelRule::LessThan),
        "In" => Some(LabelRule::AnyOf(values)),
        "NotIn" => Some(LabelRule::NoneOf(values)),
        "Exists" => Some(LabelRule::Exists),
        "DoesNotExist" => Some(LabelRule::Absent),
        _ => None,
    };
    let Some(rule) = rule else { return false };
    rule.holds(labels.get(text(expression, "key")).copied())
}

fn invalid(reason: impl std::fmt::Display) -> ClusterError {
    ClusterError::Invalid(reason.to_string())
}

fn bounded(text: &str) -> Result<(), ClusterError> {
    if text.len() > SELECTOR_BYTES_MAX {
        return Err(invalid(format!("selector of {} bytes; at most {SELECTOR_BYTES_MAX} are read", text.len())));
    }
    Ok(())
}

/// The parts between commas that are not inside parentheses. A blank text has none; a blank part is an error.
fn split_outside_parentheses(text: &str) -> Result<Vec<&str>, ClusterError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut depth = 0_u32;
    let mut parts = Vec::new();
    let mut start = 0;
    for (position, c) in text.char_indices() {
        match c {
            '(' if depth == 0 => depth = 1,
            ')' if depth == 1 => depth = 0,
            '(' | ')' => return Err(invalid(format!("unbalanced parentheses in selector {text:?}"))),
            ',' if depth == 0 => {
                parts.extend(text.get(start..position));
                start = position + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    if depth != 0 {
        return Err(invalid(format!("unbalanced parentheses in selector {text:?}")));
    }
    match parts.iter().any(|part| part.trim().is_empty()) {
        true => Err(invalid(format!("empty requirement in selector {text:?}"))),
        false => Ok(parts),
    }
}

fn label_requirement(part: &str) -> Result<(String, LabelRule), ClusterError> {
    let part = part.trim();
    if let Some(set) = part.strip_suffix(')') {
        return set_requirement(part, set);
    }
    if let Some(key) = part.strip_prefix('!') {
        return Ok((label_key(key)?, LabelRule::Absent));
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Ok((label_key(key)?, LabelRule::NoneOf([label_value(value)?].into())));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok((label_key(key)?, LabelRule::AnyOf([label_value(value)?].into())));
    }
    let number = |value: &str| {
        let value = value.trim();
        value.parse::<i64>().map_err(|_| invalid(format!("{value:?} in {part:?} is not an integer")))
    };
    if let Some((key, value)) = part.split_once('>') {
        return Ok((label_key(key)?, LabelRule::GreaterThan(number(value)?)));
    }
    if let Some((key, value)) = part.split_once('<') {
        return Ok((label_key(key)?, LabelRule::LessThan(number(value)?)));
    }
    Ok((label_key(part)?, LabelRule::Exists))
}

/// `env in (a,b)`; `set` is the part without its closing parenthesis.
fn set_requirement(part: &str, set: &str) -> Result<(String, LabelRule), ClusterError> {
    let (head, values) = set.split_once('(').ok_or_else(|| invalid(format!("{part:?} is not a requirement")))?;
    let values = values.split(',').map(label_value).collect::<Result<BTreeSet<_>, _>>()?;
    let words: Vec<&str> = head.split_whitespace().collect();
    match words.as_slice() {
        [key, "in"] => Ok((label_key(key)?, LabelRule::AnyOf(values))),
        [key, "notin"] => Ok((label_key(key)?, LabelRule::NoneOf(values))),
        _ => Err(invalid(format!("{part:?}: expected `key in (...)` or `key notin (...)`"))),
    }
}

/// `prefix/name`: a DNS subdomain of at most 253 characters, a name of at most 63.
fn label_key(key: &str) -> Result<String, ClusterError> {
    let key = key.trim();
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_ok = prefix.is_none_or(|prefix| is_qualified(prefix, 253, "-."));
    match prefix_ok && is_qualified(name, 63, "-_.") {
        true => Ok(key.to_owned()),
        false => Err(invalid(format!("{key:?} is not a label key"))),
    }
}

fn label_value(value: &str) -> Result<String, ClusterError> {
    let value = value.trim();
    match value.is_empty() || is_qualified(value, 63, "-_.") {
        true => Ok(value.to_owned()),
        false => Err(invalid(format!("{value:?} is not a label value"))),
    }
}

/// Letters and digits, the `extra` characters only inside.
fn is_qualified(text: &str, length_max: usize, extra: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || extra.contains(c);
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= length_max && text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().last())
}

/// A parsed field selector over dotted paths of scalars, `status.phase!=Running,metadata.name=x`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRequirement {
    pub path: String,
    /// False for `!=`.
    pub equal: bool,
    pub value: String,
}

impl FieldRequirement {
    /// Whether a field with this text (empty when absent) satisfies it. An absent field also equals `false` and `0`,
    /// which the API server leaves out when it prints an object.
    pub fn holds(&self, have: &str) -> bool {
        let equal = have == self.value || (have.is_empty() && matches!(self.value.as_str(), "false" | "0"));
        equal == self.equal
    }

    pub fn matches(&self, object: &Object) -> bool {
        match at(object.value(), &self.path) {
            None | Some(Value::Null) => self.holds(""),
            Some(Value::String(text)) => self.holds(text),
            Some(Value::Array(_) | Value::Object(_)) => !self.equal,
            Some(scalar) => self.holds(&scalar.to_string()),
        }
    }
}

/// Back in kubectl's form.
impl std::fmt::Display for FieldRequirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.path, if self.equal { "=" } else { "!=" })?;
        self.value.chars().try_for_each(|c| if ",=\\".contains(c) { write!(f, "\\{c}") } else { write!(f, "{c}") })
    }
}

impl FieldSelector {
    /// Parses comparisons with `=`, `==`, `!=`; `\,`, `\=` and `\\` escape inside values.
    ///
    /// # Errors
    /// `Invalid` naming the part that is wrong.
    pub fn parse(text: &str) -> Result<Self, ClusterError> {
        bounded(text)?;
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let requirements = split_unescaped(text)?.into_iter().map(|part| field_requirement(&part));
        Ok(Self { requirements: requirements.collect::<Result<_, _>>()? })
    }

    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    pub fn matches(&self, object: &Object) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(object))
    }
}

/// Parts between unescaped commas, escapes still in place.
fn split_unescaped(text: &str) -> Result<Vec<String>, ClusterError> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for c in text.chars() {
        if c == ',' && !escaped {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
        escaped = c == '\\' && !escaped;
    }
    if escaped {
        return Err(invalid(format!("selector {text:?} ends in a backslash")));
    }
    Ok(parts)
}

fn field_requirement(part: &str) -> Result<FieldRequirement, ClusterError> {
    let part = part.trim();
    let wrong = || invalid(format!("{part:?}: expected `path=value` or `path!=value`"));
    let (path, rest) = part.split_once('=').ok_or_else(wrong)?;
    let (path, equal) = path.strip_suffix('!').map_or((path, true), |path| (path, false));
    let rest = if equal { rest.strip_prefix('=').unwrap_or(rest) } else { rest };
    let path = path.trim();
    let segment_ok =
        |segment: &str| !segment.is_empty() && segment.chars().all(|c| c.is_ascii_alphanumeric() || "-_/".contains(c));
    if !path.split('.').all(segment_ok) {
        return Err(invalid(format!("{path:?} is not a dotted field path")));
    }
    Ok(FieldRequirement { path: path.to_owned(), equal, value: unescape(rest).ok_or_else(wrong)? })
}

/// `None` when an operator is left unescaped or something else is escaped.
fn unescape(text: &str) -> Option<String> {
    let mut value = String::new();
    let mut chars = text.trim().chars();
    while let Some(c) = chars.next() {
        match c {
            '=' => return None,
            '\\' => value.push(chars.next().filter(|next| ",=\\".contains(*next))?),
            _ => value.push(c),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests;
