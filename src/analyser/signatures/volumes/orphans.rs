//! Claims and volumes whose user is gone. Only said when the signal is about one.

use super::{claims_of, signalled_claim};
use crate::analyser::Observed;
use crate::analyser::draft::{draft, field_evidence};
use crate::domain::object::{at, text};
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object, ResourceRef};

pub(super) fn detect(observed: &Observed) -> Vec<Finding> {
    let volume = observed.subject().filter(|subject| subject.kind() == "PersistentVolume");
    let finding = match (volume, signalled_claim(observed)) {
        (Some(volume), _) => orphaned_volume(observed, volume),
        (None, Some(claim)) => orphaned_claim(observed, claim),
        (None, None) => None,
    };
    finding.into_iter().collect()
}

fn orphaned_volume(observed: &Observed, volume: &Object) -> Option<Finding> {
    let claim = |member: &str| volume.str_at(&format!("spec.claimRef.{member}")).unwrap_or_default();
    match volume.str_at("status.phase")? {
        "Bound" => {
            orphaned_claim(observed, observed.get("PersistentVolumeClaim", Some(claim("namespace")), claim("name"))?)
        }
        phase @ ("Released" | "Available" | "Failed") => {
            let former = ResourceRef::namespaced("PersistentVolumeClaim", claim("namespace"), claim("name"));
            let evidence = vec![
                field_evidence(volume, "status.phase", "no claim holds the volume"),
                field_evidence(volume, "spec.persistentVolumeReclaimPolicy", "what happens to released volumes"),
            ];
            Some(Finding {
                summary: format!(
                    "{} is {phase}: its former claim {former} is gone and nothing uses it",
                    volume.reference()
                ),
                causal_chain: vec![
                    format!("{former} was deleted"),
                    "its volume was kept".to_owned(),
                    "no workload is affected".to_owned(),
                ],
                evidence,
                strength: 0.85,
                disposition: Disposition::NotActionable,
                ..draft("claim_orphaned", CauseClass::Orphaned, &volume.reference(), volume.reference())
            })
        }
        _ => None,
    }
}

fn orphaned_claim(observed: &Observed, claim: &Object) -> Option<Finding> {
    let namespace = claim.namespace()?;
    let pods = observed.in_namespace("Pod", namespace);
    let mut mounting = pods.filter(|pod| claims_of(pod).iter().any(|(name, _)| name == claim.name()));
    let in_use = mounting.any(|pod| !matches!(pod.str_at("status.phase"), Some("Succeeded" | "Failed")));
    if in_use
        || !observed.is_complete("Pod", Some(namespace))
        || claim.str_at("status.phase") != Some("Bound")
        || referenced(observed, claim)
    {
        return None;
    }
    let former = former_user(observed, claim);
    let mut evidence = vec![
        field_evidence(claim, "status.phase", "the claim is bound"),
        Evidence::absent(
            "nothing mounts it",
            claim.reference(),
            "no running pod and no workload template names this claim",
        ),
    ];
    evidence.extend(former.iter().map(|(owner, why)| Evidence::absent("its former user", owner.clone(), why.clone())));
    let who = former.map_or_else(String::new, |(owner, why)| format!("; {owner} {why}"));
    Some(Finding {
        summary: format!("{} is used by nothing{who}: no workload is affected", claim.reference()),
        causal_chain: vec![
            format!("the user of {} is gone{who}", claim.reference()),
            "its volume was left behind".to_owned(),
        ],
        evidence,
        strength: 0.88,
        disposition: Disposition::NotActionable,
        ..draft("claim_orphaned", CauseClass::Orphaned, &claim.reference(), claim.reference())
    })
}

/// Whether a workload would mount the claim as soon as it makes a pod.
fn referenced(observed: &Observed, claim: &Object) -> bool {
    let namespace = claim.namespace().unwrap_or_default();
    let kinds = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "CronJob"];
    let workloads = kinds.into_iter().flat_map(|kind| observed.in_namespace(kind, namespace));
    workloads.into_iter().any(|workload| {
        let template = if workload.kind() == "CronJob" { "spec.jobTemplate.spec.template" } else { "spec.template" };
        let names = workload
            .list_at(&format!("{template}.spec.volumes"))
            .any(|volume| text(volume, "persistentVolumeClaim.claimName") == claim.name());
        // An old ReplicaSet at zero keeps the template of a past revision.
        let idle = workload.kind() == "ReplicaSet" && workload.i64_at("spec.replicas") == Some(0);
        (names && !idle)
            || ordinal_of(workload, claim.name())
                .is_some_and(|ordinal| ordinal < workload.i64_at("spec.replicas").unwrap_or(1))
    })
}

/// `data-db-2` is ordinal 2 of StatefulSet `db` with a claim template `data`.
fn ordinal_of(workload: &Object, claim: &str) -> Option<i64> {
    let mut templates =
        workload.list_at("spec.volumeClaimTemplates").filter_map(|template| at(template, "metadata.name")?.as_str());
    templates.find_map(|template| claim.strip_prefix(&format!("{template}-{}-", workload.name()))?.parse().ok())
}

/// Who used the claim, and why no longer.
fn former_user(observed: &Observed, claim: &Object) -> Option<(ResourceRef, String)> {
    let namespace = claim.namespace()?;
    if let Some(owner) = claim.owner()
        && observed.owner(claim).is_none()
    {
        return Some((ResourceRef::namespaced(owner.kind, namespace, owner.name), "no longer exists".to_owned()));
    }
    let mut sets = observed.in_namespace("StatefulSet", namespace);
    if let Some((set, ordinal)) = sets.find_map(|set| Some((set, ordinal_of(set, claim.name())?))) {
        let replicas = set.i64_at("spec.replicas").unwrap_or(1);
        return Some((set.reference(), format!("was scaled down to {replicas}, below ordinal {ordinal}")));
    }
    let mut finished = observed
        .in_namespace("Pod", namespace)
        .filter(|pod| claims_of(pod).iter().any(|(name, _)| name == claim.name()));
    if let Some(pod) = finished.next() {
        return Some((observed.root_owner(pod), "has finished".to_owned()));
    }
    let name = claim
        .label("app.kubernetes.io/instance")
        .or_else(|| claim.label("app"))
        .or_else(|| claim.label("app.kubernetes.io/name"))?;
    let kinds = ["StatefulSet", "Deployment", "DaemonSet"];
    let exists = kinds.iter().any(|kind| observed.get(kind, Some(namespace), name).is_some());
    (!exists).then(|| (ResourceRef::namespaced("StatefulSet", namespace, name), "no longer exists".to_owned()))
}
