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
        let canonical = text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        match canonical.as_str() {
            "resolved" | "problem_resolved" | "self_resolved" => Self::Resolved,
            "not_actionable" | "benign" => Self::NotActionable,
            "predictive_no_action" => Self::PredictiveNoAction,
            "inconclusive" | "insufficient_data" | "investigation_inconclusive" => Self::Inconclusive,
            _ => Self::None,
        }
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
}
