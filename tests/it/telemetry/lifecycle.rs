//! How the service starts, what its probes say, and how it ends (operations §5; D8, D9 and D11 of §0.3).

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use holmesgpt_api::api::{Door, Readiness, ServeConfig, ServerConfig, serve};
use holmesgpt_api::telemetry::Metrics;
use holmesgpt_api::telemetry::metrics::Dependency;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::scenarios::observed::Observed;
use crate::service::TestService;

/// A model that reads one object and then takes its time.
fn slow(delay_ms: u64) -> String {
    format!(
        "title: slow
data_storage: {{}}
script:
  - reply: {{calls: [{{name: kubectl_get_yaml, arguments: {{kind: Deployment, name: web, namespace: shop}}}}]}}
  - reply: {{calls: [{{as: cause}}], delay_ms: {delay_ms}}}
  - reply: {{calls: [{{as: choice}}]}}
expect: {{verdict: remediate}}
"
    )
}

async fn get(url: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap();
    let response = client.get(url).send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Waits until the model was asked so often.
async fn asked(observed: &Observed, times: usize) {
    let began = Instant::now();
    while observed.model.requests().len() < times {
        assert!(began.elapsed() < Duration::from_secs(30), "the model was not asked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The exit code and the record of the finished drain.
async fn drained(observed: Observed) -> (Option<i32>, Value) {
    let (code, records) = observed.ended().await;
    (code, records.into_iter().find(|record| record["event"] == "shutdown_complete").unwrap_or_default())
}

#[tokio::test]
async fn probes_are_answered_before_anything_is_wired() {
    let metrics = Metrics::build().unwrap();
    let readiness = Readiness::new(&[Dependency::Kubernetes], metrics.clone());
    let door = Door::closed(readiness.clone(), metrics);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stop = CancellationToken::new();
    let bounds = ServeConfig::from(&ServerConfig::default());
    let server = serve(listener, door.router(), bounds, None, stop.clone()).unwrap();
    let url = |path: &str| format!("http://{}{path}", server.address());
    for path in ["/health", "/healthz", "/livez", "/metrics"] {
        assert_eq!(get(&url(path)).await.0, 200, "{path}");
    }
    for path in ["/ready", "/health/ready", "/readyz", "/startupz", "/api/v1/incident/analyze", "/config"] {
        let (status, body) = get(&url(path)).await;
        assert_eq!((status, &body["reason"]), (503, &json!("starting")), "{path}");
    }
    door.open(axum::Router::new().fallback(async || "the API"));
    assert_eq!(get(&url("/ready")).await, (200, json!("the API")));
    stop.cancel();
    server.closed().await;
}

/// D11: readiness says what it knows and why.
#[tokio::test]
async fn d11_readiness_follows_its_dependencies_and_says_why() {
    let setup = crate::service::Setup { unseen: vec![Dependency::DataStorage], ..Default::default() };
    let service = TestService::with(setup).await;
    let url = |path: &str| format!("http://{}{path}", service.address);
    let (status, report) = get(&url("/ready")).await;
    assert_eq!((status, &report["reason"]), (503, &json!("datastorage_unreachable")), "{report}");
    assert_eq!(get(&url("/startupz")).await.0, 503);
    service.readiness.up(Dependency::DataStorage);
    assert_eq!(get(&url("/health/ready")).await.0, 200);
    assert_eq!(get(&url("/startupz")).await.0, 200);
    service.readiness.down(Dependency::DataStorage, "timeout");
    let (status, report) = get(&url("/ready")).await;
    assert_eq!((status, &report["degraded"]), (200, &json!(["data_storage"])), "known results are still served");
    for (fault, ready) in [("store_unavailable", "/ready"), ("audit_unavailable", "/readyz")] {
        service.readiness.broken(fault);
        let (status, report) = get(&url(ready)).await;
        assert_eq!((status, &report["reason"]), (503, &json!(fault)), "{report}");
        assert_eq!(get(&url("/livez")).await.0, 200, "alive all the same");
        service.readiness.mended(fault);
    }
    service.readiness.shutting_down();
    assert_eq!(get(&url("/ready")).await.1["status"], "shutting_down");
    assert_eq!((get(&url("/livez")).await.0, get(&url("/startupz")).await.0), (200, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn side_doors_serve_probes_metrics_and_what_is_switched_on() {
    let server = json!({"health_addr": "127.0.0.1:0", "metrics_addr": "127.0.0.1:0", "admin_endpoints": true, "profiling": true});
    let observed = Observed::start(&slow(0), &json!({ "server": server }), &[]).await;
    let served = observed.service.early.iter().find(|record| record["event"] == "probes_served").unwrap();
    let door = |name: &str, path: &str| format!("http://{}{path}", served[name].as_str().unwrap());
    for path in ["/health", "/healthz", "/livez", "/metrics", "/debug/runtime"] {
        assert_eq!(get(&door("health", path)).await.0, 200, "{path}");
    }
    assert!(get(&door("health", "/debug/runtime")).await.1["tasks_alive"].as_u64().unwrap() > 0);
    assert_eq!(get(&door("health", "/config")).await.0, 401, "the API's own rules");
    assert_eq!(get(&door("health", "/api/v1/incident/analyze")).await.0, 404);
    let (status, text) = get(&door("metrics", "/metrics")).await;
    assert_eq!(status, 200);
    let workers = text.as_str().unwrap().lines().find(|line| line.starts_with("aiagent_api_runtime_tasks ")).unwrap();
    assert!(!workers.ends_with(" 0"), "of the runtime that works: {workers}");
    assert_eq!(get(&door("metrics", "/health")).await.0, 404);
    let level = door("health", "/admin/loglevel");
    assert_eq!(get(&level).await, (200, json!({"level": "INFO"})));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let put = async |body: &'static str| client.put(&level).body(body).send().await.unwrap().status().as_u16();
    assert_eq!(put(r#"{"level": "loud"}"#).await, 400);
    assert_eq!(put(r#"{"level": "debug"}"#).await, 200);
    assert_eq!(get(&level).await.1["level"], "DEBUG");
    observed.caller.get(&observed.service, "/livez").await;
    let records = observed.end().await;
    assert!(records.iter().any(|record| record["level"] == "debug" && record["path"] == "/livez"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_sends_too_much_is_told_to_wait() {
    let limit = json!({"enabled": true, "requests_per_second": 0.1, "burst": 2});
    let observed = Observed::start(&slow(0), &json!({"server": {"rate_limit": limit}}), &[]).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let response = observed.caller.request(&observed.service, "/config").send().await.unwrap();
        statuses.push(response.status().as_u16());
        if response.status() == 429 {
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            assert!(response.headers().contains_key("retry-after"));
        }
    }
    assert_eq!(statuses, [200, 200, 429]);
    let (status, text) = observed.caller.get(&observed.service, "/metrics").await;
    assert_eq!(status, 200, "public paths are never turned away");
    assert!(text.contains("aiagent_http_rate_limited_total 1\n"), "{text}");
    observed.end().await;
}

#[test]
fn switches_need_the_address_they_act_at() {
    let check = |section: Value| serde_json::from_value::<ServerConfig>(section).unwrap().check();
    assert_eq!(check(json!({"health_addr": ":8081", "metrics_addr": "[::1]:9090", "admin_endpoints": true})), Ok(()));
    for (section, told) in [
        (json!({"admin_endpoints": true}), "server.admin_endpoints needs"),
        (json!({"profiling": true}), "server.profiling needs"),
        (json!({"health_addr": "8081"}), "server.health_addr is \"8081\""),
        (json!({"metrics_addr": "localhost:x"}), "server.metrics_addr"),
    ] {
        assert!(check(section.clone()).unwrap_err().contains(told), "{section}");
    }
}

/// D8 and D9: a signal turns readiness off, running work ends well, what was recorded is delivered, and the process ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d8_d9_running_work_streams_and_events_survive_a_signal() {
    let more = json!({"shutdown": {"endpoint_delay_seconds": 1}});
    let observed = Observed::start(&slow(2_500), &more, &[]).await;
    let session = observed.caller.post(&observed.service, observed.incident.to_string().into_bytes()).await;
    let stream = {
        let request = observed.caller.request(&observed.service, &format!("/api/v1/incident/session/{session}/stream"));
        tokio::spawn(async move { request.send().await.unwrap().text().await })
    };
    asked(&observed, 2).await;
    observed.service.terminate();
    let url = format!("http://{}", observed.service.address);
    let began = Instant::now();
    while get(&format!("{url}/ready")).await.0 != 503 {
        assert!(began.elapsed() < Duration::from_secs(10), "still ready");
    }
    let (_, text) = get(&format!("{url}/metrics")).await;
    assert!(text.as_str().unwrap().contains("aiagent_api_shutting_down 1"));
    assert_eq!(get(&format!("{url}/livez")).await.0, 200, "alive to the end");
    let told = stream.await.unwrap().unwrap();
    assert!(!told.is_empty(), "the stream ends properly");
    let began = Instant::now();
    let last = "aiagent.response.complete";
    while !observed.storage.stored().iter().any(|stored| stored.event.to_string().contains(last)) {
        assert!(began.elapsed() < Duration::from_secs(30), "the terminal event did not arrive");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (code, last) = drained(observed).await;
    let ended = (code, &last["sessions_finished"], &last["sessions_parked"], &last["audit_events_undelivered"]);
    assert_eq!(ended, (Some(0), &json!(1), &json!(0), &json!(0)), "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_parks_what_runs_and_ends_at_once() {
    let more = json!({"shutdown": {"endpoint_delay_seconds": 60, "drain_seconds": 120}});
    let observed = Observed::start(&slow(600_000), &more, &[]).await;
    observed.caller.post(&observed.service, observed.incident.to_string().into_bytes()).await;
    asked(&observed, 2).await;
    let began = Instant::now();
    observed.service.terminate();
    observed.service.wait_for("shutdown_flag_set");
    observed.service.terminate();
    let (code, last) = drained(observed).await;
    assert_eq!((code, &last["sessions_parked"]), (Some(0), &json!(1)), "{last}");
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_signal_gives_up() {
    let more = json!({"shutdown": {"endpoint_delay_seconds": 60, "drain_seconds": 120}});
    let observed = Observed::start(&slow(0), &more, &[]).await;
    // A body that never comes holds its connection for the server's own five seconds.
    let mut half = TcpStream::connect(&observed.service.address).unwrap();
    half.write_all(b"POST /api/v1/incident/analyze HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n").unwrap();
    half.write_all(format!("Authorization: Bearer {}\r\n", observed.caller.token()).as_bytes()).unwrap();
    half.write_all(b"Content-Length: 1000\r\n\r\n{").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    observed.service.terminate();
    observed.service.wait_for("shutdown_flag_set");
    observed.service.terminate();
    observed.service.wait_for("shutdown_drain_started");
    observed.service.terminate();
    let (code, last) = drained(observed).await;
    assert_eq!((code, last), (Some(1), Value::Null));
    drop(half);
}
