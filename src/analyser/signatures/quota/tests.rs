use super::*;
use crate::analyser::testing::{Scene, scene};

fn team(replicas: u8, running: u8, used: &str) -> Scene {
    scene("Deployment shop/web").yaml(&format!(
        "
kind: Deployment
metadata: {{name: web, namespace: shop, uid: d}}
spec: {{replicas: {replicas}}}
status: {{replicas: {running}}}
---
kind: ReplicaSet
metadata: {{name: web-1, namespace: shop, uid: rs, annotations: {{deployment.kubernetes.io/revision: '1'}}, ownerReferences: [{{kind: Deployment, name: web, uid: d, controller: true}}]}}
spec: {{replicas: {replicas}, template: {{spec: {{containers: [{{name: app, resources: {{requests: {{memory: 2Gi}}, limits: {{memory: 2Gi}}}}}}]}}}}}}
status: {{replicas: {running}}}
---
kind: ResourceQuota
metadata: {{name: team, namespace: shop}}
status: {{hard: {{limits.memory: 4Gi, pods: '20'}}, used: {{limits.memory: {used}, pods: '2'}}}}"
    ))
}

const EXCEEDED: &str = "Error creating: pods \"web-1-abcde\" is forbidden: exceeded quota: team, requested: limits.memory=2Gi,pods=1, used: limits.memory=4Gi,pods=2, limited: limits.memory=4Gi,pods=20";

#[test]
fn a_used_up_quota_is_raised_by_what_is_missing() {
    let finding =
        team(4, 2, "4Gi").event("ReplicaSet shop/web-1", "FailedCreate", EXCEEDED, 3).only_finding(SIGNATURES);
    assert_eq!(finding.target.to_string(), "ResourceQuota shop/team");
    assert_eq!(finding.action_type.as_deref(), Some("IncreaseResourceQuota"));
    let hints: Vec<String> = finding.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(hints, ["HARD_NEW=\"8Gi\"", "RESOURCE_NAME=\"limits.memory\""]);
    assert!(finding.affects.iter().any(|affected| affected.to_string() == "Deployment shop/web"));
}

#[test]
fn a_rollout_behind_a_quota_counts_the_pods_it_still_wants() {
    let scene = scene("Deployment shop/web").yaml(
        "
kind: Deployment
metadata: {name: web, namespace: shop, uid: d}
spec: {replicas: 3}
status: {replicas: 2}
---
kind: ReplicaSet
metadata: {name: web-2, namespace: shop, uid: rs, annotations: {deployment.kubernetes.io/revision: '2'}, ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true}]}
spec: {replicas: 1}
status: {replicas: 0, conditions: [{type: ReplicaFailure, status: 'True', reason: FailedCreate, message: 'pods \"x\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2'}]}",
    );
    let finding = scene.only_finding(SIGNATURES);
    assert_eq!(finding.parameters.get("HARD_NEW"), Some(&Value::from("3")));
}

#[test]
fn a_quota_that_no_longer_hinders_is_left_alone() {
    let event = |scene: Scene, minutes| scene.event("ReplicaSet shop/web-1", "FailedCreate", EXCEEDED, minutes);
    assert!(event(team(2, 2, "4Gi"), 3).findings(SIGNATURES).is_empty(), "all pods exist");
    assert!(event(team(4, 2, "2Gi"), 3).findings(SIGNATURES).is_empty(), "room again");
    assert!(event(team(4, 2, "4Gi"), 300).findings(SIGNATURES).is_empty(), "long ago");
    assert!(team(4, 2, "4Gi").findings(SIGNATURES).is_empty(), "full, but nobody was refused");
}

#[test]
fn a_quota_that_demands_values_is_for_people() {
    let message = "Error creating: pods \"web-1-x\" is forbidden: failed quota: team: must specify limits.cpu for: app";
    let finding = team(4, 2, "4Gi").event("ReplicaSet shop/web-1", "FailedCreate", message, 3).only_finding(SIGNATURES);
    assert_eq!((finding.disposition, finding.action_type), (Disposition::Escalate, None));
}

#[test]
fn a_request_above_the_limit_range_is_reduced() {
    let message =
        "Error creating: pods \"web-1-x\" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi";
    let finding = team(4, 2, "1Gi").event("ReplicaSet shop/web-1", "FailedCreate", message, 3).only_finding(SIGNATURES);
    assert_eq!(finding.action_type.as_deref(), Some("ReduceResourceRequests"));
    assert_eq!(finding.parameters.get("MEMORY_REQUEST_NEW"), Some(&Value::from("1Gi")));
    let minimum =
        "Error creating: pods \"web-1-x\" is forbidden: minimum cpu usage per Container is 100m, but request is 50m.";
    let finding = team(4, 2, "1Gi").event("ReplicaSet shop/web-1", "FailedCreate", minimum, 3).only_finding(SIGNATURES);
    assert_eq!((finding.disposition, finding.action_type), (Disposition::Escalate, None));
}
