//! What a model is told (investigation §3). The system prompts are constant, so that providers can cache them; everything
//! about one incident follows behind, redacted, bounded, and between delimiters when it comes from outside. Pure.

mod answering;
mod business;
mod incident;
mod recovery;
#[cfg(test)]
mod tests;
mod tool_servers;

use std::fmt::Write as _;

pub(super) use answering::Answering;
pub(super) use tool_servers::section as tool_servers;

use super::config::InvestigationConfig;
use crate::domain::{Incident, Severity, SignalMode};
use crate::redaction::Redactor;
use crate::redaction::injection::{self, Fence, Mode};

const RCA_SYSTEM: &str = include_str!("prompts/rca_system.md");
const SELECTION_SYSTEM: &str = include_str!("prompts/selection_system.md");

/// Longest text of one field, in characters.
const FIELD_CHARS_MAX: usize = 4_000;
/// Longest text of several lines, in characters.
const SECTION_CHARS_MAX: usize = 16_000;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 500;

/// What cleans and encloses text from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guard<'a> {
    pub(super) redactor: &'a Redactor,
    pub(super) fence: &'a Fence,
    /// What becomes of text that looks like instructions.
    pub(super) injection: Mode,
}

impl Guard<'_> {
    /// Without hidden characters first: they must not keep a secret from being recognised.
    fn plain(&self, text: &str) -> String {
        self.redactor.text(&injection::clean(text)).text
    }

    /// A fact in one line: redacted, without control characters, bounded.
    fn field(&self, text: &str) -> String {
        injection::field(&self.plain(text), FIELD_CHARS_MAX)
    }

    /// A name or word.
    fn name(&self, text: &str) -> String {
        injection::field(&self.plain(text), NAME_CHARS_MAX)
    }

    /// Data between delimiters; what looks like instructions in it is marked or taken out. What the incident says is only
    /// ever marked: [`Fence::wrap`].
    fn wrap(&self, label: &str, text: &str) -> String {
        let (kept, removed) = match self.injection {
            Mode::Mark => (None, 0),
            Mode::Strip => {
                let (kept, removed) = injection::strip(text);
                (Some(kept), removed)
            }
        };
        let wrapped = self.fence.wrap(label, kept.as_deref().unwrap_or(text)).text;
        if removed == 0 { wrapped } else { format!("({})\n{wrapped}", injection::removal(removed)) }
    }

    /// A text of several lines.
    fn section(&self, text: &str) -> String {
        let plain = self.plain(text);
        let kept: String = plain.chars().take(SECTION_CHARS_MAX).collect();
        if kept.len() < plain.len() { format!("{kept}\n… cut") } else { kept }
    }
}

/// The system prompt of the root-cause phase.
pub(super) fn rca_system(config: &InvestigationConfig, answering: Answering) -> String {
    RCA_SYSTEM
        .replace("{{way}}", answering.rca_way)
        .replace("{{contract}}", answering.rca_contract)
        .replace("{{resolved}}", &config.resolved_confidence_threshold.to_string())
        .replace("{{inconclusive}}", &config.inconclusive_confidence_threshold.to_string())
}

/// The first message of the root-cause phase. `hypotheses` are findings of the analyser, best first.
pub(super) fn rca_user(incident: &Incident, guard: Guard<'_>, hypotheses: &[String], answering: Answering) -> String {
    let mut text = format!(
        "Delimiters of data from outside carry the token {}.\n\n# Incident\n{}",
        guard.fence.token(),
        guard.fence.wrap("incident", &incident::facts(incident, guard)).text
    );
    text.push_str("\n\n# Business impact\n");
    text.push_str(&business::impact(incident, guard));
    if let Some(section) = recovery::section(incident.recovery.as_deref(), guard, recovery::Reader::RootCause) {
        let _ = write!(text, "\n\n{section}");
    }
    if incident.signal_mode == SignalMode::Proactive {
        text.push_str(incident::PROACTIVE_TASK);
    }
    if incident.signal_name.contains("PodDisruptionBudget") {
        text.push_str(incident::DISRUPTION_BUDGET);
    }
    if !hypotheses.is_empty() {
        let listed: Vec<String> = hypotheses.iter().map(|one| format!("- {}", guard.field(one))).collect();
        let _ = write!(
            text,
            "\n\n# Hypotheses of the built-in analyser\nFrom rules over the present objects, best first. Check them like any \
             other hypothesis; they may be wrong or only symptoms.\n{}",
            guard.wrap("hypotheses", &listed.join("\n"))
        );
    }
    text.push_str("\n\n");
    text.push_str(answering.rca_end);
    text
}

/// The system prompt of a summary of earlier turns.
pub(super) fn condense_system() -> &'static str {
    include_str!("prompts/condense_system.md").trim_ascii_end()
}

/// The system prompt of a summary of one result.
pub(super) fn summary_system() -> &'static str {
    include_str!("prompts/summary_system.md").trim_ascii_end()
}

/// The system prompt of the workflow-selection phase.
pub(super) fn selection_system(answering: Answering) -> String {
    let contract = answering.selection_contract.trim_end();
    SELECTION_SYSTEM.replace("{{way}}", answering.selection_way).replace("{{contract}}", contract)
}

/// What the root-cause phase hands over (investigation §1.5.3).
#[derive(Debug, Clone, Default)]
pub(super) struct HandOver<'a> {
    pub(super) summary: &'a str,
    pub(super) severity: Option<Severity>,
    pub(super) signal_name: Option<&'a str>,
    pub(super) factors: &'a [String],
    pub(super) causal_chain: &'a [String],
    pub(super) target: String,
    pub(super) confidence: Option<f64>,
    pub(super) narrative: &'a str,
    pub(super) gaps: &'a [String],
    /// Rendered enrichment; begins with its own heading.
    pub(super) enrichment: &'a str,
    /// The catalogue's fitting workflows, when they are few enough.
    pub(super) shortlist: Option<&'a str>,
}

/// The first message of the workflow-selection phase.
pub(super) fn selection_user(
    incident: &Incident,
    guard: Guard<'_>,
    found: &HandOver<'_>,
    answering: Answering,
) -> String {
    let mut cause = format!("Summary: {}\n", guard.field(found.summary));
    let mut line = |label: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(cause, "{label}: {}", guard.field(value));
        }
    };
    line("Severity", found.severity.map(Severity::as_str).unwrap_or_default());
    line("Signal", found.signal_name.unwrap_or_default());
    line("Target", &found.target);
    line("Contributing factors", &found.factors.join("; "));
    line("Causal chain", &found.causal_chain.join(" -> "));
    line("Confidence", &found.confidence.map(|value| value.to_string()).unwrap_or_default());
    line("Analysis", found.narrative);
    line("Gaps in the evidence", &found.gaps.join("; "));
    let mut text = format!(
        "Delimiters of data from outside carry the token {}.\n\n# Incident\n{}\n\n# Business impact\n{}",
        guard.fence.token(),
        guard.fence.wrap("incident", &incident::short_facts(incident, guard)).text,
        business::impact(incident, guard),
    );
    if incident.signal_mode == SignalMode::Proactive {
        text.push_str("\n\nThe incident is predicted and has not happened: choose a preventive workflow, or none.");
    }
    if let Some(section) = recovery::section(incident.recovery.as_deref(), guard, recovery::Reader::Selection) {
        let _ = write!(text, "\n\n{section}");
    }
    let _ = write!(text, "\n\n## Phase 1 Root Cause Analysis\n{}", guard.wrap("root_cause", cause.trim_end()));
    if !found.enrichment.is_empty() {
        let (heading, rest) = found.enrichment.split_once('\n').unwrap_or((found.enrichment, ""));
        let rest = guard.section(rest.trim());
        let _ = write!(text, "\n\n{heading}\n{}", guard.wrap("enrichment", &rest));
    }
    match found.shortlist {
        Some("") => text.push_str("\n\n# Fitting workflows\nThe catalogue has none for this incident."),
        Some(shortlist) => {
            let shortlist = guard.redactor.text(shortlist).text;
            let _ = write!(
                text,
                "\n\n# Fitting workflows\nAll workflows of the catalogue that fit this incident.\n{}",
                guard.wrap("catalogue", shortlist.trim_end())
            );
        }
        None => {
            text.push_str("\n\nThe catalogue is large: use list_available_actions, list_workflows and get_workflow.");
        }
    }
    text.push_str("\n\n");
    text.push_str(answering.selection_end);
    text
}
