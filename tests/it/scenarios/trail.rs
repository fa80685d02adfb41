//! The audit trail of every scenario: what each event says, and how they follow each other (audit §1.2, §1.3).

use std::time::Duration;

use holmesgpt_api::audit::{Profile, rules};
use holmesgpt_api::store::AuditQuery;
use serde_json::{Value, json};

use super::{Played, Stage, format, play};

fn bodies(played: &Played, event_type: &str) -> Vec<Value> {
    let chosen = played.events.iter().filter(|(kind, _)| kind == event_type);
    chosen.map(|(_, body)| serde_json::from_str(body).unwrap()).collect()
}

/// What every run's trail keeps, whatever happened in it.
pub(super) fn broken(played: &Played) -> Vec<String> {
    let mut wrong = Vec::new();
    for (kind, body) in &played.events {
        let event: Value = serde_json::from_str(body).unwrap();
        if let Err(violations) = rules::check(&event, Profile::A) {
            wrong.push(format!("{kind}: {violations:?}"));
        }
        let lasts = [
            "aiagent.llm.response",
            "aiagent.llm.tool_call",
            "aiagent.response.complete",
            "aiagent.enrichment.completed",
        ];
        if lasts.contains(&kind.as_str()) && !event["duration_ms"].is_u64() {
            wrong.push(format!("{kind} without a duration"));
        }
        if event["namespace"] != event["namespace"].as_str().map_or(Value::Null, Value::from) {
            wrong.push(format!("{kind}: namespace {}", event["namespace"]));
        }
    }
    let (asked, answered) = (bodies(played, "aiagent.llm.request"), bodies(played, "aiagent.llm.response"));
    if asked.len() != answered.len() {
        wrong.push(format!("{} questions and {} answers are audited", asked.len(), answered.len()));
    }
    let mut indexes: Vec<u64> = bodies(played, "aiagent.llm.tool_call")
        .iter()
        .map(|call| call["event_data"]["tool_call_index"].as_u64().unwrap())
        .collect();
    indexes.sort_unstable();
    if !indexes.iter().copied().eq(0..indexes.len() as u64) {
        wrong.push(format!("tool calls are numbered {indexes:?}"));
    }
    let attempts = bodies(played, "aiagent.workflow.validation_attempt");
    let last_of_all = attempts.iter().map(|attempt| &attempt["event_data"]["is_final_attempt"]);
    if last_of_all.rev().skip(1).any(|is_final| *is_final == true) {
        wrong.push("a validation attempt after the final one".to_owned());
    }
    if !played.events.last().is_some_and(|(kind, _)| kind.starts_with("aiagent.response.")) {
        wrong.push("the terminal event is not the last one".to_owned());
    }
    wrong
}

async fn played(name: &str, changes: Value) -> Played {
    let text = std::fs::read_to_string(super::folder().join(format!("{name}.yaml"))).unwrap();
    let (mut scenario, prepared) = format::read(name, &text).await;
    let mut config = Value::Object(scenario.config.clone());
    format::merge(&mut config, &changes);
    scenario.config = config.as_object().cloned().unwrap();
    play(&scenario, prepared).await
}

/// Consumers count on one final attempt that carries the reason.
#[tokio::test]
async fn the_last_failed_validation_is_final_and_says_why() {
    // The second time the turns end before the attempts do.
    for (limits, expected) in [(json!({}), 3), (json!({ "investigation": { "selection": { "max_turns": 2 } } }), 2)] {
        let played = played("validation_exhausted", limits).await;
        let attempts = bodies(&played, "aiagent.workflow.validation_attempt");
        assert_eq!(attempts.len(), expected);
        let (last, before) = attempts.split_last().unwrap();
        for attempt in before {
            assert_eq!(attempt["event_outcome"], "pending");
            assert_eq!(attempt["event_data"]["is_final_attempt"], false);
        }
        assert_eq!(
            (&last["event_outcome"], &last["event_data"]["is_final_attempt"]),
            (&json!("failure"), &json!(true))
        );
        assert!(last["event_data"]["human_review_reason"].is_string(), "{last}");
        assert_eq!(last["event_data"]["attempt"], json!(attempts.len()));
    }
}

#[tokio::test]
async fn the_successor_is_told_the_life_of_the_session_too() {
    let played = played("oom_with_evidence", json!({ "audit": { "schema_profile": "h" } })).await;
    let kinds: Vec<&str> = played.events.iter().map(|(kind, _)| kind.trim_start_matches("aiagent.")).collect();
    let at = |kind: &str| kinds.iter().position(|known| *known == kind).unwrap_or_else(|| panic!("{kind}: {kinds:?}"));
    let order =
        ["session.started", "llm.request", "enrichment.completed", "rca.complete", "workflow.validation_attempt"];
    assert!(order.map(at).is_sorted(), "{kinds:?}");
    assert_eq!(kinds[kinds.len() - 2..], ["response.complete", "session.completed"]);
    for (_, body) in &played.events {
        assert_eq!(rules::check(&serde_json::from_str(body).unwrap(), Profile::H), Ok(()));
    }
    let cause = &bodies(&played, "aiagent.rca.complete")[0]["event_data"]["response_data"]["rootCauseAnalysis"];
    assert!(cause["remediationTarget"]["name"].is_string(), "{cause}");
    let answers = bodies(&played, "aiagent.llm.response");
    let has_analysis: Vec<&Value> = answers.iter().map(|answer| &answer["event_data"]["has_analysis"]).collect();
    assert_eq!(has_analysis[..2], [&json!(false), &json!(true)], "the first one only asked for tools");
    let submitted = answers[1]["event_data"]["analysis_full"].as_str().unwrap();
    assert!(submitted.contains("killed at its memory limit"), "{submitted}");
}

#[tokio::test]
async fn a_cancelled_investigation_tells_what_it_had_cost() {
    let text = "
title: the second answer never comes
config: {audit: {schema_profile: h}}
script:
  - reply: {calls: [{name: kubectl_get_by_kind_in_namespace, arguments: {kind: Pod, namespace: checkout}}]}
  - reply: {text: too late, delay_ms: 600000}
expect: {verdict: failed}
";
    let (scenario, prepared) = format::read("cancelled_and_told", text).await;
    let stage = Stage::set(&scenario, prepared).await;
    let sessions = &stage.core.sessions;
    let id = sessions.submit(stage.incident.clone(), "scenario").await.unwrap();
    while stage.model.requests().len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sessions.cancel(id).await.unwrap();
    let events = stage.core.store.events(&AuditQuery::default()).await.unwrap();
    let at = |kind: &str| events.iter().position(|event| event.event_type == kind).unwrap_or_else(|| panic!("{kind}"));
    assert!(at("aiagent.investigation.cancelled") < at("aiagent.response.failed"));
    let last: Value = serde_json::from_str(&events[at("aiagent.investigation.cancelled")].body).unwrap();
    let data = &last["event_data"];
    assert_eq!(
        (&data["event_type"], &data["cancelled_phase"]),
        (&json!("aiagent.investigation.cancelled"), &json!("rca"))
    );
    assert_eq!(data["cancelled_at_turn"], 1);
    assert!(data["total_tokens"].as_u64().unwrap() > 0);
    assert_eq!(rules::check(&last, Profile::H), Ok(()));
}
