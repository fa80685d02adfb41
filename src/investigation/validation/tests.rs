use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::catalogue::{DirectoryCatalogue, MatchContext};

const UNKNOWN_ID: &str = "0f6a5a0c-1c39-4f2a-9c55-3d5d0b8f7a21";

fn deployment() -> ResourceRef {
    ResourceRef::namespaced("Deployment", "shop", "web").with_api_version("apps/v1")
}

fn view() -> CatalogueView {
    let context =
        MatchContext { severity: "high".to_owned(), component: Some(deployment()), ..MatchContext::default() };
    CatalogueView::new(Arc::new(DirectoryCatalogue::built_in()), context, None)
}

async fn id_of(view: &CatalogueView, name: &str) -> String {
    view.workflow(name).await.unwrap().workflow.id
}

async fn tried(view: &CatalogueView, id: &str, parameters: Value, bundle: Option<&str>) -> Verdict {
    tried_after(view, id, parameters, bundle, None).await
}

async fn tried_after(
    view: &CatalogueView,
    id: &str,
    parameters: Value,
    bundle: Option<&str>,
    previous: Option<&PreviousExecution>,
) -> Verdict {
    let submission = Submission { workflow_id: id, parameters: parameters.as_object().unwrap(), bundle };
    let avoided = BTreeSet::from(["RestartWorkload".to_owned()]);
    let rules = Rules { target: &deployment(), avoided: &avoided, previous, recreate: None };
    validate(view, submission, rules).await
}

fn broken(verdict: Verdict) -> (Vec<Rule>, ReviewReason, Vec<String>) {
    let Verdict::Invalid(invalid) = verdict else { panic!("{verdict:?}") };
    (invalid.faults.iter().map(|fault| fault.rule).collect(), invalid.reason(), invalid.errors())
}

#[tokio::test]
async fn a_fitting_workflow_with_good_parameters_is_valid_and_strangers_are_dropped() {
    let view = view();
    let id = id_of(&view, "increase-memory-limits").await;
    let given =
        json!({"CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": "1Gi", "TARGET_RESOURCE_NAME": "forged", "EXTRA": 1});
    let Verdict::Valid(valid) = tried(&view, &id, given, None).await else { panic!() };
    assert_eq!(Value::Object(valid.parameters), json!({"CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": "1Gi"}));
}

#[tokio::test]
async fn every_rule_has_its_reason() {
    let view = view();
    let memory = id_of(&view, "increase-memory-limits").await;
    let batch = id_of(&view, "increase-memory-limits-batch").await;
    let restart = id_of(&view, "restart-workload").await;
    let good = json!({"CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": "1Gi"});
    let cases = [
        (UNKNOWN_ID, good.clone(), None, Rule::Identity, ReviewReason::WorkflowNotFound),
        ("fix-everything", good.clone(), None, Rule::Identity, ReviewReason::WorkflowNotFound),
        (&batch, good.clone(), None, Rule::Context, ReviewReason::WorkflowNotFound),
        (&memory, good, Some("evil.example/x:1"), Rule::Bundle, ReviewReason::ImageMismatch),
        (&memory, json!({"CONTAINER_NAME": "web"}), None, Rule::Parameters, ReviewReason::ParameterValidationFailed),
        (&restart, json!({}), None, Rule::Repetition, ReviewReason::NoMatchingWorkflows),
    ];
    for (id, parameters, bundle, rule, reason) in cases {
        let (rules, given, errors) = broken(tried(&view, id, parameters, bundle).await);
        assert_eq!((rules.first(), given), (Some(&rule), reason), "{errors:?}");
    }
}

#[tokio::test]
async fn a_workflow_for_nodes_does_not_change_a_deployment() {
    let context = MatchContext { severity: "high".to_owned(), ..MatchContext::default() };
    let view = CatalogueView::new(Arc::new(DirectoryCatalogue::built_in()), context, None);
    let id = id_of(&view, "drain-node").await;
    let (rules, ..) = broken(tried(&view, &id, json!({}), None).await);
    assert!(rules.contains(&Rule::Scope), "{rules:?}");
}

#[tokio::test]
async fn a_seen_name_stands_for_its_id() {
    let view = view();
    view.listed("IncreaseMemoryLimits").await.unwrap();
    let given = json!({"CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": "1Gi"});
    assert!(matches!(tried(&view, "increase-memory-limits", given, None).await, Verdict::Valid(_)));
}

#[tokio::test]
async fn feedback_names_errors_schema_and_what_was_seen() {
    let view = view();
    let memory = id_of(&view, "increase-memory-limits").await;
    view.listed("IncreaseMemoryLimits").await.unwrap();
    let Verdict::Invalid(invalid) = tried(&view, &memory, json!({"MEMORY_LIMIT_NEW": "lots"}), None).await else {
        panic!()
    };
    let text = feedback(&invalid, 1, 3, &view.seen(), true, "Again.");
    for part in
        ["Validation 1 of 3", "CONTAINER_NAME: required", "\"lots\" does not match", "exactly what was rejected"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("TARGET_RESOURCE_") && !text.contains("The catalogue named"), "{text}");
    let Verdict::Invalid(unknown) = tried(&view, UNKNOWN_ID, json!({}), None).await else { panic!() };
    assert!(feedback(&unknown, 2, 3, &view.seen(), false, "Again.").contains("increase-memory-limits"));
}

#[tokio::test]
async fn what_failed_in_the_previous_attempt_is_refused_and_other_parameters_are_not() {
    let view = view();
    let memory = id_of(&view, "increase-memory-limits").await;
    let with = |limit: &str| json!({"CONTAINER_NAME": "web", "MEMORY_LIMIT_NEW": limit});
    let previous = recovery::tests::failed(&memory, &with("512Mi"));
    let again = tried_after(&view, &memory, with("512Mi"), None, Some(&previous)).await;
    let (rules, reason, errors) = broken(again);
    assert_eq!((rules.as_slice(), reason), ([Rule::FailedBefore].as_slice(), ReviewReason::NoMatchingWorkflows));
    assert!(errors[0].contains("already failed in the previous attempt"), "{errors:?}");
    let higher = tried_after(&view, &memory, with("1Gi"), None, Some(&previous)).await;
    assert!(matches!(higher, Verdict::Valid(_)), "{higher:?}");
}

#[tokio::test]
async fn for_a_deleted_target_only_the_listed_action_types_count() {
    let view = view();
    let id = id_of(&view, "rollback-workload").await;
    let (target, avoided, none) = (deployment(), BTreeSet::new(), Map::new());
    let submission = Submission { workflow_id: &id, parameters: &none, bundle: None };
    for (listed, is_valid) in [("RollbackDeployment", true), ("Rollback", false)] {
        let allowed = [listed.to_owned()];
        let rules = Rules { target: &target, avoided: &avoided, previous: None, recreate: Some(&allowed) };
        let verdict = validate(&view, submission, rules).await;
        assert_eq!(matches!(verdict, Verdict::Valid(_)), is_valid, "{verdict:?}");
        if !is_valid {
            let (rules, reason, errors) = broken(verdict);
            assert_eq!((rules.as_slice(), reason), ([Rule::Deleted].as_slice(), ReviewReason::RcaIncomplete));
            assert!(errors[0].contains("was deleted"), "{errors:?}");
        }
    }
}
