use super::*;
use crate::analyser::testing::{Scene, scene};

fn node(name: &str, conditions: &str) -> String {
    format!(
        "
kind: Node
metadata: {{name: {name}, creationTimestamp: '2026-01-01T00:00:00Z'}}
status: {{conditions: [{conditions}]}}"
    )
}

const READY: &str = "{type: Ready, status: 'True', lastTransitionTime: '2026-01-01T00:01:00Z'}";
const SILENT: &str = "{type: Ready, status: Unknown, reason: NodeStatusUnknown, message: Kubelet stopped posting node status., lastTransitionTime: '2026-05-04T09:48:00Z'}";

/// `n1` under test, two healthy nodes, and a pod of a Deployment on `n1`.
fn cluster(conditions: &str) -> Scene {
    scene("Node n1").yaml(&node("n1", conditions)).yaml(&node("n2", READY)).yaml(&node("n3", READY)).yaml(
        "
kind: Deployment
metadata: {name: web, namespace: shop, uid: d}
---
kind: ReplicaSet
metadata: {name: web-1, namespace: shop, uid: rs, ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true}]}
---
kind: Pod
metadata: {name: web-1-a, namespace: shop, ownerReferences: [{kind: ReplicaSet, name: web-1, uid: rs, controller: true}]}
spec: {nodeName: n1}
status: {phase: Running}",
    )
}

#[test]
fn a_silent_kubelet_is_a_lost_node() {
    let finding = cluster(SILENT).only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.action_type.as_deref()), (CauseClass::NodeFailure, Some("DrainNode")));
    assert_eq!(finding.target.to_string(), "Node n1");
    assert!(
        finding.summary.contains("12 min") && finding.summary.contains("Deployment shop/web"),
        "{}",
        finding.summary
    );
    for wanted in ["Pod shop/web-1-a", "Deployment shop/web"] {
        assert!(finding.affects.iter().any(|affected| affected.to_string() == wanted), "{wanted}");
    }
}

#[test]
fn when_most_nodes_are_lost_people_decide() {
    let scene = scene("Node n1").yaml(&node("n1", SILENT)).yaml(&node("n2", SILENT)).yaml(&node("n3", READY));
    let findings = scene.findings(SIGNATURES);
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().all(|finding| finding.disposition == Disposition::Escalate));
}

#[test]
fn pressure_is_relieved_by_its_kind() {
    for (kind, action) in
        [("DiskPressure", "CleanupNode"), ("MemoryPressure", "DrainNode"), ("PIDPressure", "DrainNode")]
    {
        let conditions = format!(
            "{READY}, {{type: {kind}, status: 'True', message: kubelet has pressure, lastTransitionTime: '2026-05-04T09:50:00Z'}}"
        );
        let finding = cluster(&conditions)
            .yaml(
                "
kind: Pod
metadata: {name: eaten, namespace: shop, creationTimestamp: '2026-05-04T09:00:00Z'}
spec: {nodeName: n1}
status: {phase: Failed, reason: Evicted, message: 'The node was low on resource: ephemeral-storage. Container cache was using 11Gi, request is 0, has larger consumption of ephemeral-storage. '}",
            )
            .only_finding(SIGNATURES);
        assert_eq!(
            (finding.cause_class, finding.action_type.as_deref()),
            (CauseClass::NodePressure, Some(action)),
            "{kind}"
        );
        assert!(finding.causal_chain.iter().any(|step| step.contains("was using 11Gi")), "{:?}", finding.causal_chain);
        assert!(finding.affects.iter().any(|affected| affected.name == "eaten"));
    }
}

#[test]
fn healthy_recovered_and_cordoned_nodes_ask_for_nothing() {
    assert!(cluster(READY).findings(SIGNATURES).is_empty(), "healthy");
    let back = READY.replace("2026-01-01T00:01", "2026-05-04T09:30");
    let finding = cluster(&back)
        .event("Node n1", "NodeNotReady", "Node n1 status is now: NodeNotReady", 40)
        .only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.disposition), (CauseClass::Recovered, Disposition::Resolved));
    let cordoned =
        scene("Node n1").yaml(&node("n1", READY).replace("status: {", "spec: {unschedulable: true}\nstatus: {"));
    assert_eq!(cordoned.only_finding(SIGNATURES).disposition, Disposition::NotActionable);
    let joining = node("n1", SILENT).replace("2026-01-01T00:00", "2026-05-04T09:59");
    assert!(scene("Node n1").yaml(&joining).findings(SIGNATURES).is_empty(), "joining");
}
