//! The rules themselves, the examples of the specification, and the repair of what was refused.

use serde_json::{Value, json};

use super::samples::{catalogue, incident};
use super::{Profile, encode, encoded};
use crate::audit::response;
use crate::audit::rules::{check, minimal};
use crate::audit::{AuditEvent, Payload};

/// The examples of audit §1.8, which both generations take.
const EXAMPLES: &str = include_str!("examples.json");

fn with(event_type: &str, members: &Value) -> Value {
    let mut event: Value = serde_json::from_str::<Value>(EXAMPLES).unwrap()["request"].clone();
    let mut data = json!({ "event_type": event_type, "event_id": "e-1", "incident_id": "inc-42" });
    data.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    event["event_type"] = json!(event_type);
    event["event_data"] = data;
    event
}

#[test]
fn the_examples_of_the_specification_are_valid_in_both_profiles() {
    let examples: Value = serde_json::from_str(EXAMPLES).unwrap();
    for profile in Profile::ALL {
        assert_eq!(check(&examples["request"], profile), Ok(()));
        for (event_type, members) in examples["payloads"].as_object().unwrap() {
            for one in members.as_array().unwrap() {
                let event = with(event_type, one);
                assert_eq!(check(&event, profile), Ok(()), "{event_type}");
                assert_eq!(super::published::refused(profile, &event), Vec::<String>::new(), "{event_type}");
            }
        }
    }
}

#[test]
fn broken_rules_are_named() {
    type Break = fn(&mut Value);
    let sample =
        encoded(Profile::A).into_iter().find(|event| event["event_type"] == "aiagent.response.complete").unwrap();
    let rows: &[(Break, &str)] = &[
        (
            |event| event["event_data"]["event_type"] = json!("aiagent.session.started"),
            "/event_data/event_type: unknown type of event",
        ),
        (|event| event["event_type"] = json!("aiagent.llm.request"), "/event_type: differs from the payload's"),
        (|event| event["event_timestamp"] = json!("2026-04-07 10:15:31Z"), "/event_timestamp: not a time with zone"),
        (|event| event["event_timestamp"] = json!("2026-04-07T10:15:31"), "/event_timestamp: not a time with zone"),
        (|event| event["event_timestamp"] = json!("2026-04-07T10:15:31z"), "/event_timestamp: not a time with zone"),
        (|event| event["correlation_id"] = json!(""), "/correlation_id: not a text of the demanded length"),
        (|event| event["correlation_id"] = json!("a\u{0}"), "/correlation_id: contains U+0000"),
        (|event| event["version"] = json!("1.0.0-preview"), "/version: not a text of the demanded length"),
        (|event| event["duration_ms"] = json!(1.5), "/duration_ms: not a whole number within its bounds"),
        (|event| event["duration_ms"] = json!(1_u64 << 31), "/duration_ms: not a whole number within its bounds"),
        (
            |event| event["event_data"]["total_prompt_tokens"] = json!(-1),
            "/event_data/total_prompt_tokens: not a whole number within its bounds",
        ),
        (
            |event| event["event_data"]["response_data"]["confidence"] = json!(1.01),
            "/event_data/response_data/confidence: not a number within its bounds",
        ),
        (
            |event| event["event_data"]["response_data"]["rootCauseAnalysis"]["severity"] = json!("warning"),
            "/event_data/response_data/rootCauseAnalysis/severity: not one of the known words",
        ),
        (
            |event| event["event_data"]["response_data"]["rootCauseAnalysis"]["target"] = json!({}),
            "/event_data/response_data/rootCauseAnalysis: has a member the closed schema does not know",
        ),
        (
            |event| event["event_data"]["response_data"]["selectedWorkflow"] = Value::Null,
            "/event_data/response_data/selectedWorkflow: not an object",
        ),
        (
            |event| event["event_data"]["response_data"]["humanReviewReason"] = json!("bored"),
            "/event_data/response_data/humanReviewReason: not one of the known words",
        ),
        (
            |event| event["event_data"]["response_data"]["selectedWorkflow"]["parameters"]["n"] = json!(1_u64 << 60),
            "/event_data/response_data: an integer beyond 2^53",
        ),
        (
            |event| event["event_data"]["response_data"]["analysis"] = json!("a".repeat(300_000)),
            "/event_data: larger than 256 KiB",
        ),
    ];
    for (damage, expected) in rows {
        let mut event = sample.clone();
        damage(&mut event);
        let told: Vec<String> = check(&event, Profile::A).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(told, [*expected]);
    }
    let mut deep = json!("bottom");
    for _ in 0..12 {
        deep = json!([deep]);
    }
    let event = with("aiagent.llm.tool_call", &json!({ "tool_call_index": 0, "tool_name": "t", "tool_result": deep }));
    assert_eq!(check(&event, Profile::A).unwrap_err()[0].problem, "deeper than ten levels");
    assert!(check(&json!([]), Profile::A).is_err());
}

#[test]
fn a_reason_the_receiver_does_not_know_is_told_in_a_warning() {
    assert_eq!(response::listed("low_confidence", Profile::A), ("low_confidence", None));
    assert_eq!(response::listed("alignment_check_failed", Profile::H), ("alignment_check_failed", None));
    let told = Some("human review reason: alignment_check_failed".to_owned());
    assert_eq!(response::listed("alignment_check_failed", Profile::A), ("investigation_inconclusive", told));
}

#[test]
fn the_least_form_keeps_identity_and_cause() {
    for profile in Profile::ALL {
        for event in encoded(profile) {
            let least = minimal(&event.to_string(), profile);
            let least: Value = serde_json::from_str(&least.unwrap()).unwrap();
            assert_eq!(check(&least, profile), Ok(()));
            assert_eq!(least["event_data"]["event_id"], event["event_data"]["event_id"]);
            assert_eq!(minimal(&least.to_string(), profile), None, "there is nothing less");
        }
    }
    let mut refused =
        encoded(Profile::A).into_iter().find(|event| event["event_type"] == "aiagent.response.complete").unwrap();
    let data = &mut refused["event_data"]["response_data"];
    data["rootCauseAnalysis"] =
        json!({ "summary": "s", "severity": "apocalyptic", "contributingFactors": null, "more": 1 });
    data["confidence"] = json!(7);
    data["timestamp"] = json!("yesterday");
    refused["correlation_id"] = json!("x\u{0}y");
    let least: Value = serde_json::from_str(&minimal(&refused.to_string(), Profile::A).unwrap()).unwrap();
    insta::assert_json_snapshot!(least);
}

#[test]
fn nothing_is_made_of_nothing() {
    for body in ["", "null", "{}", r#"{"event_data":{}}"#, r#"{"event_data":{"event_type":"aiagent.session.started"}}"#]
    {
        assert_eq!(minimal(body, Profile::A), None, "{body}");
    }
}

#[test]
fn every_event_of_the_acceptance_list_is_valid() {
    let mut deep = json!("bottom");
    for _ in 0..30 {
        deep = json!({ "deeper": deep });
    }
    let results = [json!("nul \u{0}"), json!("x".repeat(1 << 20)), deep, json!({ "n": 1_u64 << 60 }), Value::Null];
    let nameless = crate::domain::Incident { remediation_id: String::new(), ..incident() };
    for (result, profile) in
        results.into_iter().flat_map(|result| Profile::ALL.map(|profile| (result.clone(), profile)))
    {
        let payload = Payload::ToolCall {
            index: 0,
            tool: "t".to_owned(),
            arguments: json!({ "again": result }).as_object().cloned().unwrap(),
            result,
            failed: false,
        };
        let event = encode(&AuditEvent::new(&nameless, payload), profile);
        assert_eq!(check(&event, profile), Ok(()));
        assert_eq!(event["correlation_id"], json!("unknown"));
    }
    for event in catalogue() {
        let mut event = event;
        event.subject.correlation_id = String::new();
        assert_eq!(encode(&event, Profile::H)["correlation_id"], json!("unknown"));
    }
}
