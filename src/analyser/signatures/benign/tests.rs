use super::*;
use crate::analyser::testing::{Scene, scene};

/// CronJob `report` with one Job whose status is given and that Job's pod in this phase.
fn report(signal: &str, job: &str, phase: &str) -> Scene {
    scene(signal).yaml(&format!(
        "
kind: CronJob
metadata: {{name: report, namespace: shop, uid: c}}
status: {{lastSuccessfulTime: 2026-05-04T09:10:00Z}}
---
kind: Job
metadata: {{name: report-1, namespace: shop, uid: j1, creationTimestamp: 2026-05-04T08:00:00Z, ownerReferences: [{{kind: CronJob, name: report, uid: c, controller: true}}]}}
status: {job}
---
kind: Pod
metadata: {{name: report-1-x, namespace: shop, ownerReferences: [{{kind: Job, name: report-1, uid: j1, controller: true}}]}}
spec: {{containers: [{{name: r}}]}}
status: {{phase: {phase}, conditions: [{{type: Ready, status: 'False', reason: PodCompleted}}], containerStatuses: [{{name: r, ready: false, state: {{terminated: {{exitCode: 0, reason: Completed}}}}}}]}}"
    ))
}

const COMPLETE: &str =
    "{succeeded: 1, failed: 1, completionTime: 2026-05-04T08:10:00Z, conditions: [{type: Complete, status: 'True'}]}";
const FAILED: &str = "{failed: 4, conditions: [{type: Failed, status: 'True', reason: BackoffLimitExceeded}]}";
const LATER: &str = "
kind: Job
metadata: {name: report-2, namespace: shop, uid: j2, creationTimestamp: 2026-05-04T09:00:00Z, ownerReferences: [{kind: CronJob, name: report, uid: c, controller: true}]}
status: {succeeded: 1, completionTime: 2026-05-04T09:10:00Z, conditions: [{type: Complete, status: 'True'}]}";

#[test]
fn a_pod_of_a_complete_job_is_finished_not_broken() {
    for phase in ["Succeeded", "Failed"] {
        let finding = report("Pod shop/report-1-x", COMPLETE, phase).only_finding(SIGNATURES);
        assert_eq!((finding.cause_class, finding.disposition), (CauseClass::Benign, Disposition::NotActionable));
        assert_eq!(finding.target.to_string(), "CronJob shop/report");
        assert!(finding.summary.contains("completed after one failed attempt 110 min ago"), "{}", finding.summary);
    }
    assert_eq!(report("Job shop/report-1", COMPLETE, "Failed").findings(SIGNATURES).len(), 1);
}

#[test]
fn a_pod_that_ended_well_is_finished_whatever_its_job_does() {
    let finding = report("Pod shop/report-1-x", "{active: 1}", "Succeeded").only_finding(SIGNATURES);
    assert!(finding.evidence.iter().any(|evidence| evidence.source.to_string().ends_with("exitCode = 0")));
}

#[test]
fn a_failed_job_is_a_record_once_a_later_run_succeeded() {
    let failed = |signal: &str| report(signal, FAILED, "Failed");
    for signal in ["Pod shop/report-1-x", "Job shop/report-1", "CronJob shop/report"] {
        assert!(failed(signal).findings(SIGNATURES).is_empty(), "{signal}: no later run");
        let finding = failed(signal).yaml(LATER).only_finding(SIGNATURES);
        assert!(finding.summary.contains("report-2"), "{}", finding.summary);
    }
}

#[test]
fn a_job_at_work_is_not_done() {
    assert!(report("Pod shop/report-1-x", "{active: 1, failed: 1}", "Failed").findings(SIGNATURES).is_empty());
    assert!(report("Job shop/report-1", "{active: 1}", "Running").findings(SIGNATURES).is_empty());
}

/// Deployment `web` with a pod that serves (or not) and an evicted one.
fn evicted(signal: &str, ready: &str, reason: &str) -> Scene {
    scene(signal).yaml(&format!(
        "
kind: Deployment
metadata: {{name: web, namespace: shop, uid: d}}
spec: {{replicas: 1}}
status: {{replicas: 1, readyReplicas: 1, updatedReplicas: 1}}
---
kind: Pod
metadata: {{name: web-1-a, namespace: shop, creationTimestamp: 2026-05-04T07:00:00Z, ownerReferences: [{{kind: Deployment, name: web, uid: d, controller: true}}]}}
spec: {{containers: [{{name: web}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: '{ready}'}}], containerStatuses: [{{name: web, ready: true, state: {{running: {{startedAt: 2026-05-04T07:00:00Z}}}}}}]}}
---
kind: Pod
metadata: {{name: web-1-b, namespace: shop, creationTimestamp: 2026-05-04T06:00:00Z, ownerReferences: [{{kind: Deployment, name: web, uid: d, controller: true}}]}}
spec: {{containers: [{{name: web}}]}}
status: {{phase: Failed, reason: {reason}, message: 'The node was low on resource: memory.'}}"
    ))
}

#[test]
fn an_evicted_pod_of_a_healthy_workload_is_a_leftover() {
    for signal in ["Pod shop/web-1-b", "Deployment shop/web"] {
        let finding = evicted(signal, "True", "Evicted").only_finding(SIGNATURES);
        assert_eq!((finding.cause_class, finding.target.name.as_str()), (CauseClass::Benign, "web"));
        assert!(finding.summary.contains("ended by Evicted"), "{}", finding.summary);
    }
}

#[test]
fn nothing_is_a_leftover_while_the_workload_suffers_or_of_its_own_failure() {
    assert!(evicted("Pod shop/web-1-b", "False", "Evicted").findings(SIGNATURES).is_empty());
    assert!(evicted("Pod shop/web-1-b", "True", "DeadlineExceeded").findings(SIGNATURES).is_empty());
    assert!(evicted("Pod shop/web-1-a", "True", "Evicted").findings(SIGNATURES).is_empty(), "the pod that serves");
}

#[test]
fn a_preempted_pod_was_replaced() {
    let event = ("Pod shop/web-1-gone", "Preempted", "Preempted by a pod on node n1", 40);
    let mut observed = evicted("Deployment shop/web", "True", "Completed").event(event.0, event.1, event.2, event.3).build();
    observed.incident.resource = crate::analyser::testing::reference("Pod shop/web-1-gone");
    let finding = &detect_leftovers(&observed)[0];
    assert!(finding.summary.contains("was removed (Preempted)"), "{}", finding.summary);
}
