//! Which workflows fit an incident, in which order, and why the others do not (workflow-files §2). Pure.

use crate::domain::Severity;

use super::{Candidates, Excluded, MatchContext, Workflow};

/// Base of the score; labels add to it (`DataStorage`, step 2 ranking).
const BASE: f64 = 5.0;
const CUSTOM_EXACT: f64 = 0.15;
const CUSTOM_WILDCARD: f64 = 0.075;
/// What a detected label adds when the workflow names its value.
const DETECTED: &[(&str, f64)] = &[
    ("gitOpsManaged", 0.10),
    ("gitOpsTool", 0.10),
    ("pdbProtected", 0.05),
    ("serviceMesh", 0.05),
    ("networkIsolated", 0.03),
    ("helmManaged", 0.02),
    ("stateful", 0.02),
    ("hpaEnabled", 0.02),
];

/// Splits workflows into those that fit, best first, and the rest with every reason.
pub(super) fn candidates<'a>(workflows: impl Iterator<Item = &'a Workflow>, context: &MatchContext) -> Candidates {
    let mut found = Candidates::default();
    for workflow in workflows {
        let reasons = misfits(workflow, context);
        if reasons.is_empty() {
            let remarks = contradictions(workflow, context);
            if !remarks.is_empty() {
                found.remarks.insert(workflow.id.clone(), remarks);
            }
            found.matching.push(workflow.clone());
        } else {
            found.excluded.push(Excluded { workflow: workflow.clone(), reasons });
        }
    }
    let Candidates { matching, remarks, .. } = &mut found;
    matching.sort_by(|a, b| {
        let suits = remarks.contains_key(&a.id).cmp(&remarks.contains_key(&b.id));
        let score = score(b, context).total_cmp(&score(a, context));
        let specific = specificity(b).cmp(&specificity(a));
        suits
            .then(score)
            .then(specific)
            .then_with(|| version(&b.version).cmp(&version(&a.version)))
            .then_with(|| a.id.cmp(&b.id))
    });
    found.excluded.sort_by(|a, b| a.workflow.name.cmp(&b.workflow.name));
    found
}

/// Why a workflow does not fit; empty when it does.
pub(super) fn misfits(workflow: &Workflow, context: &MatchContext) -> Vec<String> {
    let labels = &workflow.labels;
    let mut reasons = Vec::new();
    let mut demand = |fits: bool, what: &str, offered: &[String], wanted: &str| {
        if !fits {
            reasons.push(format!("{what}: for {}, not {wanted}", offered.join(", ")));
        }
    };
    let severity = |offered: &str| same_severity(offered, &context.severity);
    demand(any(&labels.severity, &context.severity, severity), "severity", &labels.severity, &context.severity);
    let environment = |offered: &str| offered.eq_ignore_ascii_case(&context.environment);
    demand(
        any(&labels.environment, &context.environment, environment),
        "environment",
        &labels.environment,
        &context.environment,
    );
    let priority = |offered: &str| offered.eq_ignore_ascii_case(&context.priority);
    demand(any(&labels.priority, &context.priority, priority), "priority", &labels.priority, &context.priority);
    if let Some(component) = &context.component {
        let same = |offered: &str| is_component(offered, &component.kind, component.group());
        demand(any(&labels.component, &component.kind, same), "component", &labels.component, &component.kind);
    }
    reasons
}

/// `*` offers everything; an empty or unknown wish does not filter.
fn any(offered: &[String], wanted: &str, is_same: impl Fn(&str) -> bool) -> bool {
    let wanted = wanted.trim();
    wanted.is_empty()
        || wanted.eq_ignore_ascii_case("unknown")
        || offered.iter().any(|offered| offered.trim() == "*" || is_same(offered.trim()))
}

fn same_severity(offered: &str, wanted: &str) -> bool {
    match (Severity::parse(offered), Severity::parse(wanted)) {
        (Some(offered), Some(wanted)) => offered == wanted,
        _ => offered.eq_ignore_ascii_case(wanted),
    }
}

/// `group/version/Kind`, `version/Kind` or a bare kind. The group counts when both sides state one.
fn is_component(offered: &str, kind: &str, group: Option<&str>) -> bool {
    let mut parts = offered.rsplit('/');
    let offered_kind = parts.next().unwrap_or_default();
    let _version = parts.next();
    let offered_group = parts.next();
    let same_group = match (offered_group, group) {
        (Some(offered), Some(group)) => offered.eq_ignore_ascii_case(group),
        _ => true,
    };
    offered_kind.eq_ignore_ascii_case(kind) && same_group
}

/// From 0 to 1, for the order only.
fn score(workflow: &Workflow, context: &MatchContext) -> f64 {
    let custom: f64 = workflow
        .custom_labels
        .iter()
        .filter_map(|(name, offered)| Some((offered, context.custom_labels.get(name)?)))
        .map(|(offered, have)| match offered.as_str() {
            "*" if !have.is_empty() => CUSTOM_WILDCARD,
            offered if have.iter().any(|have| have == offered) => CUSTOM_EXACT,
            _ => 0.0,
        })
        .sum();
    let detected: f64 =
        DETECTED.iter().filter(|(name, _)| is_named(workflow, context, name)).map(|(_, weight)| weight).sum();
    ((BASE + custom + detected) / 10.0).min(1.0)
}

/// True when the workflow names this label with the detected value, or with any value of one that is present.
fn is_named(workflow: &Workflow, context: &MatchContext, name: &str) -> bool {
    let (Some(required), Some(detected)) = (workflow.detected_labels.get(name), context.detected_labels.get(name))
    else {
        return false;
    };
    let present = !matches!(detected.as_str(), "" | "false");
    present && (required == "*" || required.eq_ignore_ascii_case(detected))
}

/// Labels the workflow requires and that were found to be otherwise.
fn contradictions(workflow: &Workflow, context: &MatchContext) -> Vec<String> {
    let required = workflow.detected_labels.iter().filter(|(_, required)| required.as_str() != "*");
    required
        .filter_map(|(name, required)| {
            let detected = context.detected_labels.get(name)?;
            let differs = !required.eq_ignore_ascii_case(detected);
            let shown = if detected.is_empty() { "none" } else { detected };
            differs.then(|| format!("requires {name}={required}, detected was {shown}"))
        })
        .collect()
}

/// How many of the mandatory labels say more than `*`: the narrower workflow was made for the case.
fn specificity(workflow: &Workflow) -> usize {
    let labels = &workflow.labels;
    let all = [&labels.severity, &labels.environment, &labels.component, &labels.priority];
    all.into_iter().filter(|values| !values.iter().any(|value| value.trim() == "*")).count()
}

/// Numbers of a semantic version for comparison; a pre-release is below its release.
pub(super) fn version(text: &str) -> (Vec<u64>, bool, String) {
    let text = text.trim_start_matches('v').split('+').next().unwrap_or_default();
    let (core, pre) = text.split_once('-').unwrap_or((text, ""));
    (core.split('.').map(|number| number.parse().unwrap_or(0)).collect(), pre.is_empty(), pre.to_owned())
}

#[cfg(test)]
mod tests;
