use serde_json::json;

use super::*;
use crate::analyser::testing::scene;

#[test]
fn refusals_are_taken_apart() {
    let taint = |key: &str, value: &str| Obstacle::Taint { key: key.to_owned(), value: value.to_owned() };
    let insufficient = |name: &str| Obstacle::Insufficient(name.to_owned());
    for (message, total, expected) in [
        (
            "0/5 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}, 2 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/5 nodes are available: 3 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.",
            Some(5),
            vec![(1, taint("dedicated", "gpu")), (2, insufficient("cpu")), (2, Obstacle::NodeSelector)],
        ),
        (
            "0/3 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate, 2 Insufficient nvidia.com/gpu.",
            Some(3),
            vec![(1, taint("node-role.kubernetes.io/master", "")), (2, insufficient("nvidia.com/gpu"))],
        ),
        (
            "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: x",
            Some(3),
            vec![(0, Obstacle::VolumeUnbound)],
        ),
        (
            "0/4 nodes are available: 4 Too many pods, 1 node(s) were unschedulable.",
            Some(4),
            vec![(4, Obstacle::TooManyPods), (1, Obstacle::Cordoned)],
        ),
        (
            "0/4 nodes are available: 1 node(s) had volume node affinity conflict, 2 node(s) didn't match pod anti-affinity rules, 1 node(s) didn't match pod topology spread constraints.",
            Some(4),
            vec![(1, Obstacle::VolumeNodeAffinity), (2, Obstacle::PodAntiAffinity), (1, Obstacle::TopologySpread)],
        ),
        (
            "0/2 nodes are available: persistentvolumeclaim \"data\" not found.",
            Some(2),
            vec![(0, Obstacle::ClaimMissing("data".to_owned()))],
        ),
        (
            "no nodes available to schedule pods",
            None,
            vec![(0, Obstacle::Other("no nodes available to schedule pods".to_owned()))],
        ),
    ] {
        let refusal = Refusal::parse(message);
        assert_eq!((refusal.nodes_total, refusal.obstacles), (total, expected), "{message}");
    }
}

#[test]
fn requests_count_init_containers_the_way_the_scheduler_does() {
    let spec = json!({
        "containers": [{"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}, {"resources": {"requests": {"cpu": "250m"}}}],
        "initContainers": [
            {"resources": {"requests": {"memory": "2Gi"}}},
            {"restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}}
        ],
        "overhead": {"cpu": "50m"}
    });
    let total = requests(&spec);
    let text = |name: &str| total.get(name).map(|amount| amount.of_resource(name));
    assert_eq!(text("cpu").as_deref(), Some("900m"));
    assert_eq!(text("memory").as_deref(), Some("2Gi"));
    assert_eq!(text("pods").as_deref(), Some("1"));
}

#[test]
fn tolerations_cover_taints() {
    let taint = json!({"key": "dedicated", "value": "gpu", "effect": "NoSchedule"});
    for (toleration, covered, by_name) in [
        (json!({"operator": "Exists"}), true, false),
        (json!({"key": "dedicated", "operator": "Exists"}), true, true),
        (json!({"key": "dedicated", "value": "gpu"}), true, true),
        (json!({"key": "dedicated", "operator": "Equal", "value": "db"}), false, false),
        (json!({"key": "dedicated", "value": "gpu", "effect": "NoExecute"}), false, false),
    ] {
        let spec = json!({"tolerations": [toleration]});
        assert_eq!((tolerates(&spec, &taint), tolerates_by_name(&spec, &taint)), (covered, by_name), "{toleration}");
    }
}

#[test]
fn the_requirement_no_node_meets_is_named() {
    let node = |name: &str, labels: Value| {
        Object::new(json!({"kind": "Node", "metadata": {"name": name, "labels": labels}})).unwrap()
    };
    let (a, b) = (node("a", json!({"disk": "ssd", "zone": "x"})), node("b", json!({"disk": "hdd", "zone": "y"})));
    let affinity = |key: &str, values: Value| {
        json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": key, "operator": "In", "values": values}]}]}}}})
    };
    for (spec, expected) in [
        (json!({}), None),
        (json!({"nodeSelector": {"disk": "ssd"}}), None),
        (json!({"nodeSelector": {"disk": "nvme", "zone": "x"}}), Some(("nodeSelector", "disk"))),
        (affinity("zone", json!(["x"])), None),
        (affinity("zone", json!(["z"])), Some(("affinity", "zone"))),
    ] {
        let unmet = unmet_requirement(&[&a, &b], &spec);
        let unmet = unmet.as_ref().map(|unmet| (unmet.constraint_type, unmet.key.as_str()));
        assert_eq!(unmet, expected, "{spec}");
    }
}

#[test]
fn a_node_is_full_when_its_pods_ask_for_everything() {
    let observed = scene("Pod shop/web")
        .yaml(
            "
kind: Node
metadata: {name: n1}
spec: {unschedulable: true, taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]}
status: {allocatable: {cpu: '2', memory: 4Gi, pods: '10'}, conditions: [{type: Ready, status: 'True'}]}
---
kind: Pod
metadata: {name: a, namespace: x}
spec: {nodeName: n1, containers: [{resources: {requests: {cpu: 1500m}}}]}
status: {phase: Running}
---
kind: Pod
metadata: {name: done, namespace: x}
spec: {nodeName: n1, containers: [{resources: {requests: {cpu: '1'}}}]}
status: {phase: Succeeded}
",
        )
        .build();
    let node = observed.get("Node", None, "n1").unwrap();
    let ask = |cpu: &str| {
        fit(&Requested::of(&observed), node, &json!({"containers": [{"resources": {"requests": {"cpu": cpu}}}]}))
    };
    assert!(ask("500m").lacks.is_empty());
    assert_eq!(
        ask("600m").lacks.first().map(|lack| (lack.free.plain(), lack.is_too_large())),
        Some(("500m".to_owned(), false))
    );
    assert!(ask("3").lacks.first().is_some_and(Lack::is_too_large));
    assert!(ask("1").cordoned && ask("1").taints.is_empty() && ask("1").ready);
}
