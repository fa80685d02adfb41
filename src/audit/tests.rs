//! Events as they are kept: the catalogue, content rules, order.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::{
    AlternativeWorkflow, Engine, Evidence, Incident, Investigation, RequestShape, ResourceRef, ReviewReason, RootCause,
    SelectedWorkflow, Severity, SignalMode, ValidationAttempt,
};
use crate::store::{Access, AuditQuery, StoreLocation, StoredEvent};

fn incident() -> Incident {
    Incident {
        incident_id: "inc-42".to_owned(),
        remediation_id: "rr-payments-7f3a".to_owned(),
        signal_name: "KubePodCrashLooping".to_owned(),
        severity: Severity::High,
        signal_source: "kubernaut".to_owned(),
        resource: ResourceRef::namespaced("Deployment", "payments", "checkout"),
        error_message: String::new(),
        description: None,
        environment: "production".to_owned(),
        priority: "P1".to_owned(),
        risk_tolerance: "medium".to_owned(),
        business_category: "standard".to_owned(),
        cluster_name: "default".to_owned(),
        signal_mode: SignalMode::Reactive,
        is_duplicate: false,
        occurrence_count: 1,
        deduplication_window_minutes: None,
        firing_time: None,
        received_time: None,
        first_seen: None,
        last_seen: None,
        signal_labels: BTreeMap::new(),
        signal_annotations: BTreeMap::new(),
        custom_labels: BTreeMap::new(),
        shape: RequestShape::April,
        recovery: None,
    }
}

fn investigation() -> Investigation {
    Investigation {
        incident_id: "inc-42".to_owned(),
        analysis: "Containers exceed their limit.".to_owned(),
        root_cause: RootCause {
            summary: "Memory limit below working set".to_owned(),
            severity: Severity::High,
            signal_name: Some("OOMKilled".to_owned()),
            cause_class: None,
            contributing_factors: vec!["limit 256Mi".to_owned(), "working set 310Mi".to_owned()],
            target: Some(ResourceRef::namespaced("Deployment", "payments", "checkout")),
            causal_chain: Vec::new(),
            evidence: vec![Evidence::absent("x", ResourceRef::cluster_scoped("Node", "n"), "y")],
        },
        selected_workflow: Some(SelectedWorkflow {
            workflow_id: "7d1f6a52-9c0e-5b7a-8b54-0d7f4a1c9e11".to_owned(),
            workflow_name: "raise-memory".to_owned(),
            action_type: "IncreaseMemoryLimits".to_owned(),
            version: "1.0.0".to_owned(),
            execution_bundle: Some("registry.example/raise-memory@sha256:ab".to_owned()),
            execution_bundle_digest: None,
            execution_engine: "tekton".to_owned(),
            service_account_name: Some("runner".to_owned()),
            engine_config: None,
            confidence: 0.86,
            rationale: "Matches OOM\non a stateless Deployment".to_owned(),
            parameters: json!({ "MEMORY_LIMIT_NEW": "512Mi" }).as_object().cloned().unwrap_or_default(),
        }),
        confidence: 0.86,
        completed_at: "2026-04-07T10:16:02.12Z".parse().unwrap(),
        review: None,
        actionable: None,
        warnings: Vec::new(),
        alternatives: vec![AlternativeWorkflow {
            workflow_id: "9e0b1c7d-0000-5000-8000-000000000001".to_owned(),
            workflow_name: "restart".to_owned(),
            execution_bundle: None,
            confidence: 0.2,
            rationale: "Restart only hides it".to_owned(),
        }],
        validation_attempts: vec![ValidationAttempt {
            attempt: 1,
            workflow_id: None,
            is_valid: true,
            errors: Vec::new(),
            timestamp: "2026-04-07T10:16:01Z".parse().unwrap(),
        }],
        engine: Engine::Model {
            model: "m".to_owned(),
            turns: 3,
            tool_calls: 5,
            prompt_tokens: 41_210,
            completion_tokens: 1_875,
            phases: Vec::new(),
        },
        excluded: Vec::new(),
        not_checked: Vec::new(),
        confidence_basis: None,
    }
}

fn catalogue() -> Vec<AuditEvent> {
    let incident = incident();
    let payloads = [
        Payload::LlmRequest {
            model: "m-1".to_owned(),
            prompt: Excerpt::of("Why?"),
            toolsets: vec!["kubernetes".to_owned()],
            mcp_servers: Vec::new(),
            tokens_max: None,
        },
        Payload::LlmResponse { analysis: Excerpt::of(""), tokens_used: Some(12), tool_call_count: 1 },
        Payload::ToolCall {
            index: 0,
            tool: "kubectl_describe".to_owned(),
            arguments: json!({ "kind": "pod" }).as_object().cloned().unwrap_or_default(),
            result: json!({ "status": "success", "data": "OOMKilled" }),
            failed: false,
        },
        Payload::ValidationAttempt {
            attempt: 1,
            attempts_max: 3,
            is_valid: false,
            errors: vec!["parameter MEMORY_LIMIT_NEW is required".to_owned(), "second".to_owned()],
            workflow_id: Some("w-1".to_owned()),
            workflow_name: Some("raise-memory".to_owned()),
            review_reason: None,
            is_final: false,
        },
        Payload::EnrichmentCompleted {
            root_owner: ResourceRef::namespaced("Deployment", "payments", "checkout"),
            owner_chain_length: 2,
            detected_labels: Some(json!({ "hpaEnabled": true }).as_object().cloned().unwrap_or_default()),
            failed_detections: None,
            remediation_history_fetched: true,
        },
        Payload::EnrichmentFailed {
            reason: "rca_incomplete".to_owned(),
            detail: "no owner".to_owned(),
            affected: ResourceRef::cluster_scoped("Node", "worker-1"),
        },
        Payload::ResponseComplete { investigation: Arc::new(investigation()) },
        Payload::ResponseFailed { error_message: "internal: x".to_owned(), phase: "rca" },
    ];
    payloads.into_iter().map(|payload| AuditEvent::new(&incident, payload).took(Duration::from_millis(1_840))).collect()
}

fn encode(event: &AuditEvent) -> Value {
    let data = to_raw_value(&envelope::event_data(event, Uuid::nil())).unwrap();
    let timestamp = "2026-04-07T10:15:31.000002Z".parse().unwrap();
    serde_json::from_str(&envelope::body(event, timestamp, &data).unwrap()).unwrap()
}

#[test]
fn the_catalogue_as_json() {
    let events: Vec<Value> = catalogue().iter().map(encode).collect();
    insta::assert_json_snapshot!(events);
}

#[test]
fn every_type_is_declared_once() {
    let mut types: Vec<_> = catalogue().iter().map(|event| event.payload.event_type()).collect();
    types.sort_unstable();
    let mut declared = Payload::EVENT_TYPES;
    declared.sort_unstable();
    assert_eq!(types, declared);
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
    let answer = |text| Payload::LlmResponse { analysis: Excerpt::of(text), tokens_used: None, tool_call_count: 0 };
    for (payload, outcome) in [
        (tool(false), "success"),
        (tool(true), "failure"),
        (attempt(true, true), "success"),
        (attempt(false, true), "failure"),
        (attempt(false, false), "pending"),
        (answer("text"), "success"),
        (answer(""), "failure"),
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
    let event = encode(&AuditEvent::new(&long, payload));
    let chars = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(|text| text.chars().count());
    assert_eq!(chars("/correlation_id"), Some(255));
    assert_eq!(chars("/resource_id"), Some(255));
    assert_eq!(chars("/namespace"), Some(253));
    assert_eq!(chars("/event_data/incident_id"), Some(255));
    assert_eq!(chars("/event_data/error_message"), Some(2_000));
}

fn tool_result(result: Value) -> Map<String, Value> {
    let payload = Payload::ToolCall { index: 0, tool: "t".to_owned(), arguments: Map::new(), result, failed: false };
    envelope::event_data(&AuditEvent::new(&incident(), payload), Uuid::nil())
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
    let data = envelope::event_data(&AuditEvent::new(&incident(), payload), Uuid::nil());
    assert!(serde_json::to_vec(&data).unwrap().len() <= content::EVENT_DATA_BYTES_MAX);
    let response = &data["response_data"];
    assert_eq!(response["confidence"], json!(0.0));
    assert_eq!(response["timestamp"], json!("2026-04-07T10:16:02.12Z"));
    assert_eq!(response["humanReviewReason"], json!("rca_incomplete"));
    assert!(response["selectedWorkflow"]["parameters"].is_object());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[a\u{0}]{0,5}".prop_map(Value::from),
        (0_usize..100_000).prop_map(|length| Value::from("\u{1}".repeat(length))),
    ];
    leaf.prop_recursive(12, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,300}", inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_content_fits(result in any_json(), arguments in any_json()) {
        let payload = Payload::ToolCall {
            index: 0,
            tool: "t".to_owned(),
            arguments: json!({ "a": arguments }).as_object().cloned().unwrap_or_default(),
            result,
            failed: false,
        };
        let data = envelope::event_data(&AuditEvent::new(&incident(), payload), Uuid::nil());
        let text = serde_json::to_string(&data).unwrap();
        prop_assert!(text.len() <= content::EVENT_DATA_BYTES_MAX);
        prop_assert!(!text.contains("\\u0000"));
        prop_assert!(depth(&Value::Object(data.clone())) <= 10);
        prop_assert!(!data["tool_result"].is_null());
        prop_assert_eq!(data["event_id"].as_str().map(str::len), Some(36));
    }
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

#[test]
fn configuration() {
    let config: AuditConfig =
        serde_json::from_value(json!({ "sink": "local", "local": { "max_bytes": 5, "max_age_days": 0.5 } })).unwrap();
    assert_eq!(config.local, LocalAuditConfig { bytes_max: 5, age_max: Duration::from_secs(43_200) });
    let default: AuditConfig = serde_json::from_value(json!({})).unwrap();
    assert_eq!(default, AuditConfig::default());
    assert_eq!(default.local.bytes_max, 268_435_456);
    for wrong in [json!({ "sink": "file" }), json!({ "local": { "max_age_days": 0 } }), json!({ "unknown": 1 })] {
        assert!(serde_json::from_value::<AuditConfig>(wrong.clone()).is_err(), "{wrong}");
    }
}
