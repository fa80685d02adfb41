use super::*;
use crate::analyser::testing::{Scene, scene};

/// Revision 1 serves with one pod; revision 2, `minutes` old, has one pod in the given state.
fn rollout(started: &str, condition: &str, status: &str) -> Scene {
    scene("Deployment shop/web").yaml(&format!(
        "
kind: Deployment
metadata: {{name: web, namespace: shop, uid: d}}
spec: {{replicas: 2}}
status: {{replicas: 2, updatedReplicas: 1, availableReplicas: 1, conditions: [{condition}]}}
---
kind: ReplicaSet
metadata: {{name: web-1, namespace: shop, uid: r1, creationTimestamp: 2026-04-01T00:00:00Z, annotations: {{deployment.kubernetes.io/revision: '1'}}, ownerReferences: [{{kind: Deployment, name: web, uid: d, controller: true}}]}}
spec: {{template: {{spec: {{containers: [{{name: c, image: 'web:1'}}]}}}}}}
---
kind: ReplicaSet
metadata: {{name: web-2, namespace: shop, uid: r2, creationTimestamp: {started}, annotations: {{deployment.kubernetes.io/revision: '2'}}, ownerReferences: [{{kind: Deployment, name: web, uid: d, controller: true}}]}}
spec: {{template: {{spec: {{containers: [{{name: c, image: 'web:2'}}]}}}}}}
---
kind: Pod
metadata: {{name: web-1-a, namespace: shop, creationTimestamp: 2026-04-01T00:00:00Z, ownerReferences: [{{kind: ReplicaSet, name: web-1, uid: r1, controller: true}}]}}
spec: {{containers: [{{name: c}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: 'True'}}], containerStatuses: [{{name: c, ready: true, state: {{running: {{startedAt: 2026-04-01T00:00:00Z}}}}}}]}}
---
kind: Pod
metadata: {{name: web-2-a, namespace: shop, creationTimestamp: {started}, ownerReferences: [{{kind: ReplicaSet, name: web-2, uid: r2, controller: true}}]}}
spec: {{containers: [{{name: c}}]}}
status: {{phase: Pending, conditions: [{{type: Ready, status: 'False'}}], containerStatuses: [{{name: c, ready: false, restartCount: 0, state: {{waiting: {{reason: {status}}}}}}}]}}"
    ))
}

const EXCEEDED: &str = "{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded, message: ReplicaSet web-2 has timed out progressing.}";
const PROGRESSING: &str =
    "{type: Progressing, status: 'True', reason: ReplicaSetUpdated, lastUpdateTime: 2026-05-04T09:58:00Z}";

#[test]
fn a_stuck_rollout_may_be_rolled_back_but_says_so_quietly() {
    let finding = rollout("2026-05-04T09:30:00Z", EXCEEDED, "CrashLoopBackOff").only_finding(SIGNATURES);
    assert_eq!(
        (finding.cause_class, finding.action_type.as_deref()),
        (CauseClass::RolloutFailed, Some("RollbackDeployment"))
    );
    assert_eq!(finding.parameters.get("ROLLBACK_TO_REVISION"), Some(&serde_json::json!(1)));
    assert!(finding.strength <= 0.5, "what keeps the pods down explains more");
    assert!(finding.summary.contains("image"), "{}", finding.summary);
}

#[test]
fn a_rollout_under_way_is_left_alone() {
    let finding = rollout("2026-05-04T09:58:00Z", PROGRESSING, "ContainerCreating").only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.disposition), (CauseClass::ChangeInProgress, Disposition::NotActionable));
    assert!(finding.affects.iter().any(|affected| affected.name == "web-2-a"));
}

#[test]
fn a_failing_or_stale_rollout_is_not_under_way() {
    let failing = rollout("2026-05-04T09:58:00Z", PROGRESSING, "ImagePullBackOff");
    assert!(failing.findings(SIGNATURES).is_empty());
    let stale = rollout("2026-05-04T08:00:00Z", &PROGRESSING.replace("T09:58", "T08:00"), "ContainerCreating");
    assert!(stale.findings(SIGNATURES).is_empty());
}

#[test]
fn a_complete_rollout_is_nothing() {
    let complete = "{kind: Deployment, metadata: {name: web, namespace: shop, uid: d}, spec: {replicas: 1}, status: {replicas: 1, updatedReplicas: 1, availableReplicas: 1}}";
    assert!(scene("Deployment shop/web").yaml(complete).findings(SIGNATURES).is_empty());
}

#[test]
fn a_set_that_waits_for_a_pod_of_the_past_needs_a_restart() {
    let finding = scene("StatefulSet shop/db")
        .yaml(
            "
kind: StatefulSet
metadata: {name: db, namespace: shop, uid: s}
spec: {replicas: 2}
status: {replicas: 2, readyReplicas: 1, updatedReplicas: 0, currentRevision: db-old, updateRevision: db-new}
---
kind: Pod
metadata: {name: db-1, namespace: shop, creationTimestamp: 2026-05-04T09:00:00Z, labels: {controller-revision-hash: db-bad}, ownerReferences: [{kind: StatefulSet, name: db, uid: s, controller: true}]}
spec: {containers: [{name: c}]}
status: {phase: Running, conditions: [{type: Ready, status: 'False'}], containerStatuses: [{name: c, ready: false, restartCount: 9, state: {waiting: {reason: CrashLoopBackOff}}}]}",
        )
        .only_finding(SIGNATURES);
    assert_eq!(
        (finding.action_type.as_deref(), finding.target.to_string().as_str()),
        (Some("RestartWorkload"), "StatefulSet shop/db")
    );
}

#[test]
fn a_set_that_breaks_long_after_its_rollout_is_not_a_stuck_one() {
    let set = |update: &str| {
        scene("StatefulSet shop/db").yaml(&format!(
            "
kind: StatefulSet
metadata: {{name: db, namespace: shop, uid: s}}
spec: {{replicas: 2}}
status: {{replicas: 2, readyReplicas: 1, updatedReplicas: 1, currentRevision: db-a, updateRevision: {update}}}
---
kind: ControllerRevision
metadata: {{name: {update}, namespace: shop, uid: c, creationTimestamp: 2026-05-01T00:00:00Z, ownerReferences: [{{kind: StatefulSet, name: db, uid: s, controller: true}}]}}
revision: 2
data: {{spec: {{template: {{spec: {{}}}}}}}}
---
kind: Pod
metadata: {{name: db-1, namespace: shop, creationTimestamp: 2026-05-04T09:00:00Z, labels: {{controller-revision-hash: {update}}}, ownerReferences: [{{kind: StatefulSet, name: db, uid: s, controller: true}}]}}
spec: {{containers: [{{name: c}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: 'False'}}]}}"
        ))
    };
    assert!(set("db-a").findings(SIGNATURES).is_empty(), "one revision");
    assert_eq!(set("db-b").only_finding(SIGNATURES).cause_class, CauseClass::RolloutFailed);
}
