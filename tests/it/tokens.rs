//! What one investigation costs, and that its requests begin alike, so that the provider's cache serves most of them.
//! `cargo bench --bench tokens` prints the same incident as a table.

mod estimate;
mod incident;

use holmesgpt_api::domain::Usage;
use serde_json::{Value, json};

use crate::stubs::model;
use incident::{BASELINE_TOKENS, BASELINE_TURNS, Played};

const TURNS_MAX: usize = 9;
const BASELINE_PERCENT_MAX: u64 = 60;

/// Requests of the same conversation, in order. The system prompt tells the phases apart.
fn conversations(requests: &[Value]) -> Vec<Vec<&Value>> {
    let mut conversations: Vec<Vec<&Value>> = Vec::new();
    for request in requests {
        let system = &request["messages"][0];
        match conversations.iter_mut().find(|one| one[0]["messages"][0] == *system) {
            Some(one) => one.push(request),
            None => conversations.push(vec![request]),
        }
    }
    conversations
}

fn messages(request: &Value) -> Vec<String> {
    request["messages"].as_array().unwrap().iter().map(Value::to_string).collect()
}

fn in_order(played: &Played) {
    assert!(played.complaints.is_empty(), "{:#?}", played.complaints);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lean_investigation_with_its_evidence() {
    let played = incident::out_of_memory().await;
    in_order(&played);
    let (result, phases) = (&played.result, played.phases());
    let workflow = result.selected_workflow.as_ref().map(|workflow| workflow.workflow_name.as_str());
    assert_eq!((workflow, result.review), (Some("increase-memory-limits"), None));
    assert_eq!(result.root_cause.evidence.len(), 6, "every claim was verified: {:?}", result.warnings);

    let turns = played.requests.len();
    assert!(turns <= TURNS_MAX, "{turns} turns; the baseline took {BASELINE_TURNS}");
    let total: Usage = phases.iter().map(|phase| phase.usage).sum();
    let most = BASELINE_TOKENS * BASELINE_PERCENT_MAX / 100;
    assert!(total.total() <= most, "{total:?} is more than {most}");

    // The service's account, phase by phase, is what the provider counted.
    let counted: Vec<(&str, u32, u32)> =
        phases.iter().map(|phase| (phase.phase.as_str(), phase.turns, phase.tool_calls)).collect();
    assert_eq!(counted, [("rca", 6, 10), ("workflow_selection", 1, 0)]);
    let costs = estimate::breakdown(&played.requests);
    let sent: u64 = costs.iter().map(|cost| cost.sent).sum();
    let cached: u64 = costs.iter().map(|cost| cost.cached).sum();
    assert_eq!((total.prompt_tokens, total.cached_tokens), (sent, cached));
    assert!(total.cached_percent() >= 60, "{total:?}");
    let unknown: Vec<_> = costs.iter().filter(|cost| cost.part.contains("nobody") || cost.sent == 0).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_begins_with_the_one_before() {
    let played = incident::out_of_memory().await;
    in_order(&played);
    let conversations = conversations(&played.requests);
    assert_eq!(conversations.len(), 2);
    for pair in conversations.iter().flat_map(|conversation| conversation.windows(2)) {
        let (before, now) = (pair[0], pair[1]);
        assert_eq!(before["tools"].to_string(), now["tools"].to_string());
        let (before, now) = (messages(before), messages(now));
        assert!(before.len() < now.len());
        assert_eq!(before[..], now[..before.len()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_before_the_incident_is_the_same_for_every_incident() {
    let other = json!([
        {"reply": {"calls": [{"name": "submit_result", "arguments": {
            "root_cause_analysis": {
                "summary": "The image tag does not exist.", "severity": "high", "contributing_factors": ["a wrong tag"],
                "remediation_target": {"kind": "Deployment", "name": "thumbnailer", "namespace": "media", "api_version": "apps/v1"},
                "investigation_analysis": "The pull fails.", "causal_chain": ["a wrong tag", "the image cannot be pulled"],
            },
            "claims": [], "confidence": 0.9, "investigation_outcome": "actionable",
        }}]}},
        {"reply": {"calls": [{"name": "submit_result_no_workflow", "arguments": {
            "reasoning": "None fits.", "investigation_outcome": "no_matching_workflow", "confidence": 0.9,
        }}]}},
    ]);
    let played = [incident::out_of_memory().await, incident::play("image-tag-typo", &other.to_string()).await];
    played.iter().for_each(in_order);
    let [one, other] = played.each_ref().map(|played| conversations(&played.requests));
    assert_eq!((one.len(), other.len()), (2, 2));
    for (one, other) in one.iter().zip(&other) {
        let (one, other) = (one[0], other[0]);
        assert_eq!(one["tools"].to_string(), other["tools"].to_string());
        let (one, other) = (messages(one), messages(other));
        assert_eq!(one[0], other[0], "the system prompt");
        assert_ne!(one[1], other[1], "the incident");
    }
}
