use super::*;
use crate::analyser::draft::draft;
use crate::analyser::testing::{reference, scene};

const TWO_WORKLOADS: &str = "
kind: Deployment
metadata: {name: web, namespace: shop, uid: d}
spec: {replicas: 1}
---
kind: Pod
metadata: {name: web-a, namespace: shop, ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true}]}
spec: {nodeName: n1, containers: [{name: c, env: [{name: DB_URL, value: 'postgres://db:5432'}]}]}
status: {phase: Running, conditions: [{type: Ready, status: 'False'}]}
---
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}}
---
kind: StatefulSet
metadata: {name: db, namespace: shop, uid: s}
---
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {app: db}, ownerReferences: [{kind: StatefulSet, name: db, uid: s, controller: true}]}
---
kind: Pod
metadata: {name: other, namespace: shop}
---
kind: Node
metadata: {name: n1}
";

fn finding(class: CauseClass, subject: &str, target: &str, strength: f64) -> Finding {
    Finding { strength, ..draft("test", class, &reference(subject), reference(target)) }
}

fn order_of(yaml: &str, findings: Vec<Finding>) -> Vec<(CauseClass, bool)> {
    let observed = scene("Deployment shop/web").yaml(yaml).build();
    let ranked = rank(&observed, findings);
    ranked.iter().map(|ranked| (ranked.finding.cause_class, ranked.is_related)).collect()
}

#[test]
fn a_failing_dependency_explains_its_clients() {
    let symptom = finding(CauseClass::DependencyUnavailable, "Pod shop/web-a", "StatefulSet shop/db", 0.95);
    let crash = finding(CauseClass::ApplicationError, "Pod shop/web-a", "Deployment shop/web", 0.95);
    let cause = Finding {
        affects: vec![reference("Pod shop/web-a")],
        ..finding(CauseClass::ApplicationError, "Pod shop/db-0", "StatefulSet shop/db", 0.6)
    };
    let order = order_of(TWO_WORKLOADS, vec![symptom, crash, cause]);
    assert_eq!(order[0], (CauseClass::ApplicationError, true));
    let observed = scene("Deployment shop/web").yaml(TWO_WORKLOADS).build();
    let symptom = finding(CauseClass::DependencyUnavailable, "Pod shop/web-a", "StatefulSet shop/db", 0.95);
    let cause = finding(CauseClass::MemoryLimit, "Pod shop/db-0", "StatefulSet shop/db", 0.6);
    let ranked = rank(&observed, vec![symptom, cause]);
    assert_eq!(ranked[0].finding.cause_class, CauseClass::MemoryLimit);
    assert!(ranked[1].reasons.iter().any(|reason| reason == "explained by memory_limit on StatefulSet shop/db"));
}

#[test]
fn faults_elsewhere_are_side_notes() {
    let own = finding(CauseClass::ApplicationError, "Pod shop/web-a", "Deployment shop/web", 0.4);
    let elsewhere = finding(CauseClass::NodeFailure, "Pod shop/other", "Pod shop/other", 1.0);
    let order = order_of(TWO_WORKLOADS, vec![elsewhere, own]);
    assert_eq!(order, [(CauseClass::ApplicationError, true), (CauseClass::NodeFailure, false)]);
}

#[test]
fn a_well_signal_is_not_blamed_on_what_it_depends_on() {
    let ready = TWO_WORKLOADS.replace("replicas: 1}", "replicas: 1}\nstatus: {readyReplicas: 1}").replace(
        "{type: Ready, status: 'False'}]",
        "{type: Ready, status: 'True'}], containerStatuses: [{name: c, ready: true, state: {running: {}}}]",
    );
    let upstream = || finding(CauseClass::NodePressure, "Node n1", "Node n1", 0.9);
    let healthy = || Finding {
        disposition: Disposition::NotActionable,
        ..finding(CauseClass::Healthy, "Deployment shop/web", "Deployment shop/web", 0.9)
    };
    assert_eq!(order_of(&ready, vec![upstream(), healthy()])[0].0, CauseClass::Healthy);
    assert_eq!(order_of(TWO_WORKLOADS, vec![upstream(), healthy()])[0].0, CauseClass::NodePressure);
    let touching = Finding { affects: vec![reference("Pod shop/web-a")], ..upstream() };
    assert_eq!(order_of(&ready, vec![touching, healthy()])[0].0, CauseClass::NodePressure);
}

#[test]
fn the_order_does_not_depend_on_the_order_of_detection() {
    let all = [
        finding(CauseClass::MemoryLimit, "Pod shop/web-a", "Deployment shop/web", 0.5),
        finding(CauseClass::MemoryLeak, "Pod shop/web-a", "Deployment shop/web", 0.5),
        finding(CauseClass::NodeFailure, "Node n1", "Node n1", 0.5),
    ];
    let expected = order_of(TWO_WORKLOADS, all.to_vec());
    let reversed: Vec<Finding> = all.into_iter().rev().collect();
    assert_eq!(order_of(TWO_WORKLOADS, reversed), expected);
}

#[test]
fn confidence_falls_with_rivals_distance_and_blind_spots() {
    let observed = scene("Deployment shop/web").yaml(TWO_WORKLOADS).build();
    let evidence = |path: &str| Evidence::field("x", reference("Pod shop/web-a"), path, "1");
    let top = Finding {
        evidence: vec![evidence("a"), evidence("b")],
        ..finding(CauseClass::MemoryLimit, "Pod shop/web-a", "Deployment shop/web", 0.9)
    };
    let rival = finding(CauseClass::MemoryLeak, "Pod shop/web-a", "Deployment shop/web", 0.9);
    let thin = Finding { evidence: vec![evidence("a")], ..top.clone() };
    let of = |findings: Vec<Finding>, unreadable| confidence(&rank(&observed, findings), unreadable);
    assert_eq!(of(vec![top.clone()], 0), 0.9);
    assert_eq!(of(vec![top.clone(), rival], 0), 0.78);
    assert_eq!(of(vec![thin], 0), 0.85);
    assert_eq!(of(vec![top], 9), 0.81);
    assert_eq!(of(vec![finding(CauseClass::NodeFailure, "Pod shop/other", "Pod shop/other", 1.0)], 0), 0.0);
}
