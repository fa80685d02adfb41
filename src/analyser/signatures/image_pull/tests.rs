use super::*;
use crate::analyser::testing::{Scene, scene};

const WORKLOAD: &str = r#"
{kind: Deployment, metadata: {name: web, namespace: shop, uid: d1}, spec: {replicas: 1}}
---
kind: ReplicaSet
metadata:
  {name: web-2, namespace: shop, uid: r2, annotations: {deployment.kubernetes.io/revision: "2"}, ownerReferences: [{kind: Deployment, name: web, uid: d1, controller: true}]}
spec: {template: {spec: {containers: [{name: web, image: "r.example/web:2"}]}}}
---
kind: Pod
metadata:
  {name: web-2-a, namespace: shop, uid: p1, ownerReferences: [{kind: ReplicaSet, name: web-2, uid: r2, controller: true}]}
spec: {SECRETS, containers: [{name: web, image: "r.example/web:2"}]}
status:
  phase: Pending
  containerStatuses: [{name: web, ready: false, restartCount: 0, state: {waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image "r.example/web:2"'}}}]
"#;

const PREVIOUS: &str = r#"
kind: ReplicaSet
metadata:
  {name: web-1, namespace: shop, uid: r1, annotations: {deployment.kubernetes.io/revision: "1"}, ownerReferences: [{kind: Deployment, name: web, uid: d1, controller: true}]}
spec: {template: {spec: {containers: [{name: web, image: "r.example/web:1"}]}}}
"#;

fn stuck(secrets: &str, answer: &str) -> Scene {
    let message = format!("Failed to pull image \"r.example/web:2\": {answer}");
    let scene = scene("Pod shop/web-2-a").yaml(&WORKLOAD.replace("SECRETS", secrets));
    scene.event("Pod shop/web-2-a", "Failed", &message, 2)
}

#[test]
fn an_image_that_a_rollout_asked_for_in_vain_is_rolled_back() {
    let finding = stuck("nodeName: n", "r.example/web:2: not found").yaml(PREVIOUS).only_finding(SIGNATURES);
    assert_eq!(finding.cause_class, CauseClass::ImageNotFound);
    assert_eq!(finding.target.to_string(), "Deployment shop/web");
    assert_eq!(finding.action_type.as_deref(), Some("RollbackDeployment"));
    assert_eq!(finding.parameters["ROLLBACK_TO_REVISION"], 1);
    assert!(finding.summary.contains("revision 1 had r.example/web:1"), "{}", finding.summary);
}

#[test]
fn without_an_earlier_image_a_person_must_look() {
    let finding = stuck("nodeName: n", "r.example/web:2: not found").only_finding(SIGNATURES);
    assert_eq!((finding.action_type, finding.disposition), (None, Disposition::Escalate));
}

#[test]
fn refused_credentials_name_the_secret() {
    let refused = "unexpected status: 401 Unauthorized";
    let finding = stuck("imagePullSecrets: [{name: harbor}]", refused).only_finding(SIGNATURES);
    assert_eq!(finding.cause_class, CauseClass::ImageCredentials);
    assert_eq!(finding.action_type.as_deref(), Some("RefreshImagePullSecret"));
    assert_eq!(finding.parameters["SECRET_NAME"], "harbor");

    let account = "{kind: ServiceAccount, metadata: {name: default, namespace: shop}, imagePullSecrets: [{name: quay}]}";
    let finding = stuck("nodeName: n", refused).yaml(account).only_finding(SIGNATURES);
    assert_eq!(finding.parameters["SECRET_NAME"], "quay");

    let none = stuck("nodeName: n", refused).only_finding(SIGNATURES);
    assert_eq!(none.action_type, None);
    assert!(none.summary.contains("names no pull secret"), "{}", none.summary);
}

#[test]
fn a_registry_that_does_not_answer_is_nothing_the_cluster_can_mend() {
    let finding = stuck("nodeName: n", "dial tcp 10.0.0.9:443: i/o timeout").yaml(PREVIOUS).only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.action_type), (CauseClass::RegistryUnavailable, None));
    assert!(finding.summary.contains("registry r.example"), "{}", finding.summary);
}

#[test]
fn an_image_that_arrived_is_no_finding() {
    let text = WORKLOAD
        .replace("SECRETS", "nodeName: n")
        .replace("waiting: {reason: ImagePullBackOff, message: 'Back-off pulling image \"r.example/web:2\"'}", "running: {}");
    let scene = scene("Pod shop/web-2-a").yaml(&text);
    let scene = scene.event("Pod shop/web-2-a", "Failed", "Failed to pull image \"r.example/web:2\": not found", 2);
    assert_eq!(scene.findings(SIGNATURES), []);
}
