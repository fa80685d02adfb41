//! Events as they are kept: the catalogue, content rules, order.

mod properties;
mod published;
mod repair;
mod samples;

use std::time::Duration;

use samples::{catalogue, incident, investigation};
use serde_json::{Map, Value, json};

use super::profile::EventType;
use super::*;
use crate::domain::{Incident, ResourceRef, ReviewReason};
use crate::store::{Access, AuditQuery, StoreLocation, StoredEvent};

fn encode(event: &AuditEvent, profile: Profile) -> Value {
    let data = to_raw_value(&envelope::event_data(event, Uuid::nil(), profile)).unwrap();
    let timestamp = "2026-04-07T10:15:31.000002Z".parse().unwrap();
    serde_json::from_str(&envelope::body(event, timestamp, &data, profile).unwrap()).unwrap()
}

/// One event of every type the profile has.
fn encoded(profile: Profile) -> Vec<Value> {
    let events = catalogue();
    events.iter().filter(|event| event.payload.kind().exists_in(profile)).map(|event| encode(event, profile)).collect()
}

#[test]
fn the_april_catalogue_as_json() {
    insta::assert_json_snapshot!(encoded(Profile::A));
}

#[test]
fn the_successor_catalogue_as_json() {
    insta::assert_json_snapshot!(encoded(Profile::H));
}

#[test]
fn every_type_has_a_sample_and_a_name_of_its_own() {
    let kinds: Vec<EventType> = catalogue().iter().map(|event| event.payload.kind()).collect();
    for kind in EventType::ALL {
        assert_eq!(kinds.iter().filter(|sample| **sample == kind).count(), 1, "{kind:?}");
        assert_eq!(EventType::parse(kind.name()), Some(kind));
    }
    assert_eq!(Profile::A.event_types().count(), 8, "against `a` no other type may be sent");
    assert_eq!(Profile::H.event_types().count(), 16);
    assert_eq!(EventType::parse("aiagent.conversation.turn"), None);
}

#[test]
fn outcomes() {
    let tool = |failed| Payload::ToolCall {
        index: 0,
        tool: String::new(),
        arguments: Map::new(),
        result: Value::Null,
        failed,
    };
    let attempt = |is_valid, is_final| Payload::ValidationAttempt {
        attempt: 1,
        attempts_max: 3,
        is_valid,
        errors: Vec::new(),
        workflow_id: None,
        workflow_name: None,
        review_reason: None,
        is_final,
    };
    let answer = |text: &str, tool_call_count| Payload::LlmResponse {
        analysis: text.to_owned(),
        tokens_used: None,
        tool_call_count,
    };
    for (payload, outcome) in [
        (tool(false), "success"),
        (tool(true), "failure"),
        (attempt(true, true), "success"),
        (attempt(false, true), "failure"),
        (attempt(false, false), "pending"),
        (answer("text", 0), "success"),
        (answer("", 1), "success"),
        (answer("", 0), "failure"),
    ] {
        assert_eq!(payload.outcome(), outcome, "{payload:?}");
    }
}

#[test]
fn previews_count_characters() {
    let text = "ü".repeat(501);
    let excerpt = Excerpt::of(&text);
    assert_eq!((excerpt.chars, excerpt.preview.chars().count()), (501, 503));
    assert!(excerpt.preview.ends_with("ü..."));
    assert_eq!(Excerpt::of(&"ü".repeat(500)).preview, "ü".repeat(500));
}

#[test]
fn a_blank_remediation_id_is_unknown() {
    let nameless = Incident { remediation_id: "  ".to_owned(), ..incident() };
    assert_eq!(AuditSubject::of(&nameless).correlation_id, "unknown");
}

#[test]
fn long_names_are_clipped() {
    let resource = ResourceRef::namespaced("K".repeat(300), "n".repeat(300), "r".repeat(300));
    let long = Incident { remediation_id: "ü".repeat(300), incident_id: "i".repeat(300), resource, ..incident() };
    let payload = Payload::ResponseFailed { error_message: "e".repeat(5_000), phase: "rca" };
    let event = AuditEvent::new(&long, payload).took(Duration::from_secs(60 * 24 * 60 * 60));
    let event = encode(&event, Profile::A);
    let chars = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(|text| text.chars().count());
    assert_eq!(chars("/correlation_id"), Some(255));
    assert_eq!(chars("/resource_id"), Some(255));
    assert_eq!(chars("/namespace"), Some(253));
    assert_eq!(chars("/event_data/incident_id"), Some(255));
    assert_eq!(chars("/event_data/error_message"), Some(2_048));
    assert_eq!(event["duration_ms"], json!(i32::MAX), "the receiver's column has 32 bits");
}

fn tool_result(result: Value) -> Map<String, Value> {
    let payload = Payload::ToolCall { index: 0, tool: "t".to_owned(), arguments: Map::new(), result, failed: false };
    envelope::event_data(&AuditEvent::new(&incident(), payload), Uuid::nil(), Profile::A)
}

#[test]
fn content_the_receiver_cannot_hold_is_replaced() {
    assert_eq!(tool_result(Value::Null)["tool_result"], json!(""));
    assert_eq!(tool_result(json!("a\u{0}b"))["tool_result"], json!("a\u{FFFD}b"));
    assert_eq!(tool_result(json!({ "k\u{0}": 1 }))["tool_result"], json!({ "k\u{FFFD}": 1 }));
    assert_eq!(
        tool_result(json!([1_u64 << 60, -(1_i64 << 60), 1_u64 << 53]))["tool_result"],
        json!(["1152921504606846976", "-1152921504606846976", 9_007_199_254_740_992_u64])
    );
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[test]
fn deep_and_large_content_is_folded_and_cut() {
    let mut deep = json!("bottom");
    for _ in 0..30 {
        deep = json!([deep]);
    }
    let folded = Value::Object(tool_result(deep));
    assert_eq!(depth(&folded), 8);
    assert!(folded.to_string().contains("bottom"));

    let large = "line\n".repeat(200_000);
    let data = tool_result(json!(large));
    assert_eq!(data["tool_result"]["truncated"], json!(true));
    assert_eq!(data["tool_result"]["original_bytes"], json!(1_000_000));
    assert!(data["tool_result"]["head"].as_str().unwrap().starts_with("line\n"));
    assert_eq!(data["tool_result"]["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn a_result_of_any_size_stays_within_the_bounds() {
    let mut huge = investigation();
    huge.analysis = "a".repeat(600_000);
    huge.warnings = (0..5_000).map(|number| format!("warning {number}")).collect();
    let parameters = (0..500).map(|number| (format!("P{number}"), json!({ "deep": { "x": vec!["v"; 500] } })));
    huge.selected_workflow.as_mut().unwrap().parameters = parameters.collect();
    huge.confidence = f64::NAN;
    huge.review = Some(ReviewReason::RcaIncomplete);
    let payload = Payload::ResponseComplete { investigation: Arc::new(huge) };
    let data = envelope::event_data(&AuditEvent::new(&incident(), payload), Uuid::nil(), Profile::A);
    assert!(serde_json::to_vec(&data).unwrap().len() <= content::EVENT_DATA_BYTES_MAX);
    let response = &data["response_data"];
    assert_eq!(response["confidence"], json!(0.0));
    assert_eq!(response["timestamp"], json!("2026-04-07T10:16:02.12Z"));
    assert_eq!(response["humanReviewReason"], json!("rca_incomplete"));
    assert!(response["selectedWorkflow"]["parameters"].is_object());
}

async fn trail(local: LocalAuditConfig) -> (AuditTrail, Store) {
    let store = Store::open(&StoreLocation::Temporary, Access::Serve).await.unwrap();
    let config = AuditConfig { sink: AuditSink::Local, local, ..AuditConfig::default() };
    (AuditTrail::open(&config, store.clone(), Metrics::build().unwrap()).await.unwrap(), store)
}

async fn stored(store: &Store) -> Vec<StoredEvent> {
    store.events(&AuditQuery::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_of_commit_is_order_of_time() {
    let (trail, store) = trail(LocalAuditConfig::default()).await;
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let trail = trail.clone();
            let payload = Payload::ResponseFailed { error_message: "e".to_owned(), phase: "rca" };
            tokio::spawn(async move { trail.record(AuditEvent::new(&incident(), payload)).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let events = stored(&store).await;
    assert_eq!(events.len(), 1_000);
    assert!(events.windows(2).all(|pair| pair[0].event_timestamp < pair[1].event_timestamp));
    for event in &events {
        let body: Value = serde_json::from_str(&event.body).unwrap();
        assert_eq!(body["event_data"]["event_id"], json!(event.event_id));
        assert_eq!(body["event_timestamp"].as_str().unwrap().parse().ok(), Some(event.event_timestamp));
        assert_eq!(body["correlation_id"], json!(event.correlation_id));
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn the_local_table_stays_within_its_bounds() {
    let local = LocalAuditConfig { bytes_max: 20_000, ..LocalAuditConfig::default() };
    let (trail, store) = trail(local).await;
    for number in 0..100 {
        let payload = Payload::ResponseFailed { error_message: format!("{number}"), phase: "rca" };
        trail.record(AuditEvent::new(&incident(), payload)).await.unwrap();
    }
    let totals = store.audit_totals().await.unwrap();
    assert!(totals.bytes <= 20_000 && totals.bytes > 18_000, "{totals:?}");
    assert!(stored(&store).await.last().unwrap().body.contains("\"99\""), "the newest stays");
    store.close().await.unwrap();
    let event = catalogue().remove(0);
    assert!(matches!(trail.record(event).await, Err(AuditError::Store(StoreError::Closed))));
}

#[tokio::test]
async fn what_the_profile_does_not_have_is_not_recorded() {
    for (profile, types) in [(Profile::A, 8), (Profile::H, 16)] {
        let store = Store::open(&StoreLocation::Temporary, Access::Serve).await.unwrap();
        let config = AuditConfig { sink: AuditSink::Local, schema_profile: profile, ..AuditConfig::default() };
        let trail = AuditTrail::open(&config, store.clone(), Metrics::build().unwrap()).await.unwrap();
        for event in catalogue() {
            trail.record(event).await.unwrap();
        }
        let events = stored(&store).await;
        assert_eq!(events.len(), types, "{profile:?}");
        for event in events {
            let body: Value = serde_json::from_str(&event.body).unwrap();
            assert_eq!(rules::check(&body, profile), Ok(()), "{}", event.event_type);
        }
    }
}

#[test]
fn configuration() {
    let config: AuditConfig =
        serde_json::from_value(json!({ "sink": "local", "local": { "max_bytes": 5, "max_age_days": 0.5 } })).unwrap();
    assert_eq!(config.local, LocalAuditConfig { bytes_max: 5, age_max: Duration::from_secs(43_200) });
    let default: AuditConfig = serde_json::from_value(json!({})).unwrap();
    assert_eq!(default, AuditConfig::default());
    assert_eq!(default.local.bytes_max, 268_435_456);
    let later: AuditConfig = serde_json::from_value(json!({ "schema_profile": "h" })).unwrap();
    assert_eq!((default.schema_profile, later.schema_profile), (Profile::A, Profile::H));
    for wrong in [
        json!({ "schema_profile": "j" }),
        json!({ "sink": "file" }),
        json!({ "local": { "max_age_days": 0 } }),
        json!({ "unknown": 1 }),
    ] {
        assert!(serde_json::from_value::<AuditConfig>(wrong.clone()).is_err(), "{wrong}");
    }
}
