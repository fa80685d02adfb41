//! `root_cause_analysis` (http-api §2.5).

use serde_json::{Map, Value, json};

use super::readable::{readable, readable_value};
use crate::domain::{ConfidenceBasis, Evidence, ResourceRef, RootCause};

/// The map in the documented order. `summary` falls back to the first sentence of `analysis`. `basis` and the evidence are
/// additions that earlier clients pass over.
pub(super) fn render(
    cause: &RootCause,
    basis: Option<&ConfidenceBasis>,
    analysis: &str,
    late_severity: bool,
) -> Map<String, Value> {
    let severity = if late_severity { cause.severity.as_late_str() } else { cause.severity.as_str() };
    let summary = readable(&cause.summary);
    let summary = match summary.trim() {
        "" => first_sentence(analysis),
        summary => summary,
    };
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
    put("summary", summary.into());
    put("severity", severity.into());
    if let Some(signal) = cause.signal_name.as_ref().filter(|signal| !signal.is_empty()) {
        put("signal_name", signal.as_str().into());
    }
    put("contributing_factors", json!(cause.contributing_factors));
    if let Some(target) = cause.target.as_ref().map(object) {
        // Consumers before 26 March 2026 read only the second name, later ones only the first.
        put("remediationTarget", target.clone());
        put("affectedResource", target);
    }
    if !cause.causal_chain.is_empty() {
        put("causal_chain", json!(cause.causal_chain));
    }
    if !cause.due_diligence.is_empty() {
        put("due_diligence", json!(cause.due_diligence));
    }
    if let Some(class) = cause.cause_class {
        put("cause_class", class.as_str().into());
    }
    if !cause.evidence.is_empty() {
        put("evidence", cause.evidence.iter().map(evidence).collect());
    }
    if let Some(basis) = basis {
        put("confidence_basis", json!(basis));
    }
    map.values_mut().for_each(readable_value);
    map
}

fn object(target: &ResourceRef) -> Value {
    let mut map = Map::new();
    map.insert("kind".to_owned(), target.kind.as_str().into());
    map.insert("name".to_owned(), target.name.as_str().into());
    for (key, value) in [("namespace", &target.namespace), ("api_version", &target.api_version)] {
        if let Some(value) = value {
            map.insert(key.to_owned(), value.as_str().into());
        }
    }
    Value::Object(map)
}

/// The claim, where it was seen in machine-readable form, and the same place as one line for people.
fn evidence(evidence: &Evidence) -> Value {
    json!({ "claim": evidence.claim, "source": evidence.source, "seen": evidence.source.to_string() })
}

/// Up to the first full stop that ends a sentence, else the whole text.
fn first_sentence(text: &str) -> &str {
    let end = text.find(". ").map_or(text.len(), |stop| stop + 1);
    text.get(..end).unwrap_or(text).lines().next().unwrap_or_default()
}
