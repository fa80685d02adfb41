//! Sessions over HTTP: limits, ends, results that stand in, cancelling, snapshots, owners, recoveries
//! (http-api §1.7–1.9, §4, §8.2, §8.5, §8.7).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use holmesgpt_api::auth::SessionOwnership;
use holmesgpt_api::domain::Usage;
use holmesgpt_api::investigation::{FailureCode, InvestigationError};
use holmesgpt_api::sessions::{SessionsConfig, Work};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::http_contract::incident;
use crate::http_modes::{INCIDENT, RECOVERY, eventually, february, january};
use crate::service::{Answer, Setup, TestService, USER, finding_for};

/// Runs that end when the test gives a permit; they tell their watchers a little.
pub(crate) fn gated(gate: &Arc<Semaphore>) -> Work {
    let gate = Arc::clone(gate);
    Work::new(move |incident, context| {
        let gate = Arc::clone(&gate);
        async move {
            let progress = &context.progress;
            progress.phase("root cause analysis");
            progress.tool_started("kubectl_describe", 0);
            progress.tool_answered("kubectl_describe", 0, &format!("Name: web-0 {}", "x".repeat(400)));
            let usage = Usage { prompt_tokens: 1_200, completion_tokens: 80, ..Usage::default() };
            progress.model_answered("The limit looks too low.\nI check the history.", 1, usage);
            progress.cause("Memory limit suspected");
            gate.acquire().await.unwrap().forget();
            Ok(finding_for(&incident))
        }
    })
}

pub(crate) fn successor() -> Value {
    let mut body = incident();
    body["interactive"] = json!(false);
    body
}

pub(crate) fn late_successor() -> Value {
    let mut body = incident();
    body["resource_api_version"] = json!("apps/v1");
    body
}

/// Submits; the path of the session.
pub(crate) async fn submit(service: &TestService, path: &str, body: &Value) -> String {
    let answer = Answer::of(service.post(&format!("{path}?mode=async"), body)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.header("location").to_owned()
}

pub(crate) async fn reaches(service: &TestService, path: &str, status: &str) {
    eventually(status, async || service.get(path).await.json()["status"] == status).await;
}

fn failing() -> Work {
    Work::new(async |_, _| {
        Err(InvestigationError::new(FailureCode::LlmUnavailable, "rca", "provider did not answer\nafter 3 attempts"))
    })
}

#[tokio::test]
async fn waiting_and_running_sessions_over_their_life() {
    let gate = Arc::new(Semaphore::new(0));
    let sessions = SessionsConfig { max_concurrent_investigations: 1, queue_limit: 1, ..SessionsConfig::default() };
    let service = TestService::with(Setup { work: gated(&gate), sessions, ..Setup::default() }).await;
    let running = submit(&service, INCIDENT, &incident()).await;
    reaches(&service, &running, "investigating").await;
    let waiting = submit(&service, INCIDENT, &incident()).await;
    let full = Answer::of(service.post(INCIDENT, &incident())).await;
    assert_eq!((full.status, full.header("retry-after")), (503, "5"));
    assert_eq!(full.problem().0, "service-unavailable");
    assert_eq!(service.store.sessions().await.unwrap().len(), 2, "nothing is stored of what is refused");

    for (path, status) in [(&running, "investigating"), (&waiting, "pending")] {
        let body = service.get(path).await.json();
        assert_eq!(body["status"], status);
        assert!(body.get("error").is_none() && body.get("completed_at").is_none(), "{body}");
        assert!(body["created_at"].as_str().unwrap().ends_with('Z'));
        let result = service.get(&format!("{path}/result")).await;
        assert_eq!((result.status, result.header("retry-after")), (409, "1"));
        let id = path.rsplit('/').next().unwrap();
        let detail = format!("Session {id} is not yet completed (status: {status})");
        assert_eq!(result.problem(), ("session-not-completed".to_owned(), detail));
    }
    assert_eq!(service.get(&running).await.json()["progress"], "root cause analysis");
    assert!(service.get(&waiting).await.json().get("progress").is_none());

    gate.add_permits(2);
    for path in [&running, &waiting] {
        reaches(&service, path, "completed").await;
        let first = service.get(&format!("{path}/result")).await;
        assert_eq!((first.status, first.header("content-type")), (200, "application/json"));
        assert_eq!(service.get(&format!("{path}/result")).await.text, first.text, "reading does not consume");
    }
}

#[tokio::test]
async fn failed_sessions_by_shape() {
    let service = TestService::with(Setup { work: failing(), ..Setup::default() }).await;
    let error = "llm_unavailable: provider did not answer after 3 attempts";
    for (body, stands_in) in [(incident(), false), (january(), false), (successor(), true), (late_successor(), true)] {
        let path = submit(&service, INCIDENT, &body).await;
        reaches(&service, &path, "failed").await;
        assert_eq!(service.get(&path).await.json()["error"], error);
        let result = service.get(&format!("{path}/result")).await;
        if !stands_in {
            let id = path.rsplit('/').next().unwrap();
            assert_eq!(result.status, 409);
            assert_eq!(result.problem(), ("session-failed".to_owned(), format!("Session {id} failed: {error}")));
            continue;
        }
        assert_eq!(result.status, 200);
        let body = result.json();
        let analysis = format!("Investigation failed: {error}");
        assert_eq!((body["analysis"].as_str(), &body["confidence"]), (Some(analysis.as_str()), &json!(0.0)));
        assert_eq!(
            body["root_cause_analysis"],
            json!({ "summary": analysis, "severity": "unknown", "contributing_factors": [] })
        );
        assert_eq!(
            (&body["needs_human_review"], &body["human_review_reason"]),
            (&json!(true), &json!("investigation_inconclusive"))
        );
        assert_eq!(body["warnings"], json!(["Human review required: investigation_failed"]));
        assert!(body.get("selected_workflow").is_none());
    }
}

#[tokio::test]
async fn cancelling_by_shape() {
    let gate = Arc::new(Semaphore::new(0));
    let service = TestService::with(Setup { work: gated(&gate), ..Setup::default() }).await;
    for (body, shown, reason) in [
        (incident(), "failed", "investigation_inconclusive"),
        (january(), "failed", "investigation_inconclusive"),
        (successor(), "cancelled", "investigation_inconclusive"),
        (late_successor(), "cancelled", "operator_escalation"),
    ] {
        let path = submit(&service, INCIDENT, &body).await;
        reaches(&service, &path, "investigating").await;
        let cancel = format!("{path}/cancel");
        let id = path.rsplit('/').next().unwrap();
        let answer = Answer::of(service.caller("POST", &cancel)).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "session_id": id, "status": "cancelled" })));

        let status = service.get(&path).await.json();
        assert_eq!(status["status"], shown);
        assert_eq!(
            status.get("error").and_then(Value::as_str),
            (shown == "failed").then_some("Investigation cancelled")
        );
        let result = service.get(&format!("{path}/result")).await.json();
        assert_eq!((&result["analysis"], &result["confidence"]), (&json!("Investigation cancelled"), &json!(0.0)));
        assert_eq!((&result["needs_human_review"], &result["human_review_reason"]), (&json!(true), &json!(reason)));

        let again = Answer::of(service.caller("POST", &cancel)).await;
        assert_eq!(again.status, 409);
        let detail = format!("session {id} is already in a terminal state");
        assert_eq!(again.problem(), ("session-already-terminal".to_owned(), detail));
        assert_eq!(again.json()["instance"], cancel);
    }
    let events = service.store.events(&Default::default()).await.unwrap();
    let phases =
        events.iter().map(|event| serde_json::from_str::<Value>(&event.body).unwrap()["event_data"]["phase"].clone());
    assert_eq!(phases.collect::<Vec<_>>(), vec![json!("cancelled"); 4], "one terminal event each");
}

#[tokio::test]
async fn cancelling_what_waits_what_is_over_and_what_never_was() {
    let gate = Arc::new(Semaphore::new(0));
    let sessions = SessionsConfig { max_concurrent_investigations: 1, queue_limit: 5, ..SessionsConfig::default() };
    let service = TestService::with(Setup { work: gated(&gate), sessions, ..Setup::default() }).await;
    let running = submit(&service, INCIDENT, &incident()).await;
    reaches(&service, &running, "investigating").await;
    let waiting = submit(&service, INCIDENT, &successor()).await;
    let cancel = async |path: &str| Answer::of(service.caller("POST", &format!("{path}/cancel"))).await;
    assert_eq!(cancel(&waiting).await.status, 200);
    assert_eq!(service.get(&waiting).await.json()["status"], "cancelled");
    assert_eq!(service.get(&running).await.json()["status"], "investigating", "the neighbour goes on");
    gate.add_permits(1);
    reaches(&service, &running, "completed").await;
    assert_eq!(cancel(&running).await.problem().0, "session-already-terminal");
    let unknown = cancel("/api/v1/incident/session/5b0e7f0c-2f1c-4a0e-9d35-7d3bb8a2c1e4").await;
    assert_eq!((unknown.status, unknown.problem().0.as_str()), (404, "not-found"));

    // Many at once: one succeeds.
    let path = submit(&service, INCIDENT, &incident()).await;
    let answers = futures_util::future::join_all((0..8).map(|_| cancel(&path))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn snapshots_of_running_cancelled_completed_and_failed_sessions() {
    let gate = Arc::new(Semaphore::new(0));
    let service = TestService::with(Setup { work: gated(&gate), ..Setup::default() }).await;
    let path = submit(&service, INCIDENT, &incident()).await;
    let snapshot = format!("{path}/snapshot");
    eventually("the model answered", async || {
        service.get(&format!("{snapshot}?live=true")).await.json()["total_prompt_tokens"] == 1_200
    })
    .await;
    let running = service.get(&snapshot).await;
    assert_eq!((running.status, running.problem().0.as_str()), (409, "session-in-progress"));
    assert_eq!(service.get(&format!("{snapshot}?live=no")).await.status, 409);
    let live = service.get(&format!("{snapshot}?live=true")).await.json();
    assert_eq!((&live["status"], &live["rca_summary"]), (&json!("investigating"), &json!("Memory limit suspected")));
    assert!(live.get("cancelled_phase").is_none());

    assert_eq!(Answer::of(service.caller("POST", &format!("{path}/cancel"))).await.status, 200);
    let cancelled = service.get(&snapshot).await;
    assert_eq!(cancelled.header("content-type"), "application/json");
    let id = path.rsplit('/').next().unwrap();
    let mut body = cancelled.json();
    let created = body["created_at"].take();
    assert_eq!(created.as_str().unwrap().len(), "2026-08-01T08:00:00Z".len());
    assert_eq!(
        body,
        json!({ "session_id": id, "status": "cancelled", "created_at": null,
                "metadata": { "created_by": USER, "incident_id": "aia-cart-api-7f3c" },
                "cancelled_phase": "rca", "cancelled_at_turn": 1, "rca_summary": "Memory limit suspected",
                "total_prompt_tokens": 1_200, "total_completion_tokens": 80 })
    );

    gate.add_permits(1);
    let completed = submit(&service, INCIDENT, &incident()).await;
    reaches(&service, &completed, "completed").await;
    let body = service.get(&format!("{completed}/snapshot")).await.json();
    assert_eq!((&body["status"], &body["rca_summary"]), (&json!("completed"), &json!("Limit too low")));
    assert!(body.get("error").is_none() && body.get("cancelled_phase").is_none());

    // The same after a restart.
    service.store.close().await.unwrap();
    let folder = Some(Arc::clone(&service.folder));
    let service = TestService::with(Setup { work: failing(), folder, ..Setup::default() }).await;
    assert_eq!(service.get(&snapshot).await.text, cancelled.text);
    let failed = submit(&service, INCIDENT, &incident()).await;
    reaches(&service, &failed, "failed").await;
    let body = service.get(&format!("{failed}/snapshot")).await.json();
    assert_eq!(body["error"], "llm_unavailable: provider did not answer after 3 attempts");
}

#[tokio::test]
async fn sessions_of_another_caller() {
    for ownership in [SessionOwnership::Off, SessionOwnership::Enforce] {
        let service = TestService::with(Setup { ownership, ..Setup::default() }).await;
        let path = submit(&service, INCIDENT, &incident()).await;
        reaches(&service, &path, "completed").await;
        let status = if ownership == SessionOwnership::Off { 200 } else { 404 };
        for (method, suffix, expected) in [
            ("GET", "", status),
            ("GET", "/result", status),
            ("GET", "/snapshot", 404),
            ("GET", "/snapshot?live=true", 404),
            ("GET", "/stream", 404),
            ("POST", "/cancel", 404),
        ] {
            let other = Answer::of(service.other(method, &format!("{path}{suffix}"))).await;
            assert_eq!(other.status, expected, "{ownership:?} {suffix}");
            if expected == 404 {
                let id = path.rsplit('/').next().unwrap();
                assert_eq!(other.problem(), ("not-found".to_owned(), format!("Session {id} not found")));
            }
            let own = Answer::of(service.caller(method, &format!("{path}{suffix}"))).await;
            assert_ne!(own.status, 404, "{ownership:?} {suffix}");
        }
        let denied = r#"aiagent_authz_denied_total{reason="session_not_found"}"#;
        assert!(service.metrics.encode().contains(denied));
    }
}

#[tokio::test]
async fn recoveries_have_sessions_of_their_own() {
    let gate = Arc::new(Semaphore::new(1));
    let service = TestService::with(Setup { work: gated(&gate), ..Setup::default() }).await;
    let path = submit(&service, RECOVERY, &february()).await;
    let id = path.rsplit('/').next().unwrap().to_owned();
    reaches(&service, &path, "completed").await;
    let first = service.get(&format!("{path}/result")).await;
    assert_eq!((first.status, first.header("content-type")), (200, "application/json"));
    let body = first.json();
    assert_eq!((&body["can_recover"], &body["incident_id"]), (&json!(true), &json!("inc-2026-0130-17")));
    assert_eq!(body["metadata"]["recovery_attempt_number"], 1);
    assert_eq!(body["recovery_analysis"]["state_changed"], false);

    // Ids of one prefix do not exist under the other.
    let incident_path = submit(&service, INCIDENT, &incident()).await;
    let incident_id = incident_path.rsplit('/').next().unwrap();
    for wrong in [
        format!("/api/v1/incident/session/{id}"),
        format!("/api/v1/incident/session/{id}/result"),
        format!("/api/v1/incident/session/{id}/snapshot"),
        format!("/api/v1/incident/session/{id}/stream"),
        format!("/api/v1/recovery/session/{incident_id}"),
        format!("/api/v1/recovery/session/{incident_id}/result"),
    ] {
        let answer = service.get(&wrong).await;
        assert_eq!((answer.status, answer.problem().0.as_str()), (404, "not-found"), "{wrong}");
    }
    let cancel = Answer::of(service.caller("POST", &format!("/api/v1/incident/session/{id}/cancel"))).await;
    assert_eq!(cancel.status, 404);

    service.store.close().await.unwrap();
    let folder = Some(Arc::clone(&service.folder));
    let service = TestService::with(Setup { work: failing(), folder, ..Setup::default() }).await;
    assert_eq!(service.get(&format!("{path}/result")).await.text, first.text, "the same after a restart");
    let failed = submit(&service, RECOVERY, &february()).await;
    reaches(&service, &failed, "failed").await;
    let result = service.get(&format!("{failed}/result")).await;
    assert_eq!((result.status, result.problem().0.as_str()), (409, "session-failed"));
}

#[tokio::test]
async fn whoever_wanted_to_take_part_is_told_that_it_was_not_possible() {
    let service = TestService::start().await;
    let mut body = incident();
    body["interactive"] = json!(true);
    let warning = "Interactive mode is not available; investigated autonomously";
    for (interactive, warnings) in [(true, json!([warning])), (false, json!([]))] {
        body["interactive"] = json!(interactive);
        let answer = Answer::of(service.post(&format!("{INCIDENT}?mode=sync"), &body)).await;
        assert_eq!(answer.json()["warnings"], warnings);
    }
}

#[tokio::test]
async fn polls_are_answered_quickly_while_everything_is_busy() {
    let gate = Arc::new(Semaphore::new(0));
    let service = TestService::with(Setup { work: gated(&gate), ..Setup::default() }).await;
    let mut paths = Vec::new();
    for _ in 0..60 {
        paths.push(submit(&service, INCIDENT, &incident()).await);
    }
    let began = std::time::Instant::now();
    for path in &paths {
        assert_eq!(service.get(path).await.status, 200);
    }
    // 100 ms each is the promise; the machine is shared, so the mean is looked at.
    assert!(began.elapsed() < Duration::from_millis(100) * 60, "{:?}", began.elapsed());
}
