use super::*;
use crate::analyser::testing::{Scene, scene};

/// Three workers of 4 CPU and 16Gi, one with an SSD, and a control plane.
fn cluster() -> Scene {
    ["n1", "n2", "n3"].iter().fold(
        scene("Pod shop/web-1").yaml(
            "
kind: Node
metadata: {name: cp, labels: {role: control-plane}}
spec: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]}
status: {allocatable: {cpu: '4', memory: 16Gi, pods: '110'}, conditions: [{type: Ready, status: 'True'}]}
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: web, namespace: shop, uid: d}
spec: {template: {spec: {}}}
---
kind: ReplicaSet
metadata:
  {name: web-b, namespace: shop, uid: rs, annotations: {deployment.kubernetes.io/revision: '2'},
   ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true}]}
spec: {template: {spec: {containers: [{name: app}]}}}
",
        ),
        |scene, name| scene.yaml(&node(name, "{}", "")),
    )
}

fn node(name: &str, labels: &str, spec: &str) -> String {
    format!(
        "
kind: Node
metadata: {{name: {name}, labels: {labels}}}
spec: {{{spec}}}
status: {{allocatable: {{cpu: '4', memory: 16Gi, pods: '110'}}, conditions: [{{type: Ready, status: 'True'}}]}}"
    )
}

fn pending(spec: &str, message: &str) -> String {
    format!(
        "
kind: Pod
metadata:
  {{name: web-1, namespace: shop, creationTimestamp: '2026-05-04T09:40:00Z', labels: {{app: web}},
   ownerReferences: [{{kind: ReplicaSet, name: web-b, uid: rs, controller: true}}]}}
spec: {{{spec}}}
status:
  phase: Pending
  conditions: [{{type: PodScheduled, status: 'False', reason: Unschedulable, message: '{message}'}}]"
    )
}

/// Fills every worker with a pod that asks for `cpu`.
fn filled(scene: Scene, cpu: &str) -> Scene {
    ["n1", "n2", "n3"].iter().fold(scene, |scene, name| {
        scene.yaml(&format!(
            "
kind: Pod
metadata: {{name: filler-{name}, namespace: other}}
spec: {{nodeName: {name}, containers: [{{resources: {{requests: {{cpu: '{cpu}'}}}}}}]}}
status: {{phase: Running}}"
        ))
    })
}

const SMALL: &str = "containers: [{name: app, resources: {requests: {cpu: '1', memory: 1Gi}}}]";

fn told(finding: &Finding) -> (CauseClass, String, Option<&str>, Disposition) {
    (finding.cause_class, finding.target.to_string(), finding.action_type.as_deref(), finding.disposition)
}

fn parameter<'a>(finding: &'a Finding, name: &str) -> &'a str {
    finding.parameters.get(name).and_then(serde_json::Value::as_str).unwrap_or_default()
}

#[test]
fn a_selector_no_node_meets_is_a_constraint_of_the_workload() {
    let finding = cluster()
        .yaml(&node("n4", "{disktype: ssd}", ""))
        .yaml(&pending(
            &format!("nodeSelector: {{disktype: sdd}}, {SMALL}"),
            "0/5 nodes are available: 4 node(s) didn''t match Pod''s node affinity/selector.",
        ))
        .only_finding(SIGNATURES);
    let expected = (
        CauseClass::SchedulingConstraint,
        "Deployment shop/web".to_owned(),
        Some("FixSchedulingConstraints"),
        Disposition::Act,
    );
    assert_eq!(told(&finding), expected);
    assert_eq!(
        (parameter(&finding, "CONSTRAINT_TYPE"), parameter(&finding, "CONSTRAINT_KEY")),
        ("nodeSelector", "disktype")
    );
    assert!(finding.summary.contains("perhaps ssd was meant"), "{}", finding.summary);
    assert!(finding.affects.iter().any(|affected| affected.name == "web-1"));
}

#[test]
fn a_taint_nothing_tolerates_is_removed_and_one_that_is_used_is_not() {
    let message = "0/4 nodes are available: 3 Insufficient cpu, 1 node(s) had untolerated taint {maintenance: true}.";
    let tainted = node("n4", "{}", "taints: [{key: maintenance, value: 'true', effect: NoSchedule}]");
    let scene = || filled(cluster(), "4").yaml(&tainted).yaml(&pending(SMALL, message));
    let finding = scene().only_finding(SIGNATURES);
    assert_eq!(
        told(&finding),
        (CauseClass::SchedulingConstraint, "Node n4".to_owned(), Some("RemoveTaint"), Disposition::Act)
    );
    assert_eq!((parameter(&finding, "TAINT_KEY"), parameter(&finding, "TAINT_EFFECT")), ("maintenance", "NoSchedule"));
    let used = scene().yaml(
        "
kind: Pod
metadata: {name: tolerant, namespace: other}
spec: {nodeName: n4, containers: [], tolerations: [{key: maintenance, operator: Exists}]}
status: {phase: Running}",
    );
    let finding = used.only_finding(SIGNATURES);
    assert_eq!((finding.action_type, finding.disposition), (None, Disposition::Escalate));
}

#[test]
fn a_pod_that_must_run_on_a_reserved_pool_needs_the_toleration() {
    let pool = node("n4", "{pool: gpu}", "taints: [{key: pool, value: gpu, effect: NoSchedule}]");
    let finding = cluster()
        .yaml(&pool)
        .yaml(&pending(&format!("nodeSelector: {{pool: gpu}}, {SMALL}"), "0/5 nodes are available: 1 node(s) had untolerated taint {pool: gpu}, 4 node(s) didn''t match Pod''s node affinity/selector."))
        .only_finding(SIGNATURES);
    assert_eq!(finding.action_type.as_deref(), Some("FixSchedulingConstraints"));
    assert_eq!((parameter(&finding, "CONSTRAINT_TYPE"), parameter(&finding, "CONSTRAINT_KEY")), ("toleration", "pool"));
}

#[test]
fn a_request_beyond_every_node_is_reduced_to_what_the_last_revision_asked() {
    let finding = cluster()
        .yaml(
            "
kind: ReplicaSet
metadata:
  {name: web-a, namespace: shop, uid: rs0, annotations: {deployment.kubernetes.io/revision: '1'},
   ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true}]}
spec: {template: {spec: {containers: [{name: app, resources: {requests: {memory: 640Mi}}}]}}}",
        )
        .yaml(&pending(
            "containers: [{name: app, resources: {requests: {memory: 64Gi}}}]",
            "0/4 nodes are available: 4 Insufficient memory.",
        ))
        .only_finding(SIGNATURES);
    assert_eq!(finding.action_type.as_deref(), Some("ReduceResourceRequests"));
    assert_eq!((parameter(&finding, "CONTAINER_NAME"), parameter(&finding, "MEMORY_REQUEST_NEW")), ("app", "640Mi"));
    assert_eq!(finding.target.to_string(), "Deployment shop/web");
}

#[test]
fn without_a_history_the_request_is_reduced_to_what_is_free() {
    let finding = cluster()
        .yaml(&pending(
            "containers: [{name: app, resources: {requests: {cpu: '12'}}}]",
            "0/4 nodes are available: 4 Insufficient cpu.",
        ))
        .only_finding(SIGNATURES);
    assert_eq!(parameter(&finding, "CPU_REQUEST_NEW"), "3");
}

#[test]
fn a_cordoned_healthy_node_with_room_is_uncordoned() {
    let message = "0/5 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu.";
    let cordoned =
        node("n4", "{}", "unschedulable: true, taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]");
    let finding = filled(cluster(), "4").yaml(&cordoned).yaml(&pending(SMALL, message)).only_finding(SIGNATURES);
    assert_eq!(
        told(&finding),
        (CauseClass::InsufficientCapacity, "Node n4".to_owned(), Some("UncordonNode"), Disposition::Act)
    );
}

#[test]
fn a_full_cluster_is_for_people() {
    let message = "0/4 nodes are available: 3 Insufficient cpu, 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }.";
    let finding = filled(cluster(), "4").yaml(&pending(SMALL, message)).only_finding(SIGNATURES);
    assert_eq!(
        told(&finding),
        (CauseClass::InsufficientCapacity, "Deployment shop/web".to_owned(), None, Disposition::Escalate)
    );
    assert!(finding.strength > 0.8);
}

#[test]
fn a_scale_up_in_progress_is_left_alone() {
    let scene = filled(cluster(), "4").yaml(&pending(SMALL, "0/4 nodes are available: 4 Insufficient cpu.")).event(
        "Pod shop/web-1",
        "TriggeredScaleUp",
        "pod triggered scale-up: [{workers 3->4 (max: 6)}]",
        2,
    );
    assert_eq!(scene.only_finding(SIGNATURES).disposition, Disposition::NotActionable);
}

#[test]
fn anti_affinity_over_too_few_nodes_is_a_constraint() {
    let spec = format!(
        "{SMALL}, affinity: {{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{{topologyKey: kubernetes.io/hostname}}]}}}}"
    );
    let finding = cluster()
        .yaml(&pending(&spec, "0/4 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 3 node(s) didn''t match pod anti-affinity rules."))
        .only_finding(SIGNATURES);
    assert_eq!(
        (parameter(&finding, "CONSTRAINT_TYPE"), parameter(&finding, "CONSTRAINT_KEY")),
        ("affinity", "kubernetes.io/hostname")
    );
}

#[test]
fn pods_that_only_look_unschedulable_are_passed_over() {
    let unbound = pending(SMALL, "0/4 nodes are available: pod has unbound immediate PersistentVolumeClaims.");
    assert!(cluster().yaml(&unbound).findings(SIGNATURES).is_empty(), "unbound claim");
    let young = "
kind: Pod
metadata: {name: web-1, namespace: shop, creationTimestamp: '2026-05-04T09:59:30Z'}
spec: {containers: []}
status: {phase: Pending}";
    assert!(cluster().yaml(young).findings(SIGNATURES).is_empty(), "no word from the scheduler yet");
    let bound = pending(&format!("nodeName: n1, {SMALL}"), "0/4 nodes are available: 4 Insufficient cpu.");
    assert!(cluster().yaml(&bound).findings(SIGNATURES).is_empty(), "already bound");
}
