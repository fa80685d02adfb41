//! Records of `DataStorage` as workflows of this room. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::catalogue::{ActionType, Description, Execution, Labels, Listed, Parameter, Workflow};
use crate::datastorage::{ActionTypeEntry, MandatoryLabels, StructuredDescription, WorkflowEntry, WorkflowRecord};

pub(super) fn action_type(entry: ActionTypeEntry) -> ActionType {
    ActionType {
        name: entry.action_type,
        description: description(entry.description),
        workflows: usize::try_from(entry.workflow_count).unwrap_or(usize::MAX),
    }
}

pub(super) fn listed(entry: WorkflowEntry) -> Listed {
    Listed {
        name: first_of([entry.workflow_name, entry.name]),
        id: entry.workflow_id,
        version: entry.version,
        description: description(entry.description),
        engine: entry.execution_engine,
        parameters: None,
        remarks: Vec::new(),
    }
}

pub(super) fn workflow(record: WorkflowRecord) -> Workflow {
    let MandatoryLabels { severity, component, environment, priority } = record.labels;
    Workflow {
        name: first_of([record.workflow_name, record.name]),
        parameters: parameters(&record.parameters),
        rollback_parameters: Vec::new(),
        id: record.workflow_id,
        version: record.version,
        action_type: record.action_type,
        description: description(record.description),
        labels: Labels { severity, environment, component, priority, cluster: Vec::new() },
        detected_labels: texts(&record.detected_labels),
        custom_labels: texts(&record.custom_labels),
        execution: Execution {
            engine: record.execution_engine,
            bundle: record.execution_bundle.filter(|bundle| !bundle.is_empty()),
            bundle_digest: record.execution_bundle_digest.filter(|digest| !digest.is_empty()),
            service_account: record.service_account_name.filter(|name| !name.is_empty()),
            engine_config: record.engine_config.filter(|config| !config.is_null()),
        },
    }
}

fn first_of(names: [String; 2]) -> String {
    names.into_iter().find(|name| !name.is_empty()).unwrap_or_default()
}

fn description(description: StructuredDescription) -> Description {
    let StructuredDescription { what, when_to_use, when_not_to_use, preconditions } = description;
    Description { what, when_to_use, when_not_to_use, preconditions }
}

/// Members that say something, as text; of a list its first element.
fn texts(labels: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(items) => items.first().and_then(Value::as_str).map(str::to_owned),
        Value::Null | Value::Object(_) => None,
    };
    let members = labels.as_object().into_iter().flatten().filter(|(name, _)| *name != "failedDetections");
    members.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

fn parameters(declared: &Value) -> Vec<Parameter> {
    let list = declared.pointer("/schema/parameters").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(parameter).collect()
}

/// A declaration of which a part cannot be read still names a parameter: it is asked for, and not checked.
fn parameter(declared: &Value) -> Option<Parameter> {
    let mut members = declared.as_object()?.clone();
    members.retain(|_, value| !value.is_null());
    let kind = members.get("type").and_then(Value::as_str).unwrap_or_default();
    let kind = match kind {
        "number" => "float",
        "int" => "integer",
        "bool" => "boolean",
        known => known,
    };
    let kind = kind.to_owned();
    members.insert("type".to_owned(), kind.into());
    let name = members.get("name").and_then(Value::as_str).filter(|name| !name.is_empty())?.to_owned();
    let required = members.get("required").and_then(Value::as_bool).unwrap_or(false);
    let unchecked = Parameter {
        name,
        kind: String::new(),
        required,
        description: String::new(),
        default: None,
        allowed: Vec::new(),
        pattern: None,
        minimum: None,
        maximum: None,
        depends_on: Vec::new(),
    };
    Some(serde_json::from_value(Value::Object(members)).unwrap_or(unchecked))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(changes: Value) -> WorkflowRecord {
        let mut whole = json!({
            "workflowId": "7d1f6a52-9c0e-5b7a-8b54-0d7f4a1c9e11", "workflowName": "raise-memory", "name": "Raise memory",
            "version": "1.0.0", "actionType": "IncreaseMemoryLimits", "executionEngine": "tekton",
            "description": {"what": "Raises", "whenToUse": "OOM"}, "status": "Active", "isLatestVersion": true,
            "labels": {"severity": ["*"], "component": "*", "environment": ["*"], "priority": "*"}, "detectedLabels": {},
        });
        whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn checklist_4_engines_parameters_and_extra_keys_of_any_kind_are_read() {
        let odd =
            workflow(record(json!({"executionEngine": "ansible", "parameters": null, "unknown": [1], "name": null})));
        assert_eq!(
            (odd.execution.engine.as_str(), odd.parameters.len(), odd.name.as_str()),
            ("ansible", 0, "raise-memory")
        );
        let read = workflow(record(json!({"executionEngine": "helm", "engineConfig": {"a": 1}, "executionBundle": "",
            "detectedLabels": {"gitOpsManaged": true, "gitOpsTool": "*", "failedDetections": ["stateful"], "stateful": null},
            "customLabels": {"team": ["shop", "web"]},
            "parameters": {"schema": {"parameters": [
                {"name": "A", "type": "int", "required": true, "description": null, "enum": null, "minimum": 1},
                {"name": "B", "type": "number"}, {"name": "C", "type": "bool", "dependsOn": null},
                {"name": "D", "type": "string", "minimum": "two", "required": true},
                {"type": "string"}, 7]}}})));
        let kinds: Vec<(&str, &str, bool)> = read
            .parameters
            .iter()
            .map(|parameter| (parameter.name.as_str(), parameter.kind.as_str(), parameter.required))
            .collect();
        assert_eq!(kinds, [("A", "integer", true), ("B", "float", false), ("C", "boolean", false), ("D", "", true)]);
        assert_eq!((read.execution.engine.as_str(), read.execution.bundle.as_deref()), ("helm", None));
        assert_eq!(read.execution.engine_config, Some(json!({"a": 1})));
        let labels: Vec<(&str, &str)> = read.detected_labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(labels, [("gitOpsManaged", "true"), ("gitOpsTool", "*")]);
        assert_eq!(read.custom_labels["team"], "shop");
    }
}
