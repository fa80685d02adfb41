//! A real Prometheus that scrapes itself: the package's binary on a free port, with a configuration and data of its own.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holmesgpt_api::tools::prometheus::PrometheusConfig;
use holmesgpt_api::tools::{ToolOutput, ToolStatus};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{call, config, data, told, tools};

/// Until the first samples are there; a start takes about a second, samples come every half second.
const PATIENCE: Duration = Duration::from_secs(60);
const STARTS_MAX: usize = 5;

struct Prometheus {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// `None` where the package is not installed.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    async fn start() -> Option<Self> {
        let is_there = Command::new("prometheus").arg("--version").output().is_ok_and(|output| output.status.success());
        if !is_there {
            eprintln!("skipped: no `prometheus` on the PATH (apt-get install prometheus)");
            return None;
        }
        for _ in 0..STARTS_MAX {
            // Somebody else may take the port in between; then the server ends at once and another port is tried.
            if let Some(started) = Self::on_a_free_port().await {
                return Some(started);
            }
        }
        panic!("Prometheus did not start");
    }

    async fn on_a_free_port() -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, value: Value| std::fs::write(folder.path().join(name), value.to_string()).unwrap();
        write(
            "prometheus.yml",
            json!({
                "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
                "rule_files": [folder.path().join("rules.yml")],
                "scrape_configs": [{"job_name": "itself", "static_configs": [{"targets": [address]}]}],
            }),
        );
        let rules = json!([
            {"record": "job:up:sum", "expr": "sum by (job) (up)"},
            {"alert": "AlwaysFiring", "expr": "up == 1", "labels": {"severity": "info"}},
        ]);
        write("rules.yml", json!({"groups": [{"name": "g", "rules": rules}]}));
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut started = Self { child, address: format!("http://{address}"), _folder: folder };
        started.has_data().await.then_some(started)
    }

    /// Waits for three samples and the recording rule.
    async fn has_data(&mut self) -> bool {
        let tools = tools(&config(&self.address));
        let query = json!({"query": "count_over_time(up[1m]) >= 3 and on() job:up:sum and on() ALERTS"});
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && self.child.try_wait().unwrap().is_none() {
            let output = call(&tools, "execute_prometheus_instant_query", query.clone()).await;
            if output.status == ToolStatus::Success {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(Instant::now() < deadline, "no data in time");
        false
    }
}

#[tokio::test]
async fn the_tools_work_with_a_real_server() {
    let Some(server) = Prometheus::start().await else { return };
    discovers(&server.address).await;
    queries(&server.address).await;
    stays_within_labels(&server.address).await;
}

async fn discovers(address: &str) {
    let tools = tools(&config(address));
    let selector = r#"{__name__=~"prometheus_http_.*"}"#;
    let output = call(&tools, "get_metric_names", json!({"match": selector})).await;
    let names = data(&output)["metrics"].as_array().unwrap();
    assert!(names.contains(&json!("prometheus_http_requests_total")) && !names.contains(&json!("up")), "{names:?}");
    let output = call(&tools, "get_metric_names", json!({})).await;
    assert_eq!((&data(&output)["count"], &data(&output)["_truncated"]), (&json!(100), &json!(true)));
    let output = call(&tools, "get_label_values", json!({"label": "job"})).await;
    assert_eq!(data(&output), &json!({"count": 1, "values": ["itself"]}));
    let output = call(&tools, "get_all_labels", json!({"match": "up", "start": "-600"})).await;
    assert_eq!(data(&output)["labels"], json!(["__name__", "instance", "job"]));
    let output = call(&tools, "get_series", json!({"match": "up"})).await;
    assert_eq!(data(&output)["series"][0]["job"], "itself");
    let output = call(&tools, "get_series", json!({"match": "up", "end": "-86400"})).await;
    assert!(told(&output, ToolStatus::NoData).contains("No series match up"));
    let output = call(&tools, "get_metric_metadata", json!({"metric": "prometheus_http_requests_total"})).await;
    assert_eq!(data(&output)["prometheus_http_requests_total"]["type"], "counter");
    let histogram = "prometheus_http_request_duration_seconds";
    let output = call(&tools, "get_metric_metadata", json!({"metric": format!("{histogram}_bucket")})).await;
    assert_eq!(data(&output)[histogram]["type"], "histogram");
    let output = call(&tools, "list_prometheus_rules", json!({})).await;
    let rules = &data(&output)["rules"];
    assert_eq!((&rules[0]["name"], &rules[0]["state"]), (&json!("AlwaysFiring"), &json!("firing")));
    assert_eq!((&rules[0]["alerts"][0]["labels"]["job"], &rules[1]["name"]), (&json!("itself"), &json!("job:up:sum")));
}

async fn queries(address: &str) {
    let tools = tools(&config(address));
    let instant = async |query: &str| call(&tools, "execute_prometheus_instant_query", json!({"query": query})).await;
    assert_eq!(data(&instant("sum(up)").await)["series"], json!([{"labels": {}, "value": 1}]));
    assert_eq!(data(&instant("1 + 1").await), &json!({"result_type": "scalar", "value": 2}));
    assert!(data(&instant("up[1m]").await)["series"][0]["constant"] == 1);
    assert!(told(&instant("no_such_metric").await, ToolStatus::NoData).contains("no data matched"));
    let refused = instant("sum(up").await;
    let refused = told(&refused, ToolStatus::Error);
    assert!(refused.starts_with("Prometheus answered HTTP 400: ") && refused.contains("parse error"), "{refused}");
    let everything = instant(r#"{job="itself"}"#).await;
    let summary = &data(&everything)["data_summary"];
    assert!(summary["series_count"].as_u64().unwrap() > 200, "{everything:?}");
    let narrowed = instant(summary["narrowed_query"].as_str().unwrap()).await;
    assert_eq!(data(&narrowed)["series"].as_array().map(Vec::len), Some(5));

    let arguments =
        json!({"query": "process_resident_memory_bytes", "start": "-5m", "step": "1s", "output_type": "Bytes"});
    let output = call(&tools, "execute_prometheus_range_query", arguments).await;
    let told = data(&output);
    assert_eq!((&told["step_seconds"], &told["unit"]), (&json!(5), &json!("MiB")), "{told}");
    let series = &told["series"][0];
    assert!(series["last"].as_f64().or(series["constant"].as_f64()).unwrap() > 5.0, "{told}");
}

/// Every kind of expression is still valid with the labels in it, and none of them sees what is outside.
async fn stays_within_labels(address: &str) {
    const EXPRESSIONS: [&str; 18] = [
        "up",
        "up{}",
        r#"{__name__="up"}"#,
        r#"up{instance!="",}"#,
        "sum by (job) (rate(prometheus_http_requests_total[1m]))",
        "sum(up) by (job)",
        "topk(1, up offset 100ms)",
        "up * on(job) group_left() sum by (job) (up)",
        "up == bool 1",
        "up and ignoring (x) up unless on() vector(0) > 1",
        "max_over_time(up[1m:1s])",
        "up @ end()",
        "-up ^ 2",
        r#"label_replace(up, "x", "$1", "job", "(.*)")"#,
        r#"count_values("v", up)"#,
        "up # up{\n + up # }",
        "histogram_quantile(0.9, sum(prometheus_http_request_duration_seconds_bucket) by (le))",
        "(((up))) + 0x1F - 1e-3 % Inf",
    ];
    let limited = |job: &str| {
        let additional_labels = BTreeMap::from([("job".to_owned(), job.to_owned())]);
        tools(&PrometheusConfig { additional_labels, ..config(address) })
    };
    let (inside, outside) = (limited("itself"), limited("other"));
    for query in EXPRESSIONS {
        let ask = async |tools| call(tools, "execute_prometheus_instant_query", json!({"query": query})).await;
        let seen: ToolOutput = ask(&inside).await;
        assert_eq!(seen.status, ToolStatus::Success, "{query}: {seen:?}");
        let hidden = ask(&outside).await;
        assert_eq!(hidden.status, ToolStatus::NoData, "{query}: {hidden:?}");
    }
    assert_eq!(data(&call(&inside, "get_all_labels", json!({"match": "up"})).await)["count"], 3);
    for (name, arguments) in [
        ("get_metric_names", json!({})),
        ("get_label_values", json!({"label": "job"})),
        ("get_all_labels", json!({"match": "up"})),
        ("get_series", json!({"match": "up"})),
    ] {
        assert_eq!(call(&outside, name, arguments).await.status, ToolStatus::NoData, "{name}");
    }
    let rules = call(&outside, "list_prometheus_rules", json!({})).await;
    assert!(!data(&rules).to_string().contains("firing"), "{rules:?}");
}
