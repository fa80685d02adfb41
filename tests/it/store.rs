//! The embedded store: durability, ownership, permissions, bounds.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use holmesgpt_api::store::{
    Access, AuditQuery, AuditRow, AuditTable, FILE_NAME, FinalState, NewSession, Store, StoreError, StoreLocation,
};
use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

async fn open(directory: &Path) -> Store {
    Store::open(&StoreLocation::in_directory(directory), Access::Serve).await.unwrap()
}

fn event(correlation_id: &str, body: &str) -> AuditRow {
    AuditRow {
        table: AuditTable::Local,
        event_id: Uuid::new_v4(),
        correlation_id: correlation_id.to_owned(),
        event_type: "aiagent.llm.request",
        event_timestamp: Timestamp::now(),
        body: body.to_owned(),
    }
}

fn session(id: &str) -> NewSession {
    NewSession {
        id: id.to_owned(),
        caller: "system:serviceaccount:kubernaut:controller".to_owned(),
        shape: "april".to_owned(),
        incident_id: "inc-1".to_owned(),
        created_at: Timestamp::from_microsecond(1_700_000_000_000_001).unwrap(),
        deadline_at: Timestamp::from_microsecond(1_700_000_540_000_001).unwrap(),
        incident: r#"{"incident_id":"inc-1"}"#.to_owned(),
        kind: "incident",
        idempotency_key: None,
        request_sha256: [7; 32],
    }
}

fn completed(id: &str) -> FinalState {
    FinalState {
        id: id.to_owned(),
        state: "completed",
        completed_at: Timestamp::from_microsecond(1_700_000_100_000_001).unwrap(),
        error: None,
        result: Some("{}".to_owned()),
        standing: None,
    }
}

async fn record(store: &Store, row: AuditRow) -> Result<u64, StoreError> {
    store.permit().await?.record_event(row).committed().await
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn what_was_committed_is_there_after_an_abrupt_end() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.insert_session(session("one")).await.unwrap();
    record(&store, event("rr-1", "{}")).await.unwrap();
    // The files as a crash would leave them: nothing closed, nothing checkpointed.
    let crashed = TempDir::new().unwrap();
    for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal")] {
        std::fs::copy(directory.path().join(&name), crashed.path().join(&name)).unwrap();
    }
    let recovered = open(crashed.path()).await;
    let sessions = recovered.sessions().await.unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!((sessions[0].id.as_str(), sessions[0].state.as_str()), ("one", "pending"));
    assert_eq!(recovered.events(&AuditQuery::default()).await.unwrap().len(), 1);
    assert!(recovered.newest_event_timestamp().await.unwrap().is_some());
}

/// Body of the process that `survives_kill_9` kills. Does nothing in an ordinary test run.
#[test]
fn recording_until_killed() {
    let Some(directory) = std::env::var_os("STORE_TEST_DIRECTORY") else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = open(Path::new(&directory)).await;
        loop {
            let row = event("rr-1", "{}");
            let id = row.event_id;
            record(&store, row).await.unwrap();
            println!("\nrecorded {id}");
        }
    });
}

#[tokio::test]
async fn survives_kill_9() {
    let directory = TempDir::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["store::recording_until_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env("STORE_TEST_DIRECTORY", directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut confirmed = Vec::new();
    for line in lines {
        if let Some(id) = line.strip_prefix("recorded ") {
            confirmed.push(id.to_owned());
        }
        if confirmed.len() == 40 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(confirmed.len() >= 40, "the child recorded only {} events", confirmed.len());
    let store = open(directory.path()).await;
    let stored = store.events(&AuditQuery::default()).await.unwrap();
    let missing: Vec<_> = confirmed.iter().filter(|id| !stored.iter().any(|event| event.event_id == **id)).collect();
    assert_eq!(missing, Vec::<&String>::new());
    assert!(stored.iter().all(|event| event.intact));
}

#[tokio::test]
async fn a_second_owner_is_refused_and_a_reader_is_not() {
    let directory = TempDir::new().unwrap();
    let location = StoreLocation::in_directory(directory.path());
    let store = open(directory.path()).await;
    record(&store, event("rr-1", "{}")).await.unwrap();
    let refused = Store::open(&location, Access::Serve).await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, StoreError::Locked { holder: Some(pid), .. } if pid == std::process::id()), "{text}");
    assert!(text.contains("in use by another process") && text.contains("two state directories"), "{text}");

    let reader = Store::open(&location, Access::ReadOnly).await.unwrap();
    assert_eq!(reader.events(&AuditQuery::default()).await.unwrap().len(), 1);
    assert!(matches!(record(&reader, event("rr-1", "{}")).await, Err(StoreError::ReadOnly)));

    store.close().await.unwrap();
    open(directory.path()).await;
}

#[tokio::test]
async fn a_closed_store_has_no_write_ahead_log_and_refuses_politely() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    let pending = store.permit().await.unwrap().record_event(event("rr-1", "{}"));
    store.close().await.unwrap();
    assert_eq!(pending.committed().await.unwrap(), 1, "what was queued before the close is written");
    assert!(matches!(record(&store, event("rr-1", "{}")).await, Err(StoreError::Closed)));
    store.close().await.unwrap();
    assert!(!directory.path().join(format!("{FILE_NAME}-wal")).exists());

    let reader = Store::open(&StoreLocation::in_directory(directory.path()), Access::ReadOnly).await.unwrap();
    assert_eq!(reader.audit_totals().await.unwrap().events, 1);
}

#[tokio::test]
async fn files_belong_to_the_owner_alone() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("deep/state");
    let store = open(&directory).await;
    record(&store, event("rr-1", "{}")).await.unwrap();
    assert_eq!((mode(&parent.path().join("deep")), mode(&directory)), (0o700, 0o700));
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    store.close().await.unwrap();

    std::fs::set_permissions(directory.join(FILE_NAME), std::fs::Permissions::from_mode(0o644)).unwrap();
    open(&directory).await;
    assert_eq!(mode(&directory.join(FILE_NAME)), 0o600, "a laxer mode is mended");
}

#[tokio::test]
async fn a_temporary_store_leaves_nothing() {
    let store = Store::open(&StoreLocation::Temporary, Access::Serve).await.unwrap();
    let directory = store.path().parent().unwrap().to_owned();
    assert_eq!(mode(&directory), 0o700);
    record(&store, event("rr-1", "{}")).await.unwrap();
    store.close().await.unwrap();
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_not_touched() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.close().await.unwrap();
    let file = directory.path().join(FILE_NAME);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations VALUES (9999, 'later', CURRENT_TIMESTAMP, TRUE, x'00', 0)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    for access in [Access::Serve, Access::ReadOnly] {
        let error = Store::open(&StoreLocation::in_directory(directory.path()), access).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 9999, .. }), "{error:?}");
        assert!(error.to_string().contains("newer version"), "{error}");
    }
}

#[tokio::test]
async fn other_files_are_moved_aside_by_the_owner_and_refused_with_their_path_by_readers() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join(FILE_NAME);
    let text = "this is not a database, and it is longer than a header of one hundred bytes. ".repeat(3);
    std::fs::write(&file, &text).unwrap();
    let error = Store::open(&StoreLocation::File(file.clone()), Access::ReadOnly).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }) && error.to_string().contains("state.db"), "{error:?}");
    let store = Store::open(&StoreLocation::File(file.clone()), Access::Serve).await.unwrap();
    let salvage = store.salvage().unwrap();
    assert_eq!(std::fs::read_to_string(&salvage.aside).unwrap(), text, "moved, never deleted");
    assert_eq!(store.audit_totals().await.unwrap().events, 0);

    let below_a_file = salvage.aside.join("state.db");
    let error = Store::open(&StoreLocation::File(below_a_file), Access::Serve).await.unwrap_err();
    assert!(matches!(error, StoreError::File { .. }), "{error:?}");

    let absent = StoreLocation::in_directory(&directory.path().join("absent"));
    let error = Store::open(&absent, Access::ReadOnly).await.unwrap_err();
    assert!(matches!(error, StoreError::File { .. }), "{error:?}");
}

#[tokio::test]
async fn a_final_state_is_written_once_with_its_event() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.insert_session(session("one")).await.unwrap();
    let finish = async |end: FinalState| {
        let receipt = store.permit().await.unwrap().finish_session(end, Some(event("rr-1", "{}")));
        receipt.committed().await.unwrap()
    };
    assert_eq!(finish(completed("one")).await, 1);
    let failed = FinalState { state: "failed", error: Some("internal: late".to_owned()), ..completed("one") };
    assert_eq!(finish(failed).await, 0, "a final state never changes");
    assert_eq!(finish(completed("unknown")).await, 0);
    store.start_session("one", Timestamp::now()).await.unwrap();
    let sessions = store.sessions().await.unwrap();
    assert_eq!((sessions[0].state.as_str(), sessions[0].error.as_deref()), ("completed", None));
    assert_eq!(store.events(&AuditQuery::default()).await.unwrap().len(), 1, "one event, with the transition it tells");
    assert_eq!(store.session_result("one").await.unwrap().as_deref(), Some("{}"));
    assert_eq!(store.session_incident("one").await.unwrap().as_deref(), Some(r#"{"incident_id":"inc-1"}"#));
}

#[tokio::test]
async fn a_bad_write_does_not_fail_its_neighbours() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.insert_session(session("taken")).await.unwrap();
    let writes = (0..50).map(|number| {
        let store = store.clone();
        async move {
            let id = if number % 10 == 0 { "taken".to_owned() } else { format!("session-{number}") };
            store.insert_session(session(&id)).await
        }
    });
    let outcomes = futures_util::future::join_all(writes).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 5);
    assert_eq!(store.sessions().await.unwrap().len(), 46);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_records_share_commits() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    let started = Instant::now();
    let tasks: Vec<_> = (0..1_000)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { record(&store, event(&format!("rr-{}", number % 20), "{}")).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 1);
    }
    let took = started.elapsed();
    assert_eq!(store.audit_totals().await.unwrap().events, 1_000);
    // One commit each would take a thousand disk flushes.
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn an_abandoned_write_still_happens() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    drop(store.permit().await.unwrap().record_event(event("rr-1", "{}")));
    store.close().await.unwrap();
    assert_eq!(open(directory.path()).await.audit_totals().await.unwrap().events, 1);
}

#[tokio::test]
async fn events_are_pruned_oldest_first() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    let now = Timestamp::now();
    for age_hours in (1..=10).rev() {
        let timestamp = now - jiff::SignedDuration::from_hours(age_hours);
        let row = AuditRow { event_timestamp: timestamp, ..event(&format!("age-{age_hours}"), &"x".repeat(100)) };
        record(&store, row).await.unwrap();
    }
    let kept = async || -> Vec<String> {
        let events = store.events(&AuditQuery::default()).await.unwrap();
        events.into_iter().map(|event| event.correlation_id).collect()
    };
    let before = now - jiff::SignedDuration::from_mins(7 * 60 + 30);
    assert_eq!(store.prune_events(before, 10_000).await.unwrap(), 3);
    assert_eq!(kept().await.first().map(String::as_str), Some("age-7"));
    assert_eq!(store.prune_events(before, 250).await.unwrap(), 5);
    assert_eq!(kept().await, ["age-2", "age-1"]);
    let totals = store.audit_totals().await.unwrap();
    assert_eq!((totals.events, totals.bytes), (2, 200));
    assert_eq!(store.prune_events(before, 200).await.unwrap(), 0);
}

#[tokio::test]
async fn events_are_found_by_what_they_say() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    for number in 0..6 {
        let mut row = event(if number % 2 == 0 { "rr-even" } else { "rr-odd" }, &format!("{{\"n\":{number}}}"));
        row.event_type = if number < 3 { "aiagent.llm.request" } else { "aiagent.llm.response" };
        row.event_timestamp = Timestamp::from_second(1_000 + number).unwrap();
        record(&store, row).await.unwrap();
    }
    let find = async |query: AuditQuery| -> Vec<i64> {
        store.events(&query).await.unwrap().into_iter().map(|event| event.event_timestamp.as_second() - 1_000).collect()
    };
    let all = AuditQuery::default();
    assert_eq!(find(all.clone()).await, [0, 1, 2, 3, 4, 5]);
    assert_eq!(find(AuditQuery { correlation_id: Some("rr-odd".into()), ..all.clone() }).await, [1, 3, 5]);
    assert_eq!(find(AuditQuery { event_type: Some("aiagent.llm.response".into()), ..all.clone() }).await, [3, 4, 5]);
    let since = Timestamp::from_second(1_002).ok();
    let until = Timestamp::from_second(1_004).ok();
    assert_eq!(find(AuditQuery { since, until, ..all.clone() }).await, [2, 3]);
    assert_eq!(find(AuditQuery { after_seq: 2, events_max: 2, ..all }).await, [2, 3]);
}

#[tokio::test]
async fn altered_rows_are_noticed() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    record(&store, event("rr-1", r#"{"outcome":"failure"}"#)).await.unwrap();
    record(&store, event("rr-1", "{}")).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(store.path());
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query("UPDATE audit_events SET body = replace(body, 'failure', 'success')")
        .execute(&mut connection)
        .await
        .unwrap();
    let intact: Vec<bool> =
        store.events(&AuditQuery::default()).await.unwrap().iter().map(|event| event.intact).collect();
    assert_eq!(intact, [false, true]);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_says_so_and_recovers() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.insert_session(session("one")).await.unwrap();
    assert!(!store.is_failing());
    assert!(store.insert_session(session("one")).await.is_err());
    assert!(store.is_failing());
    store.probe().await.unwrap();
    assert!(!store.is_failing());
}

/// Not a check but a measurement: `cargo test --test it store::measure -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints latencies of this machine"]
async fn measure() {
    let directory = TempDir::new().unwrap();
    let started = Instant::now();
    let store = open(directory.path()).await;
    println!("first open {:?}", started.elapsed());
    let body = "x".repeat(2_000);
    let mut latencies = Vec::new();
    for _ in 0..500 {
        let started = Instant::now();
        record(&store, event("rr-1", &body)).await.unwrap();
        latencies.push(started.elapsed());
    }
    latencies.sort();
    println!("single append p50 {:?} p99 {:?}", latencies[250], latencies[495]);
    for concurrent in [50_usize, 1_000] {
        let started = Instant::now();
        let tasks: Vec<_> = (0..concurrent)
            .map(|_| {
                let (store, row) = (store.clone(), event("rr-1", &body));
                tokio::spawn(async move {
                    let started = Instant::now();
                    record(&store, row).await.unwrap();
                    started.elapsed()
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.push(task.await.unwrap());
        }
        latencies.sort();
        println!(
            "{concurrent} concurrent appends in {:?}: {:?} each, p50 {:?} max {:?}",
            started.elapsed(),
            started.elapsed() / u32::try_from(concurrent).unwrap(),
            latencies[concurrent / 2],
            latencies[concurrent - 1],
        );
    }
    store.close().await.unwrap();
    let started = Instant::now();
    open(directory.path()).await;
    println!("later open {:?}", started.elapsed());
    let started = Instant::now();
    Store::open(&StoreLocation::Temporary, Access::Serve).await.unwrap();
    println!("temporary open {:?}", started.elapsed());
}

#[tokio::test]
async fn writes_of_one_commit_keep_their_order_and_each_has_its_own_answer() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    // The first commit is under way while the others gather.
    let first = store.permit().await.unwrap().record_event(event("rr-0", "{}"));
    let rows: Vec<AuditRow> = (0..20).map(|number| event("rr-1", &format!("{{\"number\":{number}}}"))).collect();
    let mut receipts = Vec::new();
    for row in &rows {
        receipts.push(store.permit().await.unwrap().record_event(row.clone()));
    }
    receipts.push(store.permit().await.unwrap().record_event(rows[3].clone()));
    receipts.push(store.permit().await.unwrap().record_event(event("rr-1", "{\"number\":20}")));
    assert_eq!(first.committed().await.unwrap(), 1);
    let mut affected = Vec::new();
    for receipt in receipts {
        affected.push(receipt.committed().await.unwrap());
    }
    let repeated = affected.remove(20);
    assert_eq!((affected, repeated), (vec![1; 21], 0));
    let query = AuditQuery { correlation_id: Some("rr-1".to_owned()), events_max: 100, ..AuditQuery::default() };
    let kept = store.events(&query).await.unwrap();
    let numbers: Vec<String> = (0..=20).map(|number| format!("{{\"number\":{number}}}")).collect();
    assert_eq!(kept.into_iter().map(|event| event.body).collect::<Vec<_>>(), numbers);
}
