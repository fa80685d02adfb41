//! A real Prometheus that scrapes itself.

use std::collections::BTreeMap;

use holmesgpt_api::tools::prometheus::PrometheusConfig;
use holmesgpt_api::tools::{ToolOutput, ToolStatus};
use serde_json::json;

use super::{call, config, data, told, tools};
use crate::stubs::prometheus::Prometheus;

/// Three samples and the recording rule.
const HAS_DATA: &str = "count_over_time(up[1m]) >= 3 and on() job:up:sum and on() ALERTS";

#[tokio::test]
async fn the_tools_work_with_a_real_server() {
    let folder = tempfile::tempdir().unwrap();
    let rules = json!([
        {"record": "job:up:sum", "expr": "sum by (job) (up)"},
        {"alert": "AlwaysFiring", "expr": "up == 1", "labels": {"severity": "info"}},
    ]);
    let file = folder.path().join("rules.yml");
    std::fs::write(&file, json!({"groups": [{"name": "g", "rules": rules}]}).to_string()).unwrap();
    let Some(server) = Prometheus::start("itself", None, &file, HAS_DATA).await else { return };
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
