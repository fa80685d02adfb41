//! Parameters a workflow declares, and the values bound to them (investigation §6.2). Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longest text of a value, in characters: values end up in templates.
const VALUE_CHARS_MAX: usize = 4_096;
/// Characters of a value repeated in an error.
const SHOWN_CHARS_MAX: usize = 200;
/// Longest pattern tried, in characters.
const PATTERN_CHARS_MAX: usize = 1_024;
/// The service sets these itself.
pub const MANAGED_PREFIX: &str = "TARGET_RESOURCE_";

/// A declared parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    pub name: String,
    /// `string`, `integer`, `float`, `boolean` or `array`; others are accepted and not checked.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub description: String,
    pub default: Option<Value>,
    #[serde(rename = "enum", default)]
    pub allowed: Vec<Value>,
    pub pattern: Option<String>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    #[serde(default)]
    pub depends_on: Vec<String>,
}

impl Parameter {
    /// True for names whose values only the service knows.
    pub fn is_managed(&self) -> bool {
        self.name.starts_with(MANAGED_PREFIX)
    }

    /// The value in the declared type, when it keeps every rule.
    ///
    /// # Errors
    /// The rule that is broken, with the value and what is allowed.
    pub fn check(&self, given: &Value) -> Result<Value, String> {
        let value = self.converted(given)?;
        self.check_text(&value)?;
        if let Some(number) = value.as_f64() {
            let outside = |bound: &str, limit: f64| format!("{}: {number} is {bound} {limit}", self.name);
            if let Some(minimum) = self.minimum.filter(|minimum| number < *minimum) {
                return Err(outside("below the minimum", minimum));
            }
            if let Some(maximum) = self.maximum.filter(|maximum| number > *maximum) {
                return Err(outside("above the maximum", maximum));
            }
        }
        if !self.allowed.is_empty() && !self.allowed.iter().any(|allowed| plain(allowed) == plain(&value)) {
            let allowed: Vec<String> = self.allowed.iter().map(plain).collect();
            return Err(format!("{}: {:?} is not one of {}", self.name, shown(&plain(&value)), allowed.join(", ")));
        }
        Ok(value)
    }

    fn converted(&self, given: &Value) -> Result<Value, String> {
        let text = given.as_str().map(str::trim);
        let converted = match self.kind.as_str() {
            "string" => match given {
                Value::String(_) => Some(given.clone()),
                Value::Number(_) | Value::Bool(_) => Some(Value::String(given.to_string())),
                _ => None,
            },
            "integer" => text.and_then(|text| text.parse::<i64>().ok()).or_else(|| integral(given)).map(Value::from),
            "float" => text.and_then(|text| text.parse::<f64>().ok()).or_else(|| given.as_f64()).map(Value::from),
            "boolean" => match (given, text) {
                (Value::Bool(_), _) => Some(given.clone()),
                (_, Some("true")) => Some(Value::Bool(true)),
                (_, Some("false")) => Some(Value::Bool(false)),
                _ => None,
            },
            "array" => match (given, text) {
                (Value::Array(_), _) => Some(given.clone()),
                (_, Some(text)) => Some(text.split(',').map(|item| Value::from(item.trim())).collect()),
                _ => None,
            },
            _ => Some(given.clone()),
        };
        converted.ok_or_else(|| format!("{}: expected {}, got {}", self.name, self.kind, shown(&given.to_string())))
    }

    fn check_text(&self, value: &Value) -> Result<(), String> {
        if plain(value).chars().count() > VALUE_CHARS_MAX || has_control(value) {
            return Err(format!("{}: longer than {VALUE_CHARS_MAX} characters, or with control characters", self.name));
        }
        let Some(text) = value.as_str() else { return Ok(()) };
        let pattern = self.pattern.as_deref().filter(|pattern| pattern.chars().count() <= PATTERN_CHARS_MAX);
        let expression = pattern.and_then(|pattern| regex::Regex::new(pattern).ok());
        match expression {
            Some(expression) if !expression.is_match(text) => {
                Err(format!("{}: {:?} does not match {}", self.name, shown(text), expression.as_str()))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a text in the value, at any depth, has control characters.
fn has_control(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().any(char::is_control),
        Value::Array(items) => items.iter().any(has_control),
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.chars().any(char::is_control) || has_control(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The beginning of a value, for an error: errors are repeated to the model and kept in the result.
fn shown(text: &str) -> &str {
    text.char_indices().nth(SHOWN_CHARS_MAX).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// A whole number, also one written like `5.0`, as long as it is exact.
#[expect(clippy::cast_possible_truncation, reason = "checked to be integral and in range")]
pub fn integral(value: &Value) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() <= EXACT_MAX)?;
        Some(number as i64)
    })
}

/// A value as the executor gets it: text bare, everything else as JSON.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Values that keep the schema's rules, and what does not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bound {
    pub values: Map<String, Value>,
    pub errors: Vec<String>,
}

/// Takes for each declared parameter the given value, else its default. Undeclared values are left out; managed names are
/// not looked at.
pub fn bind(declared: &[Parameter], given: &Map<String, Value>) -> Bound {
    let mut bound = Bound::default();
    for parameter in declared.iter().filter(|parameter| !parameter.is_managed()) {
        let given = given.get(&parameter.name).filter(|value| !value.is_null());
        match given.or(parameter.default.as_ref()) {
            Some(value) => match parameter.check(value) {
                Ok(value) => _ = bound.values.insert(parameter.name.clone(), value),
                Err(error) => bound.errors.push(error),
            },
            None if parameter.required => bound.errors.push(format!("{}: required and not known", parameter.name)),
            None => {}
        }
    }
    for parameter in declared.iter().filter(|parameter| bound.values.contains_key(&parameter.name)) {
        let missing = parameter.depends_on.iter().filter(|needed| !bound.values.contains_key(*needed));
        let errors = missing.map(|needed| format!("{}: needs {needed}, which is absent", parameter.name));
        bound.errors.extend(errors.collect::<Vec<_>>());
    }
    bound
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameter(rest: Value) -> Parameter {
        let mut whole = json!({"name": "SIZE", "type": "string", "required": true, "description": ""});
        whole.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn values_are_converted_to_the_declared_type() {
        let cases = [
            ("string", json!(3), Ok(json!("3"))),
            ("string", json!(["a"]), Err(())),
            ("integer", json!("12"), Ok(json!(12))),
            ("integer", json!(5.0), Ok(json!(5))),
            ("integer", json!(5.5), Err(())),
            ("float", json!("0.5"), Ok(json!(0.5))),
            ("boolean", json!("true"), Ok(json!(true))),
            ("boolean", json!("yes"), Err(())),
            ("array", json!("a, b"), Ok(json!(["a", "b"]))),
            ("duration", json!({"x": 1}), Ok(json!({"x": 1}))),
        ];
        for (kind, given, expected) in cases {
            let outcome = parameter(json!({"type": kind})).check(&given);
            assert_eq!(outcome.map_err(|_| ()), expected, "{kind} {given}");
        }
    }

    #[test]
    fn broken_rules_are_named_with_value_and_bound() {
        let cases = [
            (json!({"type": "integer", "minimum": 2}), json!(1), "below the minimum 2"),
            (json!({"type": "integer", "maximum": 5}), json!(6), "above the maximum 5"),
            (json!({"enum": ["a", "b"]}), json!("c"), "not one of a, b"),
            (json!({"pattern": "^[0-9]+Mi$"}), json!("1Gi"), "does not match"),
            (json!({}), json!("a\nb"), "control characters"),
            (json!({"type": "array"}), json!(["a", ["b\u{1b}"]]), "control characters"),
            (json!({"type": "array"}), json!(["a".repeat(5_000)]), "longer than 4096"),
            (json!({"type": "duration"}), json!({"a\u{0}": 1}), "control characters"),
        ];
        for (rule, given, expected) in cases {
            let error = parameter(rule).check(&given).unwrap_err();
            assert!(error.starts_with("SIZE: ") && error.contains(expected), "{error}");
        }
        for (rule, given) in [
            (json!({"type": "integer"}), json!(["x".repeat(1 << 20)])),
            (json!({"enum": ["a"]}), json!("x".repeat(4_000))),
            (json!({"pattern": "^a$"}), json!("x".repeat(4_000))),
        ] {
            assert!(parameter(rule).check(&given).unwrap_err().len() < 400, "errors stay short");
        }
        assert_eq!(
            parameter(json!({"pattern": "("})).check(&json!("x")),
            Ok(json!("x")),
            "a broken pattern is skipped"
        );
    }

    #[test]
    fn defaults_fill_in_and_the_rest_is_told() {
        let declared = [
            parameter(json!({"name": "A", "default": "x"})),
            parameter(json!({"name": "B"})),
            parameter(json!({"name": "C", "required": false, "dependsOn": ["D"]})),
            parameter(json!({"name": "TARGET_RESOURCE_NAME"})),
        ];
        let given = json!({"C": "c", "UNDECLARED": 1, "B": null});
        let bound = bind(&declared, given.as_object().unwrap());
        assert_eq!(Value::Object(bound.values), json!({"A": "x", "C": "c"}));
        assert_eq!(bound.errors, ["B: required and not known", "C: needs D, which is absent"]);
    }
}
