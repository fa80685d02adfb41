//! Ingresses whose backend does not exist.

use serde_json::Value;

use super::is_signal;
use crate::analyser::Observed;
use crate::analyser::draft::{draft, enumerate, field_evidence};
use crate::domain::object::{at, text};
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object};

/// Every `backend.service` of an Ingress (networking.k8s.io/v1) with its path.
pub(super) fn backends(ingress: &Object) -> Vec<(String, &Value)> {
    let default = at(ingress.value(), "spec.defaultBackend.service");
    let mut found: Vec<(String, &Value)> =
        default.into_iter().map(|service| ("spec.defaultBackend.service".to_owned(), service)).collect();
    for (rule_index, rule) in ingress.list_at("spec.rules").enumerate() {
        let paths = at(rule, "http.paths").and_then(Value::as_array).into_iter().flatten();
        for (path_index, path) in paths.enumerate() {
            if let Some(service) = at(path, "backend.service") {
                found.push((format!("spec.rules[{rule_index}].http.paths[{path_index}].backend.service"), service));
            }
        }
    }
    found
}

pub(super) fn detect(observed: &Observed) -> Vec<Finding> {
    let mut found = Vec::new();
    for ingress in observed.of_kind("Ingress") {
        let namespace = ingress.namespace().unwrap_or_default();
        let services: Vec<&Object> = observed.in_namespace("Service", namespace).collect();
        if services.is_empty() || !observed.is_complete("Service", Some(namespace)) {
            continue;
        }
        for (path, backend) in backends(ingress) {
            found.extend(missing_service(observed, ingress, &services, &path, backend));
            found.extend(missing_port(observed, ingress, &services, &path, backend));
        }
    }
    found
}

fn missing_service(
    observed: &Observed,
    ingress: &Object,
    services: &[&Object],
    path: &str,
    backend: &Value,
) -> Option<Finding> {
    let name = text(backend, "name");
    if name.is_empty() || services.iter().any(|service| service.name() == name) {
        return None;
    }
    let close: Vec<&str> =
        services.iter().map(|service| service.name()).filter(|other| strsim::jaro_winkler(name, other) > 0.8).collect();
    let hint = if close.is_empty() { String::new() } else { format!("; did it mean {}?", enumerate(&close, 3)) };
    let what = format!("{} routes to Service {name}, which does not exist{hint}", ingress.reference());
    Some(report(
        observed,
        ingress,
        what,
        CauseClass::MissingConfiguration,
        vec![
            field_evidence(ingress, &format!("{path}.name"), "the route's backend"),
            Evidence::absent("no such Service", ingress.reference(), format!("no Service {name} in the namespace")),
        ],
    ))
}

fn missing_port(
    observed: &Observed,
    ingress: &Object,
    services: &[&Object],
    path: &str,
    backend: &Value,
) -> Option<Finding> {
    let service = services.iter().find(|service| service.name() == text(backend, "name"))?;
    let (name, number) = (text(backend, "port.name"), at(backend, "port.number").and_then(Value::as_i64));
    let exists = service.list_at("spec.ports").any(|port| {
        (!name.is_empty() && text(port, "name") == name)
            || (number.is_some() && port.get("port").and_then(Value::as_i64) == number)
    });
    // An ExternalName Service needs no ports.
    if exists || (name.is_empty() && number.is_none()) || service.str_at("spec.type") == Some("ExternalName") {
        return None;
    }
    let wanted = number.map_or_else(|| name.to_owned(), |number| number.to_string());
    let ports: Vec<String> =
        service.list_at("spec.ports").filter_map(|port| Some(port.get("port")?.as_i64()?.to_string())).collect();
    let what = format!(
        "{} routes to port {wanted} of {}, which only has {}",
        ingress.reference(),
        service.reference(),
        enumerate(&ports, 4)
    );
    Some(report(
        observed,
        ingress,
        what,
        CauseClass::ServicePort,
        vec![
            field_evidence(ingress, &format!("{path}.port"), "the route's backend port"),
            field_evidence(service, "spec.ports", "ports of the Service"),
        ],
    ))
}

fn report(
    observed: &Observed,
    ingress: &Object,
    what: String,
    cause_class: CauseClass,
    evidence: Vec<Evidence>,
) -> Finding {
    Finding {
        causal_chain: vec![
            what.clone(),
            "requests to this route are answered 503 or 404 by the ingress controller".to_owned(),
        ],
        summary: what,
        evidence,
        strength: if is_signal(observed, ingress) { 0.85 } else { 0.55 },
        disposition: Disposition::Escalate,
        ..draft("ingress_backend_missing", cause_class, &ingress.reference(), ingress.reference())
    }
}
