//! S3 and S4: is there a target, is it meant, does it exist (investigation §1.5.2, §3.7, §5.4, §7.7)? Each gate has its own
//! budget of corrections; the service's own read of the target decides.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Instrument as _;

use super::{Course, Model};
use crate::audit::Payload;
use crate::domain::ResourceRef;
use crate::enrichment::{Enrichment, EnrichmentError};
use crate::investigation::answer::TargetClaim;
use crate::investigation::outcome::Outcome;
use crate::telemetry::metrics::{Phase, PhaseOutcome};
use crate::telemetry::spans;

/// Corrections for a missing or blank target.
const TARGET_CORRECTIONS_MAX: u32 = 2;
/// Corrections for a target that does not exist, or whose kind is unknown or ambiguous.
const EXISTENCE_CORRECTIONS_MAX: u32 = 1;
/// Kinds that report what befalls others. Only these are challenged when they are named as their own cause.
const REPORTERS: &[&str] = &[
    "Node",
    "Namespace",
    "PersistentVolume",
    "Service",
    "Ingress",
    "Endpoints",
    "EndpointSlice",
    "HorizontalPodAutoscaler",
];

/// Corrections spent so far.
#[derive(Debug, Default)]
pub(super) struct Gates {
    target: u32,
    existence: u32,
    version: u32,
    same_kind: u32,
    /// The target that was found not to exist.
    absent: Option<ResourceRef>,
}

/// What the gates say to an answer.
pub(super) enum Gate {
    Pass,
    /// Another answer may be better. `problem` is what stays wrong without one; `None` when nothing does.
    Correct {
        feedback: String,
        problem: Option<String>,
    },
    /// It will not get better: why a person must look.
    Fail(String),
}

impl Gate {
    /// A correction while the budget lasts, then the end.
    fn limited(spent: &mut u32, most: u32, feedback: String, problem: String) -> Self {
        if *spent >= most {
            return Self::Fail(problem);
        }
        *spent += 1;
        Self::Correct { feedback, problem: Some(problem) }
    }
}

impl Model<'_> {
    pub(super) async fn gate(&self, gates: &mut Gates, course: &mut Course) -> Gate {
        course.enrichment = None;
        course.is_deleted = false;
        let again = self.setting.answering().rca_again;
        let claim = match (&course.rca.target, course.rca.stated.outcome) {
            (Some(claim), _) => claim.clone(),
            // Nothing will be changed: no target is needed.
            (None, outcome) if outcome != Outcome::None => return Gate::Pass,
            (None, _) => {
                let what = course.rca.target_problem.as_deref().unwrap_or("remediation_target is missing");
                let feedback = format!(
                    "{what}. The target is the object whose specification must change; namespaced kinds need a namespace, \
                     cluster-scoped kinds have none. {again}"
                );
                let problem = "The object to change was not identified".to_owned();
                return Gate::limited(&mut gates.target, TARGET_CORRECTIONS_MAX, feedback, problem);
            }
        };
        if let Some(challenge) = self.same_kind(gates, &claim, course.rca.stated.outcome) {
            return challenge;
        }
        let target = self.reference(&claim);
        let began = Instant::now();
        tracing::info!(event = "phase2_enrichment_started", target = %target, "reading the target");
        let looked = self.context.enrich(&target).instrument(spans::phase(Phase::Enrichment.as_str())).await;
        self.note_enrichment(&target, &looked, began.elapsed()).await;
        match looked {
            Ok(enrichment) => {
                course.enrichment = Some(enrichment);
                Gate::Pass
            }
            // An early outcome changes nothing: what cannot be verified is only told.
            Err(error) if course.rca.stated.outcome != Outcome::None => {
                course.warnings.push(format!("{target} could not be verified: {error}"));
                Gate::Pass
            }
            // Named again after it was told not to exist: it was deleted, and that is meant.
            Err(EnrichmentError::NotFound { .. })
                if gates.absent.as_ref().is_some_and(|absent| absent.same_object(&target))
                    && !self.parts.config.recreate_action_types.is_empty() =>
            {
                course.enrichment = Some(self.deleted(&target).await);
                course.is_deleted = true;
                Gate::Pass
            }
            Err(error) => unverified(gates, &target, &error, again),
        }
    }

    /// What can be said of a target that does not exist any more.
    async fn deleted(&self, target: &ResourceRef) -> Arc<Enrichment> {
        let kind = self.parts.cluster.resolve_kind(&target.kind, target.api_version.as_deref()).await;
        let named = match kind {
            Ok(kind) => ResourceRef {
                kind: kind.kind,
                name: target.name.clone(),
                namespace: target.namespace.clone().filter(|_| kind.namespaced),
                api_version: Some(kind.api_version),
            },
            Err(_) => target.clone(),
        };
        let allowed = self.parts.config.recreate_action_types.join(", ");
        let note = format!("{named} was deleted: only a workflow that creates it anew may be chosen ({allowed}).");
        Arc::new(Enrichment::of_deleted(named, note))
    }

    /// Asks once whether the reporter itself is at fault.
    fn same_kind(&self, gates: &mut Gates, claim: &TargetClaim, outcome: Outcome) -> Option<Gate> {
        let signal = &self.incident.resource.kind;
        let is_reporter = REPORTERS.iter().any(|kind| kind.eq_ignore_ascii_case(signal));
        if outcome != Outcome::None || !is_reporter || !claim.kind.eq_ignore_ascii_case(signal) || gates.same_kind > 0 {
            return None;
        }
        gates.same_kind += 1;
        let feedback = format!(
            "Your target is a {signal}, like the resource that reported the problem. Problems of workloads often show up on \
             the objects around them: reconsider what runs on it or behind it. If it stays the target, justify that. {} \
             Restate confidence, severity and causal chain.",
            self.setting.answering().rca_again
        );
        Some(Gate::Correct { feedback, problem: None })
    }

    /// The claim as a reference; a missing namespace is the signal's, which scope resolution drops for cluster-scoped kinds.
    fn reference(&self, claim: &TargetClaim) -> ResourceRef {
        let namespace = claim.namespace.clone().or_else(|| self.incident.resource.namespace.clone());
        ResourceRef {
            kind: claim.kind.clone(),
            name: claim.name.clone(),
            namespace,
            api_version: claim.api_version.clone(),
        }
    }

    async fn note_enrichment(
        &self,
        target: &ResourceRef,
        looked: &Result<Arc<Enrichment>, EnrichmentError>,
        took: Duration,
    ) {
        let (payload, outcome) = match looked {
            Ok(found) => (
                Payload::EnrichmentCompleted {
                    root_owner: found.root_owner.clone(),
                    owner_chain_length: u32::try_from(found.chain.len()).unwrap_or(u32::MAX),
                    detected_labels: Some(found.labels.for_model()),
                    failed_detections: Some(failed_detections(found)),
                    remediation_history_fetched: found.history.known().is_some(),
                },
                PhaseOutcome::Success,
            ),
            Err(error) => {
                tracing::warn!(event = "phase2_enrichment_failed", target = %target, error = %error, "target not read");
                (
                    Payload::EnrichmentFailed {
                        reason: "rca_incomplete".to_owned(),
                        detail: error.to_string(),
                        affected: target.clone(),
                    },
                    PhaseOutcome::Error,
                )
            }
        };
        self.journal.metrics().phase_finished(Phase::Enrichment, outcome);
        self.journal.record(payload, Some(took)).await;
    }
}

fn failed_detections(found: &Enrichment) -> Vec<String> {
    found.labels.failed_detections.iter().map(|detection| detection.as_str().to_owned()).collect()
}

fn unverified(gates: &mut Gates, target: &ResourceRef, error: &EnrichmentError, again: &str) -> Gate {
    let problem = format!("The target {target} could not be verified: {error}");
    if !error.is_correctable() {
        return Gate::Fail(problem);
    }
    let mut insist = "";
    if let EnrichmentError::NotFound { .. } = error {
        gates.absent = Some(target.clone());
        insist = " If it was deleted and that is the cause, name it again and say so.";
    }
    let spent = match error {
        EnrichmentError::Ambiguous { .. } => &mut gates.version,
        _ => &mut gates.existence,
    };
    let feedback = format!(
        "The target {target} cannot be changed: {error}. Name an object you have seen, with its api_version.{insist} {again}"
    );
    Gate::limited(spent, EXISTENCE_CORRECTIONS_MAX, feedback, problem)
}
