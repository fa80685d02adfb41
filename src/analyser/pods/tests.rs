use super::*;
use crate::analyser::testing::scene;

fn observed(status: &str) -> Observed {
    scene("Pod shop/web-1")
        .yaml(&format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: web-1, namespace: shop, creationTimestamp: 2026-05-04T04:00:00Z}}
spec:
  initContainers: [{{name: prepare}}, {{name: proxy, restartPolicy: Always}}]
  containers: [{{name: web, image: 'web:1', resources: {{limits: {{memory: 256Mi}}}}}}]
status: {status}
"
        ))
        .build()
}

fn health_of(status: &str) -> Health {
    let observed = observed(status);
    health(&observed, observed.subject().unwrap())
}

const READY: &str = "conditions: [{type: Ready, status: 'True'}]";
const PROXY: &str =
    "initContainerStatuses: [{name: proxy, ready: true, state: {running: {startedAt: 2026-05-04T04:00:00Z}}}]";

fn web(state: &str) -> String {
    format!("{{phase: Running, {READY}, {PROXY}, containerStatuses: [{{name: web, ready: true, {state}}}]}}")
}

#[test]
fn containers_know_their_role_and_place() {
    let observed = observed("{}");
    let all = containers(observed.subject().unwrap());
    let roles: Vec<_> = all.iter().map(|container| (container.name, container.role)).collect();
    assert_eq!(roles, [("prepare", Role::Init), ("proxy", Role::Sidecar), ("web", Role::Main)]);
    assert_eq!(all[1].status_path(), "status.initContainerStatuses[name=proxy]");
    assert_eq!(all[2].limit("memory"), Quantity::parse("256Mi"));
    assert_eq!(all[2].request("memory"), Quantity::parse("256Mi"));
    assert_eq!(all[2].latest_termination(), None);
}

#[test]
fn a_crash_is_forgiven_after_running_clearly_longer_than_before() {
    let crashed = |ran_minutes: i64, running_minutes: i64| {
        let now: Timestamp = crate::analyser::testing::NOW.parse().unwrap();
        let since = now - SignedDuration::from_mins(running_minutes);
        let start = since - SignedDuration::from_mins(ran_minutes);
        health_of(&web(&format!(
            "restartCount: 4, state: {{running: {{startedAt: '{since}'}}}}, lastState: {{terminated: {{exitCode: 1, startedAt: '{start}', finishedAt: '{since}'}}}}"
        )))
    };
    for (ran, running, health) in [
        (1, 10, Health::Shaky),
        (1, 16, Health::Stable),
        (30, 40, Health::Shaky),
        (30, 61, Health::Stable),
        (600, 121, Health::Stable),
    ] {
        assert_eq!(crashed(ran, running), health, "ran {ran} min, running {running} min");
    }
}

#[test]
fn phases_and_conditions_decide() {
    let running = "state: {running: {startedAt: 2026-05-04T04:00:00Z}}";
    assert_eq!(health_of(&web(running)), Health::Stable);
    for (status, health) in [
        ("{phase: Succeeded}", Health::Succeeded),
        ("{phase: Failed, reason: Evicted}", Health::Failed),
        ("{phase: Pending}", Health::Broken),
        ("{phase: Running, conditions: [{type: Ready, status: 'False'}]}", Health::Broken),
    ] {
        assert_eq!(health_of(status), health, "{status}");
    }
}

#[test]
fn a_young_pod_is_starting_unless_something_failed() {
    let young = |status: &str| {
        let observed = scene("Pod shop/new")
            .yaml(&format!(
                "
kind: Pod
metadata: {{name: new, namespace: shop, creationTimestamp: 2026-05-04T09:59:50Z}}
spec: {{containers: [{{name: web}}]}}
status: {{phase: Pending, containerStatuses: [{{name: web, state: {{waiting: {{reason: {status}}}}}}}]}}
"
            ))
            .build();
        health(&observed, observed.subject().unwrap())
    };
    assert_eq!(young("ContainerCreating"), Health::Starting);
    assert_eq!(young("ErrImagePull"), Health::Broken);
}

#[test]
fn durations_read_naturally() {
    for (seconds, text) in
        [(-5, "0 s"), (3, "3 s"), (119, "119 s"), (720, "12 min"), (19_200, "5 h 20 min"), (273_600, "3 d 4 h")]
    {
        assert_eq!(duration_text(SignedDuration::from_secs(seconds)), text);
    }
}
