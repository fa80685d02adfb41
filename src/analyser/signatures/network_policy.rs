//! Connections that a NetworkPolicy drops: a client times out, and the policies say why.

mod suspicion;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::analyser::draft::{draft, field_evidence, parameters, pods_and_owners};
use crate::analyser::network::{Connection, Decision, Denial, Direction, Miss, Side, evaluate};
use crate::analyser::routing::{is_live, services_of};
use crate::analyser::{Observed, Signature};
use crate::domain::object::text;
use crate::domain::{CauseClass, Evidence, Finding, Object, ResourceRef};

use suspicion::{Server, Suspicion, suspicions};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "network_policy_block",
    title: "A client's connections time out and a NetworkPolicy admits no such traffic",
    detect,
}];

/// A policy changed this shortly before the first failure is the likely culprit.
const CULPRIT_WINDOW: SignedDuration = SignedDuration::from_hours(2);

fn detect(observed: &Observed) -> Vec<Finding> {
    if observed.of_kind("NetworkPolicy").next().is_none() {
        return Vec::new();
    }
    let mut found: Vec<Finding> = Vec::new();
    for client in observed.of_kind("Pod").filter(|pod| is_live(pod)) {
        for suspicion in suspicions(observed, client) {
            let Some(finding) = suspicion.judge(observed) else { continue };
            let same = |seen: &&mut Finding| seen.target == finding.target && seen.parameters == finding.parameters;
            match found.iter_mut().find(same) {
                Some(seen) => {
                    let known: Vec<ResourceRef> = seen.affects.clone();
                    let is_new = |wanted: &ResourceRef| !known.iter().any(|have| have.same_object(wanted));
                    seen.affects.extend(finding.affects.into_iter().filter(is_new));
                }
                None => found.push(finding),
            }
        }
    }
    found
}

impl<'a> Suspicion<'a> {
    /// A finding when the policies deny the connection to every server; a path that is open explains nothing.
    fn judge(&self, observed: &'a Observed) -> Option<Finding> {
        let stand_in = stand_in_resolver();
        let mut blocked: Vec<(Direction, Denial<'a>, Option<&Object>, i64)> = Vec::new();
        for server in &self.servers {
            let (side, pod, port) = match server {
                Server::Pod(pod, port) => (Side::pod(observed, pod), Some(*pod), *port),
                Server::Outside(address, port) => (Side::Address(*address), None, *port),
                Server::Resolver => (Side::pod(observed, stand_in.as_ref()?), stand_in.as_ref(), 53),
            };
            let connection =
                Connection { client: Side::pod(observed, self.client), server: side, port, protocol: self.protocol };
            let (direction, denials) = denied(observed, &connection)?;
            let denial = self.culprit(denials)?;
            blocked.push((direction, denial, pod, port));
        }
        let (direction, denial, server, port) = blocked.into_iter().next()?;
        Some(self.report(observed, direction, &denial, server, port))
    }

    /// The policy to change: the one that changed just before the trouble began, else the nearest miss, else the newest.
    fn culprit(&self, denials: Vec<Denial<'a>>) -> Option<Denial<'a>> {
        denials.into_iter().min_by_key(|denial| {
            let distance = match &denial.miss {
                Miss::Port { .. } => 0,
                Miss::PodLabel { .. } => 1,
                Miss::NamespaceLabel { .. } => 2,
                Miss::Unrelated | Miss::NoRule => 3,
            };
            (!self.changed_before_failure(denial.policy), distance, std::cmp::Reverse(changed_at(denial.policy)))
        })
    }

    fn changed_before_failure(&self, policy: &Object) -> bool {
        self.first_seen.zip(changed_at(policy)).is_some_and(|(failure, change)| {
            let lead = failure.duration_since(change);
            lead >= SignedDuration::from_mins(-1) && lead <= CULPRIT_WINDOW
        })
    }

    fn report(
        &self,
        observed: &'a Observed,
        direction: Direction,
        denial: &Denial<'a>,
        server: Option<&Object>,
        port: i64,
    ) -> Finding {
        let policy = denial.policy;
        let (selected, peer) = match direction {
            Direction::Ingress => (server, Some(self.client)),
            Direction::Egress => (Some(self.client), server),
        };
        let way = format!("{} → {}", observed.root_owner(self.client), self.wanted);
        let reason = reason(&denial.miss, direction, peer, port, self.protocol);
        let mut evidence = self.evidence.clone();
        evidence.push(self.policy_evidence(denial, direction));
        if let Some(selected) = selected {
            let path = "metadata.labels";
            evidence.push(field_evidence(selected, path, format!("{} selects this pod", policy.reference())));
        }
        if let Some(peer) = peer {
            evidence.push(field_evidence(peer, "metadata.labels", "labels of the peer that no rule admits"));
        }
        let mut strength = self.strength;
        let mut timing = String::new();
        if let (true, Some(changed)) = (self.changed_before_failure(policy), changed_at(policy)) {
            strength = (strength + 0.05).min(0.97);
            timing = format!("; the policy last changed at {changed}, shortly before the first failure");
            evidence.push(change_evidence(policy, changed));
        }
        let mut affects = pods_and_owners(observed, self.fellow_clients(observed));
        affects.extend(services_of(observed, self.client).map(Object::reference));
        affects.extend(self.service.map(Object::reference));
        let mut hints = vec![("DIRECTION", json!(direction.as_str())), ("PORT", json!(port))];
        if let Some(selector) = peer.and_then(|peer| peer_selector(policy, &denial.miss, peer)) {
            hints.push(("PEER_SELECTOR", json!(selector)));
        }
        Finding {
            summary: format!(
                "{} blocks {way} ({} {}/{port}): {reason}{timing}",
                policy.reference(),
                direction.as_str(),
                self.protocol
            ),
            affects,
            action_type: Some("AllowNetworkTraffic".to_owned()),
            parameters: parameters(hints),
            causal_chain: vec![
                format!(
                    "{} isolates {} for {}",
                    policy.reference(),
                    selected.map_or_else(String::new, |pod| observed.root_owner(pod).to_string()),
                    direction.as_str()
                ),
                format!("none of its rules admits this connection: {reason}"),
                format!("connections {way} get no answer"),
            ],
            evidence,
            strength,
            ..draft("network_policy_block", CauseClass::NetworkPolicy, &self.client.reference(), policy.reference())
        }
    }

    /// The client and its siblings under the same owner: they carry the same labels.
    fn fellow_clients(&self, observed: &'a Observed) -> Vec<&'a Object> {
        let root = observed.find(&observed.root_owner(self.client));
        let mut pods = vec![self.client];
        pods.extend(
            root.map(|root| observed.pods_of(root))
                .unwrap_or_default()
                .into_iter()
                .filter(|pod| pod.name() != self.client.name()),
        );
        pods
    }

    fn policy_evidence(&self, denial: &Denial<'_>, direction: Direction) -> Evidence {
        let claim = |claim: &str| format!("{claim} {}", self.wanted);
        match &denial.miss {
            Miss::Port { path, .. } => {
                field_evidence(denial.policy, path, "the rule that names the peer admits other ports")
            }
            Miss::PodLabel { path, .. } | Miss::NamespaceLabel { path, .. } => {
                field_evidence(denial.policy, path, "the nearest rule wants another label")
            }
            Miss::Unrelated | Miss::NoRule => {
                let path = format!("spec.{}", direction.as_str());
                field_evidence(denial.policy, &path, claim("no rule admits the connection to"))
            }
        }
    }
}

/// The first direction in which the connection is denied: out of the client, then into the server.
fn denied<'a>(observed: &'a Observed, connection: &Connection<'_>) -> Option<(Direction, Vec<Denial<'a>>)> {
    [Direction::Egress, Direction::Ingress].into_iter().find_map(|direction| {
        match evaluate(observed.of_kind("NetworkPolicy"), direction, connection) {
            Decision::Denied(denials) => Some((direction, denials)),
            Decision::NotIsolated | Decision::Allowed(_) => None,
        }
    })
}

fn reason(miss: &Miss, direction: Direction, peer: Option<&Object>, port: i64, protocol: &str) -> String {
    let peer_name =
        peer.map_or_else(|| "addresses outside the cluster".to_owned(), |peer| format!("pod {}", peer.name()));
    let preposition = if direction == Direction::Ingress { "from" } else { "to" };
    let has = |actual: &Option<String>| {
        actual.as_ref().map_or_else(|| "has no such label".to_owned(), |value| format!("has {value}"))
    };
    match miss {
        Miss::Port { allowed, .. } => format!("it admits {allowed}, but the pod's port is {port}/{protocol}"),
        Miss::PodLabel { key, wanted, actual, .. } => {
            format!("it admits traffic {preposition} pods with {key}={wanted}; {peer_name} {}", has(actual))
        }
        Miss::NamespaceLabel { key, wanted, actual, .. } => {
            format!(
                "it admits traffic {preposition} namespaces with {key}={wanted}; the namespace of {peer_name} {}",
                has(actual)
            )
        }
        Miss::Unrelated => format!("none of its rules is about traffic {preposition} {peer_name}"),
        Miss::NoRule => {
            format!("it denies all {} and nothing else admits traffic {preposition} {peer_name}", direction.as_str())
        }
    }
}

/// The label that would let the peer in: of its namespace when that is what a rule misses or the peer lives in
/// another one, else the label policies here choose by.
fn peer_selector(policy: &Object, miss: &Miss, peer: &Object) -> Option<String> {
    let is_foreign = peer.namespace() != policy.namespace();
    if let Miss::PodLabel { key, .. } = miss
        && let Some(value) = peer.label(key)
    {
        return Some(format!("{key}={value}"));
    }
    if peer.label("k8s-app") == Some("kube-dns") {
        return Some("k8s-app=kube-dns".to_owned());
    }
    // A missed pod label means that the namespace was right.
    if is_foreign && !matches!(miss, Miss::PodLabel { .. }) {
        return Some(format!("kubernetes.io/metadata.name={}", peer.namespace()?));
    }
    let labels = peer.labels();
    let conventional = NAMING_LABELS.iter().find_map(|key| labels.get_key_value(key));
    let other = || labels.iter().find(|(key, _)| !key.ends_with("hash") && !key.contains("statefulset.kubernetes.io"));
    conventional.or_else(other).map(|(key, value)| format!("{key}={value}"))
}

/// Labels by which workloads are usually told apart, best first.
const NAMING_LABELS: &[&str] =
    &["app", "app.kubernetes.io/name", "k8s-app", "name", "app.kubernetes.io/component", "component"];

fn change_evidence(policy: &Object, changed: Timestamp) -> Evidence {
    let claim = "when the policy last changed";
    if policy.created_at() == Some(changed) {
        return field_evidence(policy, "metadata.creationTimestamp", claim);
    }
    field_evidence(policy, &format!("metadata.managedFields[time={changed}].time"), claim)
}

/// Creation, or the last recorded change by any manager.
fn changed_at(policy: &Object) -> Option<Timestamp> {
    let managed = policy.list_at("metadata.managedFields").filter_map(|entry: &Value| text(entry, "time").parse().ok());
    managed.chain(policy.created_at()).max()
}

fn stand_in_resolver() -> Option<Object> {
    Object::new(json!({
        "kind": "Pod",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"containers": [{"name": "coredns", "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}]}]}
    }))
}

#[cfg(test)]
mod tests;
