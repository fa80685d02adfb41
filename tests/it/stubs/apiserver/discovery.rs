//! Discovery documents, in both forms.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// A served kind.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) short_name: String,
    pub(super) namespaced: bool,
}

/// Kinds of every cluster that tests ask for: apiVersion, Kind, plural, short name, namespaced.
const BUILT_IN: &[(&str, &str, &str, &str, bool)] = &[
    ("v1", "ConfigMap", "configmaps", "cm", true),
    ("v1", "Endpoints", "endpoints", "ep", true),
    ("v1", "Event", "events", "ev", true),
    ("v1", "LimitRange", "limitranges", "limits", true),
    ("v1", "Namespace", "namespaces", "ns", false),
    ("v1", "Node", "nodes", "no", false),
    ("v1", "PersistentVolume", "persistentvolumes", "pv", false),
    ("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", true),
    ("v1", "Pod", "pods", "po", true),
    ("v1", "ResourceQuota", "resourcequotas", "quota", true),
    ("v1", "Secret", "secrets", "", true),
    ("v1", "Service", "services", "svc", true),
    ("v1", "ServiceAccount", "serviceaccounts", "sa", true),
    ("apps/v1", "ControllerRevision", "controllerrevisions", "", true),
    ("apps/v1", "DaemonSet", "daemonsets", "ds", true),
    ("apps/v1", "Deployment", "deployments", "deploy", true),
    ("apps/v1", "ReplicaSet", "replicasets", "rs", true),
    ("apps/v1", "StatefulSet", "statefulsets", "sts", true),
    ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa", true),
    ("batch/v1", "CronJob", "cronjobs", "cj", true),
    ("batch/v1", "Job", "jobs", "", true),
    ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", "", true),
    ("events.k8s.io/v1", "Event", "events", "ev", true),
    ("metrics.k8s.io/v1beta1", "NodeMetrics", "nodes", "", false),
    ("metrics.k8s.io/v1beta1", "PodMetrics", "pods", "", true),
    ("networking.k8s.io/v1", "Ingress", "ingresses", "ing", true),
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "netpol", true),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", true),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", "", false),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", "", false),
    ("rbac.authorization.k8s.io/v1", "Role", "roles", "", true),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings", "", true),
    ("storage.k8s.io/v1", "StorageClass", "storageclasses", "sc", false),
];

impl Kind {
    pub(super) fn new(api_version: &str, kind: &str, plural: &str, short_name: &str, namespaced: bool) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            short_name: short_name.to_owned(),
            namespaced,
        }
    }

    pub(super) fn built_in() -> Vec<Self> {
        let all = BUILT_IN.iter();
        all.map(|(version, kind, plural, short, namespaced)| Self::new(version, kind, plural, short, *namespaced))
            .collect()
    }

    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    fn short_names(&self) -> Vec<&str> {
        [self.short_name.as_str()].into_iter().filter(|name| !name.is_empty()).collect()
    }
}

/// The answer, when the path is one of discovery.
pub(super) fn answer(kinds: &[Kind], segments: &[&str], is_aggregated: bool) -> Option<Value> {
    let named: BTreeSet<&str> =
        kinds.iter().map(|kind| kind.group.as_str()).filter(|group| !group.is_empty()).collect();
    match segments {
        ["api"] if is_aggregated => Some(aggregated(kinds, [""])),
        ["apis"] if is_aggregated => Some(aggregated(kinds, named)),
        ["api"] => Some(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        ["apis"] => {
            let groups: Vec<Value> = named.into_iter().map(|group| group_of(kinds, group)).collect();
            Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
        }
        ["api", version] => Some(resources(kinds, "", version)),
        ["apis", group, version] => Some(resources(kinds, group, version)),
        _ => None,
    }
}

fn aggregated<'a>(kinds: &[Kind], groups: impl IntoIterator<Item = &'a str>) -> Value {
    let resource = |kind: &Kind| {
        json!({
            "resource": kind.plural,
            "responseKind": { "group": kind.group, "version": kind.version, "kind": kind.kind },
            "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": kind.kind.to_lowercase(), "shortNames": kind.short_names(), "verbs": ["get", "list"],
        })
    };
    let version = |group: &str, version: &str| {
        let here = kinds.iter().filter(|kind| kind.group == group && kind.version == version);
        json!({ "version": version, "freshness": "Current", "resources": here.map(resource).collect::<Vec<_>>() })
    };
    let group = |group: &str| {
        let versions: Vec<Value> = versions(kinds, group).into_iter().map(|each| version(group, each)).collect();
        json!({ "metadata": { "name": group }, "versions": versions })
    };
    let items: Vec<Value> = groups.into_iter().map(group).collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn versions<'a>(kinds: &'a [Kind], group: &str) -> BTreeSet<&'a str> {
    kinds.iter().filter(|kind| kind.group == group).map(|kind| kind.version.as_str()).collect()
}

fn group_of(kinds: &[Kind], group: &str) -> Value {
    let version = |version: &str| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    let versions: Vec<Value> = versions(kinds, group).into_iter().map(version).collect();
    json!({ "name": group, "versions": versions, "preferredVersion": versions[0] })
}

fn resources(kinds: &[Kind], group: &str, version: &str) -> Value {
    let here = kinds.iter().filter(|kind| kind.group == group && kind.version == version);
    let resource = |kind: &Kind| {
        json!({
            "name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced,
            "kind": kind.kind, "shortNames": kind.short_names(), "verbs": ["get", "list"],
        })
    };
    let parts = json!({ "name": "pods/log", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["get"] });
    let resources: Vec<Value> = here.map(resource).chain([parts]).collect();
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "resources": resources })
}
