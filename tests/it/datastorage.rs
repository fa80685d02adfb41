//! The DataStorage client against a server that misbehaves.

mod certificates;
mod identity;
mod published;
mod questions;
mod settings;
mod workflows;

use std::time::Duration;

use holmesgpt_api::datastorage::{DataStorage, DataStorageConfig, DataStorageTimes, Delivery, EventWindow};
use holmesgpt_api::service_account::TokenTimes;
use holmesgpt_api::telemetry::Metrics;
use serde_json::json;

use crate::process::root;
use crate::stubs::datastorage::{Culprit, DataStorageStub, Fault};

/// Looks at the token's file again at once, and does not wait long between tries.
const QUICK: DataStorageTimes = DataStorageTimes {
    retry_waits: [Duration::from_millis(5), Duration::from_millis(10)],
    token: TokenTimes {
        age_max: Duration::from_mins(5),
        expiry_margin: Duration::from_mins(1),
        look_interval: Duration::ZERO,
        refused_interval: Duration::ZERO,
    },
};

struct Bench {
    stub: DataStorageStub,
    client: DataStorage,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn set_up() -> Self {
        Self::with(|_| ()).await
    }

    /// With another configuration.
    async fn with(change: impl FnOnce(&mut DataStorageConfig)) -> Self {
        let stub = DataStorageStub::start().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "first-token").unwrap();
        let mut config = DataStorageConfig {
            url: stub.url(),
            token_path: folder.path().join("token"),
            ..DataStorageConfig::default()
        };
        change(&mut config);
        let client = DataStorage::build(&config, Metrics::build().unwrap()).unwrap();
        Self { stub, client, folder }
    }

    /// That tries again and looks again at once.
    async fn quick() -> Self {
        Self::with(|config| config.times = QUICK).await
    }
}

/// The test checklist for the client (datastorage §11): every row and the tests that hold it.
const CHECKLIST: &[(u8, &str, &[&str])] = &[
    (1, "tests/it/datastorage/questions.rs", &["checklist_1_every_parameter_is_sent_as_described"]),
    (2, "src/catalogue/signal.rs", &["checklist_2_severity_and_priority_are_always_words_the_server_takes"]),
    (2, "tests/it/datastorage/workflows.rs", &["checklist_2_no_incident_gets_a_400"]),
    (3, "tests/it/datastorage/workflows.rs", &["checklist_3_what_may_not_be_used_is_not_found"]),
    (4, "src/catalogue/remote/records.rs", &["checklist_4_engines_parameters_and_extra_keys_of_any_kind_are_read"]),
    (5, "tests/it/datastorage/questions.rs", &["checklist_5_any_error_body_is_only_an_error"]),
    (6, "tests/it/datastorage/identity.rs", &["checklist_6_a_refused_token_is_read_again_and_tried_once"]),
    (7, "tests/it/datastorage/questions.rs", &["checklist_7_broken_answers_end_in_time_and_are_errors"]),
    (
        8,
        "tests/it/datastorage/questions.rs",
        &["checklist_8_history_of_a_cluster_scoped_object", "checklist_8_history_fails_or_is_empty"],
    ),
    (8, "src/enrichment/history/tests.rs", &["both_spellings_of_reasons_are_one"]),
    (
        9,
        "tests/it/datastorage.rs",
        &[
            "what_went_wrong_says_whether_the_server_may_have_stored_it",
            "late_slow_and_cut_answers",
            "too_much_for_a_late_server_is_not_sent",
        ],
    ),
];

#[test]
fn every_row_of_the_checklist_is_held_by_tests() {
    let mut rows: Vec<u8> = CHECKLIST.iter().map(|(row, ..)| *row).collect();
    rows.dedup();
    assert_eq!(rows, (1..=9).collect::<Vec<u8>>());
    for (row, file, tests) in CHECKLIST {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        for test in *tests {
            assert!(text.contains(&format!("fn {test}(")), "row {row}: {test} is not in {file}");
        }
    }
}

#[tokio::test]
async fn too_much_for_a_late_server_is_not_sent() {
    let bench = Bench::set_up().await;
    let body = event("a", 1);
    let many = vec![body.as_str(); 501];
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(5 << 20));
    for bodies in [many, vec![large.as_str()]] {
        let Delivery::Refused(refused) = bench.client.post_events(&bodies).await else { panic!() };
        assert_eq!(refused.status, 413);
    }
    assert_eq!(bench.stub.asked(), []);
}

fn event(id: &str, second: u32) -> String {
    json!({
        "correlation_id": "rr-1",
        "event_timestamp": format!("2026-04-07T10:15:{second:02}.000001Z"),
        "event_data": { "event_id": id },
    })
    .to_string()
}

#[tokio::test]
async fn events_arrive_alone_and_in_batches_and_can_be_found_again() {
    let bench = Bench::set_up().await;
    let (one, two, three) = (event("a", 1), event("b", 2), event("c", 3));
    assert_eq!(bench.client.post_events(&[&one]).await, Delivery::Stored);
    assert_eq!(bench.client.post_events(&[&two, &three]).await, Delivery::Stored);
    let paths: Vec<_> = bench.stub.asked().into_iter().map(|asked| asked.target).collect();
    assert_eq!(paths, ["/api/v1/audit/events", "/api/v1/audit/events/batch"]);
    let window = EventWindow {
        correlation_id: "rr-1".to_owned(),
        since: "2026-04-07T10:15:02Z".parse().unwrap(),
        until: "2026-04-07T10:15:30Z".parse().unwrap(),
    };
    let mut found: Vec<_> = bench.client.stored_event_ids(&window).await.unwrap().into_iter().collect();
    found.sort();
    assert_eq!(found, ["b", "c"]);
}

#[tokio::test]
async fn what_went_wrong_says_whether_the_server_may_have_stored_it() {
    let bench = Bench::set_up().await;
    let body = event("a", 1);
    bench.stub.next([
        Fault::ResetAfterCommit,
        Fault::ResetBeforeCommit,
        Fault::AcceptedAndLost,
        Fault::Status(429, Some(7)),
    ]);
    assert!(matches!(bench.client.post_events(&[&body]).await, Delivery::Ambiguous(_)));
    assert!(matches!(bench.client.post_events(&[&body]).await, Delivery::Ambiguous(_)));
    assert_eq!(bench.client.post_events(&[&body]).await, Delivery::Accepted);
    let Delivery::Refused(refused) = bench.client.post_events(&[&body]).await else { panic!() };
    assert_eq!((refused.status, refused.retry_after), (429, Some(Duration::from_secs(7))));
    bench.stub.poison("\"a\"", Culprit::Pointer);
    let Delivery::Refused(refused) = bench.client.post_events(&[&event("b", 2), &body]).await else { panic!() };
    assert!(refused.status == 400 && refused.detail.starts_with("Error at \"/1/"), "{refused:?}");
    bench.stub.down();
    assert!(matches!(bench.client.post_events(&[&body]).await, Delivery::NotSent(_) | Delivery::Ambiguous(_)));
    assert!(matches!(bench.client.post_events(&[&body]).await, Delivery::NotSent(_)));
    bench.stub.up().await;
    bench.stub.poison("nothing", Culprit::Unnamed);
    assert_eq!(bench.client.post_events(&[&body]).await, Delivery::Stored);
}

#[tokio::test]
async fn nothing_is_sent_without_a_token_and_a_rotated_one_is_tried_once() {
    let bench = Bench::set_up().await;
    bench.stub.require_token("second-token");
    let body = event("a", 1);
    let Delivery::Refused(refused) = bench.client.post_events(&[&body]).await else { panic!() };
    assert_eq!(refused.status, 401);
    std::fs::write(bench.folder.path().join("token"), "second-token").unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(bench.client.post_events(&[&body]).await, Delivery::Stored);

    let without = DataStorageConfig {
        url: bench.stub.url(),
        token_path: bench.folder.path().join("missing"),
        ..DataStorageConfig::default()
    };
    let client = DataStorage::build(&without, Metrics::build().unwrap()).unwrap();
    bench.stub.forget_asked();
    assert!(matches!(client.post_events(&[&body]).await, Delivery::NotSent(_)));
    assert_eq!(bench.stub.asked(), []);
}

#[tokio::test]
async fn late_slow_and_cut_answers() {
    let bench = Bench::set_up().await;
    let soon = Duration::from_millis(50);
    bench.stub.next([Fault::Stall(soon), Fault::AcceptedLate(soon)]);
    assert_eq!(bench.client.post_events(&[&event("a", 1)]).await, Delivery::Stored);
    assert_eq!(bench.client.post_events(&[&event("b", 2)]).await, Delivery::Accepted);
    let stored = bench.stub.has_stored(2, Duration::from_secs(10)).await;
    assert_eq!(stored.iter().map(|stored| stored.event_id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(stored.iter().all(|stored| stored.correlation_id == "rr-1" && stored.event.is_object()));
    bench.stub.always(Some(Fault::Truncated));
    assert!(matches!(bench.client.post_events(&[&event("c", 3)]).await, Delivery::Ambiguous(_)));
    bench.stub.always(None);
    for (culprit, status) in [(Culprit::Index, 400), (Culprit::ServerError, 500)] {
        bench.stub.poison("\"d\"", culprit);
        let Delivery::Refused(refused) = bench.client.post_events(&[&event("d", 4)]).await else { panic!() };
        assert_eq!(refused.status, status);
    }
    assert_eq!(bench.stub.stored().len(), 3);
    let asked = bench.stub.asked();
    assert!(asked.iter().all(|asked| asked.method == "POST" && asked.token.is_some() && asked.body_bytes > 0));
    bench.stub.answer("/api/v1/workflows/actions", 200, json!({ "actionTypes": [] }));
}
