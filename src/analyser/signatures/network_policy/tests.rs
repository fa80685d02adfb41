use super::*;
use crate::analyser::testing::{Scene, scene};

const DEFAULT_DENY: &str = "
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop, creationTimestamp: '2026-05-04T09:40:00Z'}
spec: {podSelector: {}, policyTypes: [Ingress]}";

const TIMEOUT: &str = "2026-05-04T09:55:00Z Get \"http://orders/api\": dial tcp 10.96.7.7:80: i/o timeout";

/// `web` calls Service `orders` (port 80 → 8080) in namespace `shop`.
fn shop() -> Scene {
    scene("Deployment shop/web").yaml(
        "
kind: Deployment
metadata: {name: web, namespace: shop, uid: d}
---
kind: ReplicaSet
metadata: {name: web-1, namespace: shop, uid: rs, ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true}]}
---
kind: Pod
metadata: {name: web-1-a, namespace: shop, labels: {app: web, pod-template-hash: x}, ownerReferences: [{kind: ReplicaSet, name: web-1, uid: rs, controller: true}]}
spec: {containers: [{name: c, env: [{name: ORDERS_URL, value: 'http://orders'}]}]}
status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}
---
kind: Pod
metadata: {name: orders-0, namespace: shop, labels: {app: orders}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}
---
kind: Service
metadata: {name: orders, namespace: shop}
spec: {clusterIP: 10.96.7.7, selector: {app: orders}, ports: [{port: 80, targetPort: 8080}]}",
    )
}

fn allow(selector: &str, rule: &str) -> String {
    format!(
        "
kind: NetworkPolicy
metadata: {{name: orders-allow, namespace: shop, creationTimestamp: '2026-01-01T00:00:00Z'}}
spec: {{podSelector: {{matchLabels: {{{selector}}}}}, {rule}}}"
    )
}

fn hint(finding: &Finding, name: &str) -> Value {
    finding.parameters.get(name).cloned().unwrap_or_default()
}

#[test]
fn a_new_default_deny_is_the_culprit() {
    let finding = shop().yaml(DEFAULT_DENY).log("shop/web-1-a", "c", &[TIMEOUT]).only_finding(SIGNATURES);
    assert_eq!(finding.target.to_string(), "NetworkPolicy shop/default-deny");
    assert_eq!(
        (finding.cause_class, finding.action_type.as_deref()),
        (CauseClass::NetworkPolicy, Some("AllowNetworkTraffic"))
    );
    assert_eq!(
        (hint(&finding, "DIRECTION"), hint(&finding, "PORT"), hint(&finding, "PEER_SELECTOR")),
        (json!("ingress"), json!(8080), json!("app=web"))
    );
    assert!(finding.strength > 0.94, "created shortly before");
    assert!(finding.affects.iter().any(|affected| affected.to_string() == "Deployment shop/web"));
    assert!(finding.evidence.iter().any(|evidence| matches!(evidence.source, crate::domain::Source::Log { .. })));
}

#[test]
fn the_policy_that_nearly_admits_is_the_one_to_change() {
    let near = allow(
        "app: orders",
        "ingress: [{from: [{podSelector: {matchLabels: {app: frontend}}}], ports: [{port: 8080}]}]",
    );
    let old_deny = DEFAULT_DENY.replace("2026-05-04T09:40", "2026-01-01T00:00");
    let finding = shop().yaml(&old_deny).yaml(&near).log("shop/web-1-a", "c", &[TIMEOUT]).only_finding(SIGNATURES);
    assert_eq!(finding.target.name, "orders-allow");
    assert!(finding.summary.contains("app=frontend") && finding.summary.contains("has web"), "{}", finding.summary);
}

#[test]
fn a_rule_with_the_service_port_instead_of_the_pod_port_blocks() {
    let policy =
        allow("app: orders", "ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80}]}]");
    let finding = shop().yaml(&policy).log("shop/web-1-a", "c", &[TIMEOUT]).only_finding(SIGNATURES);
    assert_eq!(hint(&finding, "PORT"), json!(8080));
    assert!(finding.summary.contains("admits 80/TCP"), "{}", finding.summary);
}

#[test]
fn egress_without_dns_is_a_dns_block() {
    let policy =
        allow("app: web", "policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: orders}}}]}]");
    let line = "2026-05-04T09:58:00Z dial tcp: lookup orders on 10.96.0.10:53: read udp 10.1.1.1:5->10.96.0.10:53: i/o timeout";
    let finding = shop().yaml(&policy).log("shop/web-1-a", "c", &[line]).only_finding(SIGNATURES);
    assert_eq!(
        (hint(&finding, "DIRECTION"), hint(&finding, "PORT"), hint(&finding, "PEER_SELECTOR")),
        (json!("egress"), json!(53), json!("k8s-app=kube-dns"))
    );
}

#[test]
fn an_unknown_name_that_should_be_known_is_a_dns_block() {
    let policy =
        allow("app: web", "policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: orders}}}]}]");
    let scene = |line: &str| shop().yaml(&policy).log("shop/web-1-a", "c", &[line]).findings(SIGNATURES).len();
    assert_eq!(scene("2026-05-04T09:58:00Z java.net.UnknownHostException: http://orders:80"), 1);
    assert_eq!(scene("2026-05-04T09:58:00Z java.net.UnknownHostException: http://order:80"), 0, "no such Service");
}

#[test]
fn egress_to_the_outside_needs_an_address_block() {
    let line = "2026-05-04T09:58:00Z dial tcp 198.51.100.7:443: i/o timeout";
    let only_inside = allow("app: web", "policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]");
    let world = allow("app: web", "policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]");
    let finding = shop().yaml(&only_inside).log("shop/web-1-a", "c", &[line]).only_finding(SIGNATURES);
    assert_eq!((hint(&finding, "DIRECTION"), hint(&finding, "PORT")), (json!("egress"), json!(443)));
    assert!(shop().yaml(&world).log("shop/web-1-a", "c", &[line]).findings(SIGNATURES).is_empty());
}

#[test]
fn a_timeout_without_an_address_falls_back_to_the_configuration() {
    let line = "2026-05-04T09:58:00Z java.net.SocketTimeoutException: connect timed out";
    let finding = shop().yaml(DEFAULT_DENY).log("shop/web-1-a", "c", &[line]).only_finding(SIGNATURES);
    assert!(finding.strength < 0.9);
    assert!(finding.evidence.iter().any(|evidence| evidence.source.to_string().contains("ORDERS_URL")));
}

#[test]
fn policies_that_do_not_block_are_left_alone() {
    let admits =
        allow("app: orders", "ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}]");
    let scene = |policy: &str, line: &str| {
        shop().yaml(DEFAULT_DENY).yaml(policy).log("shop/web-1-a", "c", &[line]).findings(SIGNATURES)
    };
    assert!(scene(&admits, TIMEOUT).is_empty(), "admitted by another policy");
    let elsewhere = DEFAULT_DENY.replace("default-deny, namespace: shop", "other, namespace: other");
    assert!(
        shop().yaml(&elsewhere).log("shop/web-1-a", "c", &[TIMEOUT]).findings(SIGNATURES).is_empty(),
        "other namespace"
    );
    let harmless = allow("app: other", "ingress: [{}]");
    for line in [
        "2026-05-04T07:00:00Z dial tcp 10.96.7.7:80: i/o timeout",
        "2026-05-04T09:58:00Z dial tcp 10.96.7.7:80: connect: connection refused",
        "2026-05-04T09:58:00Z GET http://orders/api 200",
    ] {
        assert!(scene(&harmless, line).is_empty(), "{line}");
    }
}
