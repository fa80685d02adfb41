use super::*;
use crate::analyser::testing::{Scene, scene};

/// Deployment `web` with one pod, ready since 09:22, whose container has this status.
fn web(signal: &str, container: &str) -> Scene {
    scene(signal).yaml(&format!(
        "
kind: Deployment
metadata: {{name: web, namespace: shop, uid: d}}
spec: {{replicas: 1}}
status: {{replicas: 1, readyReplicas: 1, updatedReplicas: 1}}
---
kind: ReplicaSet
metadata: {{name: web-1a2, namespace: shop, uid: rs, ownerReferences: [{{kind: Deployment, name: web, uid: d, controller: true}}]}}
---
kind: Pod
metadata: {{name: web-1a2-aaaaa, namespace: shop, creationTimestamp: 2026-05-03T09:00:00Z, ownerReferences: [{{kind: ReplicaSet, name: web-1a2, uid: rs, controller: true}}]}}
spec: {{containers: [{{name: web}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: 'True', lastTransitionTime: 2026-05-04T09:22:00Z}}], containerStatuses: [{{name: web, ready: true, {container}}}]}}"
    ))
}

const KILLED: &str = "restartCount: 1, state: {running: {startedAt: 2026-05-04T09:21:00Z}}, lastState: {terminated: {reason: OOMKilled, exitCode: 137, startedAt: 2026-05-04T09:18:00Z, finishedAt: 2026-05-04T09:20:30Z}}";
const STEADY: &str = "restartCount: 0, state: {running: {startedAt: 2026-05-04T09:21:00Z}}";
const POD: &str = "Pod shop/web-1a2-aaaaa";

#[test]
fn a_container_that_was_killed_once_and_runs_since_has_recovered() {
    for signal in [POD, "Deployment shop/web"] {
        let finding = web(signal, KILLED).only_finding(SIGNATURES);
        assert_eq!(
            (finding.cause_class, finding.disposition, finding.action_type.as_deref()),
            (CauseClass::Recovered, Disposition::Resolved, None)
        );
        assert_eq!(finding.target.to_string(), "Deployment shop/web");
        assert!(finding.summary.contains("ended with OOMKilled (exit 137) 39 min ago"), "{}", finding.summary);
        let sources: Vec<String> = finding.evidence.iter().map(|evidence| evidence.source.to_string()).collect();
        for part in ["lastState.terminated.reason = OOMKilled", "restartCount = 1", "readyReplicas = 1"] {
            assert!(sources.iter().any(|source| source.contains(part)), "{part}: {sources:#?}");
        }
    }
}

#[test]
fn a_recent_or_recurring_crash_is_not_over() {
    let recent = KILLED.replace("09:2", "09:5");
    assert!(web(POD, &recent).findings(SIGNATURES).is_empty(), "eight minutes ago");
    let recurring = KILLED.replace("restartCount: 1", "restartCount: 20");
    assert!(web(POD, &recurring).findings(SIGNATURES).is_empty(), "every 75 minutes");
}

#[test]
fn probe_warnings_of_the_start_are_over_once_the_pod_is_ready() {
    let finding = web(POD, STEADY).event(POD, "Unhealthy", "Readiness probe failed: 503", 39).only_finding(SIGNATURES);
    assert!(finding.summary.contains("Unhealthy"), "{}", finding.summary);
    let goes_on = web(POD, STEADY).event(POD, "Unhealthy", "Readiness probe failed: 503", 3);
    assert!(goes_on.findings(SIGNATURES).is_empty(), "it still fails now and then");
}

#[test]
fn a_pod_that_was_replaced_is_remembered_by_its_events() {
    let scene = web("Deployment shop/web", STEADY).event("Pod shop/web-1a2-bbbbb", "BackOff", "Back-off restarting", 45);
    assert_eq!(scene.only_finding(SIGNATURES).cause_class, CauseClass::Recovered);
    let other = web("Deployment shop/web", STEADY).event("Pod shop/web-cache-1b2-bbbbb", "BackOff", "Back-off", 45);
    assert!(other.findings(SIGNATURES).is_empty(), "another workload's pod");
}

#[test]
fn another_pod_that_still_fails_keeps_the_case_open() {
    let scene = web(POD, KILLED).yaml(
        "
kind: Pod
metadata: {name: web-1a2-ccccc, namespace: shop, creationTimestamp: 2026-05-03T09:00:00Z, ownerReferences: [{kind: ReplicaSet, name: web-1a2, uid: rs, controller: true}]}
spec: {containers: [{name: web}]}
status: {phase: Running, conditions: [{type: Ready, status: 'False'}], containerStatuses: [{name: web, ready: false, restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}}]}",
    );
    assert!(scene.findings(SIGNATURES).is_empty());
}

#[test]
fn failed_connections_followed_by_quiet_are_over() {
    let failed = "2026-05-04T09:30:00Z dial tcp 10.0.0.9:5432: connect: connection refused";
    let quiet = ["2026-05-04T09:31:00Z ready", "2026-05-04T09:40:00Z served", "2026-05-04T09:50:00Z served"];
    let log = |lines: &[&str]| web("Deployment shop/web", STEADY).log("shop/web-1a2-aaaaa", "web", lines);
    let over = log(&[&[failed], quiet.as_slice()].concat());
    let source = over.only_finding(SIGNATURES).evidence[0].source.to_string();
    assert!(source.ends_with("line 1: dial tcp 10.0.0.9:5432: connect: connection refused"), "{source}");
    let again = failed.replace("09:30", "09:55");
    let goes_on = log(&[&[failed], quiet.as_slice(), &[again.as_str()]].concat());
    assert!(goes_on.findings(SIGNATURES).is_empty());
    assert!(log(&quiet).findings(SIGNATURES).is_empty(), "nothing ever happened");
}

#[test]
fn generated_names() {
    for (rest, generated) in [
        ("7d4b9c-x2x5z", true),
        ("x2x5z", true),
        ("0", true),
        ("cache-1b2-bbbbb", false),
        ("worker", false),
        ("worker-abcde", false),
    ] {
        assert_eq!(is_generated(rest), generated, "{rest}");
    }
}
