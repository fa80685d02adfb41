use serde_json::{Value, json};

use super::*;
use crate::investigation::Outcome;

mod fields;
mod fuzz;
mod selected;
mod shapes;

fn arguments(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn rca(value: Value) -> RcaAnswer {
    rca_from_arguments(&arguments(value)).unwrap()
}

fn selection(value: Value) -> SelectionAnswer {
    selection_from_arguments(SubmitTool::WithWorkflow, &arguments(value)).unwrap()
}

fn workflow(answer: &SelectionAnswer) -> &WorkflowChoice {
    match &answer.choice {
        Choice::Workflow(workflow) => workflow,
        Choice::NoWorkflow(none) => panic!("no workflow: {none:?}"),
    }
}

fn no_workflow(answer: &SelectionAnswer) -> &NoWorkflow {
    match &answer.choice {
        Choice::NoWorkflow(none) => none,
        Choice::Workflow(workflow) => panic!("a workflow: {workflow:?}"),
    }
}

/// A root cause with everything the schema asks for.
fn root_cause() -> Value {
    json!({
        "summary": "cart-api is killed at its memory limit", "severity": "high", "signal_name": "OOMKilled",
        "contributing_factors": ["limit of 64Mi", "traffic doubled"],
        "remediation_target": {"kind": "Deployment", "name": "cart-api", "namespace": "checkout", "api_version": "apps/v1"},
        "investigation_analysis": "The container ends with exit code 137.",
        "causal_chain": ["traffic doubled", "memory reached the limit", "the kernel killed the process"],
        "due_diligence": {"causal_completeness": "complete", "target_accuracy": "owner checked"},
    })
}

fn rca_answer() -> Value {
    json!({
        "root_cause_analysis": root_cause(),
        "claims": [{"claim": "it was killed", "tool_result_id": "call_3", "quote": "exit code: 137"}],
        "confidence": 0.92, "investigation_outcome": "actionable", "actionable": true, "can_recover": null,
    })
}

fn selection_answer() -> Value {
    json!({
        "selected_workflow": {
            "workflow_id": "4f1a", "confidence": 0.9, "rationale": "raises the limit",
            "parameters": {"MEMORY_LIMIT_NEW": "128Mi", "REPLICAS": 2},
        },
        "alternative_workflows": [{"workflow_id": "rollback-v1", "confidence": 0.3, "rationale": "older revision"}],
        "confidence": 0.9,
    })
}
