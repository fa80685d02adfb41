use super::*;
use crate::analyser::testing::{Scene, scene};

const REFUSED: &str = "configmaps is forbidden: User \"system:serviceaccount:shop:web\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"shop\"";
const CRASHED: &str = "phase: Running, conditions: [{type: Ready, status: 'False'}], containerStatuses: [{name: c, ready: false, restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error, finishedAt: 2026-05-04T09:58:00Z}}}]";
const SERVING: &str = "phase: Running, conditions: [{type: Ready, status: 'True'}], containerStatuses: [{name: c, ready: true, restartCount: 0, state: {running: {startedAt: 2026-05-04T05:00:00Z}}}]";

/// Pod `web-0` of StatefulSet `web`, and a Role with these verbs for its account.
fn web(status: &str, verbs: &str) -> Scene {
    scene("Pod shop/web-0").yaml(&format!(
        "
kind: StatefulSet
metadata: {{name: web, namespace: shop, uid: s}}
---
kind: Pod
metadata: {{name: web-0, namespace: shop, creationTimestamp: 2026-05-04T05:00:00Z, ownerReferences: [{{kind: StatefulSet, name: web, uid: s, controller: true}}]}}
spec: {{serviceAccountName: web, containers: [{{name: c}}]}}
status: {{{status}}}
---
kind: Role
metadata: {{name: web, namespace: shop}}
rules: [{{apiGroups: [''], resources: [configmaps], verbs: [{verbs}]}}]
---
kind: RoleBinding
metadata: {{name: web, namespace: shop}}
roleRef: {{kind: Role, name: web}}
subjects: [{{kind: ServiceAccount, name: web, namespace: shop}}]"
    ))
}

fn line(minute: u8) -> String {
    format!("2026-05-04T09:{minute:02}:00Z F0504 {REFUSED}")
}

#[test]
fn a_program_that_ends_with_a_refusal_needs_the_right() {
    let finding = web(CRASHED, "get").log("shop/web-0", "c", &["starting", &line(57), "exiting"]).only_finding(SIGNATURES);
    assert_eq!(
        (finding.cause_class, finding.action_type.as_deref(), finding.target.to_string().as_str()),
        (CauseClass::RbacDenied, Some("GrantRBACPermission"), "ServiceAccount shop/web")
    );
    let hints: Vec<(&str, &str)> =
        finding.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    assert_eq!(
        hints,
        [("API_GROUP", ""), ("RESOURCE_TYPE", "configmaps"), ("ROLE_NAMESPACE", "shop"), ("VERB", "list")]
    );
    assert!(finding.affects.iter().any(|affected| affected.to_string() == "StatefulSet shop/web"));
    let sources: Vec<String> = finding.evidence.iter().map(|evidence| evidence.source.to_string()).collect();
    assert!(sources.iter().any(|source| source.starts_with("log Pod shop/web-0 [c] line 2")), "{sources:#?}");
    assert!(sources.iter().any(|source| source.contains("Role shop/web: rules =")), "{sources:#?}");
    assert!(finding.strength > 0.9);
}

#[test]
fn a_right_granted_since_is_no_finding() {
    let granted = web(CRASHED, "get, list").log("shop/web-0", "c", &[&line(57)]);
    assert!(granted.findings(SIGNATURES).is_empty());
}

#[test]
fn an_old_refusal_is_no_finding() {
    let stamped = format!("2026-05-04T06:00:00Z {REFUSED}");
    assert!(web(CRASHED, "get").log("shop/web-0", "c", &[&stamped]).findings(SIGNATURES).is_empty());
}

#[test]
fn what_a_program_lives_with_weighs_little() {
    let tolerated = web(SERVING, "get").log("shop/web-0", "c", &[&line(57)]).only_finding(SIGNATURES);
    assert!(tolerated.strength < 0.5, "{}", tolerated.strength);
    let killed = CRASHED.replace("exitCode: 1, reason: Error", "exitCode: 137, reason: OOMKilled");
    let killed = web(&killed, "get").log("shop/web-0", "c", &[&line(57)]).only_finding(SIGNATURES);
    assert!(killed.strength < 0.5, "memory killed it: {}", killed.strength);
}

#[test]
fn an_event_about_a_controller_counts_too() {
    let finding =
        web(SERVING, "get").event("StatefulSet shop/web", "FailedCreate", REFUSED, 5).only_finding(SIGNATURES);
    assert_eq!(finding.subject.to_string(), "StatefulSet shop/web");
    let verbs = REFUSED.replace("cannot list", "cannot watch");
    let both = web(SERVING, "get")
        .event("StatefulSet shop/web", "FailedCreate", REFUSED, 5)
        .event("StatefulSet shop/web", "FailedCreate", &verbs, 6)
        .only_finding(SIGNATURES);
    assert!(both.summary.contains("may not list and watch configmaps in namespace shop"), "{}", both.summary);
}
