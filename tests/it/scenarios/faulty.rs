//! Many investigations with a provider that fails in every way there is: each ends with a complete result, by the model or
//! openly without it, and no tool runs twice for one call.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use holmesgpt_api::domain::{Engine, Incident};
use holmesgpt_api::sessions::SessionState;
use holmesgpt_api::store::{AuditQuery, StoreLocation};
use serde_json::{Value, json};

use super::format;
use crate::stubs::model::Step;
use crate::stubs::provider::{Answer, Asked, End, Provider};

const INVESTIGATIONS: usize = 200;
/// The same without faults, for comparison.
const UNDISTURBED: usize = 40;
const SIDE_BY_SIDE: usize = 8;
/// Of a hundred requests so many fail.
const FAULTS_PERCENT: u64 = 30;

/// An investigation of three turns: look, name the cause, choose.
const TEXT: &str = "
title: faults
script:
  - reply: {calls: [{as: look}]}
  - reply: {calls: [{as: cause}]}
  - reply: {calls: [{as: choice}]}
expect: {verdict: remediate}
";

/// Spread evenly, the same each time.
fn random(number: usize) -> u64 {
    let mut bits = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits ^ (bits >> 31)
}

fn fault(number: u64, good: Answer) -> Answer {
    match number % 8 {
        0 => Answer::text(429, "{}").header("retry-after", "0"),
        1 => Answer::text(429, "{}"),
        2 => Answer::text(500, "oops"),
        3 => Answer::text(529, r#"{"type": "error", "error": {"type": "overloaded_error"}}"#),
        4 => Answer::silence(),
        5 => good.ending(End::Broken).first_half(),
        6 => Answer::text(200, "<!doctype html>").header("content-type", "application/json"),
        _ => Answer::text(200, r#"{"status": "ok"}"#).header("content-type", "text/html"),
    }
}

/// Which step comes next, from the request alone: many investigations are under way.
fn step(request: &Value) -> usize {
    let chooses = request["tools"].to_string().contains("submit_result_with_workflow");
    let has_looked = request["messages"].as_array().unwrap().iter().any(|message| message["role"] == "tool");
    if chooses { 2 } else { usize::from(has_looked) }
}

fn answer(script: &[Step], asked: &Asked, number: usize, faults: bool) -> Answer {
    let request = asked.json();
    let (kind, text) = script[step(&request)].answer(number, &request);
    let good = Answer::text(200, text).header("content-type", kind);
    let random = random(number);
    if faults && random % 100 < FAULTS_PERCENT { fault(random / 100, good) } else { good }
}

/// What came out of many investigations.
struct Run {
    by_model: usize,
    by_analyser: usize,
    requests: usize,
    /// How long each took, sorted.
    took: Vec<Duration>,
}

impl Run {
    fn percentile(&self, percent: usize) -> Duration {
        self.took[(self.took.len() - 1) * percent / 100]
    }
}

async fn run(investigations: usize, faults: bool) -> Run {
    let (scenario, prepared) = format::read("faults", TEXT).await;
    let script = scenario.script.clone();
    let provider = Provider::start(move |asked, number| answer(&script, asked, number, faults)).await;
    let mut config = super::configuration(&scenario, &prepared, &super::Addresses::of_model(&provider.address));
    let llm = config.llm.as_mut().unwrap();
    (llm.first_byte_timeout_ms, llm.idle_timeout_ms) = (Some(400), 400);
    // A breaker would end the test's point; it has tests of its own.
    llm.circuit_breaker.failure_threshold = 100;
    llm.circuit_breaker.failure_ratio = 1.0;
    let core =
        holmesgpt_api::app::Core::build(&config, &StoreLocation::in_directory(prepared.folder.path())).await.unwrap();
    let numbered = |number: usize| {
        let mut incident: Value = serde_json::from_str(&prepared.incident).unwrap();
        incident["incident_id"] = json!(format!("inc-{number}"));
        incident["remediation_id"] = json!(format!("rem-{number}"));
        let body = holmesgpt_api::api::incident::AnalyzeBody::parse(incident.to_string().as_bytes()).unwrap();
        Incident::try_from(body).unwrap()
    };
    let ended = futures_util::stream::iter(0..investigations).map(async |number| {
        let began = Instant::now();
        let id = core.sessions.submit(numbered(number), "faults").await.unwrap();
        let record = tokio::time::timeout(super::PATIENCE, core.sessions.finished(id)).await.unwrap().unwrap().unwrap();
        assert_eq!(record.state, SessionState::Completed, "{:?}", record.error);
        (record.result.unwrap(), began.elapsed())
    });
    let ended: Vec<_> = ended.buffer_unordered(SIDE_BY_SIDE).collect().await;
    let mut run = Run { by_model: 0, by_analyser: 0, requests: provider.count(), took: Vec::new() };
    for (result, took) in ended {
        run.took.push(took);
        match (&result.engine, &result.review) {
            (Engine::Model { .. }, None) => {
                run.by_model += 1;
                assert!(result.selected_workflow.is_some() && result.root_cause.target.is_some());
            }
            // Whoever stands in, or a choice that was never made, says so: a person looks, nothing is run.
            (_, review) => {
                run.by_analyser += 1;
                assert!(review.is_some() && result.selected_workflow.is_none(), "{result:?}");
                assert!(!result.root_cause.summary.is_empty() && !result.warnings.is_empty());
            }
        }
    }
    run.took.sort_unstable();
    for number in 0..investigations {
        let query = AuditQuery { correlation_id: Some(format!("rem-{number}")), ..AuditQuery::default() };
        let events = core.store.events(&query).await.unwrap();
        let calls: Vec<&str> = events
            .iter()
            .filter(|event| event.event_type == "aiagent.llm.tool_call")
            .map(|event| event.body.as_str())
            .collect();
        let distinct: BTreeSet<String> = calls
            .iter()
            .map(|body| serde_json::from_str::<Value>(body).unwrap()["event_data"]["tool_call_index"].to_string())
            .collect();
        assert!(calls.len() <= 1 && distinct.len() == calls.len(), "a tool ran twice: {calls:?}");
    }
    run
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_investigations_survive_a_bad_provider() {
    let calm = run(UNDISTURBED, false).await;
    assert_eq!((calm.by_model, calm.requests), (UNDISTURBED, UNDISTURBED * 3));
    let bad = run(INVESTIGATIONS, true).await;
    println!(
        "{INVESTIGATIONS} investigations, {FAULTS_PERCENT} % faults: {} by the model, {} openly without it, {} requests; \
         p50 {:?} (undisturbed {:?}), p95 {:?} (undisturbed {:?})",
        bad.by_model,
        bad.by_analyser,
        bad.requests,
        bad.percentile(50),
        calm.percentile(50),
        bad.percentile(95),
        calm.percentile(95),
    );
    assert!(bad.requests > INVESTIGATIONS * 3, "there were faults");
    assert!(bad.by_model * 10 >= INVESTIGATIONS * 8, "{} of {INVESTIGATIONS} by the model", bad.by_model);
}
