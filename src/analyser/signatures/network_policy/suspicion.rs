//! Which connections are worth checking against the policies, and where they lead.

use core::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use crate::analyser::Observed;
use crate::analyser::connections::{
    Address, Destination, FailedConnection, Failure, configured_addresses, failures_of, resolve,
};
use crate::analyser::routing::{backends, is_live, is_ready, pod_port, service_port};
use crate::domain::{Evidence, Object};

/// Failures older than this say nothing about the present.
const WINDOW: SignedDuration = SignedDuration::from_mins(30);

/// A connection of a client that seems not to get through.
pub(super) struct Suspicion<'a> {
    pub(super) client: &'a Object,
    /// What the client was after, for people: `orders:8080`.
    pub(super) wanted: String,
    pub(super) service: Option<&'a Object>,
    pub(super) servers: Vec<Server<'a>>,
    pub(super) protocol: &'static str,
    pub(super) evidence: Vec<Evidence>,
    pub(super) first_seen: Option<Timestamp>,
    pub(super) strength: f64,
}

/// Where the packets would go.
pub(super) enum Server<'a> {
    Pod(&'a Object, i64),
    Outside(IpAddr, i64),
    /// The cluster's resolver, which was not gathered: stands for any conventional one.
    Resolver,
}

/// Connections worth checking: failing ones from the logs; for a pod that is not ready and leaves no log, the
/// configured ones.
pub(super) fn suspicions<'a>(observed: &'a Observed, client: &'a Object) -> Vec<Suspicion<'a>> {
    let failures: Vec<FailedConnection<'a>> = failures_of(observed, client, WINDOW)
        .into_iter()
        .filter(|failed| match failed.failure {
            Failure::Timeout | Failure::Unreachable | Failure::ResolverTimeout => true,
            Failure::NameUnknown => exists(observed, failed),
            Failure::Refused => false,
        })
        .collect();
    let mut found: Vec<Suspicion<'a>> = Vec::new();
    let mut places: Vec<(Failure, &[Address])> = Vec::new();
    for failed in &failures {
        let place = (failed.failure, failed.addresses);
        if places.contains(&place) || places.len() >= PLACES_MAX {
            continue;
        }
        places.push(place);
        for suspicion in from_failure(observed, client, failed, &failures) {
            if !found.iter().any(|seen| seen.wanted == suspicion.wanted) {
                found.push(suspicion);
            }
        }
    }
    let is_silent = failures.is_empty() && observed.logs_of(client).all(|log| log.lines.is_empty());
    if is_silent && client.str_at("status.phase") == Some("Running") && !is_ready(client) {
        found.extend(from_configuration(observed, client, 0.6, &[]));
    }
    found
}

/// Most different places of one client that are checked.
const PLACES_MAX: usize = 50;

/// Some resolvers report silence as an unknown name: suspicious where the name belongs to a Service that exists.
fn exists(observed: &Observed, failed: &FailedConnection<'_>) -> bool {
    let namespace = failed.client.namespace().unwrap_or_default();
    failed
        .addresses
        .iter()
        .any(|address| address.host.parse::<IpAddr>().is_err() && resolve(observed, namespace, &address.host).is_some())
}

fn from_failure<'a>(
    observed: &'a Observed,
    client: &'a Object,
    failed: &FailedConnection<'a>,
    all: &[FailedConnection<'a>],
) -> Vec<Suspicion<'a>> {
    let count = all.iter().filter(|other| other.addresses == failed.addresses).count();
    let first =
        all.iter().filter(|other| other.addresses == failed.addresses).filter_map(|other| other.line.time).min();
    let claim = format!("the client's connection fails ({count} such lines in the last {} min)", WINDOW.as_mins());
    let evidence = vec![failed.log.evidence(failed.line, claim)];
    if matches!(failed.failure, Failure::ResolverTimeout | Failure::NameUnknown) {
        return vec![Suspicion {
            client,
            wanted: "DNS".to_owned(),
            service: None,
            servers: resolvers(observed),
            protocol: "UDP",
            evidence,
            first_seen: first,
            strength: 0.92,
        }];
    }
    let namespace = client.namespace().unwrap_or_default();
    let mut found: Vec<Suspicion<'a>> = failed
        .addresses
        .iter()
        .filter_map(|address| to_address(observed, client, namespace, address))
        .map(|suspicion| Suspicion { evidence: evidence.clone(), first_seen: first, ..suspicion })
        .collect();
    if failed.addresses.is_empty() {
        found = from_configuration(observed, client, 0.78, &evidence);
        found.iter_mut().for_each(|suspicion| suspicion.first_seen = first);
    }
    found
}

fn from_configuration<'a>(
    observed: &'a Observed,
    client: &'a Object,
    strength: f64,
    evidence: &[Evidence],
) -> Vec<Suspicion<'a>> {
    let namespace = client.namespace().unwrap_or_default();
    let configured = configured_addresses(observed, client).into_iter();
    let suspicions = configured.filter_map(|configured| {
        let suspicion = to_address(observed, client, namespace, &configured.address)?;
        suspicion.service?;
        let mut evidence = evidence.to_vec();
        let claim = format!("the client is configured to talk to {}", suspicion.wanted);
        evidence.push(Evidence::field(claim, configured.object.reference(), configured.path, configured.value));
        Some(Suspicion { evidence, strength, ..suspicion })
    });
    suspicions.collect()
}

/// Resolves an address to pods and the port on them.
fn to_address<'a>(
    observed: &'a Observed,
    client: &'a Object,
    namespace: &str,
    address: &Address,
) -> Option<Suspicion<'a>> {
    let port = address.port.map(i64::from);
    let wanted = port.map_or_else(|| address.host.clone(), |port| format!("{}:{port}", address.host));
    let (service, servers) = match resolve(observed, namespace, &address.host) {
        Some(Destination::Service(service)) => {
            let entry = service_port(service, port)?;
            let pods = backends(observed, service);
            let servers = pods.into_iter().filter_map(|pod| Some(Server::Pod(pod, pod_port(entry, pod)?)));
            (Some(service), servers.collect())
        }
        Some(Destination::Pod(pod)) if pod.name() != client.name() => (None, vec![Server::Pod(pod, port?)]),
        Some(Destination::Pod(_)) => return None,
        None => (None, vec![Server::Outside(outside_address(&address.host)?, port.unwrap_or(443))]),
    };
    Some(Suspicion {
        client,
        wanted,
        service,
        servers,
        protocol: "TCP",
        evidence: Vec::new(),
        first_seen: None,
        strength: 0.9,
    })
}

/// The address itself, or for a public name a documentation address that only a rule for the whole world contains.
fn outside_address(host: &str) -> Option<IpAddr> {
    let is_public_name = host.contains('.') && !host.contains(".svc") && !host.ends_with(".local");
    host.parse().ok().or_else(|| is_public_name.then_some(IpAddr::from([203, 0, 113, 1])))
}

/// The cluster's DNS pods, or a stand-in where they were not gathered.
fn resolvers(observed: &Observed) -> Vec<Server<'_>> {
    let is_dns = |pod: &&Object| pod.label("k8s-app") == Some("kube-dns") && is_live(pod);
    let pods: Vec<Server<'_>> =
        observed.in_namespace("Pod", "kube-system").filter(is_dns).map(|pod| Server::Pod(pod, 53)).collect();
    if pods.is_empty() { vec![Server::Resolver] } else { pods }
}
