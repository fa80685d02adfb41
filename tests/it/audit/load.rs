//! Many events, and a long outage under load.

#![expect(clippy::print_stdout, reason = "figures for people")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::crash::{self, Submitter};
use super::trail::{PATIENCE, Trail, assert_chain, folder, millis, numbered, quick};
use crate::process::Service;
use crate::stubs::datastorage::DataStorageStub;

/// Resident memory of this process, in MiB.
fn resident_mib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4 / 1_024
}

/// Records at a steady rate from many tasks; prints how long `record` took.
async fn burst(rate: usize, lasting: Duration) {
    const CORRELATIONS: usize = 100;
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let trail = Trail::deliver(folder.path(), &quick(), &stub).await;
    let each = rate * usize::try_from(lasting.as_millis()).unwrap() / 1_000 / CORRELATIONS;
    let pause = lasting / u32::try_from(each).unwrap();
    let (before, began) = (resident_mib(), Instant::now());
    let writers = (0..CORRELATIONS).map(|correlation| {
        let audit = trail.audit.clone();
        tokio::spawn(async move {
            let name = format!("rr-{correlation}");
            let mut took = Vec::with_capacity(each);
            for number in 0..each {
                let due = began + pause * u32::try_from(number).unwrap();
                tokio::time::sleep_until(due.into()).await;
                let started = Instant::now();
                audit.record(numbered(&name, number)).await.unwrap();
                took.push(started.elapsed());
            }
            took
        })
    });
    let mut took: Vec<Duration> = Vec::new();
    for writer in futures_util::future::join_all(writers).await {
        took.extend(writer.unwrap());
    }
    let recording = began.elapsed();
    took.sort();
    let percentile = |percent: usize| took[took.len() * percent / 100];
    let waiting = trail.store.outbox_totals().await.unwrap().events;
    trail.is_empty_within(20 * PATIENCE).await;
    println!(
        "{} events recorded in {recording:?} ({rate}/s asked for): record p50 {:?} p99 {:?} max {:?}; {waiting} waited at \
         the end, all delivered after {:?}; memory {before} MiB before, {} after (the server keeps everything too)",
        took.len(),
        percentile(50),
        percentile(99),
        took.last().unwrap(),
        began.elapsed(),
        resident_mib(),
    );
    let stored = stub.stored();
    assert_eq!(stored.len(), CORRELATIONS * each);
    assert_chain(&stored);
    assert!(trail.metric(r#"audit_events_dropped_total{reason="buffer_full",service="holmesgpt-api"}"#).abs() < 1e-9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_13_a_burst_is_taken_without_a_drop() {
    burst(2_000, Duration::from_secs(1)).await;
}

/// The full form: `cargo test --release --test it audit::load -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn test_13_in_full() {
    burst(10_000, Duration::from_secs(10)).await;
}

/// Ten minutes without DataStorage, one second standing for two minutes: no investigation fails, readiness tells the
/// truth, memory stays flat, and everything arrives in order afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_under_load_is_survived() {
    const OUTAGE: Duration = Duration::from_secs(5);
    let (folder, stub) = (TempDir::new().unwrap(), DataStorageStub::start().await);
    let state = folder.path().join("state");
    let mut audit = crash::quick();
    audit["readiness_max_age_seconds"] = json!(2);
    let config = crash::configuration(folder.path(), &stub, &audit);
    let service = Service::start(&state, &["serve", "--config", &config]);
    let submitter = Submitter::of(&state);
    assert_eq!(submitter.submit(&service.address, "warm").await, Some(202));
    ready_is(&submitter, &service, 200, None).await;
    stub.down();
    let before = service.resident_bytes() / 1_048_576;
    let (began, mut accepted) = (Instant::now(), 1);
    while began.elapsed() < OUTAGE {
        let id = format!("{accepted}");
        assert_eq!(submitter.submit(&service.address, &id).await, Some(202), "an outage refuses nobody");
        accepted += 1;
        if began.elapsed() < Duration::from_secs(1) {
            assert_eq!(submitter.ready(&service.address).await.0, 200, "an outage alone is survived");
        }
        tokio::time::sleep(millis(20)).await;
    }
    ready_is(&submitter, &service, 503, Some("audit_delivery_overdue")).await;
    let after = service.resident_bytes() / 1_048_576;
    stub.up().await;
    ready_is(&submitter, &service, 200, None).await;
    let deadline = Instant::now() + PATIENCE;
    while terminal_events(&stub) < accepted {
        assert!(Instant::now() < deadline, "{} of {accepted}", terminal_events(&stub));
        tokio::time::sleep(millis(20)).await;
    }
    let stored = stub.stored();
    println!(
        "{accepted} investigations, {} events; memory {before} MiB before, {after} MiB at the end of the outage, {} MiB \
         after delivery",
        stored.len(),
        service.resident_bytes() / 1_048_576
    );
    assert_chain(&stored);
    let failed = stored.iter().filter(|stored| stored.event["event_type"] == "aiagent.response.failed").count();
    assert_eq!(failed, 0, "no investigation fails for the audit trail");
    let unique: std::collections::BTreeSet<_> = stored.iter().map(|stored| stored.event_id.as_str()).collect();
    assert_eq!(unique.len(), stored.len(), "each event once");
    assert!(after < before + 64, "{before} MiB grew to {after} MiB");
    service.terminate();
    assert_eq!(service.exit().code(), Some(0));
}

fn terminal_events(stub: &DataStorageStub) -> usize {
    let is_terminal = |event: &Value| event["event_type"].as_str().unwrap().starts_with("aiagent.response.");
    stub.stored().iter().filter(|stored| is_terminal(&stored.event)).count()
}

async fn ready_is(submitter: &Submitter, service: &Service, status: u16, reason: Option<&str>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (found, body) = submitter.ready(&service.address).await;
        if found == status && body["reason"].as_str() == reason {
            return;
        }
        assert!(Instant::now() < deadline, "{found} {body}");
        tokio::time::sleep(millis(20)).await;
    }
}

/// Acceptance test 9: no file may grow any more. Incidents are refused, the process lives, and what was accepted has its
/// end after the next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_09_a_full_disk_refuses_incidents_and_loses_none() {
    let (folder, stub) = (TempDir::new().unwrap(), DataStorageStub::start().await);
    let state = folder.path().join("state");
    let config = crash::configuration(folder.path(), &stub, &crash::quick());
    let arguments = ["serve", "--config", &config];
    let mut limited = std::process::Command::new("sh");
    // Blocks of 512 bytes; the signal is ignored, so that writes fail as on a full disk.
    let script = "trap '' XFSZ; ulimit -f 1200; exec \"$@\"";
    limited.args(["-c", script, "sh", env!("CARGO_BIN_EXE_holmesgpt-api")]).args(arguments);
    limited.args(["--port", "0", "--state-dir", state.to_str().unwrap()]).env("HOME", "/nonexistent");
    limited.current_dir(crate::process::root());
    let service = Service::started(limited);
    let submitter = Submitter::of(&state);
    ready_is(&submitter, &service, 200, None).await;
    stub.down();
    let mut accepted = Vec::new();
    loop {
        let id = format!("{}", accepted.len());
        match submitter.submit(&service.address, &id).await {
            Some(202) => accepted.push(id),
            Some(503) => break,
            other => panic!("{other:?}"),
        }
        assert!(accepted.len() < 2_000, "the disk is never full");
    }
    ready_is(&submitter, &service, 503, Some("store_unavailable")).await;
    drop(service);
    stub.up().await;
    let service = Service::start(&state, &arguments);
    let deadline = Instant::now() + PATIENCE;
    let ends = |id: &str| {
        let name = format!("rr-{id}");
        let of_incident = |stored: &&crate::stubs::datastorage::Stored| {
            stored.correlation_id == name
                && stored.event["event_type"].as_str().unwrap().starts_with("aiagent.response.")
        };
        stub.stored().iter().filter(of_incident).count()
    };
    while !accepted.iter().all(|id| ends(id) > 0) {
        assert!(Instant::now() < deadline, "{} accepted, {} events stored", accepted.len(), stub.stored().len());
        tokio::time::sleep(millis(50)).await;
    }
    assert!(accepted.iter().all(|id| ends(id) == 1), "exactly one end each");
    println!("{} incidents accepted before the disk was full", accepted.len());
    drop(service);
}
