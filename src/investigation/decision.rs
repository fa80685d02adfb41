//! The outcome table (investigation §5.6): what happened → what the result says. Pure; every exit passes through it.

use crate::domain::{ReviewReason, ValidationAttempt};

use super::outcome::Outcome;

/// Warning texts consumers match as substrings (http-api §5.4). They must not be reworded.
pub const NOT_ACTIONABLE: &str = "Alert not actionable — no remediation warranted";
pub const SELF_RESOLVED: &str = "Problem self-resolved - no remediation required";
pub const INCONCLUSIVE: &str = "Investigation inconclusive - human review recommended";
pub const NO_WORKFLOWS: &str = "No workflows matched the search criteria";

/// Confidence an explicit "not actionable" is raised to.
pub const NOT_ACTIONABLE_CONFIDENCE_MIN: f64 = 0.8;

/// What the table looks at.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The operation failed fatally although a root cause is known: reason and cause in plain words.
    pub fatal: Option<(ReviewReason, String)>,
    pub outcome: Outcome,
    /// 0–1, of the answer as given.
    pub confidence: f64,
    pub bands: Bands,
    pub workflow: WorkflowFacts,
    /// The target is missing, unverifiable, or its enrichment failed: the cause.
    pub target_problem: Option<String>,
    /// No structured answer after corrections: the format problem.
    pub unreadable: Option<String>,
    /// The catalogue could not be asked: the cause.
    pub catalogue_problem: Option<String>,
    /// A review the model asked for: a lower bound.
    pub requested_review: Option<ReviewReason>,
}

/// Confidence below which a person looks.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bands {
    /// "Resolved" below it counts as inconclusive.
    pub resolved: f64,
    /// A valid choice below it is flagged; it stays in the result.
    pub choice: f64,
}

impl Bands {
    /// The threshold of consumers: below it they stop a chosen workflow themselves, and want the choice unflagged
    /// (http-api §5.3).
    const CONSUMERS: f64 = 0.7;

    /// `resolved` is `investigation.resolved_confidence_threshold`, `human_review` is
    /// `prompt.confidence_threshold_human_review`: up to the threshold of consumers it leaves choices to them, above it
    /// it asks for more than they do.
    pub fn new(resolved: f64, human_review: f64) -> Self {
        Self {
            resolved: resolved.max(human_review),
            choice: if human_review > Self::CONSUMERS { human_review } else { 0.0 },
        }
    }
}

/// What became of the workflow choice.
#[derive(Debug, Clone, Default)]
pub enum WorkflowFacts {
    #[default]
    None,
    /// Submitted and valid; `alignment` is a warning that does not block.
    Valid { alignment: Option<String> },
    /// Every validation failed.
    Exhausted { attempts: Vec<ValidationAttempt>, reason: ReviewReason },
}

/// What the result must say.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Number of the row that applied, for logs and tests.
    pub row: u8,
    pub review: Option<ReviewReason>,
    pub actionable: Option<bool>,
    pub keep_workflow: bool,
    pub warnings: Vec<String>,
    pub confidence_min: f64,
}

impl Decision {
    fn review(row: u8, reason: ReviewReason, warning: impl Into<String>) -> Self {
        Self {
            row,
            review: Some(reason),
            actionable: None,
            keep_workflow: false,
            warnings: vec![warning.into()],
            confidence_min: 0.0,
        }
    }

    fn settled(row: u8, actionable: Option<bool>, warning: &str, confidence_min: f64) -> Self {
        Self { row, review: None, actionable, keep_workflow: false, warnings: vec![warning.to_owned()], confidence_min }
    }
}

/// Evaluates the table top to bottom; the first row whose condition holds decides.
pub fn decide(facts: &Facts) -> Decision {
    use ReviewReason::{InvestigationInconclusive, LlmParsingError, NoMatchingWorkflows, RcaIncomplete};
    let submitted = !matches!(facts.workflow, WorkflowFacts::None);
    if let Some((reason, cause)) = &facts.fatal {
        return Decision::review(1, *reason, cause);
    }
    match facts.outcome {
        Outcome::NotActionable | Outcome::Resolved | Outcome::PredictiveNoAction if submitted => {
            return Decision::review(
                3,
                InvestigationInconclusive,
                format!("The answer contradicts itself: outcome {:?} together with a workflow", facts.outcome),
            );
        }
        Outcome::NotActionable => {
            return Decision::settled(2, Some(false), NOT_ACTIONABLE, NOT_ACTIONABLE_CONFIDENCE_MIN);
        }
        Outcome::Resolved if facts.confidence >= facts.bands.resolved => {
            return Decision::settled(4, None, SELF_RESOLVED, 0.0);
        }
        Outcome::PredictiveNoAction => {
            return Decision::settled(5, Some(false), NOT_ACTIONABLE, NOT_ACTIONABLE_CONFIDENCE_MIN);
        }
        Outcome::Inconclusive | Outcome::Resolved => {
            return Decision::review(6, InvestigationInconclusive, INCONCLUSIVE);
        }
        Outcome::None => {}
    }
    if let Some(cause) = &facts.target_problem {
        return Decision::review(7, RcaIncomplete, cause);
    }
    if let WorkflowFacts::Exhausted { attempts, reason } = &facts.workflow {
        return Decision::review(8, *reason, exhausted_warning(attempts));
    }
    if let Some(problem) = &facts.unreadable {
        return Decision::review(9, LlmParsingError, problem);
    }
    if let Some(cause) = &facts.catalogue_problem {
        return Decision::review(10, InvestigationInconclusive, format!("Workflow catalogue unavailable: {cause}"));
    }
    match &facts.workflow {
        WorkflowFacts::Valid { alignment } => {
            let is_low = facts.confidence < facts.bands.choice;
            let low = is_low.then(|| low_confidence_warning(facts.confidence));
            Decision {
                row: 13,
                review: facts.requested_review.or(is_low.then_some(ReviewReason::LowConfidence)),
                actionable: None,
                keep_workflow: true,
                warnings: alignment.iter().cloned().chain(low).collect(),
                confidence_min: 0.0,
            }
        }
        _ => Decision::review(11, facts.requested_review.unwrap_or(NoMatchingWorkflows), NO_WORKFLOWS),
    }
}

/// In the words that January's consumers know.
fn low_confidence_warning(confidence: f64) -> String {
    format!("Low confidence selection ({:.0}%) - manual review recommended", confidence * 100.0)
}

/// `Workflow validation failed after 3 attempts. Attempt 1: a; b | Attempt 2: …` (investigation §6.5).
fn exhausted_warning(attempts: &[ValidationAttempt]) -> String {
    let each = attempts.iter().map(|attempt| format!("Attempt {}: {}", attempt.attempt, attempt.errors.join("; ")));
    format!("Workflow validation failed after {} attempts. {}", attempts.len(), each.collect::<Vec<_>>().join(" | "))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn facts(outcome: Outcome, confidence: f64, workflow: WorkflowFacts) -> Facts {
        Facts { outcome, confidence, bands: Bands::new(0.7, 0.7), workflow, ..Facts::default() }
    }

    fn valid() -> WorkflowFacts {
        WorkflowFacts::Valid { alignment: None }
    }

    fn exhausted() -> WorkflowFacts {
        let attempt = |attempt, errors: &[&str]| ValidationAttempt {
            attempt,
            workflow_id: Some("w".into()),
            is_valid: false,
            errors: errors.iter().map(|&error| error.to_owned()).collect(),
            timestamp: Timestamp::UNIX_EPOCH,
        };
        let attempts = vec![attempt(1, &["a", "b"]), attempt(2, &["c"])];
        WorkflowFacts::Exhausted { attempts, reason: ReviewReason::ParameterValidationFailed }
    }

    #[test]
    fn every_row_of_the_table() {
        use Outcome as O;
        use ReviewReason as R;
        use WorkflowFacts::None as NoWorkflow;
        let with = |change: fn(&mut Facts)| {
            let mut facts = facts(O::None, 0.9, valid());
            change(&mut facts);
            facts
        };
        type Row = (&'static str, Facts, u8, Option<R>, Option<bool>, bool);
        let rows: Vec<Row> = vec![
            ("fatal", with(|f| f.fatal = Some((R::RcaIncomplete, "x".into()))), 1, Some(R::RcaIncomplete), None, false),
            ("not actionable", facts(O::NotActionable, 0.1, NoWorkflow), 2, None, Some(false), false),
            (
                "not actionable + workflow",
                facts(O::NotActionable, 0.9, valid()),
                3,
                Some(R::InvestigationInconclusive),
                None,
                false,
            ),
            ("resolved", facts(O::Resolved, 0.7, NoWorkflow), 4, None, None, false),
            (
                "resolved + workflow",
                facts(O::Resolved, 0.9, valid()),
                3,
                Some(R::InvestigationInconclusive),
                None,
                false,
            ),
            ("predicted no action", facts(O::PredictiveNoAction, 0.5, NoWorkflow), 5, None, Some(false), false),
            ("inconclusive", facts(O::Inconclusive, 0.9, valid()), 6, Some(R::InvestigationInconclusive), None, false),
            (
                "resolved below the band",
                facts(O::Resolved, 0.69, NoWorkflow),
                6,
                Some(R::InvestigationInconclusive),
                None,
                false,
            ),
            (
                "target missing",
                with(|f| f.target_problem = Some("gone".into())),
                7,
                Some(R::RcaIncomplete),
                None,
                false,
            ),
            ("exhausted", facts(O::None, 0.9, exhausted()), 8, Some(R::ParameterValidationFailed), None, false),
            ("unreadable", with(|f| f.unreadable = Some("no JSON".into())), 9, Some(R::LlmParsingError), None, false),
            (
                "catalogue down",
                with(|f| f.catalogue_problem = Some("503".into())),
                10,
                Some(R::InvestigationInconclusive),
                None,
                false,
            ),
            ("no workflow", facts(O::None, 0.9, NoWorkflow), 11, Some(R::NoMatchingWorkflows), None, false),
            ("valid", facts(O::None, 0.9, valid()), 13, None, None, true),
            (
                "valid, review asked",
                with(|f| f.requested_review = Some(R::LowConfidence)),
                13,
                Some(R::LowConfidence),
                None,
                true,
            ),
        ];
        for (name, facts, row, review, actionable, keep) in rows {
            let decision = decide(&facts);
            assert_eq!(
                (decision.row, decision.review, decision.actionable, decision.keep_workflow),
                (row, review, actionable, keep),
                "{name}"
            );
        }
    }

    #[test]
    fn a_requested_review_cannot_override_resolved_and_names_the_reason_otherwise() {
        let asked = |outcome| {
            decide(&Facts {
                requested_review: Some(ReviewReason::LlmParsingError),
                ..facts(outcome, 0.9, WorkflowFacts::None)
            })
        };
        assert_eq!(asked(Outcome::Resolved).review, None);
        assert_eq!(asked(Outcome::None).review, Some(ReviewReason::LlmParsingError));
    }

    #[test]
    fn a_higher_threshold_of_review_moves_both_bands_and_a_lower_one_none() {
        let decided = |human_review, outcome, confidence, workflow| {
            let decision =
                decide(&Facts { bands: Bands::new(0.7, human_review), ..facts(outcome, confidence, workflow) });
            (decision.row, decision.review, decision.keep_workflow)
        };
        let low = Some(ReviewReason::LowConfidence);
        let inconclusive = Some(ReviewReason::InvestigationInconclusive);
        for (human_review, confidence, choice, resolved) in [
            (0.7, 0.35, (13, None, true), (6, inconclusive, false)),
            (0.7, 0.7, (13, None, true), (4, None, false)),
            (0.1, 0.6, (13, None, true), (6, inconclusive, false)),
            (0.9, 0.9, (13, None, true), (4, None, false)),
            (0.9, 0.89, (13, low, true), (6, inconclusive, false)),
            (0.9, 0.35, (13, low, true), (6, inconclusive, false)),
        ] {
            let shown = format!("{human_review} {confidence}");
            assert_eq!(decided(human_review, Outcome::None, confidence, valid()), choice, "{shown}");
            assert_eq!(decided(human_review, Outcome::Resolved, confidence, WorkflowFacts::None), resolved, "{shown}");
        }
        let flagged = decide(&Facts { bands: Bands::new(0.7, 0.9), ..facts(Outcome::None, 0.853, valid()) });
        assert_eq!(flagged.warnings, ["Low confidence selection (85%) - manual review recommended"]);
    }

    #[test]
    fn consumer_texts() {
        let warnings = |outcome| decide(&facts(outcome, 0.9, WorkflowFacts::None)).warnings.join("\n");
        assert_eq!(warnings(Outcome::NotActionable), "Alert not actionable \u{2014} no remediation warranted");
        assert_eq!(warnings(Outcome::Resolved), "Problem self-resolved - no remediation required");
        assert_eq!(warnings(Outcome::Inconclusive), "Investigation inconclusive - human review recommended");
        assert_eq!(warnings(Outcome::None), "No workflows matched the search criteria");
        assert_eq!(
            decide(&facts(Outcome::None, 0.9, exhausted())).warnings,
            ["Workflow validation failed after 2 attempts. Attempt 1: a; b | Attempt 2: c"]
        );
    }
}
