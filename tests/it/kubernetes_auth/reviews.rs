//! What is asked, how often, and how long an answer counts.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use holmesgpt_api::auth::{ApiAccess, Attempt, AuthConfig, AuthError, Authenticator, KubernetesAuthError};
use holmesgpt_api::telemetry::Metrics;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::{ApiServer, SESSION, Say, TempDir, USER, allowed, ask, config, known, write_kubeconfig};
use crate::service::{Setup, TestService};

fn bodies(server: &ApiServer) -> Vec<Value> {
    server.take_seen().into_iter().map(|(_, body)| body).collect()
}

/// The April service sent the user name only; an identity that has nothing else gives the same question.
#[tokio::test]
async fn an_identity_without_groups_is_asked_about_as_in_april() {
    for user in [
        json!({ "username": USER }),
        json!({ "username": USER, "uid": "", "groups": null, "extra": null }),
        json!({ "username": USER, "groups": [], "extra": {} }),
    ] {
        let server = ApiServer::start(Say::Status(json!({ "authenticated": true, "user": user })), allowed(true)).await;
        let service = server.service(config()).await;
        assert_eq!(ask(&service, "POST", "/api/v1/incident/analyze", "token-1").await.status, 400);
        let attributes = json!({
            "namespace": "kubernaut-system", "group": "", "resource": "services", "name": "holmesgpt-api", "verb": "create",
        });
        assert_eq!(
            bodies(&server)[1],
            json!({
                "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "spec": { "user": USER, "resourceAttributes": attributes }
            })
        );
    }
}

#[tokio::test]
async fn each_method_has_its_verb() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(AuthConfig { cache_seconds: 0, ..config() }).await;
    for (method, verb) in [
        ("GET", "get"),
        ("HEAD", "get"),
        ("POST", "create"),
        ("PUT", "update"),
        ("PATCH", "update"),
        ("DELETE", "delete"),
    ] {
        ask(&service, method, SESSION, "token-1").await;
        assert_eq!(bodies(&server)[1]["spec"]["resourceAttributes"]["verb"], verb, "{method}");
    }
}

#[tokio::test]
async fn how_long_an_answer_counts_may_change_under_it() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let access = ApiAccess::Kubeconfig(server.kubeconfig());
    let authenticator = Authenticator::build_kubernetes(&config(), &access, Metrics::build().unwrap()).await.unwrap();
    let header: &[u8] = b"Bearer token-1";
    let attempt = Attempt { method: "GET", path: "/", authorization: &[header], source_ip: "" };
    let mut reviews = Vec::new();
    for cache_seconds in [300, 300, 0, 0, 300] {
        authenticator.settings().set(AuthConfig { cache_seconds, ..config() });
        authenticator.check(attempt).await.unwrap();
        reviews.push(server.take_seen().len());
    }
    assert_eq!(reviews, [2, 0, 2, 2, 0], "the last one is remembered, though nothing was to be when it was given");
}

#[tokio::test]
async fn no_answer_outlives_its_token() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(AuthConfig { cache_seconds: 300, stale_seconds: 300, ..config() }).await;
    let expiry = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(900);
    let claims = json!({ "exp": expiry.as_duration().as_secs_f64() }).to_string();
    let token = format!("eyJhbGciOiJub25lIn0.{}.c2ln", Base64UrlUnpadded::encode_string(claims.as_bytes()));
    assert_eq!(ask(&service, "GET", SESSION, &token).await.status, 404);
    assert_eq!(server.take_seen().len(), 2);
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    server.change(|script| script.token = Say::Status(json!({ "authenticated": false })));
    assert_eq!(ask(&service, "GET", SESSION, &token).await.status, 401, "asked again");
    server.change(|script| script.token = Say::Fail(500));
    assert_eq!(ask(&service, "GET", SESSION, &token).await.status, 503, "and it does not stand in either");
}

#[tokio::test]
async fn an_older_answer_stands_in_for_an_api_server_that_is_down() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(AuthConfig { cache_seconds: 0, stale_seconds: 60, ..config() }).await;
    assert_eq!(ask(&service, "GET", SESSION, "token-1").await.status, 404);
    for (what, token, access) in [
        ("no authentication", Say::Fail(503), allowed(true)),
        ("no authorization", known(), Say::Fail(500)),
        ("silence", Say::Stall, allowed(true)),
    ] {
        server.change(|script| (script.token, script.access) = (token, access));
        assert_eq!(ask(&service, "GET", SESSION, "token-1").await.status, 404, "{what}");
        assert_eq!(ask(&service, "GET", SESSION, "token-2").await.status, 503, "{what}: nobody new");
        assert_eq!(ask(&service, "POST", "/config", "token-1").await.status, 503, "{what}: nothing new");
    }
    server.change(|script| (script.token, script.access) = (known(), allowed(false)));
    assert_eq!(ask(&service, "GET", SESSION, "token-1").await.status, 403);
    server.change(|script| script.token = Say::Fail(503));
    assert_eq!(ask(&service, "GET", SESSION, "token-1").await.status, 503, "what was taken away does not come back");
}

#[tokio::test]
async fn a_review_that_fails_twice_is_tried_a_third_time() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let service = server.service(AuthConfig { timeout_seconds: 10, ..config() }).await;
    server.change(|script| script.failures = 2);
    assert_eq!(ask(&service, "GET", SESSION, "token-1").await.status, 404);
    assert_eq!(server.take_seen().len(), 4);
    server.change(|script| script.failures = 3);
    assert_eq!(ask(&service, "GET", SESSION, "token-2").await.status, 503);
    assert_eq!(server.take_seen().len(), 3);
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_three_times_and_no_more() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = TempDir::new().unwrap();
    write_kubeconfig(&folder, listener.local_addr().unwrap());
    let reviews = Some((AuthConfig { timeout_seconds: 10, ..config() }, folder.path().join("kubeconfig")));
    let service = TestService::with(Setup { reviews, ..Setup::default() }).await;
    let breaking = async {
        let mut connections = 0;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            connections += 1;
            // Some of the request, then the end without an answer.
            let _ = stream.read(&mut [0; 64]).await;
            if connections == 3 {
                return connections;
            }
        }
    };
    let (answer, connections) = tokio::join!(ask(&service, "GET", SESSION, "token-1"), breaking);
    assert_eq!((answer.status, connections), (503, 3));
    assert_eq!(answer.problem().1, "Authentication service unavailable");
    let another = tokio::time::timeout(Duration::from_millis(300), listener.accept()).await;
    assert!(another.is_err(), "a fourth connection");
}

#[tokio::test]
async fn a_good_token_for_somebody_else_is_told_from_a_bad_one_in_the_records_only() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let for_us = AuthConfig { audiences: vec!["holmesgpt-api".into()], ..config() };
    let service = server.service(for_us).await;
    let answer = ask(&service, "GET", "/config", "token-1").await;
    assert_eq!((answer.status, answer.problem().1.as_str()), (401, "Token not authenticated"));
    assert_eq!(bodies(&server).len(), 1, "and nobody asks what it may do");
}

#[tokio::test]
async fn without_a_namespace_or_an_api_server_there_is_no_start() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let start = async |namespace: Option<&str>, kubeconfig: std::path::PathBuf| {
        let config = AuthConfig { namespace: namespace.map(str::to_owned), ..AuthConfig::default() };
        Authenticator::build_kubernetes(&config, &ApiAccess::Kubeconfig(kubeconfig), Metrics::build().unwrap()).await
    };
    let error = start(Some("Not A Label"), server.kubeconfig()).await.unwrap_err();
    assert!(matches!(error, AuthError::Kubernetes(KubernetesAuthError::BadNamespace(_))), "{error}");
    let error = start(Some("ops"), server.folder.path().join("nothing")).await.unwrap_err();
    assert!(matches!(error, AuthError::Kubernetes(KubernetesAuthError::Config(_))), "{error}");
    if std::env::var_os("POD_NAMESPACE").is_none() {
        let error = start(None, server.kubeconfig()).await.unwrap_err();
        assert!(matches!(error, AuthError::Kubernetes(KubernetesAuthError::NoNamespace)), "{error}");
    }
}
