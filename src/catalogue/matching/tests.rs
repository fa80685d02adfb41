use super::*;
use crate::catalogue::{Description, Execution, Labels};
use crate::domain::ResourceRef;

fn workflow(name: &str) -> Workflow {
    let all = || vec!["*".to_owned()];
    Workflow {
        id: name.to_owned(),
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        action_type: "RestartWorkload".to_owned(),
        description: Description::default(),
        labels: Labels { severity: all(), environment: all(), component: all(), priority: all(), cluster: vec![] },
        detected_labels: std::collections::BTreeMap::new(),
        custom_labels: std::collections::BTreeMap::new(),
        execution: Execution {
            engine: "job".to_owned(),
            bundle: None,
            bundle_digest: None,
            service_account: None,
            engine_config: None,
        },
        parameters: vec![],
        rollback_parameters: vec![],
    }
}

fn context() -> MatchContext {
    let deployment = ResourceRef::namespaced("Deployment", "shop", "web").with_api_version("apps/v1");
    MatchContext {
        severity: "medium".to_owned(),
        environment: "production".to_owned(),
        priority: "P1".to_owned(),
        component: Some(deployment),
        ..MatchContext::default()
    }
}

#[test]
fn each_mandatory_label_filters() {
    type Case = (&'static str, fn(&mut Labels), Option<&'static str>);
    let cases: [Case; 10] = [
        ("everything", |_| (), None),
        ("warning is medium", |labels| labels.severity = vec!["warning".into()], None),
        ("severity", |labels| labels.severity = vec!["critical".into()], Some("severity: for critical, not medium")),
        ("environment case", |labels| labels.environment = vec!["Production".into()], None),
        (
            "environment",
            |labels| labels.environment = vec!["staging".into()],
            Some("environment: for staging, not production"),
        ),
        ("priority", |labels| labels.priority = vec!["P2".into(), "P3".into()], Some("priority: for P2, P3, not P1")),
        ("bare kind", |labels| labels.component = vec!["deployment".into()], None),
        ("full kind", |labels| labels.component = vec!["apps/v1/Deployment".into()], None),
        (
            "other group",
            |labels| labels.component = vec!["x.io/v1/Deployment".into()],
            Some("component: for x.io/v1/Deployment, not Deployment"),
        ),
        (
            "other kind",
            |labels| labels.component = vec!["v1/Node".into()],
            Some("component: for v1/Node, not Deployment"),
        ),
    ];
    for (what, change, reason) in cases {
        let mut workflow = workflow("a");
        change(&mut workflow.labels);
        assert_eq!(misfits(&workflow, &context()), reason.into_iter().collect::<Vec<_>>(), "{what}");
    }
}

#[test]
fn what_the_signal_does_not_say_does_not_filter() {
    let mut narrow = workflow("a");
    narrow.labels.severity = vec!["critical".into()];
    narrow.labels.environment = vec!["staging".into()];
    let silent = MatchContext { severity: "unknown".into(), environment: String::new(), ..context() };
    assert_eq!(misfits(&narrow, &silent), Vec::<String>::new());
}

#[test]
fn best_first_custom_labels_then_narrowness_then_version_then_id() {
    let mut labelled = workflow("d");
    labelled.custom_labels.insert("team".into(), "payments".into());
    let mut narrow = workflow("c");
    narrow.labels.component = vec!["Deployment".into()];
    let mut newer = workflow("b");
    newer.version = "1.10.0".into();
    let mut older = workflow("a2");
    older.version = "1.9.0".into();
    let mut context = context();
    context.custom_labels.insert("team".into(), vec!["payments".into()]);
    let all = [workflow("a1"), older, newer, narrow, labelled];
    let found = candidates(all.iter(), &context);
    let order: Vec<&str> = found.matching.iter().map(|workflow| workflow.name.as_str()).collect();
    assert_eq!(order, ["d", "c", "b", "a2", "a1"]);
}

#[test]
fn versions_are_numbers() {
    assert!(version("1.10.0") > version("1.9.9"));
    assert!(version("1.0.0") > version("1.0.0-rc.1"));
    assert!(version("v2.0") > version("1.99"));
}

#[test]
fn detected_labels_rank_and_never_exclude() {
    let requires = |name: &str, labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Workflow { detected_labels: labels, ..workflow(name) }
    };
    let all = [
        requires("d-git", &[("gitOpsManaged", "true")]),
        requires("c-plain", &[]),
        requires("b-stateless", &[("stateful", "false")]),
        requires("a-flux", &[("gitOpsTool", "flux")]),
        requires("e-unknown", &[("hpaEnabled", "true")]),
    ];
    let detected = [("gitOpsManaged", "true"), ("gitOpsTool", "argocd"), ("stateful", "false")];
    let detected = detected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let found = candidates(all.iter(), &context().with_detected_labels(detected));
    let names: Vec<&str> = found.matching.iter().map(|workflow| workflow.name.as_str()).collect();
    assert_eq!(names, ["d-git", "b-stateless", "c-plain", "e-unknown", "a-flux"]);
    assert_eq!(found.remarks["a-flux"], ["requires gitOpsTool=flux, detected was argocd"]);
    assert_eq!((found.remarks.len(), found.excluded.len()), (1, 0));
}
