//! The rows of the normalisation table about the workflow (investigation §5.3).

use super::*;

#[test]
fn what_is_selected() {
    for (value, expected) in [
        (json!({"workflow_id": " w "}), Some("w")),
        (json!({"id": 7}), Some("7")),
        (json!("w"), Some("w")),
        (json!("{\"workflow_id\": \"w\"}"), Some("w")),
        (json!([{"workflow_id": "w"}]), Some("w")),
        (json!(null), None),
        (json!({}), None),
        (json!({"workflow_id": " "}), None),
        (json!({"workflow_id": null, "rationale": "x"}), None),
        (json!(""), None),
        (json!("None"), None),
        (json!("null"), None),
        (json!("None of them fits"), None),
        (json!("nonesuch"), Some("nonesuch")),
        (json!("none-of-these"), Some("none-of-these")),
        (json!([]), None),
    ] {
        let answer = selection(json!({"selected_workflow": value, "confidence": 0.5}));
        match (&answer.choice, expected) {
            (Choice::Workflow(workflow), Some(id)) => assert_eq!(workflow.workflow_id, id),
            (Choice::NoWorkflow(_), None) => {}
            other => panic!("{value}: {other:?}"),
        }
    }
    for (value, part) in [
        (json!({"rationale": "x"}), "workflow_id is missing"),
        (json!(7), "not a number"),
        (json!("the restart workflow"), "not text"),
        (json!([{"workflow_id": "a"}, {"workflow_id": "b"}]), "not a list"),
    ] {
        let given = arguments(json!({"selected_workflow": value}));
        let problem = selection_from_arguments(SubmitTool::WithWorkflow, &given).unwrap_err();
        assert!(problem.sentence.contains(part), "{problem}");
    }
}

#[test]
fn parameters_in_every_form() {
    for (value, expected) in [
        (json!({"A": 1, "B": [2]}), json!({"A": 1, "B": [2]})),
        (json!(null), json!({})),
        (json!("{\"A\": 1}"), json!({"A": 1})),
        (json!([{"name": "A", "value": 1}, {"key": "B", "value": null}]), json!({"A": 1, "B": null})),
        (json!([{"A": 1}, {"B": "x"}, 7]), json!({"A": 1, "B": "x"})),
        (json!("none"), json!({})),
        (json!("-x 1"), json!({})),
        (json!([]), json!({})),
    ] {
        let mut answer = selection_answer();
        answer["selected_workflow"]["parameters"] = value;
        assert_eq!(Value::Object(workflow(&selection(answer)).parameters.clone()), expected);
    }
    let mut answer = selection_answer();
    answer["selected_workflow"].as_object_mut().unwrap().shift_remove("parameters");
    assert!(workflow(&selection(answer)).parameters.is_empty());
}

#[test]
fn alternatives_in_every_form() {
    let ids = |value: Value| {
        let mut answer = selection_answer();
        answer["alternative_workflows"] = value;
        let alternatives = selection(answer).alternatives;
        alternatives.into_iter().map(|other| (other.workflow_id, other.confidence, other.rationale)).collect::<Vec<_>>()
    };
    let plain = |id: &str| (id.to_owned(), 0.0, "Alternative workflow option".to_owned());
    for (value, expected) in [
        (json!(null), vec![]),
        (json!([]), vec![]),
        (json!([{"workflow_id": "a", "confidence": null, "rationale": null}]), vec![plain("a")]),
        (json!([{"rationale": "no id"}, {"workflow_id": " "}, null, {"workflow_id": "b"}]), vec![plain("b")]),
        (json!([{"workflow_id": "4f1a"}, {"workflow_id": "c"}]), vec![plain("c")]),
        (json!({"workflow_id": "a"}), vec![plain("a")]),
        (json!(["a", "b"]), vec![plain("a"), plain("b")]),
        (json!("None"), vec![]),
        (json!([{"workflow_id": "a", "confidence": "30%", "rationale": "r"}]), vec![("a".into(), 0.3, "r".into())]),
        (json!(["d", "c", "4f1a", "b", "a"]), vec![plain("d"), plain("c"), plain("b")]),
    ] {
        assert_eq!(ids(value), expected);
    }
}

#[test]
fn no_workflow_says_why() {
    let given = json!({"reasoning": "nothing fits", "investigation_outcome": "no_matching_workflow", "confidence": 0.6,
        "considered_workflows": [{"workflow_id": "a", "reason_rejected": "wrong kind"}, "b", {"reason": "no id"}],
        "selected_workflow": {"workflow_id": "x"}});
    let answer = selection_from_arguments(SubmitTool::NoWorkflow, &arguments(given)).unwrap();
    let considered = |id: &str, reason: &str| Considered { workflow_id: id.to_owned(), reason: reason.to_owned() };
    let expected = NoWorkflow {
        reasoning: "nothing fits".to_owned(),
        considered: vec![considered("a", "wrong kind"), considered("b", "")],
    };
    assert_eq!(no_workflow(&answer), &expected);
    assert_eq!((answer.stated.outcome, answer.stated.confidence), (Outcome::None, Some(0.6)));
    assert_eq!(answer.stated.unknown_outcome, None);
    assert_eq!(answer.stated.notes, ["a workflow was named in submit_result_no_workflow and ignored"]);
    assert!(selection_from_arguments(SubmitTool::NoWorkflow, &Map::new()).is_err());
    let resolved = json!({"investigation_outcome": "Resolved"});
    let answer = selection_from_arguments(SubmitTool::NoWorkflow, &arguments(resolved)).unwrap();
    assert_eq!(answer.stated.outcome, Outcome::Resolved);
}

#[test]
fn silence_about_the_workflow() {
    for (answer, is_answer) in [
        (json!({"root_cause_analysis": root_cause(), "confidence": 0.9}), true),
        (json!({"investigation_outcome": "resolved", "confidence": 0.9}), true),
        (json!({"investigation_outcome": "no matching workflows"}), true),
        (json!({"reasoning": "nothing fits"}), true),
        (json!({"needs_human_review": true}), true),
        (json!({"actionable": false}), true),
        (json!({"investigation_outcome": "actionable", "confidence": 0.9}), false),
        (json!({"severity": "high", "confidence": 0.9}), false),
        (json!({"alternative_workflows": [{"workflow_id": "a"}]}), false),
        (json!({"validation_attempts_history": [{"workflow_id": "a", "severity": "low"}]}), false),
        (json!({"confidence": 0.9}), false),
    ] {
        assert_eq!(selection_from_text(&answer.to_string()).is_ok(), is_answer, "{answer}");
        assert!(selection_from_arguments(SubmitTool::WithWorkflow, &arguments(answer)).is_err());
    }
    no_workflow(&selection_from_text(&json!({"workflow_id": null, "confidence": 0.9}).to_string()).unwrap());
}
