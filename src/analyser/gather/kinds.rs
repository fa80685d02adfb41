//! Which kinds are read, where, and in which API versions.

use std::collections::BTreeSet;

use super::{Read, unwell_near};
use crate::analyser::Observed;
use crate::analyser::access::Request;
use crate::analyser::connections::{Destination, failures_of, resolve};
use crate::analyser::pods::STABLE_AFTER_MAX;

/// A kind with the API versions to try, in order.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) versions: &'static [&'static str],
    pub(super) scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Read for every namespace of interest.
    Namespace,
    /// Read once.
    Cluster,
    /// Cluster-scoped and long: read when something points there.
    ClusterOnDemand,
}

const fn kind(name: &'static str, versions: &'static [&'static str], scope: Scope) -> Kind {
    Kind { name, versions, scope }
}

const RBAC: &[&str] = &["rbac.authorization.k8s.io/v1"];
const WEBHOOKS: &[&str] = &["admissionregistration.k8s.io/v1"];

const KINDS: &[Kind] = &[
    kind("Pod", &["v1"], Scope::Namespace),
    kind("ReplicaSet", &["apps/v1"], Scope::Namespace),
    kind("Deployment", &["apps/v1"], Scope::Namespace),
    kind("StatefulSet", &["apps/v1"], Scope::Namespace),
    kind("DaemonSet", &["apps/v1"], Scope::Namespace),
    kind("ControllerRevision", &["apps/v1"], Scope::Namespace),
    kind("Job", &["batch/v1"], Scope::Namespace),
    kind("CronJob", &["batch/v1", "batch/v1beta1"], Scope::Namespace),
    kind("Service", &["v1"], Scope::Namespace),
    kind("EndpointSlice", &["discovery.k8s.io/v1"], Scope::Namespace),
    kind("Endpoints", &["v1"], Scope::Namespace),
    kind("Ingress", &["networking.k8s.io/v1"], Scope::Namespace),
    kind("NetworkPolicy", &["networking.k8s.io/v1"], Scope::Namespace),
    kind("ConfigMap", &["v1"], Scope::Namespace),
    kind("Secret", &["v1"], Scope::Namespace),
    kind("PersistentVolumeClaim", &["v1"], Scope::Namespace),
    kind("HorizontalPodAutoscaler", &["autoscaling/v2", "autoscaling/v1", "autoscaling/v2beta2"], Scope::Namespace),
    kind("PodDisruptionBudget", &["policy/v1"], Scope::Namespace),
    kind("ResourceQuota", &["v1"], Scope::Namespace),
    kind("LimitRange", &["v1"], Scope::Namespace),
    kind("ServiceAccount", &["v1"], Scope::Namespace),
    kind("Role", RBAC, Scope::Namespace),
    kind("RoleBinding", RBAC, Scope::Namespace),
    kind("Event", &["v1", "events.k8s.io/v1"], Scope::Namespace),
    kind("Certificate", &["cert-manager.io/v1"], Scope::Namespace),
    kind("PodMetrics", &["metrics.k8s.io/v1beta1"], Scope::Namespace),
    kind("Namespace", &["v1"], Scope::Cluster),
    kind("Node", &["v1"], Scope::Cluster),
    kind("PersistentVolume", &["v1"], Scope::Cluster),
    kind("StorageClass", &["storage.k8s.io/v1"], Scope::Cluster),
    kind("PriorityClass", &["scheduling.k8s.io/v1"], Scope::Cluster),
    kind("VolumeAttachment", &["storage.k8s.io/v1"], Scope::Cluster),
    kind("ValidatingWebhookConfiguration", WEBHOOKS, Scope::Cluster),
    kind("MutatingWebhookConfiguration", WEBHOOKS, Scope::Cluster),
    kind("NodeMetrics", &["metrics.k8s.io/v1beta1"], Scope::Cluster),
    kind("ClusterRole", RBAC, Scope::ClusterOnDemand),
    kind("ClusterRoleBinding", RBAC, Scope::ClusterOnDemand),
];

pub(super) fn of_scope(scope: Scope) -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().filter(move |kind| kind.scope == scope)
}

fn everywhere(names: &[&str]) -> Vec<Read> {
    let wanted = KINDS.iter().filter(|kind| names.contains(&kind.name));
    wanted.map(|kind| Read { kind, namespace: None }).collect()
}

/// What a cluster-scoped signal needs from all namespaces.
pub(super) fn everywhere_for(signal_kind: &str) -> Vec<Read> {
    match signal_kind {
        "Node" => everywhere(&["Pod"]),
        "PersistentVolume" | "StorageClass" => everywhere(&["PersistentVolumeClaim"]),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" | "ClusterRole" | "ClusterRoleBinding" => {
            everywhere(&["Event", "ClusterRole", "ClusterRoleBinding"])
        }
        _ => everywhere(&["Event"]),
    }
}

/// Long lists that the snapshot so far asks for.
pub(super) fn on_demand(observed: &Observed) -> Vec<Read> {
    let relations = observed.relations();
    let unwell = unwell_near(observed, relations);
    let mut wanted = Vec::new();
    if unwell.iter().any(|pod| pod.condition_status("PodScheduled") == Some("False")) {
        wanted.push("Pod");
    }
    let denied = denied(observed);
    if !denied.is_empty() {
        wanted.extend(["ClusterRole", "ClusterRoleBinding"]);
    }
    let near = observed.of_kind("Pod").filter(|pod| relations.is_signal(&pod.reference()));
    let unresolved = near.flat_map(|pod| failures_of(observed, pod, STABLE_AFTER_MAX)).any(|failed| {
        let namespace = failed.client.namespace().unwrap_or_default();
        let is_ip = |host: &str| host.parse::<std::net::IpAddr>().is_ok();
        let known = |host: &str| {
            matches!(resolve(observed, namespace, host), Some(Destination::Service(_) | Destination::Pod(_)))
        };
        failed.addresses.iter().any(|address| is_ip(&address.host) && !known(&address.host))
    });
    if unresolved {
        wanted.extend(["Service", "Pod"]);
    }
    let mut reads = everywhere(&wanted);
    for namespace in denied.into_iter().filter_map(|request| request.namespace).collect::<BTreeSet<_>>() {
        let local = KINDS.iter().filter(|kind| matches!(kind.name, "Role" | "RoleBinding"));
        reads.extend(local.map(|kind| Read { kind, namespace: Some(namespace.clone()) }));
    }
    reads
}

/// What the API server refused, by logs and events; at most [`DENIED_MAX`].
fn denied(observed: &Observed) -> Vec<Request> {
    let events = observed.events().map(|event| event.message.as_str());
    let lines = observed.logs().flat_map(|log| log.lines.iter().map(|line| line.text.as_str()));
    let denied = events.chain(lines).filter(|text| text.contains("forbidden"));
    let requests: BTreeSet<Request> = denied.filter_map(Request::parse).collect();
    requests.into_iter().take(DENIED_MAX).collect()
}

/// Most different refused requests whose namespaces are looked into.
const DENIED_MAX: usize = 16;
