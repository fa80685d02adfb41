//! Holding a submitted workflow against the catalogue, and telling the model what is wrong (investigation §6).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::binding::scope_error;
use super::recovery;
use crate::catalogue::parameters::bind;
use crate::catalogue::{CatalogueError, Found, Workflow};
use crate::domain::{PreviousExecution, ResourceRef, ReviewReason};
use crate::tools::workflows::{CatalogueView, parameter_line};

/// Most seen workflows named in feedback.
const SEEN_MAX: usize = 20;

/// What a model chose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Submission<'a> {
    pub(super) workflow_id: &'a str,
    pub(super) parameters: &'a Map<String, Value>,
    /// A bundle named although nobody asked: a sign of invention when it is not the catalogue's.
    pub(super) bundle: Option<&'a str>,
}

/// Outcome of one validation.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Valid(Box<Validated>),
    Invalid(Box<Invalid>),
    /// The catalogue could not be asked: no fault of the choice.
    Unavailable(String),
}

/// A choice that keeps every rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Validated {
    pub(super) workflow: Workflow,
    pub(super) parameters: Map<String, Value>,
}

/// A choice that breaks some.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invalid {
    pub(super) faults: Vec<Fault>,
    /// The workflow meant, where it exists.
    pub(super) workflow: Option<Workflow>,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) rule: Rule,
    pub(super) text: String,
}

/// Rules of investigation §6.1 in the order they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Identity,
    Context,
    /// The catalogue does not list its action type for this incident.
    ActionType,
    Bundle,
    Parameters,
    Scope,
    /// The target was deleted, and this does not create it anew.
    Deleted,
    Repetition,
    /// The workflow and the parameters of the attempt that failed.
    FailedBefore,
}

impl Rule {
    /// Why a person must look when this is what failed last (investigation §6.5).
    fn reason(self) -> ReviewReason {
        match self {
            Self::Identity | Self::Context => ReviewReason::WorkflowNotFound,
            Self::Bundle => ReviewReason::ImageMismatch,
            Self::Parameters => ReviewReason::ParameterValidationFailed,
            Self::Deleted => ReviewReason::RcaIncomplete,
            Self::ActionType | Self::Scope | Self::Repetition | Self::FailedBefore => ReviewReason::NoMatchingWorkflows,
        }
    }
}

impl Invalid {
    fn of(rule: Rule, text: String, workflow: Option<Workflow>) -> Verdict {
        Verdict::Invalid(Box::new(Self { faults: vec![Fault { rule, text }], workflow }))
    }

    pub(super) fn errors(&self) -> Vec<String> {
        self.faults.iter().map(|fault| fault.text.clone()).collect()
    }

    /// From the rule that failed last.
    pub(super) fn reason(&self) -> ReviewReason {
        self.faults.last().map_or(ReviewReason::WorkflowNotFound, |fault| fault.rule.reason())
    }
}

/// What a choice is held against besides the catalogue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    /// The object to change.
    pub(super) target: &'a ResourceRef,
    /// Action types that the history forbids for this signal.
    pub(super) avoided: &'a BTreeSet<String>,
    /// The attempt that failed.
    pub(super) previous: Option<&'a PreviousExecution>,
    /// The only action types for a target that does not exist any more; `None` while it exists.
    pub(super) recreate: Option<&'a [String]>,
}

/// Tries every rule.
pub(super) async fn validate(view: &CatalogueView, submission: Submission<'_>, rules: Rules<'_>) -> Verdict {
    let Found { workflow, misfits } = match identified(view, submission.workflow_id.trim()).await {
        Ok(found) => found,
        Err(verdict) => return verdict,
    };
    if !misfits.is_empty() {
        let text = format!("{} does not fit this incident: {}", workflow.name, misfits.join("; "));
        return Invalid::of(Rule::Context, text, Some(workflow));
    }
    let mut faults = rules.faults(&workflow, submission.bundle);
    if !view.may_offer(&workflow.action_type) {
        let text = format!("action type {} is not among those available for this incident", workflow.action_type);
        faults.insert(0, Fault { rule: Rule::ActionType, text });
    }
    let bound = bind(&workflow.parameters, submission.parameters);
    if bound.errors.is_empty() {
        let repeated = recovery::repeated(rules.previous, &workflow, &bound.values, rules.target);
        faults.extend(repeated.map(|text| Fault { rule: Rule::FailedBefore, text }));
    }
    faults.extend(bound.errors.into_iter().map(|text| Fault { rule: Rule::Parameters, text }));
    if faults.is_empty() {
        Verdict::Valid(Box::new(Validated { workflow, parameters: bound.values }))
    } else {
        Verdict::Invalid(Box::new(Invalid { faults, workflow: Some(workflow) }))
    }
}

/// The workflow of this id, or of a name the catalogue told in this conversation.
async fn identified(view: &CatalogueView, id: &str) -> Result<Found, Verdict> {
    let unknown = |text: String| Invalid::of(Rule::Identity, text, None);
    let known = match Uuid::parse_str(id) {
        Ok(_) => Some(id.to_owned()),
        Err(_) => view.seen_by_name(id),
    };
    let known = known.ok_or_else(|| unknown(format!("{id:?} is not the id of a workflow in the catalogue")))?;
    let answer = match view.workflow(&known).await {
        Err(CatalogueError::NotFound(_)) => view.withheld(&known).await,
        answer => answer,
    };
    answer.map_err(|error| match error {
        CatalogueError::NotFound(_) => unknown(format!("workflow {id} is not found in the catalogue")),
        CatalogueError::Unavailable(problem) => Verdict::Unavailable(problem),
    })
}

impl Rules<'_> {
    /// Everything but identity, context and parameters.
    fn faults(&self, workflow: &Workflow, bundle: Option<&str>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |rule: Rule, text: String| faults.push(Fault { rule, text });
        let catalogue_bundle = workflow.execution.bundle.as_deref();
        if let Some(bundle) = bundle.filter(|bundle| !bundle.is_empty() && Some(*bundle) != catalogue_bundle) {
            let bundle: String = bundle.chars().take(200).collect();
            fault(Rule::Bundle, format!("bundle {bundle:?} does not match the catalogue's: leave it out"));
        }
        if let Some(text) = scope_error(workflow, self.target) {
            fault(Rule::Scope, text);
        }
        if let Some(allowed) = self.recreate.filter(|allowed| !allowed.contains(&workflow.action_type)) {
            let text = format!(
                "{} was deleted and {} does not create it anew: choose one of {}, or none",
                self.target,
                workflow.action_type,
                allowed.join(", ")
            );
            fault(Rule::Deleted, text);
        }
        if self.avoided.contains(&workflow.action_type) {
            let text = format!(
                "{} was tried for this signal before and did not help: choose another action type",
                workflow.action_type
            );
            fault(Rule::Repetition, text);
        }
        faults
    }
}

/// What the model is told after validation `attempt` of `attempts_max` failed (investigation §6.4).
pub(super) fn feedback(
    invalid: &Invalid,
    attempt: u32,
    attempts_max: u32,
    seen: &[(String, String)],
    same: bool,
    again: &str,
) -> String {
    let mut text = format!("Validation {attempt} of {attempts_max} failed:\n");
    for fault in &invalid.faults {
        let _ = writeln!(text, "- {}", fault.text);
    }
    if same {
        text.push_str("This is exactly what was rejected before: change it.\n");
    }
    if let Some(workflow) = &invalid.workflow {
        let _ = writeln!(text, "Parameters of {} ({}):", workflow.name, workflow.id);
        for parameter in workflow.parameters.iter().filter(|parameter| !parameter.is_managed()) {
            let _ = writeln!(text, "- {}", parameter_line(parameter));
        }
    }
    let is_unknown = invalid.faults.iter().any(|fault| matches!(fault.rule, Rule::Identity | Rule::Context));
    if is_unknown && !seen.is_empty() {
        let seen: Vec<String> = seen.iter().take(SEEN_MAX).map(|(id, name)| format!("{name} ({id})")).collect();
        let _ = writeln!(text, "The catalogue named: {}.", seen.join(", "));
    }
    text.push_str(again);
    text
}

#[cfg(test)]
mod tests;
