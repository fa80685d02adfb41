//! Pods no node will take: constraints nobody meets, leftover taints, oversized requests, full clusters.

mod capacity;
mod constraints;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde_json::Value;

use crate::analyser::draft::{draft, field_evidence, pods_and_owners};
use crate::analyser::observed::Event;
use crate::analyser::scheduler::{Fit, Obstacle, Refusal, Requested, admits, fit};
use crate::analyser::{Observed, Signature};
use crate::domain::object::text;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "unschedulable",
    title: "Pending pods that fit no node, with the constraint, taint, request or shortage that keeps them off",
    detect,
}];

fn detect(observed: &Observed) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    let waiting: Vec<&Object> = observed.of_kind("Pod").filter(|pod| waits(pod)).collect();
    let requested = if waiting.is_empty() { Requested::default() } else { Requested::of(observed) };
    // Siblings refused in the same words are one case.
    let mut cases: BTreeSet<(ResourceRef, String)> = BTreeSet::new();
    for pod in waiting {
        let Some((message, evidence)) = refusal(observed, pod) else { continue };
        if !cases.insert((observed.root_owner(pod), message.clone())) {
            continue;
        }
        let pending = Pending::read(observed, &requested, pod, (&message, evidence));
        let Some(finding) = pending.and_then(|pending| pending.diagnose()) else { continue };
        let same = |seen: &&mut Finding| {
            seen.cause_class == finding.cause_class
                && seen.target == finding.target
                && seen.parameters == finding.parameters
                && seen.action_type == finding.action_type
        };
        match found.iter_mut().find(same) {
            Some(seen) => {
                let known =
                    |seen: &Finding, wanted: &ResourceRef| seen.affects.iter().any(|have| have.same_object(wanted));
                let new: Vec<_> = finding.affects.into_iter().filter(|wanted| !known(seen, wanted)).collect();
                seen.affects.extend(new);
            }
            None => found.push(finding),
        }
    }
    found
}

/// Waiting for a node right now.
fn waits(pod: &Object) -> bool {
    pod.str_at("status.phase") == Some("Pending")
        && pod.str_at("spec.nodeName").is_none_or(str::is_empty)
        && !pod.is_terminating()
}

/// One pod the scheduler refused, with everything the diagnosis looks at.
struct Pending<'a> {
    observed: &'a Observed,
    requested: &'a Requested,
    pod: &'a Object,
    spec: &'a Value,
    refusal: Refusal,
    refusal_evidence: Evidence,
    nodes: Vec<&'a Object>,
    /// Nodes the pod's selectors admit.
    fits: Vec<Fit<'a>>,
    root: ResourceRef,
}

impl<'a> Pending<'a> {
    fn read(
        observed: &'a Observed,
        requested: &'a Requested,
        pod: &'a Object,
        (message, refusal_evidence): (&str, Evidence),
    ) -> Option<Self> {
        let spec = pod.at("spec")?;
        let nodes: Vec<&Object> = observed.of_kind("Node").collect();
        let admitted = nodes.iter().filter(|node| admits(node, spec));
        Some(Self {
            observed,
            requested,
            pod,
            spec,
            refusal: Refusal::parse(message),
            refusal_evidence,
            fits: admitted.map(|node| fit(requested, node, spec)).collect(),
            nodes,
            root: observed.root_owner(pod),
        })
    }

    fn diagnose(&self) -> Option<Finding> {
        // Claims are the volumes family's business: nothing here would mend them.
        if self.refusal.has(|obstacle| matches!(obstacle, Obstacle::VolumeUnbound | Obstacle::ClaimMissing(_))) {
            return None;
        }
        self.scale_up_under_way()
            .or_else(|| self.unmet_requirement())
            .or_else(|| self.leftover_taint())
            .or_else(|| self.cordoned_node())
            .or_else(|| self.oversized_request())
            .or_else(|| self.missing_toleration())
            .or_else(|| self.pod_constraint())
            .or_else(|| self.volume_elsewhere())
            .or_else(|| self.raised_request())
            .or_else(|| Some(self.no_capacity()))
    }

    fn draft(&self, cause_class: CauseClass, target: ResourceRef) -> Finding {
        let mut siblings = vec![self.pod];
        if let Some(root) = self.observed.find(&self.root) {
            siblings.extend(
                self.observed
                    .pods_of(root)
                    .into_iter()
                    .filter(|pod| pod.str_at("status.phase") == Some("Pending") && pod.name() != self.pod.name()),
            );
        }
        let mut affects = pods_and_owners(self.observed, siblings);
        affects.retain(|affected| !affected.same_object(&target));
        Finding {
            affects,
            evidence: vec![self.refusal_evidence.clone()],
            ..draft("unschedulable", cause_class, &self.pod.reference(), target)
        }
    }

    fn symptom(&self) -> String {
        let since = self.observed.age(self.pod.created_at()).map(|age| format!(" for {} min", age.as_mins()));
        format!("{} has been Pending{}", self.pod.reference(), since.unwrap_or_default())
    }

    /// An autoscaler is already adding a node.
    fn scale_up_under_way(&self) -> Option<Finding> {
        let event = self.event_of_autoscaler("TriggeredScaleUp", SCALE_UP_WINDOW)?;
        let mut finding = self.draft(CauseClass::ChangeInProgress, self.root.clone());
        finding.evidence.push(event.evidence("the cluster autoscaler is adding a node for this pod"));
        Some(Finding {
            summary: format!(
                "{} waits for a node that the cluster autoscaler is adding: {}",
                self.pod.reference(),
                event.message
            ),
            causal_chain: vec!["no node had room".to_owned(), "a scale-up was triggered".to_owned(), self.symptom()],
            strength: 0.7,
            disposition: Disposition::NotActionable,
            ..finding
        })
    }

    fn event_of_autoscaler(&self, reason: &str, window: SignedDuration) -> Option<&'a Event> {
        let events = self.observed.events_about(&self.pod.reference());
        events.into_iter().find(|event| event.reason == reason && self.observed.is_recent(event.last_seen, window))
    }

    /// The template that says so: on the workload where it was gathered, else on the pod.
    fn template(&self) -> (&'a Object, &'static str) {
        let root = self.observed.find(&self.root).filter(|root| root.at("spec.template.spec").is_some());
        root.map_or((self.pod, "spec"), |root| (root, "spec.template.spec"))
    }
}

/// How long a triggered scale-up is given to produce a node.
const SCALE_UP_WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// Most nodes quoted for one claim.
const EVIDENCE_NODES_MAX: usize = 4;

/// What the scheduler said last: the pod's condition, else the newest event.
fn refusal(observed: &Observed, pod: &Object) -> Option<(String, Evidence)> {
    let condition = pod.condition("PodScheduled").filter(|condition| text(condition, "reason") == "Unschedulable");
    let message = condition.map(|condition| text(condition, "message")).filter(|message| !message.is_empty());
    let events = observed.events_about(&pod.reference());
    let event = events.into_iter().find(|event| event.reason == "FailedScheduling");
    match (message, event) {
        (Some(message), _) => {
            let path = "status.conditions[type=PodScheduled].message";
            Some((message.to_owned(), field_evidence(pod, path, "the scheduler says why")))
        }
        (None, Some(event)) => Some((event.message.clone(), event.evidence("the scheduler says why"))),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
