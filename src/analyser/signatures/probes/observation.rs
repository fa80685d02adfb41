//! Which probes fail right now, and what their container does meanwhile.

use std::fmt;

use jiff::SignedDuration;
use serde_json::Value;

use crate::analyser::connections::{Failure, listening_port};
use crate::analyser::observed::{Event, PodLog};
use crate::analyser::pods::{Container, is_stable, running_containers};
use crate::analyser::routing::is_live;
use crate::analyser::Observed;
use crate::cluster::LogLine;
use crate::domain::object::{at, text};
use crate::domain::{Evidence, Object};

/// The kubelet repeats a failing probe's event; older ones say nothing about now.
const RECENT: SignedDuration = SignedDuration::from_mins(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Liveness,
    Readiness,
    Startup,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Liveness, Self::Readiness, Self::Startup];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Liveness => "liveness",
            Self::Readiness => "readiness",
            Self::Startup => "startup",
        }
    }

    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Liveness => "livenessProbe",
            Self::Readiness => "readinessProbe",
            Self::Startup => "startupProbe",
        }
    }

    /// The probe a kubelet's message is about.
    fn of_message(message: &str) -> Option<Self> {
        let lower = message.to_ascii_lowercase();
        Self::ALL.into_iter().find(|kind| lower.starts_with(&format!("{kind} probe")))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symptom {
    Refused,
    NotFound,
    Other,
}

impl Symptom {
    fn of_message(message: &str) -> Self {
        if message.contains("statuscode: 404") {
            return Self::NotFound;
        }
        if Failure::of_line(message) == Some(Failure::Refused) { Self::Refused } else { Self::Other }
    }
}

/// A probe that fails now.
pub(super) struct Failing<'a> {
    pub(super) pod: &'a Object,
    pub(super) container: Container<'a>,
    pub(super) kind: Kind,
    pub(super) event: &'a Event,
    pub(super) symptom: Symptom,
    probe: &'a Value,
}

/// A line in which the container says where it listens.
pub(super) struct Announced<'a> {
    pub(super) port: u16,
    pub(super) log: &'a PodLog,
    pub(super) line: &'a LogLine,
}

/// Every failing probe of a container that suffers from it: one that is killed, or one that runs and is not ready.
pub(super) fn failing_probes(observed: &Observed) -> Vec<Failing<'_>> {
    let pods = observed.of_kind("Pod").filter(|pod| is_live(pod));
    pods.flat_map(|pod| of_pod(observed, pod)).collect()
}

fn of_pod<'a>(observed: &'a Observed, pod: &'a Object) -> Vec<Failing<'a>> {
    let events = observed.events_about(&pod.reference());
    let unhealthy = events
        .into_iter()
        .filter(|event| event.reason == "Unhealthy" && observed.is_recent(event.last_seen, RECENT))
        .filter_map(|event| Some((event, Kind::of_message(&event.message)?)))
        .collect::<Vec<_>>();
    let mut found = Vec::new();
    for container in running_containers(pod) {
        for kind in Kind::ALL {
            let Some(probe) = container.spec_at(kind.field()) else { continue };
            let own = |(event, of): &&(&'a Event, Kind)| {
                *of == kind && event.container.as_deref().is_none_or(|name| name == container.name)
            };
            let newest = unhealthy.iter().filter(own).max_by_key(|(event, _)| event.last_seen);
            if let Some((event, _)) = newest.filter(|_| suffers(observed, &container, kind)) {
                let symptom = Symptom::of_message(&event.message);
                found.push(Failing { pod, container, kind, event, symptom, probe });
            }
        }
    }
    found
}

fn suffers(observed: &Observed, container: &Container<'_>, kind: Kind) -> bool {
    match kind {
        Kind::Readiness => container.is_running() && !container.is_ready(),
        Kind::Liveness | Kind::Startup => container.restart_count() > 0 && !is_stable(observed, container),
    }
}

impl<'a> Failing<'a> {
    /// The container ends by its own fault: the probe is right to complain.
    pub(super) fn container_fails_by_itself(&self, observed: &Observed) -> bool {
        let ended = self.container.latest_termination();
        let by_itself = ended.filter(|ended| observed.is_recent(ended.finished_at, RECENT)).is_some_and(|ended| {
            ended.reason == "OOMKilled" || !matches!(ended.exit_code, 0 | 137 | 143)
        });
        by_itself || self.own_logs(observed).any(|log| log.lines.iter().any(|line| is_fatal(&line.text)))
    }

    fn handler(&self) -> Option<&'a Value> {
        ["httpGet", "tcpSocket", "grpc"].into_iter().find_map(|name| self.probe.get(name))
    }

    /// The port the probe asks; names are looked up in the container's ports.
    pub(super) fn port(&self) -> Option<u16> {
        let port = self.handler()?.get("port")?;
        let number = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
        number(port).or_else(|| {
            let name = port.as_str()?;
            let named = self.ports().find(|port| text(port, "name") == name);
            named.and_then(|port| number(port.get("containerPort")?)).or_else(|| name.parse().ok())
        })
    }

    pub(super) fn path(&self) -> Option<&'a str> {
        self.probe.get("httpGet").map(|get| at(get, "path").and_then(Value::as_str).unwrap_or("/"))
    }

    fn ports(&self) -> impl Iterator<Item = &'a Value> {
        self.container.spec_at("ports").and_then(Value::as_array).into_iter().flatten()
    }

    /// TCP ports the container declares.
    pub(super) fn declared_ports(&self) -> Vec<u16> {
        let tcp = self.ports().filter(|port| matches!(text(port, "protocol"), "" | "TCP"));
        tcp.filter_map(|port| port.get("containerPort")?.as_u64()?.try_into().ok()).collect()
    }

    fn own_logs(&self, observed: &'a Observed) -> impl Iterator<Item = &'a PodLog> {
        observed.logs_of(self.pod).filter(|log| log.container == self.container.name)
    }

    /// Where the container says it listens, one entry for each port.
    pub(super) fn announced_ports(&self, observed: &'a Observed) -> Vec<Announced<'a>> {
        let mut found: Vec<Announced<'a>> = Vec::new();
        for log in self.own_logs(observed) {
            for line in &log.lines {
                let Some(port) = listening_port(&line.text) else { continue };
                if found.iter().all(|known| known.port != port) {
                    found.push(Announced { port, log, line });
                }
            }
        }
        found
    }

    /// True when the container announced that it listens: it had come up when it was killed.
    pub(super) fn came_up(&self, observed: &'a Observed) -> bool {
        let ended = self.container.last_terminated().and_then(|ended| ended.finished_at);
        self.announced_ports(observed).iter().any(|announced| match (announced.line.time, ended) {
            (Some(said), Some(ended)) => announced.log.previous && said < ended,
            _ => announced.log.previous,
        })
    }

    /// A probe of the same container that asks another path and succeeds.
    pub(super) fn other_path(&self) -> Option<(Kind, &'a str)> {
        let own = self.path()?;
        let others = Kind::ALL.into_iter().filter(|kind| *kind != self.kind);
        let other = others.filter_map(|kind| {
            let path = self.container.spec_at(kind.field())?.get("httpGet")?.get("path")?.as_str()?;
            Some((kind, path))
        });
        // While readiness is what fails, a liveness probe that failed too would have killed the container.
        let mut proven = other.filter(|(kind, _)| match kind {
            Kind::Readiness => self.container.is_ready(),
            Kind::Liveness | Kind::Startup => self.container.restart_count() == 0,
        });
        proven.find(|(_, path)| *path != own)
    }

    /// The server's own record of the refused path.
    pub(super) fn request_line(&self, observed: &'a Observed, path: &str) -> Option<Evidence> {
        let logs = self.own_logs(observed);
        let mut lines = logs.flat_map(|log| log.lines.iter().rev().map(move |line| (log, line)));
        let (log, line) = lines.find(|(_, line)| line.text.contains(path) && line.text.contains("404"))?;
        Some(log.evidence(line, "the server's own record of the probe"))
    }

    /// The last line before the container was killed.
    pub(super) fn last_words(&self, observed: &'a Observed) -> Option<Evidence> {
        let previous = self.own_logs(observed).find(|log| log.previous)?;
        let line = previous.lines.iter().rev().find(|line| !line.text.trim().is_empty())?;
        Some(previous.evidence(line, "the last thing it said: still starting, no error"))
    }

    /// A number of the probe's definition.
    pub(super) fn number(&self, field: &str, default: i64) -> i64 {
        self.probe.get(field).and_then(Value::as_i64).unwrap_or(default)
    }

    /// From the start of the container to the failure that gets it killed.
    pub(super) fn allowance(&self) -> SignedDuration {
        let failures = self.number("failureThreshold", 3).clamp(1, 10_000);
        let period = self.number("periodSeconds", 10).clamp(1, 86_400);
        SignedDuration::from_secs(self.number("initialDelaySeconds", 0).clamp(0, 86_400) + failures * period)
    }

    /// Between SIGTERM and SIGKILL.
    pub(super) fn grace(&self) -> SignedDuration {
        let pods = self.pod.i64_at("spec.terminationGracePeriodSeconds").unwrap_or(30);
        SignedDuration::from_secs(self.number("terminationGracePeriodSeconds", pods).clamp(0, 86_400))
    }
}

/// Lines after which a program does not go on.
fn is_fatal(line: &str) -> bool {
    const FATAL: &[&str] = &["panic:", "panicked at", "fatal error", "FATAL", "Traceback (most recent call last)", "OutOfMemoryError"];
    FATAL.iter().any(|word| line.contains(word))
}
