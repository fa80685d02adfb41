//! One model: every dialect over the wire, faults, waits, the breaker, limits.

use std::time::{Duration, Instant};

use holmesgpt_api::llm::{ErrorKind, Listener};
use holmesgpt_api::telemetry::Metrics;
use serde_json::json;

use super::replies::{chat, chat_pieces, fine};
use super::{ask, build, messages, request, seat};
use crate::stubs::provider::{Answer, End, Provider};

/// Nothing here takes long; the machine may be slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// Section, variables, path, the header that proves who asks and how it begins.
#[tokio::test]
async fn every_provider_is_asked_in_its_own_way() {
    let aws = [("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_REGION", "eu-west-1")];
    let signed = "AWS4-HMAC-SHA256 Credential=AKID/";
    let cases = [
        (
            json!({"provider": "openai"}),
            &[("OPENAI_API_KEY", "k")][..],
            "/chat/completions",
            "authorization",
            "Bearer k",
        ),
        (
            json!({"provider": "openai", "api": "responses"}),
            &[("OPENAI_API_KEY", "k")],
            "/responses",
            "authorization",
            "Bearer k",
        ),
        (json!({"provider": "ollama"}), &[("LLM_API_KEY", "k")], "/v1/chat/completions", "authorization", ""),
        (
            json!({"provider": "azure"}),
            &[("AZURE_API_KEY", "k")],
            "/openai/deployments/m/chat/completions",
            "api-key",
            "k",
        ),
        (json!({"provider": "anthropic"}), &[("ANTHROPIC_API_KEY", "k")], "/v1/messages", "x-api-key", "k"),
        (json!({"provider": "gemini"}), &[("GOOGLE_API_KEY", "k")], "/v1beta/models/m:", "x-goog-api-key", "k"),
        (json!({"provider": "bedrock", "model": "a:0"}), &aws, "/model/a%3A0/converse", "authorization", signed),
        (json!({"model": "bedrock/invoke/a:0"}), &aws, "/model/a%3A0/invoke", "authorization", signed),
        (
            json!({"provider": "bedrock"}),
            &[("AWS_BEARER_TOKEN_BEDROCK", "k"), aws[2]],
            "/model/m/converse",
            "authorization",
            "Bearer k",
        ),
    ];
    for (mut members, variables, path, header, value) in cases {
        let provider = Provider::start(|asked, _| fine(asked)).await;
        members["endpoint"] = provider.address.clone().into();
        for streaming in [true, false] {
            members["streaming"] = streaming.into();
            let reply =
                ask(&seat(members.clone(), variables)).await.unwrap_or_else(|error| panic!("{members}: {error}"));
            assert_eq!((reply.message.text.as_str(), reply.usage.total()), ("fine", 12), "{members}");
        }
        for asked in provider.asked() {
            assert!(asked.path.starts_with(path), "{members}: {}", asked.path);
            assert!(
                asked.header(header).starts_with(value) && (value.is_empty() == asked.header(header).is_empty()),
                "{members}"
            );
            assert_eq!(asked.header("content-type"), "application/json");
            // Some servers take no chunks.
            assert_eq!(asked.header("content-length"), asked.text.len().to_string(), "{members}");
        }
    }
}

#[tokio::test]
async fn the_providers_own_delay_comes_before_our_backoff() {
    let provider = Provider::start(|asked, number| match number {
        0 => Answer::text(429, "{}").header("retry-after-ms", "1"),
        1 => Answer::text(429, "{}")
            .header("x-ratelimit-remaining-tokens", "0")
            .header("x-ratelimit-reset-tokens", "5ms"),
        2 => Answer::text(529, "{}").header("retry-after", "0"),
        _ => fine(asked),
    })
    .await;
    // Our own first wait would be ten minutes.
    let members = json!({"provider": "openai_compatible", "endpoint": provider.address, "retry_base_ms": 600_000, "max_retries": 3});
    let reply = tokio::time::timeout(PATIENCE, ask(&seat(members, &[]))).await.unwrap().unwrap();
    assert_eq!((reply.retries, reply.message.text.as_str()), (3, "fine"));
}

/// Fault → what it is called when it does not end, and how often it is tried.
#[tokio::test]
async fn faults_are_retried_and_classified() {
    let pieces = || chat_pieces(&["fi", "ne"]);
    let half = move |end: End| Answer::pieces("text/event-stream", pieces()[..1].to_vec()).ending(end);
    let error_event = b"data: {\"error\": {\"type\": \"server_error\", \"message\": \"sk-secret\"}}\n\n".to_vec();
    let cases = [
        ("stalled first byte", Answer::silence(), ErrorKind::Timeout, 3),
        ("silent in the middle", half(End::Silent), ErrorKind::Timeout, 3),
        ("cut in the middle", half(End::Broken), ErrorKind::Network, 3),
        ("ended too early", half(End::Properly), ErrorKind::Network, 3),
        ("gave up in the middle", Answer::pieces("text/event-stream", vec![error_event]), ErrorKind::Server, 3),
        ("garbage", Answer::text(200, "<html>sk-secret"), ErrorKind::Decode, 2),
        ("another document", Answer::json(&json!({"ok": "sk-secret"})), ErrorKind::Decode, 2),
        (
            "garbage as a stream",
            Answer::pieces("text/event-stream", vec![b"data: sk-secret\n\n".to_vec()]),
            ErrorKind::Decode,
            2,
        ),
        ("500", Answer::text(500, "sk-secret"), ErrorKind::Server, 3),
        ("529", Answer::text(529, "sk-secret"), ErrorKind::Server, 3),
        ("429", Answer::text(429, "sk-secret"), ErrorKind::RateLimit, 3),
        ("401", Answer::text(401, "sk-secret"), ErrorKind::Auth, 1),
        ("404", Answer::text(404, "sk-secret"), ErrorKind::NotFound, 1),
        ("too long", Answer::text(400, "maximum context length"), ErrorKind::ContextLength, 1),
    ];
    for (name, answer, kind, asked) in cases {
        let provider = Provider::start(move |_, _| answer.clone()).await;
        let members = json!({"provider": "openai_compatible", "endpoint": provider.address, "idle_timeout_ms": 150, "first_byte_timeout_ms": 150});
        let error = tokio::time::timeout(PATIENCE, ask(&seat(members, &[]))).await.unwrap().unwrap_err();
        assert_eq!((error.kind, provider.count()), (kind, asked), "{name}: {error}");
        assert!(!error.to_string().contains("sk-secret"), "{error}");
    }
}

#[tokio::test]
async fn odd_labels_do_not_hide_a_good_reply() {
    let stream = || chat_pieces(&["fi", "ne"]).concat();
    let unlabelled = Answer::pieces("text/plain", vec![stream()]);
    let whole = Answer::text(200, chat("fine").to_string()).header("content-type", "text/html");
    for answer in [unlabelled, whole] {
        let provider = Provider::start(move |_, _| answer.clone()).await;
        let members = json!({"provider": "openai_compatible", "endpoint": provider.address});
        assert_eq!(ask(&seat(members, &[])).await.unwrap().message.text, "fine");
    }
}

#[tokio::test]
async fn what_was_heard_is_never_said_twice() {
    let provider = Provider::start(|asked, number| match number {
        0 => Answer::pieces("text/event-stream", chat_pieces(&["fi", "ne"])[..1].to_vec()).ending(End::Broken),
        _ => fine(asked),
    })
    .await;
    let seat = seat(json!({"provider": "openai_compatible", "endpoint": provider.address}), &[]);
    let mut heard = String::new();
    let mut listen = |text: &str| heard.push_str(text);
    let listener: Listener<'_> = &mut listen;
    let messages = messages();
    let failed = seat.chat_heard(&request(&messages), Some(listener)).await.unwrap_err();
    assert_eq!((failed.kind, failed.retries, provider.count()), (ErrorKind::Network, 0, 1));
    assert_eq!(heard, "fi");
    // Nobody listens: the same fault is nobody's business.
    let mut again = String::new();
    let mut listen = |text: &str| again.push_str(text);
    seat.chat_heard(&request(&messages), Some(&mut listen)).await.unwrap();
    assert_eq!(again, "fine");
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_alone_and_the_metric_says_so() {
    let provider = Provider::start(|_, _| Answer::text(503, "{}")).await;
    let breaker = json!({"failure_threshold": 4, "interval_seconds": 600, "timeout_seconds": 600});
    let members = json!({"provider": "openai_compatible", "endpoint": provider.address, "max_retries": 9, "circuit_breaker": breaker});
    let metrics = Metrics::build().unwrap();
    let llm = build(members, &[]).unwrap().reporting_to(&metrics);
    let seat = llm.seat(holmesgpt_api::llm::ModelPhase::Rca);
    let series = |state: u8| format!("aiagent_api_circuit_breaker_state{{name=\"llm/openai_compatible/m\"}} {state}");
    assert!(metrics.encode().contains(&series(0)));
    let error = ask(&seat).await.unwrap_err();
    assert_eq!((error.kind, provider.count()), (ErrorKind::BreakerOpen, 4), "{error}");
    assert!(metrics.encode().contains(&series(2)));
    assert_eq!(ask(&seat).await.unwrap_err().kind, ErrorKind::BreakerOpen);
    assert_eq!(provider.count(), 4, "nobody asked");
}

#[tokio::test]
async fn refusals_say_nothing_against_the_provider() {
    let provider = Provider::start(|_, _| Answer::text(429, "{}")).await;
    let members = json!({"provider": "openai_compatible", "endpoint": provider.address, "max_retries": 0,
                         "circuit_breaker": {"failure_threshold": 2}});
    let seat = seat(members, &[]);
    for _ in 0..6 {
        assert_eq!(ask(&seat).await.unwrap_err().kind, ErrorKind::RateLimit);
    }
    assert_eq!(provider.count(), 6);
}

#[tokio::test]
async fn calls_at_once_and_tokens_a_minute_are_bounded() {
    let provider = Provider::start(|asked, _| fine(asked).after(Duration::from_millis(20))).await;
    let members = json!({"provider": "openai_compatible", "endpoint": provider.address, "max_concurrent_requests": 2});
    let seat = seat(members, &[]);
    let answers = futures_util::future::join_all((0..8).map(|_| ask(&seat))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(provider.inside_most(), 2);
    let asked_before = provider.count();
    let members = json!({"provider": "openai_compatible", "endpoint": provider.address, "tokens_per_minute": 60});
    let seat = super::seat(members, &[]);
    // Each request is some forty tokens by estimate and twelve by count: a minute's worth is soon used up.
    for _ in 0..6 {
        let _ = tokio::time::timeout(Duration::from_millis(300), ask(&seat)).await;
    }
    assert!(provider.count() - asked_before < 6, "nothing holds it back");
}

#[tokio::test]
async fn whoever_stops_waiting_closes_the_connection() {
    let provider = Provider::start(|_, _| Answer::silence()).await;
    let seat = seat(json!({"provider": "openai_compatible", "endpoint": provider.address}), &[]);
    let left = tokio::time::timeout(Duration::from_millis(100), ask(&seat)).await;
    assert!(left.is_err());
    let until = Instant::now() + PATIENCE;
    while provider.left() == 0 {
        assert!(Instant::now() < until, "the connection stays open");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
