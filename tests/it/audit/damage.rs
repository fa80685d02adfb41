//! The disk: altered rows, damaged files, no room, no permission, a second owner.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use holmesgpt_api::store::{Access, AuditQuery, FILE_NAME, QuarantineReason, Store, StoreLocation};
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use super::trail::{PATIENCE, Trail, folder, numbers, quick, texts};
use crate::stubs::datastorage::DataStorageStub;

const PAGE_BYTES: u64 = 4_096;

async fn execute(database: &Path, statement: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(database);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn altered_events_are_noticed_kept_and_never_sent() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let trail = Trail::open(folder.path(), &quick()).await;
    trail.record("rr-1", 0..5).await;
    let path = trail.store.path().to_owned();
    execute(&path, "UPDATE audit_outbox SET body = replace(body, 'number 2', 'number 7')").await;
    execute(&path, "UPDATE audit_outbox SET body = CAST(x'ff00fe' AS TEXT) WHERE body LIKE '%number 3%'").await;
    trail.audit.deliver_to(trail.client(folder.path(), &stub));
    trail.is_empty_within(PATIENCE).await;
    assert_eq!(texts(&stub.stored())["rr-1"], ["number 0", "number 1", "number 4"]);
    let kept = trail.quarantine().await;
    assert_eq!(kept.len(), 2);
    assert!(kept.iter().all(|kept| kept.reason == QuarantineReason::Altered && !kept.event.intact));
    assert!((trail.metric("audit_corrupt_records_total") - 2.0).abs() < 1e-9);
}

/// A closed database with events of several sizes; the ids in it.
async fn recorded(directory: &Path, events: usize) -> BTreeSet<String> {
    let trail = Trail::open(directory, &quick()).await;
    for number in 0..events {
        let text = format!("number {number} {}", "x".repeat(number % 7 * 150));
        trail.audit.record(super::trail::saying(&format!("rr-{}", number % 5), &text)).await.unwrap();
    }
    let ids = ids(&trail.store).await;
    trail.crash().await;
    ids
}

/// As the whole bodies say: the columns beside them may be damaged too.
async fn ids(store: &Store) -> BTreeSet<String> {
    let query = AuditQuery { events_max: 10_000, ..AuditQuery::default() };
    let waiting = store.waiting_events(&query).await.unwrap();
    let id = |body: &str| {
        let event: Value = serde_json::from_str(body).unwrap();
        event["event_data"]["event_id"].as_str().unwrap().to_owned()
    };
    waiting.iter().filter(|waiting| waiting.event.intact).map(|waiting| id(&waiting.event.body)).collect()
}

fn copy_of(directory: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    std::fs::copy(directory.join(FILE_NAME), copy.path().join(FILE_NAME)).unwrap();
    // Damage met while running leaves this mark, and the next start looks.
    std::fs::write(copy.path().join(format!("{FILE_NAME}.check")), "").unwrap();
    copy
}

fn overwrite(directory: &Path, at: u64, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().write(true).open(directory.join(FILE_NAME)).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

/// Starts of the pages that hold rows of tables.
fn leaves(directory: &Path) -> Vec<u64> {
    const TABLE_LEAF: u8 = 0x0d;
    let mut bytes = Vec::new();
    std::fs::File::open(directory.join(FILE_NAME)).unwrap().read_to_end(&mut bytes).unwrap();
    let pages = (1..bytes.len() as u64 / PAGE_BYTES).map(|page| page * PAGE_BYTES);
    pages.filter(|start| bytes[usize::try_from(*start).unwrap()] == TABLE_LEAF).collect()
}

async fn opened(directory: &Path) -> Store {
    Store::open(&StoreLocation::in_directory(directory), Access::Serve).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_08_a_page_that_cannot_be_read_costs_its_own_rows_only() {
    let original = folder();
    let before = recorded(original.path(), 400).await;
    let leaves = leaves(original.path());
    assert!(leaves.len() > 50);
    for leaf in leaves.iter().skip(20).step_by(leaves.len() / 6) {
        let copy = copy_of(original.path());
        overwrite(copy.path(), *leaf, &[0xff; 64]);
        let store = opened(copy.path()).await;
        let salvage = store.salvage().expect("the damage is found").clone();
        let after = ids(&store).await;
        assert!(after.is_subset(&before), "nothing is invented");
        let lost = before.len() - after.len();
        assert!((1..=16).contains(&lost) && salvage.unreadable as usize >= lost, "{lost} lost, {salvage:?}");
        assert!(salvage.aside.exists());
        let newest = store.newest_event_timestamp().await.unwrap();
        store.close().await.unwrap();
        // The next start finds a sound database, and event times go on.
        let store = opened(copy.path()).await;
        assert!(store.salvage().is_none());
        assert_eq!(store.newest_event_timestamp().await.unwrap(), newest);
        assert_eq!(ids(&store).await, after);
        store.close().await.unwrap();
    }
}

#[test]
fn test_08_random_byte_flips_and_truncations_never_stop_the_service() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let original = folder();
    let before = runtime.block_on(recorded(original.path(), 200));
    let bytes = std::fs::read(original.path().join(FILE_NAME)).unwrap();
    let size = bytes.len() as u64;
    // Without its definition a table cannot be read.
    let is_definition = |at: u64| {
        let start = usize::try_from(at / PAGE_BYTES * PAGE_BYTES).unwrap();
        at < PAGE_BYTES || bytes[start..start + 4_096].windows(12).any(|found| found == b"CREATE TABLE")
    };
    let flips = prop::collection::vec((0..size, any::<u8>()), 1..12);
    let cut = prop::option::weighted(0.2, 0..size);
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    let mut survivors = Vec::new();
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let cell = std::cell::RefCell::new(&mut survivors);
    let outcome = runner.run(&(flips, cut), |(flips, cut)| {
        let copy = copy_of(original.path());
        for (at, byte) in &flips {
            overwrite(copy.path(), *at, &[*byte]);
        }
        if let Some(cut) = cut {
            let file = std::fs::OpenOptions::new().write(true).open(copy.path().join(FILE_NAME)).unwrap();
            file.set_len(cut).unwrap();
        }
        let (after, marked_newer) = runtime.block_on(async {
            match Store::open(&StoreLocation::in_directory(copy.path()), Access::Serve).await {
                Ok(store) => {
                    let after = ids(&store).await;
                    store.close().await.unwrap();
                    (after, false)
                }
                // A flip in the schema's version is no damage that can be seen.
                Err(error) => (BTreeSet::new(), error.to_string().contains("newer version")),
            }
        });
        prop_assert!(after.is_subset(&before), "nothing is invented");
        prop_assert!(
            marked_newer || !after.is_empty() || cut.is_some() || flips.iter().any(|(at, _)| is_definition(*at))
        );
        if cut.is_none() {
            cell.borrow_mut().push(after.len());
        }
        Ok(())
    });
    outcome.unwrap();
    let whole = survivors.iter().filter(|kept| **kept + 20 >= before.len()).count();
    println!("rows kept of {}: {survivors:?}", before.len());
    assert!(whole * 2 > survivors.len(), "most files lose next to nothing: {survivors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_08_what_was_salvaged_is_delivered() {
    let original = folder();
    recorded(original.path(), 100).await;
    let leaf = leaves(original.path())[10];
    overwrite(original.path(), leaf, &[0xff; 64]);
    std::fs::write(original.path().join(format!("{FILE_NAME}.check")), "").unwrap();
    let stub = DataStorageStub::start().await;
    let trail = Trail::deliver(original.path(), &quick(), &stub).await;
    trail.is_empty_within(PATIENCE).await;
    let stored = stub.stored();
    assert!(stored.len() > 80, "{} stored", stored.len());
    super::trail::assert_chain(&stored);
    assert!(trail.metric("audit_corrupt_records_total") >= 1.0);
    trail.record("rr-9", 0..3).await;
    trail.is_empty_within(PATIENCE).await;
    assert_eq!(texts(&stub.stored())["rr-9"], numbers(0..3));
}

/// A crash between the steps of a replacement: the complete fresh file takes its place at the next start.
#[tokio::test]
async fn a_replacement_that_was_interrupted_is_finished() {
    let (damaged, sound) = (folder(), folder());
    recorded(damaged.path(), 3).await;
    let kept = recorded(sound.path(), 5).await;
    std::fs::copy(sound.path().join(FILE_NAME), damaged.path().join(format!("{FILE_NAME}.salvaged"))).unwrap();
    std::fs::write(damaged.path().join(format!("{FILE_NAME}-wal")), "a log of the old file").unwrap();
    let store = opened(damaged.path()).await;
    assert_eq!(ids(&store).await, kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_09_a_store_that_takes_no_writes_pauses_delivery_and_goes_on_afterwards() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let trail = Trail::open(folder.path(), &quick()).await;
    trail.record("rr-1", 0..10).await;
    let path = trail.store.path().to_owned();
    // Every mark of an attempt fails, as on a full disk.
    execute(
        &path,
        "CREATE TRIGGER full BEFORE UPDATE ON audit_outbox BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
    )
    .await;
    trail.audit.deliver_to(trail.client(folder.path(), &stub));
    tokio::time::sleep(super::trail::millis(200)).await;
    assert!(stub.stored().is_empty(), "nothing is sent that is not marked");
    execute(&path, "DROP TRIGGER full").await;
    trail.is_empty_within(PATIENCE).await;
    assert_eq!(texts(&stub.stored())["rr-1"], numbers(0..10));
}

#[tokio::test]
async fn test_09_a_second_owner_is_refused_and_told_why() {
    let folder = folder();
    let trail = Trail::open(folder.path(), &quick()).await;
    let refused = Store::open(&StoreLocation::in_directory(folder.path()), Access::Serve).await.unwrap_err();
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
    trail.record("rr-1", 0..1).await;
}

/// Audit §3.8: running investigations go on while the disk takes nothing; their events reach it later, in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_09_events_of_running_investigations_outlive_a_full_disk_in_memory() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let trail = Trail::deliver(folder.path(), &quick(), &stub).await;
    trail.record("rr-1", 0..3).await;
    trail.is_empty_within(PATIENCE).await;
    let path = trail.store.path().to_owned();
    execute(
        &path,
        "CREATE TRIGGER full BEFORE INSERT ON audit_outbox BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END",
    )
    .await;
    for number in 3..6 {
        let refused = trail.audit.record(super::trail::numbered("rr-1", number)).await;
        assert!(refused.is_err(), "it does not survive a crash, so it is not recorded");
    }
    assert!((trail.metric("audit_spool_degraded") - 1.0).abs() < 1e-9);
    execute(&path, "DROP TRIGGER full").await;
    trail.record("rr-1", 6..8).await;
    trail.is_empty_within(PATIENCE).await;
    let stored = stub.has_stored(8, PATIENCE).await;
    assert_eq!(texts(&stored)["rr-1"], numbers(0..8));
    super::trail::assert_chain(&stored);
    assert!(trail.metric("audit_spool_degraded").abs() < 1e-9);
}
