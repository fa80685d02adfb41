//! Remediations that are tried again and again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, History};

/// Outcomes that count as having been carried out, any case.
const COMPLETED: [&str; 4] = ["completed", "success", "remediated", "inconclusive"];
/// Fewest scored entries that can show a decline.
const DECLINE_ENTRIES_MIN: usize = 3;

/// An action type that completed often for one signal on this resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repetition {
    pub action_type: String,
    /// `None` where the history does not tell signals.
    pub signal_type: Option<String>,
    pub count: usize,
    /// It never had an effect: it must not be chosen again for this signal.
    pub must_be_avoided: bool,
}

/// Groups of completed entries, spec drift aside, by action type and signal, that reach `threshold`.
pub fn repetitions(history: &History, threshold: usize) -> Vec<Repetition> {
    let completed = |entry: &&Entry| {
        let outcome = entry.outcome.as_deref().unwrap_or_default();
        !entry.is_spec_drift() && COMPLETED.iter().any(|word| outcome.eq_ignore_ascii_case(word))
    };
    let mut groups: BTreeMap<(&str, Option<&str>), Vec<&Entry>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for entry in history.entries().filter(completed).filter(|entry| seen.insert(&entry.remediation_uid)) {
        let Some(action_type) = entry.action_type.as_deref().filter(|text| !text.is_empty()) else { continue };
        let signal_type = entry.signal_type.as_deref().filter(|text| !text.is_empty());
        groups.entry((action_type, signal_type)).or_default().push(entry);
    }
    let ineffective =
        |entry: &Entry| entry.score().is_none_or(|score| score <= 0.0) && entry.signal_resolved != Some(true);
    let repeated = groups.into_iter().filter(|(_, entries)| entries.len() >= threshold.max(1));
    repeated
        .map(|((action_type, signal_type), entries)| Repetition {
            action_type: action_type.to_owned(),
            signal_type: signal_type.map(str::to_owned),
            count: entries.len(),
            must_be_avoided: entries.iter().all(|entry| ineffective(entry)),
        })
        .collect()
}

/// Action types that must not be chosen again for this signal (investigation §6.1 rule 11). A history that does not tell
/// signals speaks about every signal.
pub fn avoided_action_types(history: &History, signal_type: &str, threshold: usize) -> BTreeSet<String> {
    let this_signal = |repetition: &Repetition| {
        repetition.must_be_avoided && repetition.signal_type.as_deref().is_none_or(|signal| signal == signal_type)
    };
    repetitions(history, threshold).into_iter().filter(this_signal).map(|repetition| repetition.action_type).collect()
}

/// Action types whose recent scores, in the order of time, each fell below the one before.
pub(super) fn declining(history: &History) -> Vec<(&str, Vec<f64>)> {
    let mut recent: Vec<&Entry> = history.tier1.chain.iter().collect();
    recent.sort_by_key(|entry| entry.completed_at);
    let mut scores: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for entry in recent {
        if let (Some(action_type), Some(score)) = (entry.action_type.as_deref(), entry.score()) {
            scores.entry(action_type).or_default().push(score);
        }
    }
    let falls = |scores: &[f64]| scores.iter().zip(scores.iter().skip(1)).all(|(before, after)| after < before);
    scores.retain(|_, scores| scores.len() >= DECLINE_ENTRIES_MIN && falls(scores));
    scores.into_iter().collect()
}
