//! Whatever is said: no panic, and what is accepted keeps its promises (investigation §10 item 14).

use proptest::prelude::*;

use super::*;

fn check_stated(stated: &Stated) {
    assert!(stated.confidence.is_none_or(|confidence| (0.0..=1.0).contains(&confidence)), "{stated:?}");
    assert!(stated.notes.len() <= 16, "{stated:?}");
}

fn is_said(text: &str) -> bool {
    !text.trim().is_empty()
}

fn check_rca(answer: &RcaAnswer) {
    check_stated(&answer.stated);
    assert!(is_said(&answer.summary));
    assert!(answer.target.as_ref().is_none_or(|target| is_said(&target.kind) && is_said(&target.name)));
    assert!(answer.target.is_none() || answer.target_problem.is_none());
    assert!(answer.target.is_some() || answer.target_problem.is_some() || answer.stated.outcome != Outcome::None);
    let is_complete = |claim: &Claim| is_said(&claim.statement) && is_said(&claim.result_id) && is_said(&claim.quote);
    assert!(answer.claims.iter().all(is_complete));
}

fn check_selection(answer: &SelectionAnswer) {
    check_stated(&answer.stated);
    let chosen = match &answer.choice {
        Choice::Workflow(workflow) => Some(&workflow.workflow_id),
        Choice::NoWorkflow(_) => None,
    };
    assert!(chosen.is_none_or(|id| is_said(id)));
    assert!(answer.alternatives.len() <= 3);
    for alternative in &answer.alternatives {
        assert!(is_said(&alternative.workflow_id) && is_said(&alternative.rationale));
        assert!((0.0..=1.0).contains(&alternative.confidence));
        assert_ne!(Some(&alternative.workflow_id), chosen);
    }
    answer.root_cause.iter().for_each(|root_cause| check_rca(root_cause));
}

fn check_text(text: &str) {
    if let Ok(answer) = rca_from_text(text) {
        check_rca(&answer);
    }
    if let Ok(answer) = selection_from_text(text) {
        check_selection(&answer);
    }
    if let Ok(arguments) = serde_json::from_str::<Map<String, Value>>(text) {
        if let Ok(answer) = rca_from_arguments(&arguments) {
            check_rca(&answer);
        }
        for tool in SubmitTool::ALL {
            if let Ok(answer) = selection_from_arguments(tool, &arguments) {
                check_selection(&answer);
            }
        }
    }
}

/// Answers as models give them.
fn realistic() -> Vec<String> {
    let (rca, selection) = (rca_answer(), selection_answer());
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    let none = json!({"reasoning": "nothing fits", "investigation_outcome": "no_matching_workflow", "confidence": "40%",
        "considered_workflows": [{"workflow_id": "a", "reason_rejected": "wrong kind"}]});
    let flat = json!({"rca_summary": "it broke", "severity": "low", "confidence": 85, "workflow_id": "w", "parameters": [
        {"name": "A", "value": 1}]});
    let camel = json!({"rootCauseAnalysis": {"summary": "s", "affectedResource": {"kind": "Pod", "name": "p"}},
        "investigationOutcome": "Resolved", "needsHumanReview": "true", "humanReviewReason": "low_confidence"});
    let five = json!({"selected_workflow": "4f1a", "confidence": -1, "alternative_workflows": [
        {"workflow_id": "a"}, {"workflow_id": "4f1a"}, "c", null, {"workflow_id": "d", "confidence": 7}, {"workflow_id": "e"}]});
    vec![
        pretty(&rca),
        rca.to_string(),
        format!("```json\n{}\n```", pretty(&rca)),
        format!("Text.\n\n```\n{rca}\n```\nMore {{text}}."),
        format!("```json\n{rca}\n```\n```json\n{selection}\n```"),
        format!("[{rca}]"),
        Value::String(rca.to_string()).to_string(),
        Value::String(Value::String(selection.to_string()).to_string()).to_string(),
        pretty(&selection),
        format!("I'd take {selection} here"),
        format!("# root_cause_analysis\n{}\n\n# confidence\n0.9\n\n# selected_workflow\n{}\n", root_cause(), selection["selected_workflow"]),
        "# selected_workflow\nNone\n# alternative_workflows\n[]\n# needs_human_review\ntrue\n# human_review_reason\nlow_confidence".to_owned(),
        "**Root cause analysis:** {'summary': 'it\\'s full', 'severity': 'critical'}\n**Confidence:** 95 %\n".to_owned(),
        "{'root_cause_analysis': {'summary': \"it's\", 'remediation_target': None,}, 'actionable': False, # no\n}".to_owned(),
        pretty(&none),
        none.to_string(),
        flat.to_string(),
        camel.to_string(),
        five.to_string(),
        json!({"name": "submit_result_no_workflow", "arguments": none.to_string()}).to_string(),
        json!({"selected_workflow": null, "root_cause_analysis": root_cause(), "confidence": null}).to_string(),
        "{// c\n\"selected_workflow\": {\"workflow_id\": \"\\u0041\\ud83d\\ude00\", \"parameters\": null}}".to_owned(),
    ]
}

#[derive(Debug, Clone)]
enum Mutation {
    Delete(usize, usize),
    Double(usize, usize),
    Cut(usize),
    Insert(usize, String),
    Swap(usize, char),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || 0..2_000_usize;
    prop_oneof![
        (at(), 1..80_usize).prop_map(|(at, length)| Mutation::Delete(at, length)),
        (at(), 1..200_usize).prop_map(|(at, length)| Mutation::Double(at, length)),
        at().prop_map(Mutation::Cut),
        (at(), r#"[\[\]{}:,'"\\#/*%`\n]{1,6}|null|None|```json|-1e9|"" "#)
            .prop_map(|(at, text)| Mutation::Insert(at, text)),
        (at(), any::<char>()).prop_map(|(at, letter)| Mutation::Swap(at, letter)),
    ]
}

fn mutated(text: &str, mutations: &[Mutation]) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for mutation in mutations {
        let length = letters.len();
        let place = |at: usize| at % (length + 1);
        match mutation {
            Mutation::Delete(at, many) => _ = letters.drain(place(*at)..(place(*at) + many).min(length)),
            Mutation::Double(at, many) => {
                let part = letters[place(*at)..(place(*at) + many).min(length)].to_vec();
                letters.splice(place(*at)..place(*at), part);
            }
            Mutation::Cut(at) => letters.truncate(place(*at).max(1)),
            Mutation::Insert(at, text) => _ = letters.splice(place(*at)..place(*at), text.chars()),
            Mutation::Swap(at, letter) => {
                if let Some(slot) = letters.get_mut(place(*at)) {
                    *slot = *letter;
                }
            }
        }
    }
    letters.into_iter().collect()
}

#[test]
fn realistic_answers_are_answers() {
    for text in realistic() {
        assert!(rca_from_text(&text).is_ok() || selection_from_text(&text).is_ok(), "{text}");
        check_text(&text);
    }
}

const CASES: u32 = 4_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn damaged_answers(
        text in prop::sample::select(realistic()),
        mutations in prop::collection::vec(mutation(), 1..5),
    ) {
        check_text(&mutated(&text, &mutations));
    }

    #[test]
    fn anything(text in any::<String>(), noise in r#"([\[\]{}:,'"`\\#*\n 0-9%.]|null|confidence|summary|workflow_id|selected_workflow|severity|```json|é){0,60}"#) {
        check_text(&text);
        check_text(&noise);
    }
}

/// Long texts made of beginnings end in a problem; `shapes::tests` counts the work.
#[test]
fn hostile_texts_end() {
    const REPEATS: usize = 20_000;
    for part in [
        "{",
        "{\"a\":",
        "{a:1,#",
        "{'{\"",
        "{\"a\":[",
        "```json {",
        "# confidence {",
        "{\"severity\":",
        "[{",
        "\\\"{",
        "{a:'{b:\"",
    ] {
        let text = part.repeat(REPEATS);
        assert!(rca_from_text(&text).is_err(), "{part}");
        assert!(selection_from_text(&text).is_err(), "{part}");
    }
}
