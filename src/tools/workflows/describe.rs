//! Workflows in the words a model gets: no statistics, no hashes, nothing the service sets itself. Pure.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::catalogue::parameters::plain;
use crate::catalogue::{ActionType, Description, Listed, Parameter, Workflow};

pub(super) fn action_type(action: &ActionType) -> Value {
    json!({
        "actionType": action.name,
        "description": description(&action.description),
        "workflowCount": action.workflows,
    })
}

pub(super) fn workflow_in_list(workflow: &Listed) -> Value {
    let mut shown = json!({
        "workflowId": workflow.id,
        "workflowName": workflow.name,
        "version": workflow.version,
        "description": description(&workflow.description),
    });
    if let Some(members) = shown.as_object_mut() {
        if !workflow.engine.is_empty() {
            members.insert("executionEngine".to_owned(), workflow.engine.as_str().into());
        }
        if !workflow.remarks.is_empty() {
            members.insert("remarks".to_owned(), json!(workflow.remarks));
        }
    }
    shown
}

pub(super) fn workflow(workflow: &Workflow) -> Value {
    let parameters: Vec<Value> = shown(&workflow.parameters).map(parameter).collect();
    json!({
        "workflowId": workflow.id,
        "workflowName": workflow.name,
        "version": workflow.version,
        "actionType": workflow.action_type,
        "description": description(&workflow.description),
        "executionEngine": workflow.execution.engine,
        "parameters": {"schema": {"parameters": parameters}},
    })
}

/// Parameters the model has to fill in.
fn shown(parameters: &[Parameter]) -> impl Iterator<Item = &Parameter> {
    parameters.iter().filter(|parameter| !parameter.is_managed())
}

fn description(description: &Description) -> Value {
    let members = [
        ("what", &description.what),
        ("whenToUse", &description.when_to_use),
        ("whenNotToUse", &description.when_not_to_use),
        ("preconditions", &description.preconditions),
    ];
    let filled = members.into_iter().filter(|(_, text)| !text.is_empty());
    Value::Object(filled.map(|(key, text)| (key.to_owned(), text.as_str().into())).collect())
}

fn parameter(parameter: &Parameter) -> Value {
    let mut members = Map::new();
    let mut put = |key: &str, value: Value| _ = members.insert(key.to_owned(), value);
    put("name", parameter.name.as_str().into());
    put("type", parameter.kind.as_str().into());
    put("required", parameter.required.into());
    if !parameter.description.is_empty() {
        put("description", parameter.description.as_str().into());
    }
    if !parameter.allowed.is_empty() {
        put("enum", Value::Array(parameter.allowed.clone()));
    }
    for (key, bound) in [("minimum", parameter.minimum), ("maximum", parameter.maximum)] {
        if let Some(bound) = bound {
            put(key, json!(bound));
        }
    }
    if let Some(pattern) = &parameter.pattern {
        put("pattern", pattern.as_str().into());
    }
    if let Some(default) = &parameter.default {
        put("default", default.clone());
    }
    if !parameter.depends_on.is_empty() {
        put("dependsOn", json!(parameter.depends_on));
    }
    Value::Object(members)
}

/// One parameter in one line: name, type, mark, rules, description.
pub fn parameter_line(parameter: &Parameter) -> String {
    let mut line = format!("{} ({}", parameter.name, parameter.kind);
    line.push_str(if parameter.required { ", required" } else { ", optional" });
    if !parameter.allowed.is_empty() {
        let allowed: Vec<String> = parameter.allowed.iter().map(plain).collect();
        let _ = write!(line, ", one of {}", allowed.join(" | "));
    }
    if let Some(minimum) = parameter.minimum {
        let _ = write!(line, ", at least {minimum}");
    }
    if let Some(maximum) = parameter.maximum {
        let _ = write!(line, ", at most {maximum}");
    }
    if let Some(pattern) = &parameter.pattern {
        let _ = write!(line, ", matches {pattern}");
    }
    if let Some(default) = &parameter.default {
        let _ = write!(line, ", default {}", plain(default));
    }
    if !parameter.depends_on.is_empty() {
        let _ = write!(line, ", needs {}", parameter.depends_on.join(", "));
    }
    line.push(')');
    if !parameter.description.is_empty() {
        let _ = write!(line, ": {}", parameter.description);
    }
    line
}

/// An action type with its fitting workflows; nothing when there is none.
pub(super) fn shortlist_entry(action: &ActionType, listed: &[Listed]) -> String {
    if listed.is_empty() {
        return String::new();
    }
    let mut text = format!("{}: {}", action.name, action.description.what);
    for (lead, rule) in [("use", &action.description.when_to_use), ("not", &action.description.when_not_to_use)] {
        if !rule.is_empty() {
            let _ = write!(text, " {lead} when: {rule}");
        }
    }
    text.push('\n');
    for workflow in listed {
        let _ = writeln!(text, "- workflow_id {} ({} {})", workflow.id, workflow.name, workflow.version);
        for remark in &workflow.remarks {
            let _ = writeln!(text, "  ranked last: {remark}");
        }
        if workflow.description.what != action.description.what {
            let _ = writeln!(text, "  {}", workflow.description.what);
        }
        match &workflow.parameters {
            Some(parameters) => {
                for parameter in shown(parameters) {
                    let _ = writeln!(text, "  {}", parameter_line(parameter));
                }
            }
            None => text.push_str("  parameters: ask get_workflow\n"),
        }
    }
    text
}
