use serde_json::json;

use super::*;

fn object(value: Value) -> Object {
    Object::new(value).unwrap()
}

fn pod(namespace: &str, labels: &Value) -> Object {
    object(json!({
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"podIP": "10.244.1.5"}
    }))
}

fn policy(spec: &Value) -> Object {
    object(json!({"kind": "NetworkPolicy", "metadata": {"name": "n", "namespace": "shop"}, "spec": spec}))
}

/// Evaluates one policy in `shop` for a connection from `client` to a pod labelled `app=orders` in `shop`.
fn decide(spec: &Value, client: &Object, port: i64) -> Option<Option<Miss>> {
    let policy = policy(spec);
    let server = pod("shop", &json!({"app": "orders"}));
    let namespace = client.namespace().unwrap();
    let side = |pod, namespace| Side::Pod {
        pod,
        namespace_labels: BTreeMap::from([("kubernetes.io/metadata.name", namespace), ("team", "x")]),
    };
    let connection =
        Connection { client: side(client, namespace), server: side(&server, "shop"), port, protocol: "TCP" };
    match evaluate([&policy], Direction::Ingress, &connection) {
        Decision::NotIsolated => None,
        Decision::Allowed(_) => Some(None),
        Decision::Denied(denials) => Some(Some(denials.into_iter().next().unwrap().miss)),
    }
}

#[test]
fn ingress_table() {
    let web = pod("shop", &json!({"app": "web"}));
    let far = pod("edge", &json!({"app": "web"}));
    let rule = |rule: Value| json!({"podSelector": {"matchLabels": {"app": "orders"}}, "ingress": [rule]});
    let from = |peer: Value| rule(json!({"from": [peer]}));
    let passes = Some(None);
    let pod_label = |wanted: &str, actual: &str| {
        Some(Some(Miss::PodLabel {
            path: "spec.ingress[0].from[0].podSelector".to_owned(),
            key: "app".to_owned(),
            wanted: wanted.to_owned(),
            actual: Some(actual.to_owned()),
        }))
    };
    let port = |allowed: &str| {
        Some(Some(Miss::Port { path: "spec.ingress[0].ports".to_owned(), allowed: allowed.to_owned() }))
    };
    let unrelated = Some(Some(Miss::Unrelated));
    let by_name = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}});
    let table = [
        ("not selected", json!({"podSelector": {"matchLabels": {"app": "other"}}}), &web, None),
        ("egress only", json!({"podSelector": {}, "policyTypes": ["Egress"]}), &web, None),
        ("default deny", json!({"podSelector": {}}), &web, Some(Some(Miss::NoRule))),
        ("allow all", rule(json!({})), &far, passes.clone()),
        ("same namespace pod", from(json!({"podSelector": {"matchLabels": {"app": "web"}}})), &web, passes.clone()),
        ("pod selector stays in its namespace", from(json!({"podSelector": {}})), &far, unrelated.clone()),
        ("typo in label", from(json!({"podSelector": {"matchLabels": {"app": "wep"}}})), &web, pod_label("wep", "web")),
        ("namespace by name", from(by_name), &far, passes.clone()),
        ("all namespaces", from(json!({"namespaceSelector": {}})), &far, passes.clone()),
        (
            "namespace and pod both",
            from(json!({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "api"}}})),
            &far,
            pod_label("api", "web"),
        ),
        ("ip block", from(json!({"ipBlock": {"cidr": "10.244.0.0/16"}})), &far, passes.clone()),
        (
            "ip block except",
            from(json!({"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.1.0/24"]}})),
            &far,
            unrelated,
        ),
        ("port number", rule(json!({"ports": [{"port": 8080}]})), &web, passes.clone()),
        ("port name", rule(json!({"ports": [{"port": "http"}]})), &web, passes.clone()),
        ("port range", rule(json!({"ports": [{"port": 8000, "endPort": 9000}]})), &web, passes),
        ("service port", rule(json!({"ports": [{"port": 80}]})), &web, port("80/TCP")),
        ("other protocol", rule(json!({"ports": [{"port": 8080, "protocol": "UDP"}]})), &web, port("8080/UDP")),
        (
            "expression",
            from(
                json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}}),
            ),
            &web,
            pod_label("In a|b", "web"),
        ),
    ];
    for (name, spec, client, expected) in table {
        assert_eq!(decide(&spec, client, 8080), expected, "{name}");
    }
}

#[test]
fn egress_applies_by_type_or_by_presence_of_rules() {
    let client = pod("shop", &json!({"app": "web"}));
    for (spec, isolated) in [
        (json!({"podSelector": {}}), false),
        (json!({"podSelector": {}, "egress": [{}]}), true),
        (json!({"podSelector": {}, "policyTypes": ["Egress"]}), true),
    ] {
        assert_eq!(isolates(&policy(&spec), Direction::Egress, &client), isolated, "{spec}");
    }
}

#[test]
fn one_allowing_policy_is_enough_and_denials_come_nearest_first() {
    let client = pod("shop", &json!({"app": "web"}));
    let server = pod("shop", &json!({"app": "orders"}));
    let named = |name: &str, spec: Value| {
        object(json!({"kind": "NetworkPolicy", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}))
    };
    let deny = named("a-deny", json!({"podSelector": {}}));
    let near = named(
        "near",
        json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"role": "web"}}}]}]}),
    );
    let allow = named("z-allow", json!({"podSelector": {}, "ingress": [{}]}));
    let side = |pod| Side::Pod { pod, namespace_labels: BTreeMap::new() };
    let connection = Connection { client: side(&client), server: side(&server), port: 8080, protocol: "TCP" };
    assert_eq!(evaluate([&deny, &near, &allow], Direction::Ingress, &connection), Decision::Allowed(&allow));
    let Decision::Denied(denials) = evaluate([&deny, &near], Direction::Ingress, &connection) else { panic!() };
    assert_eq!(denials.iter().map(|denial| denial.policy.name()).collect::<Vec<_>>(), ["near", "a-deny"]);
}

#[test]
fn host_network_pods_are_beyond_policies() {
    let mut value = pod("shop", &json!({})).into_value();
    value["spec"]["hostNetwork"] = json!(true);
    let host = object(value);
    assert!(!isolates(&policy(&json!({"podSelector": {}})), Direction::Ingress, &host));
}

#[test]
fn cidr_table() {
    for (cidr, address, inside) in [
        ("10.0.0.0/8", "10.244.1.5", true),
        ("10.0.0.0/8", "11.0.0.1", false),
        ("0.0.0.0/0", "203.0.113.9", true),
        ("10.1.2.3/32", "10.1.2.3", true),
        ("fd00::/8", "fd12::1", true),
        ("::/0", "10.0.0.1", false),
        ("10.0.0.0/40", "10.0.0.1", false),
        ("nonsense", "10.0.0.1", false),
    ] {
        assert_eq!(cidr_contains(cidr, address.parse().unwrap()), inside, "{cidr} {address}");
    }
}
