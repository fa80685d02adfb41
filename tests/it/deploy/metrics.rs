//! Alert rules and dashboards against what is really exported, and against a real Prometheus that scrapes the running binary.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use regex::Regex;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::chart::objects;
use crate::process::{Caller, Service, root};
use crate::stubs::prometheus::Prometheus;
use crate::stubs::provider::{Answer, Provider};

/// Families without a series of that kind until something happens: a reload, a price, a refusal.
const QUIET: [&str; 9] = [
    "aiagent_api_config_info",
    "aiagent_api_config_rejected",
    "aiagent_api_config_reload_errors_total",
    "aiagent_api_config_reload_total",
    "aiagent_api_investigation_cost_dollars_total",
    "aiagent_api_llm_time_to_first_token_seconds",
    "aiagent_api_llm_unpriced_tokens_total",
    "aiagent_http_rate_limited_total",
    "aiagent_llm_cost_dollars_total",
];
/// What kube-state-metrics and the kubelet export.
const FOREIGN: [&str; 3] = [
    "container_memory_working_set_bytes",
    "container_spec_memory_limit_bytes",
    "kube_deployment_status_replicas_ready",
];
/// Queries that dashboards of earlier releases ask (operations §4.7).
const EARLIER: [&str; 6] = [
    r#"sum(rate(aiagent_api_investigations_total{status="success"}[5m])) / sum(rate(aiagent_api_investigations_total[5m]))"#,
    "histogram_quantile(0.95, sum by (le) (rate(aiagent_api_investigations_duration_seconds_bucket[5m])))",
    "sum by (provider, type) (increase(aiagent_api_llm_token_usage_total[1h]))",
    "histogram_quantile(0.99, sum by (le) (rate(aiagent_api_llm_call_duration_seconds_bucket[5m])))",
    "rate(audit_events_dropped_total[5m]) > 0",
    "sum(increase(aiagent_api_investigation_cost_dollars_total[24h]))",
];
const RULES: &str = "deploy/prometheus/rules.yaml";
const RUNBOOKS: &str = "docs/troubleshooting.md";

/// A query and where it stands.
struct Query {
    place: String,
    text: String,
}

fn rules() -> Value {
    serde_saphyr::from_str(&fs::read_to_string(root().join(RULES)).unwrap()).unwrap()
}

fn each_rule() -> Vec<Value> {
    let groups = rules()["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn dashboards() -> Vec<(String, Value)> {
    let entries = fs::read_dir(root().join("deploy/grafana")).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    };
    entries.map(read).collect()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

/// With Grafana's variables as they are for all pods and a short span.
fn dashboard_queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().unwrap() {
                let text = target["expr"].as_str().unwrap().replace("$instance", ".*");
                let text = text.replace("$__rate_interval", "1m").replace("$__range", "1h");
                assert!(!text.contains('$'), "{text}");
                queries.push(Query { place: format!("{name}: {}", panel["title"]), text });
            }
        }
    }
    queries
}

fn rule_queries() -> Vec<Query> {
    let name = |rule: &Value| rule.get("alert").or(rule.get("record")).unwrap().as_str().unwrap().to_owned();
    each_rule()
        .iter()
        .map(|rule| Query { place: name(rule), text: rule["expr"].as_str().unwrap().to_owned() })
        .collect()
}

/// Names of families as the exporter's sources write them.
fn exported() -> BTreeSet<String> {
    let literal = Regex::new(r#""((?:aiagent|audit|process)_[a-z0-9_]+)""#).unwrap();
    let mut names = BTreeSet::new();
    let mut read = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        names.extend(literal.captures_iter(&text).map(|found| found[1].to_owned()));
    };
    let folder = root().join("src/telemetry/metrics");
    for folder in [folder.clone(), folder.join("families")] {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_file() && !entry.ends_with("tests.rs") {
                read(&entry);
            }
        }
    }
    assert!(names.len() > 50, "{names:?}");
    names
}

/// Names of series in a query.
fn series(query: &str) -> BTreeSet<String> {
    let texts = Regex::new(r#""[^"]*""#).unwrap();
    let name = Regex::new(r"\b(?:(?:aiagent|audit|process|kube|container)_[a-z0-9_]+|holmesgpt_api:[a-z0-9_:]+|up\b)")
        .unwrap();
    name.find_iter(&texts.replace_all(query, "")).map(|found| found.as_str().to_owned()).collect()
}

#[test]
fn dashboards_and_alerts_name_only_exported_series() {
    let exported = exported();
    let recorded: BTreeSet<String> =
        each_rule().iter().filter_map(|rule| rule.get("record")?.as_str().map(str::to_owned)).collect();
    let is_known = |name: &str| {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        let known = |name: &str| exported.contains(name) || FOREIGN.contains(&name);
        name == "up" || recorded.contains(name) || known(name) || known(family)
    };
    let queries: Vec<Query> = dashboard_queries().into_iter().chain(rule_queries()).collect();
    assert!(queries.len() > 90, "{}", queries.len());
    for query in &queries {
        let names = series(&query.text);
        assert!(!names.is_empty(), "{}: no series in {}", query.place, query.text);
        let unknown: Vec<&String> = names.iter().filter(|name| !is_known(name)).collect();
        assert!(unknown.is_empty(), "{}: nobody exports {unknown:?}", query.place);
    }
    assert_eq!(
        series(r#"sum(rate(aiagent_x_total{a="kube_y"}[5m])) / up"#),
        ["aiagent_x_total", "up"].map(str::to_owned).into()
    );
}

/// The label `job` is the name of the Service that the ServiceMonitor selects.
#[test]
fn queries_ask_for_the_job_that_the_chart_makes() {
    let objects = objects("trial");
    let service = objects.iter().find(|object| object["kind"] == "Service").unwrap();
    let job = service["metadata"]["name"].as_str().unwrap();
    let label = Regex::new(r#"job=~?"([^"]*)""#).unwrap();
    for query in dashboard_queries().into_iter().chain(rule_queries()) {
        assert!(label.captures_iter(&query.text).all(|found| &found[1] == job), "{}: {}", query.place, query.text);
        let own = series(&query.text).iter().any(|name| name.starts_with("aiagent_") || name.starts_with("audit_"));
        assert!(!own || label.is_match(&query.text), "{}: {}", query.place, query.text);
    }
}

/// Headings as GitHub makes anchors of them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_' || letter == ' ';
    headings
        .map(|heading| {
            heading.to_lowercase().chars().filter(|letter| kept(*letter)).collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_alert_and_panel_leads_to_its_page() {
    let anchors = anchors(&fs::read_to_string(root().join(RUNBOOKS)).unwrap());
    let leads = |url: &str| {
        let (page, anchor) = url.split_once('#').unwrap_or_else(|| panic!("{url}"));
        assert!(page.ends_with(RUNBOOKS) && anchors.contains(anchor), "{url} leads nowhere");
    };
    let alerts: Vec<Value> = each_rule().into_iter().filter(|rule| rule.get("alert").is_some()).collect();
    assert!(alerts.len() >= 20);
    for alert in &alerts {
        let url = alert["annotations"]["runbook_url"].as_str().unwrap_or_else(|| panic!("{alert}"));
        leads(url);
        assert!(url.ends_with(&alert["alert"].as_str().unwrap().to_lowercase()), "{url}");
        assert!(["critical", "warning"].contains(&alert["labels"]["severity"].as_str().unwrap()), "{alert}");
    }
    let mut identities = BTreeSet::new();
    for (name, dashboard) in dashboards() {
        assert!(identities.insert(dashboard["uid"].to_string()), "{name}");
        for panel in panels(&dashboard) {
            let url = panel["links"][0]["url"].as_str().unwrap_or_else(|| panic!("{name}: {}", panel["title"]));
            leads(url);
            let description = panel["description"].as_str().unwrap();
            assert!(description.len() > url.len() + 20 && description.contains(url), "{name}: {}", panel["title"]);
        }
    }
    assert_eq!(identities.len(), 4);
}

fn promtool(arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new("promtool").current_dir(root()).args(arguments).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
}

#[test]
fn alerts_fire_when_they_must_and_are_silent_otherwise() {
    const CASES: &str = "tests/fixtures/prometheus/rules.test.yaml";
    let cases = fs::read_to_string(root().join(CASES)).unwrap();
    for rule in each_rule() {
        let Some(alert) = rule.get("alert").and_then(Value::as_str) else { continue };
        assert!(cases.contains(&format!("alertname=\"{alert}\"")), "{alert} fires in no case of {CASES}");
    }
    let (Some(check), Some(test)) = (promtool(&["check", "rules", RULES]), promtool(&["test", "rules", CASES])) else {
        eprintln!("skipped: no `promtool` on the PATH (apt-get install prometheus)");
        return;
    };
    assert!(check.0, "{}", check.1);
    assert!(test.0, "{}", test.1);
}

/// Selectors of a query, with their labels.
fn selectors(query: &str) -> Vec<String> {
    let selector = Regex::new(r"[a-z_:0-9]+\{[^}]*\}").unwrap();
    selector.find_iter(query).map(|found| found.as_str().to_owned()).collect()
}

/// A model that is busy once, looks at pods once, and then refuses.
async fn model() -> Provider {
    let asked = AtomicUsize::new(0);
    Provider::start(move |request, _| {
        if request.method != "POST" {
            return Answer::json(&json!({"data": []}));
        }
        let usage = json!({"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940});
        let look = json!({"name": "kubectl_get_by_kind_in_namespace", "arguments": r#"{"kind": "pods", "namespace": "checkout"}"#});
        let message = match asked.fetch_add(1, Ordering::Relaxed) {
            0 => return Answer::text(429, "{}").header("retry-after-ms", "1"),
            1 => json!({"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": look}]}),
            _ => return Answer::text(400, "{}"),
        };
        Answer::json(&json!({"id": "1", "object": "chat.completion", "model": "m", "usage": usage,
                             "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}))
    })
    .await
}

/// `serve` with that model and a recorded cluster.
fn service(folder: &Path, model: &Provider) -> Service {
    let config = json!({
        "auth": {"mode": "token"}, "audit": {"sink": "local"}, "catalogue": {"source": "directory"},
        "cluster": {"source": "bundle", "bundle": root().join("examples/oom-cart-api/bundle")},
        "llm": {"provider": "openai_compatible", "endpoint": model.address, "model": "m", "retry_base_ms": 1},
        "shutdown": {"endpoint_delay_seconds": 0},
    });
    let file = folder.join("config.yaml");
    fs::write(&file, config.to_string()).unwrap();
    Service::start(folder, &["serve", "--config", file.to_str().unwrap()])
}

/// Every query runs, and a panel shows something unless one of its series does not exist yet.
#[tokio::test]
async fn a_real_prometheus_answers_every_query() {
    let folder = TempDir::new().unwrap();
    let model = model().await;
    let service = service(folder.path(), &model);
    let caller = Caller::of(folder.path());
    let session = caller.submit(&service, "examples/oom-cart-api/incident.json").await;
    caller.result(&service, &session).await;
    let is_scraped = r#"count_over_time(up{job="holmesgpt-api"}[1m]) >= 3"#;
    let file = root().join(RULES);
    let Some(server) = Prometheus::start("holmesgpt-api", Some(&service.address), &file, is_scraped).await else {
        return;
    };

    for query in rule_queries() {
        server.query(&query.text).await.unwrap_or_else(|error| panic!("{}: {error}", query.place));
    }
    for query in EARLIER {
        server.query(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    }
    let mut empty = Vec::new();
    for query in dashboard_queries() {
        let found = server.query(&query.text).await.unwrap_or_else(|error| panic!("{}: {error}", query.place));
        let mut is_complete = !query.text.contains(" offset ");
        for selector in selectors(&query.text) {
            is_complete &= server.query(&selector).await.unwrap() > 0;
        }
        assert!(found > 0 || !is_complete, "{}: nothing returned by {}", query.place, query.text);
        if found == 0 {
            empty.push(query);
        }
    }
    // Nothing has failed here, nobody else is asked, and some parts are not there yet.
    let is_explained = |query: &Query| {
        let absent = [
            "status!=",
            "status=~\"5..\"",
            "audit_batches_failed_total",
            "audit_events_written_total",
            "aiagent_api_dependency_request",
        ];
        absent.iter().any(|part| query.text.contains(part)) || QUIET.iter().any(|name| query.text.contains(name))
    };
    let unexplained: Vec<&str> =
        empty.iter().filter(|query| !is_explained(query)).map(|query| query.text.as_str()).collect();
    assert!(unexplained.is_empty(), "{unexplained:#?}");
}
