//! Manifests decoded strictly: against the Kubernetes types, and for kinds of the Prometheus operator against the part of
//! their published schema that is used here. A field that no type knows is an error.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Every document of a file with several.
pub(super) fn documents(text: &str) -> Vec<Value> {
    text.split("\n---\n")
        .map(|part| serde_saphyr::from_str(part).unwrap_or_else(|error| panic!("{error}\n{part}")))
        .collect()
}

/// What is wrong with an object: a field nobody knows, a wrong type, a kind that does not belong in a chart of ours.
pub(super) fn problems(object: &Value) -> Vec<String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    match (object["apiVersion"].as_str().unwrap_or_default(), kind) {
        ("v1", "ConfigMap") => decode::<ConfigMap>(object),
        ("v1", "PersistentVolumeClaim") => decode::<PersistentVolumeClaim>(object),
        ("v1", "Pod") => decode::<Pod>(object),
        ("v1", "Service") => decode::<Service>(object),
        ("v1", "ServiceAccount") => decode::<ServiceAccount>(object),
        ("apps/v1", "Deployment") => decode::<Deployment>(object),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => decode::<HorizontalPodAutoscaler>(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => decode::<NetworkPolicy>(object),
        ("policy/v1", "PodDisruptionBudget") => decode::<PodDisruptionBudget>(object),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => decode::<ClusterRole>(object),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => decode::<ClusterRoleBinding>(object),
        ("rbac.authorization.k8s.io/v1", "Role") => decode::<Role>(object),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => decode::<RoleBinding>(object),
        ("monitoring.coreos.com/v1", "ServiceMonitor") => decode::<Monitoring<ServiceMonitorSpec>>(object),
        ("monitoring.coreos.com/v1", "PrometheusRule") => decode::<Monitoring<RulesSpec>>(object),
        (version, kind) => vec![format!("unexpected {version} {kind}")],
    }
}

fn decode<T: DeserializeOwned>(object: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    // Options on the way to a field are shown as question marks.
    let unknown =
        |path: serde_ignored::Path<'_>| problems.push(format!("nobody knows {}", path.to_string().replace("?.", "")));
    let decoded = serde_ignored::deserialize::<_, _, T>(object, unknown);
    problems.extend(decoded.err().map(|error| error.to_string()));
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let is_label = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if name.is_empty() || name.len() > 63 || !is_label {
        problems.push(format!("{name:?} is no name"));
    }
    problems
}

/// An object of the Prometheus operator.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only decoded")]
struct Monitoring<S> {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    spec: S,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only decoded")]
struct ServiceMonitorSpec {
    job_label: Option<String>,
    selector: LabelSelector,
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only decoded")]
struct Endpoint {
    port: String,
    path: Option<String>,
    scheme: Option<String>,
    interval: Option<String>,
    scrape_timeout: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
struct RulesSpec {
    groups: Vec<RuleGroup>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
struct RuleGroup {
    name: String,
    interval: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only decoded")]
struct Rule {
    record: Option<String>,
    alert: Option<String>,
    expr: String,
    r#for: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[test]
fn a_misspelt_field_is_told() {
    let object = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    let good = "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 1}]}}";
    assert_eq!(problems(&object(good)), Vec::<String>::new());
    for (bad, told) in [
        ("{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{prot: 1}]}}", "spec.ports.0.prot"),
        ("{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: x}]}}", "invalid type"),
        ("{apiVersion: v1, kind: Service, metadata: {name: A}}", "no name"),
        ("{apiVersion: v2, kind: Service, metadata: {name: a}}", "unexpected v2 Service"),
        (
            "{apiVersion: monitoring.coreos.com/v1, kind: PrometheusRule, metadata: {name: a}, \
              spec: {groups: [{name: g, rules: [{alert: A, expr: up, fro: 1m}]}]}}",
            "rules.0.fro",
        ),
    ] {
        let found = problems(&object(bad)).join("; ");
        assert!(found.contains(told), "{bad}: {found}");
    }
}
