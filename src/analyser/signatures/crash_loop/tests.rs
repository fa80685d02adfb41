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
spec: {containers: [{name: web, image: "web:2"}]}
status:
  phase: Running
  containerStatuses: [{name: web, STATUS}]
"#;

const CRASHING: &str = r#"ready: false, restartCount: 5, state: {waiting: {reason: CrashLoopBackOff}},
    lastState: {terminated: {reason: Error, exitCode: 1, startedAt: "2026-05-04T09:50:00Z", finishedAt: "2026-05-04T09:55:00Z"}}"#;
const LONG_AGO: &str = "2026-03-01T08:00:00Z";
const TODAY: &str = "2026-05-04T09:00:00Z";

fn workload(started: &str, status: &str) -> Scene {
    scene("Pod shop/web-2-a").yaml(&WORKLOAD.replace("STARTED", started).replace("STATUS", status))
}

#[test]
fn a_rejected_configuration_after_a_rollout_is_rolled_back() {
    let lines = ["INFO starting", "ERROR invalid configuration: TIMEOUT=90 sec", "exiting with status 1"];
    let finding = workload(TODAY, CRASHING).log("shop/web-2-a", "web", &lines).only_finding(SIGNATURES);
    assert_eq!(finding.cause_class, CauseClass::ApplicationConfig);
    assert_eq!(finding.action_type.as_deref(), Some("RollbackDeployment"));
    assert_eq!(finding.parameters["ROLLBACK_TO_REVISION"], 1);
    assert!(finding.summary.contains("revision 2 was rolled out 60 min ago"), "{}", finding.summary);
    assert!(finding.evidence.iter().any(|evidence| evidence.source.to_string().contains("TIMEOUT=90 sec")));
}

#[test]
fn an_old_revision_is_not_blamed() {
    let lines = ["panic: runtime error: index out of range [3]", "goroutine 1 [running]:"];
    let finding = workload(LONG_AGO, CRASHING).log("shop/web-2-a", "web", &lines).only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.action_type), (CauseClass::ApplicationError, None));
    assert_eq!(finding.disposition, Disposition::Escalate);
    assert!(finding.summary.contains("index out of range"), "{}", finding.summary);
}

#[test]
fn a_dependency_is_found_behind_its_service() {
    let database = r#"
{kind: Service, metadata: {name: db, namespace: shop}, spec: {selector: {app: db}}}
---
{kind: StatefulSet, metadata: {name: db, namespace: shop, uid: s1}, spec: {replicas: 1}}
---
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {app: db}, ownerReferences: [{kind: StatefulSet, name: db, uid: s1, controller: true}]}
spec: {containers: [{name: db}]}
status: {phase: Running, containerStatuses: [{name: db, ready: true, restartCount: 0, state: {running: {}}}]}
"#;
    let lines = ["FATAL could not connect to db.shop.svc:5432: connection refused"];
    let finding = workload(LONG_AGO, CRASHING).yaml(database).log("shop/web-2-a", "web", &lines).only_finding(SIGNATURES);
    assert_eq!(finding.cause_class, CauseClass::DependencyUnavailable);
    assert_eq!(finding.target.to_string(), "StatefulSet shop/db");
    let outside = ["FATAL could not connect to db.vendor.example:5432: connection refused"];
    let finding = workload(TODAY, CRASHING).log("shop/web-2-a", "web", &outside).only_finding(SIGNATURES);
    assert_eq!(finding.target.to_string(), "Deployment shop/web");
}

#[test]
fn without_last_words_the_exit_code_speaks() {
    let finding = workload(LONG_AGO, CRASHING).only_finding(SIGNATURES);
    assert!(finding.summary.contains("its log does not tell why"), "{}", finding.summary);
    let no_command = CRASHING.replace("exitCode: 1,", "exitCode: 127,");
    let finding = workload(LONG_AGO, &no_command).only_finding(SIGNATURES);
    assert_eq!(finding.cause_class, CauseClass::ApplicationConfig);
    let ends_well = CRASHING.replace("exitCode: 1,", "exitCode: 0,");
    let finding = workload(LONG_AGO, &ends_well).only_finding(SIGNATURES);
    assert!(finding.causal_chain.iter().any(|link| link.contains("should keep running")), "{finding:#?}");
}

#[test]
fn ends_that_are_over_or_not_its_own_doing_are_left_alone() {
    let over = r#"ready: true, restartCount: 1, state: {running: {startedAt: "2026-05-04T09:00:00Z"}},
        lastState: {terminated: {reason: Error, exitCode: 1, startedAt: "2026-05-04T08:50:00Z", finishedAt: "2026-05-04T08:59:00Z"}}"#;
    let out_of_memory = CRASHING.replace("reason: Error, exitCode: 1", "reason: OOMKilled, exitCode: 137");
    let completed = CRASHING.replace("reason: Error, exitCode: 1", "reason: Completed, exitCode: 0").replace("restartCount: 5", "restartCount: 1");
    for status in [over, &out_of_memory, &completed, "ready: true, restartCount: 0, state: {running: {}}"] {
        assert_eq!(workload(TODAY, status).findings(SIGNATURES), [], "{status}");
    }
    let killed = CRASHING.replace("exitCode: 1", "exitCode: 137");
    let probe = workload(TODAY, &killed).event(
        "Pod shop/web-2-a",
        "Killing",
        "Container web failed liveness probe, will be restarted",
        3,
    );
    assert_eq!(probe.findings(SIGNATURES), []);
}
