//! Labels detected on a remediation target (investigation §7.4): who manages it, what protects it, what it is part of.
//!
//! `false` means checked and absent; `false` and listed in `failedDetections` means unknown. Only a failed check is a
//! failure. Unknown never filters the catalogue and is never shown to a model as a fact.

mod detect;
mod lists;
mod marks;
mod virtual_machines;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use detect::{Detected, detect};

/// Detected labels under their wire names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DetectedLabels {
    pub git_ops_managed: bool,
    pub git_ops_tool: GitOpsTool,
    pub pdb_protected: bool,
    pub hpa_enabled: bool,
    pub stateful: bool,
    pub helm_managed: bool,
    pub network_isolated: bool,
    pub service_mesh: ServiceMesh,
    pub resource_quota_constrained: bool,
    /// Only on clusters that run KubeVirt.
    #[serde(flatten)]
    pub virtual_machine: Option<VirtualMachineLabels>,
    /// Checks that failed or do not apply.
    pub failed_detections: BTreeSet<Detection>,
}

impl DetectedLabels {
    /// Nothing could be checked.
    pub(super) fn unknown() -> Self {
        use Detection::{
            GitOpsManaged, HelmManaged, HpaEnabled, NetworkIsolated, PdbProtected, ResourceQuotaConstrained,
            ServiceMesh, Stateful,
        };
        let checks = [
            GitOpsManaged,
            PdbProtected,
            HpaEnabled,
            Stateful,
            HelmManaged,
            NetworkIsolated,
            ServiceMesh,
            ResourceQuotaConstrained,
        ];
        Self { failed_detections: BTreeSet::from(checks), ..Self::default() }
    }
}

/// What changes the target through Git.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GitOpsTool {
    #[default]
    #[serde(rename = "")]
    None,
    ArgoCd,
    Flux,
}

/// The mesh whose sidecars run in the target's pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceMesh {
    #[default]
    #[serde(rename = "")]
    None,
    Istio,
    Linkerd,
}

/// What is known of a virtual machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualMachineLabels {
    pub virtual_machine: bool,
    pub live_migratable: bool,
    pub cdi_managed: bool,
    /// `odf-ceph`, `lvms`, `local`, or empty.
    pub storage_backend: String,
}

/// One check that can fail, named as its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Detection {
    GitOpsManaged,
    PdbProtected,
    HpaEnabled,
    Stateful,
    HelmManaged,
    NetworkIsolated,
    ServiceMesh,
    ResourceQuotaConstrained,
    LiveMigratable,
    CdiManaged,
    StorageBackend,
}

impl Detection {
    /// Name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitOpsManaged => "gitOpsManaged",
            Self::PdbProtected => "pdbProtected",
            Self::HpaEnabled => "hpaEnabled",
            Self::Stateful => "stateful",
            Self::HelmManaged => "helmManaged",
            Self::NetworkIsolated => "networkIsolated",
            Self::ServiceMesh => "serviceMesh",
            Self::ResourceQuotaConstrained => "resourceQuotaConstrained",
            Self::LiveMigratable => "liveMigratable",
            Self::CdiManaged => "cdiManaged",
            Self::StorageBackend => "storageBackend",
        }
    }

    /// Labels that this check decides.
    fn labels(self) -> &'static [&'static str] {
        match self {
            Self::GitOpsManaged => &["gitOpsManaged", "gitOpsTool"],
            Self::PdbProtected => &["pdbProtected"],
            Self::HpaEnabled => &["hpaEnabled"],
            Self::Stateful => &["stateful"],
            Self::HelmManaged => &["helmManaged"],
            Self::NetworkIsolated => &["networkIsolated"],
            Self::ServiceMesh => &["serviceMesh"],
            Self::ResourceQuotaConstrained => &["resourceQuotaConstrained"],
            Self::LiveMigratable => &["liveMigratable"],
            Self::CdiManaged => &["cdiManaged"],
            Self::StorageBackend => &["storageBackend"],
        }
    }
}

impl DetectedLabels {
    /// What the catalogue may be filtered by: known, and true or not empty.
    pub fn positive(&self) -> Map<String, Value> {
        let mut labels = self.for_model();
        labels.retain(|_, value| *value == Value::Bool(true) || value.as_str().is_some_and(|text| !text.is_empty()));
        labels
    }

    /// What a model is shown: everything known, `false` included.
    pub fn for_model(&self) -> Map<String, Value> {
        let mut labels = match serde_json::to_value(self) {
            Ok(Value::Object(labels)) => labels,
            _ => Map::new(),
        };
        labels.retain(|name, _| name != "failedDetections" && !self.is_unknown(name));
        labels
    }

    /// What the known labels mean for a choice; says so when there are none, and which are unknown.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<String> = self.facts().into_iter().map(str::to_owned).collect();
        if sentences.is_empty() {
            sentences.push("None of the infrastructure traits looked for was detected.".to_owned());
        }
        if !self.failed_detections.is_empty() {
            let names: Vec<&str> = self.failed_detections.iter().map(|detection| detection.as_str()).collect();
            sentences.push(format!("Unknown, neither present nor absent for certain: {}.", names.join(", ")));
        }
        sentences
    }

    fn facts(&self) -> Vec<&'static str> {
        let known = |detection, fact| (!self.failed_detections.contains(&detection)).then_some(fact);
        let flag = |detection, set: bool, fact| known(detection, fact).filter(|_| set);
        let git = match self.git_ops_tool {
            GitOpsTool::ArgoCd => {
                "Argo CD keeps it as Git says: change the source in Git, a direct change would be reverted."
            }
            GitOpsTool::Flux => {
                "Flux keeps it as Git says: change the source in Git, a direct change would be reverted."
            }
            GitOpsTool::None => "It is managed through Git: change the source in Git, not the object.",
        };
        let mesh = match self.service_mesh {
            ServiceMesh::Istio => {
                Some("Its traffic runs through Istio: mind sidecars, mesh routing and mesh policies.")
            }
            ServiceMesh::Linkerd => Some("Its traffic runs through Linkerd: mind the proxies and mesh policies."),
            ServiceMesh::None => None,
        };
        let machine = self.virtual_machine.clone().unwrap_or_default();
        let storage = match machine.storage_backend.as_str() {
            "odf-ceph" => Some("Its disks are on Ceph."),
            "lvms" => Some("Its disks are on local logical volumes of one node (LVM)."),
            "local" => Some("Its disks are local to one node."),
            _ => None,
        };
        let facts = [
            flag(Detection::GitOpsManaged, self.git_ops_managed, git),
            flag(
                Detection::PdbProtected,
                self.pdb_protected,
                "A PodDisruptionBudget protects its pods: stay within the disruptions it allows.",
            ),
            flag(
                Detection::HpaEnabled,
                self.hpa_enabled,
                "A HorizontalPodAutoscaler sets its replicas: scaling by hand may be undone.",
            ),
            flag(
                Detection::Stateful,
                self.stateful,
                "It keeps state: choose a workflow made for stateful workloads and their volumes.",
            ),
            flag(
                Detection::HelmManaged,
                self.helm_managed,
                "Helm installed it: choose a workflow that works with Helm, the next upgrade overwrites other changes.",
            ),
            flag(
                Detection::NetworkIsolated,
                self.network_isolated,
                "NetworkPolicies restrict traffic in its namespace.",
            ),
            mesh.and_then(|fact| known(Detection::ServiceMesh, fact)),
            flag(
                Detection::ResourceQuotaConstrained,
                self.resource_quota_constrained,
                "A ResourceQuota limits its namespace: more replicas or larger requests need headroom.",
            ),
            machine.virtual_machine.then_some("It is, or belongs to, a KubeVirt virtual machine."),
            flag(Detection::LiveMigratable, machine.live_migratable, "The virtual machine can be migrated live."),
            flag(
                Detection::CdiManaged,
                machine.cdi_managed,
                "Its disks were imported by the Containerized Data Importer.",
            ),
            storage.and_then(|fact| known(Detection::StorageBackend, fact)),
        ];
        facts.into_iter().flatten().collect()
    }

    fn is_unknown(&self, label: &str) -> bool {
        self.failed_detections.iter().any(|detection| detection.labels().contains(&label))
    }
}

#[cfg(test)]
mod tests;
