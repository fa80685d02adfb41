//! Our events against the published documents of the receiver. Those are not part of this package: without them the tests
//! say so and prove nothing.

use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::{Profile, encoded};
use crate::audit::rules;

/// Folder with the published documents.
const FOLDER_VARIABLE: &str = "PUBLISHED_CONTRACTS";
/// Where it lies beside a checkout.
const FOLDER: &str = "../shared/contracts";

/// A published document, or `None` when it is not at hand.
fn document(profile: Profile) -> Option<&'static Value> {
    static DOCUMENTS: [OnceLock<Option<Value>>; 2] = [OnceLock::new(), OnceLock::new()];
    let (slot, name) = match profile {
        Profile::A => (&DOCUMENTS[0], "data-storage-2026-04.yaml"),
        Profile::H => (&DOCUMENTS[1], "data-storage-2026-08.yaml"),
    };
    let read = || {
        let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
        let path = std::env::var_os(FOLDER_VARIABLE).map_or_else(beside, PathBuf::from).join(name);
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("SKIPPED: no {name}; set {FOLDER_VARIABLE} to the folder of the published documents");
            return None;
        };
        Some(serde_saphyr::from_str(&text).unwrap())
    };
    slot.get_or_init(read).as_ref()
}

/// What the published schema has against a request; nothing when it is not at hand.
pub(super) fn refused(profile: Profile, event: &Value) -> Vec<String> {
    let Some(document) = document(profile) else { return Vec::new() };
    let mut schema = Schema { document, wrong: Vec::new() };
    schema.check("", &json!({ "$ref": "#/components/schemas/AuditEventRequest" }), event);
    schema.wrong
}

/// The part of OpenAPI 3.0 the documents use for events; an unknown keyword is an error.
struct Schema<'a> {
    document: &'a Value,
    wrong: Vec<String>,
}

impl Schema<'_> {
    fn check(&mut self, at: &str, schema: &Value, value: &Value) {
        let schema = schema.as_object().unwrap();
        if value.is_null() {
            // Also where no type is given: null is legal only when the schema says so.
            if schema.get("nullable") != Some(&json!(true)) {
                self.add(at, "null");
            }
            return;
        }
        for (keyword, rule) in schema {
            let number = |rule: &Value| rule.as_f64().unwrap();
            let chars = value.as_str().map(|text| text.chars().count() as f64);
            let holds = match keyword.as_str() {
                "type" => is_of(rule.as_str().unwrap(), value),
                "enum" => rule.as_array().unwrap().contains(value),
                "minimum" => value.as_f64().is_none_or(|given| given >= number(rule)),
                "maximum" => value.as_f64().is_none_or(|given| given <= number(rule)),
                "minLength" => chars.is_none_or(|given| given >= number(rule)),
                "maxLength" => chars.is_none_or(|given| given <= number(rule)),
                "required" => {
                    let names = rule.as_array().unwrap();
                    names.iter().all(|name| value.get(name.as_str().unwrap()).is_some())
                }
                "format" => is_formatted(rule.as_str().unwrap(), value),
                "properties" => {
                    self.members(at, schema, value.as_object());
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(&format!("{at}/{index}"), rule, item);
                    }
                    true
                }
                "$ref" => {
                    let target = self.document.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap().clone();
                    self.check(at, &target, value);
                    true
                }
                "oneOf" => {
                    self.discriminated(at, &schema["discriminator"], value);
                    true
                }
                "additionalProperties" | "discriminator" | "nullable" | "description" | "example" | "default" => true,
                unknown => panic!("keyword {unknown} is not checked"),
            };
            if !holds {
                self.add(at, keyword);
            }
        }
    }

    fn members(&mut self, at: &str, schema: &Map<String, Value>, members: Option<&Map<String, Value>>) {
        let rules = schema["properties"].as_object().unwrap();
        let is_closed = schema.get("additionalProperties") == Some(&json!(false));
        for (name, member) in members.into_iter().flatten() {
            match rules.get(name) {
                Some(rule) => self.check(&format!("{at}/{name}"), rule, member),
                None if is_closed => self.add(&format!("{at}/{name}"), "unknown member of a closed object"),
                None => {}
            }
        }
    }

    fn discriminated(&mut self, at: &str, discriminator: &Value, value: &Value) {
        let name = value[discriminator["propertyName"].as_str().unwrap()].as_str().unwrap_or_default();
        match discriminator["mapping"].get(name) {
            Some(target) => self.check(at, &json!({ "$ref": target }), value),
            None => self.add(at, "unknown discriminator"),
        }
    }

    fn add(&mut self, at: &str, what: &str) {
        self.wrong.push(format!("{at}: {what}"));
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        unknown => panic!("type {unknown}"),
    }
}

fn is_formatted(format: &str, value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    match format {
        "date-time" => {
            text.parse::<jiff::Timestamp>().is_ok() && text.starts_with(|start: char| start.is_ascii_digit())
        }
        "uuid" => uuid::Uuid::try_parse(text).is_ok(),
        "float" => true,
        unknown => panic!("format {unknown}"),
    }
}

#[test]
fn every_type_is_as_published() {
    for profile in Profile::ALL {
        for event in encoded(profile) {
            assert_eq!(refused(profile, &event), Vec::<String>::new(), "{profile:?} {}", event["event_type"]);
        }
    }
}

#[test]
fn what_only_the_successor_knows_is_refused_by_april() {
    if document(Profile::A).is_none() {
        return;
    }
    let april: Vec<&str> = Profile::A.event_types().collect();
    for event in encoded(Profile::H) {
        let is_new = !april.contains(&event["event_type"].as_str().unwrap());
        // Closed objects and the severities differ too.
        let differs = event["event_type"] == "aiagent.response.complete";
        assert_eq!(!refused(Profile::A, &event).is_empty(), is_new || differs, "{}", event["event_type"]);
    }
}

/// What breaks a rule here breaks it there, and the other way round.
#[test]
fn our_rules_are_the_published_ones() {
    if document(Profile::A).is_none() {
        return;
    }
    let null_is_legal = ["namespace", "duration_ms", "detected_labels_summary", "failed_detections", "isActionable"];
    for profile in Profile::ALL {
        for event in encoded(profile) {
            for pointer in pointers("", &event) {
                let name = pointer.rsplit('/').next().unwrap();
                for (what, damage) in [("null", Value::Null), ("list", json!([[]])), ("text", json!("\u{1F600}"))] {
                    let mut damaged = event.clone();
                    *damaged.pointer_mut(&pointer).unwrap() = damage;
                    let ours = rules::check(&damaged, profile).is_err();
                    let theirs = !refused(profile, &damaged).is_empty();
                    // The outer type is compared with the payload's here only.
                    let stricter = pointer == "/event_type" || pointer == "/event_category" || theirs;
                    assert_eq!(ours, stricter, "{profile:?} {} {pointer} {what}", event["event_type"]);
                    if what == "null" && null_is_legal.contains(&name) && pointer.matches('/').count() <= 3 {
                        assert!(!ours, "{pointer}");
                    }
                }
            }
        }
    }
}

/// Every value with a rule of its own.
fn pointers(at: &str, value: &Value) -> Vec<String> {
    let free = ["tool_arguments", "tool_result", "parameters", "detected_labels_summary"];
    let Some(members) = value.as_object() else { return Vec::new() };
    let mut found = Vec::new();
    for (name, member) in members {
        let pointer = format!("{at}/{name}");
        if !free.contains(&name.as_str()) {
            found.extend(pointers(&pointer, member));
        }
        found.push(pointer);
    }
    found
}
