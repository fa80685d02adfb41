//! Services that aim at the wrong port.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{about, complaint_evidence, complaints, is_signal, number, sufferers};
use crate::analyser::Observed;
use crate::analyser::connections::{FailedConnection, Failure, listening_port};
use crate::analyser::draft::{compact, draft, enumerate, field_evidence, parameters};
use crate::analyser::routing::{backends, container_ports, is_ready, pod_port};
use crate::domain::object::{at, text};
use crate::domain::{CauseClass, Evidence, Finding, Object};

pub(super) fn detect(observed: &Observed) -> Vec<Finding> {
    let complaints = complaints(observed);
    let mut found = Vec::new();
    for service in observed.of_kind("Service") {
        let pods = backends(observed, service);
        let Some(pod) = pods.iter().find(|pod| is_ready(pod)) else { continue };
        for (index, entry) in service.list_at("spec.ports").enumerate() {
            let aim = Aim { observed, service, entry, index, pod, pods: &pods };
            found.extend(aim.judge(&complaints));
        }
    }
    found
}

/// One entry of a Service's ports, and a ready pod it leads to.
struct Aim<'a> {
    observed: &'a Observed,
    service: &'a Object,
    entry: &'a Value,
    index: usize,
    pod: &'a Object,
    pods: &'a [&'a Object],
}

impl<'a> Aim<'a> {
    fn judge(&self, complaints: &[FailedConnection<'a>]) -> Option<Finding> {
        let mut complaints = about(self.observed, complaints, self.service, self.pods, Some(number(self.entry)));
        // Where nobody listens the kernel refuses; silence has other causes.
        complaints.retain(|failed| failed.failure == Failure::Refused);
        let Some(target) = pod_port(self.entry, self.pod) else { return self.name_missing(&complaints) };
        let declared: BTreeSet<i64> = self.declared().chain(self.probed()).collect();
        let listening = self.listening();
        let says_elsewhere = !listening.is_empty() && !listening.iter().any(|(port, _)| *port == target);
        // A ready pod answers its probe. A declared port is doubted only when every port it announced is undeclared:
        // a log line about a metrics port says nothing about the others.
        let doubted = says_elsewhere && !listening.iter().any(|(port, _)| declared.contains(port));
        if self.probed() == Some(target) || (declared.contains(&target) && !doubted) {
            return None;
        }
        // Declared ports are only documentation: without a word from the server or a client they prove nothing.
        let strength = match (says_elsewhere, complaints.is_empty()) {
            (true, false) => 0.95,
            (true, true) if !declared.contains(&target) => 0.85,
            (false, false) if !declared.is_empty() => 0.9,
            (false, true) if !declared.is_empty() && is_signal(self.observed, self.service) => 0.6,
            _ => return None,
        };
        let better = self.better_port(&declared, &listening)?;
        let mut evidence =
            vec![self.target_evidence(format!("the Service sends port {} to pod port {target}", number(self.entry)))];
        evidence.push(field_evidence(self.pod, "spec.containers[0].ports", "ports the pods declare"));
        evidence.extend(listening.iter().take(2).map(|(_, evidence)| evidence.clone()));
        let known: Vec<String> = listening
            .iter()
            .map(|(port, _)| *port)
            .chain(declared)
            .collect::<BTreeSet<_>>()
            .iter()
            .map(i64::to_string)
            .collect();
        let reason = format!("nothing listens on {target}; the pods use {}", enumerate(&known, 4));
        Some(self.report(&reason, &better.to_string(), evidence, &complaints, strength))
    }

    /// `targetPort` is a name no container port has: the controller publishes no port at all.
    fn name_missing(&self, complaints: &[&FailedConnection<'a>]) -> Option<Finding> {
        let name = text(self.entry, "targetPort");
        let ports: Vec<&Value> = self.pods.iter().flat_map(|pod| container_ports(pod)).collect();
        let names: BTreeSet<&str> =
            ports.iter().map(|port| text(port, "name")).filter(|name| !name.is_empty()).collect();
        let declared: BTreeSet<i64> = self.declared().collect();
        let closest =
            names.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
        let by_number = declared.get(&number(self.entry)).copied();
        let better = match (closest, names.len()) {
            (Some(closest), 1) => (*closest).to_owned(),
            (Some(closest), _) if strsim::jaro_winkler(name, closest) > 0.7 => (*closest).to_owned(),
            _ => by_number.or_else(|| self.better_port(&declared, &self.listening()))?.to_string(),
        };
        let listed: Vec<&str> = names.into_iter().collect();
        let evidence = vec![
            self.target_evidence(format!("the Service sends port {} to the port named {name}", number(self.entry))),
            field_evidence(self.pod, "spec.containers[0].ports", format!("no container port is named {name}")),
        ];
        let reason = format!("its pods have no port named {name} (named: {})", enumerate(&listed, 4));
        Some(self.report(&reason, &better, evidence, complaints, 0.95))
    }

    fn target_evidence(&self, claim: String) -> Evidence {
        let path = format!("spec.ports[{}].targetPort", self.index);
        let value = self.entry.get("targetPort").or_else(|| self.entry.get("port")).map_or_else(String::new, compact);
        Evidence::field(claim, self.service.reference(), path, value)
    }

    fn report(
        &self,
        reason: &str,
        better: &str,
        mut evidence: Vec<Evidence>,
        complaints: &[&FailedConnection<'a>],
        strength: f64,
    ) -> Finding {
        let service = self.service.reference();
        let (port, target) =
            (number(self.entry), self.entry.get("targetPort").map_or_else(|| number(self.entry).to_string(), compact));
        evidence.extend(complaint_evidence(complaints));
        Finding {
            summary: format!("{service} sends port {port} to {target}, but {reason}; it should be {better}"),
            affects: sufferers(self.observed, self.service, complaints),
            action_type: Some("FixServicePort".to_owned()),
            parameters: parameters([("SERVICE_PORT", json!(port)), ("TARGET_PORT_NEW", json!(better))]),
            causal_chain: vec![
                format!("port {port} of {service} has targetPort {target}"),
                reason.to_owned(),
                "connections through the Service are refused although its pods are ready".to_owned(),
            ],
            evidence,
            strength,
            ..draft("service_port_mismatch", CauseClass::ServicePort, &service, service.clone())
        }
    }

    fn declared(&self) -> impl Iterator<Item = i64> {
        container_ports(self.pod).filter_map(|port| port.get("containerPort")?.as_i64())
    }

    /// Ports the pods announced in their logs, with the lines.
    fn listening(&self) -> Vec<(i64, Evidence)> {
        let mut found: Vec<(i64, Evidence)> = Vec::new();
        for log in self.pods.iter().flat_map(|pod| self.observed.logs_of(pod)).filter(|log| !log.previous) {
            for line in &log.lines {
                if let Some(port) = listening_port(&line.text).map(i64::from)
                    && !found.iter().any(|(seen, _)| *seen == port)
                {
                    found.push((port, log.evidence(line, format!("the server says it listens on {port}"))));
                }
            }
        }
        found
    }

    /// Announced and declared, else probed, else announced, else declared; never one another entry already serves,
    /// and no metrics port unless the entry is one.
    fn better_port(&self, declared: &BTreeSet<i64>, listening: &[(i64, Evidence)]) -> Option<i64> {
        let taken: BTreeSet<i64> = self
            .service
            .list_at("spec.ports")
            .filter(|entry| *entry != self.entry)
            .filter_map(|entry| pod_port(entry, self.pod))
            .collect();
        let side_port = |port: i64| {
            let named = container_ports(self.pod)
                .find(|entry| entry.get("containerPort").and_then(Value::as_i64) == Some(port));
            let name = named.map_or("", |entry| text(entry, "name"));
            SIDE_PORTS.iter().any(|side| name.contains(side))
                && !SIDE_PORTS.iter().any(|side| text(self.entry, "name").contains(side))
        };
        let usable = |port: &i64| !taken.contains(port) && !side_port(*port);
        let announced: Vec<i64> = listening.iter().map(|(port, _)| *port).filter(|port| usable(port)).collect();
        let same_name = container_ports(self.pod)
            .find(|port| !text(port, "name").is_empty() && text(port, "name") == text(self.entry, "name"))
            .and_then(|port| port.get("containerPort")?.as_i64());
        let probed = self.probed().filter(|port| usable(port));
        same_name
            .filter(|port| listening.is_empty() || announced.contains(port))
            .or_else(|| announced.iter().copied().find(|port| declared.contains(port)))
            .or_else(|| announced.first().copied())
            .or(probed)
            .or_else(|| declared.iter().copied().find(usable))
    }

    /// The port the readiness probe reaches: the pod is ready, so something listens there.
    fn probed(&self) -> Option<i64> {
        let mut probes = self.pod.list_at("spec.containers").filter_map(|container| container.get("readinessProbe"));
        let port = probes.find_map(|probe| at(probe, "httpGet.port").or_else(|| at(probe, "tcpSocket.port")))?;
        match port {
            Value::String(name) => {
                container_ports(self.pod).find(|port| text(port, "name") == name)?.get("containerPort")?.as_i64()
            }
            number => number.as_i64(),
        }
    }
}

/// Names of ports that are not what a Service is for.
const SIDE_PORTS: &[&str] = &["metrics", "prom", "admin", "health", "debug", "probe"];
