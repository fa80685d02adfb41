//! The closed vocabulary of outcomes (investigation §5.5).

/// What an answer says about the incident as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// A problem was identified and wants remediation; also when nothing was said.
    #[default]
    None,
    Resolved,
    NotActionable,
    PredictiveNoAction,
    Inconclusive,
}

impl Outcome {
    /// Reads any accepted spelling; unknown words are [`Outcome::None`].
    pub fn parse(text: &str) -> Self {
        Self::read(text).unwrap_or_default()
    }

    /// Reads any accepted spelling; `None` when the vocabulary does not have the word.
    pub fn read(text: &str) -> Option<Self> {
        let canonical = text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        Some(match canonical.as_str() {
            "resolved" | "problem_resolved" | "self_resolved" => Self::Resolved,
            "not_actionable" | "benign" => Self::NotActionable,
            "predictive_no_action" => Self::PredictiveNoAction,
            "inconclusive" | "insufficient_data" | "investigation_inconclusive" => Self::Inconclusive,
            "actionable"
            | "problem_identified"
            | "no_matching_workflow"
            | "no_matching_workflows"
            | ""
            | "null"
            | "none" => Self::None,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_spellings() {
        for (text, outcome) in [
            ("Resolved", Outcome::Resolved),
            ("self-resolved", Outcome::Resolved),
            ("problem resolved", Outcome::Resolved),
            ("benign", Outcome::NotActionable),
            ("Not Actionable", Outcome::NotActionable),
            ("predictive_no_action", Outcome::PredictiveNoAction),
            ("insufficient_data", Outcome::Inconclusive),
            ("actionable", Outcome::None),
            ("", Outcome::None),
            ("no idea", Outcome::None),
        ] {
            assert_eq!(Outcome::parse(text), outcome, "{text}");
        }
    }

    #[test]
    fn a_word_outside_of_the_vocabulary_is_told_from_no_outcome() {
        assert_eq!(Outcome::read("No Matching Workflow"), Some(Outcome::None));
        assert_eq!(Outcome::read("no idea"), None);
    }
}
