//! Labels of KubeVirt virtual machines, on clusters that have them.

use std::collections::BTreeSet;

use super::{Detection, VirtualMachineLabels};
use crate::cluster::ClusterError;
use crate::domain::{Object, ResourceRef};
use crate::enrichment::labels::lists::query;
use crate::enrichment::owners::OwnerChain;
use crate::enrichment::reader::Reader;

const MACHINE_KINDS: [&str; 4] =
    ["VirtualMachine", "VirtualMachineInstance", "VirtualMachineInstanceMigration", "DataVolume"];
const IMPORT_ANNOTATIONS: &str = "cdi.kubevirt.io/storage.import.";
/// Most storage classes read to find the backend.
const STORAGE_CLASSES_MAX: usize = 10;

/// The labels and the checks that failed; `None` on clusters without KubeVirt.
pub(super) async fn virtual_machine(
    reader: &Reader<'_>,
    chain: &OwnerChain,
    namespace: Option<&str>,
) -> Option<(VirtualMachineLabels, BTreeSet<Detection>)> {
    reader.resolve_kind("VirtualMachine", Some("kubevirt.io/v1")).await.ok()?;
    let mut labels = VirtualMachineLabels::default();
    let mut failed = BTreeSet::new();
    labels.virtual_machine =
        chain.references().iter().any(|element: &ResourceRef| MACHINE_KINDS.contains(&element.kind.as_str()));
    if !labels.virtual_machine {
        return Some((labels, failed));
    }
    match chain.root_object() {
        Some(root) => {
            labels.live_migratable = root.kind() == "VirtualMachine"
                && root.str_at("spec.template.spec.evictionStrategy") == Some("LiveMigrate");
        }
        None => {
            failed.insert(Detection::LiveMigratable);
        }
    }
    match claims(reader, namespace).await {
        Ok(claims) => {
            labels.cdi_managed = claims.iter().any(|claim| is_imported(claim));
            match storage_backend(reader, &claims).await {
                Ok(backend) => labels.storage_backend = backend.to_owned(),
                Err(_) => {
                    failed.insert(Detection::StorageBackend);
                }
            }
        }
        Err(_) => failed.extend([Detection::CdiManaged, Detection::StorageBackend]),
    }
    Some((labels, failed))
}

async fn claims(reader: &Reader<'_>, namespace: Option<&str>) -> Result<Vec<std::sync::Arc<Object>>, ClusterError> {
    let Some(namespace) = namespace else { return Ok(Vec::new()) };
    Ok(reader.list(&query("v1", "PersistentVolumeClaim", namespace)).await?.items)
}

fn is_imported(claim: &Object) -> bool {
    let annotations = claim.at("metadata.annotations").and_then(serde_json::Value::as_object);
    annotations.into_iter().flatten().any(|(key, _)| key.starts_with(IMPORT_ANNOTATIONS))
}

/// Of the first claim whose class tells; an error when none does and a class could not be read.
async fn storage_backend(reader: &Reader<'_>, claims: &[std::sync::Arc<Object>]) -> Result<&'static str, ClusterError> {
    let mut seen = BTreeSet::new();
    let classes = claims.iter().filter_map(|claim| claim.str_at("spec.storageClassName"));
    let mut unread = None;
    for class in classes.filter(|class| !class.is_empty() && seen.insert(*class)).take(STORAGE_CLASSES_MAX) {
        let reference = ResourceRef::cluster_scoped("StorageClass", class).with_api_version("storage.k8s.io/v1");
        match reader.get(&reference).await {
            Ok(class) => {
                if let Some(backend) = backend_of(class.str_at("provisioner").unwrap_or_default()) {
                    return Ok(backend);
                }
            }
            Err(ClusterError::NotFound(_)) => {}
            Err(error) => unread = Some(error),
        }
    }
    unread.map_or(Ok(""), Err)
}

fn backend_of(provisioner: &str) -> Option<&'static str> {
    match provisioner {
        "topolvm.io" => Some("lvms"),
        "kubernetes.io/no-provisioner" => Some("local"),
        _ => provisioner.contains("rbd.csi.ceph.com").then_some("odf-ceph"),
    }
}
