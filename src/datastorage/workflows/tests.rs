use serde_json::json;

use super::*;

#[test]
fn a_record_is_read_whatever_else_stands_in_it() {
    let record: WorkflowRecord = serde_json::from_value(json!({
        "workflowId": "7d1f6a52-9c0e-5b7a-8b54-0d7f4a1c9e11", "workflowName": "raise-memory", "version": "1.0.0",
        "actionType": "IncreaseMemoryLimits", "description": {"what": "Raises", "whenToUse": "OOM", "preconditions": null},
        "parameters": null, "executionEngine": "ansible", "executionBundle": null, "engineConfig": null,
        "labels": {"severity": ["critical", "high"], "component": "Deployment", "environment": ["*"], "priority": "P1"},
        "customLabels": null, "detectedLabels": {}, "status": "Paused", "isLatestVersion": true,
        "actualSuccessRate": "n/a", "totalExecutions": -1, "somethingNew": {"a": [1]}
    }))
    .unwrap();
    assert_eq!((record.execution_engine.as_str(), record.status.as_str()), ("ansible", "Paused"));
    assert_eq!((record.execution_bundle, record.parameters), (None, Value::Null));
    assert_eq!(record.labels.severity, ["critical", "high"]);
    assert_eq!((record.labels.component, record.labels.priority), (vec!["Deployment".into()], vec!["P1".into()]));
    let odd: WorkflowRecord =
        serde_json::from_value(json!({"workflowId": 7, "labels": [], "isLatestVersion": "yes"})).unwrap();
    assert_eq!(odd, WorkflowRecord::default());
}

#[test]
fn entries_that_name_nothing_are_left_out() {
    let page = |value: Value| serde_json::from_value::<RawPage>(value).unwrap();
    let read = page(json!({"actionTypes": [{"actionType": "A", "workflowCount": 2}, {"actionType": ""}, 7, {}],
                           "pagination": {"hasMore": true, "totalCount": "many"}}));
    let read = read.of(|entry: &ActionTypeEntry| !entry.action_type.is_empty());
    assert_eq!((read.entries.len(), read.entries[0].workflow_count, read.has_more), (1, 2, true));
    let read = page(
        json!({"actionType": "A", "workflows": [{"workflowId": "x", "executionEngine": "ansible"}], "pagination": null}),
    );
    let read = read.of(|entry: &WorkflowEntry| !entry.workflow_id.is_empty());
    assert_eq!((read.entries.len(), read.has_more), (1, false));
}

#[test]
fn what_is_empty_is_sent_and_what_is_absent_is_not() {
    let context = SignalContext {
        severity: "high",
        component: "Deployment".into(),
        environment: String::new(),
        priority: "P1",
        detected_labels: None,
        custom_labels: Some("{}".into()),
        remediation_id: Some("rr-1".into()),
    };
    let names: Vec<&str> = context.query().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["severity", "component", "environment", "priority", "custom_labels", "remediation_id"]);
}
