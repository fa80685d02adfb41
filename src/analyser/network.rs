//! What NetworkPolicies mean (networking.k8s.io/v1): whether a connection between two pods passes, and if not, how
//! narrowly each policy misses it.
//!
//! A pod is isolated in a direction as soon as one policy of its namespace selects it for that direction; then only
//! what some such policy allows passes. Policies add up; there is no order and no explicit deny. Evaluation happens
//! on pod addresses and pod ports, after the Service's translation: a rule that names the *Service's* port misses.

use core::net::IpAddr;
use std::collections::BTreeMap;

use serde_json::Value;

use super::Observed;
use crate::cluster::selector::{expression_holds, matches_object};
use crate::domain::Object;
use crate::domain::object::{text, text_map};

/// Seen from the pod a policy selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    /// The catalogue's spelling (`DIRECTION`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    fn policy_type(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }

    fn peers_member(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// One end of a connection: a pod with the labels of its namespace, or an address that is no pod.
#[derive(Debug, Clone)]
pub enum Side<'a> {
    Pod { pod: &'a Object, namespace_labels: BTreeMap<&'a str, &'a str> },
    Address(IpAddr),
}

impl<'a> Side<'a> {
    /// A pod of the snapshot. Every namespace carries its own name as `kubernetes.io/metadata.name`.
    pub fn pod(observed: &'a Observed, pod: &'a Object) -> Self {
        let namespace = pod.namespace().unwrap_or_default();
        let mut labels = observed.get("Namespace", None, namespace).map(Object::labels).unwrap_or_default();
        labels.insert("kubernetes.io/metadata.name", namespace);
        Self::Pod { pod, namespace_labels: labels }
    }

    fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Pod { pod, .. } => pod.str_at("status.podIP").and_then(|ip| ip.parse().ok()),
            Self::Address(address) => Some(*address),
        }
    }
}

/// A connection as it reaches the server pod.
#[derive(Debug, Clone)]
pub struct Connection<'a> {
    pub client: Side<'a>,
    pub server: Side<'a>,
    /// Port on the server pod, not on the Service.
    pub port: i64,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: &'a str,
}

/// What the policies say in one direction.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision<'a> {
    /// No policy selects the pod in this direction.
    NotIsolated,
    Allowed(&'a Object),
    /// Every policy that selects the pod, nearest miss first.
    Denied(Vec<Denial<'a>>),
}

/// A policy that isolates the pod and does not let the connection pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Denial<'a> {
    pub policy: &'a Object,
    pub miss: Miss,
}

/// How a policy missed a connection, nearest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// A rule names the peer but other ports; `allowed` as text.
    Port { path: String, allowed: String },
    /// A rule admits the port and the namespace, but wants another label of the pod.
    PodLabel { path: String, key: String, wanted: String, actual: Option<String> },
    /// A rule admits the port, but wants another label of the peer's namespace.
    NamespaceLabel { path: String, key: String, wanted: String, actual: Option<String> },
    /// Rules exist and none comes near.
    Unrelated,
    /// No rule at all: default deny.
    NoRule,
}

/// Evaluates the policies of the selected pod's namespace for one direction of a connection.
pub fn evaluate<'a>(
    policies: impl IntoIterator<Item = &'a Object>,
    direction: Direction,
    connection: &Connection<'_>,
) -> Decision<'a> {
    let (subject, peer) = match direction {
        Direction::Ingress => (&connection.server, &connection.client),
        Direction::Egress => (&connection.client, &connection.server),
    };
    let Side::Pod { pod, .. } = subject else { return Decision::NotIsolated };
    let mut denials = Vec::new();
    for policy in policies.into_iter().filter(|policy| isolates(policy, direction, pod)) {
        match miss(policy, direction, peer, connection) {
            None => return Decision::Allowed(policy),
            Some(miss) => denials.push(Denial { policy, miss }),
        }
    }
    if denials.is_empty() {
        return Decision::NotIsolated;
    }
    denials.sort_by(|a, b| (&a.miss, a.policy.name()).cmp(&(&b.miss, b.policy.name())));
    Decision::Denied(denials)
}

/// Whether a policy restricts this pod in this direction. Pods on the host's network are beyond its reach.
pub fn isolates(policy: &Object, direction: Direction, pod: &Object) -> bool {
    policy.namespace() == pod.namespace()
        && pod.bool_at("spec.hostNetwork") != Some(true)
        && applies_to(policy, direction)
        && selects(policy.at("spec.podSelector"), &pod.labels())
}

/// Explicit policy types win; without them ingress always applies, egress when there are egress rules.
fn applies_to(policy: &Object, direction: Direction) -> bool {
    let mut types = policy.list_at("spec.policyTypes").peekable();
    match (types.peek().is_some(), direction) {
        (true, _) => types.any(|kind| kind.as_str() == Some(direction.policy_type())),
        (false, Direction::Ingress) => true,
        (false, Direction::Egress) => policy.list_at("spec.egress").next().is_some(),
    }
}

/// `None` when a rule lets the connection pass.
fn miss(policy: &Object, direction: Direction, peer: &Side<'_>, connection: &Connection<'_>) -> Option<Miss> {
    let rules_path = format!("spec.{}", direction.as_str());
    let mut nearest = Miss::NoRule;
    for (index, rule) in policy.list_at(&rules_path).enumerate() {
        let port_passes = port_passes(rule, connection);
        let path = format!("{rules_path}[{index}]");
        let peer_miss = peer_miss(rule, &path, policy, direction, peer);
        let found = match (port_passes, peer_miss) {
            (true, None) => return None,
            (false, None) => Miss::Port { path: format!("{path}.ports"), allowed: ports_text(rule.get("ports")) },
            (true, Some(miss)) => miss,
            (false, Some(_)) => Miss::Unrelated,
        };
        nearest = nearest.min(found);
    }
    Some(nearest)
}

/// `None` when a peer of the rule matches, or the rule names no peer at all.
fn peer_miss(rule: &Value, path: &str, policy: &Object, direction: Direction, peer: &Side<'_>) -> Option<Miss> {
    let member = direction.peers_member();
    let peers = rule.get(member).and_then(Value::as_array).filter(|peers| !peers.is_empty())?;
    let mut nearest = Miss::Unrelated;
    for (index, wanted) in peers.iter().enumerate() {
        let path = format!("{path}.{member}[{index}]");
        nearest = nearest.min(one_peer_miss(wanted, &path, policy, peer)?);
    }
    Some(nearest)
}

fn one_peer_miss(wanted: &Value, path: &str, policy: &Object, peer: &Side<'_>) -> Option<Miss> {
    if let Some(block) = wanted.get("ipBlock") {
        let inside = peer.address().is_some_and(|address| block_contains(block, address));
        return (!inside).then_some(Miss::Unrelated);
    }
    let Side::Pod { pod, namespace_labels } = peer else { return Some(Miss::Unrelated) };
    if pod.bool_at("spec.hostNetwork") == Some(true) {
        return Some(Miss::Unrelated);
    }
    let namespace_miss = match wanted.get("namespaceSelector").filter(|selector| !selector.is_null()) {
        Some(selector) => first_unmet(selector, namespace_labels)
            .map(|unmet| unmet.into_miss(format!("{path}.namespaceSelector"), Miss::namespace_label)),
        None if policy.namespace() == pod.namespace() => None,
        None => Some(Miss::Unrelated),
    };
    let pod_miss = wanted
        .get("podSelector")
        .and_then(|selector| first_unmet(selector, &pod.labels()))
        .map(|unmet| unmet.into_miss(format!("{path}.podSelector"), Miss::pod_label));
    match (namespace_miss, pod_miss) {
        (None, None) => None,
        (Some(miss), None) | (None, Some(miss)) => Some(miss),
        (Some(_), Some(_)) => Some(Miss::Unrelated),
    }
}

impl Miss {
    fn pod_label(path: String, key: String, wanted: String, actual: Option<String>) -> Self {
        Self::PodLabel { path, key, wanted, actual }
    }

    fn namespace_label(path: String, key: String, wanted: String, actual: Option<String>) -> Self {
        Self::NamespaceLabel { path, key, wanted, actual }
    }
}

fn port_passes(rule: &Value, connection: &Connection<'_>) -> bool {
    let Some(ports) = rule.get("ports").and_then(Value::as_array).filter(|ports| !ports.is_empty()) else {
        return true;
    };
    ports.iter().any(|wanted| {
        let protocol = wanted.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        protocol == connection.protocol && port_matches(wanted, connection)
    })
}

fn port_matches(wanted: &Value, connection: &Connection<'_>) -> bool {
    match wanted.get("port") {
        None | Some(Value::Null) => true,
        Some(Value::String(name)) => {
            named_port(&connection.server, name, connection.protocol) == Some(connection.port)
                || name.parse() == Ok(connection.port)
        }
        Some(port) => port.as_i64().is_some_and(|first| {
            let last = wanted.get("endPort").and_then(Value::as_i64).unwrap_or(first);
            (first..=last).contains(&connection.port)
        }),
    }
}

fn named_port(server: &Side<'_>, name: &str, protocol: &str) -> Option<i64> {
    let Side::Pod { pod, .. } = server else { return None };
    let mut ports = pod
        .list_at("spec.containers")
        .flat_map(|container| container.get("ports").and_then(Value::as_array).into_iter().flatten());
    let matching = ports.find(|port| {
        text(port, "name") == name && port.get("protocol").and_then(Value::as_str).unwrap_or("TCP") == protocol
    });
    matching?.get("containerPort")?.as_i64()
}

/// `8080/TCP, 53/UDP`, for people.
fn ports_text(ports: Option<&Value>) -> String {
    let ports = ports.and_then(Value::as_array).into_iter().flatten();
    let texts = ports.map(|port| {
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        let number = match port.get("port") {
            None | Some(Value::Null) => "any".to_owned(),
            Some(Value::String(name)) => name.clone(),
            Some(number) => number.to_string(),
        };
        let end = port.get("endPort").and_then(Value::as_i64).map(|end| format!("-{end}")).unwrap_or_default();
        format!("{number}{end}/{protocol}")
    });
    texts.collect::<Vec<_>>().join(", ")
}

fn block_contains(block: &Value, address: IpAddr) -> bool {
    let except = block.get("except").and_then(Value::as_array).into_iter().flatten();
    cidr_contains(text(block, "cidr"), address)
        && !except.filter_map(Value::as_str).any(|cidr| cidr_contains(cidr, address))
}

/// Whether `10.0.0.0/8` or `fd00::/8` contains the address. A malformed block contains nothing.
pub fn cidr_contains(cidr: &str, address: IpAddr) -> bool {
    let Some((base, length)) = cidr.split_once('/') else { return false };
    let (Ok(base), Ok(length)) = (base.parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    let (base, address, width) = match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (u128::from(base.to_bits()), u128::from(address.to_bits()), 32),
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    let Some(host_bits) = u32::checked_sub(width, length) else { return false };
    base.checked_shr(host_bits).unwrap_or(0) == address.checked_shr(host_bits).unwrap_or(0)
}

/// A requirement of a selector that labels do not meet.
struct Unmet {
    key: String,
    wanted: String,
    actual: Option<String>,
}

impl Unmet {
    fn into_miss(self, path: String, build: fn(String, String, String, Option<String>) -> Miss) -> Miss {
        build(path, self.key, self.wanted, self.actual)
    }
}

/// Whether a label selector object picks these labels. An absent selector picks nothing, an empty one everything.
pub fn selects(selector: Option<&Value>, labels: &BTreeMap<&str, &str>) -> bool {
    selector.is_some_and(|selector| matches_object(selector, labels))
}

fn first_unmet(selector: &Value, labels: &BTreeMap<&str, &str>) -> Option<Unmet> {
    let actual = |key: &str| labels.get(key).map(|value| (*value).to_owned());
    let wanted = text_map(selector.get("matchLabels"));
    let label = wanted.into_iter().find(|(key, value)| labels.get(key) != Some(value));
    if let Some((key, value)) = label {
        return Some(Unmet { key: key.to_owned(), wanted: value.to_owned(), actual: actual(key) });
    }
    let mut expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    let unmet = expressions.find(|expression| !expression_holds(expression, labels))?;
    let key = text(unmet, "key");
    let wanted = format!("{} {}", text(unmet, "operator"), expression_values(unmet).join("|"));
    Some(Unmet { key: key.to_owned(), wanted: wanted.trim().to_owned(), actual: actual(key) })
}

fn expression_values(expression: &Value) -> Vec<&str> {
    expression.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests;
