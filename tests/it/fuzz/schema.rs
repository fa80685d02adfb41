//! A strict validator over the part of JSON Schema the API document uses: an unknown keyword or member is an error.

use serde_json::{Map, Value};

/// One schema of `openapi/openapi.json`.
pub(super) struct Schema {
    schemas: Value,
    root: Value,
}

impl Schema {
    pub(super) fn of(name: &str) -> Self {
        let text = std::fs::read(crate::process::root().join("openapi/openapi.json")).unwrap();
        let document: Value = serde_json::from_slice(&text).unwrap();
        let schemas = document["components"]["schemas"].clone();
        Self { root: schemas[name].clone(), schemas }
    }

    /// Every rule the value breaks.
    pub(super) fn broken(&self, value: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        self.check("", &self.root, value, &mut wrong);
        wrong
    }

    fn check(&self, place: &str, schema: &Value, value: &Value, wrong: &mut Vec<String>) {
        let schema = schema.as_object().unwrap();
        for (keyword, rule) in schema {
            let holds = match keyword.as_str() {
                "type" => types(rule).any(|kind| is_of(kind, value)),
                "enum" => rule.as_array().unwrap().contains(value),
                "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
                "maximum" => value.as_f64().is_none_or(|number| number <= rule.as_f64().unwrap()),
                "required" => value.as_object().is_none_or(|members| {
                    rule.as_array().unwrap().iter().all(|name| members.contains_key(name.as_str().unwrap()))
                }),
                "oneOf" => rule.as_array().unwrap().iter().filter(|one| self.fits(one, value)).count() == 1,
                "$ref" => {
                    let name = rule.as_str().unwrap().rsplit('/').next().unwrap();
                    self.check(place, &self.schemas[name], value, wrong);
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(&format!("{place}/{index}"), rule, item, wrong);
                    }
                    true
                }
                "properties" => {
                    self.members(place, schema, value, wrong);
                    true
                }
                "additionalProperties" | "propertyNames" | "format" | "description" | "default" => true,
                unknown => panic!("keyword {unknown} is not checked"),
            };
            if !holds {
                let shown: String = value.to_string().chars().take(80).collect();
                wrong.push(format!("{place}: {keyword} {rule} does not hold for {shown}"));
            }
        }
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut wrong = Vec::new();
        self.check("", schema, value, &mut wrong);
        wrong.is_empty()
    }

    fn members(&self, place: &str, schema: &Map<String, Value>, value: &Value, wrong: &mut Vec<String>) {
        for (name, member) in value.as_object().into_iter().flatten() {
            match schema["properties"].get(name) {
                Some(rule) => self.check(&format!("{place}/{name}"), rule, member, wrong),
                None => wrong.push(format!("{place}/{name} is not in the schema")),
            }
        }
    }
}

fn types(rule: &Value) -> impl Iterator<Item = &str> {
    let single = rule.as_str();
    single.into_iter().chain(rule.as_array().into_iter().flatten().map(|kind| kind.as_str().unwrap()))
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("type {unknown} is not checked"),
    }
}

#[test]
fn the_validator_refuses_what_is_wrong() {
    let schema = Schema::of("IncidentResponse");
    let good = serde_json::json!({"incident_id": "i", "analysis": "a", "root_cause_analysis": {"x": 1}, "confidence": 0.5,
        "timestamp": "t", "needs_human_review": true, "human_review_reason": "rca_incomplete", "warnings": ["w"],
        "validation_attempts_history": [{"attempt": 1, "is_valid": true, "timestamp": "t"}]});
    assert_eq!(schema.broken(&good), Vec::<String>::new());
    for (place, value) in [
        ("/confidence", serde_json::json!(1.5)),
        ("/confidence", serde_json::json!("1")),
        ("/analysis", Value::Null),
        ("/human_review_reason", serde_json::json!("because")),
        ("/warnings/0", serde_json::json!(1)),
        ("/validation_attempts_history/0/attempt", serde_json::json!(0)),
        ("/validation_attempts_history/0", serde_json::json!({"attempt": 1})),
        ("/root_cause_analysis", serde_json::json!([])),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = value.clone();
        assert!(!schema.broken(&bad).is_empty(), "{place} = {value}");
    }
    let mut more = good;
    more["surprise"] = Value::Null;
    assert!(!schema.broken(&more).is_empty());
}
