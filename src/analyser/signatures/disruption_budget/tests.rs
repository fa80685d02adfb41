use super::*;
use crate::analyser::testing::{Scene, scene};

fn shop(healthy: u8, desired: u8, unschedulable: bool) -> Scene {
    scene("Node n1").yaml(&format!(
        "
kind: PodDisruptionBudget
metadata: {{name: web, namespace: shop}}
spec: {{minAvailable: 2, selector: {{matchLabels: {{app: web}}}}}}
status: {{expectedPods: 2, currentHealthy: {healthy}, desiredHealthy: {desired}, disruptionsAllowed: 0}}
---
kind: Node
metadata: {{name: n1}}
spec: {{unschedulable: {unschedulable}}}
---
kind: Pod
metadata: {{name: web-0, namespace: shop, labels: {{app: web}}}}
spec: {{nodeName: n1}}
status: {{phase: Running}}"
    ))
}

const REFUSED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

#[test]
fn a_drain_that_can_never_finish_needs_a_looser_budget() {
    let finding = shop(2, 2, true).only_finding(SIGNATURES);
    assert_eq!(finding.target.to_string(), "PodDisruptionBudget shop/web");
    assert_eq!(
        (finding.cause_class, finding.action_type.as_deref()),
        (CauseClass::DisruptionBudget, Some("RelaxPodDisruptionBudget"))
    );
    assert!(finding.affects.iter().any(|affected| affected.to_string() == "Node n1"));
    let by_event = shop(2, 2, false).event("Pod shop/web-0", "FailedEviction", REFUSED, 5).only_finding(SIGNATURES);
    assert!(by_event.strength > 0.9);
}

#[test]
fn budgets_that_block_nobody_or_for_good_reason_are_left_alone() {
    assert!(shop(2, 2, false).findings(SIGNATURES).is_empty(), "nobody evicts");
    assert!(shop(1, 2, true).findings(SIGNATURES).is_empty(), "a pod is unhealthy");
    assert!(shop(2, 1, true).findings(SIGNATURES).is_empty(), "one may go");
    let long_ago = shop(2, 2, false).event("Pod shop/web-0", "FailedEviction", REFUSED, 500);
    assert!(long_ago.findings(SIGNATURES).is_empty(), "given up");
}

#[test]
fn overlapping_budgets_block_evictions() {
    let finding = shop(2, 1, true)
        .yaml(
            "
kind: PodDisruptionBudget
metadata: {name: all, namespace: shop}
spec: {maxUnavailable: 1, selector: {}}",
        )
        .only_finding(SIGNATURES);
    assert_eq!(finding.disposition, Disposition::Escalate);
}
