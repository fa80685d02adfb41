use super::*;
use crate::analyser::testing::{Scene, incident, reference, scene};

/// Deployment `web` with two pods; the second one has this status.
fn web(deployment: &str, second: &str) -> Scene {
    let pod = |name: &str, status: &str| {
        format!(
            "
---
kind: Pod
metadata: {{name: {name}, namespace: shop, creationTimestamp: 2026-05-04T04:00:00Z, ownerReferences: [{{kind: ReplicaSet, name: web-1, uid: rs, controller: true}}]}}
spec: {{containers: [{{name: web}}]}}
status: {status}"
        )
    };
    scene("Deployment shop/web").yaml(&format!(
        "
kind: Deployment
metadata: {{name: web, namespace: shop, uid: d}}
spec: {{replicas: 2}}
status: {deployment}
---
kind: ReplicaSet
metadata: {{name: web-1, namespace: shop, uid: rs, ownerReferences: [{{kind: Deployment, name: web, uid: d, controller: true}}]}}
{}{}",
        pod("web-1-a", &running("ready: true, restartCount: 0")),
        pod("web-1-b", second)
    ))
}

fn running(container: &str) -> String {
    format!(
        "{{phase: Running, conditions: [{{type: Ready, status: 'True', lastTransitionTime: 2026-05-04T04:00:10Z}}], containerStatuses: [{{name: web, {container}, state: {{running: {{startedAt: 2026-05-04T09:00:00Z}}}}}}]}}"
    )
}

const FULL: &str = "{replicas: 2, readyReplicas: 2, updatedReplicas: 2}";

fn is_well(deployment: &str, second: &str) -> bool {
    let observed = web(deployment, second).build();
    Standing::of(&observed).unwrap().is_well(&observed)
}

#[test]
fn a_workload_is_well_when_it_has_all_it_wants() {
    let ready = running("ready: true, restartCount: 0");
    assert!(is_well(FULL, &ready));
    assert!(!is_well("{replicas: 2, readyReplicas: 1, updatedReplicas: 2}", &ready), "one pod short");
    assert!(!is_well("{replicas: 2, readyReplicas: 2, updatedReplicas: 1}", &ready), "amid a rollout");
    let stuck = FULL.replace('}', ", conditions: [{type: Progressing, status: 'False'}]}");
    assert!(!is_well(&stuck, &ready), "a rollout that failed");
}

#[test]
fn one_broken_pod_is_enough_not_to_be_well() {
    let waiting = "{phase: Running, conditions: [{type: Ready, status: 'False'}], containerStatuses: [{name: web, ready: false, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}}]}";
    assert!(!is_well(FULL, waiting));
    let just_ready = running("ready: true, restartCount: 0").replace("04:00:10", "09:59:30");
    assert!(!is_well(FULL, &just_ready), "ready for half a minute");
}

#[test]
fn restarts_at_short_intervals_are_a_pattern() {
    // Six hours old; the present instance runs for an hour.
    let restarted = |count: u32| running(&format!("ready: true, restartCount: {count}"));
    assert!(is_well(FULL, &restarted(2)));
    assert!(!is_well(FULL, &restarted(5)), "every 72 minutes");
    assert!(is_well(FULL, &restarted(30)), "a burst that ended");
}

#[test]
fn finished_and_terminating_pods_do_not_count() {
    let observed = web(&FULL.replace('2', "1"), "{phase: Failed, reason: Evicted}").build();
    let standing = Standing::of(&observed).unwrap();
    assert_eq!((standing.live.len(), standing.finished.len()), (1, 1));
}

#[test]
fn alerts_about_latency_are_not_answered_by_pod_states() {
    for (name, about_pods) in [
        ("KubePodCrashLooping", true),
        ("KubePodNotReady", true),
        ("OOMKilled", true),
        ("KubeDeploymentReplicasMismatch", true),
        ("HighRequestLatency", false),
        ("HTTPErrorRateHigh", false),
    ] {
        let mut incident = incident(reference("Pod shop/web"));
        incident.signal_name = name.to_owned();
        assert_eq!(is_about_pod_state(&incident), about_pods, "{name}");
    }
}
