//! How traffic finds pods.

use jiff::Timestamp;
use serde_json::Value;

use super::{Column, at_text, created, plain, selector};
use crate::domain::Object;
use crate::domain::object::{at, text};

pub(super) const SERVICE: &[Column] = &[
    ("TYPE", |object, _| at_text(object, "spec.type")),
    ("CLUSTER-IP", |object, _| at_text(object, "spec.clusterIP")),
    ("EXTERNAL", external),
    ("PORTS", service_ports),
    ("SELECTOR", |object, _| selector(object.at("spec.selector"))),
    ("AGE", created),
];
pub(super) const ENDPOINTS: &[Column] = &[
    ("READY", |object, _| subset_addresses(object, "addresses")),
    ("NOT-READY", |object, _| subset_addresses(object, "notReadyAddresses")),
    ("PORTS", subset_ports),
    ("AGE", created),
];
pub(super) const ENDPOINT_SLICE: &[Column] = &[
    ("SERVICE", |object, _| object.label("kubernetes.io/service-name").unwrap_or_default().to_owned()),
    ("READY", |object, _| slice_addresses(object, true)),
    ("NOT-READY", |object, _| slice_addresses(object, false)),
    ("PORTS", |object, _| ports(object.list_at("ports"))),
    ("AGE", created),
];
pub(super) const INGRESS: &[Column] = &[
    ("CLASS", |object, _| at_text(object, "spec.ingressClassName")),
    ("RULES", ingress_rules),
    ("ADDRESS", load_balancer),
    ("TLS", |object, _| joined(object.list_at("spec.tls").map(|tls| text(tls, "secretName").to_owned()))),
    ("AGE", created),
];
pub(super) const NETWORK_POLICY: &[Column] = &[
    ("PODS", |object, _| selector(object.at("spec.podSelector"))),
    ("TYPES", |object, _| joined(object.list_at("spec.policyTypes").map(plain))),
    ("INGRESS-RULES", |object, _| object.list_at("spec.ingress").count().to_string()),
    ("EGRESS-RULES", |object, _| object.list_at("spec.egress").count().to_string()),
    ("AGE", created),
];

/// Most addresses named in one cell.
const ADDRESSES_MAX: usize = 5;

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",")
}

fn some_of(parts: Vec<String>) -> String {
    let more = parts.len().saturating_sub(ADDRESSES_MAX);
    let shown = joined(parts.into_iter().take(ADDRESSES_MAX));
    if more > 0 { format!("{shown}+{more} more") } else { shown }
}

fn external(object: &Object, _: Timestamp) -> String {
    let given = object.list_at("spec.externalIPs").map(plain);
    let name = object.str_at("spec.externalName").map(str::to_owned);
    let assigned = object.list_at("status.loadBalancer.ingress").map(load_balancer_address);
    let all = joined(given.chain(name).chain(assigned));
    if all.is_empty() && object.str_at("spec.type") == Some("LoadBalancer") { "<pending>".to_owned() } else { all }
}

fn load_balancer_address(entry: &Value) -> String {
    ["ip", "hostname"].iter().find_map(|key| at(entry, key)).map(plain).unwrap_or_default()
}

fn load_balancer(object: &Object, _: Timestamp) -> String {
    joined(object.list_at("status.loadBalancer.ingress").map(load_balancer_address))
}

/// `http:80→8080/TCP`.
fn service_ports(object: &Object, _: Timestamp) -> String {
    joined(object.list_at("spec.ports").map(|port| {
        let part = |key: &str| at(port, key).map(plain).unwrap_or_default();
        let (name, number, target, node) = (part("name"), part("port"), part("targetPort"), part("nodePort"));
        let name = if name.is_empty() { name } else { format!("{name}:") };
        let target = if target.is_empty() || target == number { String::new() } else { format!("→{target}") };
        let node = if node.is_empty() { node } else { format!(" node {node}") };
        format!("{name}{number}{target}/{}{node}", text(port, "protocol"))
    }))
}

fn ports<'a>(ports: impl Iterator<Item = &'a Value>) -> String {
    joined(ports.map(|port| at(port, "port").map(plain).unwrap_or_default()))
}

fn subset_addresses(object: &Object, member: &str) -> String {
    let of = |subset: &Value| subset.get(member).and_then(Value::as_array).cloned().unwrap_or_default();
    let addresses = object.list_at("subsets").flat_map(of);
    some_of(addresses.map(|address| with_target(text(&address, "ip"), address.get("targetRef"))).collect())
}

fn subset_ports(object: &Object, _: Timestamp) -> String {
    let of = |subset: &Value| subset.get("ports").and_then(Value::as_array).cloned().unwrap_or_default();
    ports(object.list_at("subsets").flat_map(of).collect::<Vec<_>>().iter())
}

fn slice_addresses(object: &Object, wanted: bool) -> String {
    let ready = |endpoint: &Value| at(endpoint, "conditions.ready").and_then(Value::as_bool).unwrap_or(true);
    let endpoints = object.list_at("endpoints").filter(|endpoint| ready(endpoint) == wanted);
    some_of(endpoints.map(|endpoint| with_target(text(endpoint, "addresses[0]"), endpoint.get("targetRef"))).collect())
}

fn with_target(address: &str, target: Option<&Value>) -> String {
    match target.map(|target| text(target, "name")).filter(|name| !name.is_empty()) {
        Some(name) => format!("{address}({name})"),
        None => address.to_owned(),
    }
}

/// `shop.example/api→web:80`.
fn ingress_rules(object: &Object, _: Timestamp) -> String {
    let port = |service: &Value| ["port.name", "port.number"].iter().find_map(|path| at(service, path)).map(plain);
    let backend = |backend: Option<&Value>| {
        let service = backend.and_then(|backend| backend.get("service"));
        service
            .map(|service| format!("{}:{}", text(service, "name"), port(service).unwrap_or_default()))
            .unwrap_or_default()
    };
    let rules = object.list_at("spec.rules").flat_map(|rule| {
        let paths = at(rule, "http.paths").and_then(Value::as_array).into_iter().flatten();
        paths.map(|path| format!("{}{}→{}", text(rule, "host"), text(path, "path"), backend(path.get("backend"))))
    });
    let default = object.at("spec.defaultBackend").map(|default| format!("*→{}", backend(Some(default))));
    joined(rules.chain(default))
}
