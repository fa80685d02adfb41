//! Callers reviewed by an API server (http-api §3), against a scripted one.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod doors;
mod load;
mod reviews;
mod silence;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use holmesgpt_api::auth::AuthConfig;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::service::{Answer, Setup, TestService};

const USER: &str = "system:serviceaccount:kubernaut-system:aianalysis-controller";
const SESSION: &str = "/api/v1/incident/session/5b0e7f0c-2f1c-4a0e-9d35-7d3bb8a2c1e4";

/// What the API server says to one kind of review.
#[derive(Clone)]
enum Say {
    Status(Value),
    Fail(u16),
    Garbage,
    Stall,
    /// Allows access to this resource with this verb only.
    AllowOnly(&'static str, &'static str),
}

struct Script {
    token: Say,
    access: Say,
    delay: Duration,
    /// So many of the next reviews fail.
    failures: u32,
    /// Reviews being answered, and the most there ever were.
    in_flight: usize,
    in_flight_most: usize,
    seen: Vec<(String, Value)>,
}

/// An API server that answers reviews by script and records them.
pub(crate) struct ApiServer {
    script: Arc<Mutex<Script>>,
    folder: TempDir,
    task: tokio::task::JoinHandle<()>,
}

fn known() -> Say {
    Say::Status(json!({
        "authenticated": true,
        "user": { "username": USER, "uid": "0f3c", "groups": ["system:authenticated"], "extra": { "scopes": ["a"] } },
        "audiences": ["https://kubernetes.default.svc"],
    }))
}

fn allowed(allowed: bool) -> Say {
    Say::Status(json!({ "allowed": allowed }))
}

impl ApiServer {
    async fn start(token: Say, access: Say) -> Self {
        let script = Script {
            token,
            access,
            delay: Duration::ZERO,
            failures: 0,
            in_flight: 0,
            in_flight_most: 0,
            seen: Vec::new(),
        };
        let script = Arc::new(Mutex::new(script));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let folder = tempfile::tempdir().unwrap();
        write_kubeconfig(&folder, address);
        Self { script, folder, task }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    /// Reviews asked so far, in order; forgets them.
    fn take_seen(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.script.lock().unwrap().seen)
    }

    /// Knows every token and allows nothing.
    pub(crate) async fn denying() -> Self {
        Self::start(known(), allowed(false)).await
    }

    pub(crate) async fn service(&self, config: AuthConfig) -> TestService {
        TestService::with(Setup { reviews: Some((config, self.kubeconfig())), ..Setup::default() }).await
    }
}

fn write_kubeconfig(folder: &TempDir, address: SocketAddr) {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "stub",
        "clusters": [{ "name": "stub", "cluster": { "server": format!("http://{address}") } }],
        "users": [{ "name": "stub", "user": {} }],
        "contexts": [{ "name": "stub", "context": { "cluster": "stub", "user": "stub" } }],
    });
    std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    let (say, delay) = {
        let mut script = script.lock().unwrap();
        script.seen.push((path.clone(), body.clone()));
        script.in_flight += 1;
        script.in_flight_most = script.in_flight_most.max(script.in_flight);
        let say = match path.as_str() {
            _ if script.failures > 0 => {
                script.failures -= 1;
                Say::Fail(500)
            }
            "/apis/authentication.k8s.io/v1/tokenreviews" => script.token.clone(),
            "/apis/authorization.k8s.io/v1/subjectaccessreviews" => script.access.clone(),
            _ => Say::Fail(404),
        };
        (say, script.delay)
    };
    tokio::time::sleep(delay).await;
    script.lock().unwrap().in_flight -= 1;
    // As the real one does: the request, token included, comes back.
    let reviewed = |status: Value| {
        let mut review = body.clone();
        review["status"] = status;
        (StatusCode::CREATED, Json(review)).into_response()
    };
    match say {
        Say::Status(status) => reviewed(status),
        Say::AllowOnly(name, verb) => {
            let asked = &body["spec"]["resourceAttributes"];
            reviewed(json!({ "allowed": asked["name"] == name && asked["verb"] == verb }))
        }
        Say::Fail(status) => (StatusCode::from_u16(status).unwrap(), "no").into_response(),
        Say::Garbage => (StatusCode::CREATED, "<html>").into_response(),
        Say::Stall => std::future::pending().await,
    }
}

pub(crate) fn config() -> AuthConfig {
    AuthConfig { namespace: Some("kubernaut-system".into()), timeout_seconds: 1, ..AuthConfig::default() }
}

async fn ask(service: &TestService, method: &str, path: &str, token: &str) -> Answer {
    Answer::of(service.stranger(method, path).bearer_auth(token)).await
}

#[tokio::test]
async fn both_reviews_are_asked_once_and_remembered_by_verb() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(config()).await;
    for _ in 0..3 {
        assert_eq!(ask(&service, "GET", SESSION, "token-1").await.status, 404);
    }
    let access = |verb: &str| {
        json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {
                "user": USER, "groups": ["system:authenticated"], "uid": "0f3c", "extra": { "scopes": ["a"] },
                "resourceAttributes": { "namespace": "kubernaut-system", "group": "", "resource": "services",
                                        "name": "holmesgpt-api", "verb": verb }
            }
        })
    };
    let token = |token: &str| json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": token } });
    let seen = |server: &ApiServer| server.take_seen().into_iter().map(|(_, body)| body).collect::<Vec<_>>();
    assert_eq!(seen(&server), [token("token-1"), access("get")]);
    assert_eq!(ask(&service, "POST", "/api/v1/incident/analyze", "token-1").await.status, 400);
    assert_eq!(seen(&server), [token("token-1"), access("create")]);
    assert_eq!(ask(&service, "HEAD", SESSION, "token-1").await.status, 404);
    assert!(seen(&server).is_empty(), "HEAD is get");
    let text = service.metrics.encode();
    assert!(text.contains(r#"aiagent_api_auth_cache_total{result="hit"} 3"#), "{text}");
    assert!(text.contains(r#"aiagent_api_auth_review_duration_seconds_count{review="access"} 2"#));
}

#[tokio::test]
async fn what_the_api_server_says_decides() {
    let unknown = Say::Status(json!({ "authenticated": false, "error": "token expired: secret details" }));
    let nameless = Say::Status(json!({ "authenticated": true, "user": { "username": "" } }));
    let no_status = (401, "Token not authenticated");
    let authentication = (503, "Authentication service unavailable");
    let authorization = (503, "Authorization service unavailable");
    let denied = (403, "Insufficient RBAC permissions for GET /config");
    for (name, token, access, (status, detail), calls) in [
        ("unknown token", unknown, allowed(true), no_status, 1),
        ("nobody", nameless, allowed(true), (401, "Token authenticated but user identity is empty"), 1),
        ("we may not ask", Say::Fail(403), allowed(true), authentication, 1),
        ("broken", Say::Fail(500), allowed(true), authentication, 3),
        ("overloaded", Say::Fail(429), allowed(true), authentication, 3),
        ("garbage", Say::Garbage, allowed(true), authentication, 1),
        ("silent", Say::Stall, allowed(true), authentication, 1),
        ("denied", known(), allowed(false), denied, 2),
        ("access unknown", known(), Say::Fail(500), authorization, 4),
    ] {
        let server = ApiServer::start(token, access).await;
        let service = server.service(config()).await;
        let answer = ask(&service, "GET", "/config", "token-1").await;
        assert_eq!((answer.status, answer.problem().1.as_str()), (status, detail), "{name}");
        assert_eq!(answer.header("retry-after").is_empty(), status != 503, "{name}");
        assert_eq!(server.take_seen().len(), calls, "{name}");
        assert!(!answer.text.contains("token-1") && !answer.text.contains("secret"), "{name}");
    }
}

#[tokio::test]
async fn an_api_server_that_is_gone_refuses_everybody_new() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(config()).await;
    assert_eq!(ask(&service, "GET", "/config", "token-1").await.status, 200);
    server.task.abort();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ask(&service, "GET", "/config", "token-1").await.status, 200, "remembered");
    assert_eq!(ask(&service, "GET", "/config", "token-2").await.status, 503);
    assert_eq!(service.get("/health").await.status, 200);
}

#[tokio::test]
async fn without_a_cache_a_revoked_token_is_refused_at_once() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(AuthConfig { cache_seconds: 0, ..config() }).await;
    assert_eq!(ask(&service, "GET", "/config", "token-1").await.status, 200);
    server.change(|script| script.token = Say::Status(json!({ "authenticated": false })));
    assert_eq!(ask(&service, "GET", "/config", "token-1").await.status, 401);
}

#[tokio::test]
async fn refusals_are_not_remembered() {
    let server = ApiServer::start(known(), allowed(false)).await;
    let service = server.service(config()).await;
    assert_eq!(ask(&service, "GET", "/config", "token-1").await.status, 403);
    server.change(|script| script.access = allowed(true));
    assert_eq!(ask(&service, "GET", "/config", "token-1").await.status, 200);
}

#[tokio::test]
async fn any_of_several_names_lets_in() {
    let names = vec!["holmesgpt-api-service".to_owned(), "kubernaut-agent".to_owned()];
    let config = AuthConfig { resource_names: names, ..config() };
    for (name, verb, expected) in [
        ("holmesgpt-api", "get", 200),
        ("holmesgpt-api-service", "get", 200),
        ("kubernaut-agent", "get", 200),
        ("kubernaut-agent", "create", 200),
        ("holmesgpt-api", "create", 403),
        ("something-else", "get", 403),
    ] {
        let server = ApiServer::start(known(), Say::AllowOnly(name, verb)).await;
        let service = server.service(config.clone()).await;
        assert_eq!(ask(&service, "GET", "/config", "token-1").await.status, expected, "{name} {verb}");
    }
}

#[tokio::test]
async fn tokens_for_somebody_else_are_refused() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let for_us = AuthConfig { audiences: vec!["holmesgpt-api".into()], ..config() };
    let service = server.service(for_us).await;
    assert_eq!(ask(&service, "GET", "/config", "token-1").await.status, 401);
    assert_eq!(server.take_seen()[0].1["spec"]["audiences"], json!(["holmesgpt-api"]));
    let for_both = vec!["holmesgpt-api".into(), "https://kubernetes.default.svc".into()];
    let service = server.service(AuthConfig { audiences: for_both, ..config() }).await;
    assert_eq!(ask(&service, "GET", "/config", "token-1").await.status, 200);
}

#[tokio::test]
async fn malformed_headers_are_refused_without_asking() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(config()).await;
    for header in ["Basic abc", "Bearer", "Bearer two words", "Token abc"] {
        let answer = Answer::of(service.stranger("GET", "/config").header("authorization", header)).await;
        assert_eq!(answer.status, 401, "{header}");
    }
    assert!(server.take_seen().is_empty());
}
