//! Every row of the normalisation table (investigation §5.3–§5.5).

use super::*;
use crate::domain::{ReviewReason, Severity};

/// The answer with one member replaced, at the top or inside the root cause.
fn with(path: &str, value: Value) -> Value {
    let mut answer = rca_answer();
    *answer.pointer_mut(path).unwrap() = value;
    answer
}

fn without(path: &str) -> Value {
    let mut answer = rca_answer();
    let (parent, name) = path.rsplit_once('/').unwrap();
    answer.pointer_mut(parent).unwrap().as_object_mut().unwrap().shift_remove(name).unwrap();
    answer
}

#[test]
fn a_complete_root_cause() {
    let answer = rca(rca_answer());
    let expected = RcaAnswer {
        summary: "cart-api is killed at its memory limit".to_owned(),
        signal_name: Some("OOMKilled".to_owned()),
        contributing_factors: vec!["limit of 64Mi".to_owned(), "traffic doubled".to_owned()],
        target: Some(TargetClaim {
            kind: "Deployment".to_owned(),
            name: "cart-api".to_owned(),
            namespace: Some("checkout".to_owned()),
            api_version: Some("apps/v1".to_owned()),
        }),
        target_problem: None,
        analysis: Some("The container ends with exit code 137.".to_owned()),
        causal_chain: ["traffic doubled", "memory reached the limit", "the kernel killed the process"]
            .map(str::to_owned)
            .to_vec(),
        due_diligence: [("causal_completeness", "complete"), ("target_accuracy", "owner checked")]
            .map(|(topic, said)| (topic.to_owned(), said.to_owned()))
            .into(),
        claims: vec![Claim {
            statement: "it was killed".to_owned(),
            result_id: "call_3".to_owned(),
            quote: "exit code: 137".to_owned(),
        }],
        stated: Stated {
            confidence: Some(0.92),
            severity: Some(Severity::High),
            actionable: Some(true),
            ..Stated::default()
        },
    };
    assert_eq!(answer, expected);
}

#[test]
fn confidence_in_every_form() {
    for (value, expected, notes) in [
        (json!(0.5), Some(0.5), 0),
        (json!(1), Some(1.0), 0),
        (json!(0), Some(0.0), 0),
        (json!("0.5"), Some(0.5), 0),
        (json!("50%"), Some(0.5), 0),
        (json!(" 50 % "), Some(0.5), 0),
        (json!(85), Some(0.85), 1),
        (json!("85"), Some(0.85), 1),
        (json!(1.5), Some(1.0), 1),
        (json!(250), Some(1.0), 1),
        (json!("150%"), Some(1.0), 1),
        (json!(-0.5), Some(0.0), 1),
        (json!("high"), None, 1),
        (json!("NaN"), None, 1),
        (json!("inf"), None, 1),
        (json!(true), None, 1),
        (json!([0.5]), None, 1),
        (json!(null), None, 0),
    ] {
        let stated = rca(with("/confidence", value.clone())).stated;
        assert_eq!((stated.confidence, stated.notes.len()), (expected, notes), "{value}: {:?}", stated.notes);
    }
}

#[test]
fn confidence_from_the_next_place() {
    let mut answer = without("/confidence");
    assert_eq!(rca(answer.clone()).stated.confidence, None);
    answer["root_cause_analysis"]["confidence"] = json!(0.4);
    assert_eq!(rca(answer.clone()).stated.confidence, Some(0.4));
    answer["selected_workflow"] = json!({"workflow_id": "w", "confidence": "60%"});
    let stated = rca(answer).stated;
    assert_eq!(stated.confidence, Some(0.6));
    assert_eq!(stated.notes, ["selected_workflow is not part of this step and was ignored"]);

    let mut answer = selection_answer();
    answer["confidence"] = json!("unsure");
    answer["selected_workflow"]["confidence"] = json!("70%");
    assert_eq!(selection(answer.clone()).stated.confidence, Some(0.7));
    answer["confidence"] = json!(0.2);
    let stated = selection(answer).stated;
    assert_eq!(stated.confidence, Some(0.2));
    assert_eq!(stated.notes, ["confidence is 0.2 at the top and 0.7 in selected_workflow; the top counts"]);
}

#[test]
fn the_root_cause_itself() {
    let nested = Value::String(Value::String(root_cause().to_string()).to_string());
    assert_eq!(rca(with("/root_cause_analysis", nested)), rca(rca_answer()));
    for (answer, part) in [
        (with("/root_cause_analysis", json!("it broke")), "must be an object, not text"),
        (with("/root_cause_analysis", json!([root_cause()])), "must be an object, not a list"),
        (with("/root_cause_analysis", json!(7)), "must be an object, not a number"),
        (with("/root_cause_analysis", json!({})), "summary is missing"),
        (with("/root_cause_analysis/summary", json!(" ")), "summary is missing"),
        (with("/root_cause_analysis/summary", json!(null)), "summary is missing"),
        (json!({}), "summary is missing"),
        (json!({"confidence": 0.9}), "summary is missing"),
    ] {
        let problem = rca_from_arguments(&arguments(answer)).unwrap_err();
        assert!(problem.sentence.contains(part), "{problem}");
    }
}

#[test]
fn members_beside_instead_of_inside() {
    let mut flat = root_cause();
    flat["confidence"] = json!(0.8);
    assert_eq!(rca_from_text(&flat.to_string()).unwrap().target, rca(rca_answer()).target);
    let flat = json!({"rca_summary": "it broke", "affectedResource": {"kind": "Pod", "name": "p"}});
    let answer = rca_from_text(&flat.to_string()).unwrap();
    assert_eq!((answer.summary.as_str(), answer.target.unwrap().name.as_str()), ("it broke", "p"));
    let beside = json!({"root_cause_analysis": {"summary": "it broke"}, "remediation_target": {"kind": "Pod", "name": "p"},
        "causal_chain": ["a"], "signal_name": "S"});
    let answer = rca(beside);
    assert_eq!((answer.target.unwrap().kind.as_str(), answer.causal_chain.len()), ("Pod", 1));
    assert_eq!(answer.signal_name.as_deref(), Some("S"));
}

#[test]
fn spellings_of_names() {
    for name in
        ["remediationTarget", "remediation_target", "affectedResource", "affected_resource", "Remediation Target"]
    {
        let answer = json!({"rootCauseAnalysis": {"Summary": "s", (name): {"Kind": "Pod", "name": "p", "apiVersion": "v1"},
            "contributingFactors": "one", "causalChain": ["a"]}, "investigationOutcome": "benign", "canRecover": "true"});
        let answer = rca(answer);
        let target = answer.target.unwrap();
        assert_eq!((target.kind.as_str(), target.api_version.as_deref()), ("Pod", Some("v1")), "{name}");
        assert_eq!(answer.contributing_factors, ["one"]);
        assert_eq!((answer.stated.outcome, answer.stated.can_recover), (Outcome::NotActionable, Some(true)));
    }
    let twice = json!({"root_cause_analysis": null, "rootCauseAnalysis": {"summary": "s"}, "Confidence": null, "confidence": 1});
    assert_eq!(rca(twice).stated.confidence, Some(1.0));
    let answer = json!({"selectedWorkflow": {"workflowId": "w", "actionType": "Restart", "containerImage": "x:1"},
        "alternativeWorkflows": [{"workflowID": "v"}]});
    let answer = selection(answer);
    let chosen = workflow(&answer);
    assert_eq!((chosen.workflow_id.as_str(), chosen.action_type.as_deref()), ("w", Some("Restart")));
    assert_eq!(chosen.execution_bundle.as_deref(), Some("x:1"));
    assert_eq!(answer.alternatives[0].workflow_id, "v");
}

#[test]
fn severity_of_either_vocabulary_and_place() {
    for (nested, top, expected, notes) in [
        (json!("HIGH"), json!(null), Some(Severity::High), 0),
        (json!("warning"), json!(null), Some(Severity::Medium), 0),
        (json!("info"), json!(null), Some(Severity::Low), 0),
        (json!("unknown"), json!(null), Some(Severity::Unknown), 0),
        (json!(null), json!("critical"), Some(Severity::Critical), 0),
        (json!("low"), json!("low"), Some(Severity::Low), 0),
        (json!("low"), json!("critical"), Some(Severity::Low), 1),
        (json!("sev1"), json!("critical"), Some(Severity::Critical), 1),
        (json!("sev1"), json!(null), None, 1),
        (json!(null), json!(null), None, 0),
    ] {
        let mut answer = with("/root_cause_analysis/severity", nested);
        answer["severity"] = top;
        let stated = rca(answer.clone()).stated;
        assert_eq!((stated.severity, stated.notes.len()), (expected, notes), "{answer}");
    }
}

#[test]
fn factors_and_chains_in_every_form() {
    for (value, expected) in [
        (json!(["a", " ", "b", null, 3]), vec!["a", "b", "3"]),
        (json!("only one"), vec!["only one"]),
        (json!("[\"a\", \"b\"]"), vec!["a", "b"]),
        (json!([{"factor": "a", "weight": 1}, {"x": 1}]), vec!["a", "{\"x\":1}"]),
        (json!(null), vec![]),
        (json!([]), vec![]),
    ] {
        assert_eq!(
            rca(with("/root_cause_analysis/contributing_factors", value.clone())).contributing_factors,
            expected
        );
        assert_eq!(rca(with("/root_cause_analysis/causal_chain", value)).causal_chain, expected);
    }
    let many: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    assert_eq!(rca(with("/root_cause_analysis/causal_chain", json!(many))).causal_chain.len(), 40);
}

#[test]
fn targets_whole_and_partial() {
    for (value, expected) in [
        (json!({"kind": " Node ", "name": "n1", "namespace": ""}), Ok(("Node", "n1", None))),
        (json!({"kind": "Node", "name": "n1", "namespace": "N/A"}), Ok(("Node", "n1", None))),
        (json!({"kind": "Node", "name": 7, "namespace": null}), Ok(("Node", "7", None))),
        (json!([{"kind": "Pod", "name": "p", "namespace": "a-1"}]), Ok(("Pod", "p", Some("a-1")))),
        (json!("{\"kind\": \"Pod\", \"name\": \"p\"}"), Ok(("Pod", "p", None))),
        (json!({"kind": "Pod"}), Err("remediation_target.name is missing")),
        (json!({"kind": "Pod", "name": " "}), Err("remediation_target.name is missing")),
        (json!({"name": "p", "kind": null}), Err("remediation_target.kind is missing")),
        (json!({}), Err("kind and remediation_target.name are missing")),
        (json!(null), Err("remediation_target is missing")),
        (json!("the pod"), Err("must be one object, not text")),
        (json!([]), Err("must be one object, not a list")),
    ] {
        let answer = rca(with("/root_cause_analysis/remediation_target", value.clone()));
        let target = answer.target.as_ref();
        match expected {
            Ok((kind, name, namespace)) => {
                let target = target.unwrap();
                assert_eq!((target.kind.as_str(), target.name.as_str()), (kind, name), "{value}");
                assert_eq!(target.namespace.as_deref(), namespace, "{value}");
                assert_eq!(answer.target_problem, None);
            }
            Err(part) => {
                assert_eq!(target, None);
                assert!(answer.target_problem.as_ref().is_some_and(|problem| problem.contains(part)), "{answer:?}");
            }
        }
    }
    let mut resolved = with("/root_cause_analysis/remediation_target", json!(null));
    resolved["investigation_outcome"] = json!("resolved");
    assert_eq!(rca(resolved).target_problem, None);
}

#[test]
fn outcomes() {
    for (word, actionable, outcome, unknown) in [
        (json!("Resolved"), json!(null), Outcome::Resolved, None),
        (json!(" problem-resolved "), json!(null), Outcome::Resolved, None),
        (json!("Insufficient Data"), json!(null), Outcome::Inconclusive, None),
        (json!("predictive_no_action"), json!(null), Outcome::PredictiveNoAction, None),
        (json!("problem_identified"), json!(null), Outcome::None, None),
        (json!(""), json!(null), Outcome::None, None),
        (json!(null), json!(null), Outcome::None, None),
        (json!(7), json!(null), Outcome::None, None),
        (json!("it is fine"), json!(null), Outcome::None, Some("it is fine")),
        (json!(null), json!(false), Outcome::NotActionable, None),
        (json!("actionable"), json!("False"), Outcome::NotActionable, None),
        (json!("resolved"), json!(false), Outcome::Resolved, None),
        (json!("inconclusive"), json!(false), Outcome::Inconclusive, None),
        (json!("not_actionable"), json!(true), Outcome::NotActionable, None),
    ] {
        let mut answer = with("/investigation_outcome", word);
        answer["actionable"] = actionable;
        let stated = rca(answer.clone()).stated;
        assert_eq!((stated.outcome, stated.unknown_outcome.as_deref()), (outcome, unknown), "{answer}");
    }
}

#[test]
fn resolution_is_never_read_from_prose() {
    let mut answer = with("/root_cause_analysis/summary", json!("self-resolved, no longer occurring"));
    answer["investigation_outcome"] = json!(null);
    assert_eq!(rca(answer).stated.outcome, Outcome::None);
}

#[test]
fn requests_for_review() {
    let known = Some(ReviewRequest { reason: Some(ReviewReason::NoMatchingWorkflows) });
    for (needed, reason, expected) in [
        (json!(true), json!("no_matching_workflows"), known),
        (json!("True"), json!("No Matching Workflows"), known),
        (json!(true), json!("llm_parsing_error"), Some(ReviewRequest { reason: Some(ReviewReason::LlmParsingError) })),
        (json!(true), json!("I am tired"), Some(ReviewRequest { reason: None })),
        (json!(true), json!(null), Some(ReviewRequest { reason: None })),
        (json!(false), json!("low_confidence"), None),
        (json!(null), json!("low_confidence"), Some(ReviewRequest { reason: Some(ReviewReason::LowConfidence) })),
        (json!(null), json!("the image is old"), None),
        (json!("perhaps"), json!(null), None),
    ] {
        let mut answer = rca_answer();
        answer["needs_human_review"] = needed;
        answer["human_review_reason"] = reason;
        assert_eq!(rca(answer.clone()).stated.review, expected, "{answer}");
    }
}

#[test]
fn free_text_beside_the_flag_is_searched_for_its_meaning() {
    use ReviewReason as R;
    for (text, expected) in [
        ("workflow not found in the catalogue", Some(R::WorkflowNotFound)),
        ("No matching workflow, image or parameter", Some(R::NoMatchingWorkflows)),
        ("digest mismatch", Some(R::ImageMismatch)),
        ("the parameter failed its validation", Some(R::ParameterValidationFailed)),
        ("my confidence is low", Some(R::LowConfidence)),
        ("could not parse it", Some(R::LlmParsingError)),
        ("not found", None),
    ] {
        let mut answer = rca_answer();
        answer["needs_human_review"] = json!(true);
        answer["human_review_reason"] = json!(text);
        assert_eq!(rca(answer).stated.review, Some(ReviewRequest { reason: expected }), "{text}");
    }
}

#[test]
fn a_history_of_validations_is_read_leniently_and_its_end_kept() {
    let mut answer = rca_answer();
    answer["validation_attempts_history"] = json!([
        {"attempt": 1, "is_valid": true}, "nonsense", {"workflow_id": "w", "is_valid": "no", "errors": "one"},
        {"workflow_id": null, "errors": null, "timestamp": "2026-04-12T09:00:00Z"},
    ]);
    let attempts = rca(answer).stated.attempts;
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!((attempts[0].workflow_id.as_deref(), attempts[0].errors.len()), (Some("w"), 1));
    assert!(attempts.iter().all(|attempt| !attempt.is_valid) && attempts[1].timestamp.is_some());
}

#[test]
fn claims_by_their_aliases() {
    let expected = [Claim { statement: "s".to_owned(), result_id: "7".to_owned(), quote: "q".to_owned() }];
    for claims in [
        json!([{"claim": "s", "tool_result_id": "7", "quote": "q"}]),
        json!([{"statement": "s", "result_id": 7, "evidence": "q"}]),
        json!({"text": "s", "source": "7", "span": " q "}),
        json!("[{\"text\": \"s\", \"id\": \"7\", \"quote\": \"q\"}]"),
        json!([{"claim": "s", "tool_result_id": "7", "quote": "q"}, {"claim": "t", "quote": "q"}, "just words", null]),
    ] {
        assert_eq!(rca(with("/claims", claims)).claims, expected);
    }
    let dropped = rca(with("/claims", json!([{"claim": "t", "quote": "q"}])));
    assert_eq!(dropped.stated.notes, ["1 claims without statement, tool_result_id or quote were dropped"]);
}
