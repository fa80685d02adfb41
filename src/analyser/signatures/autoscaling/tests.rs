use super::*;
use crate::analyser::testing::{Scene, scene};

fn hpa(current: u8, utilization: u16, conditions: &str) -> Scene {
    scene("HorizontalPodAutoscaler shop/web").yaml(&format!(
        "
kind: HorizontalPodAutoscaler
apiVersion: autoscaling/v2
metadata: {{name: web, namespace: shop}}
spec:
  maxReplicas: 5
  minReplicas: 2
  scaleTargetRef: {{kind: Deployment, name: web, apiVersion: apps/v1}}
  metrics: [{{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 70}}}}}}]
status:
  currentReplicas: {current}
  desiredReplicas: {current}
  currentMetrics: [{{type: Resource, resource: {{name: cpu, current: {{averageUtilization: {utilization}, averageValue: 900m}}}}}}]
  conditions: [{conditions}]"
    ))
}

const LIMITED: &str = "{type: ScalingLimited, status: 'True', reason: TooManyReplicas, message: the desired replica count is more than the maximum replica count}";

#[test]
fn the_new_maximum_follows_from_the_ratio() {
    let finding = hpa(5, 140, LIMITED).only_finding(SIGNATURES);
    assert_eq!(
        (finding.cause_class, finding.action_type.as_deref()),
        (CauseClass::AutoscalerLimit, Some("IncreaseHPAMaxReplicas"))
    );
    assert_eq!(finding.parameters.get("MAX_REPLICAS_NEW"), Some(&Value::from(10)));
    assert_eq!(finding.target.to_string(), "HorizontalPodAutoscaler shop/web");
    assert!(finding.affects.iter().any(|affected| affected.to_string() == "Deployment shop/web"));
}

#[test]
fn values_and_custom_metrics_are_compared_too() {
    let finding = scene("Deployment shop/web")
        .yaml(
            "
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec:
  maxReplicas: 4
  scaleTargetRef: {kind: Deployment, name: web}
  metrics: [{type: Pods, pods: {metric: {name: queue}, target: {averageValue: '10'}}}]
status: {currentReplicas: 4, currentMetrics: [{type: Pods, pods: {metric: {name: queue}, current: {averageValue: 15500m}}}]}",
        )
        .only_finding(SIGNATURES);
    assert_eq!(finding.parameters.get("MAX_REPLICAS_NEW"), Some(&Value::from(7)));
}

#[test]
fn a_full_cluster_makes_it_a_lack_of_capacity() {
    let finding = hpa(5, 140, LIMITED)
        .yaml(
            "
kind: Node
metadata: {name: n1}
status: {allocatable: {cpu: '1', pods: '10'}, conditions: [{type: Ready, status: 'True'}]}
---
kind: Deployment
metadata: {name: web, namespace: shop, uid: d}
---
kind: Pod
metadata: {name: web-0, namespace: shop, ownerReferences: [{kind: Deployment, name: web, uid: d, controller: true}]}
spec: {nodeName: n1, containers: [{resources: {requests: {cpu: 600m}}}]}
status: {phase: Running}",
        )
        .only_finding(SIGNATURES);
    assert_eq!((finding.cause_class, finding.disposition), (CauseClass::InsufficientCapacity, Disposition::Escalate));
}

#[test]
fn the_maximum_alone_is_no_fault() {
    assert!(hpa(4, 140, "").findings(SIGNATURES).is_empty(), "below the maximum");
    let calm = hpa(5, 72, "").only_finding(SIGNATURES);
    assert_eq!((calm.cause_class, calm.disposition), (CauseClass::Benign, Disposition::NotActionable));
}

#[test]
fn an_autoscaler_without_metrics_is_for_people() {
    let failing = "{type: ScalingActive, status: 'False', reason: FailedGetResourceMetric, message: 'the HPA was unable to compute the replica count: failed to get cpu utilization: missing request for cpu in container app of Pod web-0'}";
    let finding = hpa(2, 10, failing).only_finding(SIGNATURES);
    assert_eq!(finding.disposition, Disposition::Escalate);
    assert!(finding.summary.contains("no request"), "{}", finding.summary);
    let disabled = "{type: ScalingActive, status: 'False', reason: ScalingDisabled, message: scaling is disabled since the replica count of the target is zero}";
    assert!(hpa(0, 10, disabled).findings(SIGNATURES).is_empty());
}
