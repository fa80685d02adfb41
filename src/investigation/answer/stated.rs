//! What an answer of either phase says about the incident as a whole (investigation §5.3, §5.5).

use serde_json::Value;

use super::members::{Members, Notes, confidence, excerpt};
use super::review::{self, ReviewRequest, StatedAttempt};
use crate::domain::Severity;
use crate::investigation::outcome::Outcome;

/// Characters kept of a word nobody knows.
const WORD_CHARS_MAX: usize = 60;
pub(super) const CONFIDENCE: &[&str] = &["confidence"];
pub(super) const SEVERITY: &[&str] = &["severity"];
pub(super) const OUTCOME: &[&str] = &["investigation_outcome", "outcome"];
pub(super) const ACTIONABLE: &[&str] = &["actionable", "is_actionable"];

/// Members that both phases may state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stated {
    /// 0–1; `None` when there is no number, which counts as 0 unless an earlier answer had one.
    pub confidence: Option<f64>,
    /// `None` when nothing of either vocabulary was said; it is filled from the signal at the end.
    pub severity: Option<Severity>,
    pub outcome: Outcome,
    /// The outcome's word when the vocabulary does not have it. For a warning in the log.
    pub unknown_outcome: Option<String>,
    pub actionable: Option<bool>,
    pub can_recover: Option<bool>,
    /// A review the model asked for: a lower bound for the decision, never copied into the result.
    pub review: Option<ReviewRequest>,
    /// A history of validations the model tells, oldest first: shown only where nothing was chosen and nothing validated.
    pub attempts: Vec<StatedAttempt>,
    /// What was changed, ignored or contradictory, in plain words.
    pub notes: Vec<String>,
}

impl Stated {
    /// Reads the members from the answer itself, its workflow and its root cause.
    pub(super) fn read(top: &Members, workflow: &Members, root_cause: &Members, notes: &mut Notes) -> Self {
        let actionable = top.flag(ACTIONABLE).or_else(|| root_cause.flag(ACTIONABLE));
        let (outcome, unknown_outcome) =
            outcome(top.get(OUTCOME).or_else(|| root_cause.get(OUTCOME)), actionable, notes);
        Self {
            confidence: first_confidence([top, workflow, root_cause], notes),
            severity: severity(root_cause, top, notes),
            outcome,
            unknown_outcome,
            actionable,
            can_recover: top.flag(&["can_recover"]).or_else(|| root_cause.flag(&["can_recover"])),
            review: review::request(top, notes),
            attempts: review::attempts(top),
            notes: Vec::new(),
        }
    }
}

fn first_confidence(places: [&Members; 3], notes: &mut Notes) -> Option<f64> {
    places.into_iter().find_map(|place| place.get(CONFIDENCE).and_then(|value| confidence(value, notes)))
}

/// The nested severity wins over the one at the top.
fn severity(nested: &Members, top: &Members, notes: &mut Notes) -> Option<Severity> {
    let mut parsed = |place: &Members| {
        let word = place.text(SEVERITY)?;
        let severity = Severity::parse(&word);
        if severity.is_none() {
            notes.add(format!("severity {} is not known and was ignored", excerpt(&word)));
        }
        severity
    };
    let (inner, outer) = (parsed(nested), parsed(top));
    if let (Some(inner), Some(outer)) = (inner, outer)
        && inner != outer
    {
        notes.add(format!("severity is {outer} at the top and {inner} in root_cause_analysis, which counts"));
    }
    inner.or(outer)
}

/// The outcome's word decides. `actionable: false` counts where the word names no outcome.
fn outcome(value: Option<&Value>, actionable: Option<bool>, notes: &mut Notes) -> (Outcome, Option<String>) {
    let word = match value {
        Some(Value::String(word)) => word.trim(),
        Some(_) => {
            notes.add("investigation_outcome is not a word and was ignored");
            ""
        }
        None => "",
    };
    let known = Outcome::read(word);
    if known.is_none() {
        notes.add(format!("investigation_outcome {} is not known", excerpt(word)));
    }
    let outcome = known.unwrap_or_default();
    let unknown = known.is_none().then(|| word.chars().take(WORD_CHARS_MAX).collect());
    match actionable {
        Some(false) if outcome == Outcome::None => {
            if known.is_some() && !word.is_empty() {
                notes.add(format!("actionable is false although the outcome is {}", excerpt(word)));
            }
            (Outcome::NotActionable, unknown)
        }
        Some(true) if matches!(outcome, Outcome::NotActionable) => {
            notes.add("actionable is true although the outcome is not_actionable");
            (outcome, unknown)
        }
        _ => (outcome, unknown),
    }
}
