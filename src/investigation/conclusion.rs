//! From a diagnosis to the complete result: pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::decision::{Bands, Facts, decide};
use super::outcome::Outcome;
use super::selection::Selection;
use super::two_decimals;
use crate::analyser::Diagnosis;
use crate::domain::{
    AlternativeWorkflow, Disposition, Engine, Evidence, Finding, Incident, Investigation, ReviewReason, RootCause,
    SelectedWorkflow, Source,
};

/// Why the analyser answers although a model was asked. A person must look then, and no workflow is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StandIn {
    pub(super) reason: ReviewReason,
    /// One sentence for people.
    pub(super) because: String,
    /// What the model wrote instead of an answer; kept for people (investigation §1.5.2).
    pub(super) wrote: String,
}

/// Applies the decision table to the analyser's best finding and the workflow chosen for it.
pub(super) fn conclude(
    incident: &Incident,
    diagnosis: &Diagnosis,
    selection: Selection,
    stand_in: Option<StandIn>,
    bands: Bands,
    completed_at: Timestamp,
) -> Investigation {
    let top = diagnosis.top();
    let facts = Facts {
        fatal: stand_in.as_ref().map(|stand_in| (stand_in.reason, stand_in.because.clone())),
        outcome: top.map_or(Outcome::Inconclusive, |finding| outcome(finding.disposition)),
        confidence: diagnosis.confidence,
        bands,
        workflow: selection.facts(),
        catalogue_problem: selection.catalogue_problem,
        ..Facts::default()
    };
    let decision = decide(&facts);
    let root_cause = root_cause(incident, top);
    let (selected_workflow, not_run) = match selection.selected {
        Some(selected) if decision.keep_workflow => (Some(selected), None),
        selected => (None, selected.map(as_alternative)),
    };
    Investigation {
        incident_id: incident.incident_id.clone(),
        analysis: analysis(diagnosis, &root_cause.summary, stand_in.as_ref()),
        root_cause,
        selected_workflow,
        confidence: two_decimals(diagnosis.confidence.max(decision.confidence_min)),
        completed_at,
        review: decision.review,
        actionable: decision.actionable,
        warnings: decision.warnings,
        alternatives: not_run.into_iter().chain(selection.alternatives).collect(),
        validation_attempts: selection.attempts,
        engine: Engine::Analyser { because: stand_in.map(|stand_in| stand_in.because) },
        excluded: selection.excluded,
        not_checked: diagnosis.not_checked.clone(),
        detected_labels: None,
        confidence_basis: None,
    }
}

/// What would have been run: for the person who looks.
fn as_alternative(selected: SelectedWorkflow) -> AlternativeWorkflow {
    AlternativeWorkflow {
        workflow_id: selected.workflow_id,
        workflow_name: selected.workflow_name,
        execution_bundle: selected.execution_bundle,
        confidence: selected.confidence,
        rationale: selected.rationale,
    }
}

fn outcome(disposition: Disposition) -> Outcome {
    match disposition {
        Disposition::Act | Disposition::Escalate => Outcome::None,
        Disposition::Resolved => Outcome::Resolved,
        Disposition::NotActionable => Outcome::NotActionable,
    }
}

fn root_cause(incident: &Incident, top: Option<&Finding>) -> RootCause {
    let Some(finding) = top else {
        return RootCause {
            summary: format!("Nothing found that explains {} on {}", incident.signal_name, incident.resource),
            severity: incident.severity,
            signal_name: Some(incident.signal_name.clone()),
            cause_class: None,
            contributing_factors: Vec::new(),
            target: None,
            causal_chain: Vec::new(),
            due_diligence: BTreeMap::new(),
            evidence: Vec::new(),
        };
    };
    RootCause {
        summary: finding.summary.clone(),
        severity: incident.severity,
        signal_name: Some(incident.signal_name.clone()),
        cause_class: Some(finding.cause_class),
        contributing_factors: finding.evidence.iter().map(factor).collect(),
        target: Some(finding.target.clone()),
        causal_chain: finding.causal_chain.clone(),
        due_diligence: BTreeMap::new(),
        evidence: finding.evidence.clone(),
    }
}

/// What was claimed and what was seen, in one line.
fn factor(evidence: &Evidence) -> String {
    const CHARS_MAX: usize = 240;
    let seen = match &evidence.source {
        Source::Field { value, .. } | Source::Metric { value, .. } => value.clone(),
        Source::Log { text, .. } => text.trim().to_owned(),
        Source::Event { reason, message, .. } => format!("{reason}: {message}"),
        Source::Absent { what, .. } => what.clone(),
        Source::ToolResult { quote, .. } => quote.clone(),
    };
    let line = format!("{}: {seen}", evidence.claim);
    let kept: String = line.chars().take(CHARS_MAX).collect();
    if kept.len() < line.len() { format!("{kept}…") } else { kept }
}

/// The cause, what else was seen (the next related findings in one line each), what a model left unfinished.
fn analysis(diagnosis: &Diagnosis, summary: &str, stand_in: Option<&StandIn>) -> String {
    const OTHERS_MAX: usize = 3;
    const WROTE_CHARS_MAX: usize = 4_000;
    let others = diagnosis.findings.iter().skip(1).filter(|ranked| ranked.is_related).take(OTHERS_MAX);
    let others: Vec<&str> = others.map(|ranked| ranked.finding.summary.as_str()).collect();
    let mut text = summary.to_owned();
    if !others.is_empty() {
        text.push_str(&format!("\n\nAlso seen: {}", others.join(" ")));
    }
    if let Some(wrote) = stand_in.map(|stand_in| stand_in.wrote.as_str()).filter(|wrote| !wrote.is_empty()) {
        let kept: String = wrote.chars().take(WROTE_CHARS_MAX).collect();
        text.push_str(&format!("\n\nThe model wrote: {kept}"));
    }
    text
}
