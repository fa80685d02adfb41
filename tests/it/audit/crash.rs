//! Acceptance test 1: the real binary is killed at random moments while DataStorage misbehaves.
//!
//! How does the test know for which events `record` returned? A trigger writes the id of every event into a ledger in the
//! commit that keeps the event, so the ledger holds exactly what was ever committed, delivered and deleted events too.

#![expect(clippy::print_stdout, reason = "figures for people")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use holmesgpt_api::store::{Access, FILE_NAME, Store, StoreLocation};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::trail::{PATIENCE, assert_chain, millis, token};
use crate::process::{Service, root};
use crate::stubs::datastorage::{DataStorageStub, Fault};

/// Everything on one machine, but audit goes to the stub.
pub(super) fn configuration(folder: &Path, stub: &DataStorageStub, audit: &Value) -> String {
    let config = json!({
        "auth": { "mode": "token" },
        "cluster": { "source": "bundle", "bundle": root().join("examples/oom-cart-api/bundle") },
        "catalogue": { "source": "directory" },
        "investigation": { "engine": "analyser" },
        "audit": audit,
        "data_storage": { "url": stub.url(), "token_path": token(folder) },
        "shutdown": { "endpoint_delay_seconds": 0, "drain_seconds": 5 },
    });
    let path = folder.join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Every wait well below a second.
pub(super) fn quick() -> Value {
    json!({
        "flush_interval_seconds": 0.05,
        "poll_interval_seconds": 0.1,
        "confirm": { "ambiguity_wait_seconds": 0.4, "accepted_waits_seconds": [0.3, 0.3] },
        "backoff": { "base_seconds": 0.02, "max_seconds": 0.2, "forbidden_seconds": 0.05 },
    })
}

/// Submits incidents as their controller does.
pub(super) struct Submitter {
    client: reqwest::Client,
    token: String,
    incident: Value,
}

impl Submitter {
    pub(super) fn of(state: &Path) -> Self {
        let file = std::fs::read_to_string(state.join("tokens")).unwrap();
        let line = file.lines().find(|line| !line.starts_with('#')).unwrap();
        let incident = std::fs::read(root().join("examples/oom-cart-api/incident.json")).unwrap();
        Self {
            client: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap(),
            token: line.split_once(':').unwrap().1.to_owned(),
            incident: serde_json::from_slice(&incident).unwrap(),
        }
    }

    /// The status of the answer, if there was one.
    pub(super) async fn submit(&self, address: &str, id: &str) -> Option<u16> {
        let mut incident = self.incident.clone();
        incident["incident_id"] = format!("inc-{id}").into();
        incident["remediation_id"] = format!("rr-{id}").into();
        let request = self.client.post(format!("http://{address}/api/v1/incident/analyze")).bearer_auth(&self.token);
        let request = request.header("content-type", "application/json").body(incident.to_string());
        request.send().await.ok().map(|response| response.status().as_u16())
    }

    pub(super) async fn ready(&self, address: &str) -> (u16, Value) {
        let response = self.client.get(format!("http://{address}/ready")).send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }
}

/// Numbers that are hard to foresee and easy to repeat.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// What goes wrong next. Everything the server stores late, it stores before the service asks.
fn trouble(dice: &mut Dice) -> Vec<Fault> {
    let one = |dice: &mut Dice| match dice.roll(9) {
        0 => Fault::ResetAfterCommit,
        1 => Fault::ResetBeforeCommit,
        2 => Fault::Status(503, None),
        3 => Fault::Status(500, None),
        4 => Fault::Status(429, Some(0)),
        5 => Fault::AcceptedLate(millis(100)),
        6 => Fault::AcceptedAndLost,
        7 => Fault::Stall(millis(100)),
        _ => Fault::Truncated,
    };
    (0..dice.roll(4)).map(|_| one(dice)).collect()
}

async fn ledger(state: &Path) -> Vec<(String, String, String)> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(state.join(FILE_NAME));
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let rows = sqlx::query_as("SELECT event_id, correlation_id, event_type FROM ledger").fetch_all(&mut connection);
    let rows = rows.await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    rows
}

/// Makes the database with its ledger.
async fn prepare(state: &Path) {
    Store::open(&StoreLocation::in_directory(state), Access::Serve).await.unwrap().close().await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(state.join(FILE_NAME));
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    for statement in [
        "CREATE TABLE ledger (event_id TEXT PRIMARY KEY, correlation_id TEXT, event_type TEXT)",
        "CREATE TRIGGER ledger AFTER INSERT ON audit_outbox
         BEGIN INSERT INTO ledger VALUES (NEW.event_id, NEW.correlation_id, NEW.event_type); END",
    ] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    sqlx::Connection::close(connection).await.unwrap();
}

async fn undelivered(state: &Path) -> u64 {
    let store = Store::open(&StoreLocation::in_directory(state), Access::ReadOnly).await.unwrap();
    let totals = store.outbox_totals().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(totals.quarantined, 0);
    totals.events
}

async fn kill_at_random(kills: usize, concurrent: usize) {
    let seed = jiff::Timestamp::now().as_microsecond().unsigned_abs();
    println!("seed {seed}: {kills} kills, {concurrent} investigations at once");
    let mut dice = Dice(seed);
    let (folder, stub) = (TempDir::new().unwrap(), DataStorageStub::start().await);
    let state = folder.path().join("state");
    prepare(&state).await;
    let config = configuration(folder.path(), &stub, &quick());
    let arguments = ["serve", "--config", &config];
    let mut accepted = BTreeSet::new();
    let began = Instant::now();
    for kill in 0..kills {
        let service = Service::start(&state, &arguments);
        let submitter = Submitter::of(&state);
        stub.next(trouble(&mut dice));
        if dice.roll(5) == 0 {
            stub.down();
        }
        let submit = async |number: usize| {
            let id = format!("{kill}-{number}");
            (submitter.submit(&service.address, &id).await == Some(202)).then_some(id)
        };
        let all = futures_util::future::join_all((0..concurrent).map(submit));
        let moment = millis(dice.roll(500));
        // Whoever was answered by then was accepted; the others may have been.
        let answered = async {
            let answers = all.await;
            tokio::time::sleep(moment).await;
            answers
        };
        if dice.roll(2) == 0 {
            accepted.extend(answered.await.into_iter().flatten());
        } else {
            let _ = tokio::time::timeout(moment, answered).await;
        }
        drop(service);
        stub.up_again().await;
    }
    let service = Service::start(&state, &arguments);
    stub.next(Vec::new());
    let deadline = Instant::now() + 4 * PATIENCE;
    while undelivered(&state).await > 0 {
        assert!(Instant::now() < deadline, "{} events are not delivered", undelivered(&state).await);
        tokio::time::sleep(millis(50)).await;
    }
    drop(service);
    check(&ledger(&state).await, &stub, &accepted, began.elapsed());
}

fn check(ledger: &[(String, String, String)], stub: &DataStorageStub, accepted: &BTreeSet<String>, took: Duration) {
    let stored = stub.stored();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &stored {
        *times.entry(&event.event_id).or_default() += 1;
    }
    let lost: Vec<_> = ledger.iter().filter(|(id, ..)| !times.contains_key(id.as_str())).collect();
    let known: BTreeSet<&str> = ledger.iter().map(|(id, ..)| id.as_str()).collect();
    let invented = times.keys().filter(|id| !known.contains(*id)).count();
    let duplicates: usize = times.values().map(|times| times - 1).sum();
    println!(
        "{} events recorded, {} stored, {} lost, {duplicates} duplicates, {} incidents accepted, {took:?}",
        ledger.len(),
        times.len(),
        lost.len(),
        accepted.len()
    );
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!((invented, duplicates), (0, 0));
    assert_chain(&stored);
    let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, correlation, event_type) in ledger {
        if event_type.starts_with("aiagent.response.") {
            *ends.entry(correlation).or_default() += 1;
        }
    }
    let wrong: Vec<_> = accepted.iter().filter(|id| ends.get(format!("rr-{id}").as_str()) != Some(&1)).collect();
    assert!(wrong.is_empty(), "without exactly one terminal event: {wrong:?}");
    assert!(ends.values().all(|count| *count == 1), "{ends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_01_kill_9_loses_nothing_repeats_nothing_and_ends_every_investigation() {
    kill_at_random(8, 10).await;
}

/// The full form: `cargo test --test it audit::crash -- --ignored --nocapture`; takes minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn test_01_in_full() {
    kill_at_random(200, 50).await;
}
