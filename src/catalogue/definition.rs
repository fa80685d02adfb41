//! Reads one document of a workflow file: tolerant of older forms, strict about what execution depends on.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use super::parameters::Parameter;
use super::{ActionType, Description, Execution, Labels, Workflow};
use crate::domain::Object;

/// Longest version text, in characters.
const VERSION_CHARS_MAX: usize = 50;

/// What a document holds.
#[derive(Debug)]
pub(super) enum Document {
    Workflow(Box<Workflow>),
    ActionType(ActionType),
    /// Another kind: of no concern here.
    Other,
}

/// A document and what is odd about it without making it unusable.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) document: Document,
    pub(super) warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
struct RawWorkflow {
    metadata: Metadata,
    spec: RawSpec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpec {
    version: String,
    action_type: String,
    description: Description,
    labels: RawLabels,
    #[serde(default)]
    detected_labels: BTreeMap<String, Value>,
    #[serde(default)]
    custom_labels: BTreeMap<String, String>,
    execution: RawExecution,
    parameters: Vec<Parameter>,
    #[serde(default)]
    rollback_parameters: Vec<Parameter>,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted; the executor reads it from the catalogue")]
    dependencies: Option<Value>,
    #[serde(default)]
    #[expect(dead_code, reason = "accepted; for people")]
    maintainers: Option<Value>,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct RawLabels {
    #[serde(deserialize_with = "one_or_many")]
    severity: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    environment: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    component: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    priority: Vec<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    cluster: Vec<String>,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawExecution {
    #[serde(default = "tekton")]
    engine: String,
    bundle: Option<String>,
    bundle_digest: Option<String>,
    #[serde(alias = "serviceAccountName")]
    service_account: Option<String>,
    engine_config: Option<Value>,
    #[serde(flatten)]
    unknown: BTreeMap<String, Value>,
}

fn tekton() -> String {
    "tekton".to_owned()
}

/// Older registrations write one text where a list is expected.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}

#[derive(Deserialize)]
struct RawActionType {
    spec: RawActionTypeSpec,
}

#[derive(Deserialize)]
struct RawActionTypeSpec {
    name: String,
    description: Description,
}

/// Reads one YAML document.
///
/// # Errors
/// What is wrong, with its line in the document, in one sentence.
pub(super) fn read(text: &str) -> Result<Read, String> {
    if text.trim().is_empty() {
        return Ok(Read { document: Document::Other, warnings: Vec::new() });
    }
    let head: Head = parse(text)?;
    match head.kind.as_str() {
        "RemediationWorkflow" => workflow(text),
        "ActionType" => action_type(parse(text)?),
        _ => Ok(Read { document: Document::Other, warnings: Vec::new() }),
    }
}

fn parse<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| {
        let message = error.without_snippet().to_string();
        let reason = message.split(" at line ").next().unwrap_or(&message);
        match error.location() {
            Some(place) => format!("line {}: {reason}", place.line()),
            None => reason.to_owned(),
        }
    })
}

/// Reads an object as a cluster holds it: the same definition, under the id the cluster gave it.
///
/// # Errors
/// What is wrong with it, in one sentence; also when it is not registered, or no longer active.
pub(super) fn read_object(object: &Object) -> Result<Read, String> {
    match object.str_at("status.catalogStatus") {
        None | Some("" | "Active") => {}
        Some(status) => return Err(format!("its status is {status}")),
    }
    let members = |reason: serde_json::Error| reason.to_string();
    match object.kind() {
        "RemediationWorkflow" => {
            let id = object.str_at("status.workflowId").and_then(|id| Uuid::parse_str(id).ok());
            let id = id.ok_or("status.workflowId is no UUID: it is not registered yet")?;
            let raw = serde_json::from_value(object.value().clone()).map_err(members)?;
            built(raw, id.to_string())
        }
        "ActionType" => action_type(serde_json::from_value(object.value().clone()).map_err(members)?),
        _ => Ok(Read { document: Document::Other, warnings: Vec::new() }),
    }
}

fn action_type(raw: RawActionType) -> Result<Read, String> {
    is_action_type(&raw.spec.name)?;
    let action = ActionType { name: raw.spec.name, description: raw.spec.description, workflows: 0 };
    Ok(Read { document: Document::ActionType(action), warnings: Vec::new() })
}

fn workflow(text: &str) -> Result<Read, String> {
    let raw: RawWorkflow = parse(text)?;
    let whole: Value = parse(text)?;
    let id = identity(&raw.metadata.name, whole.get("spec").unwrap_or(&Value::Null));
    built(raw, id)
}

fn built(raw: RawWorkflow, id: String) -> Result<Read, String> {
    let RawWorkflow { metadata: Metadata { name }, spec } = raw;
    is_action_type(&spec.action_type)?;
    if spec.version.is_empty() || spec.version.chars().count() > VERSION_CHARS_MAX {
        return Err(format!("spec.version must have 1 to {VERSION_CHARS_MAX} characters"));
    }
    if !matches!(spec.execution.engine.as_str(), "tekton" | "job" | "ansible") {
        return Err(format!("spec.execution.engine {:?} is not tekton, job or ansible", spec.execution.engine));
    }
    let labels = [
        ("severity", &spec.labels.severity),
        ("environment", &spec.labels.environment),
        ("component", &spec.labels.component),
        ("priority", &spec.labels.priority),
    ];
    for (label, values) in labels {
        if values.iter().all(|value| value.trim().is_empty()) {
            return Err(format!("spec.labels.{label} is empty; `*` matches everything"));
        }
    }
    let mut warnings = unknown_fields("spec", &spec.unknown);
    warnings.extend(unknown_fields("spec.labels", &spec.labels.unknown));
    warnings.extend(unknown_fields("spec.execution", &spec.execution.unknown));
    let workflow = Workflow {
        id,
        name,
        version: spec.version,
        action_type: spec.action_type,
        description: spec.description,
        labels: Labels {
            severity: spec.labels.severity,
            environment: spec.labels.environment,
            component: spec.labels.component,
            priority: spec.labels.priority,
            cluster: spec.labels.cluster,
        },
        detected_labels: spec.detected_labels.into_iter().map(|(key, value)| (key, as_text(value))).collect(),
        custom_labels: spec.custom_labels,
        execution: Execution {
            engine: spec.execution.engine,
            bundle: spec.execution.bundle,
            bundle_digest: spec.execution.bundle_digest,
            service_account: spec.execution.service_account,
            engine_config: spec.execution.engine_config,
        },
        parameters: spec.parameters,
        rollback_parameters: spec.rollback_parameters,
    };
    Ok(Read { document: Document::Workflow(Box::new(workflow)), warnings })
}

fn is_action_type(name: &str) -> Result<(), String> {
    let pascal = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric());
    if pascal {
        Ok(())
    } else {
        Err(format!("action type {name:?} is not in PascalCase, such as IncreaseMemoryLimits"))
    }
}

fn unknown_fields(place: &str, fields: &BTreeMap<String, Value>) -> Vec<String> {
    fields.keys().map(|field| format!("unknown field {place}.{field}")).collect()
}

fn as_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// UUIDv5 of the canonical JSON of `{name, spec}`: stable, and another one for other content (workflow-files §1).
fn identity(name: &str, spec: &Value) -> String {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"kubernaut.ai");
    let whole = serde_json::json!({"name": name, "spec": spec});
    Uuid::new_v5(&namespace, canonical(&whole).to_string().as_bytes()).to_string()
}

/// The same value with the members of every object in the order of their names.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, Value> =
                members.iter().map(|(name, value)| (name, canonical(value))).collect();
            Value::Object(sorted.into_iter().map(|(name, value)| (name.clone(), value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        scalar => scalar.clone(),
    }
}
