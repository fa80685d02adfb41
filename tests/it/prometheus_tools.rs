//! The metrics tools against scripted servers and a real Prometheus: what is asked, what is told, and what is told when
//! the server misbehaves.

mod alerts;
mod real;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holmesgpt_api::tools::prometheus::{self, PrometheusClient, PrometheusConfig};
use holmesgpt_api::tools::{Content, Invocation, Tool, ToolOutput, ToolSet, ToolStatus, arguments};
use serde_json::{Value, json};

use crate::stubs::scripted::{Asked, Reply, Scripted};

fn config(address: &str) -> PrometheusConfig {
    PrometheusConfig { prometheus_url: Some(address.to_owned()), ..PrometheusConfig::default() }
}

fn tools(config: &PrometheusConfig) -> ToolSet {
    ToolSet::new(prometheus::tools(Arc::new(PrometheusClient::build(config).unwrap())))
}

/// As the turn loop calls: arguments held against the schema first.
async fn call(tools: &ToolSet, name: &str, given: Value) -> ToolOutput {
    let tool: &Arc<dyn Tool> = tools.find(name).unwrap();
    let checked = arguments::check(&tool.definition().parameters, given.as_object().unwrap()).unwrap();
    assert_eq!(checked.notes, Vec::<String>::new(), "{name} {given}");
    tool.call(Invocation { name, arguments: &checked.arguments }).await
}

fn data(output: &ToolOutput) -> &Value {
    let Content::Json(value) = &output.content else { panic!("{output:?}") };
    assert_eq!(output.status, ToolStatus::Success);
    value
}

fn told(output: &ToolOutput, status: ToolStatus) -> &str {
    let Content::Text(text) = &output.content else { panic!("{output:?}") };
    assert_eq!(output.status, status, "{text}");
    text
}

fn success(data: Value) -> Reply {
    Reply::Json(json!({"status": "success", "data": data}))
}

fn vector(value: &str) -> Value {
    json!({"resultType": "vector", "result": [{"metric": {"pod": "a"}, "value": [1_780_000_000, value]}]})
}

const QUERY: &str = "/api/v1/query";
const RANGE: &str = "/api/v1/query_range";
const LABELS: &str = "/api/v1/labels";

#[tokio::test]
async fn the_eight_tools_have_their_names_and_small_definitions() {
    let tools = tools(&config("http://localhost:9090"));
    let names: Vec<&str> = tools.names().collect();
    let expected = [
        "list_prometheus_rules",
        "get_metric_names",
        "get_label_values",
        "get_all_labels",
        "get_series",
        "get_metric_metadata",
        "execute_prometheus_instant_query",
        "execute_prometheus_range_query",
    ];
    assert_eq!(names, expected);
    assert_eq!(tools.toolsets(), ["prometheus/metrics"]);
    let size: usize =
        tools.definitions().iter().map(|one| one.description.len() + one.parameters.to_string().len()).sum();
    assert!(size < 5_500, "{size} characters in every request");
    for definition in tools.definitions() {
        assert_eq!(definition.parameters["additionalProperties"], false, "{}", definition.name);
    }
    let dependent: Vec<&str> =
        tools.iter().filter(|tool| tool.is_time_dependent()).map(|tool| tool.definition().name.as_str()).collect();
    assert_eq!(dependent, expected[6..]);
}

#[tokio::test]
async fn discovery_asks_in_the_window_and_one_more_than_it_shows() {
    let server = Scripted::start().await;
    let names: Vec<String> = (0..101).map(|n| format!("m{n}")).collect();
    server.on("/api/v1/label/__name__/values", success(json!(names)));
    server.on("/api/v1/label/pod/values", success(json!(["a", "b"])));
    server.on(LABELS, success(json!(["__name__", "pod"])));
    server.on("/api/v1/series", success(json!([{"__name__": "up", "pod": "a"}, {"__name__": "up", "pod": "b"}])));
    let tools = tools(&config(&server.address));
    let selector = r#"{__name__=~"m.*"}"#;

    let output = call(&tools, "get_metric_names", json!({"match": selector})).await;
    let shown = data(&output);
    assert_eq!((&shown["count"], &shown["_truncated"]), (&json!(100), &json!(true)));
    assert_eq!(shown["metrics"].as_array().map(Vec::len), Some(100));
    assert!(shown["_message"].as_str().unwrap().contains("only the first 100 metrics"));
    let asked = &server.asked()[0];
    assert_eq!((asked.all("match[]"), asked.all("limit")), (vec![selector], vec!["101"]));
    let second = |name| asked.all(name)[0].parse::<i64>().unwrap();
    assert_eq!(second("end") - second("start"), 3_600);

    let output = call(&tools, "get_label_values", json!({"label": "pod", "start": -7200, "end": "-3600"})).await;
    assert_eq!(data(&output), &json!({"count": 2, "values": ["a", "b"]}));
    assert_eq!(data(&call(&tools, "get_all_labels", json!({})).await)["labels"], json!(["__name__", "pod"]));
    let output = call(&tools, "get_series", json!({"match": "up"})).await;
    let expected = json!({"common_labels": {"__name__": "up"}, "count": 2, "series": [{"pod": "a"}, {"pod": "b"}]});
    assert_eq!(data(&output), &expected);
    let asked: Vec<String> = server.asked().iter().map(|asked| format!("{} {}", asked.method, asked.path)).collect();
    assert_eq!(asked, ["GET /api/v1/label/pod/values", "GET /api/v1/labels", "GET /api/v1/series"]);

    let output = call(&tools, "get_label_values", json!({"label": "../../admin"})).await;
    assert!(told(&output, ToolStatus::Error).contains("not a label name"));
    let output = call(&tools, "get_all_labels", json!({"start": "yesterday"})).await;
    assert!(told(&output, ToolStatus::Error).contains("start: \"yesterday\" is no time"));
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn metadata_of_a_part_leads_to_the_whole() {
    let server = Scripted::start().await;
    let path = "/api/v1/metadata";
    server.on(path, success(json!({})));
    server.on(path, success(json!({"x_seconds": [{"type": "histogram", "help": "Time.", "unit": ""}]})));
    let tools = tools(&config(&server.address));
    let output = call(&tools, "get_metric_metadata", json!({"metric": "x_seconds_bucket"})).await;
    assert_eq!(data(&output), &json!({"x_seconds": {"type": "histogram", "help": "Time."}}));
    assert_eq!(output.notes, ["x_seconds_bucket is part of x_seconds"]);
    let asked: Vec<String> = server.asked().iter().map(|asked| asked.all("metric")[0].to_owned()).collect();
    assert_eq!(asked, ["x_seconds_bucket", "x_seconds"]);
    let output = call(&tools, "get_metric_metadata", json!({"metric": "other"})).await;
    assert!(told(&output, ToolStatus::NoData).contains("No metadata of a metric named other"));
    assert_eq!(data(&call(&tools, "get_metric_metadata", json!({})).await)["count"], 1);
}

#[tokio::test]
async fn nothing_found_is_no_data_and_no_error() {
    let server = Scripted::start().await;
    server.on(LABELS, success(json!([])));
    server.on(QUERY, success(json!({"resultType": "vector", "result": []})));
    server.on(RANGE, success(json!({"resultType": "matrix", "result": []})));
    server.on("/api/v1/rules", success(json!({"groups": []})));
    let tools = tools(&config(&server.address));
    for (name, arguments, part) in [
        ("get_all_labels", json!({"match": "up"}), "No labels match up from 20"),
        ("execute_prometheus_instant_query", json!({"query": "up"}), "The query ran and no data matched: up."),
        ("execute_prometheus_range_query", json!({"query": "up"}), "no data matched from 20"),
        ("list_prometheus_rules", json!({}), "no alerting or recording rules"),
    ] {
        let output = call(&tools, name, arguments).await;
        assert!(told(&output, ToolStatus::NoData).contains(part), "{output:?}");
    }
}

#[tokio::test]
async fn an_instant_query_passes_remarks_of_the_server() {
    let server = Scripted::start().await;
    let answer = json!({"status": "success", "data": vector("0.25"), "warnings": ["partial"], "infos": ["no counter"]});
    server.on(QUERY, Reply::Json(answer));
    let tools = tools(&config(&server.address));
    let arguments = json!({"query": " up ", "description": "is it up", "timeout": 500});
    let output = call(&tools, "execute_prometheus_instant_query", arguments).await;
    assert_eq!(data(&output)["series"], json!([{"labels": {"pod": "a"}, "value": 0.25}]));
    assert_eq!(output.notes, ["Prometheus: partial", "Prometheus: no counter", "timeout is 180 s at most"]);
    let asked = &server.asked()[0];
    assert_eq!((asked.all("query"), asked.all("timeout")), (vec!["up"], vec!["180s"]));
}

#[tokio::test]
async fn a_range_query_asks_for_few_points_and_tells_them() {
    let server = Scripted::start().await;
    let values: Value = (0..=10).map(|n| json!([1_780_000_000 + 60 * n, format!("{}", n * 1_048_576)])).collect();
    let series = json!([{"metric": {"pod": "a"}, "values": values}]);
    server.on(RANGE, success(json!({"resultType": "matrix", "result": series})));
    let tools = tools(&config(&server.address));
    let arguments = json!({
        "query": "memory_bytes", "start": 1_780_000_000, "end": "2026-05-28T20:36:40Z", "step": "1s",
        "output_type": "Bytes", "max_points": 11, "timeout": "30",
    });
    let output = call(&tools, "execute_prometheus_range_query", arguments).await;
    let expected = json!({
        "result_type": "matrix", "start": "2026-05-28T20:26:40Z", "end": "2026-05-28T20:36:40Z", "step_seconds": 60,
        "unit": "MiB", "series": [{"labels": {"pod": "a"}, "first": 0, "last": 10, "min": 0, "max": 10,
            "max_at": "2026-05-28T20:36:40Z", "mean": 5, "trend": "rising", "points": 11,
            "values": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}],
    });
    assert_eq!(data(&output), &expected);
    assert_eq!(output.notes, ["step raised to 60 s: shorten the range for finer points"]);
    let asked = &server.asked()[0];
    let sent = |name| asked.all(name)[0].to_owned();
    assert_eq!([sent("start"), sent("end"), sent("step"), sent("timeout")], ["1780000000", "1780000600", "60", "30s"]);

    call(&tools, "execute_prometheus_range_query", json!({"query": "x"})).await;
    let asked = &server.asked()[0];
    let second = |name| asked.all(name)[0].parse::<i64>().unwrap();
    assert_eq!((second("end") - second("start"), second("step")), (3_600, 60));
}

#[tokio::test]
async fn a_result_that_is_too_large_becomes_a_summary_with_a_narrower_query() {
    let server = Scripted::start().await;
    let one = |n: usize| json!({"metric": {"pod": format!("pod-{n}"), "ns": "shop"}, "value": [1, n.to_string()]});
    let result: Value = (0..2_000).map(one).collect();
    server.on(QUERY, success(json!({"resultType": "vector", "result": result})));
    let tools = tools(&config(&server.address));
    let output = call(&tools, "execute_prometheus_instant_query", json!({"query": "x"})).await;
    let summary = &data(&output)["data_summary"];
    assert_eq!((&summary["series_count"], &summary["narrowed_query"]), (&json!(2_000), &json!("topk(5, x)")));
    assert_eq!(summary["largest_now"][0], json!({"labels": {"ns": "shop", "pod": "pod-1999"}, "last": 1_999}));
    assert_eq!(summary["label_cardinality"]["pod"]["unique_values"], 2_000);
}

#[tokio::test]
async fn a_misbehaving_server_is_told_in_one_sentence() {
    let refusal = json!({"status": "error", "errorType": "bad_data", "error": "1:3: parse error: unexpected \"}\""});
    let mib = 1024 * 1024;
    let cases = [
        (Reply::Status(400, refusal.to_string()), "Prometheus answered HTTP 400: 1:3: parse error: unexpected \"}\""),
        (Reply::Status(503, "x".repeat(4_000)), "Prometheus answered HTTP 503: xxx"),
        (Reply::Status(401, String::new()), "refused this service's credentials (HTTP 401)"),
        (Reply::Status(403, "secret".into()), "refused this service's credentials (HTTP 403)"),
        (Reply::Json(json!({"status": "success"})), "not the expected JSON"),
        (Reply::Json(json!([1])), "not the expected JSON"),
        (success(json!({"resultType": "vector", "result": {}})), "not the expected JSON"),
        (Reply::Status(200, "<html>".into()), "not the expected JSON"),
        (Reply::CutOff, "the connection to Prometheus broke"),
        (
            Reply::Bytes(9 * mib),
            "larger than 8 MiB; aggregate, filter by labels or shorten the range; for example topk(5, up)",
        ),
    ];
    for (reply, part) in cases {
        let server = Scripted::start().await;
        server.on(QUERY, reply);
        let output =
            call(&tools(&config(&server.address)), "execute_prometheus_instant_query", json!({"query": "up"})).await;
        let text = told(&output, ToolStatus::Error);
        assert!(text.contains(part) && text.len() < 700 && !text.contains("secret"), "{text}");
    }
    let unreachable = call(&tools(&config("http://127.0.0.1:1")), "get_all_labels", json!({})).await;
    assert!(told(&unreachable, ToolStatus::Error).contains("cannot be reached (Connection refused"));
    let server = Scripted::start().await;
    server.on(LABELS, Reply::Stall);
    let impatient = PrometheusConfig { default_metadata_timeout_seconds: 1, ..config(&server.address) };
    let output = call(&tools(&impatient), "get_all_labels", json!({})).await;
    assert!(told(&output, ToolStatus::Error).contains("did not answer within 1 s"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (server, other) = (Scripted::start().await, Scripted::start().await);
    server.on(QUERY, Reply::Redirect(format!("{}/api/v1/query", other.address)));
    let output =
        call(&tools(&config(&server.address)), "execute_prometheus_instant_query", json!({"query": "up"})).await;
    assert!(told(&output, ToolStatus::Error).contains("redirects (HTTP 302)"));
    assert_eq!((server.asked().len(), other.asked().len()), (1, 0));
}

#[tokio::test]
async fn a_rotated_token_is_read_again_and_headers_are_sent() {
    let server = Scripted::start().await;
    server.on(LABELS, success(json!(["a"])));
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, "old\n").unwrap();
    let headers = serde_json::from_value(json!({"X-Scope-OrgID": "shop"})).unwrap();
    let config = PrometheusConfig { bearer_token_file: Some(token_file.clone()), headers, ..config(&server.address) };
    let rotating = tools(&config);
    call(&rotating, "get_all_labels", json!({})).await;
    let asked = &server.asked()[0];
    assert_eq!((asked.header("authorization"), asked.header("x-scope-orgid")), (Some("Bearer old"), Some("shop")));

    let server = Scripted::start().await;
    for reply in [Reply::Status(401, String::new()), success(json!(["a"])), Reply::Status(401, String::new())] {
        server.on(LABELS, reply);
    }
    let config = PrometheusConfig { prometheus_url: Some(server.address.clone()), ..config };
    let rotating = tools(&config);
    std::fs::write(&token_file, "new\n").unwrap();
    data(&call(&rotating, "get_all_labels", json!({})).await);
    let sent = |asked: &[Asked]| -> Vec<String> {
        asked.iter().map(|one| one.header("authorization").unwrap().to_owned()).collect()
    };
    assert_eq!(sent(&server.asked()), ["Bearer old", "Bearer new"]);
    let output = call(&rotating, "get_all_labels", json!({})).await;
    assert!(told(&output, ToolStatus::Error).contains("credentials (HTTP 401)"));
    assert_eq!(sent(&server.asked()), ["Bearer new"], "the same token is not tried twice");
}

#[tokio::test]
async fn long_queries_go_as_a_form() {
    let server = Scripted::start().await;
    server.on(QUERY, success(vector("1")));
    let query = format!("up{{pod=~\"{}\"}}", "a & b|".repeat(500));
    data(&call(&tools(&config(&server.address)), "execute_prometheus_instant_query", json!({"query": query})).await);
    let asked = &server.asked()[0];
    assert_eq!((asked.method.as_str(), asked.all("query")), ("POST", vec![query.as_str()]));
    let endless = json!({"query": "x".repeat(10_000)});
    let output = call(&tools(&config(&server.address)), "execute_prometheus_instant_query", endless).await;
    assert!(told(&output, ToolStatus::Error).contains("longer than 8192 bytes"));
}

#[tokio::test]
async fn configured_labels_are_in_every_selector_or_nothing_is_asked() {
    let server = Scripted::start().await;
    for path in [LABELS, "/api/v1/label/pod/values", "/api/v1/label/__name__/values"] {
        server.on(path, success(json!(["a"])));
    }
    server.on("/api/v1/series", success(json!([{"a": "b"}])));
    server.on(QUERY, success(vector("1")));
    server.on(RANGE, success(json!({"resultType": "matrix", "result": []})));
    let labels = BTreeMap::from([("cluster".to_owned(), "eu\"1".to_owned())]);
    let tools = tools(&PrometheusConfig { additional_labels: labels, ..config(&server.address) });
    for (name, arguments, member, expected) in [
        ("get_all_labels", json!({}), "match[]", r#"{cluster="eu\"1"}"#),
        ("get_metric_names", json!({"match": "up"}), "match[]", r#"up{cluster="eu\"1"}"#),
        ("get_label_values", json!({"label": "pod"}), "match[]", r#"{cluster="eu\"1"}"#),
        ("get_series", json!({"match": "{a=\"b\"}"}), "match[]", r#"{cluster="eu\"1",a="b"}"#),
        (
            "execute_prometheus_instant_query",
            json!({"query": "a + b"}),
            "query",
            r#"a{cluster="eu\"1"} + b{cluster="eu\"1"}"#,
        ),
        ("execute_prometheus_range_query", json!({"query": "rate(a[5m])"}), "query", r#"rate(a{cluster="eu\"1"}[5m])"#),
    ] {
        call(&tools, name, arguments).await;
        assert_eq!(server.asked()[0].all(member), [expected], "{name}");
    }
    for query in ["info(up)", "up{a=\"b\" or c=\"d\"}", "up default 0"] {
        let output = call(&tools, "execute_prometheus_instant_query", json!({"query": query})).await;
        assert!(told(&output, ToolStatus::Error).contains("cannot be limited to the configured labels"));
    }
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn rules_are_kept_for_half_an_hour_and_failures_are_not() {
    let server = Scripted::start().await;
    let path = "/api/v1/rules";
    server.on(path, Reply::Status(500, "boom".into()));
    for name in ["first", "second"] {
        let rule = json!({"name": name, "type": "alerting", "state": "firing", "query": "up == 0"});
        server.on(path, success(json!({"groups": [{"name": "g", "rules": [rule]}]})));
    }
    let client = PrometheusClient::build(&config(&server.address)).unwrap();
    let start = Instant::now();
    let name = |rules: &Value| rules["groups"][0]["rules"][0]["name"].as_str().unwrap().to_owned();
    assert!(client.rules(start).await.is_err());
    for (minutes, expected, age) in [(0, "first", 0), (29, "first", 29), (30, "second", 0), (59, "second", 29)] {
        let (rules, old) = client.rules(start + Duration::from_mins(minutes)).await.unwrap();
        assert_eq!((name(&rules).as_str(), old), (expected, Duration::from_mins(age)), "{minutes}");
    }
    assert_eq!(server.asked().len(), 3);

    let tools = tools(&config(&server.address));
    let (one, two) = tokio::join!(
        call(&tools, "list_prometheus_rules", json!({})),
        call(&tools, "list_prometheus_rules", json!({}))
    );
    assert_eq!(data(&one), data(&two));
    let expected = json!({"name": "second", "type": "alerting", "state": "firing", "query": "up == 0", "group": "g"});
    assert_eq!(data(&one), &json!({"count": 1, "rules": [expected]}));
    assert_eq!(server.asked().len(), 1, "callers at the same time share one request");
}
