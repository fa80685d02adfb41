//! S7 and S8: binding, evidence, the decision table, one complete result.

use serde_json::{Map, Value};

use super::{Course, Model};
use crate::domain::{
    AlternativeWorkflow, Disposition, Engine, Evidence, Investigation, ReviewReason, RootCause, SelectedWorkflow,
    ValidationAttempt,
};
use crate::investigation::answer::{AlternativeChoice, RcaAnswer, StatedAttempt};
use crate::investigation::binding::bound;
use crate::investigation::confidence::{self, Support};
use crate::investigation::decision::{Decision, Facts, WorkflowFacts, decide};
use crate::investigation::ledger::Citation;
use crate::investigation::outcome::Outcome;
use crate::investigation::outside::Outside;
use crate::investigation::two_decimals;

/// Claims verified, in the order given.
const CLAIMS_MAX: usize = 32;

/// Claims held against what was really seen.
struct Verified {
    evidence: Vec<Evidence>,
    dropped: usize,
}

impl Model<'_> {
    pub(super) fn conclude(&self, mut course: Course) -> Investigation {
        let verified = self.verify(&course.rca);
        let model_confidence = self.model_confidence(&course);
        let decision = decide(&self.facts(&course, model_confidence.unwrap_or_default()));
        let support = self.support(&course, &verified);
        let mut warnings = decision.warnings.clone();
        warnings.append(&mut course.warnings);
        warnings.extend(self.notices(&course, &verified, support.analyser, &decision));
        let confidence = two_decimals(model_confidence.unwrap_or_default().max(decision.confidence_min));
        let selected = self.selected(&course, &decision, confidence);
        let detected_labels = detected_labels(&course);
        let attempts = attempts(&mut course, selected.is_some(), self.setting.run.outside.as_ref());
        let basis = confidence::basis(support, model_confidence);
        let spent = self.journal.spent();
        Investigation {
            incident_id: self.incident.incident_id.clone(),
            analysis: analysis(&course),
            alternatives: alternatives(&course),
            root_cause: self.root_cause(&course, verified.evidence, &decision),
            selected_workflow: selected,
            confidence,
            completed_at: self.setting.run.outside.now("completed"),
            review: decision.review,
            actionable: decision.actionable,
            warnings,
            validation_attempts: attempts,
            engine: Engine::Model {
                model: self.setting.models(),
                turns: spent.turns,
                tool_calls: spent.tool_calls,
                prompt_tokens: spent.usage.prompt_tokens,
                completion_tokens: spent.usage.completion_tokens,
                phases: self.journal.phases(),
            },
            excluded: course.excluded,
            not_checked: self.diagnosis.not_checked.clone(),
            detected_labels,
            confidence_basis: Some(basis),
        }
    }

    fn verify(&self, rca: &RcaAnswer) -> Verified {
        let mut verified = Verified { evidence: Vec::new(), dropped: 0 };
        for claim in rca.claims.iter().take(CLAIMS_MAX) {
            let citation = Citation { statement: &claim.statement, result_id: &claim.result_id, quote: &claim.quote };
            match self.setting.ledger.verify(&citation) {
                Ok(evidence) => verified.evidence.push(evidence),
                Err(why) => {
                    tracing::info!(
                        event = "claim_dropped",
                        result_id = claim.result_id,
                        why,
                        "a claim has no evidence"
                    );
                    verified.dropped += 1;
                }
            }
        }
        verified
    }

    /// That of the choice when one was made, else that of the root cause.
    fn model_confidence(&self, course: &Course) -> Option<f64> {
        let of_choice = course.selection.as_ref().and_then(|selection| selection.stated.confidence);
        of_choice.or(course.rca.stated.confidence)
    }

    fn facts(&self, course: &Course, confidence: f64) -> Facts {
        let review =
            course.selection.as_ref().and_then(|selection| selection.stated.review).or(course.rca.stated.review);
        let workflow = match (&course.chosen, course.exhausted) {
            (Some(_), _) => WorkflowFacts::Valid { alignment: None },
            (None, Some(reason)) => WorkflowFacts::Exhausted { attempts: course.attempts.clone(), reason },
            (None, None) => WorkflowFacts::None,
        };
        Facts {
            fatal: course.fatal.clone(),
            outcome: course.outcome,
            confidence,
            bands: self.parts.bands(),
            workflow,
            target_problem: course.target_problem.clone(),
            unreadable: course.unreadable.clone(),
            catalogue_problem: course.catalogue_problem.clone(),
            requested_review: review.map(|request| request.reason.unwrap_or(ReviewReason::InvestigationInconclusive)),
        }
    }

    fn support(&self, course: &Course, verified: &Verified) -> Support {
        let alternatives = course.rca.due_diligence.get("alternative_hypotheses");
        Support {
            target_observed: course.enrichment.is_some() && !course.is_deleted,
            claims_verified: verified.evidence.len(),
            claims_dropped: verified.dropped,
            alternatives_excluded: alternatives.is_some_and(|text| text.chars().count() >= 20),
            analyser: self.agreement(course),
            workflow_listed: course.chosen.as_ref().and(course.workflow_listed),
        }
    }

    /// The analyser's decisive finding against the model's target and outcome.
    fn agreement(&self, course: &Course) -> confidence::Analyser {
        /// A finding of less is no second opinion.
        const DECISIVE: f64 = 0.6;
        let Some(finding) = self.diagnosis.top().filter(|_| self.diagnosis.confidence >= DECISIVE) else {
            return confidence::Analyser::Silent;
        };
        let acts = matches!(finding.disposition, Disposition::Act | Disposition::Escalate);
        let same = match (acts, course.outcome) {
            (true, Outcome::None) => course.target().is_some_and(|target| target.same_object(&finding.target)),
            (false, Outcome::Resolved | Outcome::NotActionable | Outcome::PredictiveNoAction) => true,
            (_, Outcome::Inconclusive) => return confidence::Analyser::Silent,
            _ => false,
        };
        if same { confidence::Analyser::Agrees } else { confidence::Analyser::Disagrees }
    }

    /// What people should know besides the decision. None of the reserved words of http-api §5.4.
    fn notices(
        &self,
        course: &Course,
        verified: &Verified,
        analyser: confidence::Analyser,
        decision: &Decision,
    ) -> Vec<String> {
        let mut notices = Vec::new();
        if verified.dropped > 0 {
            notices.push(format!("evidence: {} verified, {} dropped", verified.evidence.len(), verified.dropped));
        }
        if analyser == confidence::Analyser::Disagrees
            && let Some(finding) = self.diagnosis.top()
        {
            notices.push(format!("The built-in analyser points elsewhere: {} ({})", finding.summary, finding.target));
        }
        let suspicious = self.journal.suspicious_results();
        if suspicious > 0 {
            notices.push(format!(
                "{suspicious} tool results hold text that reads like instructions to a model; it was not followed"
            ));
        }
        if decision.row == 6 && course.outcome == Outcome::Resolved {
            notices.push("The model took the problem for over, but was not sure enough".to_owned());
        }
        notices
    }

    fn selected(&self, course: &Course, decision: &Decision, confidence: f64) -> Option<SelectedWorkflow> {
        let (chosen, target) = (course.chosen.as_ref()?, course.target()?);
        let rationale = match course.selection.as_ref().map(|selection| &selection.choice) {
            Some(crate::investigation::answer::Choice::Workflow(choice)) => choice.rationale.clone(),
            _ => String::new(),
        };
        let rationale = if rationale.trim().is_empty() { chosen.workflow.description.what.clone() } else { rationale };
        let selected = bound(&chosen.workflow, chosen.parameters.clone(), target, confidence, rationale);
        decision.keep_workflow.then_some(selected)
    }

    fn root_cause(&self, course: &Course, evidence: Vec<Evidence>, decision: &Decision) -> RootCause {
        let rca = &course.rca;
        let restated = course.selection.as_ref().and_then(|selection| selection.root_cause.as_deref());
        let mut factors = rca.contributing_factors.clone();
        if factors.is_empty() {
            factors = restated.map(|restated| restated.contributing_factors.clone()).unwrap_or_default();
        }
        // Without a factor, consumers take "nothing to do" for "resolved".
        if factors.is_empty() && decision.actionable == Some(false) {
            factors.push(rca.summary.clone());
        }
        let agreed = self.agreement(course) == confidence::Analyser::Agrees;
        let top = self.diagnosis.top().filter(|_| agreed);
        RootCause {
            summary: rca.summary.clone(),
            severity: rca.stated.severity.unwrap_or(self.incident.severity),
            signal_name: rca.signal_name.clone().or_else(|| Some(self.incident.signal_name.clone())),
            cause_class: top.map(|finding| finding.cause_class),
            contributing_factors: factors,
            target: course.target().cloned(),
            causal_chain: rca.causal_chain.clone(),
            due_diligence: rca.due_diligence.clone(),
            evidence,
        }
    }
}

/// What the model wrote for people, phase by phase.
fn analysis(course: &Course) -> String {
    use crate::investigation::answer::Choice;
    let mut parts = vec![course.rca.summary.trim()];
    parts.extend(course.rca.analysis.as_deref().map(str::trim));
    match course.selection.as_ref().map(|selection| &selection.choice) {
        Some(Choice::Workflow(choice)) => parts.push(choice.rationale.trim()),
        Some(Choice::NoWorkflow(none)) => parts.push(none.reasoning.trim()),
        None => {}
    }
    parts.retain(|part| !part.is_empty());
    parts.dedup();
    parts.join("\n\n")
}

fn alternatives(course: &Course) -> Vec<AlternativeWorkflow> {
    let given = course.selection.as_ref().map(|selection| selection.alternatives.as_slice()).unwrap_or_default();
    let chosen = course.chosen.as_ref().map(|chosen| chosen.workflow.id.as_str()).unwrap_or_default();
    let others = given.iter().filter(|one| !one.workflow_id.eq_ignore_ascii_case(chosen));
    others.map(alternative).collect()
}

fn alternative(one: &AlternativeChoice) -> AlternativeWorkflow {
    AlternativeWorkflow {
        workflow_id: one.workflow_id.clone(),
        workflow_name: one.workflow_id.clone(),
        // Bundles are the catalogue's business; a person looks the workflow up there.
        execution_bundle: None,
        confidence: one.confidence,
        rationale: one.rationale.clone(),
    }
}

/// The validations that were made. Where none was and nothing is selected, those the model tells of (decision 15).
fn attempts(course: &mut Course, is_selected: bool, outside: &dyn Outside) -> Vec<ValidationAttempt> {
    let own = std::mem::take(&mut course.attempts);
    if is_selected || !own.is_empty() {
        return own;
    }
    let told = course.selection.as_ref().map(|selection| selection.stated.attempts.as_slice()).unwrap_or_default();
    let attempt = |(number, told): (u32, &StatedAttempt)| ValidationAttempt {
        attempt: number,
        workflow_id: told.workflow_id.clone(),
        is_valid: told.is_valid,
        errors: told.errors.clone(),
        timestamp: told.timestamp.unwrap_or_else(|| outside.now("told")),
    };
    (1..).zip(told).map(attempt).collect()
}

/// What was detected on the target; `None` when it was never looked at.
fn detected_labels(course: &Course) -> Option<Map<String, Value>> {
    let found = course.enrichment.as_ref().filter(|_| !course.is_deleted)?;
    match serde_json::to_value(&found.labels) {
        Ok(Value::Object(labels)) => Some(labels),
        _ => None,
    }
}
