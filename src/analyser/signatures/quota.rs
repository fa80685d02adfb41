//! Pods the API server refuses to create: a ResourceQuota is used up, a LimitRange is violated.

use serde_json::Value;

use jiff::SignedDuration;

use crate::analyser::draft::{compact, draft, entry_evidence, enumerate, field_evidence, parameters, pods_and_owners};
use crate::analyser::observed::Event;
use crate::domain::quantities::Quantity;
use crate::analyser::{Observed, Signature};
use crate::domain::object::{at, text, text_map};
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        id: "quota_exceeded",
        title: "Pods cannot be created because a ResourceQuota is used up",
        detect: detect_quota,
    },
    Signature {
        id: "limit_range_violated",
        title: "Pods cannot be created because a LimitRange forbids their resources",
        detect: detect_limit_range,
    },
];

/// A refusal older than this counts only while the controller is still short of pods and says so in its status.
const RECENT: SignedDuration = SignedDuration::from_mins(60);

/// A controller that is short of pods right now because the API server refuses them.
struct Refused<'a> {
    controller: &'a Object,
    message: String,
    evidence: Evidence,
    /// Pods it has too few.
    missing: i64,
}

/// Controllers whose creation of pods (or claims) fails with a message that `concerns` us, and that still lack some.
fn refused<'a>(observed: &'a Observed, concerns: fn(&str) -> bool) -> Vec<Refused<'a>> {
    let kinds = ["ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"];
    let controllers = kinds.into_iter().flat_map(|kind| observed.of_kind(kind));
    let read = |controller: &'a Object| {
        let missing = missing(observed, controller)?;
        let (message, evidence) = complaint(observed, controller, concerns)?;
        Some(Refused { controller, message, evidence, missing })
    };
    controllers.filter_map(read).collect()
}

/// The newest complaint: an event of the controller, or the failure condition of it or its Deployment.
fn complaint(observed: &Observed, controller: &Object, concerns: fn(&str) -> bool) -> Option<(String, Evidence)> {
    let matching = |event: &&&Event| event.reason == "FailedCreate" && concerns(&event.message);
    let events = observed.events_about(&controller.reference());
    if let Some(event) = events.iter().find(matching)
        && observed.is_recent(event.last_seen, RECENT)
    {
        return Some((event.message.clone(), event.evidence(format!("{} cannot create pods", controller.reference()))));
    }
    observed.owner_chain(controller).into_iter().find_map(|object| {
        let condition = object.condition("ReplicaFailure").filter(|condition| text(condition, "status") == "True")?;
        let message = text(condition, "message");
        let path = "status.conditions[type=ReplicaFailure].message";
        concerns(message)
            .then(|| (message.to_owned(), field_evidence(object, path, "its controller cannot create pods")))
    })
}

/// How many pods a controller lacks; `None` when it has all it wants.
fn missing(observed: &Observed, controller: &Object) -> Option<i64> {
    let number = |path: &str| controller.i64_at(path).unwrap_or_default();
    let lacking = match controller.kind() {
        "DaemonSet" => number("status.desiredNumberScheduled") - number("status.currentNumberScheduled"),
        "Job" => {
            let done = number("status.succeeded") + number("status.active");
            let is_over = ["Complete", "Failed"].iter().any(|kind| controller.condition_status(kind) == Some("True"));
            if is_over { 0 } else { (controller.i64_at("spec.parallelism").unwrap_or(1) - done).max(0) }
        }
        "StatefulSet" => controller.i64_at("spec.replicas").unwrap_or(1) - number("status.replicas"),
        _ => wanted_of_replica_set(observed, controller) - number("status.replicas"),
    };
    (lacking > 0).then_some(lacking)
}

/// The ReplicaSet's own count; the Deployment's when this is its newest one, since a rollout raises it step by step.
fn wanted_of_replica_set(observed: &Observed, controller: &Object) -> i64 {
    let own = controller.i64_at("spec.replicas").unwrap_or(1);
    let Some(deployment) = observed.owner(controller).filter(|owner| owner.kind() == "Deployment") else { return own };
    let newest = crate::analyser::revisions::revisions(observed, deployment).into_iter().next();
    let is_newest = newest.is_some_and(|newest| newest.object.name() == controller.name());
    let total = deployment.i64_at("spec.replicas").unwrap_or(1);
    let others = deployment.i64_at("status.replicas").unwrap_or_default()
        - controller.i64_at("status.replicas").unwrap_or_default();
    if is_newest { own.max(total - others) } else { own }
}

fn affected(observed: &Observed, controller: &Object) -> Vec<ResourceRef> {
    let mut found: Vec<ResourceRef> = observed.owner_chain(controller).into_iter().map(Object::reference).collect();
    let root = observed.root_owner(controller);
    let pods = observed.find(&root).map(|root| observed.pods_of(root)).unwrap_or_default();
    found.extend(
        pods_and_owners(observed, pods)
            .into_iter()
            .filter(|pod| !found.iter().any(|seen| seen.same_object(pod)))
            .collect::<Vec<_>>(),
    );
    found
}

fn detect_quota(observed: &Observed) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for refused in refused(observed, |message| message.contains("exceeded quota:") || message.contains("failed quota:"))
    {
        let finding = if refused.message.contains("exceeded quota:") {
            exceeded(observed, &refused)
        } else {
            unspecified(observed, &refused)
        };
        let Some(finding) = finding else { continue };
        match found.iter_mut().find(|seen| seen.target == finding.target && seen.action_type == finding.action_type) {
            Some(seen) => seen.affects.extend(finding.affects),
            None => found.push(finding),
        }
    }
    found
}

/// `exceeded quota: NAME, requested: a=1,b=2, used: a=3,b=4, limited: a=3,b=5`.
#[derive(Debug, PartialEq)]
struct Excess<'a> {
    quota: &'a str,
    /// Resource, requested, used, limit: only those that do not fit.
    resources: Vec<(&'a str, Quantity, Quantity, Quantity)>,
}

fn parse_excess(message: &str) -> Option<Excess<'_>> {
    let rest = message.split_once("exceeded quota: ")?.1;
    let (quota, rest) = rest.split_once(", requested: ")?;
    let (requested, rest) = rest.split_once(", used: ")?;
    let (used, limited) = rest.split_once(", limited: ")?;
    let amount = |list: &str, resource: &str| {
        let mut pairs = list.split(',').filter_map(|pair| pair.trim().split_once('='));
        Quantity::parse(pairs.find(|(name, _)| *name == resource)?.1.trim_end_matches(['.', '"']))
    };
    let resources = requested.split(',').filter_map(|pair| {
        let (resource, wanted) = pair.trim().split_once('=')?;
        Some((resource, Quantity::parse(wanted)?, amount(used, resource)?, amount(limited, resource)?))
    });
    Some(Excess {
        quota: quota.trim(),
        resources: resources.filter(|(_, wanted, used, hard)| *wanted + *used > *hard).collect(),
    })
}

fn exceeded(observed: &Observed, refused: &Refused<'_>) -> Option<Finding> {
    let excess = parse_excess(&refused.message)?;
    let (resource, wanted, told_used, told_hard) = *excess.resources.first()?;
    let namespace = refused.controller.namespace().unwrap_or_default();
    let quota = observed.get("ResourceQuota", Some(namespace), excess.quota);
    let status = |kind: &str| {
        quota.and_then(|quota| quota.at(&format!("status.{kind}"))?.get(resource).and_then(Quantity::read))
    };
    let (used, hard) = (status("used").unwrap_or(told_used), status("hard").unwrap_or(told_hard));
    if quota.is_some() && used + wanted <= hard {
        return None; // There is room again; the controller will succeed on its next try.
    }
    let target = quota.map_or_else(
        || ResourceRef::namespaced("ResourceQuota", namespace, excess.quota).with_api_version("v1"),
        Object::reference,
    );
    let needed = tidy(used + wanted.times(refused.missing), resource);
    let root = observed.root_owner(refused.controller);
    let show = |amount: Quantity| amount.of_resource(resource);
    let mut evidence = vec![refused.evidence.clone()];
    if let Some(quota) = quota {
        evidence.push(entry_evidence(quota, "status.used", resource, "in use"));
        evidence.push(entry_evidence(quota, "status.hard", resource, "allowed"));
    }
    evidence.push(shortage(refused));
    let others: Vec<&str> = excess.resources.iter().skip(1).map(|(name, ..)| *name).collect();
    let also = if others.is_empty() { String::new() } else { format!(" (also short: {})", enumerate(&others, 3)) };
    Some(Finding {
        summary: format!(
            "{target} allows {} of {resource} and {} are used; {root} lacks {} pods that need {} each{also}",
            show(hard),
            show(used),
            refused.missing,
            show(wanted)
        ),
        affects: affected(observed, refused.controller),
        action_type: Some("IncreaseResourceQuota".to_owned()),
        parameters: parameters([("RESOURCE_NAME", resource.to_owned()), ("HARD_NEW", show(needed))]),
        causal_chain: vec![
            format!("{target} has {} of {} {resource} in use", show(used), show(hard)),
            format!("the API server refuses new pods of {root}, which ask for {}", show(wanted)),
            format!("{} is short of {} pods", refused.controller.reference(), refused.missing),
        ],
        evidence,
        strength: 0.95,
        ..draft("quota_exceeded", CauseClass::QuotaExceeded, &refused.controller.reference(), target)
    })
}

/// `failed quota: NAME: must specify limits.cpu for: app; …`: no number helps, the pod has to say what it needs.
fn unspecified(observed: &Observed, refused: &Refused<'_>) -> Option<Finding> {
    let rest = refused.message.split_once("failed quota: ")?.1;
    let (quota, demand) = rest.split_once(": ")?;
    let root = observed.root_owner(refused.controller);
    Some(Finding {
        summary: format!(
            "{root} cannot create pods: ResourceQuota {quota} demands values its containers do not give ({demand})"
        ),
        affects: affected(observed, refused.controller),
        causal_chain: vec![
            format!("ResourceQuota {quota} applies to resources the pods leave unset"),
            format!("the API server refuses them: {demand}"),
        ],
        evidence: vec![refused.evidence.clone(), shortage(refused)],
        strength: 0.9,
        disposition: Disposition::Escalate,
        ..draft("quota_exceeded", CauseClass::QuotaExceeded, &refused.controller.reference(), root)
    })
}

fn shortage(refused: &Refused<'_>) -> Evidence {
    let path =
        if refused.controller.kind() == "DaemonSet" { "status.currentNumberScheduled" } else { "status.replicas" };
    let path = if refused.controller.kind() == "Job" { "status.active" } else { path };
    let value = refused.controller.at(path).map_or_else(|| "0".to_owned(), compact);
    Evidence::field(format!("{} pods are missing", refused.missing), refused.controller.reference(), path, value)
}

/// Rounded up to a step a person would write.
fn tidy(amount: Quantity, resource: &str) -> Quantity {
    let step = match resource {
        name if name.contains("memory") || name.contains("storage") && !name.contains("persistentvolumeclaims") => {
            if amount >= Quantity::whole(4 << 30) {
                "1Gi"
            } else {
                "256Mi"
            }
        }
        name if name.ends_with("cpu") => "500m",
        _ => "1",
    };
    Quantity::parse(step).map_or(amount, |step| amount.round_up_to(step))
}

fn detect_limit_range(observed: &Observed) -> Vec<Finding> {
    let concerns = |message: &str| parse_violation(message).is_some();
    let findings = refused(observed, concerns).into_iter().filter_map(|refused| violated(observed, &refused));
    findings.collect()
}

/// `maximum memory usage per Container is 1Gi, but limit is 2Gi`.
#[derive(Debug, PartialEq)]
struct Violation<'a> {
    /// `maximum` or `minimum`.
    bound: &'a str,
    resource: &'a str,
    /// `Container` or `Pod`.
    per: &'a str,
    allowed: Quantity,
    /// `request` or `limit`.
    what: &'a str,
    actual: Quantity,
}

fn parse_violation(message: &str) -> Option<Violation<'_>> {
    let start = message.find("maximum ").into_iter().chain(message.find("minimum ")).min()?;
    let rest = message.get(start..)?;
    let (bound, rest) = rest.split_once(' ')?;
    let (resource, rest) = rest.split_once(" usage per ")?;
    let (per, rest) = rest.split_once(" is ")?;
    let (allowed, rest) = rest.split_once(", but ")?;
    let (what, actual) = rest.split_once(" is ")?;
    let end = actual.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(actual.len());
    let actual = actual.get(..end)?.trim_end_matches('.');
    let allowed = allowed.trim_end_matches('.');
    Some(Violation { bound, resource, per, allowed: Quantity::parse(allowed)?, what, actual: Quantity::parse(actual)? })
}

fn violated(observed: &Observed, refused: &Refused<'_>) -> Option<Finding> {
    let violation = parse_violation(&refused.message)?;
    let Violation { bound, resource, per, allowed, what, actual } = &violation;
    let show = |amount: &Quantity| amount.of_resource(resource);
    let root = observed.root_owner(refused.controller);
    let mut evidence = vec![refused.evidence.clone(), shortage(refused)];
    let ranges = observed.in_namespace("LimitRange", refused.controller.namespace().unwrap_or_default());
    let range = ranges.into_iter().find(|range| names_bound(range, &violation));
    evidence.extend(range.map(|range| {
        field_evidence(range, "spec.limits", format!("{bound} {resource} per {per} is {}", show(allowed)))
    }));
    let reduction = (*bound == "maximum").then(|| reduction(refused.controller, &violation)).flatten();
    let rule = range.map_or_else(|| "a LimitRange".to_owned(), |range| range.reference().to_string());
    Some(Finding {
        summary: format!(
            "{root} cannot create pods: {rule} sets a {bound} of {} {resource} per {per}, but the {what} is {}",
            show(allowed),
            show(actual)
        ),
        affects: affected(observed, refused.controller),
        action_type: reduction.is_some().then(|| "ReduceResourceRequests".to_owned()),
        disposition: if reduction.is_some() { Disposition::Act } else { Disposition::Escalate },
        parameters: reduction.unwrap_or_default(),
        causal_chain: vec![
            format!("{rule} sets a {bound} of {} {resource} per {per}", show(allowed)),
            format!("the pods of {root} have a {what} of {}", show(actual)),
            "the API server refuses them".to_owned(),
        ],
        evidence,
        strength: 0.93,
        ..draft("limit_range_violated", CauseClass::QuotaExceeded, &refused.controller.reference(), root)
    })
}

fn names_bound(range: &Object, violation: &Violation<'_>) -> bool {
    let member = if violation.bound == "maximum" { "max" } else { "min" };
    range.list_at("spec.limits").any(|limit| {
        text(limit, "type") == violation.per
            && limit.get(member).and_then(|all| all.get(violation.resource)).and_then(Quantity::read)
                == Some(violation.allowed)
    })
}

/// A lower request helps only where the request itself is too high; a limit above the maximum is a person's decision.
fn reduction(controller: &Object, violation: &Violation<'_>) -> Option<std::collections::BTreeMap<String, Value>> {
    let parameter = match violation.resource {
        "cpu" => "CPU_REQUEST_NEW",
        "memory" => "MEMORY_REQUEST_NEW",
        _ => return None,
    };
    let request = |container: &&Value| {
        text_map(at(container, "resources.requests")).get(violation.resource).and_then(|amount| Quantity::parse(amount))
    };
    let container = controller
        .list_at("spec.template.spec.containers")
        .filter(|container| request(container).is_some_and(|request| request > violation.allowed))
        .max_by_key(request)?;
    Some(parameters([
        ("CONTAINER_NAME", text(container, "name").to_owned()),
        (parameter, violation.allowed.of_resource(violation.resource)),
    ]))
}

#[cfg(test)]
mod tests;
