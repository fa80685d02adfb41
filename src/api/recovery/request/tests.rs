//! Either generation's body, defaults, and what is refused.

use serde_json::{Value, json};

use super::*;

pub(crate) fn january() -> Value {
    json!({
        "incident_id": "inc-2026-0130-17", "remediation_id": "rr-2026-0130-pricing",
        "is_recovery_attempt": true, "recovery_attempt_number": 1,
        "previous_execution": {
            "workflow_execution_ref": "we-pricing-01",
            "original_rca": {"summary": "Memory limit too low", "signal_type": "OOMKilled", "severity": "high",
                             "contributing_factors": ["limit 256Mi"]},
            "selected_workflow": {"workflow_id": "memory-bump", "version": "1.0.2",
                                  "container_image": "quay.io/acme/wf-memory-bump:1.0.2",
                                  "parameters": {"MEMORY_LIMIT_NEW": "512Mi"}, "rationale": "OOM on stateless workload"},
            "failure": {"failed_step_index": 2, "failed_step_name": "apply-patch", "reason": "Forbidden",
                        "message": "deployments.apps \"pricing\" is forbidden", "exit_code": 1,
                        "failed_at": "2026-01-30T10:12:44Z", "execution_time": "48s"},
            "natural_language_summary": "The patch step was not allowed to change the Deployment."
        },
        "signal_type": "OOMKilled", "severity": "high",
        "resource_namespace": "shop", "resource_kind": "Deployment", "resource_name": "pricing",
        "environment": "production", "priority": "P1", "risk_tolerance": "low", "business_category": "revenue",
        "error_message": "OOMKilled", "cluster_name": "prod-eu-1", "signal_source": "prometheus"
    })
}

fn read(body: &Value) -> Result<Incident, Invalid> {
    decode(body.to_string().as_bytes())
}

fn with(path: &str, value: Value) -> Value {
    let mut body = january();
    let (parent, name) = path.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

#[test]
fn the_documented_example_becomes_an_incident_with_its_history() {
    let incident = read(&january()).unwrap();
    assert_eq!((incident.signal_name.as_str(), incident.severity), ("OOMKilled", Severity::High));
    assert_eq!(incident.resource.to_string(), "Deployment shop/pricing");
    assert_eq!(incident.shape, RequestShape::January);
    let recovery = incident.recovery.unwrap();
    assert_eq!((recovery.is_attempt, recovery.attempt_number), (true, Some(1)));
    let previous = recovery.previous_execution.unwrap();
    let expected: PreviousExecution = serde_json::from_value(january()["previous_execution"].clone()).unwrap();
    assert_eq!(previous, expected, "the stored form reads the same");
}

#[test]
fn only_two_members_are_required() {
    let incident = read(&json!({"incident_id": "i", "remediation_id": "r"})).unwrap();
    let defaults = [&incident.environment, &incident.priority, &incident.risk_tolerance, &incident.business_category];
    assert_eq!(defaults, ["unknown", "P2", "medium", "standard"]);
    assert_eq!((incident.signal_name.as_str(), incident.severity), ("unknown", Severity::Unknown));
    let recovery = incident.recovery.unwrap();
    assert_eq!((recovery.is_attempt, recovery.attempt_number), (false, None));
    let mut body = january();
    body.as_object_mut().unwrap().remove("signal_type");
    body["previous_execution"]["original_rca"]["signal_type"] = json!("Evicted");
    assert_eq!(read(&body).unwrap().signal_name, "Evicted", "the signal before stands in");
}

#[test]
fn the_spelling_tells_the_generation() {
    assert_eq!(read(&with("/severity", json!("catastrophic"))).unwrap().severity, Severity::Unknown);
    let mut body = january();
    body["previous_execution"]["selected_workflow"]["execution_bundle"] = json!("quay.io/x:1");
    let incident = read(&body).unwrap();
    assert_eq!(incident.shape, RequestShape::April);
    for path in ["/signal_name", "/previous_execution/original_rca/signal_name"] {
        assert_eq!(read(&with(path, json!("OOMKilled"))).unwrap().shape, RequestShape::April, "{path}");
        assert_eq!(read(&with(path, Value::Null)).unwrap().shape, RequestShape::January, "{path}");
    }
    body["severity"] = json!("catastrophic");
    assert!(read(&body).unwrap_err().detail.starts_with("Validation error: Field 'severity': Input should be"));
    body["severity"] = json!("low");
    body["enrichment_results"] = json!({"customLabels": {"team": ["payments"]}});
    assert_eq!(read(&body).unwrap().custom_labels["team"], ["payments"]);
}

#[test]
fn what_is_refused() {
    let index = "/previous_execution/failure/failed_step_index";
    for (path, value, detail) in [
        (
            "/recovery_attempt_number",
            json!(0),
            "Field 'recovery_attempt_number': Input should be greater than or equal to 1",
        ),
        (index, json!(-1), "Field 'failed_step_index': Input should be greater than or equal to 0"),
        (
            index,
            json!("x"),
            "Field 'failed_step_index': Input should be a valid integer, unable to parse string as an integer",
        ),
        (
            "/previous_execution/failure",
            Value::Null,
            "Field 'failure': Input should be a valid dictionary or object to extract fields from",
        ),
        (
            "/previous_execution/original_rca/signal_type",
            Value::Null,
            "Field 'signal_type': Input should be a valid string",
        ),
        (
            "/previous_execution/selected_workflow/parameters",
            json!({"N": 1}),
            "Field 'N': Input should be a valid string",
        ),
        (
            "/previous_execution/original_rca/contributing_factors",
            json!("x"),
            "Field 'contributing_factors': Input should be a valid list",
        ),
        (
            "/remediation_id",
            json!(" "),
            "Field 'remediation_id': Value error, remediation_id is required and cannot be empty",
        ),
        ("/environment", Value::Null, "Field 'environment': Input should be a valid string"),
    ] {
        let refused = read(&with(path, value.clone())).unwrap_err();
        assert_eq!(refused.detail, format!("Validation error: {detail}"), "{path} = {value}");
    }
    let refused = read(&json!({"previous_execution": {}})).unwrap_err();
    let missing: Vec<String> = refused.errors.iter().map(|error| error.loc.last().unwrap().to_string()).collect();
    let all =
        ["incident_id", "remediation_id", "workflow_execution_ref", "original_rca", "selected_workflow", "failure"];
    assert_eq!(missing, all);
}
