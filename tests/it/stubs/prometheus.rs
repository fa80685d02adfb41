//! A real Prometheus: the package's binary on a free port, with a configuration and data of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Until the first samples are there; a start takes about a second, samples come every half second.
const PATIENCE: Duration = Duration::from_secs(60);
const STARTS_MAX: usize = 5;

pub(crate) struct Prometheus {
    child: Child,
    pub(crate) address: String,
    client: reqwest::Client,
    _folder: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Scrapes `target` (itself, where there is none) as `job`, and waits until `expected` returns something. `None` where the
    /// package is not installed.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(crate) async fn start(job: &str, target: Option<&str>, rules: &Path, expected: &str) -> Option<Self> {
        let is_there = Command::new("prometheus").arg("--version").output().is_ok_and(|output| output.status.success());
        if !is_there {
            eprintln!("skipped: no `prometheus` on the PATH (apt-get install prometheus)");
            return None;
        }
        for _ in 0..STARTS_MAX {
            // Somebody else may take the port in between; then the server ends at once and another port is tried.
            let mut started = Self::on_a_free_port(job, target, rules);
            if started.has_data(expected).await {
                return Some(started);
            }
        }
        panic!("Prometheus did not start");
    }

    fn on_a_free_port(job: &str, target: Option<&str>, rules: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": job, "static_configs": [{"targets": [target.unwrap_or(&address)]}]}],
        });
        std::fs::write(folder.path().join("prometheus.yml"), config.to_string()).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { child, address: format!("http://{address}"), client, _folder: folder }
    }

    /// Asks until there is an answer; false when the process ended.
    async fn has_data(&mut self, expected: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.child.try_wait().unwrap().is_none() {
            if self.query(expected).await.is_ok_and(|series| series > 0) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(Instant::now() < deadline, "no data in time");
        false
    }

    /// How many series an instant query returns; what the server says of one it cannot evaluate.
    pub(crate) async fn query(&self, query: &str) -> Result<usize, String> {
        let url =
            reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.address), [("query", query)]).unwrap();
        let response = self.client.get(url).send().await.map_err(|error| error.to_string())?;
        let answer: Value = response.json().await.map_err(|error| error.to_string())?;
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        Ok(answer["data"]["result"].as_array().map_or(0, Vec::len))
    }
}
