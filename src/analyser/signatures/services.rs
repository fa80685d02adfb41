//! Services that lead nowhere: a selector no pod has, a port nobody listens on, a workload scaled to zero; Ingresses
//! that name what does not exist.
//!
//! A Service whose pods exist and are not ready is a symptom and left to the families that look at pods.

mod ingress;
mod port;
mod selector;

use jiff::SignedDuration;
use serde_json::Value;

use crate::analyser::connections::{Destination, FailedConnection, Failure, dependents, failures_of, resolve};
use crate::analyser::draft::pods_and_owners;
use crate::analyser::routing::is_live;
use crate::analyser::{Observed, Signature};
use crate::domain::object::text;
use crate::domain::{Evidence, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[
    Signature {
        id: "service_selector_mismatch",
        title: "A Service selects no pod while healthy pods with nearly its labels exist",
        detect: selector::detect,
    },
    Signature {
        id: "service_port_mismatch",
        title: "A Service sends traffic to a port its pods do not have",
        detect: port::detect,
    },
    Signature {
        id: "service_scaled_to_zero",
        title: "A Service others need has a workload scaled to zero behind it",
        detect: selector::detect_scaled_to_zero,
    },
    Signature {
        id: "ingress_backend_missing",
        title: "An Ingress routes to a Service or port that does not exist",
        detect: ingress::detect,
    },
];

/// Complaints older than this say nothing about the present.
const WINDOW: SignedDuration = SignedDuration::from_mins(30);
/// Most log lines quoted for one finding.
const COMPLAINTS_MAX: usize = 2;

/// Recent failed connections, read once for a whole family: of each client the newest to each place.
fn complaints(observed: &Observed) -> Vec<FailedConnection<'_>> {
    let mut found: Vec<FailedConnection<'_>> = Vec::new();
    for pod in observed.of_kind("Pod").filter(|pod| is_live(pod)) {
        let mut own: Vec<FailedConnection<'_>> = Vec::new();
        for failed in failures_of(observed, pod, WINDOW) {
            let counts = matches!(failed.failure, Failure::Refused | Failure::Timeout | Failure::Unreachable);
            let known =
                |seen: &FailedConnection<'_>| seen.failure == failed.failure && seen.addresses == failed.addresses;
            if counts && !failed.addresses.is_empty() && own.len() < COMPLAINTS_PER_POD_MAX && !own.iter().any(known) {
                own.push(failed);
            }
        }
        found.extend(own);
    }
    found
}

/// Most different places one client is heard about.
const COMPLAINTS_PER_POD_MAX: usize = 50;

/// The complaints about one Service: by its name or address, or about a pod behind it.
fn about<'a, 'b>(
    observed: &'a Observed,
    complaints: &'b [FailedConnection<'a>],
    service: &Object,
    backends: &[&Object],
    port: Option<i64>,
) -> Vec<&'b FailedConnection<'a>> {
    let named = service.reference();
    let concerns = |failed: &&FailedConnection<'a>| {
        let namespace = failed.client.namespace().unwrap_or_default();
        failed.addresses.iter().any(|address| match resolve(observed, namespace, &address.host) {
            Some(Destination::Service(found)) => {
                found.reference().same_object(&named)
                    && (port.is_none() || address.port.is_none() || address.port.map(i64::from) == port)
            }
            Some(Destination::Pod(pod)) => backends.iter().any(|backend| backend.name() == pod.name()),
            None => false,
        })
    };
    complaints.iter().filter(concerns).collect()
}

fn complaint_evidence(complaints: &[&FailedConnection<'_>]) -> Vec<Evidence> {
    let quoted = complaints.iter().take(COMPLAINTS_MAX);
    quoted.map(|failed| failed.log.evidence(failed.line, "a client cannot reach the Service")).collect()
}

/// The Service, the Ingresses that route to it, and the pods that need it with their owners.
fn sufferers(observed: &Observed, service: &Object, complaints: &[&FailedConnection<'_>]) -> Vec<ResourceRef> {
    let mut pods: Vec<&Object> = complaints.iter().map(|failed| failed.client).collect();
    pods.extend(dependents(observed, service));
    let mut found = pods_and_owners(observed, pods);
    let ingresses = observed.in_namespace("Ingress", service.namespace().unwrap_or_default());
    let routes = ingresses.filter(|ingress| {
        ingress::backends(ingress).iter().any(|(_, backend)| text(backend, "name") == service.name())
    });
    found.extend(routes.map(Object::reference));
    found
}

/// Whether the incident is about this object itself.
fn is_signal(observed: &Observed, object: &Object) -> bool {
    observed.signal().same_object(&object.reference())
}

/// The port of an entry of `spec.ports`.
fn number(entry: &Value) -> i64 {
    entry.get("port").and_then(Value::as_i64).unwrap_or_default()
}

/// A finding nobody suffers from, on an object the incident does not name, is a curiosity.
fn weighed(observed: &Observed, service: &Object, finding: Finding, strong: f64, weak: f64) -> Finding {
    let felt = is_signal(observed, service) || !finding.affects.is_empty();
    Finding { strength: if felt { strong } else { weak }, ..finding }
}

#[cfg(test)]
mod tests;
