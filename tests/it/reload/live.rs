//! Settings that count without a restart, seen from outside.

use std::time::Duration;

use holmesgpt_api::config::reference;
use serde_json::{Value, json};

use super::{Mounted, incident, main_text, nonsense, told};
use crate::process::{Caller, Service, holmesgpt, root};
use crate::stubs::datastorage::DataStorageStub;
use crate::stubs::provider::Provider;

impl Mounted {
    /// Swaps the service's file and waits until it counts; what changed.
    fn says(&mut self, service: &Service, more: &str) -> String {
        self.main.swap(&[("config.yaml", &main_text(more))]);
        service.wait_for("config_reloaded")["changed"].as_str().unwrap().to_owned()
    }
}

async fn post(caller: &Caller, service: &Service, marker: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("http://{}/api/v1/incident/analyze", service.address));
    let request = request.bearer_auth(caller.token()).header("content-type", "application/json");
    let response = request.body(incident(marker)).send().await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

async fn state(caller: &Caller, service: &Service, session: &str) -> String {
    let told = caller.get(service, &format!("/api/v1/incident/session/{session}")).await.1;
    serde_json::from_str::<Value>(&told).unwrap()["status"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_count_for_the_next_request_and_wake_those_that_wait() {
    let provider = Provider::start(|asked, _| match asked.text.contains("early") {
        true => nonsense().after(Duration::from_mins(5)),
        false => nonsense(),
    })
    .await;
    let mut mounted = Mounted::new(&provider.address);
    mounted.main.swap(&[("config.yaml", &main_text("session: {max_concurrent_investigations: 1}\n"))]);
    let service = mounted.start();
    let caller = mounted.caller();
    let early = caller.post(&service, incident("early")).await;
    let late = caller.post(&service, incident("late")).await;
    while state(&caller, &service, &early).await != "investigating" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(state(&caller, &service, &late).await, "pending");
    let changed = mounted.says(&service, "session: {max_concurrent_investigations: 2}\n");
    assert_eq!(changed, "session.max_concurrent_investigations");
    caller.result(&service, &late).await;
    assert_eq!(state(&caller, &service, &early).await, "investigating");

    let changed = mounted.says(&service, "compat: {default_mode: sync}\n");
    assert_eq!(changed, "compat.default_mode, session.max_concurrent_investigations");
    assert_eq!(post(&caller, &service, "sync").await.0, 200);

    mounted.says(&service, "budget: {day: {calls: 1}}\n");
    let (status, problem) = post(&caller, &service, "spent").await;
    assert_eq!(status, 503, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("budget of model calls"), "{problem}");
    mounted.says(&service, "budget: {day: {calls: 100000}}\n");
    assert_eq!(post(&caller, &service, "more").await.0, 202);

    mounted.says(&service, "server: {rate_limit: {enabled: true, burst: 1, requests_per_second: 0.001}}\n");
    let nobody = "/api/v1/incident/session/none";
    assert_eq!(caller.get(&service, nobody).await.0, 404);
    assert_eq!(caller.get(&service, nobody).await.0, 429);
    mounted.says(&service, "");
    assert_eq!(caller.get(&service, nobody).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_restart_is_told_until_it_counts() {
    let provider = Provider::start(|_, _| nonsense()).await;
    let mut mounted = Mounted::new(&provider.address);
    let service = mounted.start();
    let caller = mounted.caller();
    assert_eq!(told(&caller, &service).await["restart_required"], json!([]));
    assert_eq!(mounted.says(&service, "server: {port: 1}\nsession: {queue_limit: 9}\n"), "session.queue_limit");
    assert_eq!(service.wait_for("reload_field_shadowed")["keys"], "server.port", "the port is a flag's here");
    mounted.says(&service, "service_name: other\n");
    assert_eq!(service.wait_for("reload_restart_required")["keys"], "service_name");
    let config = told(&caller, &service).await;
    assert_eq!(config["restart_required"], json!(["service_name"]));
    let field = |path: &str| config["fields"].as_array().unwrap().iter().find(|field| field["path"] == path).unwrap();
    assert_eq!(field("service_name")["value"], "", "what counts");
    assert_eq!(field("server.port")["live"], false, "a flag's");
    mounted.says(&service, "");
    assert_eq!(told(&caller, &service).await["restart_required"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_and_questions_go_by_the_new_settings() {
    let stub = DataStorageStub::start().await;
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("token"), "token").unwrap();
    stub.answer("/nowhere", 404, json!({}));
    let path = home.path().join("config.yaml");
    let (root, url, here) = (root().display(), stub.url(), home.path().display());
    let write = |storage: &str, audit: &str| {
        let text = format!(
            "auth: {{mode: token}}\ncluster: {{source: bundle, bundle: {root}/examples/oom-cart-api/bundle}}\n\
             catalogue: {{source: directory}}\nshutdown: {{endpoint_delay_seconds: 0}}\nreload: {{poll_seconds: 0.05}}\n\
             llm: {{provider: mock, model: m}}\ndata_storage: {{url: '{url}', token_path: {here}/token{storage}}}\naudit: {{{audit}}}\n"
        );
        std::fs::write(&path, text).unwrap();
    };
    write(&format!(", health_url: '{url}/nowhere'"), "batch_size: 100");
    let mut command = holmesgpt();
    command.args(["serve", "--port", "0", "--config"]).arg(&path).arg("--state-dir").arg(home.path().join("state"));
    let service = Service::started(command);
    let caller = Caller::of(&home.path().join("state"));
    assert_eq!(caller.get(&service, "/ready").await.0, 503);

    write(", circuit_breaker: {enabled: true}", "batch_size: 1");
    let reloaded = service.wait_for("config_reloaded");
    let changed: Vec<&str> = reloaded["changed"].as_str().unwrap().split(", ").collect();
    let expected = ["data_storage.health_url", "data_storage.circuit_breaker.enabled", "audit.batch_size"];
    assert_eq!(changed, expected);
    while caller.get(&service, "/ready").await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    write(", ca_file: /nowhere/ca.pem", "batch_size: 9");
    let rejected = service.wait_for("config_reload_rejected");
    assert!(rejected["problems"].as_str().unwrap().contains("data_storage.ca_file /nowhere/ca.pem"), "{rejected}");

    stub.forget_asked();
    let session = caller.post(&service, incident("one-by-one")).await;
    caller.result(&service, &session).await;
    service.terminate();
    assert_eq!(service.exit().code(), Some(0));
    let asked = stub.asked();
    let posts = asked.iter().filter(|asked| asked.method == "POST").map(|asked| asked.target.as_str());
    let posts: Vec<&str> = posts.collect();
    assert!(posts.len() > 2 && posts.iter().all(|target| target.ends_with("/audit/events")), "{posts:?}");
}

/// A key is live because a room takes it while it runs; a new one in another section has to be handed to somebody first.
#[test]
fn every_live_key_belongs_to_a_room_that_takes_it() {
    const TAKEN: &[&str] = &[
        "environment",
        "logging.level",
        "server.max_concurrent_requests",
        "server.rate_limit.",
        "compat.default_mode",
        "compat.sync_",
        "session.",
        "auth.cache_seconds",
        "auth.stale_seconds",
        "auth.timeout_seconds",
        "data_storage.",
        "toolsets.",
        "investigation.",
        "prompt.",
        "redact.",
        "injection.",
        "llm.",
        "cost.",
        "budget.",
        "audit.",
        "mcp_servers.",
        "metrics.per_tool",
        "readiness.",
    ];
    let reference = reference();
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let live: Vec<&str> = rows.filter(|(_, rest)| !rest.contains("| restart |")).map(|(path, _)| path).collect();
    assert!(live.len() > 150, "{}", live.len());
    for path in live {
        assert!(TAKEN.iter().any(|taken| path.starts_with(taken)), "{path}");
    }
}
