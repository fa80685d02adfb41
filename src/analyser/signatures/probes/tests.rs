use super::*;
use crate::analyser::testing::{Scene, scene};

const POD: &str = "shop/web-1";

/// A pod whose container has the probes and the status that are given in flow style.
fn pod(probes: &str, status: &str) -> Scene {
    let text = format!(
        r#"
kind: Pod
metadata: {{name: web-1, namespace: shop, uid: p1, creationTimestamp: "2026-05-04T09:00:00Z"}}
spec:
  containers:
    - name: web
      image: web:1
      ports: [{{name: http, containerPort: 8080}}, {{name: metrics, containerPort: 9090}}]
      {probes}
status:
  phase: Running
  conditions: [{{type: Ready, status: "False"}}]
  containerStatuses: [{{name: web, {status}}}]
"#
    );
    scene("Pod shop/web-1").yaml(&text)
}

const KILLED: &str = r#"ready: false, restartCount: 6, state: {waiting: {reason: CrashLoopBackOff}},
    lastState: {terminated: {exitCode: 137, reason: Error, startedAt: "2026-05-04T09:56:00Z", finishedAt: "2026-05-04T09:57:00Z"}}"#;
const NOT_READY: &str =
    r#"ready: false, restartCount: 0, state: {running: {startedAt: "2026-05-04T09:00:05Z"}}"#;
const REFUSED: &str = r#"probe failed: Get "http://10.0.0.7:8081/healthz": dial tcp 10.0.0.7:8081: connect: connection refused"#;

fn unhealthy(scene: Scene, kind: &str, what: &str) -> Scene {
    scene.event("Pod shop/web-1", "Unhealthy", &format!("{kind} {what}"), 2)
}

#[test]
fn a_liveness_probe_on_a_port_nobody_listens_on() {
    let scene = pod("livenessProbe: {httpGet: {path: /healthz, port: 8081}}", KILLED)
        .log(POD, "web", &["2026-05-04T09:56:02Z starting", "2026-05-04T09:56:03Z INFO listening on 0.0.0.0:8080"]);
    let finding = unhealthy(scene, "Liveness", REFUSED).only_finding(SIGNATURES);
    assert_eq!(finding.cause_class, CauseClass::ProbeMisconfigured);
    assert_eq!(finding.parameters["PROBE_PORT"], "8080");
    assert_eq!(finding.parameters["PROBE_TYPE"], "liveness");
    assert_eq!(finding.parameters["CONTAINER_NAME"], "web");
    assert!(finding.evidence.iter().any(|evidence| evidence.claim == "where the container listens"), "{finding:#?}");
}

#[test]
fn a_named_port_is_looked_up() {
    let scene = pod("readinessProbe: {tcpSocket: {port: metrics}}", NOT_READY).log(POD, "web", &["listening on :8080"]);
    let finding = unhealthy(scene, "Readiness", REFUSED).only_finding(SIGNATURES);
    assert!(finding.summary.contains("asks port 9090 while the container listens on 8080"), "{}", finding.summary);
}

#[test]
fn a_server_that_is_down_is_not_the_probes_fault() {
    let scene = pod("readinessProbe: {httpGet: {path: /, port: 8080}}", NOT_READY).log(POD, "web", &["listening on :8080"]);
    assert_eq!(unhealthy(scene, "Readiness", REFUSED).findings(SIGNATURES), []);
}

#[test]
fn a_path_that_is_not_served() {
    let probes = "livenessProbe: {httpGet: {path: /livez, port: http}}\n      readinessProbe: {httpGet: {path: /ready, port: http}}";
    let scene = pod(probes, NOT_READY).log(POD, "web", &["listening on :8080", "GET /ready 404 1ms"]);
    let scene = unhealthy(scene, "Readiness", "probe failed: HTTP probe failed with statuscode: 404");
    let finding = scene.only_finding(SIGNATURES);
    assert_eq!(finding.parameters["PROBE_PATH"], "/livez");
    assert!(finding.summary.contains("404 to /ready"), "{}", finding.summary);
}

#[test]
fn a_slow_start_is_cut_short() {
    let scene = pod("livenessProbe: {httpGet: {port: 8080}, initialDelaySeconds: 5, periodSeconds: 10}", KILLED);
    let what = r#"probe failed: Get "http://10.0.0.7:8080/": dial tcp 10.0.0.7:8080: connect: connection refused"#;
    let scene = unhealthy(scene, "Liveness", what);
    let finding = scene.only_finding(SIGNATURES);
    assert_eq!(finding.parameters["INITIAL_DELAY_SECONDS"], 120);
    // One that had come up and was killed later hangs instead.
    let long = KILLED.replace("09:56:00Z", "09:00:00Z");
    let scene = pod("livenessProbe: {httpGet: {port: 8080}, initialDelaySeconds: 5, periodSeconds: 10}", &long);
    assert_eq!(unhealthy(scene, "Liveness", what).findings(SIGNATURES), []);
}

#[test]
fn a_container_that_ends_by_itself_is_not_the_probes_fault() {
    for (ending, line) in [
        (KILLED.replace("exitCode: 137", "exitCode: 1"), "bye"),
        (KILLED.replace("reason: Error", "reason: OOMKilled"), "bye"),
        (KILLED.to_owned(), "panic: runtime error: nil map"),
    ] {
        let scene = pod("livenessProbe: {httpGet: {port: 8081}}", &ending).log(POD, "web", &["listening on :8080", line]);
        assert_eq!(unhealthy(scene, "Liveness", REFUSED).findings(SIGNATURES), [], "{ending} {line}");
    }
}

#[test]
fn what_is_well_again_is_no_finding() {
    let well = r#"ready: true, restartCount: 1, state: {running: {startedAt: "2026-05-04T06:00:00Z"}}"#;
    let scene = pod("livenessProbe: {httpGet: {port: 8081}}", well).log(POD, "web", &["listening on :8080"]);
    assert_eq!(unhealthy(scene, "Liveness", REFUSED).findings(SIGNATURES), []);
    let old = pod("livenessProbe: {httpGet: {port: 8081}}", KILLED).log(POD, "web", &["listening on :8080"]);
    let old = old.event("Pod shop/web-1", "Unhealthy", &format!("Liveness {REFUSED}"), 45);
    assert_eq!(old.findings(SIGNATURES), []);
}
