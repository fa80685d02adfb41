//! Volumes that exist and cannot be attached or mounted.
//!
//! A missing Secret or ConfigMap shows as a failed mount too and belongs to the families about configuration.

use jiff::SignedDuration;

use super::claims_of;
use crate::analyser::Observed;
use crate::analyser::draft::{draft, field_evidence, pods_and_owners};
use crate::analyser::observed::Event;
use crate::analyser::routing::{is_live, is_ready};
use crate::domain::object::text;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object};

const RECENT: SignedDuration = SignedDuration::from_mins(30);

pub(super) fn detect(observed: &Observed) -> Vec<Finding> {
    let starting = |pod: &&Object| {
        is_live(pod) && !is_ready(pod) && pod.str_at("spec.nodeName").is_some_and(|node| !node.is_empty())
    };
    let pods = observed.of_kind("Pod").filter(starting).filter(|pod| waits_for_volumes(pod));
    pods.filter_map(|pod| failed(observed, pod)).collect()
}

fn waits_for_volumes(pod: &Object) -> bool {
    let statuses = pod.list_at("status.initContainerStatuses").chain(pod.list_at("status.containerStatuses"));
    let mut reasons = statuses.map(|status| text(status, "state.waiting.reason")).peekable();
    reasons.peek().is_none() || reasons.any(|reason| reason == "ContainerCreating" || reason == "PodInitializing")
}

fn failed(observed: &Observed, pod: &Object) -> Option<Finding> {
    let events = observed.events_about(&pod.reference());
    let mut failures = events.into_iter().filter(|event| {
        matches!(event.reason.as_str(), "FailedMount" | "FailedAttachVolume" | "FailedMapVolume")
            && observed.is_recent(event.last_seen, RECENT)
    });
    let relevant: Vec<&Event> = failures.by_ref().filter(|event| is_about_storage(pod, &event.message)).collect();
    let multi_attach = relevant.iter().find(|event| event.message.contains("Multi-Attach error"));
    match multi_attach {
        Some(event) => held_elsewhere(observed, pod, event),
        // The kubelet's own summary says only that it timed out: a sharper message is better.
        None => relevant
            .iter()
            .find(|event| !event.message.starts_with("Unable to attach or mount volumes"))
            .or_else(|| relevant.first())
            .map(|event| broken(observed, pod, event)),
    }
}

/// Not about Secrets, ConfigMaps and other volumes made from objects.
fn is_about_storage(pod: &Object, message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    let from_object =
        (lower.contains("secret ") || lower.contains("configmap ") || lower.contains("references non-existent"))
            && lower.contains("not");
    let unmounted =
        message.split_once("unmounted volumes=[").and_then(|(_, rest)| rest.split_once(']')).map(|(names, _)| names);
    let storage: Vec<&str> = pod
        .list_at("spec.volumes")
        .filter(|volume| {
            [
                "persistentVolumeClaim",
                "ephemeral",
                "csi",
                "nfs",
                "iscsi",
                "hostPath",
                "awsElasticBlockStore",
                "azureDisk",
                "gcePersistentDisk",
                "cephfs",
                "rbd",
            ]
            .iter()
            .any(|kind| volume.get(kind).is_some())
        })
        .map(|volume| text(volume, "name"))
        .collect();
    !from_object && unmounted.is_none_or(|names| names.split([' ', ',']).any(|name| storage.contains(&name)))
}

/// Another node still has the volume.
fn held_elsewhere(observed: &Observed, pod: &Object, event: &Event) -> Option<Finding> {
    let claims = claims_of(pod);
    let shares = |other: &&Object| {
        other.name() != pod.name()
            && other.str_at("spec.nodeName").is_some_and(|node| Some(node) != pod.str_at("spec.nodeName"))
            && !matches!(other.str_at("status.phase"), Some("Succeeded" | "Failed"))
            && claims_of(other).iter().any(|(claim, _)| claims.iter().any(|(own, _)| own == claim))
    };
    let holder = observed.in_namespace("Pod", pod.namespace().unwrap_or_default()).find(shares);
    let node = holder.and_then(|holder| observed.get("Node", None, holder.str_at("spec.nodeName")?));
    if node.is_some_and(|node| node.condition_status("Ready").is_some_and(|status| status != "True")) {
        return None; // The lost node is the finding.
    }
    let root = observed.root_owner(pod);
    let mut evidence = vec![event.evidence("the volume is attached to another node")];
    let (what, strength) = match holder {
        Some(holder) => {
            evidence.push(field_evidence(holder, "spec.nodeName", "where the pod that holds the volume runs"));
            let own = observed.root_owner(holder) == root;
            let strategy = observed.find(&root).filter(|_| own);
            evidence.extend(strategy.and_then(|root| {
                root.at("spec.strategy.type")
                    .map(|_| field_evidence(root, "spec.strategy.type", "old and new pod overlap during a rollout"))
            }));
            let why = if own { "its own older pod" } else { "another workload's pod" };
            (
                format!(
                    "{why} {} on {} still holds it",
                    holder.name(),
                    holder.str_at("spec.nodeName").unwrap_or("another node")
                ),
                0.85,
            )
        }
        None => ("no pod uses it any more, its attachment is stale".to_owned(), 0.75),
    };
    let names: Vec<&str> = claims.iter().map(|(claim, _)| claim.as_str()).collect();
    let claim = names.first().copied().unwrap_or("its volume");
    Some(Finding {
        summary: format!(
            "{} cannot start: volume of claim {claim} can be attached to one node only, and {what}",
            pod.reference()
        ),
        affects: pods_and_owners(observed, [pod]),
        causal_chain: vec![
            what,
            "the volume cannot be attached to a second node".to_owned(),
            format!("{} waits for it", pod.reference()),
        ],
        evidence,
        strength,
        disposition: Disposition::Escalate,
        ..draft("volume_mount_failed", CauseClass::VolumeUnbound, &pod.reference(), root)
    })
}

fn broken(observed: &Observed, pod: &Object, event: &Event) -> Finding {
    let root = observed.root_owner(pod);
    let message: String = event.message.chars().take(MESSAGE_CHARS_MAX).collect();
    let evidence: Vec<Evidence> = vec![event.evidence("the kubelet cannot provide the volume")];
    Finding {
        summary: format!("{} cannot start: {message}", pod.reference()),
        affects: pods_and_owners(observed, [pod]),
        causal_chain: vec![format!("{}: {message}", event.reason), format!("{} waits for its volume", pod.reference())],
        evidence,
        strength: 0.75,
        disposition: Disposition::Escalate,
        ..draft("volume_mount_failed", CauseClass::VolumeUnbound, &pod.reference(), root)
    }
}

/// Most characters of a quoted message.
const MESSAGE_CHARS_MAX: usize = 300;
