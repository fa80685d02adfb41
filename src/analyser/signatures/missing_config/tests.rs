use super::*;
use crate::analyser::testing::{Scene, scene};

/// A pod of Deployment `web` with one reference in `env`, `envFrom` or `volumes`, in the given state.
fn web(container: &str, volumes: &str, state: &str) -> Scene {
    scene("Pod shop/web-1-a").yaml(&format!(
        "
kind: Deployment
metadata: {{name: web, namespace: shop, uid: d}}
---
kind: ReplicaSet
metadata: {{name: web-1, namespace: shop, uid: rs, ownerReferences: [{{kind: Deployment, name: web, uid: d, controller: true}}]}}
---
kind: Pod
metadata: {{name: web-1-a, namespace: shop, creationTimestamp: 2026-05-04T09:00:00Z, ownerReferences: [{{kind: ReplicaSet, name: web-1, uid: rs, controller: true}}]}}
spec: {{containers: [{{name: web, {container}}}], volumes: [{volumes}]}}
status: {{phase: Pending, conditions: [{{type: Ready, status: 'False'}}], containerStatuses: [{{name: web, ready: false, restartCount: 0, state: {{waiting: {state}}}}}]}}"
    ))
}

const KEY: &str = "env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]";
const KEY_ERROR: &str = "{reason: CreateContainerConfigError, message: couldn't find key password in Secret shop/db}";
const SECRET: &str = "{kind: Secret, metadata: {name: db, namespace: shop, managedFields: [{manager: vault, time: 2026-05-04T08:00:00Z}]}, data: {pass: eA==, user: eA==}}";

fn hints(finding: &Finding) -> Vec<(&str, &str)> {
    finding.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())).collect()
}

#[test]
fn a_missing_key_is_named_with_the_keys_there_are() {
    let finding = web(KEY, "", KEY_ERROR).yaml(SECRET).only_finding(SIGNATURES);
    assert_eq!(
        (finding.cause_class, finding.action_type.as_deref(), finding.target.to_string().as_str()),
        (CauseClass::MissingConfiguration, Some("RestoreConfiguration"), "Deployment shop/web")
    );
    assert_eq!(
        hints(&finding),
        [("CONFIG_KEY", "password"), ("CONFIG_KIND", "Secret"), ("CONFIG_NAME", "db")]
    );
    let sources: Vec<String> = finding.evidence.iter().map(|evidence| evidence.source.to_string()).collect();
    assert!(sources.iter().any(|source| source.contains("env[name=PASSWORD].valueFrom.secretKeyRef")), "{sources:#?}");
    assert!(sources.iter().any(|source| source.ends_with("data = pass and user")), "{sources:#?}");
    assert!(finding.summary.contains("last changed 2 h ago by vault"), "{}", finding.summary);
}

#[test]
fn a_missing_object_needs_no_key() {
    for (container, volumes, state, event, kind) in [
        (KEY, "", "{reason: CreateContainerConfigError, message: 'secret \"db\" not found'}", None, "Secret"),
        (
            "envFrom: [{configMapRef: {name: db}}]",
            "",
            "{reason: CreateContainerConfigError, message: 'configmap \"db\" not found'}",
            None,
            "ConfigMap",
        ),
        (
            "image: x",
            "{name: v, configMap: {name: db}}",
            "{reason: ContainerCreating}",
            Some("MountVolume.SetUp failed for volume \"v\" : configmap \"db\" not found"),
            "ConfigMap",
        ),
        (
            "image: x",
            "{name: v, projected: {sources: [{secret: {name: db}}]}}",
            "{reason: ContainerCreating}",
            Some("MountVolume.SetUp failed for volume \"v\" : secret \"db\" not found"),
            "Secret",
        ),
    ] {
        let scene = web(container, volumes, state);
        let scene = match event {
            Some(message) => scene.event("Pod shop/web-1-a", "FailedMount", message, 1),
            None => scene,
        };
        let finding = scene.only_finding(SIGNATURES);
        assert_eq!(hints(&finding), [("CONFIG_KIND", kind), ("CONFIG_NAME", "db")], "{container} {volumes}");
        assert!(finding.strength > 0.9);
    }
}

#[test]
fn a_missing_item_of_a_mounted_secret_is_a_missing_key() {
    let volume = "{name: v, secret: {secretName: db, items: [{key: user, path: u}, {key: password, path: p}]}}";
    let message = "MountVolume.SetUp failed for volume \"v\" : references non-existent secret key: password";
    let finding = web("image: x", volume, "{reason: ContainerCreating}")
        .yaml(SECRET)
        .event("Pod shop/web-1-a", "FailedMount", message, 1)
        .only_finding(SIGNATURES);
    assert_eq!(
        hints(&finding),
        [("CONFIG_KEY", "password"), ("CONFIG_KIND", "Secret"), ("CONFIG_NAME", "db")]
    );
}

#[test]
fn what_exists_by_now_is_not_missing() {
    let there = "{kind: Secret, metadata: {name: db, namespace: shop}, data: {password: eA==}}";
    assert!(web(KEY, "", KEY_ERROR).yaml(there).findings(SIGNATURES).is_empty());
}

#[test]
fn optional_references_and_running_pods_are_never_blamed() {
    let optional = KEY.replace("key: password", "key: password, optional: true");
    assert!(web(&optional, "", "{reason: ContainerCreating}").findings(SIGNATURES).is_empty());
    assert!(web(KEY, "", "{reason: CrashLoopBackOff}").findings(SIGNATURES).is_empty(), "it was created");
    let old = web("image: x", "{name: v, configMap: {name: db}}", "{reason: ContainerCreating}").event(
        "Pod shop/web-1-a",
        "FailedMount",
        "MountVolume.SetUp failed for volume \"v\" : configmap \"db\" not found",
        90,
    );
    assert!(old.findings(SIGNATURES).is_empty(), "an hour and a half ago");
}

#[test]
fn an_unreadable_kind_lowers_the_certainty() {
    let mut observed = web(KEY, "", KEY_ERROR).build();
    observed.add_incomplete("Secret", Some("shop"));
    let findings = detect(&observed);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].strength < 0.85, "{}", findings[0].strength);
}

#[test]
fn messages_of_other_kinds_are_not_understood() {
    assert_eq!(parse("serviceaccount \"web\" not found"), None);
    assert_eq!(parse("Unable to attach or mount volumes: timed out"), None);
    assert_eq!(parse("image \"web:1\" not found"), None);
}
