//! Admission webhooks that do not answer and thereby stop every change they are asked about.

use jiff::SignedDuration;
use serde_json::Value;

use crate::analyser::draft::{compact, draft, field_evidence, parameters, pods_and_owners};
use crate::analyser::observed::Event;
use crate::analyser::routing::{backends, is_ready, ready_endpoints};
use crate::analyser::{Observed, Signature};
use crate::domain::object::{at, text};
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        id: "webhook_unreachable",
        title: "An admission webhook with failurePolicy Fail does not answer, so objects cannot be created",
        detect: detect_failing,
    },
    Signature { id: "webhook_denies", title: "An admission webhook rejects a workload's pods", detect: detect_denials },
    Signature {
        id: "pod_security_denies",
        title: "Pod Security admission rejects a workload's pods",
        detect: detect_pod_security,
    },
];

const RECENT: SignedDuration = SignedDuration::from_mins(60);

/// A controller's complaint about admission, if it still matters.
struct Complaint<'a> {
    about: ResourceRef,
    object: Option<&'a Object>,
    message: &'a str,
    evidence: Evidence,
}

/// Recent failure events and failure conditions that contain `marker`, on objects that still lack pods.
fn complaints<'a>(observed: &'a Observed, marker: &str) -> Vec<Complaint<'a>> {
    let relevant = |event: &&Event| event.message.contains(marker) && observed.is_recent(event.last_seen, RECENT);
    let mut events: Vec<&Event> = observed.events().filter(relevant).collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.last_seen));
    let mut found: Vec<Complaint<'a>> = Vec::new();
    for event in events {
        let object = observed.find(&event.about);
        if found.iter().any(|seen| seen.about.same_object(&event.about)) || object.is_some_and(is_satisfied) {
            continue;
        }
        let evidence = event.evidence("the API server reports");
        found.push(Complaint { about: event.about.clone(), object, message: &event.message, evidence });
    }
    for kind in ["ReplicaSet", "Deployment"] {
        for object in observed.of_kind(kind) {
            let condition = object.condition("ReplicaFailure").filter(|condition| text(condition, "status") == "True");
            let message = condition.map_or("", |condition| text(condition, "message"));
            let seen = found.iter().any(|seen| {
                observed.find(&seen.about).is_some_and(|seen| observed.root_owner(seen) == observed.root_owner(object))
            });
            if message.contains(marker) && !seen && !is_satisfied(object) {
                let path = "status.conditions[type=ReplicaFailure].message";
                let evidence = field_evidence(object, path, "the controller reports");
                found.push(Complaint { about: object.reference(), object: Some(object), message, evidence });
            }
        }
    }
    found
}

/// A controller that has all its pods by now no longer suffers.
fn is_satisfied(controller: &Object) -> bool {
    let number = |path: &str| controller.i64_at(path);
    match controller.kind() {
        "ReplicaSet" | "StatefulSet" | "Deployment" => {
            let wanted = number("spec.replicas").unwrap_or(1);
            let updated = number("status.updatedReplicas").unwrap_or(wanted);
            wanted > 0 && number("status.readyReplicas").unwrap_or_default() >= wanted && updated >= wanted
        }
        "DaemonSet" => number("status.numberReady") == number("status.desiredNumberScheduled"),
        _ => false,
    }
}

fn affected(observed: &Observed, complaint: &Complaint<'_>) -> Vec<ResourceRef> {
    let Some(object) = complaint.object else { return vec![complaint.about.clone()] };
    let mut found: Vec<ResourceRef> = observed.owner_chain(object).into_iter().map(Object::reference).collect();
    found.extend(pods_and_owners(observed, observed.pods_of(object)).into_iter().filter(|pod| pod.kind == "Pod"));
    found
}

fn detect_failing(observed: &Observed) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for complaint in complaints(observed, FAILING) {
        let Some(finding) = failing(observed, &complaint) else { continue };
        match found.iter_mut().find(|seen| seen.target == finding.target) {
            Some(seen) => {
                seen.affects.extend(finding.affects);
                seen.evidence.extend(finding.evidence.into_iter().take(1));
            }
            None => found.push(finding),
        }
    }
    found
}

const FAILING: &str = "failed calling webhook";

/// `failed calling webhook "NAME": failed to call webhook: Post "URL": REASON`.
fn parse_failure(message: &str) -> Option<(&str, &str)> {
    let rest = message.split_once(FAILING)?.1.trim_start();
    let (name, rest) = rest.strip_prefix('"')?.split_once('"')?;
    let reason = rest.rsplit_once("\": ").map_or(rest, |(_, reason)| reason);
    Some((name, reason.trim_start_matches(':').trim()))
}

/// The configuration that declares a webhook of this name, the entry and its path.
fn configuration<'a>(observed: &'a Observed, name: &str) -> Option<(&'a Object, &'a Value, String)> {
    let kinds = ["ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"];
    let configurations = kinds.into_iter().flat_map(|kind| observed.of_kind(kind));
    let entries = configurations
        .flat_map(|object| object.list_at("webhooks").enumerate().map(move |(index, entry)| (object, index, entry)));
    let mut named = entries.filter(|(_, _, entry)| text(entry, "name") == name);
    named.next().map(|(object, index, entry)| (object, entry, format!("webhooks[{index}]")))
}

fn failing(observed: &Observed, complaint: &Complaint<'_>) -> Option<Finding> {
    let (name, reason) = parse_failure(complaint.message)?;
    let mut evidence = vec![complaint.evidence.clone()];
    let suffering =
        observed.find(&complaint.about).map_or_else(|| complaint.about.clone(), |object| observed.root_owner(object));
    let Some((object, entry, path)) = configuration(observed, name) else {
        return Some(Finding {
            summary: format!(
                "{suffering} cannot be changed: admission webhook {name} fails ({reason}); its configuration was not found"
            ),
            affects: affected(observed, complaint),
            causal_chain: vec![
                format!("webhook {name} fails: {reason}"),
                format!("the API server refuses pods of {suffering}"),
            ],
            evidence,
            strength: 0.75,
            disposition: Disposition::Escalate,
            ..draft("webhook_unreachable", CauseClass::AdmissionWebhook, &complaint.about, suffering)
        });
    };
    let policy = entry.get("failurePolicy").and_then(Value::as_str).unwrap_or("Fail");
    evidence.push(Evidence::field(
        "a failure refuses the request",
        object.reference(),
        format!("{path}.failurePolicy"),
        policy,
    ));
    let mut chain = Vec::new();
    let mut behind = Vec::new();
    if let Some(service) = service(observed, entry) {
        let claim = at(entry, "clientConfig.service").map(compact).unwrap_or_default();
        evidence.push(Evidence::field(
            "where the API server calls",
            object.reference(),
            format!("{path}.clientConfig.service"),
            claim,
        ));
        match service {
            Ok(service) => {
                let (text, more) = backing(observed, service);
                chain.extend(text);
                evidence.extend(more);
                behind.push(service.reference());
            }
            Err(missing) => {
                chain.push(format!("{missing} does not exist"));
                evidence.push(Evidence::absent("the webhook's Service is gone", missing, "not found"));
            }
        }
    }
    let certificate = reason.contains("x509");
    chain.push(format!("the API server cannot call webhook {name}: {reason}"));
    chain.push(format!("with failurePolicy {policy} it refuses the pods of {suffering}"));
    let explained = !evidence.is_empty() && (chain.len() > 2 || certificate);
    Some(Finding {
        summary: format!(
            "{suffering} cannot create pods: admission webhook {name} of {} fails ({reason})",
            object.reference()
        ),
        affects: affected(observed, complaint),
        action_type: Some("DisableFailingWebhook".to_owned()),
        parameters: parameters([("WEBHOOK_NAME", name)]),
        causal_chain: chain,
        evidence,
        strength: if explained { 0.95 } else { 0.88 },
        ..draft("webhook_unreachable", CauseClass::AdmissionWebhook, &object.reference(), object.reference())
    })
}

/// The Service a webhook is called through; `Err` names one that does not exist. `None` for a webhook called by URL,
/// or when the namespace's Services were not gathered.
fn service<'a>(observed: &'a Observed, entry: &Value) -> Option<Result<&'a Object, ResourceRef>> {
    let client = at(entry, "clientConfig.service")?;
    let (namespace, name) = (text(client, "namespace"), text(client, "name"));
    match observed.get("Service", Some(namespace), name) {
        Some(service) => Some(Ok(service)),
        None if observed.in_namespace("Service", namespace).next().is_some()
            && observed.is_complete("Service", Some(namespace)) =>
        {
            Some(Err(ResourceRef::namespaced("Service", namespace, name)))
        }
        None => None,
    }
}

/// What stands behind the webhook's Service, when that explains the failure.
fn backing(observed: &Observed, service: &Object) -> (Option<String>, Vec<Evidence>) {
    let pods = backends(observed, service);
    if pods.iter().any(|pod| is_ready(pod)) && ready_endpoints(observed, service) != Some(0) {
        return (None, Vec::new());
    }
    let what =
        if pods.is_empty() { "has no pods".to_owned() } else { format!("has {} pods and none is ready", pods.len()) };
    let mut evidence =
        vec![Evidence::absent(format!("the webhook's Service {what}"), service.reference(), "no ready endpoint")];
    evidence.extend(
        pods.first().map(|pod| field_evidence(pod, "status.conditions[type=Ready].status", "a pod behind the webhook")),
    );
    (Some(format!("{} {what}", service.reference())), evidence)
}

fn detect_denials(observed: &Observed) -> Vec<Finding> {
    let findings = complaints(observed, DENIED).into_iter().filter_map(|complaint| {
        let object = complaint.object?;
        let (before, reason) = complaint.message.split_once(DENIED)?;
        let name = before.rsplit_once("admission webhook \"").map_or("", |(_, name)| name.trim().trim_end_matches('"'));
        let root = observed.root_owner(object);
        Some(Finding {
            summary: format!("{root} cannot create pods: admission webhook {name} denies them{reason}"),
            affects: affected(observed, &complaint),
            causal_chain: vec![
                format!("the pods of {root} break a rule of webhook {name}"),
                format!("the API server refuses them{reason}"),
            ],
            evidence: vec![complaint.evidence.clone()],
            strength: 0.85,
            disposition: Disposition::Escalate,
            ..draft("webhook_denies", CauseClass::AdmissionWebhook, &complaint.about, root)
        })
    });
    findings.collect()
}

const DENIED: &str = "denied the request";

/// The built-in Pod Security admission refuses pods in plain words of its own.
fn detect_pod_security(observed: &Observed) -> Vec<Finding> {
    let findings = complaints(observed, POD_SECURITY).into_iter().filter_map(|complaint| {
        let root = observed.root_owner(complaint.object?);
        let (_, reason) = complaint.message.split_once(POD_SECURITY)?;
        let reason = reason.trim();
        Some(Finding {
            summary: format!("{root} cannot create pods: they violate Pod Security {reason}"),
            affects: affected(observed, &complaint),
            causal_chain: vec![
                format!("the pods of {root} violate Pod Security {reason}"),
                "the API server refuses them".to_owned(),
            ],
            evidence: vec![complaint.evidence.clone()],
            strength: 0.9,
            disposition: Disposition::Escalate,
            ..draft("pod_security_denies", CauseClass::AdmissionWebhook, &complaint.about, root)
        })
    });
    findings.collect()
}

const POD_SECURITY: &str = "violates PodSecurity";

#[cfg(test)]
mod tests;
