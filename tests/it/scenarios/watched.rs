//! What those who follow a run see of it (http-api §8.3), with the real engine; and that a request to cancel ends it.

use holmesgpt_api::investigation::{ProgressEvent, ProgressKind, RunPhase};
use holmesgpt_api::sessions::{SessionState, Step};
use holmesgpt_api::store::AuditQuery;
use serde_json::Value;

use super::{Stage, format};

const WITH_A_SECRET: &str = r#"
title: a password in a value of a ConfigMap
bundle:
  extra.yaml: |
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: app, namespace: shop}
    data:
      app.properties: |
        db.host=db
        password=hunter2-Map-9935
script:
  - reply: {calls: [{name: kubectl_get_yaml, arguments: {kind: ConfigMap, name: app, namespace: shop}}]}
  - reply: {calls: [{as: cause}]}
  - reply: {calls: [{as: choice}]}
expect: {verdict: remediate, workflow: increase-memory-limits}
"#;

const WITHOUT_A_MODEL: &str = "
title: the analyser alone
config: {investigation: {engine: analyser}}
script: []
expect: {verdict: remediate}
";

const NEVER_ANSWERS: &str = "
title: the model never answers
script:
  - reply: {calls: [{name: kubectl_get_yaml, arguments: {kind: Deployment, name: web, namespace: shop}}]}
  - reply: {text: too late, delay_ms: 600000}
expect: {verdict: failed}
";

async fn set(text: &str) -> Stage {
    let (scenario, prepared) = format::read("watched", text).await;
    Stage::set(&scenario, prepared).await
}

/// Everything a follower is told until the end.
async fn watched(stage: &Stage) -> Vec<ProgressEvent> {
    let id = stage.core.sessions.submit(stage.incident.clone(), "scenario").await.unwrap();
    let mut follower = stage.core.sessions.follow(id, 0).unwrap();
    let mut events = Vec::new();
    loop {
        match tokio::time::timeout(super::PATIENCE, follower.next()).await.unwrap() {
            Step::Event(event) => events.push((*event).clone()),
            Step::Over => return events,
            other => panic!("{other:?}"),
        }
    }
}

fn word(event: &ProgressEvent) -> String {
    let phase = event.phase.map(RunPhase::as_str).unwrap_or_default();
    let what = match &event.kind {
        ProgressKind::Reasoning { text, tool_call_count: 0 } => text.clone(),
        ProgressKind::Reasoning { tool_call_count, .. } => format!("asks for {tool_call_count}"),
        ProgressKind::ToolStarted { tool, index } => format!("{tool} {index} begins"),
        ProgressKind::ToolAnswered { tool, index, .. } => format!("{tool} {index} ends"),
    };
    format!("{} {phase}: {what}", event.turn)
}

#[tokio::test]
async fn a_model_at_work() {
    let stage = set(WITH_A_SECRET).await;
    let events = watched(&stage).await;
    let words: Vec<String> = events.iter().map(word).collect();
    assert_eq!(
        words,
        [
            "0 rca: root cause analysis",
            "1 rca: asks for 1",
            "1 rca: kubectl_get_yaml 0 begins",
            "1 rca: kubectl_get_yaml 0 ends",
            "2 rca: asks for 1",
            "2 workflow_discovery: workflow selection",
            "3 workflow_discovery: asks for 1",
            "3 validation: decision",
        ]
    );
    let preview = events.iter().find_map(|event| match &event.kind {
        ProgressKind::ToolAnswered { preview, .. } => Some(preview.clone()),
        ProgressKind::Reasoning { .. } | ProgressKind::ToolStarted { .. } => None,
    });
    assert!(preview.is_some_and(|preview| !preview.is_empty() && preview.chars().count() <= 200));
    assert!(!format!("{events:?}").contains("hunter2"), "{events:?}");
}

#[tokio::test]
async fn the_analyser_at_work() {
    let words: Vec<String> = watched(&set(WITHOUT_A_MODEL).await).await.iter().map(word).collect();
    let phases = ["0 rca: root cause analysis", "0 workflow_discovery: workflow selection", "0 validation: decision"];
    assert_eq!(words, phases);
}

#[tokio::test]
async fn a_request_to_cancel_ends_a_run_and_keeps_what_it_knew() {
    let stage = set(NEVER_ANSWERS).await;
    let id = stage.core.sessions.submit(stage.incident.clone(), "scenario").await.unwrap();
    super::cancelled::eventually("the second question", || stage.model.requests().len() == 2).await;
    stage.core.sessions.cancel(id).await.unwrap();
    super::cancelled::eventually("the end of the connection", || stage.model.abandoned() == 1).await;
    let record = stage.core.sessions.get(&id.to_string()).await.unwrap().unwrap();
    assert_eq!(record.state, SessionState::Cancelled);
    let standing = record.standing;
    assert_eq!((standing.phase, standing.turn, standing.tool_calls), (Some(RunPhase::Rca), 1, 1));
    let events = stage.core.store.events(&AuditQuery::default()).await.unwrap();
    let terminal: Vec<Value> = events
        .iter()
        .filter(|event| event.event_type.starts_with("aiagent.response."))
        .map(|event| serde_json::from_str(&event.body).unwrap())
        .collect();
    assert_eq!(terminal.len(), 1, "one terminal event");
    assert_eq!(terminal[0]["event_data"]["phase"], "cancelled");
}
