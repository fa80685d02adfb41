use super::*;
use crate::investigation::answer::{Choice, rca_from_arguments, selection_from_arguments};
use crate::tools::arguments;

/// Everything every strict mode asks of a schema, with the place of what is missing.
fn strict_problems(schema: &Value, path: &str, problems: &mut Vec<String>) {
    let Value::Object(rules) = schema else { return };
    for refused in ["minimum", "maximum", "minItems", "maxItems"] {
        if rules.contains_key(refused) {
            problems.push(format!("{path}: {refused}"));
        }
    }
    if names_type(rules, "object") {
        let Some(properties) = rules.get("properties").and_then(Value::as_object) else {
            problems.push(format!("{path}: no properties"));
            return;
        };
        let required: Vec<&str> = rules["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        if !properties.keys().eq(&required) {
            problems.push(format!("{path}: not all required"));
        }
        if rules["additionalProperties"] != Value::Bool(false) {
            problems.push(format!("{path}: open"));
        }
        for (name, rule) in properties {
            strict_problems(rule, &format!("{path}.{name}"), problems);
        }
    }
    for (name, rule) in rules.iter().filter(|(name, _)| *name == "items") {
        strict_problems(rule, &format!("{path}.{name}"), problems);
    }
}

#[test]
fn the_definitions() {
    let all: Vec<String> = SubmitTool::ALL
        .map(SubmitTool::definition)
        .map(|tool| format!("{}: {}\n{}", tool.name, tool.description, tool.parameters))
        .to_vec();
    insta::assert_snapshot!(all.join("\n\n"));
    assert_eq!(SubmitTool::ALL.map(SubmitTool::definition), SubmitTool::ALL.map(SubmitTool::definition));
    for tool in SubmitTool::ALL {
        assert_eq!(SubmitTool::parse(tool.as_str()), Some(tool));
        assert_eq!(tool.definition().name, tool.as_str());
    }
    assert_eq!(SubmitTool::parse("submit"), None);
}

#[test]
fn strict_variants_are_strict_all_the_way_down() {
    for tool in SubmitTool::ALL {
        let mut problems = Vec::new();
        strict_problems(&strict(&tool.definition().parameters), "", &mut problems);
        assert!(problems.is_empty(), "{}: {problems:?}", tool.as_str());
        strict_problems(&tool.definition().parameters, "", &mut problems);
        assert!(!problems.is_empty());
    }
}

#[test]
fn an_answer_in_writing_may_be_that_of_either_tool() {
    let rca = answer_schema(&[rca_tool()]);
    assert_eq!(rca.schema, strict(&rca_tool().parameters));
    let selection = answer_schema(&[with_workflow_tool(), no_workflow_tool()]);
    let mut problems = Vec::new();
    strict_problems(&selection.schema, "", &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    let property = |name: &str| &selection.schema["properties"][name];
    assert_eq!(property("selected_workflow")["type"], json!(["object", "null"]));
    assert_eq!(property("reasoning")["type"], json!(["string", "null"]));
    assert!(property("investigation_outcome")["enum"].as_array().unwrap().contains(&json!("no_matching_workflow")));
}

#[test]
fn optional_members_become_nullable_and_open_objects_pairs() {
    let schema = object(
        json!({
            "a": {"type": "string"}, "b": {"type": "string"}, "c": choice(&["x"]), "d": {"type": ["boolean", "null"]},
            "e": {"type": "object", "description": "open"}, "f": {"anyOf": [{"type": "string"}]},
            "g": {"type": "array", "items": object(json!({"h": {"type": "number", "minimum": 0}}), &[])},
        }),
        &["a"],
    );
    let strict = strict(&schema);
    let property = |name: &str| &strict["properties"][name];
    assert_eq!(property("a"), &json!({"type": "string"}));
    assert_eq!(property("b"), &json!({"type": ["string", "null"]}));
    assert_eq!(property("c"), &json!({"type": ["string", "null"], "enum": ["x", null]}));
    assert_eq!(property("d"), &json!({"type": ["boolean", "null"]}));
    assert_eq!(property("e")["type"], json!(["array", "null"]));
    assert_eq!(property("e")["items"]["required"], json!(["name", "value"]));
    assert_eq!(property("f"), &json!({"anyOf": [{"anyOf": [{"type": "string"}]}, {"type": "null"}]}));
    assert_eq!(property("g")["items"]["properties"]["h"], json!({"type": ["number", "null"]}));
    assert_eq!(strict["required"], json!(["a", "b", "c", "d", "e", "f", "g"]));
}

#[test]
fn what_the_schemas_ask_for_is_what_the_reader_reads() {
    let given = json!({
        "root_cause_analysis": {
            "summary": "s", "severity": "low", "contributing_factors": [], "investigation_analysis": "a",
            "remediation_target": {"kind": "Node", "name": "n1"}, "causal_chain": ["a", "b"],
        },
        "claims": [], "confidence": 0.8, "investigation_outcome": "actionable",
    });
    let checked = arguments::check(&rca_tool().parameters, given.as_object().unwrap()).unwrap();
    assert!(checked.notes.is_empty());
    let answer = rca_from_arguments(&checked.arguments).unwrap();
    assert_eq!((answer.stated.notes.len(), answer.target_problem), (0, None));

    let given = json!({"selected_workflow": {"workflow_id": "w", "confidence": 0.8, "rationale": "r",
        "parameters": [{"name": "A", "value": "1"}]}, "alternative_workflows": [], "confidence": 0.8, "severity": null,
        "root_cause_analysis": null});
    let answer = selection_from_arguments(SubmitTool::WithWorkflow, given.as_object().unwrap()).unwrap();
    let Choice::Workflow(workflow) = answer.choice else { panic!("{answer:?}") };
    assert_eq!(Value::Object(workflow.parameters), json!({"A": "1"}));
}
