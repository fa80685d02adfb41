//! Storage: claims that never bind, volumes that cannot be mounted, volumes that are full, claims nobody needs.

mod claims;
mod full;
mod mounts;
mod orphans;

use serde_json::Value;

use crate::analyser::routing::is_live;
use crate::analyser::{Observed, Signature};
use crate::domain::Object;
use crate::domain::object::text;

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        id: "claim_unbound",
        title: "A PersistentVolumeClaim stays unbound, or a pod names one that does not exist",
        detect: claims::detect,
    },
    Signature {
        id: "volume_mount_failed",
        title: "A pod's volume cannot be attached or mounted",
        detect: mounts::detect,
    },
    Signature { id: "volume_full", title: "A volume has no space left", detect: full::detect },
    Signature {
        id: "claim_orphaned",
        title: "The claim or volume the signal names is used by nothing any more",
        detect: orphans::detect,
    },
];

/// Names of the claims a pod mounts, generic ephemeral ones included, each with its volume's name.
fn claims_of(pod: &Object) -> Vec<(String, &str)> {
    let volumes = pod.list_at("spec.volumes").filter_map(|volume| {
        let name = text(volume, "name");
        match text(volume, "persistentVolumeClaim.claimName") {
            "" => volume.get("ephemeral").is_some().then(|| (format!("{}-{name}", pod.name()), name)),
            claim => Some((claim.to_owned(), name)),
        }
    });
    volumes.collect()
}

/// Pods that mount a claim and are neither finished nor going away.
fn users<'a>(observed: &'a Observed, claim: &'a Object) -> Vec<&'a Object> {
    let pods = observed.in_namespace("Pod", claim.namespace().unwrap_or_default());
    pods.filter(|pod| is_live(pod) && claims_of(pod).iter().any(|(name, _)| name == claim.name())).collect()
}

/// The class a claim asks for: `None` means the default one, empty text means none at all.
fn class_name(claim: &Object) -> Option<&str> {
    claim.str_at("spec.storageClassName").or_else(|| claim.annotation("volume.beta.kubernetes.io/storage-class"))
}

fn is_default_class(class: &Object) -> bool {
    class.annotation("storageclass.kubernetes.io/is-default-class") == Some("true")
        || class.annotation("storageclass.beta.kubernetes.io/is-default-class") == Some("true")
}

/// The claim the signal names: its resource, or the label metrics carry.
fn signalled_claim(observed: &Observed) -> Option<&Object> {
    let incident = &observed.incident;
    if observed.signal().kind == "PersistentVolumeClaim" {
        return observed.subject();
    }
    let name = incident.signal_labels.get("persistentvolumeclaim")?;
    let namespace = incident.signal_labels.get("namespace").or(incident.resource.namespace.as_ref())?;
    observed.get("PersistentVolumeClaim", Some(namespace), name)
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests;
