//! The signal's workload is healthy, and nothing says that it ever was not.

use jiff::SignedDuration;

use super::recovered::{self, logs_complain, own_warnings};
use crate::analyser::draft::draft;
use crate::analyser::standing::{Standing, is_about_pod_state};
use crate::analyser::{Observed, Signature};
use crate::domain::{CauseClass, Disposition, Finding};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "healthy",
    title: "The signal's workload has all its pods, and nothing abnormal is known about it",
    detect,
}];

/// A log line that reports an error within this time is not nothing.
const QUIET_FOR: SignedDuration = SignedDuration::from_mins(30);

fn detect(observed: &Observed) -> Vec<Finding> {
    Standing::of(observed).and_then(|standing| healthy(observed, &standing)).into_iter().collect()
}

fn healthy(observed: &Observed, standing: &Standing<'_>) -> Option<Finding> {
    let had_trouble = own_warnings(observed, standing).next().is_some() || !recovered::detect(observed).is_empty();
    if !standing.is_well(observed) || had_trouble || logs_complain(observed, standing, QUIET_FOR) {
        return None;
    }
    // The state of pods cannot disprove slow or failing requests.
    let strength = if is_about_pod_state(&observed.incident) { 0.7 } else { 0.45 };
    let root = standing.root.reference();
    Some(Finding {
        summary: format!(
            "{root} is healthy: {}, without warnings or failing connections, and {} no longer holds",
            standing.in_words(),
            observed.incident.signal_name
        ),
        causal_chain: vec![format!("{}: nothing is left to change", standing.in_words())],
        evidence: standing.evidence(),
        strength,
        disposition: Disposition::Resolved,
        ..draft("healthy", CauseClass::Healthy, &standing.subject.reference(), root)
    })
}

#[cfg(test)]
mod tests;
