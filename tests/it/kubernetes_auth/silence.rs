//! A token that callers used is in nothing the service says: not in its records, errors, metrics or answers.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ApiServer, SESSION, Say, allowed, known};
use crate::process::{holmesgpt, root};

const PATIENCE: Duration = Duration::from_secs(60);
/// Any part of it would do harm.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1bm1pc3Rha2FibGUifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";

struct Service {
    child: Child,
    address: String,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `serve` with everything it says in `out` and `err`.
async fn start(server: &ApiServer, folder: &Path) -> Service {
    let config = json!({
        "logging": { "level": "TRACE" }, "auth": { "mode": "kubernetes", "timeout_seconds": 1, "cache_seconds": 0 },
        "audit": { "sink": "local", "schema_profile": "h" },
        "cluster": { "source": "bundle", "bundle": root().join("examples/oom-cart-api/bundle") },
        "shutdown": { "endpoint_delay_seconds": 0, "drain_seconds": 1, "flush_seconds": 5 },
    });
    std::fs::write(folder.join("config.yaml"), config.to_string()).unwrap();
    let child = holmesgpt()
        .args(["serve", "--config", folder.join("config.yaml").to_str().unwrap(), "--port", "0"])
        .args(["--state-dir", folder.join("state").to_str().unwrap()])
        .env("KUBECONFIG", server.kubeconfig())
        .env("POD_NAMESPACE", "kubernaut-system")
        .stdout(Stdio::from(File::create(folder.join("out")).unwrap()))
        .stderr(Stdio::from(File::create(folder.join("err")).unwrap()))
        .spawn()
        .unwrap();
    let mut service = Service { child, address: String::new() };
    let began = Instant::now();
    while service.address.is_empty() {
        assert!(began.elapsed() < PATIENCE, "it does not start: {}", said(folder));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let records = said(folder);
        let records = records.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let started = records.into_iter().find(|record| record["event"] == "service_started");
        service.address = started.map(|record| record["listen"].as_str().unwrap().to_owned()).unwrap_or_default();
    }
    service
}

fn said(folder: &Path) -> String {
    let read = |name| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    read("out") + &read("err")
}

#[tokio::test]
async fn a_token_is_in_nothing_the_service_says() {
    let server = ApiServer::start(known(), allowed(true)).await;
    let folder = tempfile::tempdir().unwrap();
    let service = start(&server, folder.path()).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut answers = String::new();
    let mut statuses = Vec::new();
    let refused = json!({ "authenticated": false, "error": format!("token {TOKEN} has expired") });
    for (token, access) in [
        (known(), allowed(true)),
        (known(), allowed(false)),
        (known(), Say::Fail(500)),
        (Say::Status(refused), allowed(true)),
        (Say::Fail(403), allowed(true)),
        (Say::Garbage, allowed(true)),
        (Say::Stall, allowed(true)),
    ] {
        server.change(|script| (script.token, script.access) = (token, access));
        let url = |path: &str| format!("http://{}{path}", service.address);
        for request in [
            client.get(url("/config")).bearer_auth(TOKEN),
            client.get(url(SESSION)).header("authorization", format!("bearer  {TOKEN}")),
            client.post(url("/api/v1/incident/analyze")).bearer_auth(TOKEN).body("{"),
            client.get(url("/config")).bearer_auth(TOKEN).header("authorization", format!("Bearer {TOKEN}")),
            client.get(url("/config")).header("authorization", format!("Basic {TOKEN}")),
            client.get(url("/config")).header("authorization", format!("Bearer {TOKEN}!")),
        ] {
            let response = request.send().await.unwrap();
            statuses.push(response.status().as_u16());
            answers.push_str(&format!("{:?}{}", response.headers().clone(), response.text().await.unwrap()));
        }
    }
    for status in [200, 400, 401, 403, 503] {
        assert!(statuses.contains(&status), "no {status} in {statuses:?}");
    }
    server.task.abort();
    answers.push_str(
        &client.get(format!("http://{}/metrics", service.address)).send().await.unwrap().text().await.unwrap(),
    );
    let records = said(folder.path());
    for word in
        ["token_validated", "token_review_api_error", "sar_api_error", "sar_check_completed", "invalid_auth_format"]
    {
        assert!(records.contains(word), "no {word}: the records are not complete");
    }
    let stored: Vec<u8> = ["state.db", "state.db-wal"]
        .iter()
        .flat_map(|name| std::fs::read(folder.path().join("state").join(name)).unwrap_or_default())
        .collect();
    let stored = String::from_utf8_lossy(&stored);
    assert!(stored.contains("aiagent.auth.failure"), "nothing was recorded");
    for part in TOKEN.split('.').skip(1) {
        for (place, text) in
            [("the records", records.as_str()), ("an answer", answers.as_str()), ("the store", &*stored)]
        {
            assert!(!text.contains(part), "a part of the token is in {place}");
        }
    }
}
