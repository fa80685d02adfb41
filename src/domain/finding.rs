//! One diagnosed fault (or a reason not to act), with what proves it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::resource::ResourceRef;

/// What a signature concluded about one fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable snake_case name of the signature, e.g. `oom_kill`.
    pub signature: String,
    pub cause_class: CauseClass,
    /// One sentence: what is wrong and why, with names and numbers.
    pub summary: String,
    /// The object on which the fault itself was seen (a Pod, a claim, a Node).
    pub subject: ResourceRef,
    /// The object to change: already the root owner where one applies.
    pub target: ResourceRef,
    /// Objects that suffer from this fault. Findings on them rank below this one.
    pub affects: Vec<ResourceRef>,
    /// Suggested action type of the catalogue; `None` when nothing in a catalogue can mend it.
    pub action_type: Option<String>,
    /// Values for workflow parameters by their conventional names, e.g. `MEMORY_LIMIT_NEW`.
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// From cause to symptom, one short sentence each; at least one.
    pub causal_chain: Vec<String>,
    pub evidence: Vec<Evidence>,
    /// 0–1: how decisive the signature's own evidence is, before ranking.
    pub strength: f64,
    pub disposition: Disposition,
}

/// What the finding asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Something is broken and must be changed.
    Act,
    /// It was broken and is healthy again.
    Resolved,
    /// It looks alarming and is not a fault, or is another actor's change under way.
    NotActionable,
    /// Broken, but only a person can mend it safely.
    Escalate,
}

macro_rules! cause_classes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// Closed vocabulary of causes. The text form is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum CauseClass { $($(#[$doc])* #[serde(rename = $text)] $variant),+ }

        impl CauseClass {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

cause_classes! {
    MemoryLimit = "memory_limit",
    MemoryLeak = "memory_leak",
    CpuStarvation = "cpu_starvation",
    ApplicationError = "application_error",
    ApplicationConfig = "application_config",
    MissingConfiguration = "missing_configuration",
    ImageNotFound = "image_not_found",
    ImageCredentials = "image_credentials",
    RegistryUnavailable = "registry_unavailable",
    SchedulingConstraint = "scheduling_constraint",
    InsufficientCapacity = "insufficient_capacity",
    VolumeUnbound = "volume_unbound",
    VolumeFull = "volume_full",
    QuotaExceeded = "quota_exceeded",
    RolloutFailed = "rollout_failed",
    ProbeMisconfigured = "probe_misconfigured",
    DependencyUnavailable = "dependency_unavailable",
    NodeFailure = "node_failure",
    NodePressure = "node_pressure",
    AutoscalerLimit = "autoscaler_limit",
    DisruptionBudget = "disruption_budget",
    ServiceSelector = "service_selector",
    ServicePort = "service_port",
    NetworkPolicy = "network_policy",
    RbacDenied = "rbac_denied",
    CertificateExpired = "certificate_expired",
    InitFailure = "init_failure",
    AdmissionWebhook = "admission_webhook",
    Recovered = "recovered",
    Benign = "benign",
    Orphaned = "orphaned",
    ChangeInProgress = "change_in_progress",
    Healthy = "healthy",
}

impl std::fmt::Display for CauseClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
