use serde_json::json;

use super::*;
use crate::analyser::testing::{Scene, scene};

#[test]
fn lines_tell_how_a_connection_failed() {
    use Failure::{NameUnknown, Refused, ResolverTimeout, Timeout, Unreachable};
    for (line, expected) in [
        ("dial tcp 10.96.12.4:5432: i/o timeout", Some(Timeout)),
        (
            "dial tcp: lookup orders on 10.96.0.10:53: read udp 10.1.1.1:4->10.96.0.10:53: i/o timeout",
            Some(ResolverTimeout),
        ),
        ("dial tcp: lookup orders.shop.svc on 10.96.0.10:53: no such host", Some(NameUnknown)),
        ("Error: getaddrinfo EAI_AGAIN orders", Some(ResolverTimeout)),
        ("Error: getaddrinfo ENOTFOUND orders", Some(NameUnknown)),
        ("connect() failed (111: Connection refused) while connecting to upstream", Some(Refused)),
        ("java.net.NoRouteToHostException: No route to host", Some(Unreachable)),
        ("upstream timed out (110: Connection timed out) while connecting to upstream", Some(Timeout)),
        (
            "psycopg2.OperationalError: connection to server at \"db\" (10.96.3.4), port 5432 failed: timeout expired",
            Some(Timeout),
        ),
        ("GET /orders 200 12ms", None),
        ("request timeout is set to 30s", None),
    ] {
        assert_eq!(Failure::of_line(line), expected, "{line}");
    }
}

#[test]
fn lines_name_hosts_and_ports() {
    for (line, expected) in [
        ("dial tcp 10.96.12.4:5432: i/o timeout", vec!["10.96.12.4:5432"]),
        ("Get \"http://orders:8080/api/v1\": context deadline exceeded", vec!["orders:8080"]),
        ("connect ETIMEDOUT 10.96.4.2:6379", vec!["10.96.4.2:6379"]),
        ("getaddrinfo ENOTFOUND orders", vec!["orders"]),
        ("lookup orders on 10.96.0.10:53: no such host", vec!["orders", "10.96.0.10:53"]),
        ("HTTPConnectionPool(host='orders', port=8080): Max retries exceeded", vec!["orders:8080"]),
        ("connection to server at \"db\" (10.96.3.4), port 5432 failed", vec!["db:5432", "10.96.3.4:5432"]),
        (
            "Is the server running on host \"db\" (10.9.3.4) and accepting connections on port 5432?",
            vec!["db:5432", "10.9.3.4:5432"],
        ),
        ("jdbc:postgresql://user:pw@db.data.svc.cluster.local:5432/x", vec!["db.data.svc.cluster.local:5432"]),
        ("upstream: \"http://10.244.3.17:8080/\", host: \"shop.example\"", vec!["10.244.3.17:8080", "shop.example"]),
        ("2026-05-04T10:11:12Z INFO started at 10:11:12", vec![]),
        ("main.go:42 failed /var/lib/data:80", vec!["main.go:42"]),
    ] {
        let found: Vec<String> = addresses(line)
            .into_iter()
            .map(|Address { host, port }| port.map_or(host.clone(), |port| format!("{host}:{port}")))
            .collect();
        assert_eq!(found, expected, "{line}");
    }
}

#[test]
fn servers_say_where_they_listen() {
    for (line, expected) in [
        ("INFO server listening on :8080", Some(8080)),
        ("listening on 0.0.0.0:3000", Some(3000)),
        ("Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)", Some(8000)),
        ("Tomcat started on port(s): 8081 (http) with context path ''", Some(8081)),
        ("Tomcat started on port 8081 (http)", Some(8081)),
        ("{\"msg\":\"server listening\",\"port\":9000}", Some(9000)),
        ("{\"msg\":\"listening\",\"addr\":\":9000\"}", Some(9000)),
        ("Listening at: http://0.0.0.0:8000 (7)", Some(8000)),
        ("listening on IPv4 address \"0.0.0.0\", port 5432", Some(5432)),
        ("listen tcp :8080: bind: address already in use", None),
        ("GET /health 200", None),
    ] {
        assert_eq!(listening_port(line), expected, "{line}");
    }
}

fn observed(objects: Vec<Value>) -> Observed {
    objects.into_iter().fold(scene("Pod shop/web"), Scene::object).build()
}

fn service(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({"kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

#[test]
fn hosts_resolve_as_they_do_inside_a_pod() {
    let observed = observed(vec![
        service("shop", "orders", &json!({"clusterIP": "10.96.1.1", "selector": {"app": "orders"}})),
        service("data", "db", &json!({"clusterIP": "None"})),
        service("shop", "alias", &json!({"type": "ExternalName", "externalName": "db.data.svc.cluster.local"})),
        json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "status": {"podIP": "10.244.0.9", "phase": "Running"}}),
    ]);
    for (host, expected) in [
        ("orders", Some("orders")),
        ("orders.shop", Some("orders")),
        ("orders.shop.svc.cluster.local", Some("orders")),
        ("db", None),
        ("db.data", Some("db")),
        ("db-0.db.data.svc.cluster.local", Some("db")),
        ("alias", Some("db")),
        ("10.96.1.1", Some("orders")),
        ("10.244.0.9", Some("p")),
        ("example.com", None),
    ] {
        let name = resolve(&observed, "shop", host).map(|found| match found {
            Destination::Service(object) | Destination::Pod(object) => object.name(),
        });
        assert_eq!(name, expected, "{host}");
    }
}

#[test]
fn dependents_are_found_through_environment_and_configuration() {
    let pod = |name: &str, spec: Value| json!({"kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}}, "spec": spec});
    let observed = observed(vec![
        service("shop", "orders", &json!({"selector": {"app": "orders"}})),
        pod("orders", json!({"containers": [{"env": [{"name": "SELF", "value": "http://orders"}]}]})),
        pod("by-url", json!({"containers": [{"env": [{"name": "URL", "value": "http://orders:80/x"}]}]})),
        pod("by-host", json!({"containers": [{"env": [{"name": "ORDERS_HOST", "value": "orders"}]}]})),
        pod("by-map", json!({"containers": [{"envFrom": [{"configMapRef": {"name": "cfg"}}]}]})),
        pod("by-file", json!({"containers": [{}], "volumes": [{"configMap": {"name": "file"}}]})),
        pod("other", json!({"containers": [{"env": [{"name": "MODE", "value": "orders"}]}]})),
        json!({"kind": "ConfigMap", "metadata": {"name": "cfg", "namespace": "shop"}, "data": {"ORDERS": "orders:8080"}}),
        json!({"kind": "ConfigMap", "metadata": {"name": "file", "namespace": "shop"}, "data": {"a.yaml": "x: 1\nurl: http://orders.shop:80\n"}}),
    ]);
    let service = observed.get("Service", Some("shop"), "orders").unwrap();
    let names: Vec<&str> = dependents(&observed, service).iter().map(|pod| pod.name()).collect();
    assert_eq!(names, ["by-file", "by-host", "by-map", "by-url"]);
}
