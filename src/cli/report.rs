//! The terminal report: an [`Investigation`] as a tired engineer can read it. Pure.

pub(super) mod costs;

use std::fmt::Write as _;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::{Cost, Engine, Evidence, Incident, Investigation, PhaseUsage, SelectedWorkflow, Source, Usage};

/// How the report may look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// ANSI colours; only for a terminal and never with `NO_COLOR`.
    pub(super) colour: bool,
    /// Columns to wrap at.
    pub(super) columns: usize,
}

/// What the report says besides the result.
#[derive(Debug, Clone)]
pub(super) struct Context {
    /// `bundle examples/oom/bundle`.
    pub(super) cluster: String,
    /// Input that was skipped, path and reason each.
    pub(super) problems: Vec<String>,
    /// What the model cost, where one answered.
    pub(super) cost: Option<Cost>,
}

const BOLD: &str = "1";
const RED: &str = "1;31";
const GREEN: &str = "1;32";
const YELLOW: &str = "1;33";
const DIM: &str = "2";

/// Left margin of everything below a heading, in columns.
const INDENT: &str = "  ";

/// Renders the whole report, ending in a newline.
pub(super) fn render(incident: &Incident, investigation: &Investigation, context: &Context, style: Style) -> String {
    let (incident, investigation) = (&printable(incident), &printable(investigation));
    let mut page = Page { text: String::new(), style };
    headline(&mut page, incident, investigation);
    root_cause(&mut page, investigation);
    evidence(&mut page, &investigation.root_cause.evidence);
    workflow(&mut page, investigation);
    alternatives(&mut page, investigation);
    if let Some(basis) = &investigation.confidence_basis {
        page.list(&format!("Support: {}", basis.band.as_str()), BOLD, &basis.facts);
    }
    page.list("Warnings", YELLOW, &investigation.warnings);
    let mut not_checked = investigation.not_checked.clone();
    not_checked.extend(context.problems.iter().map(|problem| format!("skipped: {problem}")));
    page.list("Not checked", BOLD, &not_checked);
    footer(&mut page, investigation, context);
    page.text
}

fn headline(page: &mut Page, incident: &Incident, investigation: &Investigation) {
    let signal = format!("{} ({}) on {}", incident.signal_name, incident.severity, incident.resource);
    page.line(&format!("{}  {signal}", page.paint(DIM, "Incident")));
    let (colour, verdict) = verdict(investigation);
    let confidence = format!("confidence {:.2}", investigation.confidence);
    page.line(&format!(
        "{}   {}  {}",
        page.paint(DIM, "Verdict"),
        page.paint(colour, &verdict),
        page.paint(DIM, &confidence)
    ));
    if let Some(target) = &investigation.root_cause.target {
        page.line(&format!("{}    {}", page.paint(DIM, "Target"), page.paint(BOLD, &target.to_string())));
    }
}

fn verdict(investigation: &Investigation) -> (&'static str, String) {
    match (&investigation.review, &investigation.selected_workflow) {
        (Some(reason), _) => (RED, format!("A person must look: {}", reason.as_str().replace('_', " "))),
        (None, Some(workflow)) => (GREEN, format!("Remediate with {}", workflow.action_type)),
        (None, None) if investigation.actionable == Some(false) => (GREEN, "Nothing to do: not actionable".into()),
        (None, None) => (GREEN, "Nothing to do: resolved".into()),
    }
}

fn root_cause(page: &mut Page, investigation: &Investigation) {
    let cause = &investigation.root_cause;
    page.heading("Root cause", BOLD);
    page.paragraph(INDENT, &cause.summary);
    let analysis = investigation.analysis.trim();
    let more = analysis.strip_prefix(cause.summary.trim()).unwrap_or(analysis).trim();
    for paragraph in more.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
        page.text.push('\n');
        page.paragraph(INDENT, paragraph.trim());
    }
    if cause.causal_chain.len() > 1 {
        page.heading("Cause chain", BOLD);
        for (index, link) in cause.causal_chain.iter().enumerate() {
            page.item(&format!("{INDENT}{}. ", index + 1), link);
        }
    }
}

fn evidence(page: &mut Page, evidence: &[Evidence]) {
    if evidence.is_empty() {
        return;
    }
    page.heading("Evidence", BOLD);
    for piece in evidence {
        page.item(&format!("{INDENT}• "), &piece.claim);
        let place = page.paint(DIM, &place(&piece.source));
        page.item(&format!("{INDENT}    "), &place);
    }
}

/// Where it was seen, with the command-line words an operator would use to see it again.
fn place(source: &Source) -> String {
    match source {
        Source::Event { last_seen: Some(last_seen), .. } => format!("{source} (last {last_seen})"),
        other => other.to_string(),
    }
}

fn workflow(page: &mut Page, investigation: &Investigation) {
    let Some(workflow) = &investigation.selected_workflow else { return };
    page.heading("Workflow", BOLD);
    let name = page.paint(BOLD, &workflow.workflow_name);
    page.line(&format!(
        "{INDENT}{name} {} · {} · {}",
        workflow.version, workflow.action_type, workflow.execution_engine
    ));
    page.line(&format!("{INDENT}{}", page.paint(DIM, &format!("id {}", workflow.workflow_id))));
    page.item(&format!("{INDENT}why: "), &workflow.rationale);
    parameters(page, workflow);
}

fn parameters(page: &mut Page, workflow: &SelectedWorkflow) {
    let width = workflow.parameters.keys().map(String::len).max().unwrap_or_default();
    for (name, value) in &workflow.parameters {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        page.line(&format!("{INDENT}{INDENT}{name:width$} = {value}"));
    }
}

fn alternatives(page: &mut Page, investigation: &Investigation) {
    if !investigation.alternatives.is_empty() {
        page.heading("Alternatives", BOLD);
        for other in &investigation.alternatives {
            let text = format!("{} ({:.2}): {}", other.workflow_name, other.confidence, other.rationale);
            page.item(&format!("{INDENT}• "), &text);
        }
    }
    if !investigation.excluded.is_empty() {
        page.heading("Why not", BOLD);
        for other in &investigation.excluded {
            page.item(&format!("{INDENT}• "), &format!("{}: {}", other.workflow_name, other.reasons.join("; ")));
        }
    }
}

fn footer(page: &mut Page, investigation: &Investigation, context: &Context) {
    let who = match &investigation.engine {
        Engine::Analyser { because: None } => "built-in analyser".to_owned(),
        Engine::Analyser { because: Some(_) } => "built-in analyser, in place of the model".to_owned(),
        Engine::Model { model, turns, tool_calls, prompt_tokens, completion_tokens, .. } => {
            format!("{model}, {turns} turns, {tool_calls} tool calls, {prompt_tokens} + {completion_tokens} tokens")
        }
    };
    let text = format!("Answered by {who}, from {}.", context.cluster);
    page.text.push('\n');
    let text = page.paint(DIM, &text);
    page.paragraph("", &text);
    if let Engine::Model { phases, .. } = &investigation.engine
        && !phases.is_empty()
    {
        let text = page.paint(DIM, &tokens(phases));
        page.paragraph("", &text);
    }
    if let Some(cost) = context.cost {
        let phases = match &investigation.engine {
            Engine::Model { phases, .. } => phases.as_slice(),
            Engine::Analyser { .. } => &[],
        };
        let text = page.paint(DIM, &costs::line(cost, phases));
        page.paragraph("", &text);
    }
}

/// What the model cost, by phase.
fn tokens(phases: &[PhaseUsage]) -> String {
    let all: Usage = phases.iter().map(|phase| phase.usage).sum();
    let phase = |phase: &PhaseUsage| {
        let Usage { prompt_tokens, completion_tokens, .. } = phase.usage;
        let (name, turns) = (phase.phase.replace('_', " "), phase.turns);
        format!("{name} {prompt_tokens} + {completion_tokens} in {turns} {}", if turns == 1 { "turn" } else { "turns" })
    };
    let phases: Vec<String> = phases.iter().map(phase).collect();
    format!("Tokens: {}; {} % of the input from the cache.", phases.join(", "), all.cached_percent())
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.style.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn heading(&mut self, title: &str, code: &str) {
        let title = self.paint(code, title);
        let _ = writeln!(self.text, "\n{title}");
    }

    fn list(&mut self, title: &str, code: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.heading(title, code);
        for item in items {
            self.item(&format!("{INDENT}• "), item);
        }
    }

    fn paragraph(&mut self, indent: &str, text: &str) {
        for line in text.lines() {
            self.item(indent, line);
        }
    }

    /// Wraps `text` behind `prefix`; later lines align with the first word.
    fn item(&mut self, prefix: &str, text: &str) {
        let width = self.style.columns.saturating_sub(prefix.chars().count()).max(40);
        let hanging = " ".repeat(prefix.chars().count());
        for (index, line) in wrap(text, width).iter().enumerate() {
            let lead = if index == 0 { prefix } else { &hanging };
            let _ = writeln!(self.text, "{}", format!("{lead}{line}").trim_end());
        }
    }
}

/// A copy without control characters: text from a cluster must not steer a terminal.
fn printable<T: Serialize + DeserializeOwned + Clone>(value: &T) -> T {
    let copy = serde_json::to_value(value).ok().map(clean).and_then(|value| serde_json::from_value(value).ok());
    copy.unwrap_or_else(|| value.clone())
}

fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(|c: char| c.is_control() && c != '\n', " ")),
        Value::Array(items) => items.into_iter().map(clean).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, clean(value))).collect(),
        other => other,
    }
}

/// Greedy wrapping at spaces by visible characters; colour codes take no room. A word longer than a line keeps its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let size = visible_width(word);
        if used > 0 && used + 1 + size > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += size;
    }
    lines.push(line);
    lines
}

fn visible_width(word: &str) -> usize {
    let mut count = 0;
    let mut in_code = false;
    for character in word.chars() {
        match (in_code, character) {
            (false, '\u{1b}') => in_code = true,
            (true, 'm') => in_code = false,
            (false, _) => count += 1,
            (true, _) => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_aligns_later_lines_and_ignores_colour_codes() {
        let mut page = Page { text: String::new(), style: Style { colour: true, columns: 50 } };
        let painted = page.paint(DIM, "one two three four five six seven eight nine ten eleven");
        page.item("  • ", &painted);
        let lines: Vec<&str> = page.text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("  • "), "{lines:?}");
        assert!(lines[1].starts_with("    "), "{lines:?}");
    }

    #[test]
    fn tokens_by_phase_in_one_line() {
        let spent = |phase: &str, turns, prompt_tokens, cached_tokens, completion_tokens| PhaseUsage {
            phase: phase.to_owned(),
            turns,
            usage: Usage { prompt_tokens, cached_tokens, completion_tokens, ..Usage::default() },
            ..PhaseUsage::default()
        };
        assert_eq!(
            tokens(&[spent("rca", 7, 60_000, 45_000, 1_900), spent("workflow_selection", 1, 4_000, 0, 200)]),
            "Tokens: rca 60000 + 1900 in 7 turns, workflow selection 4000 + 200 in 1 turn; 70 % of the input from the cache."
        );
    }

    #[test]
    fn control_characters_of_the_cluster_do_not_reach_the_terminal() {
        let evil = crate::domain::ResourceRef::cluster_scoped("Node", "a\u{1b}[2J\u{7}b");
        assert_eq!(printable(&evil).name, "a [2J b");
    }
}
