//! The submit tools (investigation §4.2.5): how a model hands over its final answer. Pure and byte-stable: the definitions
//! are part of the prefix a provider caches.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::llm::{AnswerSchema, ToolDefinition};

/// The tools that end a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmitTool {
    /// Ends the root cause analysis.
    Result,
    /// Ends the selection with a workflow.
    WithWorkflow,
    /// Ends the selection without one.
    NoWorkflow,
}

impl SubmitTool {
    pub const ALL: [Self; 3] = [Self::Result, Self::WithWorkflow, Self::NoWorkflow];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Result => "submit_result",
            Self::WithWorkflow => "submit_result_with_workflow",
            Self::NoWorkflow => "submit_result_no_workflow",
        }
    }

    /// The tool of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.as_str() == name)
    }

    /// What the model is offered: made once for all investigations.
    pub fn definition(self) -> ToolDefinition {
        static RESULT: LazyLock<ToolDefinition> = LazyLock::new(rca_tool);
        static WITH_WORKFLOW: LazyLock<ToolDefinition> = LazyLock::new(with_workflow_tool);
        static NO_WORKFLOW: LazyLock<ToolDefinition> = LazyLock::new(no_workflow_tool);
        match self {
            Self::Result => RESULT.clone(),
            Self::WithWorkflow => WITH_WORKFLOW.clone(),
            Self::NoWorkflow => NO_WORKFLOW.clone(),
        }
    }
}

/// `submit_result`.
fn rca_tool() -> ToolDefinition {
    let text = || json!({"type": "string"});
    let root_cause = object(
        json!({
            "summary": {"type": "string", "description": "What broke and why, in one or two sentences"},
            "severity": severity(),
            "signal_name": text(),
            "contributing_factors": texts("May be empty"),
            "remediation_target": {
                "type": ["object", "null"],
                "description": "The object to change; null only when resolved, not_actionable or inconclusive",
                "properties": {
                    "kind": text(),
                    "name": text(),
                    "namespace": {"type": "string", "description": "Omit for cluster-scoped kinds"},
                    "api_version": text(),
                },
                "required": ["kind", "name"],
                "additionalProperties": false,
            },
            "investigation_analysis": {"type": "string", "description": "What was looked at and found, up to 500 words"},
            "causal_chain": {"type": "array", "items": {"type": "string"}, "minItems": 1,
                "description": "From cause to symptom, at least two steps"},
            "due_diligence": object(
                json!({
                    "causal_completeness": text(),
                    "target_accuracy": text(),
                    "evidence_sufficiency": text(),
                    "alternative_hypotheses": text(),
                    "scope_completeness": text(),
                    "proportionality": text(),
                    "regression_awareness": text(),
                    "confidence_calibration": text(),
                }),
                &[],
            ),
        }),
        &[
            "summary",
            "severity",
            "contributing_factors",
            "remediation_target",
            "investigation_analysis",
            "causal_chain",
        ],
    );
    let claim = object(
        json!({
            "claim": {"type": "string", "description": "One thing that is so"},
            "tool_result_id": {"type": "string", "description": "Id of the tool result that shows it"},
            "quote": {"type": "string", "description": "Copied verbatim from that result, 10 to 300 characters"},
        }),
        &["claim", "tool_result_id", "quote"],
    );
    let parameters = object(
        json!({
            "root_cause_analysis": root_cause,
            "claims": {"type": "array", "items": claim, "description": "What the conclusion rests on; may be empty"},
            "confidence": confidence(),
            "investigation_outcome": choice(&[
                "actionable", "not_actionable", "resolved", "predictive_no_action", "inconclusive", "insufficient_data",
            ]),
            "actionable": {"type": "boolean"},
            "can_recover": {"type": ["boolean", "null"]},
        }),
        &["root_cause_analysis", "claims", "confidence", "investigation_outcome"],
    );
    tool(SubmitTool::Result, "Hand over the finished root cause analysis. Ends the investigation.", parameters)
}

/// `submit_result_with_workflow`.
fn with_workflow_tool() -> ToolDefinition {
    let id = || json!({"type": "string", "description": "Id from the catalogue"});
    let workflow = object(
        json!({
            "workflow_id": id(),
            "confidence": confidence(),
            "rationale": {"type": "string", "description": "Why this one"},
            "parameters": {"type": "object",
                "description": "Values for the declared parameters, without TARGET_RESOURCE_*: the service sets those"},
        }),
        &["workflow_id", "confidence", "rationale", "parameters"],
    );
    let other = object(
        json!({"workflow_id": id(), "confidence": confidence(), "rationale": {"type": "string"}}),
        &["workflow_id", "confidence", "rationale"],
    );
    let root_cause = object(
        json!({
            "summary": {"type": "string"}, "contributing_factors": texts("Only what is new"),
        }),
        &[],
    );
    let parameters = object(
        json!({
            "selected_workflow": workflow,
            "alternative_workflows": {"type": "array", "items": other, "maxItems": 3,
                "description": "Others the catalogue returned, never the selected one"},
            "confidence": confidence(),
            "severity": severity(),
            "root_cause_analysis": root_cause,
        }),
        &["selected_workflow", "alternative_workflows", "confidence"],
    );
    tool(SubmitTool::WithWorkflow, "Choose the workflow to run. Ends the selection.", parameters)
}

/// `submit_result_no_workflow`.
fn no_workflow_tool() -> ToolDefinition {
    let considered = object(
        json!({"workflow_id": {"type": "string"}, "reason_rejected": {"type": "string"}}),
        &["workflow_id", "reason_rejected"],
    );
    let parameters = object(
        json!({
            "reasoning": {"type": "string", "description": "Why no workflow should run"},
            "investigation_outcome": choice(&["no_matching_workflow", "resolved", "not_actionable", "inconclusive"]),
            "confidence": confidence(),
            "considered_workflows": {"type": "array", "items": considered},
        }),
        &["reasoning", "investigation_outcome"],
    );
    tool(SubmitTool::NoWorkflow, "Say that no workflow should run. Ends the selection.", parameters)
}

/// The schema of an answer in writing: whatever one of the tools takes, in the strict variant.
pub fn answer_schema(tools: &[ToolDefinition]) -> AnswerSchema {
    let mut properties = Map::new();
    let mut required: Option<Vec<&Value>> = None;
    for tool in tools {
        let members = tool.parameters.get("properties").and_then(Value::as_object).into_iter().flatten();
        for (name, rule) in members {
            match properties.get_mut(name) {
                Some(known) => merge_choices(known, rule),
                None => _ = properties.insert(name.clone(), rule.clone()),
            }
        }
        let needed: Vec<&Value> =
            tool.parameters.get("required").and_then(Value::as_array).into_iter().flatten().collect();
        // What only one of them needs, an answer of the other lacks.
        required = Some(match required {
            Some(before) => before.into_iter().filter(|name| needed.contains(name)).collect(),
            None => needed,
        });
    }
    let whole = json!({
        "type": "object", "properties": properties, "required": required.unwrap_or_default(), "additionalProperties": false,
    });
    AnswerSchema { name: "answer", schema: strict(&whole) }
}

/// A member of two tools takes the words of both.
fn merge_choices(known: &mut Value, other: &Value) {
    let (Some(Value::Array(known)), Some(Value::Array(others))) = (known.get_mut("enum"), other.get("enum")) else {
        return;
    };
    let new: Vec<Value> = others.iter().filter(|word| !known.contains(word)).cloned().collect();
    known.extend(new);
}

/// The strict variant of a schema (investigation §2.5): every property required, optional ones nullable, no further
/// members, in every object. Rules strict modes refuse (bounds of numbers and lists) are left out, the answer reader holds
/// them anyway. An object without declared properties would only allow `{}`: it becomes a list of name/value pairs, which
/// the answer reader turns back.
pub fn strict(schema: &Value) -> Value {
    const REFUSED: &[&str] = &["minimum", "maximum", "minItems", "maxItems"];
    let Value::Object(rules) = schema else { return schema.clone() };
    let is_object = names_type(rules, "object");
    let Some(properties) = rules.get("properties").and_then(Value::as_object) else {
        return if is_object { pairs(rules) } else { without(rules, REFUSED) };
    };
    let required: Vec<&str> =
        rules.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let property = |(name, rule): (&String, &Value)| {
        let strict = strict(rule);
        let rule = if required.contains(&name.as_str()) { strict } else { nullable(strict) };
        (name.clone(), rule)
    };
    let all: Map<String, Value> = properties.iter().map(property).collect();
    let mut strict = rules.clone();
    strict.insert("required".to_owned(), all.keys().cloned().collect());
    strict.insert("properties".to_owned(), Value::Object(all));
    strict.insert("additionalProperties".to_owned(), Value::Bool(false));
    Value::Object(strict)
}

fn without(rules: &Map<String, Value>, names: &[&str]) -> Value {
    let kept = rules.iter().filter(|(name, _)| !names.contains(&name.as_str()));
    let kept = kept.map(|(name, rule)| {
        let rule = if name == "items" { strict(rule) } else { rule.clone() };
        (name.clone(), rule)
    });
    Value::Object(kept.collect())
}

fn pairs(rules: &Map<String, Value>) -> Value {
    let value = json!({"anyOf": [
        {"type": ["string", "number", "boolean"]}, {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
    ]});
    let mut list = rules.clone();
    let kind = if names_type(rules, "null") { json!(["array", "null"]) } else { json!("array") };
    list.insert("type".to_owned(), kind);
    list.insert("items".to_owned(), object(json!({"name": {"type": "string"}, "value": value}), &["name", "value"]));
    list.shift_remove("additionalProperties");
    Value::Object(list)
}

fn names_type(rules: &Map<String, Value>, wanted: &str) -> bool {
    match rules.get("type") {
        Some(Value::String(kind)) => kind == wanted,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    }
}

/// The same rule, satisfied by null too.
fn nullable(rule: Value) -> Value {
    let Value::Object(mut rules) = rule else { return rule };
    if !names_type(&rules, "null") {
        match rules.get_mut("type") {
            Some(Value::Array(kinds)) => kinds.push(json!("null")),
            Some(kind) => *kind = json!([kind.clone(), "null"]),
            None => return json!({"anyOf": [rules, {"type": "null"}]}),
        }
    }
    if let Some(Value::Array(allowed)) = rules.get_mut("enum") {
        allowed.push(Value::Null);
    }
    Value::Object(rules)
}

fn tool(name: SubmitTool, description: &str, parameters: Value) -> ToolDefinition {
    ToolDefinition::new(name.as_str(), description, parameters)
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn texts(description: &str) -> Value {
    json!({"type": "array", "items": {"type": "string"}, "description": description})
}

fn choice(allowed: &[&str]) -> Value {
    json!({"type": "string", "enum": allowed})
}

fn severity() -> Value {
    choice(&["critical", "high", "medium", "low", "unknown"])
}

fn confidence() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1})
}

#[cfg(test)]
mod tests;
