//! Disruption budgets that can never be met: a drain waits for ever although every pod is healthy.
//!
//! A budget that allows nothing *because pods are unhealthy* is a symptom and left alone.

use jiff::SignedDuration;

use crate::analyser::draft::{draft, enumerate, field_evidence, parameters, pods_and_owners};
use crate::analyser::network::selects;
use crate::analyser::observed::Event;
use crate::analyser::routing::is_live;
use crate::analyser::{Observed, Signature};
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        id: "disruption_budget_deadlock",
        title: "A PodDisruptionBudget forbids every eviction although all its pods are healthy, and an eviction waits",
        detect: detect_deadlock,
    },
    Signature {
        id: "disruption_budgets_overlap",
        title: "Several PodDisruptionBudgets select one pod, so that it can never be evicted",
        detect: detect_overlap,
    },
];

/// A blocked eviction longer ago than this has been given up.
const RECENT: SignedDuration = SignedDuration::from_hours(2);

fn budgets(observed: &Observed) -> impl Iterator<Item = &Object> {
    observed.of_kind("PodDisruptionBudget")
}

/// Pods a budget covers: in policy/v1 an empty selector covers the whole namespace.
fn covered<'a>(observed: &'a Observed, budget: &'a Object) -> Vec<&'a Object> {
    let pods = observed.in_namespace("Pod", budget.namespace().unwrap_or_default());
    pods.filter(|pod| is_live(pod) && selects(budget.at("spec.selector"), &pod.labels())).collect()
}

fn detect_deadlock(observed: &Observed) -> Vec<Finding> {
    budgets(observed).filter_map(|budget| deadlock(observed, budget)).collect()
}

fn deadlock(observed: &Observed, budget: &Object) -> Option<Finding> {
    let number = |member: &str| budget.i64_at(&format!("status.{member}"));
    let (expected, healthy) = (number("expectedPods")?, number("currentHealthy")?);
    let desired = number("desiredHealthy")?;
    // Structural: even with every pod healthy nothing may go.
    let structural =
        number("disruptionsAllowed") == Some(0) && expected > 0 && healthy >= expected && desired >= expected;
    if !structural {
        return None;
    }
    let pods = covered(observed, budget);
    let blocked = blocked_by(observed, budget, &pods);
    let is_signal = observed.signal().same_object(&budget.reference());
    if blocked.is_empty() && !is_signal {
        return None;
    }
    let (path, rule) = match (budget.at("spec.maxUnavailable"), budget.at("spec.minAvailable")) {
        (Some(value), _) => {
            ("spec.maxUnavailable", format!("maxUnavailable {}", crate::analyser::draft::compact(value)))
        }
        (None, value) => (
            "spec.minAvailable",
            format!("minAvailable {}", value.map_or_else(|| "1".to_owned(), crate::analyser::draft::compact)),
        ),
    };
    let nodes: Vec<&str> = blocked.iter().filter_map(|witness| witness.node.map(Object::name)).collect();
    let waits = match nodes.as_slice() {
        [] => "no pod of it can be evicted".to_owned(),
        nodes => format!("the drain of {} cannot finish", enumerate(nodes, 3)),
    };
    let mut evidence = vec![
        field_evidence(budget, path, format!("{rule} with {expected} pods")),
        field_evidence(budget, "status.disruptionsAllowed", "no eviction is allowed"),
        field_evidence(budget, "status.currentHealthy", format!("although all {expected} pods are healthy")),
    ];
    evidence.extend(blocked.iter().map(|witness| witness.evidence.clone()));
    let mut affects = pods_and_owners(observed, pods);
    affects.extend(blocked.iter().filter_map(|witness| witness.node.map(Object::reference)));
    Some(Finding {
        summary: format!(
            "{} ({rule}) never allows an eviction: it covers {expected} pods, all healthy; {waits}",
            budget.reference()
        ),
        affects,
        action_type: Some("RelaxPodDisruptionBudget".to_owned()),
        parameters: parameters([("MAX_UNAVAILABLE_NEW", "1")]),
        causal_chain: vec![
            format!("{} demands {desired} of {expected} pods", budget.reference()),
            "evictions of healthy pods are refused".to_owned(),
            waits,
        ],
        evidence,
        strength: if blocked.is_empty() { 0.75 } else { 0.93 },
        ..draft("disruption_budget_deadlock", CauseClass::DisruptionBudget, &budget.reference(), budget.reference())
    })
}

/// Someone who wants to evict and may not.
struct Witness<'a> {
    evidence: Evidence,
    node: Option<&'a Object>,
}

/// Cordoned nodes that still hold pods of the budget, and messages about refused evictions.
fn blocked_by<'a>(observed: &'a Observed, budget: &Object, pods: &[&Object]) -> Vec<Witness<'a>> {
    let holds = |node: &&Object| pods.iter().any(|pod| pod.str_at("spec.nodeName") == Some(node.name()));
    let cordoned =
        observed.of_kind("Node").filter(|node| node.bool_at("spec.unschedulable") == Some(true)).filter(holds);
    let mut found: Vec<Witness<'a>> = cordoned
        .map(|node| Witness {
            evidence: field_evidence(node, "spec.unschedulable", "a cordoned node still holds pods of this budget"),
            node: Some(node),
        })
        .collect();
    let mut nodes: Vec<&str> = found.iter().filter_map(|witness| witness.node.map(Object::name)).collect();
    for event in observed.events().filter(|event| concerns(observed, event, budget, pods)) {
        let about = observed.find(&event.about).filter(|object| object.kind() == "Node");
        let node = about.filter(|node| !nodes.contains(&node.name()));
        nodes.extend(node.map(Object::name));
        found.push(Witness { evidence: event.evidence("an eviction is refused"), node });
    }
    found.truncate(WITNESSES_MAX);
    found
}

/// Most blocked evictions quoted.
const WITNESSES_MAX: usize = 5;

fn concerns(observed: &Observed, event: &Event, budget: &Object, pods: &[&Object]) -> bool {
    let message = event.message.to_ascii_lowercase();
    let about_evictions = ["disruption budget", "disruptionbudget", "pdb"].iter().any(|word| message.contains(word));
    let about_pod =
        pods.iter().any(|pod| event.about.same_object(&pod.reference()) || event.message.contains(pod.name()));
    let names_it = event.about.same_object(&budget.reference()) || about_pod || event.message.contains(budget.name());
    about_evictions && names_it && observed.is_recent(event.last_seen, RECENT)
}

fn detect_overlap(observed: &Observed) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for pod in observed.of_kind("Pod").filter(|pod| is_live(pod)) {
        let over: Vec<&Object> = budgets(observed)
            .filter(|budget| {
                budget.namespace() == pod.namespace() && selects(budget.at("spec.selector"), &pod.labels())
            })
            .collect();
        let [first, second, ..] = over.as_slice() else { continue };
        let node = pod.str_at("spec.nodeName").and_then(|name| observed.get("Node", None, name));
        let draining = node.filter(|node| node.bool_at("spec.unschedulable") == Some(true));
        let is_signal = over.iter().any(|budget| observed.signal().same_object(&budget.reference()));
        if (draining.is_none() && !is_signal) || found.iter().any(|seen| seen.target == first.reference()) {
            continue;
        }
        let names = format!("{} and {}", first.name(), second.name());
        found.push(Finding {
            summary: format!(
                "{} cannot be evicted: budgets {names} both select it, and the eviction API refuses such pods",
                pod.reference()
            ),
            affects: pods_and_owners(observed, [pod]),
            causal_chain: vec![
                format!("budgets {names} overlap"),
                "the eviction API answers every attempt with an error".to_owned(),
            ],
            evidence: over
                .iter()
                .map(|budget| field_evidence(budget, "spec.selector", format!("selects {}", pod.name())))
                .collect(),
            strength: 0.8,
            disposition: Disposition::Escalate,
            ..draft("disruption_budgets_overlap", CauseClass::DisruptionBudget, &pod.reference(), first.reference())
        });
    }
    found
}

#[cfg(test)]
mod tests;
