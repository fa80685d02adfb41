//! How a submission is answered: session or result, once or again (http-api §1.4, §1.9, §4.7).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use holmesgpt_api::api::{CompatConfig, Form, Modes};
use holmesgpt_api::investigation::{FailureCode, InvestigationError};
use holmesgpt_api::sessions::{SessionsConfig, Work};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::http_contract::incident;
use crate::service::{Answer, Setup, TestService, finding_for};

pub(crate) const INCIDENT: &str = "/api/v1/incident/analyze";
pub(crate) const RECOVERY: &str = "/api/v1/recovery/analyze";

/// What January's clients send.
pub(crate) fn january() -> Value {
    let mut body = incident();
    let signal = body.as_object_mut().unwrap().remove("signal_name").unwrap();
    body["signal_type"] = signal;
    body
}

/// The documented recovery request.
pub(crate) fn recovery() -> Value {
    json!({
        "incident_id": "inc-2026-0130-17", "remediation_id": "rr-2026-0130-pricing",
        "is_recovery_attempt": true, "recovery_attempt_number": 1,
        "previous_execution": {
            "workflow_execution_ref": "we-pricing-01",
            "original_rca": {"summary": "Memory limit too low", "signal_type": "OOMKilled", "severity": "high"},
            "selected_workflow": {"workflow_id": "memory-bump", "version": "1.0.2", "container_image": "quay.io/x:1",
                                  "parameters": {"MEMORY_LIMIT_NEW": "512Mi"}, "rationale": "OOM"},
            "failure": {"failed_step_index": 2, "failed_step_name": "apply-patch", "reason": "Forbidden",
                        "message": "forbidden", "failed_at": "2026-01-30T10:12:44Z", "execution_time": "48s"},
        },
        "signal_type": "OOMKilled", "severity": "high", "resource_namespace": "shop", "resource_kind": "Deployment",
        "resource_name": "pricing",
    })
}

/// February's: polls.
pub(crate) fn february() -> Value {
    let mut body = recovery();
    let signal = body.as_object_mut().unwrap().remove("signal_type").unwrap();
    body["signal_name"] = signal;
    body
}

fn modes(wait_ms: u64, grace_ms: u64) -> Modes {
    Modes {
        wait_max: Duration::from_millis(wait_ms),
        detach_grace: Duration::from_millis(grace_ms),
        ..CompatConfig::default().modes(Duration::ZERO)
    }
}

/// Runs that are counted and end when the test gives a permit.
#[derive(Clone)]
struct Gate {
    permits: Arc<Semaphore>,
    runs: Arc<AtomicUsize>,
    cancelled: Arc<AtomicUsize>,
}

impl Gate {
    fn open(permits: usize) -> Self {
        let (runs, cancelled) = Default::default();
        Self { permits: Arc::new(Semaphore::new(permits)), runs, cancelled }
    }

    fn work(&self) -> Work {
        let gate = self.clone();
        Work::new(move |incident, context| {
            let gate = gate.clone();
            gate.runs.fetch_add(1, Ordering::SeqCst);
            async move {
                // Stopping a run drops its future and cancels its token: either counts.
                struct Dropped(Arc<AtomicUsize>, bool);
                impl Drop for Dropped {
                    fn drop(&mut self) {
                        self.0.fetch_add(usize::from(!self.1), Ordering::SeqCst);
                    }
                }
                let mut dropped = Dropped(gate.cancelled.clone(), false);
                let _kept = context;
                gate.permits.acquire().await.unwrap().forget();
                dropped.1 = true;
                Ok(finding_for(&incident))
            }
        })
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    async fn service(&self, modes: Modes) -> TestService {
        TestService::with(Setup { work: self.work(), modes, ..Setup::default() }).await
    }
}

pub(crate) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !check().await {
        assert!(started.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_table_of_modes_on_the_wire() {
    let service = TestService::start().await;
    /// Path, body, query, values of `Prefer`; status, `Preference-Applied`.
    type Row = (&'static str, Value, &'static str, &'static [&'static str], u16, &'static str);
    let rows: &[Row] = &[
        (INCIDENT, incident(), "", &[], 202, ""),
        (INCIDENT, incident(), "?mode=sync", &[], 200, ""),
        (INCIDENT, incident(), "?mode=async", &["wait=5"], 202, ""),
        (INCIDENT, incident(), "", &["respond-async"], 202, "respond-async"),
        (INCIDENT, incident(), "", &["wait=5"], 200, "wait=5"),
        (INCIDENT, incident(), "", &["respond-async, wait=5"], 200, "respond-async, wait=5"),
        (INCIDENT, incident(), "", &["respond-async", "wait=0"], 202, "respond-async, wait=0"),
        (INCIDENT, incident(), "", &["wait=999"], 200, "wait=20"),
        (INCIDENT, incident(), "?other=1", &["handling=strict"], 202, ""),
        (INCIDENT, january(), "", &[], 200, ""),
        (INCIDENT, january(), "", &["respond-async"], 202, "respond-async"),
        (INCIDENT, january(), "?mode=async", &[], 202, ""),
        (RECOVERY, recovery(), "", &[], 200, ""),
        (RECOVERY, recovery(), "?mode=async", &[], 202, ""),
        (RECOVERY, february(), "", &[], 202, ""),
        (RECOVERY, february(), "", &["wait=5"], 200, "wait=5"),
    ];
    for (path, body, query, prefer, status, applied) in rows {
        let mut request = service.post(&format!("{path}{query}"), body);
        for value in *prefer {
            request = request.header("prefer", *value);
        }
        let answer = Answer::of(request).await;
        let row = format!("{path}{query} {prefer:?}");
        assert_eq!((answer.status, answer.header("preference-applied")), (*status, *applied), "{row}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json", "{row}");
        if *status == 202 {
            let id = answer.json()["session_id"].as_str().unwrap().to_owned();
            let prefix = path.trim_end_matches("/analyze");
            assert_eq!(answer.header("location"), format!("{prefix}/session/{id}"), "{row}");
            assert_eq!(answer.header("retry-after"), "1", "{row}");
            eventually("the session ends", async || {
                service.get(&format!("{prefix}/session/{id}")).await.json()["status"] == "completed"
            })
            .await;
        } else {
            assert_eq!(answer.json()["incident_id"], body["incident_id"], "{row}");
        }
    }
}

#[tokio::test]
async fn unknown_modes_and_keys_are_refused() {
    let service = TestService::start().await;
    for query in ["?mode=later", "?mode=", "?mode=SYNC", "?x=1&mode=both"] {
        let answer = Answer::of(service.post(&format!("{INCIDENT}{query}"), &incident())).await;
        assert_eq!(answer.status, 400, "{query}");
        let detail = "Validation error: Field 'mode': Input should be 'sync' or 'async'";
        assert_eq!(answer.problem(), ("validation-error".to_owned(), detail.to_owned()));
        assert_eq!(answer.json()["errors"][0]["loc"], json!(["query", "mode"]));
    }
    for key in ["", "a b", &"k".repeat(256)] {
        let answer = Answer::of(service.post(INCIDENT, &incident()).header("idempotency-key", key)).await;
        assert_eq!((answer.status, answer.problem().0.as_str()), (400, "validation-error"), "{key}");
    }
    assert!(service.store.sessions().await.unwrap().is_empty(), "nothing was stored");
}

#[tokio::test]
async fn defaults_can_be_turned_round() {
    let compat = CompatConfig { default_mode: Form::Sync, sync_for_signal_type: false, ..CompatConfig::default() };
    let service = TestService::with(Setup { modes: compat.modes(Duration::from_secs(20)), ..Setup::default() }).await;
    assert_eq!(Answer::of(service.post(INCIDENT, &incident())).await.status, 200);
    assert_eq!(Answer::of(service.post(INCIDENT, &january())).await.status, 200, "the default mode holds for all");
    let compat = CompatConfig { sync_for_signal_type: false, ..CompatConfig::default() };
    let service = TestService::with(Setup { modes: compat.modes(Duration::from_secs(20)), ..Setup::default() }).await;
    assert_eq!(Answer::of(service.post(INCIDENT, &january())).await.status, 202);
}

#[tokio::test]
async fn a_result_that_is_late_is_a_504_and_the_same_request_picks_it_up() {
    let gate = Gate::open(0);
    let service = gate.service(modes(60, 20_000)).await;
    let late = Answer::of(service.post(INCIDENT, &january())).await;
    assert_eq!((late.status, late.problem().0.as_str()), (504, "gateway-timeout"));

    // Other spacing and order, same request.
    let mut members: Vec<_> = january().as_object().unwrap().clone().into_iter().collect();
    members.reverse();
    let reordered = Value::Object(members.into_iter().collect());
    gate.permits.add_permits(1);
    let again = service.caller("POST", INCIDENT).body(serde_json::to_string_pretty(&reordered).unwrap());
    let again = Answer::of(again).await;
    assert_eq!((again.status, gate.runs()), (200, 1), "{}", again.text);

    // Finished a moment ago: still that run. Another caller, another body: runs of their own.
    assert_eq!(Answer::of(service.post(INCIDENT, &january())).await.json(), again.json());
    assert_eq!(gate.runs(), 1);
    gate.permits.add_permits(2);
    let other = service.other("POST", INCIDENT).body(january().to_string());
    assert_eq!((Answer::of(other).await.status, gate.runs()), (200, 2));
    let mut different = january();
    different["priority"] = json!("P0");
    assert_eq!((Answer::of(service.post(INCIDENT, &different)).await.status, gate.runs()), (200, 3));
}

#[tokio::test]
async fn after_the_grace_time_and_in_async_mode_the_same_request_is_a_new_run() {
    let gate = Gate::open(100);
    let service = gate.service(modes(10_000, 30)).await;
    assert_eq!(Answer::of(service.post(INCIDENT, &january())).await.status, 200);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(Answer::of(service.post(INCIDENT, &january())).await.status, 200);
    assert_eq!(gate.runs(), 2);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = service.analyze(incident().to_string()).await;
        ids.push(answer.json()["session_id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn who_hangs_up_is_waited_for_and_then_the_run_is_cancelled() {
    let gate = Gate::open(0);
    let service = gate.service(modes(20_000, 150)).await;
    let asking = service.post(INCIDENT, &january()).timeout(Duration::from_millis(100)).send().await;
    assert!(asking.unwrap_err().is_timeout());
    // Somebody comes back in time, twice; then nobody does.
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        let again = service.post(INCIDENT, &january()).timeout(Duration::from_millis(200)).send().await;
        assert!(again.unwrap_err().is_timeout());
        assert_eq!((gate.runs(), gate.cancelled.load(Ordering::SeqCst)), (1, 0));
    }
    eventually("the run is cancelled", async || gate.cancelled.load(Ordering::SeqCst) == 1).await;
    eventually("the session is cancelled", async || service.store.sessions().await.unwrap()[0].state == "cancelled")
        .await;
    let events = service.store.events(&Default::default()).await.unwrap();
    let bodies: Vec<Value> = events.iter().map(|event| serde_json::from_str(&event.body).unwrap()).collect();
    assert_eq!(bodies.len(), 1, "one terminal event");
    assert_eq!(bodies[0]["event_data"]["phase"], "cancelled");

    // A cancelled run answers nobody else.
    gate.permits.add_permits(1);
    assert_eq!((Answer::of(service.post(INCIDENT, &january())).await.status, gate.runs()), (200, 2));
}

#[tokio::test]
async fn a_hybrid_answer_keeps_its_session_when_nobody_waits() {
    let gate = Gate::open(0);
    let service = gate.service(modes(20_000, 0)).await;
    let request = service.post(INCIDENT, &incident()).header("prefer", "respond-async, wait=0");
    let id = Answer::of(request).await.json()["session_id"].as_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(50)).await;
    gate.permits.add_permits(1);
    let path = format!("/api/v1/incident/session/{id}");
    eventually("it completes", async || service.get(&path).await.json()["status"] == "completed").await;
}

#[tokio::test]
async fn waiting_takes_no_place_from_others() {
    let gate = Gate::open(0);
    let limits = holmesgpt_api::api::Limits { concurrent_requests_max: 1, ..Default::default() };
    let setup = Setup { work: gate.work(), modes: modes(20_000, 20_000), limits, ..Setup::default() };
    let service = Arc::new(TestService::with(setup).await);
    let waiting: Vec<_> = (0..3)
        .map(|number| {
            let service = Arc::clone(&service);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(30 * number)).await;
                Answer::of(service.post(INCIDENT, &january())).await.status
            })
        })
        .collect();
    eventually("it runs", async || gate.runs() == 1).await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(service.get("/config").await.status, 200);
    gate.permits.add_permits(1);
    for answer in waiting {
        assert_eq!(answer.await.unwrap(), 200);
    }
    assert_eq!(gate.runs(), 1);
}

#[tokio::test]
async fn failed_runs_are_told_to_those_who_wait() {
    use FailureCode::{
        DeadlineExceeded, Internal, KubernetesUnavailable, LlmAuth, LlmQuota, LlmTimeout, LlmUnavailable,
    };
    let next = Arc::new(Mutex::new(Internal));
    let code = Arc::clone(&next);
    let work = Work::new(move |_, _| {
        let code = *code.lock().unwrap();
        async move { Err(InvestigationError::new(code, "rca", "password=hunter2 at 10.0.0.1")) }
    });
    let service = TestService::with(Setup { work, ..Setup::default() }).await;
    for (code, status, kind, detail) in [
        (LlmUnavailable, 503, "service-unavailable", "LLM provider unavailable"),
        (LlmTimeout, 503, "service-unavailable", "LLM provider unavailable"),
        (LlmAuth, 502, "bad-gateway", "LLM provider returned no usable response"),
        (LlmQuota, 502, "bad-gateway", "LLM provider returned no usable response"),
        (DeadlineExceeded, 504, "gateway-timeout", "The investigation did not end within its time"),
        (KubernetesUnavailable, 500, "internal-error", "An unexpected error occurred"),
        (Internal, 500, "internal-error", "An unexpected error occurred"),
    ] {
        *next.lock().unwrap() = code;
        for (path, body) in [(INCIDENT, january()), (RECOVERY, recovery())] {
            let answer = Answer::of(service.post(path, &body)).await;
            assert_eq!(answer.status, status, "{code} {path}");
            assert_eq!(answer.problem(), (kind.to_owned(), detail.to_owned()), "{code} {path}");
            assert_eq!(answer.header("retry-after"), if status == 503 { "5" } else { "" }, "{code} {path}");
        }
    }
}

#[tokio::test]
async fn a_key_finds_its_session_also_after_a_restart() {
    let gate = Gate::open(100);
    let service = gate.service(modes(20_000, 20_000)).await;
    let submit = async |service: &TestService, key: &str, path: &str, body: &Value| {
        Answer::of(service.post(path, body).header("idempotency-key", key)).await
    };
    let first = submit(&service, "key-1", INCIDENT, &incident()).await;
    let id = first.json()["session_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/incident/session/{id}");
    eventually("it completes", async || service.get(&path).await.json()["status"] == "completed").await;
    let again = submit(&service, "key-1", INCIDENT, &incident()).await;
    assert_eq!((again.status, again.json()), (202, first.json()));
    assert_eq!(again.header("location"), path);

    let mut other = incident();
    other["priority"] = json!("P0");
    let conflict = submit(&service, "key-1", INCIDENT, &other).await;
    assert_eq!((conflict.status, conflict.problem().0.as_str()), (409, "idempotency-conflict"));
    assert_eq!(
        submit(&service, "key-1", RECOVERY, &recovery()).await.status,
        409,
        "another endpoint is another request"
    );
    assert_ne!(submit(&service, "key-2", INCIDENT, &incident()).await.json(), first.json());
    let stranger = service.other("POST", INCIDENT).header("idempotency-key", "key-1").body(other.to_string());
    assert_eq!(Answer::of(stranger).await.status, 202, "keys of another caller are their own");
    // The same key when waiting: the answer of that run.
    let waited = submit(&service, "key-1", &format!("{INCIDENT}?mode=sync"), &incident()).await;
    assert_eq!((waited.status, waited.json()["incident_id"].as_str()), (200, Some("aia-cart-api-7f3c")));
    let runs = gate.runs();

    service.store.close().await.unwrap();
    let folder = Some(Arc::clone(&service.folder));
    let service = TestService::with(Setup { work: gate.work(), folder, ..Setup::default() }).await;
    assert_eq!(submit(&service, "key-1", INCIDENT, &incident()).await.json(), first.json());
    assert_eq!(submit(&service, "key-1", INCIDENT, &other).await.status, 409);
    assert_eq!(gate.runs(), runs);
}

#[tokio::test]
async fn the_same_key_at_the_same_time_is_one_session() {
    let gate = Gate::open(100);
    let service = gate.service(modes(20_000, 20_000)).await;
    let submit = || Answer::of(service.post(INCIDENT, &incident()).header("idempotency-key", "k"));
    let answers = futures_util::future::join_all((0..12).map(|_| submit())).await;
    for answer in &answers {
        assert_eq!((answer.status, answer.json()), (202, answers[0].json()));
    }
    eventually("it runs", async || gate.runs() > 0).await;
    assert_eq!((gate.runs(), service.store.sessions().await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn with_a_key_only_the_key_counts() {
    let gate = Gate::open(0);
    let service = Arc::new(gate.service(modes(20_000, 20_000)).await);
    let wait = |key: Option<&'static str>| {
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let request = service.post(INCIDENT, &january());
            let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
            Answer::of(request).await.status
        })
    };
    let mut waiting = Vec::new();
    for (key, runs) in [(None, 1), (Some("a"), 2), (Some("b"), 3), (Some("a"), 3), (None, 3)] {
        waiting.push(wait(key));
        eventually("it runs", async || gate.runs() == runs).await;
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
    gate.permits.add_permits(3);
    for answer in waiting {
        assert_eq!(answer.await.unwrap(), 200);
    }
    assert_eq!(gate.runs(), 3);
}

#[tokio::test]
async fn a_forgotten_session_frees_its_key() {
    let gate = Gate::open(100);
    let sessions = SessionsConfig { ttl: Duration::from_millis(40), ..SessionsConfig::default() };
    let service = TestService::with(Setup { work: gate.work(), sessions, ..Setup::default() }).await;
    let submit = || Answer::of(service.post(INCIDENT, &incident()).header("idempotency-key", "k"));
    let first = submit().await.json();
    let path = format!("/api/v1/incident/session/{}", first["session_id"].as_str().unwrap());
    eventually("it is forgotten", async || service.get(&path).await.status == 404).await;
    assert_ne!(submit().await.json(), first);
}

#[tokio::test]
async fn who_waits_during_a_drain_is_told() {
    let gate = Gate::open(0);
    let service = Arc::new(gate.service(modes(20_000, 20_000)).await);
    let asking = {
        let service = Arc::clone(&service);
        tokio::spawn(async move { Answer::of(service.post(INCIDENT, &january())).await })
    };
    eventually("it runs", async || gate.runs() == 1).await;
    service.sessions.drain(tokio::time::Instant::now() + Duration::from_millis(50)).await;
    let answer = asking.await.unwrap();
    assert_eq!((answer.status, answer.problem().0.as_str()), (503, "service-unavailable"));
    // Drain is told before anything of the body is looked at.
    for body in [json!({}), json!([]), incident()] {
        let late = Answer::of(service.post(INCIDENT, &body)).await;
        assert_eq!((late.status, late.header("retry-after")), (503, "5"));
    }
}
