//! DataStorage is away, overloaded, misconfigured, or its answers are lost.

use std::time::{Duration, Instant};

use holmesgpt_api::audit::{AuditConfig, AuditFault, Payload, SpoolConfig};

use super::trail::{PATIENCE, Trail, assert_chain, event, folder, millis, numbers, quick, texts, token};
use crate::stubs::datastorage::{DataStorageStub, Fault};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_arrive_in_order_whole_and_in_batches() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let trail = Trail::deliver(folder.path(), &quick(), &stub).await;
    tokio::join!(trail.record("rr-1", 0..40), trail.record("rr-2", 0..40), trail.record("rr-3", 0..40));
    trail.is_empty_within(PATIENCE).await;
    let stored = stub.stored();
    assert_eq!(stored.len(), 120, "each event once");
    for (_, texts) in texts(&stored) {
        assert_eq!(texts, numbers(0..40));
    }
    assert_chain(&stored);
    let posts = stub.asked().iter().filter(|asked| asked.method == "POST").count();
    assert!(posts < 60, "{posts} requests for 120 events");
    assert_eq!(trail.close().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_02_a_server_that_refuses_connections_loses_nothing_and_is_not_hammered() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    stub.down();
    let trail = Trail::deliver(folder.path(), &quick(), &stub).await;
    let began = Instant::now();
    for round in 0..20 {
        trail.record("rr-1", round * 5..round * 5 + 5).await;
        trail.record("rr-2", round * 5..round * 5 + 5).await;
        tokio::time::sleep(millis(30)).await;
    }
    let down_for = began.elapsed();
    let failures = trail.metric(r#"audit_batches_failed_total{class="unreachable"}"#);
    // Pauses of 10, 20, 40 and then 80 ms, each at least half as long.
    let steps_max = 6.0 + down_for.as_secs_f64() / 0.040;
    assert!(failures >= 2.0 && failures <= steps_max, "{failures} attempts in {down_for:?}");
    assert!(trail.metric(r#"aiagent_api_circuit_breaker_state{name="audit"}"#) > 0.5, "open or half open");
    stub.up().await;
    trail.is_empty_within(PATIENCE).await;
    let stored = stub.stored();
    assert_eq!(stored.len(), 200);
    for (_, texts) in texts(&stored) {
        assert_eq!(texts, numbers(0..100));
    }
    assert_chain(&stored);
    assert_eq!(trail.close().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_03_answers_lost_after_commit_make_no_duplicates() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let faults = [Fault::ResetAfterCommit, Fault::Truncated, Fault::Status(502, None), Fault::ResetBeforeCommit];
    stub.next(faults);
    let trail = Trail::deliver(folder.path(), &quick(), &stub).await;
    tokio::join!(trail.record("rr-1", 0..30), trail.record("rr-2", 0..30));
    trail.is_empty_within(PATIENCE).await;
    let stored = stub.stored();
    assert_eq!(stored.len(), 60, "every event exactly once");
    assert_chain(&stored);
    assert!(trail.metric("audit_duplicates_suppressed_total") > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_06_a_202_is_believed_when_the_event_shows_and_sent_again_when_it_never_does() {
    for (fault, confirmed) in [(Fault::AcceptedLate(millis(100)), true), (Fault::AcceptedAndLost, false)] {
        let (folder, stub) = (folder(), DataStorageStub::start().await);
        stub.next([fault]);
        let trail = Trail::deliver(folder.path(), &quick(), &stub).await;
        trail.record("rr-1", 0..1).await;
        tokio::time::sleep(millis(30)).await;
        trail.record("rr-1", 1..5).await;
        trail.is_empty_within(PATIENCE).await;
        let stored = stub.stored();
        assert_eq!(texts(&stored)["rr-1"], numbers(0..5), "once, and in order");
        assert!(trail.metric("audit_events_unconfirmed_total") >= 1.0);
        assert_eq!(trail.metric("audit_duplicates_suppressed_total") > 0.0, confirmed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_07_a_rotated_token_a_missing_permission_and_a_wrong_address_lose_nothing() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let trail = Trail::deliver(folder.path(), &quick(), &stub).await;
    stub.require_token("second");
    trail.record("rr-1", 0..5).await;
    tokio::time::sleep(millis(100)).await;
    assert!(stub.stored().is_empty());
    std::fs::write(token(folder.path()), "second").unwrap();
    trail.is_empty_within(PATIENCE).await;
    for (round, status) in (1..).zip([403, 404, 405, 410, 503, 429]) {
        stub.always(Some(Fault::Status(status, None)));
        trail.record("rr-1", round * 5..round * 5 + 5).await;
        tokio::time::sleep(millis(60)).await;
        assert_eq!(stub.stored().len(), round * 5, "{status}");
        stub.always(None);
        trail.is_empty_within(PATIENCE).await;
    }
    let stored = stub.stored();
    assert_eq!(texts(&stored)["rr-1"], numbers(0..35));
    assert_chain(&stored);
    assert!(trail.quarantine().await.is_empty());
    for class in ["unauthorized", "forbidden", "wrong_server", "unavailable"] {
        let series = format!("audit_batches_failed_total{{class=\"{class}\"}}");
        assert!(trail.metric(&series) >= 1.0, "{class}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_12_a_shutdown_while_the_server_is_away_leaves_everything_to_the_next_start() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    stub.down();
    let config = AuditConfig { drain_timeout: millis(200), ..quick() };
    let trail = Trail::deliver(folder.path(), &config, &stub).await;
    trail.record("rr-1", 0..50).await;
    let began = Instant::now();
    assert_eq!(trail.close().await, 50);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    stub.up().await;
    let trail = Trail::deliver(folder.path(), &config, &stub).await;
    assert!((trail.metric("audit_recovered_events_total") - 50.0).abs() < 1e-9);
    trail.record("rr-1", 50..60).await;
    trail.is_empty_within(PATIENCE).await;
    assert_eq!(texts(&stub.stored())["rr-1"], numbers(0..60), "the old ones first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_delivers_what_was_recorded() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let config = AuditConfig { linger: Duration::from_secs(5), ..quick() };
    let trail = Trail::deliver(folder.path(), &config, &stub).await;
    trail.record("rr-1", 0..20).await;
    let began = Instant::now();
    assert_eq!(trail.close().await, 0);
    assert!(began.elapsed() < Duration::from_secs(4), "nothing waits for company any more");
    assert_eq!(stub.stored().len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_event_does_not_wait_for_company() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let config = AuditConfig { linger: Duration::from_secs(30), ..quick() };
    let trail = Trail::deliver(folder.path(), &config, &stub).await;
    trail.record("rr-1", 0..3).await;
    tokio::time::sleep(millis(100)).await;
    assert!(stub.stored().is_empty());
    let end = Payload::ResponseFailed { error_message: "e".to_owned(), phase: "rca" };
    trail.audit.record(event("rr-1", end)).await.unwrap();
    assert_eq!(stub.has_stored(4, Duration::from_secs(10)).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backpressure_refuses_before_the_outbox_is_full_and_lets_go_afterwards() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    stub.down();
    let spool = SpoolConfig { bytes_max: 200_000, high_water: 0.5, reservation_bytes: 20_000, ..quick().spool };
    let config = AuditConfig { spool, readiness_age_max: millis(300), ..quick() };
    let trail = Trail::deliver(folder.path(), &config, &stub).await;
    let running: Vec<_> = (0..9).map(|_| trail.audit.reserve()).collect();
    assert!(trail.audit.admits().is_ok());
    let last = trail.audit.reserve();
    assert!(trail.audit.admits().is_err(), "the next one would not have room");
    drop((running, last));
    assert!(trail.audit.admits().is_ok());
    trail.record("rr-1", 0..200).await;
    assert!(trail.audit.admits().is_err(), "above the high-water mark");
    let fault = async |fault: AuditFault| {
        let deadline = Instant::now() + PATIENCE;
        while !trail.audit.faults().contains(&fault) {
            assert!(Instant::now() < deadline, "{:?}", trail.audit.faults());
            tokio::time::sleep(millis(5)).await;
        }
    };
    fault(AuditFault::SpoolFull).await;
    fault(AuditFault::Overdue).await;
    stub.up().await;
    trail.is_empty_within(PATIENCE).await;
    let deadline = Instant::now() + PATIENCE;
    while trail.audit.admits().is_err() || !trail.audit.faults().is_empty() {
        assert!(Instant::now() < deadline, "{:?}", trail.audit.faults());
        tokio::time::sleep(millis(5)).await;
    }
}

/// The clock was ahead before a restart: times go on behind the newest event ever recorded, delivered ones included, unless
/// they would run into the server's own limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn test_10_event_times_never_go_back_over_a_restart() {
    let (folder, stub) = (folder(), DataStorageStub::start().await);
    let trail = Trail::deliver(folder.path(), &quick(), &stub).await;
    trail.record("rr-1", 0..3).await;
    trail.is_empty_within(PATIENCE).await;
    let newest = trail.store.newest_event_timestamp().await.unwrap();
    let path = trail.store.path().to_owned();
    assert_eq!(trail.close().await, 0);
    for (ahead_minutes, goes_on) in [(0, true), (40, true), (120, false)] {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::query("UPDATE audit_outbox_totals SET newest_timestamp = max(newest_timestamp, ?1)")
            .bind((jiff::Timestamp::now() + jiff::SignedDuration::from_mins(ahead_minutes)).as_microsecond())
            .execute(&mut connection)
            .await
            .unwrap();
        sqlx::Connection::close(connection).await.unwrap();
        let trail = Trail::open(folder.path(), &quick()).await;
        let last = trail.store.newest_event_timestamp().await.unwrap();
        assert!(last >= newest, "kept although its event is delivered and gone");
        trail.record("rr-2", 0..1).await;
        let at = trail.waiting().await.last().unwrap().event.event_timestamp;
        assert_eq!(Some(at) > last, goes_on, "{ahead_minutes} minutes ahead: {at} behind {last:?}");
        trail.crash().await;
    }
}
