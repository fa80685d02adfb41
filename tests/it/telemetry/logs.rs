//! The log of a running service: members of its records, and the ids that follow an investigation (operations §3.3, §3.4).

use serde_json::{Value, json};

use crate::scenarios::observed::{Observed, USUAL};

/// On every record, in this order.
const ALWAYS: &[&str] = &["ts", "level", "msg", "event", "logger", "service", "version", "pod", "namespace"];

fn named<'a>(records: &'a [Value], event: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["event"] == event).collect()
}

fn assert_has(record: &Value, members: &[&str]) {
    for member in members {
        assert!(record.get(*member).is_some_and(|value| !value.is_null()), "no {member} in {record:#}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_an_investigation() {
    let variables = [("POD_NAME", "hapi-0"), ("POD_NAMESPACE", "kubernaut-system")];
    let observed = Observed::start(USUAL, &json!({}), &variables).await;
    observed.investigate().await;
    observed.caller.get(&observed.service, "/livez").await;
    let records = observed.end().await;
    for record in &records {
        let names: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(&names[..ALWAYS.len()], ALWAYS, "{record}");
        assert_eq!((&record["pod"], &record["namespace"]), (&json!("hapi-0"), &json!("kubernaut-system")));
        assert!(!record["msg"].as_str().unwrap().is_empty(), "{record}");
        let level = record["level"].as_str().unwrap();
        assert!(["info", "warn", "error"].contains(&level), "{record}");
        assert!(record.get("trace_id").is_none(), "tracing is off: {record}");
    }
    let submitted = named(&records, "incident_analysis_requested")[0];
    assert_has(submitted, &["request_id", "user"]);
    let access: Vec<&Value> =
        named(&records, "request_completed").into_iter().filter(|line| line["method"] == "POST").collect();
    let members = ["request_id", "user", "path", "status", "duration_ms", "source_ip", "bytes_in", "bytes_out"];
    assert_has(access[0], &members);
    assert_eq!(access[0]["path"], "/api/v1/incident/analyze");
    assert!(named(&records, "request_completed").iter().all(|line| line["path"] != "/livez"), "probes stay at debug");

    let ids = ["session_id", "incident_id", "remediation_id", "correlation_id"];
    for event in [
        "session_created",
        "session_started",
        "incident_analysis_started",
        "phase1_rca_started",
        "phase2_enrichment_started",
        "phase3_workflow_selection_started",
        "workflow_validation_passed",
        "llm_retry",
        "llm_call",
        "tool_call",
        "incident_analysis_completed",
        "session_completed",
    ] {
        let found = named(&records, event);
        assert!(!found.is_empty(), "no {event}");
        for record in found {
            assert_has(record, &ids);
            assert_eq!(record["correlation_id"], record["remediation_id"]);
            assert!(record.get("request_id").is_none(), "the run outlives its request: {record}");
        }
    }
    let calls = named(&records, "llm_call");
    let members =
        ["phase", "turn", "provider", "model", "prompt_tokens", "completion_tokens", "finish_reason", "retries"];
    calls.iter().for_each(|call| assert_has(call, &members));
    let places: Vec<(&str, u64)> =
        calls.iter().map(|call| (call["phase"].as_str().unwrap(), call["turn"].as_u64().unwrap())).collect();
    assert_eq!(places, [("rca", 1), ("rca", 2), ("workflow_selection", 1)]);
    assert_eq!(calls[0]["retries"], 1);
    let tool = named(&records, "tool_call")[0];
    assert_has(tool, &["phase", "toolset", "tool", "outcome", "result_bytes", "sanitized", "truncated", "duration_ms"]);
    assert_eq!((&tool["sanitized"], &tool["outcome"]), (&json!(true), &json!("success")));
    assert!(tool.get("arguments").is_none(), "arguments only at debug");
    assert_has(named(&records, "workflow_validation_passed")[0], &["phase", "attempt"]);
    let done = named(&records, "incident_analysis_completed")[0];
    assert_has(done, &["has_workflow", "needs_human_review", "warnings_count", "validation_attempts"]);
}
