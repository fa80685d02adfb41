//! Rendering row by row: member order, presence, invariants, vocabularies.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{
    AlternativeWorkflow as Alternative, CauseClass, Engine, Evidence, ResourceRef, RootCause, SelectedWorkflow,
    Severity, ValidationAttempt as Attempt,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn investigation() -> Investigation {
    let target = ResourceRef::namespaced("Deployment", "checkout", "cart-api");
    let parameters = json!({ "CONTAINER_NAME": "cart", "MEMORY_LIMIT_NEW": "512Mi" });
    Investigation {
        incident_id: "aia-cart-api-7f3c".into(),
        analysis: "The limit is 256Mi. The cache needs about 410Mi.".into(),
        root_cause: RootCause {
            summary: "Memory limit below working set".into(),
            severity: Severity::Medium,
            signal_name: Some("OOMKilled".into()),
            cause_class: Some(CauseClass::MemoryLimit),
            contributing_factors: vec!["limits.memory=256Mi".into()],
            evidence: vec![Evidence::field("the kernel killed it", target.clone(), "status.reason", "OOMKilled")],
            target: Some(target),
            causal_chain: vec!["limit below need".into(), "killed".into()],
            due_diligence: Default::default(),
        },
        selected_workflow: Some(SelectedWorkflow {
            workflow_id: "0f6a5a0c".into(),
            workflow_name: "memory-bump".into(),
            action_type: "IncreaseMemoryLimits".into(),
            version: "1.4.0".into(),
            execution_bundle: Some("quay.io/acme/wf@sha256:9f".into()),
            execution_bundle_digest: Some("sha256:9f".into()),
            execution_engine: "tekton".into(),
            service_account_name: None,
            engine_config: None,
            confidence: 0.91,
            rationale: "Matches".into(),
            parameters: parameters.as_object().unwrap().clone(),
        }),
        confidence: 0.1 + 0.2,
        completed_at: at("2026-04-12T09:15:22.987654321Z"),
        review: None,
        actionable: None,
        warnings: vec![],
        alternatives: vec![],
        validation_attempts: vec![],
        engine: Engine::Analyser { because: None },
        excluded: vec![],
        not_checked: vec![],
        detected_labels: None,
        confidence_basis: None,
    }
}

/// `investigation()` changed by `change`, rendered for released clients.
fn rendered(change: impl FnOnce(&mut Investigation)) -> Value {
    rendered_for(RequestShape::April, change)
}

fn rendered_for(shape: RequestShape, change: impl FnOnce(&mut Investigation)) -> Value {
    let mut investigation = investigation();
    change(&mut investigation);
    serde_json::to_value(IncidentResponse::render(&investigation, shape)).unwrap()
}

#[test]
fn the_whole_answer_in_order() {
    let answer = rendered(|i| {
        i.alternatives = vec![Alternative {
            workflow_id: "5a1c".into(),
            workflow_name: "restart".into(),
            execution_bundle: None,
            confidence: 0.42,
            rationale: "frees memory for minutes".into(),
        }];
        i.validation_attempts = vec![Attempt {
            attempt: 1,
            workflow_id: Some("0f6a5a0c".into()),
            is_valid: true,
            errors: vec![],
            timestamp: at("2026-04-12T09:15:21Z"),
        }];
    });
    insta::assert_snapshot!("answer", serde_json::to_string_pretty(&answer).unwrap());
}

#[test]
fn presence() {
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let bare = rendered(|i| {
        i.selected_workflow = None;
        i.review = Some(ReviewReason::NoMatchingWorkflows);
        i.root_cause = RootCause {
            summary: String::new(),
            severity: Severity::Unknown,
            signal_name: None,
            cause_class: None,
            contributing_factors: vec![],
            target: Some(ResourceRef::cluster_scoped("Node", "worker-3").with_api_version("v1")),
            causal_chain: vec![],
            due_diligence: Default::default(),
            evidence: vec![],
        };
    });
    assert_eq!(
        names(&bare),
        [
            "incident_id",
            "analysis",
            "root_cause_analysis",
            "confidence",
            "timestamp",
            "needs_human_review",
            "human_review_reason",
            "warnings",
            "alternative_workflows",
            "validation_attempts_history"
        ]
    );
    let node = json!({ "kind": "Node", "name": "worker-3", "api_version": "v1" });
    assert_eq!(
        bare["root_cause_analysis"],
        json!({ "summary": "The limit is 256Mi.", "severity": "unknown", "contributing_factors": [],
                "remediationTarget": node, "affectedResource": node })
    );
    assert_eq!(rendered(|i| i.analysis = " ".into())["analysis"], "No analysis available");
}

#[test]
fn a_review_has_a_reason_and_a_warning() {
    let with_reason = |shape, reason| rendered_for(shape, |i| i.review = Some(reason));
    let plain = with_reason(RequestShape::April, ReviewReason::RcaIncomplete);
    assert_eq!(plain["human_review_reason"], "rca_incomplete");
    assert_eq!(plain["warnings"], json!(["Human review required: rca_incomplete"]));
    assert!(plain.get("selected_workflow").is_some(), "review alone does not remove a workflow");

    let january = with_reason(RequestShape::January, ReviewReason::RcaIncomplete);
    assert_eq!(january["human_review_reason"], "investigation_inconclusive");
    assert_eq!(january["warnings"], json!(["Human review required: rca_incomplete"]));

    let given = rendered(|i| {
        i.review = Some(ReviewReason::LowConfidence);
        i.warnings = vec!["because".into(), "  ".into()];
    });
    assert_eq!(given["warnings"], json!(["because"]));
    assert!(rendered(|_| {}).get("human_review_reason").is_none());
}

#[test]
fn every_reason_has_its_name_on_the_wire() {
    use ReviewReason as R;
    for reason in [
        R::WorkflowNotFound,
        R::ImageMismatch,
        R::ParameterValidationFailed,
        R::NoMatchingWorkflows,
        R::LowConfidence,
        R::LlmParsingError,
        R::InvestigationInconclusive,
        R::RcaIncomplete,
    ] {
        assert_eq!(rendered(|i| i.review = Some(reason))["human_review_reason"], reason.as_str());
    }
}

#[test]
fn not_actionable_runs_nothing() {
    let quiet = rendered(|i| i.actionable = Some(false));
    assert_eq!(quiet["is_actionable"], false);
    assert_eq!(quiet["needs_human_review"], false);
    assert!(quiet.get("selected_workflow").is_none());
    assert_eq!(quiet["warnings"], json!([NOT_ACTIONABLE]));
    assert_eq!(quiet["confidence"], 0.8);

    let contradiction = rendered(|i| {
        i.actionable = Some(false);
        i.review = Some(ReviewReason::InvestigationInconclusive);
        i.warnings = vec![NOT_ACTIONABLE.into(), "two minds".into()];
    });
    assert!(contradiction.get("is_actionable").is_none());
    assert_eq!(contradiction["needs_human_review"], true);
    assert_eq!(contradiction["warnings"], json!(["two minds"]));
    assert!(rendered(|i| i.actionable = Some(true)).get("is_actionable").is_none());
}

#[test]
fn resolved_runs_nothing() {
    let resolved = rendered(|i| i.warnings = vec![SELF_RESOLVED.into()]);
    assert!(resolved.get("selected_workflow").is_none());
    assert_eq!(resolved["needs_human_review"], false);
    assert!(resolved.get("is_actionable").is_none());
}

#[test]
fn no_workflow_and_no_reason_never_reads_as_resolved() {
    for change in [
        (|i: &mut Investigation| i.selected_workflow = None) as fn(&mut Investigation),
        |i| i.selected_workflow.as_mut().unwrap().workflow_id = " ".into(),
        |i| i.selected_workflow.as_mut().unwrap().execution_engine = "jenkins".into(),
    ] {
        let answer = rendered(change);
        assert!(answer.get("selected_workflow").is_none());
        assert_eq!(answer["needs_human_review"], true);
        assert!(!answer["warnings"].as_array().unwrap().is_empty());
    }
}

#[test]
fn workflow_details() {
    let workflow = |change: fn(&mut SelectedWorkflow)| {
        rendered(|i| change(i.selected_workflow.as_mut().unwrap()))["selected_workflow"].clone()
    };
    assert_eq!(workflow(|w| w.confidence = 0.0)["confidence"], 0.3, "filled from the top level");
    assert_eq!(workflow(|w| w.execution_engine = "Job".into())["execution_engine"], "job");
    assert!(workflow(|w| w.execution_engine = String::new()).get("execution_engine").is_none());
    assert_eq!(workflow(|w| w.engine_config = Some(json!({ "a": null })))["engine_config"], json!({ "a": null }));
}

#[test]
fn attempts_fit_the_consumer() {
    let attempt = |attempt, workflow_id: Option<&str>| Attempt {
        attempt,
        workflow_id: workflow_id.map(str::to_owned),
        is_valid: false,
        errors: vec!["x".into()],
        timestamp: at("2026-04-12T09:15:21Z"),
    };
    let answer = rendered(|i| {
        i.validation_attempts =
            vec![attempt(7, None), attempt(8, Some("b")), attempt(9, Some("c")), attempt(9, Some("d"))];
    });
    let history = answer["validation_attempts_history"].as_array().unwrap();
    let seen: Vec<_> = history.iter().map(|entry| (entry["attempt"].as_u64(), entry["workflow_id"].as_str())).collect();
    assert_eq!(seen, [(Some(1), Some("b")), (Some(2), Some("c")), (Some(3), Some("d"))]);
}

#[test]
fn vocabularies_by_shape() {
    use SeverityVocabulary::{Auto, V1, V2};
    let severity = |shape, setting| {
        IncidentResponse::render_with(&investigation(), shape, setting).root_cause_analysis["severity"].clone()
    };
    for (shape, setting, expected) in [
        (RequestShape::April, Auto, "medium"),
        (RequestShape::January, Auto, "medium"),
        (RequestShape::Successor, Auto, "medium"),
        (RequestShape::LateSuccessor, Auto, "warning"),
        (RequestShape::LateSuccessor, V1, "medium"),
        (RequestShape::April, V2, "warning"),
    ] {
        assert_eq!(severity(shape, setting), expected, "{shape:?} {setting:?}");
    }
}

#[test]
fn january_consumers_must_not_take_a_review_for_resolved() {
    let answer = rendered_for(RequestShape::January, |i| {
        i.selected_workflow = None;
        i.confidence = 0.95;
    });
    assert_eq!(answer["confidence"], 0.69);
    assert_eq!(rendered_for(RequestShape::January, |i| i.confidence = 0.95)["confidence"], 0.95);
}

#[test]
fn stand_ins_for_results() {
    let now = at("2026-04-12T09:15:22Z");
    let failed = serde_json::to_value(IncidentResponse::of_failure("i", "llm_timeout: no answer", now)).unwrap();
    assert_eq!(
        failed,
        json!({
            "incident_id": "i", "analysis": "Investigation failed: llm_timeout: no answer",
            "root_cause_analysis": { "summary": "Investigation failed: llm_timeout: no answer", "severity": "unknown",
                                     "contributing_factors": [] },
            "confidence": 0.0, "timestamp": "2026-04-12T09:15:22Z", "needs_human_review": true,
            "human_review_reason": "investigation_inconclusive",
            "warnings": ["Human review required: investigation_failed"],
            "alternative_workflows": [], "validation_attempts_history": []
        })
    );
    let reason = |shape| IncidentResponse::of_cancellation("i", shape, now).human_review_reason.unwrap();
    assert_eq!(reason(RequestShape::LateSuccessor), HumanReviewReason::OperatorEscalation);
    assert_eq!(reason(RequestShape::Successor), HumanReviewReason::InvestigationInconclusive);
}

fn any_investigation() -> impl Strategy<Value = (Investigation, RequestShape)> {
    let reasons = proptest::option::of(proptest::sample::select(vec![
        ReviewReason::RcaIncomplete,
        ReviewReason::NoMatchingWorkflows,
        ReviewReason::InvestigationInconclusive,
    ]));
    let warnings = proptest::collection::vec(
        proptest::sample::select(vec!["", NOT_ACTIONABLE, SELF_RESOLVED, NO_WORKFLOWS, "other"]),
        0..3,
    );
    let shapes = proptest::sample::select(vec![
        RequestShape::January,
        RequestShape::April,
        RequestShape::Successor,
        RequestShape::LateSuccessor,
    ]);
    let ids = proptest::option::of(proptest::sample::select(vec!["", "wf"]));
    let actionable = proptest::option::of(any::<bool>());
    (reasons, warnings, shapes, ids, actionable, any::<f64>()).prop_map(
        |(review, warnings, shape, id, actionable, confidence)| {
            let mut investigation = investigation();
            investigation.review = review;
            investigation.warnings = warnings.into_iter().map(str::to_owned).collect();
            investigation.actionable = actionable;
            investigation.confidence = confidence;
            match id {
                Some(id) => investigation.selected_workflow.as_mut().unwrap().workflow_id = id.to_owned(),
                None => investigation.selected_workflow = None,
            }
            (investigation, shape)
        },
    )
}

proptest! {
    #[test]
    fn invariants_hold_whatever_arrives((investigation, shape) in any_investigation()) {
        let answer = IncidentResponse::render(&investigation, shape);
        let has = |text: &str| answer.warnings.iter().any(|warning| warning == text);
        prop_assert_eq!(answer.needs_human_review, answer.human_review_reason.is_some());
        prop_assert!(!answer.needs_human_review || !answer.warnings.is_empty());
        prop_assert!((0.0..=1.0).contains(&answer.confidence));
        prop_assert!(answer.warnings.iter().all(|warning| !warning.is_empty()));
        if answer.is_actionable == Some(false) {
            prop_assert!(answer.selected_workflow.is_none() && !answer.needs_human_review);
            prop_assert!(has(NOT_ACTIONABLE) && answer.confidence >= 0.8);
        }
        if has(SELF_RESOLVED) {
            prop_assert!(answer.selected_workflow.is_none() && !answer.needs_human_review);
        }
        if let Some(workflow) = &answer.selected_workflow {
            prop_assert!(!workflow["workflow_id"].as_str().unwrap().is_empty() && workflow.contains_key("confidence"));
        } else {
            prop_assert!(answer.needs_human_review || answer.is_actionable == Some(false) || has(SELF_RESOLVED));
        }
        prop_assert!(answer.is_actionable != Some(true));
        if shape == RequestShape::January {
            prop_assert!(answer.human_review_reason != Some(HumanReviewReason::RcaIncomplete));
        }
        prop_assert!(shape == RequestShape::LateSuccessor || answer.human_review_reason != Some(HumanReviewReason::OperatorEscalation));
    }
}

#[test]
fn nothing_hidden_and_nothing_endless_leaves() {
    let hidden = "a\u{1b}[31mb\u{202e}c\u{0}\u{200b}d";
    let answer = rendered(|i| {
        i.analysis = format!("{hidden}{}", "x".repeat(1 << 20));
        i.root_cause.summary = hidden.into();
        i.root_cause.contributing_factors = vec![hidden.into()];
        i.root_cause.evidence[0].claim = hidden.into();
        i.warnings = vec![hidden.into(), "\u{200b}".into()];
        i.selected_workflow.as_mut().unwrap().rationale = hidden.into();
    });
    assert!(answer["analysis"].as_str().unwrap().starts_with("abcdxxx"));
    assert_eq!(answer["warnings"], json!(["abcd"]));
    for text in ["/root_cause_analysis/summary", "/root_cause_analysis/contributing_factors/0"] {
        assert_eq!(answer.pointer(text).unwrap(), "abcd");
    }
    assert_eq!(answer["root_cause_analysis"]["evidence"][0]["claim"], "abcd");
    assert_eq!(answer["selected_workflow"]["rationale"], "abcd");
    assert!(answer.to_string().len() < 100_000);
}
