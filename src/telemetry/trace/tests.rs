//! What becomes of spans, without a collector.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry};

use super::*;
use crate::telemetry::Metrics;
use crate::telemetry::logging::{Identity, Scrub};
use crate::telemetry::spans::{self, ChatFacts, OutgoingFacts, RequestFacts, SessionFacts};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn scrub() -> Scrub {
    Arc::new(|text| Cow::Owned(text.replace("hunter2", "[REDACTED]")))
}

fn traced(endpoint: &str) -> (TraceLayer, Tracer) {
    let config = TraceConfig { endpoint: endpoint.to_owned(), ..TraceConfig::default() };
    Tracer::build(&config, Identity::local(), scrub()).unwrap().unwrap()
}

fn request<'a>(traceparent: Option<&'a str>) -> RequestFacts<'a> {
    RequestFacts {
        request_id: "r-1",
        method: "GET",
        scheme: "http",
        route: "/x/{id}",
        path: "/x/hunter2",
        client: "10.0.0.1",
        user_agent: Some("curl"),
        traceparent,
        tracestate: Some("rojo=1, congo=t61"),
    }
}

#[test]
fn nothing_is_traced_without_an_endpoint() {
    assert!(Tracer::build(&TraceConfig::default(), Identity::local(), scrub()).unwrap().is_none());
    tracing::subscriber::with_default(Registry::default(), || {
        let _span = spans::request(request(Some(CALLER))).entered();
        assert_eq!(carried(), None);
        let facts = OutgoingFacts { peer: "kubernetes", operation: "get", method: "GET", host: "api", path: "/" };
        assert!(spans::outgoing(facts).is_disabled());
    });
}

#[tokio::test]
async fn a_trace_goes_on_where_the_caller_began_it() {
    let (layer, mut tracer) = traced("http://127.0.0.1:9");
    let subscriber = Registry::default().with(layer.with_filter(TraceLayer::filter()));
    let guard = tracing::subscriber::set_default(subscriber);
    let span = spans::request(request(Some(CALLER)));
    let inside = async {
        let here = current().unwrap();
        assert_eq!(here.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_ne!(here.span_id.to_string(), "b7ad6b7169203331");
        let carried = carried().unwrap();
        assert_eq!(carried.state.as_deref(), Some("rojo=1,congo=t61"));
        let session = spans::session(SessionFacts {
            session_id: "s",
            incident_id: "i",
            remediation_id: "rr",
            signal_name: "OOMKilled",
            traceparent: Some(&carried.parent),
            tracestate: carried.state.as_deref(),
        });
        async {
            let chat = spans::chat("openai", "gpt", 1);
            let facts = ChatFacts { model: Some("gpt-1"), input_tokens: 7, output_tokens: 5, finish_reason: "stop" };
            spans::chat_answered(&chat, facts);
            drop(chat);
            let facts =
                OutgoingFacts { peer: "kubernetes", operation: "get", method: "GET", host: "api", path: "/api/v1" };
            let outgoing = spans::outgoing(facts);
            let sent: Vec<_> = outgoing.in_scope(|| headers().collect());
            assert!(
                matches!(sent.as_slice(), [(TRACEPARENT, _), (TRACESTATE, state)] if state == "rojo=1,congo=t61"),
                "{sent:?}"
            );
            spans::answered(&outgoing, 404, 400);
        }
        .instrument(session)
        .await;
        spans::answered(&tracing::Span::current(), 200, 500);
    };
    inside.instrument(span).await;
    drop(guard);
    let mut spans = Vec::new();
    assert_eq!(tracer.queue_for_test().recv_many(&mut spans, 10).await, 4);
    let body = otlp::request(&Identity::local(), &spans);
    let sent = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let named: Vec<(&str, u64)> =
        sent.iter().map(|span| (span["name"].as_str().unwrap(), span["kind"].as_u64().unwrap())).collect();
    let expected = [("chat gpt", 3), ("GET kubernetes get", 3), ("investigation", 1), ("GET /x/{id}", 2)];
    assert_eq!(named, expected);
    let [chat, outgoing, investigation, request] = sent.as_slice() else { panic!("{body}") };
    assert_eq!(request["parentSpanId"], "b7ad6b7169203331");
    assert_eq!(investigation["parentSpanId"], request["spanId"]);
    assert_eq!(
        (&chat["parentSpanId"], &outgoing["parentSpanId"]),
        (&investigation["spanId"], &investigation["spanId"])
    );
    assert!(sent.iter().all(|span| span["traceState"] == "rojo=1,congo=t61"), "{body}");
    assert!(sent.iter().all(|span| span["traceId"] == "0af7651916cd43dd8448eb211c80319c"));
    assert_eq!((&outgoing["status"], &request["status"]), (&json!({"code": 2}), &json!({})));
    let attribute = |span: &Value, name: &str| {
        let attributes = span["attributes"].as_array().unwrap();
        attributes.iter().find(|attribute| attribute["key"] == name).map(|attribute| attribute["value"].clone())
    };
    assert_eq!(attribute(chat, "gen_ai.usage.input_tokens"), Some(json!({"intValue": "7"})));
    let reasons = json!({"arrayValue": {"values": [{"stringValue": "stop"}]}});
    assert_eq!(attribute(chat, "gen_ai.response.finish_reasons"), Some(reasons));
    assert_eq!(attribute(request, "url.path"), Some(json!({"stringValue": "/x/[REDACTED]"})));
    assert_eq!(attribute(request, "request_id"), None, "fields of records stay there");
}

#[test]
fn a_trace_that_is_not_recorded_is_only_passed_on() {
    let (layer, mut tracer) = traced("http://127.0.0.1:9");
    let subscriber = Registry::default().with(layer.with_filter(TraceLayer::filter()));
    tracing::subscriber::with_default(subscriber, || {
        let unsampled = CALLER.replace("-01", "-00");
        let _span = spans::request(request(Some(&unsampled))).entered();
        assert!(carried().is_some_and(|carried| carried.parent.ends_with("-00")), "{:?}", carried());
        // A caller that says nothing of use: what is around goes on, and its words with it.
        let _own = spans::request(request(Some("malformed"))).entered();
        assert_eq!(
            carried().map(|carried| carried.state),
            Some(Some("rojo=1,congo=t61".to_owned())),
            "of the span around"
        );
    });
    tracing::subscriber::with_default(Registry::default().with(traced("http://127.0.0.1:9").0), || {
        let _span = spans::request(request(Some("malformed"))).entered();
        assert_eq!(headers().map(|(name, _)| name).collect::<Vec<_>>(), [TRACEPARENT]);
    });
    assert!(tracer.queue_for_test().try_recv().is_err());
}

#[tokio::test]
async fn a_dead_collector_costs_spans_and_nothing_else() {
    let metrics = Metrics::build().unwrap();
    let (layer, tracer) = traced("http://127.0.0.1:9");
    let exporter = tracer.start(metrics.clone());
    let subscriber = Registry::default().with(layer.with_filter(TraceLayer::filter()));
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..5_000 {
            drop(spans::request(request(None)));
        }
    });
    let began = std::time::Instant::now();
    exporter.shutdown(std::time::Duration::from_millis(1_500)).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    let text = metrics.encode();
    let count = |result: &str| -> f64 {
        let series = format!("aiagent_api_trace_spans_total{{result=\"{result}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    };
    assert!(count("dropped") > 2_000.0, "{}", count("dropped"));
    assert!(count("failed") > 0.0 && count("exported").abs() < 0.1, "{text}");
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_hold_up_the_end() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (layer, tracer) = traced(&format!("http://{}", listener.local_addr().unwrap()));
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let exporter = tracer.start(Metrics::build().unwrap());
    let subscriber = Registry::default().with(layer.with_filter(TraceLayer::filter()));
    tracing::subscriber::with_default(subscriber, || drop(spans::request(request(None))));
    let began = std::time::Instant::now();
    exporter.shutdown(std::time::Duration::from_millis(300)).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "{:?}", began.elapsed());
    held.abort();
}
