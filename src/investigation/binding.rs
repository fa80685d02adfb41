//! Binding a workflow to its target: execution data from the catalogue, target parameters from the verified object, nothing
//! of either from a model (investigation §5.7, §6.1). Pure.

use serde_json::{Map, Value, json};

use crate::catalogue::{Parameter, Workflow};
use crate::domain::{ResourceRef, SelectedWorkflow};

/// Action types that change a node, and nothing else.
const NODE_SCOPED: &[&str] = &["RemoveTaint", "DrainNode", "CordonNode", "UncordonNode", "RebootNode", "CleanupNode"];

/// The chosen workflow as the result carries it. `parameters` passed validation.
pub(super) fn bound(
    workflow: &Workflow,
    mut parameters: Map<String, Value>,
    target: &ResourceRef,
    confidence: f64,
    rationale: String,
) -> SelectedWorkflow {
    parameters.extend(target_parameters(&workflow.parameters, target));
    SelectedWorkflow {
        workflow_id: workflow.id.clone(),
        workflow_name: workflow.name.clone(),
        action_type: workflow.action_type.clone(),
        version: workflow.version.clone(),
        execution_bundle: workflow.execution.bundle.clone(),
        execution_bundle_digest: workflow.execution.bundle_digest.clone(),
        execution_engine: workflow.execution.engine.clone(),
        service_account_name: workflow.execution.service_account.clone(),
        engine_config: workflow.execution.engine_config.clone(),
        confidence,
        rationale,
        parameters,
    }
}

/// What is wrong when a workflow for nodes is to change something else.
pub(super) fn scope_error(workflow: &Workflow, target: &ResourceRef) -> Option<String> {
    let wrong = NODE_SCOPED.contains(&workflow.action_type.as_str()) && target.namespace.is_some();
    wrong.then(|| format!("{} changes nodes and cannot change {target}", workflow.action_type))
}

/// `TARGET_RESOURCE_*` as the workflow declares them, from the verified target. Values are texts.
pub(super) fn target_parameters(declared: &[Parameter], target: &ResourceRef) -> Map<String, Value> {
    let known = [
        ("TARGET_RESOURCE_KIND", Some(&target.kind)),
        ("TARGET_RESOURCE_NAME", Some(&target.name)),
        ("TARGET_RESOURCE_NAMESPACE", target.namespace.as_ref()),
        ("TARGET_RESOURCE_API_VERSION", target.api_version.as_ref()),
    ];
    let is_declared = |name: &str| declared.iter().any(|parameter| parameter.name == name);
    let declared = known.into_iter().filter(|(name, _)| is_declared(name));
    declared.filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect()
}
