use super::*;
use crate::analyser::testing::{Scene, scene};

fn web(ready: &str) -> Scene {
    scene("Pod shop/web-0").yaml(&format!(
        "
kind: StatefulSet
metadata: {{name: web, namespace: shop, uid: s}}
spec: {{replicas: 1}}
status: {{replicas: 1, readyReplicas: 1}}
---
kind: Pod
metadata: {{name: web-0, namespace: shop, creationTimestamp: 2026-05-03T09:00:00Z, ownerReferences: [{{kind: StatefulSet, name: web, uid: s, controller: true}}]}}
spec: {{containers: [{{name: web}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: '{ready}', lastTransitionTime: 2026-05-04T09:00:00Z}}], containerStatuses: [{{name: web, ready: true, restartCount: 0, state: {{running: {{startedAt: 2026-05-04T09:00:00Z}}}}}}]}}"
    ))
}

#[test]
fn a_workload_without_any_trouble_is_healthy() {
    let finding = web("True").only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.disposition), (CauseClass::Healthy, Disposition::Resolved));
    assert_eq!(finding.target.to_string(), "StatefulSet shop/web");
    assert!(finding.evidence.len() >= 2);
    assert!(finding.strength < 0.5, "the alert of this scene is not about the state of pods");
}

#[test]
fn an_alert_about_pods_is_answered_by_their_state() {
    let mut observed = web("True").build();
    observed.incident.signal_name = "KubePodNotReady".to_owned();
    assert!(detect(&observed)[0].strength >= 0.7);
}

#[test]
fn any_trouble_makes_it_something_else() {
    assert!(web("False").findings(SIGNATURES).is_empty(), "not ready");
    let warned = web("True").event("Pod shop/web-0", "Unhealthy", "Readiness probe failed", 50);
    assert!(warned.findings(SIGNATURES).is_empty(), "a warning, although old");
    for line in ["2026-05-04T09:50:00Z 12:00 ERROR cannot save order", "2026-05-04T09:50:00Z dial tcp: i/o timeout"] {
        assert!(web("True").log("shop/web-0", "web", &[line]).findings(SIGNATURES).is_empty(), "{line}");
    }
    assert!(scene("Pod shop/gone-0").findings(SIGNATURES).is_empty(), "nothing there");
}
