//! A run that is cancelled ends at once and without a result, and whoever was being asked is left alone.

use std::time::{Duration, Instant};

use holmesgpt_api::sessions::SessionState;
use holmesgpt_api::store::AuditQuery;

use super::{Stage, format};

const WHILE_THE_MODEL_THINKS: &str = "
title: the model never answers
script:
  - reply: {text: too late, delay_ms: 600000}
expect: {verdict: failed}
";

const WHILE_A_TOOL_RUNS: &str = "
title: the metrics never come
metrics: {metric: {pod: web}, value: [1777888800, '1']}
metrics_delay_ms: 600000
script:
  - reply: {calls: [{name: execute_prometheus_instant_query, arguments: {query: up, description: x}}]}
expect: {verdict: failed}
";

/// Polls: nothing tells when the other side has noticed.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < super::PATIENCE, "{what}: it does not come to that");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Submits, waits for the moment, cancels by a drain without patience.
async fn cancelled_when(text: &str, moment: impl Fn(&Stage) -> bool) -> Stage {
    let (scenario, prepared) = format::read("cancelled", text).await;
    let stage = Stage::set(&scenario, prepared).await;
    let id = stage.core.sessions.submit(stage.incident.clone(), "scenario").await.unwrap();
    eventually("the call", || moment(&stage)).await;
    let drained = stage.core.sessions.drain(tokio::time::Instant::now()).await;
    assert_eq!((drained.finished, drained.parked), (0, 1));
    let record = stage.core.sessions.get(&id.to_string()).await.unwrap().unwrap();
    assert_eq!((record.state, record.result), (SessionState::Investigating, None));
    let events = stage.core.store.events(&AuditQuery::default()).await.unwrap();
    assert!(events.iter().all(|event| !event.event_type.starts_with("aiagent.response.")), "{events:?}");
    stage
}

/// A run that is cancelled while its model thinks.
pub(super) async fn while_the_model_thinks() -> Stage {
    cancelled_when(WHILE_THE_MODEL_THINKS, |stage| stage.model.requests().len() == 1).await
}

#[tokio::test]
async fn a_cancelled_model_call_is_hung_up() {
    let stage = while_the_model_thinks().await;
    eventually("the end of the connection", || stage.model.abandoned() == 1).await;
    assert_eq!(stage.model.complaints(), Vec::<String>::new());
}

#[tokio::test]
async fn a_cancelled_tool_call_brings_no_further_turn() {
    let stage = cancelled_when(WHILE_A_TOOL_RUNS, |stage| !stage.metrics.asked().is_empty()).await;
    assert_eq!(stage.model.requests().len(), 1);
    assert_eq!(stage.model.complaints(), Vec::<String>::new());
}
