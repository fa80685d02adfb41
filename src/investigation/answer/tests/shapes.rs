//! Every shape an answer comes in (investigation §5.1, §5.2, §10 item 2).

use super::*;

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// The same value as a Python program prints it.
fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{}'", text.replace('\'', "\\'")),
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let members = map.iter().map(|(name, value)| format!("'{name}': {}", python(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

fn wrapped_in_text(value: &Value, levels: usize) -> String {
    (0..levels).fold(value.to_string(), |inner, _| Value::String(inner).to_string())
}

/// Ways to write one object down, whatever is in it.
fn shapes_of(value: &Value) -> Vec<(&'static str, String)> {
    let json = pretty(value);
    let other = "{\"apiVersion\": \"v1\", \"spec\": {\"containers\": []}}";
    vec![
        ("tagged fence", format!("Here it is:\n```json\n{json}\n```\nDone.")),
        ("tagged fence, capitals, no line break", format!("```JSON {value} ```")),
        ("two fences, the second answers", format!("```json\n{other}\n```\nand\n```json\n{json}\n```")),
        ("two fences, the first answers", format!("```json\n{json}\n```\nand\n```json\n{other}\n```")),
        ("broken fence first", format!("```json\n{{\"a\": ...}}\n```\n```json\n{json}\n```")),
        ("unclosed fence", format!("```json\n{json}")),
        ("untagged fence", format!("```\n{json}\n```")),
        ("fence of another language", format!("```python\n{}\n```", python(value))),
        ("whole text", json.clone()),
        ("whole text with blanks", format!("\n\u{feff}  {json}\n\n")),
        ("list of one", format!("[{json}]")),
        ("prose", format!("I looked at {{pod}} and it's clear: {json} That is {{all}}.")),
        ("prose with a smaller object", format!("The labels are {other}. {json} See {other}.")),
        ("unbalanced brace before", format!("a {{ b ' \" {json}")),
        ("text in JSON", wrapped_in_text(value, 1)),
        ("text in text in JSON", wrapped_in_text(value, 2)),
        ("Python", python(value)),
        ("Python in prose", format!("It's this: {}", python(value))),
        ("trailing commas", json.replace("\n}", ",\n}").replace("\"\n", "\",\n")),
        ("comments", json.replacen('{', "{ // the answer\n# it's here\n/* {\"confidence\": 1} */", 1)),
        ("wrapper", format!("{{\"final\": {json}}}")),
        ("wrapper with text", json!({"output": value.to_string()}).to_string()),
    ]
}

#[test]
fn a_root_cause_reads_alike_in_every_shape() {
    let expected = rca(rca_answer());
    for (name, text) in shapes_of(&rca_answer()) {
        assert_eq!(rca_from_text(&text).as_ref(), Ok(&expected), "{name}:\n{text}");
    }
}

#[test]
fn a_selection_reads_alike_in_every_shape() {
    let expected = selection(selection_answer());
    for (name, text) in shapes_of(&selection_answer()) {
        assert_eq!(selection_from_text(&text).as_ref(), Ok(&expected), "{name}:\n{text}");
    }
}

#[test]
fn the_last_fence_with_a_recognised_member_wins() {
    let mut draft = rca_answer();
    draft["root_cause_analysis"]["summary"] =
        json!("a first idea, and a much longer text than the final one has in it");
    let text = format!("```json\n{}\n```\n```json\n{}\n```", pretty(&draft), pretty(&rca_answer()));
    assert_eq!(rca_from_text(&text).unwrap().summary, "cart-api is killed at its memory limit");
}

#[test]
fn the_largest_object_in_prose_wins() {
    let small = json!({"root_cause_analysis": {"summary": "for example"}});
    let text = format!("{} or {small}", rca_answer());
    assert_eq!(rca_from_text(&text), Ok(rca(rca_answer())));
    let text = format!("{small} or {}", rca_answer());
    assert_eq!(rca_from_text(&text), Ok(rca(rca_answer())));
}

#[test]
fn sections_in_every_dressing() {
    let root_cause = root_cause();
    let dressings: [fn(&str, &str) -> String; 9] = [
        |name, value| format!("# {name}\n{value}\n"),
        |name, value| format!("## {name}:\n\n{value}\n\n"),
        |name, value| format!("### {}\n```json\n{value}\n```\n", name.replace('_', " ").to_uppercase()),
        |name, value| format!("#### 1. {name}\n{value}\n"),
        |name, value| format!("**{name}**\n{value}\n"),
        |name, value| format!("**{name}:** {value}\n"),
        |name, value| format!("- **{name}**: `{value}`\n"),
        |name, value| format!("{name}: {value}\n"),
        |name, value| format!("# 🔍 {name}\nSome words about it.\n\n{value}\n"),
    ];
    for (number, dressing) in dressings.into_iter().enumerate() {
        let mut text = "Let me sum up {everything}.\n\n".to_owned();
        // The ninth has words before the value: only objects can follow words.
        let plain = if number == 8 { dressings[0] } else { dressing };
        text += &dressing("root_cause_analysis", &pretty(&root_cause));
        text += "# something else\nof no interest\n";
        text += &plain("confidence", "\"92%\"");
        text += &plain("investigation_outcome", "Not Actionable");
        text += &plain("actionable", "FALSE");
        text += &plain("can_recover", "null");
        text += &plain("needs_human_review", "True");
        text += &plain("human_review_reason", "\"low_confidence\"");
        text +=
            &plain("validation_attempts_history", "[{\"attempt\": 1, \"workflow_id\": \"x\", \"severity\": \"low\"}]");
        let answer = rca_from_text(&text).unwrap_or_else(|problem| panic!("{number}: {problem}\n{text}"));
        let inner = rca(json!({"root_cause_analysis": root_cause}));
        assert_eq!(answer.target, inner.target, "{text}");
        assert_eq!(answer.contributing_factors, inner.contributing_factors, "{text}");
        let stated = answer.stated;
        assert_eq!(stated.confidence, Some(0.92), "{text}");
        assert_eq!((stated.outcome, stated.actionable), (Outcome::NotActionable, Some(false)), "{text}");
        let reason = Some(crate::domain::ReviewReason::LowConfidence);
        assert_eq!(stated.review, Some(ReviewRequest { reason }), "{text}");
    }
}

#[test]
fn sections_of_a_selection() {
    for (selected, expected) in [
        ("{\"workflow_id\": \"4f1a\", \"confidence\": 0.8, \"parameters\": {\"A\": 1}}", Some("4f1a")),
        ("{'workflow_id': '4f1a', 'parameters': None}", Some("4f1a")),
        ("Chosen from {three}:\n{\"workflow_id\": \"4f1a\"}", Some("4f1a")),
        ("`4f1a`", Some("4f1a")),
        ("None", None),
        ("null", None),
        ("**None** - nothing fits", None),
        ("```json\nnull\n```", None),
    ] {
        let text = format!(
            "# root_cause_analysis\n{}\n\n# confidence\n0.95\n\n# selected_workflow\n{selected}\n\n\
             # alternative_workflows\n[{{\"workflow_id\": \"other\", \"confidence\": 0.2}}]\n",
            root_cause()
        );
        let answer = selection_from_text(&text).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
        let chosen = match &answer.choice {
            Choice::Workflow(workflow) => Some(workflow.workflow_id.as_str()),
            Choice::NoWorkflow(_) => None,
        };
        assert_eq!(chosen, expected, "{text}");
        assert_eq!(answer.stated.confidence, Some(0.95), "{text}");
        assert_eq!(answer.alternatives.len(), 1, "{text}");
        assert_eq!(answer.root_cause.unwrap().summary, "cart-api is killed at its memory limit");
    }
}

#[test]
fn sections_come_before_objects_that_look_like_answers() {
    let text = "# selected_workflow\n{\"workflow_id\": \"w\", \"confidence\": 0.8}\n# confidence\n0.95\n##### confidence\n0.1\n";
    assert_eq!(selection_from_text(text).unwrap().stated.confidence, Some(0.95));
    let text = "## selected_workflow\n```json\nnull\n```\n## confidence\n0.5";
    no_workflow(&selection_from_text(text).unwrap());
    let text = "## selected_workflow {\"workflow_id\": \"w\"}\n## alternative_workflows\n```json\n\
                {\"alternative_workflows\": [{\"workflow_id\": \"v\"}]}\n```";
    assert_eq!(workflow(&selection_from_text(text).unwrap()).workflow_id, "w");
}

#[test]
fn tool_calls_written_as_text() {
    let call = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments}).to_string();
    let expected = Ok(rca(rca_answer()));
    assert_eq!(rca_from_text(&call("submit_result", rca_answer())), expected);
    assert_eq!(rca_from_text(&call("functions.submit_result", json!(rca_answer().to_string()))), expected);
    let nested = json!({"type": "function", "function": {"name": "submit_result", "arguments": rca_answer()}});
    assert_eq!(rca_from_text(&format!("<tool_call>{nested}</tool_call>")), expected);
    let none = json!({"reasoning": "nothing fits", "investigation_outcome": "no_matching_workflow"});
    let answer = selection_from_text(&call("submit_result_no_workflow", none)).unwrap();
    assert_eq!(no_workflow(&answer).reasoning, "nothing fits");

    for other in [
        call("get_workflow", json!({"workflow_id": "4f1a", "rationale": "look at it"})),
        call("submit_result", selection_answer()),
        json!({"workflow_id": "4f1a"}).to_string(),
        format!("```json\n{}\n```", json!({"workflow_id": "4f1a"})),
    ] {
        assert!(selection_from_text(&other).is_err(), "{other}");
    }
}

#[test]
fn a_list_of_workflows_is_no_choice() {
    let flat =
        |id: &str| json!({"workflow_id": id, "rationale": "might do", "confidence": 0.9, "parameters": {"A": 1}});
    assert_eq!(workflow(&selection_from_text(&format!("I take {}", flat("a"))).unwrap()).workflow_id, "a");
    for text in [
        format!("Either {} or {}", flat("a"), flat("b")),
        json!([flat("a"), flat("b")]).to_string(),
        json!({"rejected": flat("a")}).to_string(),
        json!({"candidates": [flat("a")]}).to_string(),
    ] {
        assert!(selection_from_text(&text).is_err(), "{text}");
    }
    let text = format!("**investigation_outcome:** resolved\n\n**reasoning:** left out {}", flat("a"));
    let answer = selection_from_text(&text).unwrap();
    no_workflow(&answer);
    assert_eq!(answer.stated.outcome, Outcome::Resolved);
}

#[test]
fn parts_of_a_broken_answer_are_no_answer() {
    let whole =
        pretty(&json!({"selected_workflow": selection_answer()["selected_workflow"], "alternative_workflows": [
        {"workflow_id": "other", "confidence": 0.4, "rationale": "say \"no\""}
    ], "confidence": 0.9}));
    let unescaped = whole.replace("say \\\"no\\\"", "say \"no\"");
    let cut = whole.strip_suffix('}').unwrap();
    let inside = unescaped.replacen("raises the limit", "raises \"the\" limit", 1);
    for text in [cut, &unescaped, &inside, &format!("```json\n{cut}\n```"), &format!("# selected_workflow\n{inside}")] {
        let problem = selection_from_text(text).unwrap_err();
        assert!(problem.position.is_some(), "{problem}\n{text}");
        assert!(problem.sentence.starts_with("the JSON is broken at line "), "{problem}");
    }
    let whole = pretty(&rca_answer());
    let (cut, _) = whole.split_once("\"confidence\"").unwrap();
    assert!(rca_from_text(cut).is_err());
    let earlier = json!({"root_cause_analysis": root_cause()});
    assert!(rca_from_text(&format!("{{\"summary\": \"s\", \"earlier\": {earlier}, oops}}")).is_err());
    let retold = format!("{cut}\n\nSorry, again:\n{whole}");
    assert_eq!(rca_from_text(&retold), Ok(rca(rca_answer())));
}

#[test]
fn what_is_no_answer_is_told() {
    for (text, part) in [
        ("", "is empty"),
        (" \n", "is empty"),
        ("The pod crashed because of its limit.", "no JSON object"),
        ("The problem is no longer occurring, it recovered on its own.", "no JSON object"),
        ("{\"confidence\": 0.9}", "no JSON object"),
        ("# confidence\n0.9\n", "no JSON object"),
        ("{\"root_cause_analysis\": \"it broke\"}", "must be an object, not text"),
        ("{\"root_cause_analysis\": {\"severity\": \"high\"}}", "summary is missing"),
        ("{\"investigation_outcome\": \"resolved\", \"confidence\": 0.9}", "root_cause_analysis is missing"),
        ("{\"severity\": \"critical\", \"summary\": \"KubePodCrashLooping\"}", "root_cause_analysis is missing"),
        ("{\n  \"root_cause_analysis\": {\"summary\": oops}}", "line 2, column 38: expected a value, found \"oops}}\""),
    ] {
        let problem = rca_from_text(text).unwrap_err();
        assert!(problem.sentence.contains(part), "{text}: {problem}");
    }
    let long = format!("{{\"root_cause_analysis\": {{\"summary\": \"{}\"}}}}", "x".repeat(TEXT_BYTES_MAX));
    assert!(rca_from_text(&long).unwrap_err().sentence.contains("longer than"));
    assert!(rca_from_text(&wrapped_in_text(&rca_answer(), 3)).is_err());
}
