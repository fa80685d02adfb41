//! What is odd about a catalogue as a whole (workflow-files §3). Pure.

use std::collections::BTreeMap;

use super::collection::{Entry, Problem};
use super::{ActionType, Parameter, Workflow};
use crate::domain::Severity;

pub(super) fn check(entries: &[Entry], action_types: &BTreeMap<String, ActionType>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let mut odd = of_workflow(&entry.workflow);
        if !action_types.is_empty() && !action_types.contains_key(&entry.workflow.action_type) {
            odd.push(format!("no ActionType describes {}", entry.workflow.action_type));
        }
        let earlier = entries.iter().take(index);
        let twin = earlier.into_iter().find(|other| {
            let (a, b) = (&entry.workflow, &other.workflow);
            a.action_type == b.action_type && a.labels == b.labels && a.detected_labels == b.detected_labels
        });
        odd.extend(
            twin.map(|twin| format!("same action type and labels as {}: which one runs is chance", twin.workflow.name)),
        );
        problems.extend(odd.into_iter().map(|message| Problem {
            file: entry.file.clone(),
            line: entry.line,
            message: format!("{}: {message}", entry.workflow.name),
            is_fatal: false,
        }));
    }
    problems
}

/// What is odd about a workflow taken for itself.
fn of_workflow(workflow: &Workflow) -> Vec<String> {
    let mut odd = out_of_reach(workflow);
    let execution = &workflow.execution;
    match &execution.bundle {
        None => odd.push("spec.execution.bundle is missing: nothing can be run".to_owned()),
        Some(bundle) if !bundle.contains("@sha256:") && execution.bundle_digest.is_none() => {
            odd.push(format!("bundle {bundle} is not pinned by digest"));
        }
        Some(_) => {}
    }
    let unknown = workflow
        .labels
        .severity
        .iter()
        .filter(|severity| severity.trim() != "*" && Severity::parse(severity).is_none());
    odd.extend(unknown.map(|severity| format!("no signal has severity {severity:?}")));
    for parameters in [&workflow.parameters, &workflow.rollback_parameters] {
        odd.extend(parameters.iter().flat_map(|parameter| of_parameter(parameter, parameters)));
    }
    odd
}

/// Labels that no incident has, or only one that says nothing.
fn out_of_reach(workflow: &Workflow) -> Vec<String> {
    let labels = &workflow.labels;
    let is_word = |word: &String| !word.trim().is_empty();
    let mut odd = Vec::new();
    let lists = [
        ("severity", &labels.severity),
        ("environment", &labels.environment),
        ("component", &labels.component),
        ("priority", &labels.priority),
    ];
    for (name, offered) in lists {
        if !offered.iter().any(is_word) {
            odd.push(format!("labels.{name} is empty: only incidents without a {name} reach it"));
        }
    }
    let reaches = |severity: &String| {
        let known = Severity::parse(severity).filter(|severity| *severity != Severity::Unknown);
        severity.trim() == "*" || known.is_some()
    };
    if labels.severity.iter().any(is_word) && !labels.severity.iter().any(reaches) {
        odd.push("labels.severity names no severity: only incidents without one reach it".to_owned());
    }
    let is_kind = |component: &String| {
        let parts: Vec<&str> = component.split('/').collect();
        parts.len() <= 3 && parts.iter().all(|part| !part.trim().is_empty())
    };
    let unreadable = labels.component.iter().filter(|component| is_word(component) && !is_kind(component));
    odd.extend(
        unreadable.map(|component| format!("no incident is about {component:?}: write group/version/Kind or Kind")),
    );
    odd
}

fn of_parameter(parameter: &Parameter, all: &[Parameter]) -> Vec<String> {
    let name = &parameter.name;
    let mut odd = Vec::new();
    if !matches!(parameter.kind.as_str(), "string" | "integer" | "float" | "boolean" | "array") {
        odd.push(format!("parameter {name}: type {:?} is not known and not checked", parameter.kind));
    }
    if !parameter.allowed.is_empty() && parameter.kind != "string" {
        odd.push(format!("parameter {name}: an enum on a {}", parameter.kind));
    }
    if let Some(Err(error)) = parameter.default.as_ref().map(|default| parameter.check(default)) {
        odd.push(format!("parameter {name}: its default breaks its own rule: {error}"));
    }
    if let Some(Err(_)) = parameter.pattern.as_deref().map(regex::Regex::new) {
        odd.push(format!("parameter {name}: its pattern is not a regular expression and is not checked"));
    }
    let named = |needed: &&String| all.iter().any(|other| other.name == **needed);
    odd.extend(
        parameter
            .depends_on
            .iter()
            .filter(|needed| !named(needed))
            .map(|needed| format!("parameter {name}: dependsOn names {needed}, which is not declared")),
    );
    if leads_to(name, name, all, all.len()) {
        odd.push(format!("parameter {name}: dependsOn goes in a circle"));
    }
    if all.iter().filter(|other| other.name == *name).count() > 1 {
        odd.push(format!("parameter {name} is declared twice"));
    }
    odd
}

/// Whether `dependsOn` leads from one parameter to another in at most so many steps.
fn leads_to(from: &str, to: &str, all: &[Parameter], steps: usize) -> bool {
    let next = all.iter().find(|parameter| parameter.name == from).map(|parameter| parameter.depends_on.as_slice());
    steps > 0 && next.unwrap_or_default().iter().any(|needed| needed == to || leads_to(needed, to, all, steps - 1))
}
