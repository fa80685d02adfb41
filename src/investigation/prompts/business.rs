//! Business texts (investigation §3.6).

use super::Guard;
use crate::domain::{Incident, Severity};

/// Urgency, environment and what may be risked.
pub(super) fn impact(incident: &Incident, guard: Guard<'_>) -> String {
    let category = guard.name(or(&incident.business_category, "standard"));
    let environment = guard.name(or(&incident.environment, "unknown"));
    let urgency = match priority(incident) {
        "P0" => format!("P0, the highest priority: a service of category {category} needs immediate attention"),
        "P1" => "P1, high priority: prompt attention".to_owned(),
        "P2" => "P2, medium priority: resolve in time".to_owned(),
        "P3" => "P3, low priority: can wait for normal operations".to_owned(),
        other => format!("{}, standard priority", guard.name(other)),
    };
    let risk = match risk(incident) {
        "low" => "low: be conservative, no aggressive restarts or scaling",
        "high" => "high: aggressive actions are allowed, speed of recovery comes first",
        "medium" => "medium: balanced, standard actions are allowed",
        _ => "as named by the business: balanced, standard actions are allowed",
    };
    format!(
        "- Priority: {urgency}\n- Environment: {environment}\n- Business category: {category}\n- Risk tolerance: {risk}\n\
         These are applied to the catalogue automatically."
    )
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.trim().is_empty() { default } else { text.trim() }
}

/// The incident's priority, else one inferred from its severity.
fn priority(incident: &Incident) -> &str {
    match (incident.priority.trim(), incident.severity) {
        ("", Severity::Critical) => "P1",
        ("", Severity::High | Severity::Medium | Severity::Unknown) => "P2",
        ("", Severity::Low) => "P3",
        (given, _) => given,
    }
}

fn risk(incident: &Incident) -> &str {
    match (incident.risk_tolerance.trim(), incident.severity) {
        ("", Severity::Critical) => "low",
        ("", Severity::Low) => "high",
        ("", _) => "medium",
        (given, _) => given,
    }
}
