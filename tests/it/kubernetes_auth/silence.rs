//! A token that callers used is in nothing the service says: not in its records, errors, metrics or answers.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{ApiServer, SESSION, Say, allowed, known};
use crate::process::{holmesgpt, root};

const PATIENCE: Duration = Duration::from_secs(60);
/// Any part of one would do harm. The second has no form by which records would be cleaned of it.
const TOKENS: [&str; 2] =
    ["eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1bm1pc3Rha2FibGUifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg", "quiet.harmless.everyday"];

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
        "catalogue": { "source": "directory" },
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
    let (mut answers, mut statuses) = (String::new(), Vec::new());
    for token in TOKENS {
        for (review, access) in [
            (known(), allowed(true)),
            (known(), allowed(false)),
            (known(), Say::Fail(500)),
            (
                Say::Status(json!({ "authenticated": false, "error": format!("token {token} has expired") })),
                allowed(true),
            ),
            (Say::Fail(403), allowed(true)),
            (Say::Garbage, allowed(true)),
            (Say::Stall, allowed(true)),
        ] {
            server.change(|script| (script.token, script.access) = (review, access));
            let url = |path: &str| format!("http://{}{path}", service.address);
            let knocks = [
                client.get(url("/config")).bearer_auth(token),
                client.get(url(SESSION)).header("authorization", format!("bearer  {token}")),
                client.post(url("/api/v1/incident/analyze")).bearer_auth(token).body("{"),
                client.get(url("/config")).bearer_auth(token).header("authorization", format!("Bearer {token}")),
                client.get(url("/config")).header("authorization", format!("Basic {token}")),
                client.get(url("/config")).header("authorization", format!("Bearer {token}!")),
            ];
            let heard = knocks.map(async |request| {
                let response = request.send().await.unwrap();
                let (status, headers) = (response.status().as_u16(), format!("{:?}", response.headers()));
                (status, headers + &response.text().await.unwrap())
            });
            for (status, text) in join_all(heard).await {
                statuses.push(status);
                answers.push_str(&text);
            }
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
    for part in TOKENS.iter().flat_map(|token| token.split('.').skip(1)) {
        for (place, text) in
            [("the records", records.as_str()), ("an answer", answers.as_str()), ("the store", &*stored)]
        {
            assert!(!text.contains(part), "a part of the token is in {place}");
        }
    }
}
