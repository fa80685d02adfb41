//! Which requests need no token, in which spelling, and what is written down about those that were refused.

use holmesgpt_api::audit::{AuditConfig, AuditSink, Profile, rules};
use holmesgpt_api::store::AuditQuery;
use serde_json::{Value, json};

use super::{ApiServer, Say, allowed, ask, config, known};
use crate::service::{Answer, Setup, TestService};

#[tokio::test]
async fn no_other_spelling_of_a_public_path_is_public() {
    let service = TestService::start().await;
    for path in [
        "/health/../api/v1/incident/session/x",
        "/health/../config",
        "/./health",
        "/health/.",
        "/health/..",
        "//health",
        "/health//",
        "//",
        "/%2fhealth",
        "/health%2f",
        "/%68ealth",
        "/health%00",
        "/health;a=b",
        "/HEALTH",
        "/docs/..%2fconfig",
        "/docs/../config",
        "/docs//swagger-ui.css",
        "/metrics/../config",
    ] {
        // By hand: a client library tidies paths up.
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = service.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
    }
    for path in ["/health", "/health/", "/health?x=/config", "/docs/swagger-ui.css"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = service.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
}

#[tokio::test]
async fn public_paths_are_public_for_reading() {
    let service = TestService::start().await;
    for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 401), ("PUT", 401), ("PATCH", 401), ("DELETE", 401)]
    {
        assert_eq!(Answer::of(service.stranger(method, "/health")).await.status, status, "{method}");
    }
}

async fn refusals(service: &TestService) -> Vec<Value> {
    let events = service.store.events(&AuditQuery::default()).await.unwrap();
    events.iter().map(|event| serde_json::from_str(&event.body).unwrap()).collect()
}

async fn service(server: &ApiServer, schema_profile: Profile, audiences: &[&str]) -> TestService {
    let audit = AuditConfig { sink: AuditSink::Local, schema_profile, ..AuditConfig::default() };
    let audiences = audiences.iter().map(ToString::to_string).collect();
    let config = holmesgpt_api::auth::AuthConfig { audiences, ..config() };
    TestService::with(Setup { audit, reviews: Some((config, server.kubeconfig())), ..Setup::default() }).await
}

/// Refusals of every kind, with the word each is recorded under.
async fn knock(server: &ApiServer, service: &TestService) -> Vec<&'static str> {
    let header = |value: &'static str| service.stranger("GET", "/config").header("authorization", value);
    Answer::of(service.stranger("GET", "/config")).await;
    Answer::of(header("Basic YTpi")).await;
    Answer::of(header("Bearer ")).await;
    server.change(|script| script.token = Say::Status(json!({ "authenticated": false })));
    ask(service, "GET", "/config", "token-1").await;
    server.change(|script| script.token = known());
    ask(service, "GET", "/config", "token-1").await;
    vec!["missing_auth_header", "invalid_auth_format", "empty_bearer_token", "invalid_token", "invalid_token_audience"]
}

#[tokio::test]
async fn the_successor_is_told_of_refused_callers() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let strict = service(&server, Profile::H, &["somebody-else"]).await;
    let expected = knock(&server, &strict).await;
    let events = refusals(&strict).await;
    let reasons: Vec<&str> = events.iter().map(|event| event["event_data"]["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, expected);
    for event in &events {
        assert_eq!(rules::check(event, Profile::H), Ok(()));
        assert_eq!(event["event_type"], "aiagent.auth.failure");
        assert!(event["correlation_id"].as_str().unwrap().starts_with("security-"));
        let data = &event["event_data"];
        assert_eq!(
            (&data["source_ip"], &data["path"], &data["method"]),
            (&json!("127.0.0.1"), &json!("/config"), &json!("GET"))
        );
    }

    let lenient = service(&server, Profile::H, &[]).await;
    server.change(|script| script.access = allowed(false));
    ask(&lenient, "GET", "/config", "token-1").await;
    server.change(|script| script.access = Say::Fail(500));
    ask(&lenient, "GET", "/config", "token-1").await;
    let events = refusals(&lenient).await;
    assert_eq!(events.len(), 1, "an outage is nobody's refusal");
    assert_eq!(
        (&events[0]["event_type"], &events[0]["event_data"]["reason"]),
        (&json!("aiagent.auth.denied"), &json!("authorization_denied"))
    );
}

#[tokio::test]
async fn april_is_told_nothing_of_them() {
    let server = ApiServer::start(known(), allowed(false)).await;
    let service = service(&server, Profile::A, &["somebody-else"]).await;
    knock(&server, &service).await;
    assert_eq!(refusals(&service).await, Vec::<Value>::new());
}

#[tokio::test]
async fn whoever_knocks_all_the_time_does_not_fill_the_trail() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = service(&server, Profile::H, &[]).await;
    let began = std::time::Instant::now();
    for _ in 0..200 {
        Answer::of(service.stranger("GET", "/config")).await;
    }
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let recorded = refusals(&service).await.len();
    assert!(recorded >= 10 && recorded <= 10 * seconds, "{recorded} in {seconds} s");
}
