//! Traces as a collector receives them: OTLP/HTTP JSON, the tree of one investigation, and the header other services see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::scenarios::observed::{Observed, USUAL};

/// A collector that keeps what it is sent; stops when dropped.
pub(super) struct Collector {
    address: String,
    bodies: Arc<Mutex<Vec<Value>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Bodies = State<Arc<Mutex<Vec<Value>>>>;

async fn take(State(bodies): Bodies, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    assert_eq!(headers["content-type"], "application/json");
    bodies.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    (StatusCode::OK, "{}")
}

impl Collector {
    pub(super) async fn start() -> Self {
        let bodies: Arc<Mutex<Vec<Value>>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", axum::routing::post(take)).with_state(Arc::clone(&bodies));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, bodies, task }
    }

    pub(super) fn url(&self) -> &str {
        &self.address
    }

    pub(super) fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }

    fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies();
        let resources = bodies.iter().flat_map(|body| body["resourceSpans"].as_array().unwrap());
        let scopes = resources.flat_map(|resource| resource["scopeSpans"].as_array().unwrap());
        scopes.flat_map(|scope| scope["spans"].as_array().unwrap()).map(|span| Span(span.clone())).collect()
    }
}

#[derive(Debug, Clone)]
struct Span(Value);

impl Span {
    fn text(&self, member: &str) -> &str {
        self.0[member].as_str().unwrap_or_default()
    }

    fn attribute(&self, name: &str) -> Option<&Value> {
        let attributes = self.0["attributes"].as_array().unwrap();
        let found = attributes.iter().find(|attribute| attribute["key"] == name);
        found.map(|attribute| attribute["value"].as_object().unwrap().values().next().unwrap())
    }
}

/// Names of the spans from the root to this one.
fn way(span: &Span, by_id: &BTreeMap<String, Span>) -> String {
    match by_id.get(span.text("parentSpanId")) {
        Some(parent) => format!("{} > {}", way(parent, by_id), span.text("name")),
        None => span.text("name").to_owned(),
    }
}

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tree_of_one_investigation() {
    let collector = Collector::start().await;
    let more = json!({"telemetry": {"endpoint": collector.url()}});
    let observed = Observed::start(USUAL, &more, &[]).await;
    let session = observed.caller.post_traced(&observed.service, observed.incident.to_string(), CALLER).await;
    observed.caller.result(&observed.service, &session).await;
    let (models, clusters) = (observed.model.traceparents(), observed.cluster.traceparents());
    let asked: Vec<String> = observed.storage.asked().into_iter().filter_map(|asked| asked.traceparent).collect();
    let records = observed.end().await;
    let spans: Vec<Span> = collector.spans().into_iter().filter(|span| span.text("traceId") == TRACE).collect();
    assert!(spans.iter().all(|span| span.text("traceState") == "rojo=1,congo=2"), "{spans:#?}");
    let by_id: BTreeMap<String, Span> =
        spans.iter().map(|span| (span.text("spanId").to_owned(), span.clone())).collect();
    let ways: Vec<String> = spans.iter().map(|span| way(span, &by_id)).collect();
    let request = "POST /api/v1/incident/analyze";
    let investigation = format!("{request} > investigation");
    for expected in [
        request.to_owned(),
        investigation.clone(),
        format!("{investigation} > phase rca > chat scripted"),
        format!("{investigation} > phase rca > execute_tool kubectl_get_yaml"),
        format!("{investigation} > phase rca > execute_tool kubectl_get_yaml > GET kubernetes get"),
        format!("{investigation} > phase rca > phase enrichment > GET kubernetes get"),
        format!("{investigation} > phase workflow_selection > chat scripted"),
        format!("{investigation} > phase workflow_selection > phase validation"),
    ] {
        assert!(ways.contains(&expected), "no {expected} in {ways:#?}");
    }
    let is_storage = |way: &&String| way.contains("GET data_storage ");
    assert!(ways.iter().any(|way| is_storage(&way)), "{ways:#?}");

    let named = |name: &str| spans.iter().find(|span| span.text("name") == name).unwrap();
    let root = named(request);
    assert_eq!((root.text("parentSpanId"), &root.0["kind"]), ("b7ad6b7169203331", &json!(2)));
    for (name, expected) in [
        ("http.request.method", json!("POST")),
        ("http.route", json!("/api/v1/incident/analyze")),
        ("http.response.status_code", json!("202")),
        ("client.address", json!("127.0.0.1")),
    ] {
        assert_eq!(root.attribute(name), Some(&expected), "{name}");
    }
    let chat = named("chat scripted");
    for (name, expected) in [
        ("gen_ai.operation.name", json!("chat")),
        ("gen_ai.provider.name", json!("openai_compatible")),
        ("gen_ai.request.model", json!("scripted")),
        ("gen_ai.response.model", json!("scripted")),
        ("gen_ai.usage.input_tokens", json!("1000")),
        ("gen_ai.usage.output_tokens", json!("50")),
        ("gen_ai.response.finish_reasons", json!({"0": null})),
    ] {
        let found = chat.attribute(name);
        match name {
            "gen_ai.response.finish_reasons" => assert!(found.unwrap()["values"][0]["stringValue"].is_string()),
            _ => assert_eq!(found, Some(&expected), "{name}"),
        }
    }
    assert_eq!(chat.0["kind"], 3);
    let tool = named("execute_tool kubectl_get_yaml");
    assert_eq!(tool.attribute("gen_ai.tool.name"), Some(&json!("kubectl_get_yaml")));
    assert!(tool.attribute("gen_ai.tool.call.id").is_some_and(|id| id.as_str().unwrap().starts_with("call_")));
    let whole = format!("{spans:?}");
    assert!(!whole.contains("Important instructions") && !whole.contains("hunter2"), "no content in traces");
    assert!(spans.iter().all(|span| {
        let at = |member: &str| span.text(member).parse::<u128>().unwrap();
        at("startTimeUnixNano") > 1_700_000_000_000_000_000 && at("endTimeUnixNano") >= at("startTimeUnixNano")
    }));

    for (whom, headers) in [("model", &models), ("cluster", &clusters), ("DataStorage", &asked)] {
        let ours: Vec<&String> = headers.iter().filter(|header| header.contains(TRACE)).collect();
        assert!(!ours.is_empty(), "{whom} saw no trace: {headers:?}");
        for header in ours {
            let id = header.split('-').nth(2).unwrap();
            assert!(by_id.contains_key(id), "{whom} was shown {header}, which is no span");
        }
    }
    assert_eq!(models.len(), 4, "every attempt carries it");
    let call = records.iter().find(|record| record["event"] == "llm_call").unwrap();
    assert_eq!(call["trace_id"], TRACE);
    assert_eq!(by_id[call["span_id"].as_str().unwrap()].text("name"), "chat scripted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_traceparent_begins_a_trace_of_our_own() {
    let collector = Collector::start().await;
    let observed = Observed::start(USUAL, &json!({"telemetry": {"endpoint": collector.url()}}), &[]).await;
    let session = observed.caller.post_traced(&observed.service, observed.incident.to_string(), "00-nonsense").await;
    observed.caller.result(&observed.service, &session).await;
    observed.end().await;
    let spans = collector.spans();
    let root = spans.iter().find(|span| span.text("name") == "POST /api/v1/incident/analyze").unwrap();
    assert_eq!((root.text("parentSpanId"), root.text("traceState")), ("", ""));
    let investigation = spans.iter().find(|span| span.text("name") == "investigation").unwrap();
    assert_eq!(investigation.text("traceId"), root.text("traceId"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_collector_harms_nobody() {
    let more = json!({"telemetry": {"endpoint": "http://127.0.0.1:9"}});
    let observed = Observed::start(USUAL, &more, &[]).await;
    let result = observed.investigate().await;
    assert_eq!(result["needs_human_review"], false, "{result}");
    let began = std::time::Instant::now();
    observed.end().await;
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_endpoint_nobody_is_shown_a_trace() {
    let observed = Observed::start(USUAL, &json!({}), &[]).await;
    let session = observed.caller.post_traced(&observed.service, observed.incident.to_string(), CALLER).await;
    observed.caller.result(&observed.service, &session).await;
    assert_eq!(observed.model.traceparents(), Vec::<String>::new());
    observed.end().await;
}
