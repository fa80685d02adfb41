//! Sessions over a real store: admission, order, ends, lifetimes, restart, drain.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod trail;

use std::future::{Future, pending};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use holmesgpt_api::audit::{AuditConfig, AuditSink, AuditTrail};
use holmesgpt_api::domain::{Engine, Incident, Investigation, RequestShape, RootCause, Severity};
use holmesgpt_api::investigation::{FailureCode, InvestigationError, RunContext};
use holmesgpt_api::metering::Metering;
use holmesgpt_api::sessions::{SessionState, Sessions, SessionsConfig, SessionsParts, SubmitError, Work};
use holmesgpt_api::store::{Access, AuditQuery, FILE_NAME, Store, StoreLocation};
use holmesgpt_api::telemetry::Metrics;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::timeout;

type Outcome = Result<Investigation, InvestigationError>;

fn incident(id: &str) -> Incident {
    serde_json::from_value(json!({
        "incident_id": id, "remediation_id": format!("rr-{id}"), "signal_name": "KubePodCrashLooping",
        "severity": "high", "signal_source": "kubernaut",
        "resource": { "kind": "Deployment", "name": "cart-api", "namespace": "checkout" },
        "error_message": "", "description": null, "environment": "production", "priority": "P1",
        "risk_tolerance": "medium", "business_category": "standard", "cluster_name": "default",
        "signal_mode": "reactive", "is_duplicate": false, "occurrence_count": 1,
        "deduplication_window_minutes": null, "firing_time": null, "received_time": null, "first_seen": null,
        "last_seen": null, "signal_labels": {}, "signal_annotations": {}, "custom_labels": {}, "shape": "successor",
    }))
    .unwrap()
}

fn investigation(incident: &Incident) -> Investigation {
    Investigation {
        incident_id: incident.incident_id.clone(),
        analysis: "The container exceeds its limit.".to_owned(),
        root_cause: RootCause {
            summary: "limit too low".to_owned(),
            severity: Severity::High,
            signal_name: None,
            cause_class: None,
            contributing_factors: Vec::new(),
            target: None,
            causal_chain: Vec::new(),
            due_diligence: Default::default(),
            evidence: Vec::new(),
        },
        selected_workflow: None,
        confidence: 0.8,
        completed_at: jiff::Timestamp::from_second(1_700_000_000).unwrap(),
        review: None,
        actionable: None,
        warnings: Vec::new(),
        alternatives: Vec::new(),
        validation_attempts: Vec::new(),
        engine: Engine::Analyser { because: None },
        excluded: Vec::new(),
        not_checked: Vec::new(),
        detected_labels: None,
        confidence_basis: None,
    }
}

/// Sessions with everything below them, in a directory that outlives them.
struct Fixture {
    sessions: Sessions,
    store: Store,
    metrics: Metrics,
    directory: Arc<TempDir>,
}

impl Fixture {
    async fn start(config: SessionsConfig, budget: Duration, work: Work) -> Self {
        Self::start_in(Arc::new(TempDir::new().unwrap()), config, budget, work).await
    }

    async fn start_in(directory: Arc<TempDir>, config: SessionsConfig, budget: Duration, work: Work) -> Self {
        let store = open_store(directory.path()).await;
        let metrics = Metrics::build().unwrap();
        let audit = AuditConfig { sink: AuditSink::Local, ..AuditConfig::default() };
        let audit = AuditTrail::open(&audit, store.clone(), metrics.clone()).await.unwrap();
        let metering = Metering::default();
        let parts = SessionsParts {
            config,
            timeout: budget,
            store: store.clone(),
            audit,
            metrics: metrics.clone(),
            metering,
            work,
        };
        let sessions = Sessions::open(parts).await.unwrap();
        Self { sessions, store, metrics, directory }
    }

    /// Everything as a crash would leave it at this moment: nothing closed, nothing checkpointed.
    fn crash(&self) -> Arc<TempDir> {
        let left = TempDir::new().unwrap();
        for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal")] {
            std::fs::copy(self.directory.path().join(&name), left.path().join(&name)).unwrap();
        }
        Arc::new(left)
    }

    async fn restart(self, work: Work) -> Self {
        self.store.close().await.unwrap();
        Self::start_in(self.directory, SessionsConfig::default(), MINUTE, work).await
    }

    async fn submit(&self, id: &str) -> String {
        self.sessions.submit(incident(id), "someone").await.unwrap().to_string()
    }

    async fn state(&self, id: &str) -> Option<SessionState> {
        self.sessions.get(id).await.unwrap().map(|record| record.state)
    }

    async fn reaches(&self, id: &str, state: SessionState) {
        eventually(async || self.state(id).await == Some(state)).await;
    }

    /// (correlation, type, phase) of every event recorded.
    async fn events(&self) -> Vec<(String, String, String)> {
        let events = self.store.events(&AuditQuery::default()).await.unwrap();
        let mut told = Vec::new();
        for event in events {
            let body: Value = serde_json::from_str(&event.body).unwrap();
            let phase = body["event_data"]["phase"].as_str().unwrap_or_default().to_owned();
            told.push((event.correlation_id, event.event_type, phase));
        }
        told.sort();
        told
    }

    fn metric(&self, series: &str) -> f64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no series {series}")).parse().unwrap()
    }
}

const MINUTE: Duration = Duration::from_secs(60);

async fn open_store(directory: &Path) -> Store {
    Store::open(&StoreLocation::in_directory(directory), Access::Serve).await.unwrap()
}

async fn eventually(mut check: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !check().await {
        assert!(started.elapsed() < Duration::from_secs(10), "it never happened");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn work<F, R>(run: F) -> Work
where
    F: Fn(Arc<Incident>, RunContext) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome> + Send + 'static,
{
    Work::new(run)
}

fn instant() -> Work {
    work(|incident, _| async move { Ok(investigation(&incident)) })
}

/// Runs that end when the test gives a permit.
fn gated(gate: &Arc<Semaphore>) -> Work {
    let gate = Arc::clone(gate);
    work(move |incident, context| {
        let gate = Arc::clone(&gate);
        async move {
            context.progress.phase("root cause analysis");
            gate.acquire().await.unwrap().forget();
            Ok(investigation(&incident))
        }
    })
}

fn terminal(id: &str, event_type: &str, phase: &str) -> (String, String, String) {
    (format!("rr-{id}"), format!("aiagent.response.{event_type}"), phase.to_owned())
}

fn at_once(max_concurrent: usize, queue_limit: usize) -> SessionsConfig {
    SessionsConfig { max_concurrent_investigations: max_concurrent, queue_limit, ..SessionsConfig::default() }
}

#[tokio::test]
async fn from_acceptance_to_result() {
    let gate = Arc::new(Semaphore::new(0));
    let service = Fixture::start(SessionsConfig::default(), MINUTE, gated(&gate)).await;
    let id = service.submit("one").await;
    let rows = service.store.sessions().await.unwrap();
    assert_eq!((rows[0].id.as_str(), rows[0].shape.as_str()), (id.as_str(), "successor"), "durable before the answer");

    service.reaches(&id, SessionState::Investigating).await;
    eventually(async || {
        let record = service.sessions.get(&id).await.unwrap().unwrap();
        record.progress == Some("root cause analysis")
    })
    .await;
    assert_eq!(service.metric("aiagent_sessions_active"), 1.0);
    assert!(service.events().await.is_empty());
    gate.add_permits(1);

    let parsed = service.sessions.get(&id).await.unwrap().unwrap().id;
    let record = timeout(MINUTE, service.sessions.finished(parsed)).await.unwrap().unwrap().unwrap();
    assert_eq!((record.state, record.error, record.progress), (SessionState::Completed, None, None));
    assert_eq!(record.shape, RequestShape::Successor);
    assert_eq!((record.incident_id.as_str(), record.caller.as_str()), ("one", "someone"));
    assert_eq!(record.result.as_deref(), Some(&investigation(&incident("one"))));
    assert!(record.completed_at.unwrap() >= record.created_at);
    assert_eq!(service.events().await, [terminal("one", "complete", "")]);
    assert_eq!(service.metric("aiagent_sessions_active"), 0.0);
    assert_eq!(service.metric("aiagent_sessions_completed_total{outcome=\"completed\"}"), 1.0);
    assert_eq!(service.metric("aiagent_sessions_stored{status=\"completed\"}"), 1.0);
}

#[tokio::test]
async fn ids_are_uuids_and_others_name_nothing() {
    let service = Fixture::start(SessionsConfig::default(), MINUTE, instant()).await;
    for number in 0..64 {
        let id = service.submit(&number.to_string()).await;
        let parsed = uuid::Uuid::try_parse(&id).unwrap();
        assert_eq!((parsed.get_version_num(), id.contains("429")), (4, false), "{id}");
        assert!(service.state(&id.to_uppercase()).await.is_some(), "the spelling of a UUID does not matter");
        assert_eq!(service.state(&parsed.simple().to_string()).await, None);
    }
    for wrong in
        ["", "x", "../../etc/passwd", "00000000-0000-4000-8000-000000000000", "5b0e7f0c-2f1c-4a0e-9d35-7d3bb8a2cé"]
    {
        assert_eq!(service.state(wrong).await, None, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_keeps_the_order_of_submission() {
    let gate = Arc::new(Semaphore::new(0));
    let order = Arc::new(Mutex::new(Vec::new()));
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let run = {
        let (gate, order, running, most) =
            (Arc::clone(&gate), Arc::clone(&order), Arc::clone(&running), Arc::clone(&most));
        work(move |incident, _| {
            order.lock().unwrap().push(incident.incident_id.clone());
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let (gate, running) = (Arc::clone(&gate), Arc::clone(&running));
            async move {
                gate.acquire().await.unwrap().forget();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok(investigation(&incident))
            }
        })
    };
    let service = Fixture::start(at_once(2, 50), MINUTE, run).await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(service.submit(&format!("{number:02}")).await);
    }
    service.reaches(&ids[1], SessionState::Investigating).await;
    assert_eq!(service.state(&ids[2]).await, Some(SessionState::Pending));
    assert_eq!(service.metric("aiagent_sessions_pending"), 18.0);
    // One ends at a time, so one starts at a time: always the oldest.
    for (next, waiting) in ids[2..].iter().zip(&ids[3..]) {
        gate.add_permits(1);
        service.reaches(next, SessionState::Investigating).await;
        assert_eq!(service.state(waiting).await, Some(SessionState::Pending), "{waiting} overtook");
    }
    gate.add_permits(3);
    for id in &ids {
        service.reaches(id, SessionState::Completed).await;
    }
    let entered = order.lock().unwrap().clone();
    assert_eq!(entered.len(), 20);
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_full_queue_refuses_and_stores_nothing() {
    let gate = Arc::new(Semaphore::new(0));
    let service = Fixture::start(at_once(1, 1), MINUTE, gated(&gate)).await;
    let first = service.submit("one").await;
    service.submit("two").await;
    let refused = service.sessions.submit(incident("three"), "someone").await.unwrap_err();
    assert!(matches!(refused, SubmitError::QueueFull));
    assert_eq!(service.store.sessions().await.unwrap().len(), 2);
    assert_eq!(service.metric("aiagent_sessions_completed_total{outcome=\"rejected\"}"), 1.0);
    gate.add_permits(1);
    service.reaches(&first, SessionState::Completed).await;
    service.submit("three").await;
}

#[tokio::test]
async fn limits_change_under_running_sessions() {
    let gate = Arc::new(Semaphore::new(0));
    let service = Fixture::start(at_once(1, 1), MINUTE, gated(&gate)).await;
    let sessions = &service.sessions;
    let first = service.submit("one").await;
    let second = service.submit("two").await;
    assert!(sessions.submit(incident("three"), "someone").await.is_err());
    sessions.set_limits(&at_once(1, 2), MINUTE);
    let third = service.submit("three").await;
    assert_eq!(service.state(&second).await, Some(SessionState::Pending));
    sessions.set_limits(&at_once(2, 0), MINUTE);
    service.reaches(&second, SessionState::Investigating).await;
    assert_eq!(service.state(&third).await, Some(SessionState::Pending), "two at once");
    let refused = sessions.submit(incident("four"), "someone").await.unwrap_err();
    assert!(matches!(refused, SubmitError::QueueFull));

    // Fewer at once: nobody is stopped, and the third waits for both.
    sessions.set_limits(&at_once(1, 200), MINUTE);
    gate.add_permits(1);
    service.reaches(&first, SessionState::Completed).await;
    assert_eq!(service.state(&second).await, Some(SessionState::Investigating));
    assert_eq!(service.state(&third).await, Some(SessionState::Pending));
    gate.add_permits(1);
    service.reaches(&second, SessionState::Completed).await;
    service.reaches(&third, SessionState::Investigating).await;

    // Another budget is that of sessions accepted from now on.
    sessions.set_limits(&at_once(1, 200), Duration::from_millis(20));
    let starved = service.submit("four").await;
    service.reaches(&starved, SessionState::Failed).await;
    assert_eq!(service.state(&third).await, Some(SessionState::Investigating));

    sessions.set_limits(&SessionsConfig { ttl: Duration::from_millis(20), ..at_once(1, 200) }, MINUTE);
    gate.add_permits(1);
    eventually(async || service.state(&third).await.is_none()).await;
    assert_eq!(service.state(&first).await, Some(SessionState::Completed), "it keeps the time it was given");
    eventually(async || service.store.sessions().await.unwrap().len() == 3).await;
}

#[tokio::test]
async fn the_oldest_finished_session_makes_room() {
    let gate = Arc::new(Semaphore::new(2));
    let config = SessionsConfig { max_sessions: 3, ..SessionsConfig::default() };
    let service = Fixture::start(config, MINUTE, gated(&gate)).await;
    let mut ids = Vec::new();
    for name in ["one", "two"] {
        ids.push(service.submit(name).await);
        service.reaches(ids.last().unwrap(), SessionState::Completed).await;
    }
    for name in ["three", "four", "five"] {
        ids.push(service.submit(name).await);
    }
    let refused = service.sessions.submit(incident("six"), "someone").await.unwrap_err();
    assert!(matches!(refused, SubmitError::QueueFull), "running sessions are never evicted");
    assert_eq!((service.state(&ids[0]).await, service.state(&ids[1]).await), (None, None));
    assert!(service.state(&ids[2]).await.is_some());
    assert_eq!(service.store.sessions().await.unwrap().len(), 3);
    assert_eq!(service.metric("aiagent_sessions_evicted_total{reason=\"capacity\"}"), 2.0);
}

#[tokio::test]
async fn finished_sessions_expire() {
    let config = SessionsConfig { ttl: Duration::from_millis(60), ..SessionsConfig::default() };
    let service = Fixture::start(config, MINUTE, instant()).await;
    let id = service.submit("one").await;
    service.reaches(&id, SessionState::Completed).await;
    eventually(async || service.state(&id).await.is_none()).await;
    eventually(async || service.store.sessions().await.unwrap().is_empty()).await;
    assert_eq!(service.metric("aiagent_sessions_evicted_total{reason=\"ttl\"}"), 1.0);
    assert_eq!(service.metric("aiagent_sessions_stored{status=\"completed\"}"), 0.0);
}

#[tokio::test]
async fn a_session_that_is_too_old_is_cancelled_and_forgotten() {
    let (ttl, max_age) = (Duration::from_millis(40), Duration::from_millis(120));
    let config = SessionsConfig { ttl, max_age, ..at_once(1, 5) };
    let service = Fixture::start(config, MINUTE, work(|_, _| pending())).await;
    let running = service.submit("one").await;
    let waiting = service.submit("two").await;
    eventually(async || service.state(&running).await.is_none() && service.state(&waiting).await.is_none()).await;
    eventually(async || service.store.sessions().await.unwrap().is_empty()).await;
    assert_eq!(
        service.events().await,
        [terminal("one", "failed", "cancelled"), terminal("two", "failed", "cancelled")]
    );
    assert_eq!(service.metric("aiagent_sessions_completed_total{outcome=\"cancelled\"}"), 2.0);
    assert_eq!(service.metric("aiagent_sessions_active"), 0.0);
}

#[tokio::test]
async fn a_panic_fails_its_own_session_only() {
    let run = work(|incident, context| {
        assert!(incident.incident_id != "early", "boom before the first await: password=hunter2");
        async move {
            context.progress.phase("workflow selection");
            tokio::task::yield_now().await;
            assert!(incident.incident_id != "late", "boom");
            Ok(investigation(&incident))
        }
    });
    let service = Fixture::start(at_once(1, 10), MINUTE, run).await;
    let (early, late, fine) =
        (service.submit("early").await, service.submit("late").await, service.submit("fine").await);
    service.reaches(&fine, SessionState::Completed).await;
    for id in [&early, &late] {
        let record = service.sessions.get(id).await.unwrap().unwrap();
        assert_eq!(record.state, SessionState::Failed);
        assert_eq!(record.error.as_deref(), Some("internal: the investigation ended unexpectedly"));
    }
    assert_eq!(
        service.events().await,
        [
            terminal("early", "failed", "rca"),
            terminal("fine", "complete", ""),
            terminal("late", "failed", "workflow_selection"),
        ]
    );
}

#[tokio::test]
async fn failures_are_told_in_one_line() {
    let run = work(|incident, _| async move {
        let code = if incident.incident_id == "cancelled" { FailureCode::Cancelled } else { FailureCode::LlmTimeout };
        Err(InvestigationError::new(code, "rca", "the provider\ndid not answer"))
    });
    let service = Fixture::start(SessionsConfig::default(), MINUTE, run).await;
    let (failed, cancelled) = (service.submit("failed").await, service.submit("cancelled").await);
    service.reaches(&failed, SessionState::Failed).await;
    service.reaches(&cancelled, SessionState::Cancelled).await;
    let record = service.sessions.get(&failed).await.unwrap().unwrap();
    assert_eq!(record.error.as_deref(), Some("llm_timeout: the provider did not answer"));
    assert_eq!(service.metric("aiagent_sessions_completed_total{outcome=\"failed\"}"), 1.0);
}

#[tokio::test]
async fn the_deadline_counts_from_acceptance() {
    let config = SessionsConfig { overrun_max: Duration::from_millis(300), ..at_once(1, 5) };
    let service = Fixture::start(config, Duration::from_millis(300), work(|_, _| pending())).await;
    let running = service.submit("running").await;
    let waiting = service.submit("waiting").await;
    service.reaches(&running, SessionState::Failed).await;
    service.reaches(&waiting, SessionState::Failed).await;
    for id in [&running, &waiting] {
        let record = service.sessions.get(id).await.unwrap().unwrap();
        let error = record.error.unwrap();
        assert!(error.starts_with("deadline_exceeded: "), "{error}");
        let took = record.completed_at.unwrap().duration_since(record.created_at);
        assert!(took < jiff::SignedDuration::from_secs(5), "{took:?}");
    }
    assert_eq!(
        service.events().await,
        [terminal("running", "failed", "rca"), terminal("waiting", "failed", "validation")]
    );
    assert_eq!(service.metric("aiagent_sessions_completed_total{outcome=\"timeout\"}"), 2.0);
}

#[tokio::test]
async fn a_run_may_answer_at_its_deadline() {
    let run = work(|incident, context| async move {
        tokio::time::sleep_until(context.deadline).await;
        Ok(investigation(&incident))
    });
    let service = Fixture::start(SessionsConfig::default(), Duration::from_millis(50), run).await;
    let id = service.submit("one").await;
    service.reaches(&id, SessionState::Completed).await;
}

#[tokio::test]
async fn a_submitter_who_leaves_does_not_take_the_session_along() {
    let service = Fixture::start(SessionsConfig::default(), MINUTE, instant()).await;
    // Polled once, then dropped, as when a client hangs up.
    let left = timeout(Duration::ZERO, service.sessions.submit(incident("one"), "someone")).await;
    drop(left);
    eventually(async || service.events().await.len() == 1).await;
    assert_eq!(service.store.sessions().await.unwrap()[0].state, "completed");
}

#[tokio::test]
async fn results_survive_a_restart() {
    let service = Fixture::start(SessionsConfig::default(), MINUTE, instant()).await;
    let id = service.submit("one").await;
    service.reaches(&id, SessionState::Completed).await;
    let before = service.sessions.get(&id).await.unwrap();
    let service = service.restart(instant()).await;
    assert_eq!(service.sessions.get(&id).await.unwrap(), before);
    assert_eq!(service.events().await.len(), 1, "nothing is told twice");
    assert_eq!(service.metric("aiagent_sessions_stored{status=\"completed\"}"), 1.0);
}

#[tokio::test]
async fn failed_sessions_survive_a_restart_too_but_not_their_time() {
    let run = || work(|_, _| async { Err(InvestigationError::internal("rca", "no")) });
    let service = Fixture::start(SessionsConfig::default(), MINUTE, run()).await;
    let id = service.submit("one").await;
    service.reaches(&id, SessionState::Failed).await;
    let service = service.restart(run()).await;
    assert_eq!(service.sessions.get(&id).await.unwrap().unwrap().error.as_deref(), Some("internal: no"));

    service.store.close().await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let config = SessionsConfig { ttl: Duration::from_millis(1), ..SessionsConfig::default() };
    let service = Fixture::start_in(service.directory, config, MINUTE, run()).await;
    assert_eq!(service.state(&id).await, None);
    assert!(service.store.sessions().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_crash_in_any_state_ends_in_one_terminal_event() {
    let gate = Arc::new(Semaphore::new(1));
    let service = Fixture::start(at_once(1, 5), MINUTE, gated(&gate)).await;
    let finished = service.submit("finished").await;
    service.reaches(&finished, SessionState::Completed).await;
    let running = service.submit("running").await;
    let waiting = service.submit("waiting").await;
    service.reaches(&running, SessionState::Investigating).await;
    eventually(async || service.store.sessions().await.unwrap().iter().any(|row| row.state == "investigating")).await;

    let mut left = service.crash();
    for start in ["first", "second"] {
        let after = Fixture::start_in(left, SessionsConfig::default(), MINUTE, instant()).await;
        assert_eq!(after.state(&finished).await, Some(SessionState::Completed), "{start}");
        assert_eq!((after.state(&running).await, after.state(&waiting).await), (None, None), "{start}");
        assert_eq!(after.store.sessions().await.unwrap().len(), 1, "{start}");
        let told = [
            terminal("finished", "complete", ""),
            terminal("running", "failed", "shutdown"),
            terminal("waiting", "failed", "shutdown"),
        ];
        assert_eq!(after.events().await, told, "{start}");
        left = after.crash();
    }
}

#[tokio::test]
async fn drain_finishes_what_it_can_and_parks_the_rest() {
    let gate = Arc::new(Semaphore::new(0));
    let quick_then_stuck = {
        let gate = Arc::clone(&gate);
        work(move |incident, context| {
            let gate = Arc::clone(&gate);
            async move {
                if incident.incident_id == "stuck" {
                    context.cancel.cancelled().await;
                    return Err(InvestigationError::new(FailureCode::Cancelled, "cancelled", "must not be seen"));
                }
                gate.acquire().await.unwrap().forget();
                Ok(investigation(&incident))
            }
        })
    };
    let service = Fixture::start(at_once(2, 5), MINUTE, quick_then_stuck).await;
    let stuck = service.submit("stuck").await;
    let quick = service.submit("quick").await;
    let waiting = service.submit("waiting").await;
    service.reaches(&quick, SessionState::Investigating).await;

    let draining = {
        let sessions = service.sessions.clone();
        tokio::spawn(async move { sessions.drain(tokio::time::Instant::now() + Duration::from_millis(400)).await })
    };
    gate.add_permits(2);
    let drained = draining.await.unwrap();
    assert_eq!((drained.finished, drained.parked), (2, 1));
    let late = service.sessions.submit(incident("late"), "someone").await;
    assert!(matches!(late, Err(SubmitError::Draining)), "{late:?}");
    assert_eq!(service.state(&quick).await, Some(SessionState::Completed));
    assert_eq!(service.state(&waiting).await, Some(SessionState::Completed), "the queue moves on while draining");
    assert_eq!(service.state(&stuck).await, Some(SessionState::Investigating), "parked, still readable");
    assert_eq!(service.events().await, [terminal("quick", "complete", ""), terminal("waiting", "complete", "")]);

    let service = service.restart(instant()).await;
    assert_eq!(service.state(&stuck).await, None);
    assert_eq!(service.events().await[1], terminal("stuck", "failed", "shutdown"));
}

#[tokio::test]
async fn an_idle_service_drains_at_once() {
    let service = Fixture::start(SessionsConfig::default(), MINUTE, instant()).await;
    let started = Instant::now();
    let drained = service.sessions.drain(tokio::time::Instant::now() + MINUTE).await;
    assert_eq!((drained.finished, drained.parked), (0, 0));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_failing_store_refuses_new_sessions_and_keeps_results() {
    let gate = Arc::new(Semaphore::new(0));
    let service = Fixture::start(SessionsConfig::default(), MINUTE, gated(&gate)).await;
    let id = service.submit("one").await;
    service.reaches(&id, SessionState::Investigating).await;
    service.store.close().await.unwrap();
    let refused = service.sessions.submit(incident("two"), "someone").await.unwrap_err();
    assert!(matches!(refused, SubmitError::Store(_)), "{refused:?}");
    gate.add_permits(1);
    service.reaches(&id, SessionState::Completed).await;
    assert!(service.sessions.get(&id).await.unwrap().unwrap().result.is_some());
    assert_eq!(service.metric("aiagent_sessions_pending"), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_left_memory_come_back_and_reads_stay_fast() {
    let service = Fixture::start(at_once(50, 500), MINUTE, instant()).await;
    let submissions = (0..400).map(|number| service.sessions.submit(incident(&format!("{number}")), "someone"));
    let ids = futures_util::future::try_join_all(submissions).await.unwrap();
    for id in &ids {
        service.sessions.finished(*id).await.unwrap();
    }
    let mut slowest = Duration::ZERO;
    for id in &ids {
        let started = Instant::now();
        let record = service.sessions.get(&id.to_string()).await.unwrap().unwrap();
        slowest = slowest.max(started.elapsed());
        assert_eq!(record.result.unwrap().incident_id, record.incident_id);
    }
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
    let mut told = service.events().await;
    told.dedup();
    assert_eq!(told.len(), 400);
}

#[tokio::test]
async fn a_damaged_result_is_an_error_and_not_a_result() {
    let service = Fixture::start(SessionsConfig::default(), MINUTE, instant()).await;
    let id = service.submit("one").await;
    service.reaches(&id, SessionState::Completed).await;
    let directory = Arc::clone(&service.directory);
    service.store.close().await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(directory.path().join(FILE_NAME));
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    for statement in ["DROP TRIGGER sessions_final", "UPDATE sessions SET result = '{}'"] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    sqlx::Connection::close(connection).await.unwrap();
    let service = Fixture::start_in(directory, SessionsConfig::default(), MINUTE, instant()).await;
    let error = service.sessions.get(&id).await.unwrap_err();
    assert!(error.to_string().contains(&id), "{error}");
}
