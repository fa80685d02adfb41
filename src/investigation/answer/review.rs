//! What an answer says about review by a person (http-api §2.6, §5.1 rows 7 and f, §5.5).

use jiff::Timestamp;
use serde_json::Value;

use super::members::{Members, Notes, excerpt, flag, text, texts};
use crate::domain::ReviewReason;

pub(super) const REVIEW: &[&str] = &["needs_human_review"];
const REASON: &[&str] = &["human_review_reason"];
const HISTORY: &[&str] = &["validation_attempts_history"];
/// Consumers' own objects hold three attempts; the last ones count.
const ATTEMPTS_MAX: usize = 3;
/// Errors kept of one attempt.
const ERRORS_MAX: usize = 20;

/// A request for human review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewRequest {
    /// `None` when none of the known reasons was given.
    pub reason: Option<ReviewReason>,
}

/// A validation the model tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedAttempt {
    pub workflow_id: Option<String>,
    pub is_valid: bool,
    pub errors: Vec<String>,
    /// `None` when no time was given, or none that can be read.
    pub timestamp: Option<Timestamp>,
}

/// The flag asks for it; so does a known reason where the flag was left out. Free text beside the flag is searched for what
/// it means.
pub(super) fn request(top: &Members, notes: &mut Notes) -> Option<ReviewRequest> {
    let word = top.text(REASON);
    let known = word.as_deref().and_then(known_reason);
    match top.flag(REVIEW) {
        Some(true) => {
            let reason = known.or_else(|| word.as_deref().and_then(meant_reason));
            if let (None, Some(word)) = (known, word) {
                notes.add(format!("human_review_reason {} is not known", excerpt(&word)));
            }
            Some(ReviewRequest { reason })
        }
        Some(false) => None,
        None => known.map(|reason| ReviewRequest { reason: Some(reason) }),
    }
}

fn known_reason(word: &str) -> Option<ReviewReason> {
    let canonical = word.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    serde_json::from_value(Value::String(canonical)).ok()
}

/// Key words in their order; the first that occurs decides (http-api §2.6).
fn meant_reason(text: &str) -> Option<ReviewReason> {
    let text = text.to_lowercase();
    let has = |word: &str| text.contains(word);
    if has("not found") && has("catalog") {
        return Some(ReviewReason::WorkflowNotFound);
    }
    let rows = [
        ("no matching", ReviewReason::NoMatchingWorkflows),
        ("mismatch", ReviewReason::ImageMismatch),
        ("image", ReviewReason::ImageMismatch),
        ("parameter", ReviewReason::ParameterValidationFailed),
        ("validation", ReviewReason::ParameterValidationFailed),
        ("confidence", ReviewReason::LowConfidence),
        ("parse", ReviewReason::LlmParsingError),
    ];
    rows.into_iter().find_map(|(word, reason)| has(word).then_some(reason))
}

pub(super) fn attempts(top: &Members) -> Vec<StatedAttempt> {
    let told = top.get(HISTORY).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let last = told.get(told.len().saturating_sub(ATTEMPTS_MAX)..).unwrap_or_default();
    last.iter().filter_map(Value::as_object).map(|attempt| read_attempt(&Members::of(attempt))).collect()
}

fn read_attempt(attempt: &Members) -> StatedAttempt {
    let mut errors = texts(attempt.get(&["errors"]));
    errors.truncate(ERRORS_MAX);
    StatedAttempt {
        workflow_id: attempt.get(&["workflow_id"]).and_then(text),
        is_valid: attempt.get(&["is_valid"]).and_then(flag).unwrap_or(false),
        errors,
        timestamp: attempt.text(&["timestamp"]).and_then(|time| time.trim().parse().ok()),
    }
}
