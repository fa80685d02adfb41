//! Arguments as a model writes them: read tolerantly, repaired narrowly, checked against the tool's schema
//! (investigation §2.3). Pure.

use serde_json::{Map, Value};

use crate::catalogue::parameters::integral;
use crate::domain::object::kind_of;

/// Members a model may send; more is not read.
const MEMBERS_MAX: usize = 64;

/// Arguments that fit the schema, and what had to be changed or ignored.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checked {
    pub arguments: Map<String, Value>,
    pub notes: Vec<String>,
}

/// Reads the argument text. Strict JSON first; then the repairs that cannot change a meaning: no text, a surrounding code
/// fence, JSON inside a JSON string, trailing commas.
///
/// # Errors
/// What is wrong and where, for the model.
pub fn parse(raw: &str) -> Result<Map<String, Value>, String> {
    const UNWRAPS_MAX: usize = 2;
    let mut text = without_fence(raw.trim()).to_owned();
    for _ in 0..=UNWRAPS_MAX {
        if text.is_empty() {
            return Ok(Map::new());
        }
        let value = match serde_json::from_str(&text) {
            Ok(value) => value,
            Err(error) => serde_json::from_str(&without_trailing_commas(&text)).map_err(|_| error.to_string())?,
        };
        match value {
            Value::Object(members) => return Ok(members),
            Value::Null => return Ok(Map::new()),
            Value::String(inner) => inner.trim().clone_into(&mut text),
            other => return Err(format!("expected a JSON object, got {}", kind_of(&other))),
        }
    }
    Err("expected a JSON object, got text inside text inside text".to_owned())
}

fn without_fence(text: &str) -> &str {
    let Some(inner) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) else { return text };
    let inner = inner.strip_prefix("json").or_else(|| inner.strip_prefix("JSON")).unwrap_or(inner);
    inner.trim()
}

/// Commas directly before a closing bracket, outside of strings.
pub fn without_trailing_commas(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    let mut comma: Option<usize> = None;
    for letter in text.chars() {
        if in_string {
            in_string = escaped || letter != '"';
            escaped = letter == '\\' && !escaped;
        } else {
            match letter {
                '"' => (in_string, comma) = (true, None),
                ',' => comma = Some(kept.len()),
                '}' | ']' => {
                    if let Some(at) = comma.take() {
                        kept.remove(at);
                    }
                }
                letter if letter.is_whitespace() => {}
                _ => comma = None,
            }
        }
        kept.push(letter);
    }
    kept
}

/// Holds arguments against an object schema: required members, types (numbers and truth values in text are converted),
/// enumerations, bounds. Unknown members are left out and noted.
///
/// # Errors
/// Every rule that is broken, in one text.
pub fn check(schema: &Value, arguments: &Map<String, Value>) -> Result<Checked, String> {
    let mut checked = Checked::default();
    let mut wrong = Vec::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, given) in arguments.iter().take(MEMBERS_MAX) {
        let Some(rule) = properties.and_then(|properties| properties.get(name)) else {
            let shown: String = name.chars().take(60).collect();
            checked.notes.push(format!("argument {shown:?} is not known and was ignored"));
            continue;
        };
        if given.is_null() && !allows(rule, "null") {
            continue;
        }
        match converted(rule, given) {
            Ok(value) => _ = checked.arguments.insert(name.clone(), value),
            Err(problem) => wrong.push(format!("{name}: {problem}")),
        }
    }
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        let is_wrong = wrong.iter().any(|problem| problem.starts_with(&format!("{name}: ")));
        match checked.arguments.get(name) {
            Some(Value::String(text)) if text.trim().is_empty() => wrong.push(format!("{name}: must not be blank")),
            None if !is_wrong => wrong.push(format!("{name}: is required")),
            _ => {}
        }
    }
    if wrong.is_empty() { Ok(checked) } else { Err(wrong.join("; ")) }
}

fn allows(rule: &Value, kind: &str) -> bool {
    match rule.get("type") {
        None => true,
        Some(Value::String(only)) => only == kind,
        Some(Value::Array(several)) => several.iter().any(|one| one == kind),
        Some(_) => false,
    }
}

fn converted(rule: &Value, given: &Value) -> Result<Value, String> {
    let value = of_allowed_type(rule, given)?;
    if let Some(allowed) = rule.get("enum").and_then(Value::as_array)
        && !allowed.contains(&value)
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        return Err(format!("must be one of {}", allowed.join(", ")));
    }
    if let Some(number) = value.as_f64() {
        for (bound, is_broken) in [("minimum", f64::lt as fn(&f64, &f64) -> bool), ("maximum", f64::gt)] {
            if let Some(limit) = rule.get(bound).and_then(Value::as_f64).filter(|limit| is_broken(&number, limit)) {
                return Err(format!("{bound} is {limit}"));
            }
        }
    }
    Ok(value)
}

fn of_allowed_type(rule: &Value, given: &Value) -> Result<Value, String> {
    let kinds: Vec<&str> = match rule.get("type") {
        None => return Ok(given.clone()),
        Some(Value::String(only)) => vec![only],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        Some(_) => Vec::new(),
    };
    let found = kinds.iter().find_map(|kind| as_kind(kind, rule, given));
    found.ok_or_else(|| format!("must be {}, not {}", kinds.join(" or "), kind_of(given)))
}

/// The value in this type, when nothing is lost by it.
fn as_kind(kind: &str, rule: &Value, given: &Value) -> Option<Value> {
    let text = given.as_str().map(str::trim);
    match kind {
        "string" => match given {
            Value::String(_) => Some(given.clone()),
            Value::Number(_) | Value::Bool(_) => Some(Value::String(given.to_string())),
            _ => None,
        },
        "integer" => integral(given).or_else(|| text?.parse::<i64>().ok()).map(Value::from),
        "number" => given.as_f64().or_else(|| text?.parse::<f64>().ok().filter(|n| n.is_finite())).map(Value::from),
        "boolean" => match (given, text) {
            (Value::Bool(_), _) => Some(given.clone()),
            (_, Some("true" | "True")) => Some(Value::Bool(true)),
            (_, Some("false" | "False")) => Some(Value::Bool(false)),
            _ => None,
        },
        "array" => {
            let item =
                |value: &Value| rule.get("items").map_or_else(|| Ok(value.clone()), |rule| converted(rule, value));
            match given {
                Value::Array(items) => items.iter().map(item).collect::<Result<_, _>>().ok().map(Value::Array),
                Value::String(_) => item(given).ok().map(|one| Value::Array(vec![one])),
                _ => None,
            }
        }
        "object" => given.as_object().map(|_| given.clone()),
        "null" => given.is_null().then_some(Value::Null),
        _ => Some(given.clone()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn repairs_do_not_change_a_meaning() {
        for (raw, expected) in [
            ("", json!({})),
            ("  null ", json!({})),
            (r#"{"a": 1}"#, json!({"a": 1})),
            ("```json\n{\"a\": 1}\n```", json!({"a": 1})),
            (r#""{\"a\": 1}""#, json!({"a": 1})),
            (r#"{"a": [1, 2, ], "b": ", }", }"#, json!({"a": [1, 2], "b": ", }"})),
        ] {
            assert_eq!(parse(raw).map(Value::Object), Ok(expected), "{raw}");
        }
    }

    #[test]
    fn what_is_no_object_is_told() {
        for (raw, part) in
            [("[1]", "got a list"), ("{\"a\": ", "EOF"), ("{a: 1}", "line 1 column 2"), ("7", "a number")]
        {
            let error = parse(raw).unwrap_err();
            assert!(error.contains(part), "{raw}: {error}");
        }
    }

    fn schema() -> Value {
        json!({"type": "object", "required": ["kind", "name"], "properties": {
            "kind": {"type": "string"}, "name": {"type": "string"}, "namespace": {"type": ["string", "null"]},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100}, "previous": {"type": "boolean"},
            "mode": {"type": "string", "enum": ["a", "b"]}, "filter": {"type": "array", "items": {"type": "string"}},
        }})
    }

    fn checked(given: Value) -> Result<Checked, String> {
        check(&schema(), given.as_object().unwrap())
    }

    #[test]
    fn texts_become_numbers_and_truth_values_and_strangers_are_noted() {
        let given = json!({"kind": "Pod", "name": 7, "limit": "20", "previous": "true", "filter": "x", "shell": "rm"});
        let Checked { arguments, notes } = checked(given).unwrap();
        let expected = json!({"kind": "Pod", "name": "7", "limit": 20, "previous": true, "filter": ["x"]});
        assert_eq!(Value::Object(arguments), expected);
        assert_eq!(notes, ["argument \"shell\" is not known and was ignored"]);
    }

    #[test]
    fn every_broken_rule_is_told_at_once() {
        for (given, expected) in [
            (json!({}), "kind: is required; name: is required"),
            (json!({"kind": " ", "name": "x"}), "kind: must not be blank"),
            (json!({"kind": ["Pod"], "name": "x"}), "kind: must be string, not a list"),
            (json!({"kind": "Pod", "name": "x", "limit": 500}), "limit: maximum is 100"),
            (json!({"kind": "Pod", "name": "x", "limit": 0.5}), "limit: must be integer, not a number"),
            (json!({"kind": "Pod", "name": "x", "mode": "c"}), "mode: must be one of \"a\", \"b\""),
        ] {
            assert_eq!(checked(given), Err(expected.to_owned()));
        }
        assert!(checked(json!({"kind": "Pod", "name": "x", "namespace": null, "limit": null})).is_ok());
    }

    proptest! {
        #[test]
        fn nothing_panics(raw in ".{0,80}") {
            let _ = parse(&raw).map(|arguments| check(&schema(), &arguments));
            let _ = without_trailing_commas(&raw);
        }

        #[test]
        fn valid_objects_are_read_as_they_are(a in "[a-z,}\\] \"\\\\]{0,12}", n in any::<i32>()) {
            let value = json!({"a": a, "n": [n, {"b": a}]});
            prop_assert_eq!(parse(&value.to_string()).map(Value::Object), Ok(value));
        }
    }
}
