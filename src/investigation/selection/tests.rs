use super::*;
use crate::catalogue::DirectoryCatalogue;
use crate::domain::{CauseClass, Disposition, ResourceRef};
use serde_json::json;

fn finding(action_type: Option<&str>, target: ResourceRef, parameters: Value) -> Finding {
    Finding {
        signature: "test".to_owned(),
        cause_class: CauseClass::MemoryLimit,
        summary: "a summary".to_owned(),
        subject: target.clone(),
        target,
        affects: vec![],
        action_type: action_type.map(str::to_owned),
        parameters: serde_json::from_value(parameters).unwrap(),
        causal_chain: vec![],
        evidence: vec![],
        strength: 0.9,
        disposition: Disposition::Act,
    }
}

fn deployment() -> ResourceRef {
    ResourceRef::namespaced("Deployment", "shop", "web").with_api_version("apps/v1")
}

async fn choose_for(finding: &Finding) -> Selection {
    let incident = crate::analyser::testing::incident(finding.target.clone());
    select(&DirectoryCatalogue::built_in(), &incident, finding, 0.9, Timestamp::UNIX_EPOCH).await
}

#[tokio::test]
async fn the_fitting_workflow_gets_its_parameters_and_the_target() {
    let hints =
        json!({"CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": "1Gi", "TARGET_RESOURCE_NAME": "forged", "OTHER": 1});
    let selection = choose_for(&finding(Some("IncreaseMemoryLimits"), deployment(), hints)).await;
    let workflow = selection.selected.clone().unwrap();
    assert_eq!(workflow.workflow_name, "increase-memory-limits");
    let expected = json!({
        "CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": "1Gi",
        "TARGET_RESOURCE_KIND": "Deployment", "TARGET_RESOURCE_NAME": "web", "TARGET_RESOURCE_NAMESPACE": "shop"
    });
    assert_eq!(Value::Object(workflow.parameters), expected);
    let reasons: Vec<&str> = selection.excluded.iter().flat_map(|other| &other.reasons).map(String::as_str).collect();
    assert_eq!(reasons, ["component: for batch/v1/CronJob, batch/v1/Job, not Deployment"]);
    assert!(matches!(selection.facts(), WorkflowFacts::Valid { .. }));
    assert!(selection.attempts.iter().all(|attempt| attempt.is_valid) && selection.attempts.len() == 1);
}

#[tokio::test]
async fn without_valid_parameters_nothing_is_chosen() {
    for (hints, error) in [
        (json!({"CONTAINER_NAME": "web"}), "MEMORY_LIMIT_NEW: required and not known"),
        (json!({"CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": "lots"}), "does not match"),
    ] {
        let selection = choose_for(&finding(Some("IncreaseMemoryLimits"), deployment(), hints)).await;
        assert!(selection.selected.is_none());
        assert!(selection.attempts[0].errors[0].contains(error), "{:?}", selection.attempts);
        let WorkflowFacts::Exhausted { reason, .. } = selection.facts() else { panic!("{selection:?}") };
        assert_eq!(reason, ReviewReason::ParameterValidationFailed);
    }
}

#[tokio::test]
async fn a_node_is_not_drained_for_a_deployment() {
    let selection = choose_for(&finding(Some("DrainNode"), deployment(), json!({}))).await;
    assert!(selection.selected.is_none());
    let node = ResourceRef::cluster_scoped("Node", "worker-1").with_api_version("v1");
    let selection = choose_for(&finding(Some("DrainNode"), node, json!({}))).await;
    assert_eq!(selection.selected.unwrap().parameters["TARGET_RESOURCE_NAME"], "worker-1");
}

#[tokio::test]
async fn no_action_type_or_an_unknown_one_means_no_workflow() {
    for action_type in [None, Some("SummonTheExpert")] {
        let selection = choose_for(&finding(action_type, deployment(), json!({}))).await;
        assert!(selection.selected.is_none() && matches!(selection.facts(), WorkflowFacts::None));
    }
}

#[tokio::test]
async fn what_failed_in_the_previous_attempt_is_not_chosen_again() {
    let hints = json!({"CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": "1Gi"});
    let finding = finding(Some("IncreaseMemoryLimits"), deployment(), hints.clone());
    let tried = choose_for(&finding).await.selected.unwrap();
    let mut incident = crate::analyser::testing::incident(deployment());
    let previous = recovery::tests::failed(&tried.workflow_id, &hints);
    let recovery =
        crate::domain::Recovery { is_attempt: true, attempt_number: Some(1), previous_execution: Some(previous) };
    incident.recovery = Some(Box::new(recovery));
    let catalogue = DirectoryCatalogue::built_in();
    let selection = select(&catalogue, &incident, &finding, 0.9, Timestamp::UNIX_EPOCH).await;
    assert!(selection.selected.is_none(), "{selection:?}");
    let WorkflowFacts::Exhausted { reason, attempts } = selection.facts() else { panic!("{selection:?}") };
    assert_eq!(reason, ReviewReason::NoMatchingWorkflows);
    assert!(attempts[0].errors[0].contains("already failed in the previous attempt"), "{attempts:?}");
}
