//! From a finding to a workflow: the catalogue's candidates, parameters bound to values, and the validation rules
//! (investigation §6). What the catalogue says about execution is taken from the catalogue alone.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::binding::{bound, scope_error};
use super::decision::WorkflowFacts;
use super::recovery;
use crate::catalogue::parameters::{Bound, bind};
use crate::catalogue::{Candidates, Catalogue, CatalogueError, Excluded, MatchContext, Workflow};
use crate::domain::{
    AlternativeWorkflow, ExcludedWorkflow, Finding, Incident, PreviousExecution, ReviewReason, SelectedWorkflow,
    ValidationAttempt,
};

/// What became of the choice. The default: nothing was looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    pub(super) selected: Option<SelectedWorkflow>,
    pub(super) alternatives: Vec<AlternativeWorkflow>,
    pub(super) excluded: Vec<ExcludedWorkflow>,
    pub(super) attempts: Vec<ValidationAttempt>,
    /// What failed last is that the workflow already failed in the previous attempt.
    pub(super) is_repetition: bool,
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
        let reason = match self.is_repetition {
            true => ReviewReason::NoMatchingWorkflows,
            false => ReviewReason::ParameterValidationFailed,
        };
        WorkflowFacts::Exhausted { attempts: self.attempts.clone(), reason }
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
        Ok(candidates) => choose(candidates, finding, recovery::previous(incident), confidence, now),
        Err(CatalogueError::Unavailable(problem)) => {
            Selection { catalogue_problem: Some(problem), ..Selection::default() }
        }
        Err(CatalogueError::NotFound(_)) => Selection::default(),
    }
}

fn choose(
    candidates: Candidates,
    finding: &Finding,
    previous: Option<&PreviousExecution>,
    confidence: f64,
    now: Timestamp,
) -> Selection {
    let Candidates { matching, excluded, .. } = candidates;
    let mut selection = Selection { excluded: excluded.iter().map(not_fitting).collect(), ..Selection::default() };
    let left_out = excluded.len();
    for workflow in &matching {
        let Bound { values, mut errors } = bind(&workflow.parameters, &hints(finding));
        errors.extend(scope_error(workflow, &finding.target));
        let repeated = recovery::repeated(previous, workflow, &values, &finding.target);
        let repeated = repeated.filter(|_| errors.is_empty());
        let is_repetition = repeated.is_some();
        errors.extend(repeated);
        if !errors.is_empty() {
            selection.is_repetition = is_repetition;
            selection.attempts.push(attempt(selection.attempts.len(), workflow, errors.clone(), now));
            selection.excluded.push(ExcludedWorkflow { workflow_name: workflow.name.clone(), reasons: errors });
        } else if selection.selected.is_none() {
            selection.attempts.push(attempt(selection.attempts.len(), workflow, Vec::new(), now));
            let others = matching.len() + left_out - 1;
            selection.selected =
                Some(bound(workflow, values, &finding.target, confidence, rationale(workflow, others)));
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

fn rationale(workflow: &Workflow, others: usize) -> String {
    let compared = match others {
        0 => "the only workflow of this kind".to_owned(),
        1 => "preferred to 1 other of this kind".to_owned(),
        others => format!("preferred to {others} others of this kind"),
    };
    let description = &workflow.description;
    format!("{} Use it when: {} ({compared})", description.what, description.when_to_use)
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
