//! Which object the incident is about, whatever the caller called it.

use crate::analyser::Observed;
use crate::cluster::Cluster;
use crate::domain::{Incident, Object, ResourceRef};

/// Signal labels that name an object, most specific first.
const LABELS: &[(&str, &str)] = &[
    ("pod", "Pod"),
    ("pod_name", "Pod"),
    ("statefulset", "StatefulSet"),
    ("daemonset", "DaemonSet"),
    ("deployment", "Deployment"),
    ("job_name", "Job"),
    ("cronjob", "CronJob"),
    ("replicaset", "ReplicaSet"),
    ("persistentvolumeclaim", "PersistentVolumeClaim"),
    ("horizontalpodautoscaler", "HorizontalPodAutoscaler"),
    ("poddisruptionbudget", "PodDisruptionBudget"),
    ("resourcequota", "ResourceQuota"),
    ("ingress", "Ingress"),
    ("service", "Service"),
    ("node", "Node"),
];

/// Kinds tried for a name without a kind.
const LIKELY_KINDS: &[&str] =
    &["Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "Service", "PersistentVolumeClaim", "Node"];

/// What the incident may be about, best first: its own resource, then what its labels name, then its namespace.
pub(super) fn candidates(incident: &Incident) -> Vec<ResourceRef> {
    let own = &incident.resource;
    let namespace = own.namespace.clone().or_else(|| incident.signal_labels.get("namespace").cloned());
    let reference = |kind: &str, name: &str| ResourceRef {
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: namespace.clone().filter(|namespace| !namespace.is_empty()),
        api_version: None,
    };
    let mut found = Vec::new();
    match (own.kind.as_str(), own.name.as_str()) {
        (_, "") => {}
        ("", name) => found.extend(LIKELY_KINDS.iter().map(|kind| reference(kind, name))),
        (kind, name) => found.push(ResourceRef { api_version: own.api_version.clone(), ..reference(kind, name) }),
    }
    if found.is_empty() || own.kind.is_empty() {
        let labelled = LABELS.iter().filter_map(|(label, kind)| Some((kind, incident.signal_labels.get(*label)?)));
        found.extend(labelled.map(|(kind, name)| reference(kind, name)));
        found.extend(namespace.as_deref().map(|name| ResourceRef::cluster_scoped("Namespace", name)));
    }
    found
}

/// The reference with the cluster's own spelling of the kind and a namespace only where the kind has one.
/// `None` when a kind is not known here and was only guessed from a label.
pub(super) async fn canonical(
    cluster: &dyn Cluster,
    candidate: &ResourceRef,
    incident: &Incident,
) -> Option<ResourceRef> {
    match cluster.resolve_kind(&candidate.kind, candidate.api_version.as_deref()).await {
        Ok(kind) => Some(ResourceRef {
            kind: kind.kind,
            name: candidate.name.clone(),
            namespace: candidate.namespace.clone().filter(|_| kind.namespaced),
            api_version: Some(kind.api_version),
        }),
        Err(_) => (candidate.name == incident.resource.name).then(|| candidate.clone()),
    }
}

/// The workload that speaks for an object that is gone: named by an event about the creation of the pod, else by the
/// longest workload name the object's name begins with.
pub(super) fn stand_in(observed: &Observed) -> Option<ResourceRef> {
    let gone = observed.signal();
    if !["Pod", "ReplicaSet", "Job"].contains(&gone.kind.as_str()) {
        return None;
    }
    let created = observed
        .events()
        .filter(|event| event.message.split_whitespace().any(|word| word.trim_matches('"') == gone.name))
        .find_map(|event| observed.find(&event.about));
    let namespace = gone.namespace.as_deref()?;
    let prefix = |workload: &&Object| gone.name.strip_prefix(workload.name()).is_some_and(|rest| rest.starts_with('-'));
    let by_name = || {
        ["ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Deployment", "CronJob"]
            .iter()
            .flat_map(|kind| observed.in_namespace(kind, namespace))
            .filter(prefix)
            .max_by_key(|workload| workload.name().len())
    };
    let workload = created.filter(|object| object.kind() != "Pod").or_else(by_name)?;
    Some(observed.root_owner(workload))
}

/// Namespaces a cluster-scoped signal is about.
pub(super) fn namespaces_of_cluster_scoped(observed: &Observed) -> Vec<String> {
    let signal = observed.signal();
    let subject = observed.subject();
    let of = |objects: Vec<&Object>| {
        let mut names: Vec<String> = Vec::new();
        for namespace in objects.iter().filter_map(|object| object.namespace()) {
            if !names.iter().any(|name| name == namespace) {
                names.push(namespace.to_owned());
            }
        }
        names
    };
    match signal.kind.as_str() {
        "Node" => {
            let on_it = observed.of_kind("Pod").filter(|pod| pod.str_at("spec.nodeName") == Some(&signal.name));
            let mut names = of(on_it.collect());
            // Application namespaces first: the bound on namespaces must not be spent on the system's.
            names.sort_by_key(|name| name.starts_with("kube-"));
            names
        }
        "PersistentVolume" => {
            subject.and_then(|volume| volume.str_at("spec.claimRef.namespace")).map(str::to_owned).into_iter().collect()
        }
        "StorageClass" => {
            let uses = |claim: &&Object| claim.str_at("spec.storageClassName") == Some(&signal.name);
            of(observed.of_kind("PersistentVolumeClaim").filter(uses).collect())
        }
        _ => {
            let mut names: Vec<String> = Vec::new();
            let services = subject.into_iter().flat_map(|object| object.list_at("webhooks"));
            let own = services.map(|webhook| crate::domain::object::text(webhook, "clientConfig.service.namespace"));
            let warnings = observed.events().filter(|event| {
                event.kind == "Warning" && (event.message.contains(&signal.name) || event.message.contains("webhook"))
            });
            let affected = warnings.filter_map(|event| event.about.namespace.as_deref());
            for name in own.chain(affected).filter(|name| !name.is_empty()) {
                if !names.iter().any(|seen| seen == name) {
                    names.push(name.to_owned());
                }
            }
            names
        }
    }
}
