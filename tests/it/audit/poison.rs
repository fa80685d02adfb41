//! Events that DataStorage refuses.

use holmesgpt_api::audit::{AuditConfig, Payload};
use holmesgpt_api::store::QuarantineReason;
use serde_json::{Map, Value, json};

use super::trail::{PATIENCE, Trail, assert_chain, event, folder, millis, numbers, quick, saying, texts};
use crate::stubs::datastorage::{Culprit, DataStorageStub, Fault};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_04_one_bad_event_is_found_and_kept_and_the_others_arrive() {
    for culprit in [Culprit::Pointer, Culprit::Index, Culprit::Unnamed] {
        let (folder, stub) = (folder(), DataStorageStub::start().await);
        stub.poison("bitter", culprit);
        let trail = Trail::open(folder.path(), &quick()).await;
        trail.record("rr-1", 0..10).await;
        trail.audit.record(saying("rr-1", "bitter")).await.unwrap();
        trail.record("rr-1", 10..20).await;
        trail.record("rr-2", 0..20).await;
        trail.audit.deliver_to(trail.client(folder.path(), &stub));
        trail.is_empty_within(PATIENCE).await;
        let stored = stub.stored();
        assert_eq!(texts(&stored)["rr-1"], numbers(0..20), "{culprit:?}");
        assert_eq!(texts(&stored)["rr-2"], numbers(0..20), "{culprit:?}");
        assert_chain(&stored);
        let posts = stub.asked().iter().filter(|asked| asked.method == "POST").count();
        // 2·log₂(41) for the search, one for the repair, the first and the last.
        assert!(posts <= 16, "{culprit:?}: {posts} requests");
        let kept = trail.quarantine().await;
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].reason, kept[0].status), (QuarantineReason::Validation, Some(400)));
        assert!(kept[0].event.body.contains("bitter") && kept[0].event.intact && !kept[0].problem.is_empty());
        assert!((trail.metric(r#"audit_events_quarantined_total{reason="validation"}"#) - 1.0).abs() < 1e-9);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repaired_event_arrives_in_its_place_with_its_id() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    // Only the envelope says so, and the repair leaves it out.
    stub.poison("\"resource_type\":\"Refused\"", Culprit::Unnamed);
    let trail = Trail::open(folder.path(), &quick()).await;
    trail.record("rr-1", 0..3).await;
    let mut refused = saying("rr-1", "number 3");
    refused.subject.resource.kind = "Refused".to_owned();
    trail.audit.record(refused).await.unwrap();
    trail.record("rr-1", 4..6).await;
    let ids: Vec<String> = trail.waiting().await.into_iter().map(|waiting| waiting.event.event_id).collect();
    trail.audit.deliver_to(trail.client(folder.path(), &stub));
    trail.is_empty_within(PATIENCE).await;
    let stored = stub.stored();
    assert_eq!(texts(&stored)["rr-1"], numbers(0..6));
    assert_eq!(stored.iter().map(|stored| stored.event_id.clone()).collect::<Vec<_>>(), ids);
    assert!((trail.metric("audit_events_repaired_total") - 1.0).abs() < 1e-9);
    assert!(trail.quarantine().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_too_large_is_halved() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    stub.next([Fault::Status(413, None), Fault::Status(413, None)]);
    let trail = Trail::open(folder.path(), &quick()).await;
    trail.record("rr-1", 0..8).await;
    trail.audit.deliver_to(trail.client(folder.path(), &stub));
    trail.is_empty_within(PATIENCE).await;
    assert_eq!(texts(&stub.stored())["rr-1"], numbers(0..8));
    stub.next([Fault::Status(413, None), Fault::Status(413, None)]);
    trail.record("rr-2", 0..1).await;
    trail.is_empty_within(PATIENCE).await;
    assert_eq!(trail.quarantine().await[0].reason, QuarantineReason::TooLarge);
}

/// A value the database cannot hold: 500 for ever, while everybody else's events are taken (audit §3.7).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_that_looks_like_an_outage_is_set_aside_and_tried_again() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    stub.poison("bitter", Culprit::ServerError);
    let trail = Trail::open(folder.path(), &quick()).await;
    trail.record("rr-1", 0..5).await;
    trail.audit.record(saying("rr-1", "bitter")).await.unwrap();
    trail.record("rr-1", 5..10).await;
    trail.audit.deliver_to(trail.client(folder.path(), &stub));
    let healthy = async {
        for number in 0..200 {
            trail.record("rr-2", number..number + 1).await;
            tokio::time::sleep(millis(10)).await;
        }
    };
    let parked = async {
        while texts(&stub.stored()).get("rr-1").is_none_or(|texts| texts.len() < 10) {
            tokio::time::sleep(millis(10)).await;
        }
    };
    let (parked, ()) = tokio::join!(tokio::time::timeout(PATIENCE, parked), healthy);
    parked.unwrap();
    assert_eq!(texts(&stub.stored())["rr-1"], numbers(0..10), "its correlation goes on");
    let waiting = trail.waiting().await;
    assert!(waiting.iter().any(|waiting| waiting.event.body.contains("bitter")), "kept: {waiting:?}");
    stub.poison("nothing", Culprit::Unnamed);
    trail.is_empty_within(PATIENCE).await;
    assert_eq!(texts(&stub.stored())["rr-1"].len(), 11, "the suspect arrives once the server takes it");
    assert_eq!(texts(&stub.stored())["rr-2"], numbers(0..200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_older_than_the_server_takes_are_kept_without_asking_it() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let trail = Trail::open(folder.path(), &quick()).await;
    trail.record("rr-1", 0..3).await;
    trail.crash().await;
    tokio::time::sleep(millis(60)).await;
    let config = AuditConfig { age_max: millis(50), ..quick() };
    let trail = Trail::deliver(folder.path(), &config, &stub).await;
    trail.is_empty_within(PATIENCE).await;
    assert!(stub.asked().is_empty());
    let reasons: Vec<QuarantineReason> = trail.quarantine().await.iter().map(|kept| kept.reason).collect();
    assert_eq!(reasons, [QuarantineReason::Expired; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_05_whatever_a_tool_answers_arrives_in_a_form_the_database_can_hold() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let trail = Trail::deliver(folder.path(), &quick(), &stub).await;
    let mut deep = json!("bottom");
    for _ in 0..30 {
        deep = json!([deep]);
    }
    let results = [json!("a\u{0}b"), json!("line\n".repeat(200_000)), deep, json!({ "big": 1_u64 << 60 }), Value::Null];
    for (index, result) in (0..).zip(&results) {
        let payload = Payload::ToolCall {
            index,
            tool: "kubectl_logs".to_owned(),
            arguments: Map::new(),
            result: result.clone(),
            failed: false,
        };
        // The empty correlation becomes `unknown` where events are made; see the room's own tests.
        trail.audit.record(event("rr-1", payload)).await.unwrap();
    }
    trail.is_empty_within(PATIENCE).await;
    let stored = stub.stored();
    assert_eq!(stored.len(), results.len());
    for stored in &stored {
        let text = stored.event.to_string();
        assert!(text.len() < 300 * 1024 && !text.contains("\\u0000"), "{} bytes", text.len());
        assert!(!stored.event["event_data"]["tool_result"].is_null());
    }
    assert!(trail.quarantine().await.is_empty());
}
