//! The contract of the wire: every route, every refusal, every bound (http-api §1–§3).

use std::time::{Duration, Instant};

use bytes::Bytes;
use holmesgpt_api::api::{ErrorMediaType, HttpConfig, Limits};
use holmesgpt_api::telemetry::metrics::Dependency;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::service::{Answer, Setup, TOKEN, TestService};

const ANALYZE: &str = "/api/v1/incident/analyze";
const SESSION: &str = "/api/v1/incident/session/5b0e7f0c-2f1c-4a0e-9d35-7d3bb8a2c1e4";

pub(crate) fn incident() -> Value {
    json!({
        "incident_id": "aia-cart-api-7f3c", "remediation_id": "rr-2026-0412-cart", "signal_name": "OOMKilled",
        "severity": "high", "signal_source": "kubernaut", "resource_namespace": "checkout",
        "resource_kind": "Deployment", "resource_name": "cart-api", "error_message": "", "environment": "production",
        "priority": "P1", "risk_tolerance": "medium", "business_category": "standard", "cluster_name": "default",
    })
}

/// Routes that need a token: method, path, what else the route allows.
fn private_routes() -> Vec<(&'static str, String, &'static str)> {
    vec![
        ("POST", ANALYZE.to_owned(), "POST"),
        ("GET", SESSION.to_owned(), "GET,HEAD"),
        ("GET", format!("{SESSION}/result"), "GET,HEAD"),
        ("POST", format!("{SESSION}/cancel"), "POST"),
        ("GET", format!("{SESSION}/snapshot"), "GET,HEAD"),
        ("GET", format!("{SESSION}/stream"), "GET,HEAD"),
        ("POST", "/api/v1/recovery/analyze".to_owned(), "POST"),
        ("GET", SESSION.replace("incident", "recovery"), "GET,HEAD"),
        ("GET", format!("{}/result", SESSION.replace("incident", "recovery")), "GET,HEAD"),
        ("GET", "/config".to_owned(), "GET,HEAD"),
    ]
}

/// Routes that need none, with the status of a ready service.
const PUBLIC_ROUTES: &[(&str, u16)] = &[
    ("/health", 200),
    ("/health/ready", 200),
    ("/ready", 200),
    ("/healthz", 200),
    ("/livez", 200),
    ("/readyz", 200),
    ("/startupz", 200),
    ("/metrics", 200),
    ("/openapi.json", 200),
    ("/docs", 200),
    ("/docs/swagger-ui-bundle.js", 200),
    ("/redoc", 307),
];

#[tokio::test]
async fn private_routes_refuse_strangers_before_anything_else() {
    let service = TestService::start().await;
    let refused = async |request: reqwest::RequestBuilder, detail: &str| {
        let answer = Answer::of(request).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"));
        assert_eq!(answer.problem(), ("unauthorized".to_owned(), detail.to_owned()));
    };
    for (method, path, _) in private_routes() {
        refused(service.stranger(method, &path), "Missing Authorization header with Bearer token").await;
        refused(service.stranger(method, &path).bearer_auth("wrong"), "Token not authenticated").await;
        let basic = service.stranger(method, &path).header("authorization", "Basic YTpi");
        refused(basic, "Missing Authorization header with Bearer token").await;
        let empty = service.stranger(method, &path).header("authorization", "Bearer ");
        refused(empty, "Token cannot be empty").await;
        // Neither the method nor the body matters yet.
        refused(service.stranger("DELETE", &path), "Missing Authorization header with Bearer token").await;
        let nonsense = service.stranger(method, &path).header("content-type", "text/plain").body("{");
        refused(nonsense, "Missing Authorization header with Bearer token").await;
    }
    for unknown in ["/", "/api", "/api/v1/incident", "/healthy", "/health/x", "/%68ealth", "/docs/x", "/docs/../config"]
    {
        refused(service.stranger("GET", unknown), "Missing Authorization header with Bearer token").await;
    }
    let text = service.metrics.encode();
    assert!(text.contains(r#"auth_requests_total{result="missing_token"}"#));
}

#[tokio::test]
async fn tokens_are_accepted_in_any_case_of_the_scheme() {
    let service = TestService::start().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = service.stranger("GET", "/config").header("authorization", format!("{scheme} {TOKEN}"));
        assert_eq!(Answer::of(request).await.status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn wrong_methods_and_unknown_paths() {
    let service = TestService::start().await;
    for (_, path, allow) in private_routes() {
        let answer = Answer::of(service.caller("DELETE", &path)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow), "{path}");
        assert_eq!(answer.problem().0, "method-not-allowed");
        let options = Answer::of(service.stranger("OPTIONS", &path)).await;
        assert_eq!((options.status, options.header("allow")), (204, allow), "{path}");
    }
    for (path, _) in PUBLIC_ROUTES {
        let answer = Answer::of(service.caller("POST", path)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "GET,HEAD"), "{path}");
        assert_eq!(answer.problem().0, "method-not-allowed");
        let stranger = Answer::of(service.stranger("POST", path)).await;
        assert_eq!(stranger.status, 401, "{path} is public for reading only");
    }
    for path in ["/", "/nowhere", "/api/v1/incident/session", "/api/v1/incident/session/", "/api/v1/postexec/analyze"] {
        let answer = service.get(path).await;
        assert_eq!((answer.status, answer.problem().0.as_str()), (404, "not-found"), "{path}");
        assert_eq!(answer.json()["instance"], path);
    }
    let options = Answer::of(service.stranger("OPTIONS", "/nowhere")).await;
    assert_eq!(options.status, 401);
}

#[tokio::test]
async fn public_routes_answer_get_and_head() {
    let service = TestService::start().await;
    for (path, status) in PUBLIC_ROUTES {
        let get = Answer::of(service.stranger("GET", path)).await;
        assert_eq!(get.status, *status, "{path}");
        let head = Answer::of(service.stranger("HEAD", path)).await;
        assert_eq!((head.status, head.text.as_str()), (*status, ""), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(!get.header("x-request-id").is_empty(), "{path}");
        // With a trailing slash it is the same route.
        let slashed = Answer::of(service.stranger("GET", &format!("{path}/"))).await;
        assert_eq!(slashed.status, *status, "{path}/");
    }
}

#[tokio::test]
async fn a_trailing_slash_is_the_same_private_route() {
    let service = TestService::start().await;
    let answer = service.get("/config/?x=1").await;
    assert_eq!(answer.status, 200);
    let answer = service.get(&format!("{SESSION}/")).await;
    assert_eq!((answer.status, answer.json()["instance"].as_str()), (404, Some(format!("{SESSION}/").as_str())));
}

#[tokio::test]
async fn malformed_session_ids_are_unknown_sessions() {
    let service = TestService::start().await;
    for id in ["nope", "5B0E7F0C-2F1C-4A0E-9D35-7D3BB8A2C1E4", "%ff%fe", "a%2Fb", "..%2f", "x".repeat(2000).as_str()] {
        for suffix in ["", "/result", "/snapshot", "/stream"] {
            let answer = service.get(&format!("/api/v1/incident/session/{id}{suffix}")).await;
            assert_eq!((answer.status, answer.problem().0.as_str()), (404, "not-found"), "{id}{suffix}");
        }
    }
    let answer = service.get(SESSION).await;
    assert_eq!(answer.problem().1, "Session 5b0e7f0c-2f1c-4a0e-9d35-7d3bb8a2c1e4 not found");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn request_ids_are_echoed_or_replaced() {
    let service = TestService::start().await;
    let id_for = async |given: &str| {
        let answer = Answer::of(service.stranger("GET", "/health").header("x-request-id", given)).await;
        answer.header("x-request-id").to_owned()
    };
    let longest = "a".repeat(128);
    for good in ["a", "Az09._:-", longest.as_str()] {
        assert_eq!(id_for(good).await, good);
    }
    let too_long = "a".repeat(129);
    for bad in ["", "a b", "a/b", "\"", too_long.as_str(), "ü"] {
        let id = id_for(bad).await;
        assert_eq!(id.len(), 36, "{bad} became {id}");
        assert_eq!(id.as_bytes()[14], b'4', "{id} is a UUIDv4");
    }
    let refused = Answer::of(service.stranger("GET", "/config").header("x-request-id", "mine")).await;
    assert_eq!(refused.json()["request_id"], "mine");
}

#[tokio::test]
async fn bodies_are_checked_in_order_media_type_size_json_fields() {
    let service = TestService::start().await;
    let post = |body: Vec<u8>, media: Option<&str>| {
        let request = service.caller("POST", ANALYZE).body(body);
        Answer::of(match media {
            Some(media) => request.header("content-type", media),
            None => request,
        })
    };
    let big = vec![b' '; 2 * 1024 * 1024];
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"] {
        let answer = post(b"{}".to_vec(), Some(media)).await;
        assert_eq!((answer.status, answer.problem().0.as_str()), (415, "unsupported-media-type"), "{media}");
    }
    assert_eq!(post(big.clone(), Some("text/plain")).await.status, 415);
    let answer = post(big.clone(), Some("application/json")).await;
    assert_eq!((answer.status, answer.problem().0.as_str()), (413, "payload-too-large"));

    // The same without a declared length.
    let pieces = (0..32).map(|_| Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b' '; 64 * 1024]))));
    let stream = StreamBody::new(futures_util::stream::iter(pieces));
    assert_eq!(service.analyze(reqwest::Body::wrap(stream)).await.status, 413);

    let invalid = |answer: &Answer| {
        assert_eq!((answer.status, answer.json()["title"].as_str()), (400, Some("Bad Request")));
        let (kind, detail) = answer.problem();
        assert_eq!(kind, "validation-error");
        detail
    };
    let bomb = "[".repeat(100_000);
    for (body, detail) in [
        (&b""[..], "Validation error: Field 'body': Field required"),
        (b"[1]", "Validation error: Field 'body': Input should be a valid dictionary or object to extract fields from"),
        (b"{\"a\": }", "Validation error: Field '6': JSON decode error"),
        (b"\xff\xfe{}", "There was an error parsing the body"),
        (bomb.as_bytes(), "Validation error: Field 'body': JSON nested deeper than 64 levels"),
        (b"{}", "Validation error: Field 'incident_id': Field required"),
    ] {
        assert_eq!(invalid(&post(body.to_vec(), None).await), detail);
    }
    let all = post(b"{}".to_vec(), Some("application/json; charset=utf-16")).await.json();
    assert_eq!(all["errors"].as_array().unwrap().len(), 14);
    assert_eq!(
        all["errors"][1],
        json!({ "loc": ["body", "remediation_id"], "type": "missing", "msg": "Field required" })
    );

    let mut blank = incident();
    blank["remediation_id"] = json!(" ");
    let answer = service.analyze(blank.to_string()).await;
    assert!(invalid(&answer).contains("remediation"));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let limits = Limits { body_timeout: Duration::from_millis(100), ..Limits::default() };
    let service = TestService::with(Setup { limits, ..Setup::default() }).await;
    let head =
        format!("POST {ANALYZE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 10\r\n\r\n{{");
    let answer = service.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("/problems/request-timeout"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_says_nothing_or_half_a_head_is_closed() {
    let mut setup = Setup::default();
    setup.serve.header_timeout = Duration::from_millis(150);
    let service = TestService::with(setup).await;
    for start in ["", "GET /hea", "PRI * HTTP/2.0\r\n"] {
        let started = Instant::now();
        let answer = service.raw(start.as_bytes()).await;
        assert!(!answer.contains(" 200 "), "{answer}");
        assert!(started.elapsed() < Duration::from_secs(5), "{start:?} kept the connection");
    }
    assert_eq!(service.get("/health").await.status, 200);
}

#[tokio::test]
async fn the_server_stops_although_requests_are_half_sent() {
    let service = TestService::start().await;
    let mut silent = service.connect().await;
    let mut half_head = service.connect().await;
    half_head.write_all(b"GET /health HTTP/1.1\r\nhost").await.unwrap();
    let mut half_body = service.connect().await;
    let head =
        format!("POST {ANALYZE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 10\r\n\r\n{{");
    half_body.write_all(head.as_bytes()).await.unwrap();
    let idle = service.get("/health").await;
    assert_eq!(idle.status, 200);

    let address = service.address;
    let started = Instant::now();
    service.stop().await;
    assert!(started.elapsed() < Duration::from_secs(3), "took {:?}", started.elapsed());
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the listener is closed");
    for stream in [&mut silent, &mut half_head, &mut half_body] {
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut rest)).await.unwrap();
    }
}

#[tokio::test]
async fn a_request_in_flight_is_finished_while_draining() {
    let service = TestService::start().await;
    let mut stream = service.connect().await;
    let body = incident().to_string();
    let (first, rest) = body.split_at(20);
    let head = format!(
        "POST {ANALYZE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stopped = tokio::spawn(service.stop());
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    stopped.await.unwrap();
}

#[tokio::test]
async fn one_request_too_many_is_turned_away_and_probes_never_are() {
    let limits = Limits { concurrent_requests_max: 1, ..Limits::default() };
    let service = TestService::with(Setup { limits, ..Setup::default() }).await;
    let mut slow = service.connect().await;
    let head =
        format!("POST {ANALYZE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 10\r\n\r\n{{");
    slow.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let answer = service.get("/config").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.problem().0, "service-unavailable");
    assert_eq!(service.get("/health").await.status, 200);
    drop(slow);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(service.get("/config").await.status, 200, "the place is free again");
}

#[tokio::test]
async fn cross_origin_rules() {
    let service = TestService::start().await;
    let preflight = |origin: &'static str| {
        let request = service.stranger("OPTIONS", ANALYZE).header("origin", origin);
        Answer::of(request.header("access-control-request-method", "POST"))
    };
    for origin in ["http://localhost", "http://127.0.0.1"] {
        let answer = preflight(origin).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, origin));
        assert_eq!(answer.header("access-control-allow-methods"), "GET, POST");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
    }
    for origin in ["https://evil.example", "http://localhost:3000", "null"] {
        let answer = preflight(origin).await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, ""), "{origin}");
    }
    let answer = Answer::of(service.stranger("GET", "/health").header("origin", "http://localhost")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "http://localhost");
    assert_eq!(answer.header("vary"), "Origin");
}

#[tokio::test]
async fn refusals_can_be_plain_json() {
    let http = HttpConfig { auth_error_media_type: ErrorMediaType::Json };
    let service = TestService::with(Setup { http, ..Setup::default() }).await;
    let refused = Answer::of(service.stranger("GET", "/config")).await;
    assert_eq!((refused.status, refused.header("content-type")), (401, "application/json"));
    assert_eq!(refused.json()["detail"], "Missing Authorization header with Bearer token");
    assert_eq!(service.get("/nowhere").await.problem().0, "not-found");
}

#[tokio::test]
async fn probes_and_configuration() {
    let service = TestService::start().await;
    let health = service.get("/health").await;
    assert_eq!(health.header("content-type"), "application/json");
    let health = health.json();
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("holmesgpt-api")));
    assert_eq!(health["endpoints"], json!([ANALYZE, "/api/v1/recovery/analyze", "/health", "/ready"]));
    let features = json!({ "incident_analysis": true, "recovery_analysis": true, "authentication": true });
    assert_eq!(health["features"], features);

    let ready = service.get("/ready").await.json();
    assert_eq!(ready["status"], "ready");
    for name in ["sdk", "context_api", "prometheus"] {
        assert_eq!(ready["dependencies"][name]["status"], "up");
    }
    assert_eq!(ready["dependencies"]["llm"]["status"], "off");
    assert_eq!(service.get("/readyz").await.json(), json!({ "status": "ready", "interactive_mode": "disabled" }));
    assert_eq!(service.get("/healthz").await.json()["status"], "healthy");

    let config = service.get("/config").await.json();
    assert_eq!(config["llm"], json!({ "provider": "openai", "model": "gpt-4o", "endpoint": "https://llm.example/v1" }));
    assert_eq!((&config["environment"], &config["dev_mode"]), (&Value::Null, &json!(false)));

    let metrics = service.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let health = r#"aiagent_http_request_duration_seconds_count{endpoint="/health",method="GET",status="200"} 1"#;
    assert!(metrics.text.contains(health), "{}", metrics.text);
}

#[tokio::test]
async fn readiness_over_a_life() {
    let service = TestService::with(Setup { unseen: vec![Dependency::Kubernetes], ..Setup::default() }).await;
    let ready = async |path: &str| {
        let answer = service.get(path).await;
        (answer.status, answer.json()["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(ready("/ready").await, (503, "starting".to_owned()));
    assert_eq!(ready("/startupz").await, (503, "starting".to_owned()));
    let brief = service.get("/readyz").await.json();
    assert_eq!(brief, json!({ "status": "not_ready", "reason": "kubernetes_unreachable" }));
    assert_eq!(service.get("/health").await.status, 200);

    service.readiness.up(Dependency::Kubernetes);
    assert_eq!(ready("/ready").await, (200, "ready".to_owned()));
    service.readiness.down(Dependency::Kubernetes, "timeout");
    assert_eq!(service.get("/health/ready").await.json()["degraded"], json!(["kubernetes"]));

    service.readiness.shutting_down();
    let draining = service.get("/ready").await;
    assert_eq!((draining.status, draining.header("content-type")), (503, "application/json"));
    assert_eq!(draining.json()["reason"], "Service is gracefully shutting down");
    assert_eq!(ready("/startupz").await.0, 200);
    assert!(service.metrics.encode().contains("aiagent_api_shutting_down 1"));
}

#[tokio::test]
async fn the_documentation_page_needs_nothing_from_elsewhere() {
    let service = TestService::start().await;
    let page = Answer::of(service.stranger("GET", "/docs")).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let links: Vec<&str> = page.text.split(['"', '\'']).filter(|text| text.starts_with('/')).collect();
    assert!(links.len() >= 6, "{links:?}");
    assert!(!page.text.contains("http://") && !page.text.contains("https://"));
    for link in links {
        let asset = Answer::of(service.stranger("GET", link)).await;
        assert_eq!(asset.status, 200, "{link}");
        assert!(!asset.header("content-type").is_empty() && !asset.text.is_empty(), "{link}");
    }
    let initializer = Answer::of(service.stranger("GET", "/docs/swagger-initializer.js")).await;
    assert!(initializer.text.contains("\"/openapi.json\""));
    let redoc = Answer::of(service.stranger("GET", "/redoc")).await;
    assert_eq!(redoc.header("location"), "/docs");
    assert_eq!(service.get("/docs/swagger-ui-es-bundle.js").await.status, 404, "not on the list");
}

#[tokio::test]
async fn the_openapi_document_is_the_checked_in_one() {
    let service = TestService::start().await;
    let served = Answer::of(service.stranger("GET", "/openapi.json")).await;
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.text, holmesgpt_api::api::openapi());
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json");
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if golden != served.text {
        let actual = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("openapi.json");
        std::fs::write(&actual, &served.text).unwrap();
        panic!("openapi/openapi.json is not what is served; if that is right, copy {} over it", actual.display());
    }
}

#[tokio::test]
async fn forged_identities_change_nothing() {
    let service = TestService::start().await;
    for name in ["x-auth-request-user", "x-forwarded-user", "impersonate-user", "impersonate-extra-scopes"] {
        let answer = Answer::of(service.stranger("GET", "/config").header(name, "system:admin")).await;
        assert_eq!(answer.status, 401, "{name}");
    }
}

#[tokio::test]
async fn http2_without_tls_is_spoken() {
    let service = TestService::start().await;
    let mut stream = service.connect().await;
    const SETTINGS: u8 = 4;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], SETTINGS);
}
