//! How far an answer may be trusted, from facts and not from the model's own number. Pure.
//!
//! The rule: **low** when the target was never observed, when the analyser's decisive finding points elsewhere, or when
//! nothing supports the answer (no verified claim, no agreement of the analyser). **high** when the target was observed, at
//! least two claims are verified and more than were dropped, other explanations were excluded or the analyser agrees, and,
//! where a workflow was chosen, the catalogue named it. **medium** otherwise.

use crate::domain::{ConfidenceBand, ConfidenceBasis};

/// What is known about how an answer came about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Support {
    /// The target was read from the cluster.
    pub(super) target_observed: bool,
    pub(super) claims_verified: usize,
    pub(super) claims_dropped: usize,
    /// The answer says what else was considered and why it was excluded.
    pub(super) alternatives_excluded: bool,
    pub(super) analyser: Analyser,
    /// Whether the catalogue listed the chosen workflow in this investigation; `None` without a workflow.
    pub(super) workflow_listed: Option<bool>,
}

/// What the analyser makes of the same incident.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Analyser {
    /// It found nothing decisive.
    #[default]
    Silent,
    Agrees,
    Disagrees,
}

/// Verified claims that make an answer well supported.
const CLAIMS_WELL_SUPPORTED: usize = 2;

/// Applies the rule.
pub(super) fn basis(support: Support, model_confidence: Option<f64>) -> ConfidenceBasis {
    ConfidenceBasis { band: band(support), model_confidence, facts: facts(support) }
}

fn band(support: Support) -> ConfidenceBand {
    let unsupported = support.claims_verified == 0 && support.analyser != Analyser::Agrees;
    if !support.target_observed || support.analyser == Analyser::Disagrees || unsupported {
        return ConfidenceBand::Low;
    }
    let claims = support.claims_verified >= CLAIMS_WELL_SUPPORTED && support.claims_verified > support.claims_dropped;
    let excluded = support.alternatives_excluded || support.analyser == Analyser::Agrees;
    if claims && excluded && support.workflow_listed.unwrap_or(true) {
        ConfidenceBand::High
    } else {
        ConfidenceBand::Medium
    }
}

fn facts(support: Support) -> Vec<String> {
    let mut facts = vec![
        if support.target_observed { "the target was read from the cluster" } else { "the target was not read" }
            .to_owned(),
        match support.claims_dropped {
            0 => format!("{} claims verified", support.claims_verified),
            dropped => format!("{} claims verified, {dropped} dropped", support.claims_verified),
        },
    ];
    if support.alternatives_excluded {
        facts.push("other explanations were excluded".to_owned());
    }
    match support.analyser {
        Analyser::Silent => {}
        Analyser::Agrees => facts.push("the built-in analyser agrees".to_owned()),
        Analyser::Disagrees => facts.push("the built-in analyser points elsewhere".to_owned()),
    }
    match support.workflow_listed {
        None => {}
        Some(true) => facts.push("the catalogue listed the workflow for this incident".to_owned()),
        Some(false) => facts.push("the workflow was named without being listed first".to_owned()),
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Support = Support {
        target_observed: true,
        claims_verified: 3,
        claims_dropped: 0,
        alternatives_excluded: true,
        analyser: Analyser::Silent,
        workflow_listed: Some(true),
    };

    #[test]
    fn the_rule_row_by_row() {
        use ConfidenceBand::{High, Low, Medium};
        for (support, expected) in [
            (GOOD, High),
            (Support { workflow_listed: None, ..GOOD }, High),
            (Support { alternatives_excluded: false, analyser: Analyser::Agrees, ..GOOD }, High),
            (Support { alternatives_excluded: false, ..GOOD }, Medium),
            (Support { claims_verified: 1, ..GOOD }, Medium),
            (Support { claims_verified: 2, claims_dropped: 2, ..GOOD }, Medium),
            (Support { workflow_listed: Some(false), ..GOOD }, Medium),
            (Support { claims_verified: 0, analyser: Analyser::Agrees, ..GOOD }, Medium),
            (Support { claims_verified: 0, ..GOOD }, Low),
            (Support { analyser: Analyser::Disagrees, ..GOOD }, Low),
            (Support { target_observed: false, ..GOOD }, Low),
            (Support::default(), Low),
        ] {
            assert_eq!(band(support), expected, "{support:?}");
        }
    }
}
