//! An enrichment as the section of the selection prompt (investigation §3.4 row 5, markers of §3.9). Pure.

mod quota;

use serde_json::Value;

use super::history;
use super::{Enrichment, HistoryState, Scope};
use crate::domain::ResourceRef;

/// The section. `repetition_threshold` is the setting `prompt.repeated_remediation_escalation_threshold`.
pub fn render(enrichment: &Enrichment, repetition_threshold: usize) -> String {
    let mut lines = vec![
        "## Enrichment Context (Phase 2: verified by the service)".to_owned(),
        String::new(),
        format!("**Root Owner**: {}", owner(enrichment)),
    ];
    if enrichment.chain.len() > 1 {
        let chain: Vec<String> = enrichment.chain.iter().map(ToString::to_string).collect();
        lines.push(format!("**Owner Chain**: {}", chain.join(" -> ")));
    }
    lines.push(format!("\n### Infrastructure of {}", enrichment.root_owner));
    lines.extend(enrichment.labels.sentences().into_iter().map(|sentence| format!("- {sentence}")));
    lines.push(format!("Detected labels: {}", Value::Object(enrichment.labels.for_model())));
    let quota = quota::lines(&enrichment.quota);
    if !quota.is_empty() {
        lines.push("\n### Resource quota of the namespace".to_owned());
        lines.extend(quota.into_iter().map(|line| format!("- {line}")));
    }
    lines.push(format!("\n{}", render_history(&enrichment.history, repetition_threshold)));
    if !enrichment.notes.is_empty() {
        lines.push("\n### Limits of this context".to_owned());
        lines.extend(enrichment.notes.iter().map(|note| format!("- {}", note.replace(char::is_control, " "))));
    }
    lines.join("\n")
}

fn owner(enrichment: &Enrichment) -> String {
    let ResourceRef { api_version, .. } = &enrichment.root_owner;
    let scope = match enrichment.scope {
        Scope::Namespaced => "namespaced",
        Scope::Cluster => "cluster-scoped",
    };
    let version = api_version.as_deref().map(|version| format!("{version}, ")).unwrap_or_default();
    format!("{} ({version}{scope})", enrichment.root_owner)
}

/// The history as a section of its own; says so when it is not known, which is not the same as empty.
pub fn render_history(state: &HistoryState, threshold: usize) -> String {
    match state {
        HistoryState::Known(history) if history.is_empty() => {
            "### Remediation history\nNo earlier remediation is on record.".to_owned()
        }
        HistoryState::Known(history) => history::render(history, threshold),
        HistoryState::Unavailable(reason) => format!(
            "### Remediation history\nRemediation history is unavailable: {}. Earlier remediations may exist.",
            reason.replace(char::is_control, " ")
        ),
    }
}
