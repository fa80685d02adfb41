//! Volumes, claims on them, and where they come from.

use jiff::Timestamp;

use super::{Column, at_text, created, plain};
use crate::domain::Object;

pub(super) const CLAIM: &[Column] = &[
    ("STATUS", phase),
    ("VOLUME", |object, _| at_text(object, "spec.volumeName")),
    ("CAPACITY", |object, _| at_text(object, "status.capacity.storage")),
    ("REQUESTED", |object, _| at_text(object, "spec.resources.requests.storage")),
    ("ACCESS", access),
    ("STORAGECLASS", |object, _| at_text(object, "spec.storageClassName")),
    ("AGE", created),
];
pub(super) const VOLUME: &[Column] = &[
    ("CAPACITY", |object, _| at_text(object, "spec.capacity.storage")),
    ("ACCESS", access),
    ("RECLAIM", |object, _| at_text(object, "spec.persistentVolumeReclaimPolicy")),
    ("STATUS", phase),
    ("CLAIM", claim),
    ("STORAGECLASS", |object, _| at_text(object, "spec.storageClassName")),
    ("REASON", |object, _| at_text(object, "status.reason")),
    ("AGE", created),
];
pub(super) const CLASS: &[Column] = &[
    ("PROVISIONER", |object, _| at_text(object, "provisioner")),
    ("DEFAULT", is_default),
    ("RECLAIM", |object, _| at_text(object, "reclaimPolicy")),
    ("BINDING", |object, _| at_text(object, "volumeBindingMode")),
    ("EXPANDABLE", |object, _| at_text(object, "allowVolumeExpansion")),
    ("AGE", created),
];

fn phase(object: &Object, _: Timestamp) -> String {
    if object.is_terminating() { "Terminating".to_owned() } else { at_text(object, "status.phase") }
}

fn access(object: &Object, _: Timestamp) -> String {
    object.list_at("spec.accessModes").map(plain).collect::<Vec<_>>().join(",")
}

fn claim(object: &Object, _: Timestamp) -> String {
    match (object.str_at("spec.claimRef.namespace"), object.str_at("spec.claimRef.name")) {
        (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
        _ => String::new(),
    }
}

fn is_default(object: &Object, _: Timestamp) -> String {
    object
        .annotation("storageclass.kubernetes.io/is-default-class")
        .filter(|value| *value == "true")
        .map_or(String::new(), |_| "yes".to_owned())
}
