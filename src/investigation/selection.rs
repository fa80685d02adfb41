//! From a finding to a workflow: the catalogue's candidates, parameters bound to values, and the validation rules
//! (investigation §6). What the catalogue says about execution is taken from the catalogue alone.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::decision::WorkflowFacts;
use crate::catalogue::parameters::{Bound, bind};
use crate::catalogue::{Candidates, Catalogue, CatalogueError, Excluded, MatchContext, Parameter, Workflow};
use crate::domain::{
    AlternativeWorkflow, ExcludedWorkflow, Finding, Incident, ResourceRef, ReviewReason, SelectedWorkflow,
    ValidationAttempt,
};

/// Action types that change a node, and nothing else.
const NODE_SCOPED: &[&str] = &["RemoveTaint", "DrainNode", "CordonNode", "UncordonNode", "RebootNode", "CleanupNode"];

/// What became of the choice. The default: nothing was looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    pub(super) selected: Option<SelectedWorkflow>,
    pub(super) alternatives: Vec<AlternativeWorkflow>,
    pub(super) excluded: Vec<ExcludedWorkflow>,
    pub(super) attempts: Vec<ValidationAttempt>,
    /// The catalogue did not answer: why.
    pub(super) catalogue_problem: Option<String>,
}

impl Selection {
    /// What the decision table looks at.
    pub(super) fn facts(&self) -> WorkflowFacts {
        if self.selected.is_some() {
            return WorkflowFacts::Valid { alignment: None };
        }
        if self.attempts.is_empty() {
            return WorkflowFacts::None;
        }
        WorkflowFacts::Exhausted { attempts: self.attempts.clone(), reason: ReviewReason::ParameterValidationFailed }
    }
}

/// Chooses for the finding's action type the best workflow whose parameters can be filled in validly.
pub(super) async fn select(
    catalogue: &dyn Catalogue,
    incident: &Incident,
    finding: &Finding,
    confidence: f64,
    now: Timestamp,
) -> Selection {
    let Some(action_type) = finding.action_type.as_deref() else { return Selection::default() };
    let context = MatchContext::new(incident, Some(finding.target.clone()));
    match catalogue.candidates(action_type, &context).await {
        Ok(candidates) => choose(candidates, finding, confidence, now),
        Err(CatalogueError::Unavailable(problem)) => {
            Selection { catalogue_problem: Some(problem), ..Selection::default() }
        }
        Err(CatalogueError::NotFound(_)) => Selection::default(),
    }
}

fn choose(candidates: Candidates, finding: &Finding, confidence: f64, now: Timestamp) -> Selection {
    let Candidates { matching, excluded } = candidates;
    let mut selection = Selection { excluded: excluded.iter().map(not_fitting).collect(), ..Selection::default() };
    let left_out = excluded.len();
    for workflow in &matching {
        let Bound { values, mut errors } = bind(&workflow.parameters, &hints(finding));
        errors.extend(scope_error(workflow, &finding.target));
        if !errors.is_empty() {
            selection.attempts.push(attempt(selection.attempts.len(), workflow, errors.clone(), now));
            selection.excluded.push(ExcludedWorkflow { workflow_name: workflow.name.clone(), reasons: errors });
        } else if selection.selected.is_none() {
            selection.attempts.push(attempt(selection.attempts.len(), workflow, Vec::new(), now));
            let others = matching.len() + left_out - 1;
            selection.selected = Some(selected(workflow, values, finding, confidence, others));
        } else {
            selection.alternatives.push(alternative(workflow, confidence));
        }
    }
    selection
}

/// The analyser's values. The service's own names are never taken from anybody.
fn hints(finding: &Finding) -> Map<String, Value> {
    finding.parameters.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn scope_error(workflow: &Workflow, target: &ResourceRef) -> Option<String> {
    let wrong = NODE_SCOPED.contains(&workflow.action_type.as_str()) && target.namespace.is_some();
    wrong.then(|| format!("{} changes nodes and cannot change {target}", workflow.action_type))
}

fn attempt(before: usize, workflow: &Workflow, errors: Vec<String>, timestamp: Timestamp) -> ValidationAttempt {
    ValidationAttempt {
        attempt: u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1),
        workflow_id: Some(workflow.id.clone()),
        is_valid: errors.is_empty(),
        errors,
        timestamp,
    }
}

fn not_fitting(excluded: &Excluded) -> ExcludedWorkflow {
    ExcludedWorkflow { workflow_name: excluded.workflow.name.clone(), reasons: excluded.reasons.clone() }
}

fn selected(
    workflow: &Workflow,
    mut parameters: Map<String, Value>,
    finding: &Finding,
    confidence: f64,
    others: usize,
) -> SelectedWorkflow {
    parameters.extend(target_parameters(&workflow.parameters, &finding.target));
    let compared = match others {
        0 => "the only workflow of this kind".to_owned(),
        1 => "preferred to 1 other of this kind".to_owned(),
        others => format!("preferred to {others} others of this kind"),
    };
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
        rationale: format!(
            "{} Use it when: {} ({compared})",
            workflow.description.what, workflow.description.when_to_use
        ),
        parameters,
    }
}

/// `TARGET_RESOURCE_*` as the workflow declares them, from the verified target (investigation §5.7). Values are texts.
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

fn alternative(workflow: &Workflow, confidence: f64) -> AlternativeWorkflow {
    AlternativeWorkflow {
        workflow_id: workflow.id.clone(),
        workflow_name: workflow.name.clone(),
        execution_bundle: workflow.execution.bundle.clone(),
        confidence,
        rationale: format!("Fits as well, but ranks lower. {}", workflow.description.what),
    }
}

#[cfg(test)]
mod tests;
