//! Every operation of the served document against every way to be turned away. An operation without a row fails the test.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::http_contract::incident;
use crate::http_modes::{INCIDENT, RECOVERY, recovery};
use crate::kubernetes_auth::ApiServer;
use crate::service::{Answer, TestService};

/// What one operation does.
struct Row {
    method: &'static str,
    path: &'static str,
    /// `Allow` of its path.
    allow: &'static str,
    /// Needs a token.
    private: bool,
    /// Takes a body of this form.
    body: Option<fn() -> Value>,
    /// Answer to a good request about a session nobody knows.
    good: u16,
}

const ID: &str = "5b0e7f0c-2f1c-4a0e-9d35-7d3bb8a2c1e4";
const ROWS: &[Row] = &[
    post(INCIDENT, Some(incident), 202),
    get("/api/v1/incident/session/{session_id}", true, 404),
    get("/api/v1/incident/session/{session_id}/result", true, 404),
    post("/api/v1/incident/session/{session_id}/cancel", None, 404),
    get("/api/v1/incident/session/{session_id}/snapshot", true, 404),
    get("/api/v1/incident/session/{session_id}/stream", true, 404),
    post(RECOVERY, Some(recovery), 200),
    get("/api/v1/recovery/session/{session_id}", true, 404),
    get("/api/v1/recovery/session/{session_id}/result", true, 404),
    get("/config", true, 200),
    get("/health", false, 200),
    get("/ready", false, 200),
];

const fn get(path: &'static str, private: bool, good: u16) -> Row {
    Row { method: "GET", path, allow: "GET,HEAD", private, body: None, good }
}

const fn post(path: &'static str, body: Option<fn() -> Value>, good: u16) -> Row {
    Row { method: "POST", path, allow: "POST", private: true, body, good }
}

impl Row {
    fn path(&self) -> String {
        self.path.replace("{session_id}", ID)
    }

    fn request(&self, service: &TestService, token: Option<&str>) -> reqwest::RequestBuilder {
        let mut request = service.stranger(self.method, &self.path());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        match self.body {
            Some(body) => request.header("content-type", "application/json").body(body().to_string()),
            None => request,
        }
    }
}

/// The served document.
struct Document(Value);

impl Document {
    async fn of(service: &TestService) -> Self {
        Self(Answer::of(service.stranger("GET", "/openapi.json")).await.json())
    }

    fn operations(&self) -> BTreeSet<(String, String)> {
        let mut operations = BTreeSet::new();
        for (path, methods) in self.0["paths"].as_object().unwrap() {
            operations.extend(methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
        }
        operations
    }

    /// Fails when the answer's status or media type is not in the document.
    fn covers(&self, row: &Row, answer: &Answer) {
        let operation = &self.0["paths"][row.path][row.method.to_lowercase()];
        let described = &operation["responses"][answer.status.to_string()];
        assert!(described.is_object(), "{} {}: {} is not described", row.method, row.path, answer.status);
        let media = answer.header("content-type");
        assert!(described["content"].get(media).is_some(), "{} {}: {} as {media}", row.method, row.path, answer.status);
    }
}

#[tokio::test]
async fn every_operation_has_a_row_and_every_row_an_operation() {
    let document = Document::of(&TestService::start().await).await;
    let rows: BTreeSet<_> = ROWS.iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(document.operations(), rows);
}

#[tokio::test]
async fn every_operation_against_every_refusal() {
    let service = TestService::start().await;
    let document = Document::of(&service).await;
    for row in ROWS {
        let told = format!("{} {}", row.method, row.path);
        let good = Answer::of(row.request(&service, Some(crate::service::TOKEN))).await;
        assert_eq!(good.status, row.good, "{told}: {}", good.text);
        document.covers(row, &good);

        for (token, detail) in
            [(None, "Missing Authorization header with Bearer token"), (Some("wrong"), "Token not authenticated")]
        {
            let answer = Answer::of(row.request(&service, token)).await;
            if !row.private {
                assert_eq!(answer.status, row.good, "{told}");
                continue;
            }
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{told}");
            assert_eq!(answer.problem(), ("unauthorized".to_owned(), detail.to_owned()), "{told}");
            document.covers(row, &answer);
        }

        for method in ["PUT", "PATCH", "DELETE", if row.method == "GET" { "POST" } else { "GET" }] {
            let wrong = Answer::of(service.caller(method, &row.path())).await;
            assert_eq!((wrong.status, wrong.header("allow")), (405, row.allow), "{told} as {method}");
            assert_eq!(wrong.problem().0, "method-not-allowed", "{told} as {method}");
        }

        // What takes no body does not look at one.
        let large = vec![b' '; if row.body.is_some() { 2 * 1024 * 1024 } else { 16 * 1024 }];
        let large = service.caller(row.method, &row.path()).header("content-type", "application/json").body(large);
        let large = Answer::of(large).await;
        let expected = if row.body.is_some() { 413 } else { row.good };
        assert_eq!(large.status, expected, "{told}");
        document.covers(row, &large);
    }
}

#[tokio::test]
async fn submissions_against_bad_bodies() {
    let service = TestService::start().await;
    let document = Document::of(&service).await;
    for row in ROWS.iter().filter(|row| row.body.is_some()) {
        let send = |body: &'static str, media: &'static str| {
            Answer::of(service.caller(row.method, &row.path()).header("content-type", media).body(body))
        };
        for (body, media, status) in [
            ("{}", "text/plain", 415),
            ("{", "application/json", 400),
            ("", "application/json", 400),
            ("null", "application/json", 400),
            ("[]", "application/json", 400),
            ("{}", "application/problem+json", 400),
        ] {
            let answer = send(body, media).await;
            assert_eq!(answer.status, status, "{} {body:?} as {media}", row.path);
            assert!(!answer.problem().1.is_empty());
            document.covers(row, &answer);
        }
    }
}

#[tokio::test]
async fn callers_without_permission_are_forbidden_everything() {
    let server = ApiServer::denying().await;
    let service = server.service(crate::kubernetes_auth::config()).await;
    let document = Document::of(&service).await;
    for row in ROWS {
        let answer = Answer::of(row.request(&service, Some("token-1"))).await;
        if !row.private {
            assert_eq!(answer.status, row.good, "{}", row.path);
            continue;
        }
        let detail = format!("Insufficient RBAC permissions for {} {}", row.method, row.path());
        assert_eq!((answer.status, answer.problem()), (403, ("forbidden".to_owned(), detail)));
        document.covers(row, &answer);
    }
}

#[tokio::test]
async fn answers_are_compressed_when_asked() {
    let service = TestService::start().await;
    for (coding, magic) in [("gzip", &[0x1f, 0x8b][..]), ("zstd", &[0x28, 0xb5, 0x2f, 0xfd])] {
        for path in ["/openapi.json", "/config"] {
            let response = service.caller("GET", path).header("accept-encoding", coding).send().await.unwrap();
            assert_eq!(response.headers()["content-encoding"], coding, "{path}");
            let vary = response.headers().get_all("vary").iter().any(|value| value == "accept-encoding");
            assert!(vary, "{path}: {:?}", response.headers());
            assert!(response.bytes().await.unwrap().starts_with(magic), "{path}");
        }
    }
    let plain = Answer::of(service.caller("GET", "/openapi.json")).await;
    assert_eq!(plain.header("content-encoding"), "");
    let refused = service.stranger("GET", "/config").header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(
        (refused.status(), &refused.headers()["content-type"]),
        (reqwest::StatusCode::UNAUTHORIZED, &"application/problem+json".parse().unwrap())
    );
}

#[tokio::test]
async fn strings_and_maps_are_bounded_at_any_depth() {
    let service = TestService::start().await;
    let long = "x".repeat(64 * 1024 + 1);
    let many: serde_json::Map<String, Value> = (0..513).map(|number| (number.to_string(), json!(""))).collect();
    let deep = |value: Value| json!({ "kubernetesContext": { "a": [{ "b": value }] } });
    for (name, value, fault) in [
        ("error_message", json!(long), "String should have at most 65536 bytes"),
        ("signal_labels", json!({ "a": long }), "String should have at most 65536 bytes"),
        ("signal_labels", json!(many), "Dictionary should have at most 512 items, not 513"),
        ("enrichment_results", deep(json!(long)), "String should have at most 65536 bytes"),
        ("enrichment_results", deep(json!(many)), "Dictionary should have at most 512 items, not 513"),
    ] {
        let mut body = incident();
        body[name] = value;
        let answer = Answer::of(service.post(INCIDENT, &body)).await;
        assert_eq!((answer.status, answer.json()["errors"][0]["msg"].as_str()), (400, Some(fault)), "{name}");
    }
}

#[test]
fn operation_ids_tags_and_schema_names_are_those_of_the_generated_clients() {
    let document: Value = serde_json::from_str(&holmesgpt_api::api::openapi()).unwrap();
    assert_eq!((&document["openapi"], &document["info"]["title"]), (&json!("3.1.0"), &json!("HolmesGPT API Service")));
    let (incident, recovery) = ("/api/v1/incident/session/{session_id}", "/api/v1/recovery/session/{session_id}");
    for (path, suffix, method, id, tag) in [
        (INCIDENT, "", "post", "incident_analyze_endpoint_api_v1_incident_analyze_post", "Incident Analysis"),
        (
            incident,
            "",
            "get",
            "incident_session_status_endpoint_api_v1_incident_session__session_id__get",
            "Incident Analysis",
        ),
        (
            incident,
            "/result",
            "get",
            "incident_session_result_endpoint_api_v1_incident_session__session_id__result_get",
            "Incident Analysis",
        ),
        (
            incident,
            "/cancel",
            "post",
            "cancel_session_api_v1_incident_session__session_id__cancel_post",
            "Incident Analysis",
        ),
        (
            incident,
            "/snapshot",
            "get",
            "session_snapshot_api_v1_incident_session__session_id__snapshot_get",
            "Incident Analysis",
        ),
        (
            incident,
            "/stream",
            "get",
            "session_stream_api_v1_incident_session__session_id__stream_get",
            "Incident Analysis",
        ),
        (RECOVERY, "", "post", "recovery_analyze_endpoint_api_v1_recovery_analyze_post", "Recovery Analysis"),
        (
            recovery,
            "",
            "get",
            "recovery_session_status_endpoint_api_v1_recovery_session__session_id__get",
            "Recovery Analysis",
        ),
        (
            recovery,
            "/result",
            "get",
            "recovery_session_result_endpoint_api_v1_recovery_session__session_id__result_get",
            "Recovery Analysis",
        ),
        ("/health", "", "get", "health_check_health_get", "Health"),
        ("/ready", "", "get", "readiness_check_ready_get", "Health"),
        ("/config", "", "get", "get_config_config_get", "Health"),
    ] {
        let operation = &document["paths"][format!("{path}{suffix}")][method];
        assert_eq!((&operation["operationId"], &operation["tags"]), (&json!(id), &json!([tag])), "{path}{suffix}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in
        "IncidentRequest IncidentResponse AlternativeWorkflow ValidationAttempt HumanReviewReason EnrichmentResults \
         BusinessClassification Severity SignalMode HTTPError HTTPValidationError ValidationError RecoveryRequest \
         RecoveryResponse RecoveryStrategy PreviousExecution OriginalRCA SelectedWorkflowSummary ExecutionFailure \
         AnalyzeAccepted SessionStatus CancelSessionResponse SessionSnapshot"
            .split_whitespace()
    {
        assert!(schemas.contains_key(name), "{name}");
    }
}
