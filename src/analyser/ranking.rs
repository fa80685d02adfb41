//! Puts causes before symptoms. Pure.
//!
//! A finding's score is the weighted sum of three numbers between 0 and 1: how deep a cause of its class usually lies
//! ([`depth`]), how decisive its own evidence is (`strength`), and how near it is to the signal. Then three rules
//! correct it:
//!
//! 1. A finding that explains another one stands above it: its `affects` names the other's subject or target, or the
//!    other merely says that a dependency fails and this one is about that dependency.
//! 2. A signal that is well cannot be blamed on something that does not touch it: such findings become side notes.
//! 3. What nothing connects with the signal is a side note, whatever its score.
//!
//! Ties are broken by class, target and subject, so that the order never depends on the order of detection.

use std::cmp::Ordering;

use serde::Serialize;

use super::Observed;
use super::pods::{Health, health};
use super::relations::{Relations, is_workload};
use crate::domain::{CauseClass, Disposition, Evidence, Finding, ResourceRef, Source};

/// A finding in its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    pub finding: Finding,
    /// 0–1; comparable within one diagnosis only.
    pub score: f64,
    /// Why it stands where it stands, in words.
    pub reasons: Vec<String>,
    /// False for a side note: a fault that does not explain this signal.
    pub is_related: bool,
}

const DEPTH_WEIGHT: f64 = 0.40;
const STRENGTH_WEIGHT: f64 = 0.35;
const PROXIMITY_WEIGHT: f64 = 0.25;
/// A finding needs at least this strength to stand above what it explains.
const EXPLAINER_STRENGTH_MIN: f64 = 0.5;
/// How far below its explanation a symptom is placed at least.
const EXPLAINED_GAP: f64 = 0.02;
/// What is left of a side note's score.
const SIDE_NOTE_FACTOR: f64 = 0.2;

/// Orders findings, best first.
pub fn rank(observed: &Observed, findings: Vec<Finding>) -> Vec<Ranked> {
    let relations = observed.relations();
    let signal_is_well = signal_is_well(observed, relations);
    let mut ranked: Vec<Ranked> =
        findings.into_iter().map(|finding| place(relations, signal_is_well, finding)).collect();
    ranked.sort_by(order);
    explain(observed, &mut ranked);
    ranked.sort_by(order);
    ranked
}

fn order(a: &Ranked, b: &Ranked) -> Ordering {
    let ties = |ranked: &Ranked| {
        let finding = &ranked.finding;
        (finding.cause_class, finding.target.clone(), finding.subject.clone(), finding.summary.clone())
    };
    b.is_related.cmp(&a.is_related).then_with(|| b.score.total_cmp(&a.score)).then_with(|| ties(a).cmp(&ties(b)))
}

/// How close a finding is to the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nearness {
    /// It is about the signal's own workload, or says that it suffers.
    Signal,
    /// About something the signal depends on, so many steps away.
    Upstream(u32),
    Elsewhere,
}

impl Nearness {
    fn of(relations: &Relations, finding: &Finding) -> Self {
        let touches = |reference: &ResourceRef| relations.is_signal(reference);
        if touches(&finding.subject) || touches(&finding.target) || finding.affects.iter().any(touches) {
            return Self::Signal;
        }
        let own = [&finding.subject, &finding.target];
        let distance = own.into_iter().filter_map(|reference| relations.distance(reference)).min();
        distance.map_or(Self::Elsewhere, Self::Upstream)
    }

    fn proximity(self) -> f64 {
        match self {
            Self::Signal => 1.0,
            Self::Upstream(0 | 1) => 0.75,
            Self::Upstream(2) => 0.65,
            Self::Upstream(3) => 0.55,
            Self::Upstream(_) => 0.45,
            Self::Elsewhere => 0.0,
        }
    }

    fn in_words(self) -> String {
        match self {
            Self::Signal => "it is about the signal's own workload or affects it".to_owned(),
            Self::Upstream(steps) => format!("the signal depends on it, {steps} steps away"),
            Self::Elsewhere => "nothing connects it with the signal".to_owned(),
        }
    }
}

fn place(relations: &Relations, signal_is_well: bool, finding: Finding) -> Ranked {
    let nearness = Nearness::of(relations, &finding);
    let depth = depth(finding.cause_class);
    let score = DEPTH_WEIGHT * depth + STRENGTH_WEIGHT * finding.strength + PROXIMITY_WEIGHT * nearness.proximity();
    let mut reasons = vec![
        nearness.in_words(),
        format!("a {} cause counts {depth:.2}, its evidence {:.2}", finding.cause_class, finding.strength),
    ];
    let harmless_here = signal_is_well && matches!(nearness, Nearness::Upstream(_));
    let is_related = nearness != Nearness::Elsewhere && !harmless_here;
    if harmless_here {
        reasons.push("side note: the signal resource is well, so this does not reach it".to_owned());
    }
    let score = if is_related { score } else { score * SIDE_NOTE_FACTOR };
    Ranked { finding, score, reasons, is_related }
}

/// True when the signal's pods (or, without pods, the resource) show no fault at the moment.
fn signal_is_well(observed: &Observed, relations: &Relations) -> bool {
    let mut pods = observed.of_kind("Pod").filter(|pod| relations.is_signal(&pod.reference())).peekable();
    let Some(subject) = observed.subject() else { return false };
    if !(is_workload(subject.kind()) || subject.kind() == "Pod") || pods.peek().is_none() {
        return false;
    }
    let wanted = subject.i64_at("spec.replicas").unwrap_or_default();
    let ready = subject.i64_at("status.readyReplicas").unwrap_or_default();
    let complete = subject.kind() == "Pod" || wanted <= ready;
    complete && pods.all(|pod| matches!(health(observed, pod), Health::Stable | Health::Succeeded))
}

/// Places each symptom below what explains it. Mutual explanations leave both alone.
fn explain(observed: &Observed, ranked: &mut [Ranked]) {
    let roots: Vec<Roots> = ranked.iter().map(|ranked| Roots::of(observed, &ranked.finding)).collect();
    let explains = |a: usize, b: usize| -> bool {
        let (Some(cause), Some(effect), Some(of_cause), Some(of_effect)) =
            (ranked.get(a), ranked.get(b), roots.get(a), roots.get(b))
        else {
            return false;
        };
        a != b
            && cause.is_related
            && can_explain(&cause.finding)
            && of_cause.explain(of_effect, &cause.finding, &effect.finding)
    };
    let count = ranked.len();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for cause in 0..count {
        pairs.extend(
            (0..count)
                .filter(|effect| explains(cause, *effect) && !explains(*effect, cause))
                .map(|effect| (cause, effect)),
        );
    }
    // A chain is at most as long as there are findings: after that many passes nothing moves any more.
    for _ in 0..count {
        let mut moved = false;
        for (cause, effect) in &pairs {
            let Some(limit) = ranked.get(*cause).map(|cause| cause.score - EXPLAINED_GAP) else { continue };
            let Some(summary) = ranked.get(*cause).map(|cause| short(&cause.finding)) else { continue };
            if let Some(effect) = ranked.get_mut(*effect)
                && effect.score > limit
                && limit > 0.0
            {
                effect.score = limit;
                let reason = format!("explained by {summary}");
                if !effect.reasons.contains(&reason) {
                    effect.reasons.push(reason);
                }
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
}

fn short(finding: &Finding) -> String {
    format!("{} on {}", finding.cause_class, finding.target)
}

fn can_explain(finding: &Finding) -> bool {
    let active = matches!(finding.disposition, Disposition::Act | Disposition::Escalate);
    let under_way = matches!(finding.cause_class, CauseClass::ChangeInProgress);
    (active || under_way) && finding.strength >= EXPLAINER_STRENGTH_MIN
}

/// The workloads at the top of what a finding names.
struct Roots {
    subject: ResourceRef,
    target: ResourceRef,
    affects: Vec<ResourceRef>,
}

impl Roots {
    fn of(observed: &Observed, finding: &Finding) -> Self {
        let root = |reference: &ResourceRef| {
            observed.find(reference).map_or_else(|| reference.clone(), |object| observed.root_owner(object))
        };
        Self {
            subject: root(&finding.subject),
            target: root(&finding.target),
            affects: finding.affects.iter().map(root).collect(),
        }
    }

    fn explain(&self, effect: &Self, cause: &Finding, symptom: &Finding) -> bool {
        let same_fault = self.target.same_object(&effect.target) && cause.cause_class == symptom.cause_class;
        if same_fault {
            return false;
        }
        let same_workload = self.subject.same_object(&effect.subject);
        let affects = self.affects.iter().any(|affected| affected.same_object(&effect.subject));
        let deeper = depth(cause.cause_class) > depth(symptom.cause_class);
        let failing_dependency = symptom.cause_class == CauseClass::DependencyUnavailable
            && cause.cause_class != CauseClass::DependencyUnavailable
            && [&self.subject, &self.target].into_iter().any(|own| own.same_object(&effect.target));
        failing_dependency || (affects && (deeper || !same_workload))
    }
}

/// How deep causes of a class usually lie, 0–1: things of the infrastructure first, failing programs later, mere
/// symptoms last; reasons not to act below every fault.
pub fn depth(class: CauseClass) -> f64 {
    match class {
        CauseClass::NodeFailure => 0.95,
        CauseClass::NodePressure | CauseClass::AdmissionWebhook => 0.90,
        CauseClass::NetworkPolicy | CauseClass::QuotaExceeded | CauseClass::VolumeFull | CauseClass::VolumeUnbound => {
            0.88
        }
        CauseClass::MissingConfiguration
        | CauseClass::RbacDenied
        | CauseClass::CertificateExpired
        | CauseClass::ImageNotFound
        | CauseClass::ImageCredentials
        | CauseClass::RegistryUnavailable => 0.86,
        CauseClass::ServiceSelector | CauseClass::ServicePort | CauseClass::SchedulingConstraint => 0.84,
        CauseClass::InsufficientCapacity | CauseClass::DisruptionBudget => 0.80,
        CauseClass::MemoryLimit | CauseClass::MemoryLeak => 0.78,
        CauseClass::ApplicationConfig | CauseClass::ProbeMisconfigured => 0.75,
        CauseClass::CpuStarvation | CauseClass::AutoscalerLimit => 0.66,
        CauseClass::ApplicationError => 0.52,
        CauseClass::InitFailure => 0.48,
        CauseClass::DependencyUnavailable => 0.44,
        CauseClass::RolloutFailed => 0.36,
        CauseClass::ChangeInProgress | CauseClass::Orphaned => 0.40,
        CauseClass::Benign | CauseClass::Recovered => 0.30,
        CauseClass::Healthy => 0.05,
    }
}

/// Confidence in the best finding, 0–0.97, from facts only:
/// 0.40 + 0.55 × strength; − 0.12 when another explanation of the signal that it does not explain itself is nearly as
/// good (score within 0.05), − 0.05 when it is within 0.10; − 0.05 when it is about something three or more steps away
/// or not known to touch the signal; − 0.05 when only one observation supports it; − 0.03 for each thing that could not
/// be read, at most − 0.09.
pub fn confidence(ranked: &[Ranked], unreadable: usize) -> f64 {
    let Some(top) = ranked.first().filter(|top| top.is_related) else { return 0.0 };
    let same = |other: &&Ranked| {
        other.finding.target.same_object(&top.finding.target) && other.finding.cause_class == top.finding.cause_class
    };
    let explained = |other: &&Ranked| other.reasons.iter().any(|reason| reason.starts_with("explained by"));
    let harmless = |other: &&Ranked| !matches!(other.finding.disposition, Disposition::Act | Disposition::Escalate);
    let runner_up =
        ranked.iter().skip(1).find(|other| other.is_related && !same(other) && !explained(other) && !harmless(other));
    let margin = runner_up.map_or(1.0, |other| top.score - other.score);
    let ambiguity = match margin {
        margin if margin < 0.05 => 0.12,
        margin if margin < 0.10 => 0.05,
        _ => 0.0,
    };
    let far = top.reasons.iter().any(|reason| reason.starts_with("the signal depends on it"));
    let places = distinct_places(&top.finding.evidence);
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let unread = 0.03 * unreadable.min(3) as f64;
    let value = 0.40 + 0.55 * top.finding.strength
        - ambiguity
        - if far { 0.05 } else { 0.0 }
        - if places < 2 { 0.05 } else { 0.0 }
        - unread;
    (value.clamp(0.0, 0.97) * 100.0).round() / 100.0
}

/// How many different places the evidence points at.
fn distinct_places(evidence: &[Evidence]) -> usize {
    let mut places: Vec<String> = evidence
        .iter()
        .map(|evidence| match &evidence.source {
            Source::Field { resource, path, .. } => format!("{resource} {path}"),
            Source::Log { pod, container, previous, line, .. } => format!("{pod} {container} {previous} {line}"),
            other => other.to_string(),
        })
        .collect();
    places.sort();
    places.dedup();
    places.len()
}

#[cfg(test)]
mod tests;
