//! The incident's own facts (investigation §3.1, §3.9).

use std::fmt::Write as _;

use super::Guard;
use crate::domain::{Incident, SignalMode};

/// Most annotations shown.
const ANNOTATIONS_MAX: usize = 30;

/// What a predicted incident asks for.
pub(super) const PROACTIVE_TASK: &str = "\n\n# Proactive mode\nThe incident is predicted and not yet occurred. Look at the \
    trend of the utilisation, recent deployments and configuration changes, and how likely it is. Preventive action only \
    where it is warranted; doing nothing (`predictive_no_action`) is a valid result.";

/// A budget that blocks voluntary disruption.
pub(super) const DISRUPTION_BUDGET: &str = "\n\n# Disruption budgets\nThe budget blocks voluntary disruption. Read the \
    budget, its selector and the number of matching pods. A cordoned node is a symptom. Prefer relaxing the budget over \
    removing a taint; the target is the budget, not the node.";

/// `namespace/Kind/name`, or `Kind/name` for cluster-scoped resources.
fn resource_path(incident: &Incident) -> String {
    let resource = &incident.resource;
    match &resource.namespace {
        Some(namespace) => format!("{namespace}/{}/{}", resource.kind, resource.name),
        None => format!("{}/{}", resource.kind, resource.name),
    }
}

/// Everything the incident says, one fact a line. The labels of the lines are recognised by scripted models.
pub(super) fn facts(incident: &Incident, guard: Guard<'_>) -> String {
    let mut text = short_facts(incident, guard);
    let mut line = |label: &str, value: &str| {
        if !value.trim().is_empty() {
            let _ = writeln!(text, "- {label}: {}", guard.field(value.trim()));
        }
    };
    line("Error", if incident.error_message.trim().is_empty() { "Unknown error" } else { &incident.error_message });
    line("Description", incident.description.as_deref().unwrap_or("N/A"));
    line("Signal source", or_unknown(&incident.signal_source));
    line("Firing time", incident.firing_time.as_deref().unwrap_or("Unknown"));
    line("Received time", incident.received_time.as_deref().unwrap_or("Unknown"));
    if incident.is_duplicate && incident.occurrence_count > 0 {
        let window = incident.deduplication_window_minutes.unwrap_or(5);
        let repeated = format!(
            "received {} times in a window of {window} minutes: it persists or recurs",
            incident.occurrence_count
        );
        line("Repetition", &repeated);
        line("First seen", incident.first_seen.as_deref().unwrap_or("Unknown"));
        line("Last seen", incident.last_seen.as_deref().unwrap_or("Unknown"));
    }
    if !incident.signal_annotations.is_empty() {
        text.push_str("Annotations, as written by the author of the alert:\n");
        for (key, value) in incident.signal_annotations.iter().take(ANNOTATIONS_MAX) {
            let _ = writeln!(text, "- {}: {}", guard.name(key), guard.field(value));
        }
    }
    text.trim_end().to_owned()
}

/// What happened to what.
pub(super) fn short_facts(incident: &Incident, guard: Guard<'_>) -> String {
    let resource = &incident.resource;
    let happened = match incident.signal_mode {
        SignalMode::Reactive => "occurred",
        SignalMode::Proactive => "is predicted from trend analysis and not yet occurred",
    };
    let path = guard.name(&resource_path(incident));
    let signal = guard.name(&incident.signal_name);
    let severity = incident.severity;
    let mut text =
        format!("A {severity} {signal} {happened} on {path}.\n- Signal Name: {signal}\n- Severity: {severity}\n");
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "- {label}: {}", guard.name(or_unknown(value)));
    };
    line("Resource", &path);
    if let Some(namespace) = &resource.namespace {
        line("Namespace", namespace);
    }
    match resource.kind.as_str() {
        "Pod" => line("Pod", &resource.name),
        "Node" => line("Node", &resource.name),
        _ => {}
    }
    if let Some(version) = &resource.api_version {
        line("API version", version);
    }
    line("Cluster", &incident.cluster_name);
    text
}

fn or_unknown(text: &str) -> &str {
    if text.trim().is_empty() { "unknown" } else { text.trim() }
}
