use super::*;
use crate::analyser::testing::{Scene, scene};

const WORKLOAD: &str = r#"
{kind: Deployment, metadata: {name: web, namespace: shop, uid: d1}, spec: {replicas: 1}}
---
kind: ReplicaSet
metadata:
  {name: web-2, namespace: shop, uid: r2, creationTimestamp: "2026-05-04T08:00:00Z", annotations: {deployment.kubernetes.io/revision: "2"}, ownerReferences: [{kind: Deployment, name: web, uid: d1, controller: true}]}
spec: {template: {spec: {containers: [{name: web, image: "web:2", resources: {limits: {memory: LIMIT}}}]}}}
---
kind: ReplicaSet
metadata:
  {name: web-1, namespace: shop, uid: r1, creationTimestamp: "2026-04-01T08:00:00Z", annotations: {deployment.kubernetes.io/revision: "1"}, ownerReferences: [{kind: Deployment, name: web, uid: d1, controller: true}]}
spec: {template: {spec: {containers: [{name: web, image: "web:1", resources: {limits: {memory: BEFORE}}}]}}}
---
kind: Pod
metadata:
  {name: web-2-a, namespace: shop, uid: p1, ownerReferences: [{kind: ReplicaSet, name: web-2, uid: r2, controller: true}]}
spec: {nodeName: node-1, containers: [{name: web, image: "web:2", resources: {limits: {memory: LIMIT}}}]}
status:
  phase: Running
  containerStatuses: [{name: web, STATUS}]
"#;

const CRASHING: &str = r#"ready: false, restartCount: 7, state: {waiting: {reason: CrashLoopBackOff}},
    lastState: {terminated: {reason: OOMKilled, exitCode: 137, startedAt: "2026-05-04T09:50:00Z", finishedAt: "2026-05-04T09:55:00Z"}}"#;

fn workload(limit: &str, before: &str, status: &str) -> Scene {
    let text = WORKLOAD.replace("LIMIT", limit).replace("BEFORE", before).replace("STATUS", status);
    scene("Pod shop/web-2-a").yaml(&text)
}

/// A working set in MiB, one point a minute.
fn with_usage(scene: Scene, mebibytes: &[f64]) -> Scene {
    let bytes: Vec<f64> = mebibytes.iter().map(|value| value * 1024.0 * 1024.0).collect();
    scene.metric("container_memory_working_set_bytes", &[("namespace", "shop"), ("pod", "web-2-a")], &bytes)
}

fn ramp(from: f64, to: f64, points: u32) -> Vec<f64> {
    (0..points).map(|step| from + (to - from) * f64::from(step) / f64::from(points - 1)).collect()
}

#[test]
fn a_limit_that_is_too_small_is_doubled() {
    let finding = workload("256Mi", "256Mi", CRASHING).only_finding(SIGNATURES);
    assert_eq!(finding.cause_class, CauseClass::MemoryLimit);
    assert_eq!(finding.target.to_string(), "Deployment shop/web");
    assert_eq!(finding.action_type.as_deref(), Some("IncreaseMemoryLimits"));
    assert_eq!(finding.parameters["MEMORY_LIMIT_NEW"], "512Mi");
    assert_eq!(finding.parameters["CONTAINER_NAME"], "web");
    assert!(finding.evidence.iter().any(|evidence| evidence.source.to_string().contains("OOMKilled")));
}

#[test]
fn a_lowered_limit_goes_back_to_what_it_was() {
    let finding = workload("128Mi", "1Gi", CRASHING).only_finding(SIGNATURES);
    assert_eq!(finding.parameters["MEMORY_LIMIT_NEW"], "1Gi");
    assert!(finding.summary.contains("it was 1Gi before the last rollout"), "{}", finding.summary);
}

#[test]
fn steady_growth_is_a_leak_and_a_sudden_rise_is_not() {
    let leak = with_usage(workload("512Mi", "512Mi", CRASHING), &ramp(100.0, 505.0, 90)).only_finding(SIGNATURES);
    assert_eq!((leak.cause_class, leak.action_type.as_deref()), (CauseClass::MemoryLeak, Some("RollbackDeployment")));
    assert!(leak.summary.contains("from 100.0 MiB to 505.0 MiB"), "{}", leak.summary);

    let mut sudden = vec![100.0; 80];
    sudden.extend([150.0, 300.0, 505.0]);
    let breathing: Vec<f64> = (0..90).map(|step| 300.0 + 200.0 * f64::from(step % 2)).collect();
    for series in [sudden, breathing, ramp(100.0, 505.0, 20), ramp(400.0, 505.0, 90)] {
        let load = with_usage(workload("512Mi", "512Mi", CRASHING), &series).only_finding(SIGNATURES);
        assert_eq!(load.cause_class, CauseClass::MemoryLimit, "{series:?}");
    }
}

#[test]
fn an_old_revision_that_leaks_is_for_a_person() {
    let scene = workload("512Mi", "512Mi", CRASHING);
    let scene = with_usage(scene, &ramp(100.0, 505.0, 90)).yaml(
        r#"
kind: ReplicaSet
metadata:
  {name: web-2, namespace: shop, uid: r2, creationTimestamp: "2026-03-04T08:00:00Z", annotations: {deployment.kubernetes.io/revision: "2"}, ownerReferences: [{kind: Deployment, name: web, uid: d1, controller: true}]}
spec: {template: {spec: {containers: [{name: web, image: "web:2"}]}}}
"#,
    );
    let finding = scene.only_finding(SIGNATURES);
    assert_eq!((finding.action_type, finding.disposition), (None, Disposition::Escalate));
}

#[test]
fn without_a_limit_the_node_ran_out() {
    let text = WORKLOAD.replace("memory: LIMIT", "").replace("memory: BEFORE", "").replace("STATUS", CRASHING);
    let finding = scene("Pod shop/web-2-a").yaml(&text).only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.action_type), (CauseClass::NodePressure, None));
    assert!(finding.summary.contains("node-1"), "{}", finding.summary);
}

#[test]
fn kills_that_are_over_and_other_ends_are_left_alone() {
    let over = r#"ready: true, restartCount: 1, state: {running: {startedAt: "2026-05-04T09:00:00Z"}},
        lastState: {terminated: {reason: OOMKilled, exitCode: 137, startedAt: "2026-05-04T08:50:00Z", finishedAt: "2026-05-04T08:59:00Z"}}"#;
    let killed_by_probe = CRASHING.replace("OOMKilled", "Error");
    let long_ago = CRASHING.replace("2026-05-04T09", "2026-05-03T09");
    for status in [over, &killed_by_probe, &long_ago, "ready: true, restartCount: 0, state: {running: {}}"] {
        assert_eq!(workload("256Mi", "256Mi", status).findings(SIGNATURES), [], "{status}");
    }
}
