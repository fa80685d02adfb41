//! The kinds every cluster has, with the names kubectl takes for them.

use super::KnownKind;

/// Group, versions (preferred first), Kind, plural, short names; the singular is the Kind in lower case.
type Row = (&'static str, &'static [&'static str], &'static str, &'static str, &'static [&'static str]);

const NAMESPACED: &[Row] = &[
    ("", &["v1"], "Binding", "bindings", &[]),
    ("", &["v1"], "ConfigMap", "configmaps", &["cm"]),
    ("", &["v1"], "Endpoints", "endpoints", &["ep"]),
    ("", &["v1"], "Event", "events", &["ev"]),
    ("", &["v1"], "LimitRange", "limitranges", &["limits"]),
    ("", &["v1"], "PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"]),
    ("", &["v1"], "Pod", "pods", &["po"]),
    ("", &["v1"], "PodTemplate", "podtemplates", &[]),
    ("", &["v1"], "ReplicationController", "replicationcontrollers", &["rc"]),
    ("", &["v1"], "ResourceQuota", "resourcequotas", &["quota"]),
    ("", &["v1"], "Secret", "secrets", &[]),
    ("", &["v1"], "Service", "services", &["svc"]),
    ("", &["v1"], "ServiceAccount", "serviceaccounts", &["sa"]),
    ("apps", &["v1"], "ControllerRevision", "controllerrevisions", &[]),
    ("apps", &["v1"], "DaemonSet", "daemonsets", &["ds"]),
    ("apps", &["v1"], "Deployment", "deployments", &["deploy"]),
    ("apps", &["v1"], "ReplicaSet", "replicasets", &["rs"]),
    ("apps", &["v1"], "StatefulSet", "statefulsets", &["sts"]),
    ("autoscaling", &["v2", "v1"], "HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"]),
    ("batch", &["v1"], "CronJob", "cronjobs", &["cj"]),
    ("batch", &["v1"], "Job", "jobs", &[]),
    ("coordination.k8s.io", &["v1"], "Lease", "leases", &[]),
    ("discovery.k8s.io", &["v1"], "EndpointSlice", "endpointslices", &[]),
    ("events.k8s.io", &["v1"], "Event", "events", &["ev"]),
    ("metrics.k8s.io", &["v1beta1"], "PodMetrics", "pods", &[]),
    ("networking.k8s.io", &["v1"], "Ingress", "ingresses", &["ing"]),
    ("networking.k8s.io", &["v1"], "NetworkPolicy", "networkpolicies", &["netpol"]),
    ("policy", &["v1"], "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"]),
    ("rbac.authorization.k8s.io", &["v1"], "Role", "roles", &[]),
    ("rbac.authorization.k8s.io", &["v1"], "RoleBinding", "rolebindings", &[]),
    ("storage.k8s.io", &["v1"], "CSIStorageCapacity", "csistoragecapacities", &[]),
];

const CLUSTER_SCOPED: &[Row] = &[
    ("", &["v1"], "ComponentStatus", "componentstatuses", &["cs"]),
    ("", &["v1"], "Namespace", "namespaces", &["ns"]),
    ("", &["v1"], "Node", "nodes", &["no"]),
    ("", &["v1"], "PersistentVolume", "persistentvolumes", &["pv"]),
    ("admissionregistration.k8s.io", &["v1"], "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", &[]),
    ("admissionregistration.k8s.io", &["v1"], "ValidatingAdmissionPolicy", "validatingadmissionpolicies", &[]),
    (
        "admissionregistration.k8s.io",
        &["v1"],
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        &[],
    ),
    ("admissionregistration.k8s.io", &["v1"], "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", &[]),
    ("apiextensions.k8s.io", &["v1"], "CustomResourceDefinition", "customresourcedefinitions", &["crd", "crds"]),
    ("apiregistration.k8s.io", &["v1"], "APIService", "apiservices", &[]),
    ("certificates.k8s.io", &["v1"], "CertificateSigningRequest", "certificatesigningrequests", &["csr"]),
    ("flowcontrol.apiserver.k8s.io", &["v1"], "FlowSchema", "flowschemas", &[]),
    ("flowcontrol.apiserver.k8s.io", &["v1"], "PriorityLevelConfiguration", "prioritylevelconfigurations", &[]),
    ("metrics.k8s.io", &["v1beta1"], "NodeMetrics", "nodes", &[]),
    ("networking.k8s.io", &["v1"], "IngressClass", "ingressclasses", &[]),
    ("node.k8s.io", &["v1"], "RuntimeClass", "runtimeclasses", &[]),
    ("rbac.authorization.k8s.io", &["v1"], "ClusterRole", "clusterroles", &[]),
    ("rbac.authorization.k8s.io", &["v1"], "ClusterRoleBinding", "clusterrolebindings", &[]),
    ("scheduling.k8s.io", &["v1"], "PriorityClass", "priorityclasses", &["pc"]),
    ("storage.k8s.io", &["v1"], "CSIDriver", "csidrivers", &[]),
    ("storage.k8s.io", &["v1"], "CSINode", "csinodes", &[]),
    ("storage.k8s.io", &["v1"], "StorageClass", "storageclasses", &["sc"]),
    ("storage.k8s.io", &["v1"], "VolumeAttachment", "volumeattachments", &[]),
];

/// All of them.
pub(crate) fn standard_kinds() -> impl Iterator<Item = KnownKind> {
    let namespaced = NAMESPACED.iter().map(|row| known(row, true));
    namespaced.chain(CLUSTER_SCOPED.iter().map(|row| known(row, false)))
}

fn known((group, versions, kind, plural, short_names): &Row, namespaced: bool) -> KnownKind {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    KnownKind {
        group: (*group).to_owned(),
        versions: texts(versions),
        kind: (*kind).to_owned(),
        plural: (*plural).to_owned(),
        singular: kind.to_ascii_lowercase(),
        short_names: texts(short_names),
        namespaced,
    }
}
