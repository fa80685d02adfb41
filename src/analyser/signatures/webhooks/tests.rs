use super::*;
use crate::analyser::testing::{Scene, scene};

const FAILURE: &str = "Error creating: Internal error occurred: failed calling webhook \"validate.policy.io\": failed to call webhook: Post \"https://policy-svc.policy.svc:443/validate?timeout=10s\": no endpoints available for service \"policy-svc\"";

fn shop(ready: u8) -> Scene {
    scene("Deployment shop/web").yaml(&format!(
        "
kind: Deployment
metadata: {{name: web, namespace: shop, uid: d}}
spec: {{replicas: 2}}
status: {{replicas: {ready}, readyReplicas: {ready}, updatedReplicas: {ready}}}
---
kind: ReplicaSet
metadata: {{name: web-1, namespace: shop, uid: rs, ownerReferences: [{{kind: Deployment, name: web, uid: d, controller: true}}]}}
spec: {{replicas: 2}}
status: {{replicas: {ready}, readyReplicas: {ready}}}
---
kind: ValidatingWebhookConfiguration
metadata: {{name: policy}}
webhooks: [{{name: validate.policy.io, failurePolicy: Fail, clientConfig: {{service: {{namespace: policy, name: policy-svc}}}}}}]
---
kind: Service
metadata: {{name: policy-svc, namespace: policy}}
spec: {{selector: {{app: policy}}}}"
    ))
}

#[test]
fn a_webhook_without_endpoints_is_disabled() {
    let finding = shop(0).event("ReplicaSet shop/web-1", "FailedCreate", FAILURE, 2).only_finding(SIGNATURES);
    assert_eq!(finding.target.to_string(), "ValidatingWebhookConfiguration policy");
    assert_eq!(
        (finding.cause_class, finding.action_type.as_deref()),
        (CauseClass::AdmissionWebhook, Some("DisableFailingWebhook"))
    );
    assert_eq!(finding.parameters.get("WEBHOOK_NAME"), Some(&Value::from("validate.policy.io")));
    assert!(finding.summary.contains("no endpoints available"), "{}", finding.summary);
    assert!(finding.affects.iter().any(|affected| affected.to_string() == "Deployment shop/web"));
    assert!(finding.strength > 0.9);
}

#[test]
fn a_webhook_that_answered_again_is_left_alone() {
    let event = |scene: Scene, minutes| scene.event("ReplicaSet shop/web-1", "FailedCreate", FAILURE, minutes);
    assert!(event(shop(2), 2).findings(SIGNATURES).is_empty(), "the pods exist");
    assert!(event(shop(0), 200).findings(SIGNATURES).is_empty(), "long ago");
    assert!(shop(0).findings(SIGNATURES).is_empty(), "nobody complained");
}

#[test]
fn a_denial_is_a_matter_for_people() {
    let message = "Error creating: admission webhook \"validate.policy.io\" denied the request: image must come from the internal registry";
    let finding = shop(0).event("ReplicaSet shop/web-1", "FailedCreate", message, 2).only_finding(SIGNATURES);
    assert_eq!(
        (finding.disposition, finding.target.to_string()),
        (Disposition::Escalate, "Deployment shop/web".to_owned())
    );
    assert!(finding.summary.contains("validate.policy.io"), "{}", finding.summary);
}

#[test]
fn failures_are_taken_apart() {
    assert_eq!(
        parse_failure(FAILURE),
        Some(("validate.policy.io", "no endpoints available for service \"policy-svc\""))
    );
    let refused = "failed calling webhook \"a.b\": failed to call webhook: Post \"https://x:443/v?timeout=10s\": dial tcp 10.0.0.1:443: connect: connection refused";
    assert_eq!(parse_failure(refused), Some(("a.b", "dial tcp 10.0.0.1:443: connect: connection refused")));
}

#[test]
fn pod_security_is_a_matter_for_people() {
    let message = "Error creating: pods \"web-1-x\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false";
    let finding = shop(0).event("ReplicaSet shop/web-1", "FailedCreate", message, 2).only_finding(SIGNATURES);
    assert_eq!(finding.disposition, Disposition::Escalate);
    assert!(finding.summary.contains("restricted:latest"), "{}", finding.summary);
}
