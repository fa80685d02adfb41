//! After a remediation that failed: the same one is not chosen again (investigation §1.3.1). Pure.

use serde_json::{Map, Value};

use super::binding::target_parameters;
use crate::catalogue::Workflow;
use crate::catalogue::parameters::{bind, plain};
use crate::domain::{Incident, PreviousExecution, ResourceRef, TriedWorkflow};

/// The failed attempt this incident follows, where one is described.
pub(super) fn previous(incident: &Incident) -> Option<&PreviousExecution> {
    incident.recovery.as_deref()?.previous_execution.as_ref()
}

/// What is wrong with a choice that repeats the workflow and the parameters of the failed attempt. `values` passed
/// validation.
pub(super) fn repeated(
    previous: Option<&PreviousExecution>,
    workflow: &Workflow,
    values: &Map<String, Value>,
    target: &ResourceRef,
) -> Option<String> {
    let tried = &previous?.selected_workflow;
    let same = is_same_workflow(tried, workflow)
        && is_same_target(tried, workflow, target)
        && bind(&workflow.parameters, &given(tried)).values == *values;
    same.then(|| format!("{} with these parameters already failed in the previous attempt", workflow.name))
}

/// By id; by name and version for callers whose catalogue knew no other ids.
fn is_same_workflow(tried: &TriedWorkflow, workflow: &Workflow) -> bool {
    let id = tried.workflow_id.trim();
    id.eq_ignore_ascii_case(&workflow.id)
        || id.eq_ignore_ascii_case(&workflow.name) && tried.version.trim() == workflow.version
}

/// The parameters the service sets are compared as well, where the record of the attempt has them: the same change of
/// another object is not a repetition.
fn is_same_target(tried: &TriedWorkflow, workflow: &Workflow, target: &ResourceRef) -> bool {
    let now = target_parameters(&workflow.parameters, target);
    now.iter().all(|(name, value)| tried.parameters.get(name).is_none_or(|before| *before == plain(value)))
}

/// The texts the executor got, as a model would give them.
fn given(tried: &TriedWorkflow) -> Map<String, Value> {
    let value = |text: &String| match text.trim_start().starts_with('[') {
        // Lists reach the executor as JSON.
        true => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())),
        false => Value::from(text.as_str()),
    };
    tried.parameters.iter().map(|(name, text)| (name.clone(), value(text))).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::{Catalogue as _, DirectoryCatalogue, MatchContext};

    pub(crate) fn failed(workflow_id: &str, parameters: &Value) -> PreviousExecution {
        serde_json::from_value(json!({
            "workflow_execution_ref": "we-web-01",
            "original_rca": {"summary": "Memory limit too low", "signal_name": "OOMKilled", "severity": "high",
                             "contributing_factors": ["limit 256Mi"]},
            "selected_workflow": {"workflow_id": workflow_id, "version": "1.0.0", "execution_bundle": "quay.io/acme/x:1",
                                  "parameters": parameters, "rationale": "OOM on a stateless workload"},
            "failure": {"failed_step_index": 2, "failed_step_name": "apply-patch", "reason": "Forbidden",
                        "message": "deployments.apps \"web\" is forbidden", "exit_code": 1,
                        "failed_at": "2026-01-30T10:12:44Z", "execution_time": "48s"},
            "natural_language_summary": "The patch step was not allowed to change the Deployment."
        }))
        .unwrap()
    }

    async fn in_catalogue(name: &str) -> Workflow {
        DirectoryCatalogue::built_in().workflow(name, &MatchContext::default()).await.unwrap().workflow
    }

    #[tokio::test]
    async fn only_the_same_workflow_with_the_same_parameters_on_the_same_object_is_a_repetition() {
        let mut workflow = in_catalogue("increase-memory-limits").await;
        workflow.version = "1.0.0".to_owned();
        let target = ResourceRef::namespaced("Deployment", "shop", "web");
        let values = json!({"CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": "512Mi"});
        let same = json!({"CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": "512Mi"});
        let with = |name: &str, value: &str| {
            let mut parameters = same.clone();
            parameters[name] = json!(value);
            parameters
        };
        let cases = [
            (workflow.id.to_uppercase(), same.clone(), true),
            (workflow.id.clone(), with("TARGET_RESOURCE_NAME", "web"), true),
            (workflow.id.clone(), with("NOT_DECLARED", "x"), true),
            (workflow.name.clone(), same.clone(), true),
            (workflow.id.clone(), with("MEMORY_LIMIT_NEW", "1Gi"), false),
            (workflow.id.clone(), with("TARGET_RESOURCE_NAME", "api"), false),
            (workflow.id.clone(), json!({}), false),
            ("another".to_owned(), same.clone(), false),
        ];
        for (id, parameters, expected) in cases {
            let previous = failed(&id, &parameters);
            let fault = repeated(Some(&previous), &workflow, values.as_object().unwrap(), &target);
            assert_eq!(fault.is_some(), expected, "{id} {parameters}: {fault:?}");
            assert!(fault.is_none_or(|text| text.contains("already failed in the previous attempt")));
        }
        assert_eq!(repeated(None, &workflow, values.as_object().unwrap(), &target), None);
        let mut renewed = failed(&workflow.name, &same);
        renewed.selected_workflow.version = "0.9.0".to_owned();
        assert_eq!(repeated(Some(&renewed), &workflow, values.as_object().unwrap(), &target), None);
    }

    #[tokio::test]
    async fn texts_of_the_executor_are_compared_in_the_declared_type() {
        let mut workflow = in_catalogue("increase-memory-limits").await;
        workflow.parameters = serde_json::from_value(json!([
            {"name": "REPLICAS", "type": "integer"}, {"name": "FORCE", "type": "boolean", "default": false},
            {"name": "NAMES", "type": "array"}
        ]))
        .unwrap();
        let target = ResourceRef::namespaced("Deployment", "shop", "web");
        let values = json!({"REPLICAS": 4, "FORCE": false, "NAMES": ["a", "b"]});
        let previous = failed(&workflow.id, &json!({"REPLICAS": "4", "NAMES": "[\"a\",\"b\"]"}));
        assert!(repeated(Some(&previous), &workflow, values.as_object().unwrap(), &target).is_some());
    }
}
