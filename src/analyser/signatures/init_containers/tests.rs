use super::*;
use crate::analyser::testing::{Scene, scene};

const WORKLOAD: &str = r#"
{kind: Deployment, metadata: {name: web, namespace: shop, uid: d1}, spec: {replicas: 1}}
---
kind: ReplicaSet
metadata:
  {name: web-2, namespace: shop, uid: r2, creationTimestamp: "STARTED", annotations: {deployment.kubernetes.io/revision: "2"}, ownerReferences: [{kind: Deployment, name: web, uid: d1, controller: true}]}
spec: {template: {spec: {containers: [{name: web, image: "web:2"}]}}}
---
kind: ReplicaSet
metadata:
  {name: web-1, namespace: shop, uid: r1, annotations: {deployment.kubernetes.io/revision: "1"}, ownerReferences: [{kind: Deployment, name: web, uid: d1, controller: true}]}
spec: {template: {spec: {containers: [{name: web, image: "web:1"}]}}}
---
kind: Pod
metadata:
  {name: web-2-a, namespace: shop, uid: p1, ownerReferences: [{kind: ReplicaSet, name: web-2, uid: r2, controller: true}]}
spec:
  initContainers: [{name: prepare, image: "web:2", command: [sh, -c, "until nc -z db 5432; do sleep 2; done"]}]
  containers: [{name: web, image: "web:2"}]
status:
  phase: Pending
  conditions: [{type: Initialized, status: "False"}]
  initContainerStatuses: [{name: prepare, STATUS}]
"#;

const FAILING: &str = r#"ready: false, restartCount: 5, state: {waiting: {reason: CrashLoopBackOff}},
    lastState: {terminated: {reason: Error, exitCode: 1, startedAt: "2026-05-04T09:50:00Z", finishedAt: "2026-05-04T09:55:00Z"}}"#;
const RUNNING: &str = r#"ready: false, restartCount: 0, state: {running: {startedAt: "2026-05-04T09:30:00Z"}}"#;
const LONG_AGO: &str = "2026-03-01T08:00:00Z";
const TODAY: &str = "2026-05-04T09:00:00Z";

fn workload(started: &str, status: &str) -> Scene {
    scene("Pod shop/web-2-a").yaml(&WORKLOAD.replace("STARTED", started).replace("STATUS", status))
}

#[test]
fn a_migration_that_fails_since_a_rollout_is_rolled_back() {
    let lines = ["applying 0042_add_column", "ERROR: column \"price\" already exists"];
    let finding = workload(TODAY, FAILING).log("shop/web-2-a", "prepare", &lines).only_finding(SIGNATURES);
    assert_eq!(finding.cause_class, CauseClass::InitFailure);
    assert_eq!(finding.action_type.as_deref(), Some("RollbackDeployment"));
    assert_eq!(finding.parameters["ROLLBACK_TO_REVISION"], 1);
    assert!(finding.summary.contains("already exists"), "{}", finding.summary);
    let old = workload(LONG_AGO, FAILING).log("shop/web-2-a", "prepare", &lines).only_finding(SIGNATURES);
    assert_eq!((old.action_type, old.disposition), (None, Disposition::Escalate));
}

#[test]
fn waiting_for_a_service_that_does_not_exist() {
    let finding = workload(LONG_AGO, RUNNING).only_finding(SIGNATURES);
    assert_eq!(finding.cause_class, CauseClass::DependencyUnavailable);
    assert_eq!(finding.target.to_string(), "Deployment shop/web");
    assert!(finding.summary.contains("waits for db since 30 min: there is no Service db"), "{}", finding.summary);
    let service = "{kind: Service, metadata: {name: db, namespace: shop}, spec: {selector: {app: db}}}";
    let finding = workload(LONG_AGO, RUNNING).yaml(service).only_finding(SIGNATURES);
    assert_eq!(finding.target.to_string(), "Service shop/db");
}

#[test]
fn init_containers_that_work_or_have_finished_are_left_alone() {
    let young = RUNNING.replace("09:30:00", "09:58:00");
    let done = r#"ready: true, restartCount: 0, state: {terminated: {exitCode: 0, reason: Completed}}"#;
    for status in [young.as_str(), done] {
        assert_eq!(workload(TODAY, status).findings(SIGNATURES), [], "{status}");
    }
}
