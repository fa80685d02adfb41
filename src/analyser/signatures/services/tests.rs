use super::*;
use crate::analyser::testing::{Scene, scene};
use crate::domain::{CauseClass, Disposition};

fn service(name: &str, spec: &str) -> String {
    format!("\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{{spec}}}")
}

fn workload(name: &str, labels: &str, replicas: u8, ready: &str, ports: &str) -> String {
    let pod = format!(
        "
---
kind: ReplicaSet
metadata: {{name: {name}-rs, namespace: shop, uid: {name}-rs, ownerReferences: [{{kind: Deployment, name: {name}, uid: {name}-d, controller: true}}]}}
---
kind: Pod
metadata: {{name: {name}-0, namespace: shop, labels: {{{labels}}}, ownerReferences: [{{kind: ReplicaSet, name: {name}-rs, uid: {name}-rs, controller: true}}]}}
spec: {{containers: [{{name: c, ports: [{ports}]}}]}}
status: {{phase: Running, podIP: 10.244.0.7, conditions: [{{type: Ready, status: '{ready}'}}]}}"
    );
    format!(
        "
kind: Deployment
metadata: {{name: {name}, namespace: shop, uid: {name}-d}}
spec: {{replicas: {replicas}, template: {{metadata: {{labels: {{{labels}}}}}}}}}{}",
        if replicas > 0 { pod } else { String::new() }
    )
}

fn client() -> &'static str {
    "
kind: Pod
metadata: {name: client-0, namespace: shop}
spec: {containers: [{name: c, env: [{name: U, value: 'http://orders:80'}]}]}
status: {phase: Running, conditions: [{type: Ready, status: 'True'}]}"
}

fn shop(orders: &str, pods: &str) -> Scene {
    scene("Service shop/orders").yaml(&service("orders", orders)).yaml(pods).yaml(client())
}

fn hints(finding: &Finding) -> Vec<String> {
    finding.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

const HTTP: &str = "{name: http, containerPort: 8080}";

#[test]
fn a_selector_that_misses_by_one_label_is_fixed() {
    for (selector, labels, expected) in [
        ("app: order", "app: orders", ["SELECTOR_KEY=\"app\"", "SELECTOR_VALUE=\"orders\""]),
        ("app: orders, version: v2", "app: orders, version: v1", ["SELECTOR_KEY=\"version\"", "SELECTOR_VALUE=\"v1\""]),
        (
            "app: orders",
            "app.kubernetes.io/name: orders",
            ["SELECTOR_KEY=\"app.kubernetes.io/name\"", "SELECTOR_VALUE=\"orders\""],
        ),
    ] {
        let spec = format!("selector: {{{selector}}}, ports: [{{port: 80, targetPort: 8080}}]");
        let finding = shop(&spec, &workload("orders", labels, 1, "True", HTTP)).only_finding(SIGNATURES);
        assert_eq!(finding.cause_class, CauseClass::ServiceSelector, "{selector}");
        assert_eq!(finding.action_type.as_deref(), Some("FixServiceSelector"));
        assert_eq!(hints(&finding), expected);
        assert!(finding.affects.iter().any(|affected| affected.name == "client-0"), "{:?}", finding.affects);
    }
}

#[test]
fn a_selector_with_a_label_too_many_is_for_people() {
    let spec = "selector: {app: orders, tier: backend}, ports: [{port: 80, targetPort: 8080}]";
    let finding = shop(spec, &workload("orders", "app: orders", 1, "True", HTTP)).only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.disposition), (CauseClass::ServiceSelector, Disposition::Escalate));
}

#[test]
fn services_without_endpoints_for_other_reasons_are_left_alone() {
    let spec = |selector: &str| format!("selector: {{{selector}}}, ports: [{{port: 80, targetPort: 8080}}]");
    let unready = workload("orders", "app: orders", 1, "False", HTTP);
    assert!(shop(&spec("app: orders"), &unready).findings(SIGNATURES).is_empty(), "pods exist and are not ready");
    let unrelated = workload("billing", "app: billing", 1, "True", HTTP);
    assert!(shop(&spec("app: orders"), &unrelated).findings(SIGNATURES).is_empty(), "nothing similar");
    let also_broken = workload("orders", "app: orders", 1, "False", HTTP);
    assert!(shop(&spec("app: order"), &also_broken).findings(SIGNATURES).is_empty(), "similar, but not healthy");
    let external = "type: ExternalName, externalName: db.example.com, selector: {app: order}";
    let healthy = workload("orders", "app: orders", 1, "True", HTTP);
    assert!(shop(external, &healthy).findings(SIGNATURES).is_empty(), "ExternalName");
    assert!(shop("clusterIP: None, ports: [{port: 80}]", &healthy).findings(SIGNATURES).is_empty(), "no selector");
}

#[test]
fn a_port_name_that_does_not_exist_is_decisive() {
    let spec = "selector: {app: orders}, ports: [{port: 80, targetPort: web}]";
    let finding = shop(spec, &workload("orders", "app: orders", 1, "True", HTTP)).only_finding(SIGNATURES);
    assert_eq!(
        (finding.cause_class, finding.action_type.as_deref()),
        (CauseClass::ServicePort, Some("FixServicePort"))
    );
    assert_eq!(hints(&finding), ["SERVICE_PORT=80", "TARGET_PORT_NEW=\"http\""]);
}

#[test]
fn a_port_number_nobody_listens_on_needs_a_witness() {
    let spec = "selector: {app: orders}, ports: [{port: 80, targetPort: 8000}]";
    let pods = workload("orders", "app: orders", 1, "True", HTTP);
    let refused = "2026-05-04T09:59:00Z dial tcp: connect http://orders:80/: connection refused";
    let finding = shop(spec, &pods).log("shop/client-0", "c", &[refused]).only_finding(SIGNATURES);
    assert_eq!(hints(&finding), ["SERVICE_PORT=80", "TARGET_PORT_NEW=\"8080\""]);
    assert!(finding.strength >= 0.9);
    let says = shop(spec, &pods).log("shop/orders-0", "c", &["server listening on :8080"]).only_finding(SIGNATURES);
    assert_eq!(hints(&says), ["SERVICE_PORT=80", "TARGET_PORT_NEW=\"8080\""]);
    assert!(shop(spec, &pods).only_finding(SIGNATURES).strength < 0.7, "the Service is the signal, nobody complains");
}

#[test]
fn the_server_may_listen_elsewhere_than_it_declares() {
    let spec = "selector: {app: orders}, ports: [{port: 80, targetPort: 8080}]";
    let pods = workload("orders", "app: orders", 1, "True", HTTP);
    let refused =
        "2026-05-04T09:59:00Z connect() failed (111: Connection refused) upstream: \"http://10.244.0.7:8080/\"";
    let scene = || shop(spec, &pods).log("shop/orders-0", "c", &["listening on 0.0.0.0:9000"]);
    let finding = scene().log("shop/client-0", "c", &[refused]).only_finding(SIGNATURES);
    assert_eq!(hints(&finding), ["SERVICE_PORT=80", "TARGET_PORT_NEW=\"9000\""]);
    assert!(scene().findings(SIGNATURES).is_empty(), "declared, and nobody complains");
}

#[test]
fn a_metrics_port_in_the_log_does_not_discredit_the_declared_one() {
    let spec = "selector: {app: orders}, ports: [{port: 80, targetPort: 8080}]";
    let ports = "{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}";
    let refused = "2026-05-04T09:59:00Z Get http://orders:80/: connect: connection refused";
    let scene = shop(spec, &workload("orders", "app: orders", 1, "True", ports))
        .log("shop/orders-0", "c", &["metrics server listening on :9090"])
        .log("shop/client-0", "c", &[refused]);
    assert!(scene.findings(SIGNATURES).is_empty());
}

#[test]
fn a_needed_workload_scaled_to_zero_is_scaled_back() {
    let spec = "selector: {app: orders}, ports: [{port: 80, targetPort: 8080}]";
    let pods = workload("orders", "app: orders", 0, "True", HTTP);
    let finding = shop(spec, &pods)
        .event("Deployment shop/orders", "ScalingReplicaSet", "Scaled down replica set orders-rs to 0 from 3", 20)
        .only_finding(SIGNATURES);
    assert_eq!(finding.target.to_string(), "Deployment shop/orders");
    assert_eq!(hints(&finding), ["REPLICAS=3"]);
}

#[test]
fn an_ingress_must_name_a_service_and_port_that_exist() {
    let ingress = |name: &str, port: u16| {
        format!(
            "
kind: Ingress
metadata: {{name: edge, namespace: shop}}
spec: {{rules: [{{http: {{paths: [{{backend: {{service: {{name: {name}, port: {{number: {port}}}}}}}}}]}}}}]}}"
        )
    };
    let spec = "selector: {app: orders}, ports: [{port: 80, targetPort: http}]";
    let scene = |ingress: &str| shop(spec, &workload("orders", "app: orders", 1, "True", HTTP)).yaml(ingress);
    assert!(scene(&ingress("orders", 80)).findings(SIGNATURES).is_empty());
    for (name, port, cause) in
        [("order", 80, CauseClass::MissingConfiguration), ("orders", 81, CauseClass::ServicePort)]
    {
        let finding = scene(&ingress(name, port)).only_finding(SIGNATURES);
        assert_eq!((finding.cause_class, finding.disposition), (cause, Disposition::Escalate));
    }
}
