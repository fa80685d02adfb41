//! Requests against what nodes have: cordoned room, requests beyond any node, a full cluster.

use jiff::SignedDuration;
use serde_json::Value;

use super::{EVIDENCE_NODES_MAX, Pending};
use crate::analyser::draft::{entry_evidence, enumerate, field_evidence, parameters};
use crate::domain::quantities::Quantity;
use crate::analyser::revisions;
use crate::analyser::scheduler::{CORDON_TAINT, Fit, Obstacle, allocatable, requests};
use crate::domain::object::{at, text};
use crate::domain::{CauseClass, Disposition, Finding};

impl Pending<'_> {
    /// A healthy cordoned node has the room.
    pub(super) fn cordoned_node(&self) -> Option<Finding> {
        let has_room =
            |found: &&Fit<'_>| found.cordoned && found.ready && found.taints.is_empty() && found.lacks.is_empty();
        let found = self.fits.iter().find(has_room)?;
        let node = found.node;
        let mut finding = self.draft(CauseClass::InsufficientCapacity, node.reference());
        finding.evidence.push(field_evidence(node, "spec.unschedulable", "the node is cordoned"));
        finding.evidence.push(field_evidence(node, "status.conditions[type=Ready].status", "and healthy"));
        let since = node
            .list_at("spec.taints")
            .find(|taint| text(taint, "key") == CORDON_TAINT)
            .map(|taint| text(taint, "timeAdded"))
            .filter(|since| !since.is_empty());
        let since = since.map(|since| format!(" since {since}")).unwrap_or_default();
        Some(Finding {
            summary: format!(
                "{} cannot be scheduled while {node} is cordoned{since}: {node} is Ready and has room for it, the other nodes do not",
                self.root,
                node = node.reference()
            ),
            action_type: Some("UncordonNode".to_owned()),
            causal_chain: vec![
                format!("{} is cordoned{since}", node.reference()),
                "no other node can take the pod".to_owned(),
                self.symptom(),
            ],
            strength: 0.88,
            ..finding
        })
    }

    /// A request no node could meet even when empty.
    pub(super) fn oversized_request(&self) -> Option<Finding> {
        let workers: Vec<&Fit<'_>> = self.fits.iter().filter(|found| !found.is_control_plane()).collect();
        let too_large = |resource: &str| {
            workers.iter().all(|found| found.lacks.iter().any(|lack| lack.resource == resource && lack.is_too_large()))
        };
        let resource = ["memory", "cpu"].into_iter().find(|resource| !workers.is_empty() && too_large(resource))?;
        let largest = workers.iter().max_by_key(|found| allocatable(found.node, resource))?;
        let most = allocatable(largest.node, resource);
        let wanted = requests(self.spec).get(resource).copied().unwrap_or_default();
        let mut finding = self.reduce_requests(resource, 0.93)?;
        finding.evidence.push(field_evidence(
            largest.node,
            &format!("status.allocatable.{resource}"),
            "the largest node that qualifies offers",
        ));
        finding.summary = format!(
            "{} requests {} of {resource}, more than any node has: the largest, {}, offers {}",
            self.root,
            wanted.of_resource(resource),
            largest.node.name(),
            most.of_resource(resource)
        );
        finding.causal_chain = vec![
            format!("a pod of {} requests {} of {resource}", self.root, wanted.of_resource(resource)),
            format!("no node offers more than {}", most.of_resource(resource)),
            self.symptom(),
        ];
        Some(finding)
    }

    /// A request that fits a node in principle, but was raised by the newest revision beyond what is free.
    pub(super) fn raised_request(&self) -> Option<Finding> {
        let lacking = self.fits.iter().flat_map(|found| &found.lacks).map(|lack| lack.resource.as_str());
        let resource = lacking.into_iter().find(|resource| matches!(*resource, "cpu" | "memory"))?;
        let (before, revision) = self.previous_request(resource)?;
        let wanted = requests(self.spec).get(resource).copied().unwrap_or_default();
        let fits_before = self.fits.iter().any(|found| {
            found.taints.is_empty()
                && !found.cordoned
                && found.lacks.iter().all(|lack| lack.resource == resource && lack.free >= before)
        });
        if wanted < before.times(2) || !fits_before {
            return None;
        }
        let mut finding = self.reduce_requests(resource, 0.78)?;
        let change = format!(
            "the newest revision of {} raised the {resource} request from {} (revision {revision}) to {}",
            self.root,
            before.of_resource(resource),
            wanted.of_resource(resource)
        );
        finding.summary = format!("{} cannot be scheduled: {change}, and no node has that much free", self.root);
        finding.causal_chain = vec![change, "no node has that much free".to_owned(), self.symptom()];
        Some(finding)
    }

    /// Total request of the revision before the newest, with its number.
    fn previous_request(&self, resource: &str) -> Option<(Quantity, i64)> {
        let previous = revisions::previous(self.observed, self.observed.find(&self.root)?)?;
        let amount = requests(previous.template.get("spec")?).get(resource).copied()?;
        Some((amount, previous.number))
    }

    /// Proposes a request for the container that asks for most.
    fn reduce_requests(&self, resource: &str, strength: f64) -> Option<Finding> {
        let asks =
            |container: &Value| at(container, &format!("resources.requests.{resource}")).and_then(Quantity::read);
        let containers: Vec<&Value> = self.pod.list_at("spec.containers").collect();
        let (container, asked) = containers
            .iter()
            .filter_map(|container| Some((*container, asks(container)?)))
            .max_by_key(|(_, amount)| *amount)?;
        let name = text(container, "name");
        let others = requests(self.spec).get(resource).copied().unwrap_or_default() - asked;
        let used = |found: &Fit<'_>| allocatable(found.node, resource) - self.requested.on(found.node, resource);
        let workers = self.fits.iter().filter(|found| !found.is_control_plane() && !found.cordoned && found.ready);
        let room = workers.map(used).max().unwrap_or_default() - others;
        let proposal = self
            .previous_container_request(name, resource)
            .filter(|before| *before < asked && *before <= room)
            .unwrap_or_else(|| rounded_down(room.scaled(4, 5), resource));
        if proposal <= Quantity::ZERO || proposal >= asked {
            return None;
        }
        let (object, base) = self.template();
        let mut finding = self.draft(CauseClass::SchedulingConstraint, self.root.clone());
        finding.cause_class = CauseClass::InsufficientCapacity;
        finding.evidence.push(field_evidence(
            object,
            &format!("{base}.containers[name={name}].resources.requests.{resource}"),
            format!("container {name} asks for {}", asked.of_resource(resource)),
        ));
        let parameter = if resource == "cpu" { "CPU_REQUEST_NEW" } else { "MEMORY_REQUEST_NEW" };
        finding.parameters =
            parameters([("CONTAINER_NAME", name.to_owned()), (parameter, proposal.of_resource(resource))]);
        finding.action_type = Some("ReduceResourceRequests".to_owned());
        finding.strength = strength;
        Some(finding)
    }

    fn previous_container_request(&self, container: &str, resource: &str) -> Option<Quantity> {
        let previous = revisions::previous(self.observed, self.observed.find(&self.root)?)?;
        let path = format!("spec.containers[name={container}].resources.requests.{resource}");
        at(previous.template, &path).and_then(Quantity::read)
    }

    /// Nothing is wrong with the pod: the cluster is full.
    pub(super) fn no_capacity(&self) -> Finding {
        let mut short = self.refusal.insufficient();
        short.sort_unstable();
        short.dedup();
        let mut finding = self.draft(CauseClass::InsufficientCapacity, self.root.clone());
        for resource in &short {
            let lacks = self.fits.iter().flat_map(|found| found.lacks.iter().map(move |lack| (found.node, lack)));
            finding.evidence.extend(lacks.filter(|(_, lack)| lack.resource == *resource).take(EVIDENCE_NODES_MAX).map(
                |(node, lack)| {
                    entry_evidence(
                        node,
                        "status.allocatable",
                        resource,
                        format!(
                            "{} of {} free, {} wanted",
                            lack.free.of_resource(resource),
                            lack.allocatable.of_resource(resource),
                            lack.wanted.of_resource(resource)
                        ),
                    )
                },
            ));
        }
        let limit = self.event_of_autoscaler("NotTriggerScaleUp", SignedDuration::from_hours(1));
        if let Some(event) = limit {
            finding.evidence.push(event.evidence("the cluster autoscaler cannot add a node"));
        }
        let not_ready: Vec<&str> = self
            .nodes
            .iter()
            .filter(|node| node.condition_status("Ready").is_some_and(|status| status != "True"))
            .map(|node| node.name())
            .collect();
        let lost =
            if not_ready.is_empty() { String::new() } else { format!("; not ready: {}", enumerate(&not_ready, 3)) };
        let what = if short.is_empty() {
            "no node accepts it".to_owned()
        } else {
            format!("not enough {} on any node it may use", enumerate(&short, 3))
        };
        // Without a shortage something else keeps the pod off: ports, an unread node's labels, what a plugin thinks.
        let crowded = |obstacle: &Obstacle| *obstacle == Obstacle::VolumeLimit;
        let is_capacity = !short.is_empty() || !not_ready.is_empty() || self.refusal.has(crowded);
        if !is_capacity {
            finding.cause_class = CauseClass::SchedulingConstraint;
        }
        Finding {
            summary: format!("{} cannot be scheduled: {what} ({} nodes{lost})", self.root, self.nodes.len()),
            causal_chain: vec![format!("the scheduler found {what}"), self.symptom()],
            strength: if is_capacity && not_ready.is_empty() { 0.85 } else { 0.5 },
            disposition: Disposition::Escalate,
            ..finding
        }
    }
}

/// A tidy amount not above the given one.
fn rounded_down(amount: Quantity, resource: &str) -> Quantity {
    let steps: &[&str] = if resource == "cpu" { &["500m", "50m"] } else { &["512Mi", "64Mi"] };
    let rounded = steps.iter().filter_map(|step| Quantity::parse(step)).map(|step| amount.round_down_to(step));
    rounded.into_iter().find(|rounded| *rounded > Quantity::ZERO).unwrap_or(amount)
}
