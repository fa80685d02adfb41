use super::*;
use crate::analyser::testing::{Scene, scene};
use crate::domain::Disposition;

/// CN vault.secrets.svc, valid until 2026-05-01T08:30:00Z.
const EXPIRED: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJXakNDQVFDZ0F3SUJBZ0lVVFVtMmdvOWpZNElqd1dkSERxNGFnSzNxZXZ3d0NnWUlLb1pJemowRUF3SXcKSERFYU1CZ0dBMVVFQXd3UmRtRjFiSFF1YzJWamNtVjBjeTV6ZG1Nd0hoY05NalV3TlRBeE1EQXdNREF3V2hjTgpNall3TlRBeE1EZ3pNREF3V2pBY01Sb3dHQVlEVlFRRERCRjJZWFZzZEM1elpXTnlaWFJ6TG5OMll6QlpNQk1HCkJ5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSEEwSUFCRUNpeGNmRVA4bGN2cGc1SHBUZTdRWTlvYXkxWjNHKzZoNTQKUFF1aHM2SlpsZFZjYU85NFlhV1M1dFJUdDhzVzREKzBWcTdZNGh3Qk5FUDR5eFdQVFZtaklEQWVNQndHQTFVZApFUVFWTUJPQ0VYWmhkV3gwTG5ObFkzSmxkSE11YzNaak1Bb0dDQ3FHU000OUJBTUNBMGdBTUVVQ0lIZTJCZDBSClpoSldGSjZ3Vm01RjVUaUdneU9sS3d4V2VYVVFiSDhmcGVCSUFpRUFwOUN3VUhERnA1a3h2WVQvRys1ZHZOUHYKZ0NZUDhlTnhBbWx1QmpjMGxjUT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=";

const SERVER: &str = r#"
{kind: StatefulSet, metadata: {name: vault, namespace: secrets, uid: s1}, spec: {replicas: 1}}
---
kind: Pod
metadata: {name: vault-0, namespace: secrets, ownerReferences: [{kind: StatefulSet, name: vault, uid: s1, controller: true}]}
spec: {containers: [{name: vault}], volumes: [{name: tls, secret: {secretName: vault-tls}}]}
status: {phase: Running, containerStatuses: [{name: vault, ready: true, restartCount: 0, state: {running: {}}}]}
---
{kind: Pod, metadata: {name: client, namespace: shop}, spec: {containers: [{name: app}]}}
"#;

const COMPLAINT: &str =
    "2026-05-04T09:58:00Z tls: failed to verify certificate: x509: certificate has expired or is not yet valid";

fn server(secret_data: &str) -> Scene {
    let secret = format!(
        "{{kind: Secret, type: kubernetes.io/tls, metadata: {{name: vault-tls, namespace: secrets}}, data: {{tls.crt: '{secret_data}'}}}}"
    );
    scene("Pod shop/client").yaml(SERVER).yaml(&secret)
}

fn certificate(ready: &str, not_after: &str) -> String {
    format!(
        r#"
kind: Certificate
apiVersion: cert-manager.io/v1
metadata: {{name: vault, namespace: secrets}}
spec: {{secretName: vault-tls}}
status: {{notAfter: "{not_after}", conditions: [{{type: Ready, status: "{ready}", reason: Failed, message: the issuer is gone}}]}}
"#
    )
}

#[test]
fn an_expired_certificate_explains_clients_that_refuse_it() {
    let finding = server(EXPIRED).log("shop/client", "app", &[COMPLAINT]).only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.disposition), (CauseClass::CertificateExpired, Disposition::Act));
    assert_eq!(finding.target.to_string(), "Secret secrets/vault-tls");
    assert_eq!(finding.parameters["CERTIFICATE_SECRET_NAME"], "vault-tls");
    assert!(finding.affects.iter().any(|affected| affected.to_string() == "Pod shop/client"));
    assert!(finding.affects.iter().any(|affected| affected.to_string() == "StatefulSet secrets/vault"));
    let seen: Vec<String> = finding.evidence.iter().map(|evidence| evidence.source.to_string()).collect();
    assert!(seen[0].contains("CN=vault.secrets.svc, not after 2026-05-01T08:30:00Z"), "{seen:?}");
    assert!(!format!("{finding:?}").contains("BEGIN"), "the certificate is not quoted");
}

#[test]
fn a_certificate_that_is_managed_is_renewed_through_its_manager() {
    let scene = server("bm90IGEgY2VydGlmaWNhdGU=").yaml(&certificate("False", "2026-05-01T08:30:00Z"));
    let finding = scene.only_finding(SIGNATURES);
    assert_eq!(finding.target.to_string(), "Certificate secrets/vault");
    assert!(finding.evidence.iter().any(|evidence| evidence.source.to_string().contains("the issuer is gone")));
    let soon = server("").yaml(&certificate("False", "2026-05-05T08:30:00Z")).only_finding(SIGNATURES);
    assert!(soon.summary.contains("expires in 22 h 30 min and is not renewed"), "{}", soon.summary);
}

#[test]
fn valid_and_unreadable_certificates_are_left_alone() {
    for (data, ready, not_after) in [
        ("", "True", "2026-05-05T08:30:00Z"),
        ("", "False", "2026-07-01T00:00:00Z"),
        ("%%%", "True", "2027-01-01T00:00:00Z"),
    ] {
        assert_eq!(server(data).yaml(&certificate(ready, not_after)).findings(SIGNATURES), []);
    }
    assert_eq!(server("bm90IGEgY2VydGlmaWNhdGU=").findings(SIGNATURES), []);
}
