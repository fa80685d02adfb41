//! Probes that fail although the container they ask is in order: wrong port, wrong path, or asked too early.

mod observation;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::analyser::draft::{draft, parameters, pods_and_owners};
use crate::analyser::pods::duration_text;
use crate::analyser::{Observed, Signature};
use crate::domain::{CauseClass, Evidence, Finding};
use observation::{Failing, Kind, Symptom};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "probe_misconfigured",
    title: "A probe asks the wrong port or path, or asks before the container can answer",
    detect,
}];

fn detect(observed: &Observed) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for failing in observation::failing_probes(observed) {
        let Some(fault) = Fault::of(observed, &failing) else { continue };
        let finding = fault.finding(observed, &failing);
        match found.iter_mut().find(|known| known.target == finding.target && known.parameters == finding.parameters) {
            Some(known) => known.affects.extend(finding.affects),
            None => found.push(finding),
        }
    }
    found
}

/// What is wrong with a probe, and how it should be.
struct Fault {
    what: String,
    hints: Vec<(&'static str, Value)>,
    evidence: Vec<Evidence>,
    strength: f64,
}

impl Fault {
    fn of(observed: &Observed, failing: &Failing<'_>) -> Option<Self> {
        if failing.container_fails_by_itself(observed) {
            return None;
        }
        match failing.symptom {
            Symptom::Refused => wrong_port(observed, failing).or_else(|| too_eager(observed, failing)),
            Symptom::NotFound => wrong_path(observed, failing),
            Symptom::Other => too_eager(observed, failing),
        }
    }

    fn finding(self, observed: &Observed, failing: &Failing<'_>) -> Finding {
        let Failing { pod, container, kind, .. } = failing;
        let root = observed.root_owner(pod);
        let mut hints = vec![("CONTAINER_NAME", json!(container.name)), ("PROBE_TYPE", json!(kind.as_str()))];
        hints.extend(self.hints);
        let consequence = match kind {
            Kind::Readiness => format!("{} is never ready and gets no traffic", pod.name()),
            Kind::Liveness | Kind::Startup => {
                format!("the kubelet kills container {} again and again ({} restarts)", container.name, container.restart_count())
            }
        };
        let mut evidence = vec![
            failing.event.evidence(format!("the {kind} probe fails ({} times)", failing.event.count)),
            container.spec_evidence(kind.field(), format!("the {kind} probe")),
        ];
        evidence.extend(self.evidence);
        Finding {
            summary: format!("The {kind} probe of container {} of {root} is wrong: {}; {consequence}", container.name, self.what),
            affects: pods_and_owners(observed, [*pod]),
            action_type: Some("AdjustProbe".to_owned()),
            parameters: parameters(hints),
            causal_chain: vec![self.what, format!("the {kind} probe fails although the container runs"), consequence],
            evidence,
            strength: self.strength,
            ..draft("probe_misconfigured", CauseClass::ProbeMisconfigured, &pod.reference(), root)
        }
    }
}

/// Nothing listens on the port the probe asks, and something does on another.
fn wrong_port(observed: &Observed, failing: &Failing<'_>) -> Option<Fault> {
    let asked = failing.port()?;
    let announced = failing.announced_ports(observed);
    if announced.iter().any(|announced| announced.port == asked) {
        return None;
    }
    let declared = failing.declared_ports();
    let fault = |port: u16, how: &str, proof: Evidence, strength: f64| Fault {
        what: format!("it asks port {asked} while the container {how} {port}"),
        hints: vec![("PROBE_PORT", json!(port.to_string()))],
        evidence: vec![proof],
        strength,
    };
    // Of several announced ports the one that the Pod declares too; a metrics port is rarely the one to ask.
    let best = announced.iter().find(|announced| declared.contains(&announced.port)).or_else(|| announced.first());
    if let Some(announced) = best {
        let proof = announced.log.evidence(announced.line, "where the container listens");
        return Some(fault(announced.port, "listens on", proof, 0.95));
    }
    match declared.as_slice() {
        [port] if *port != asked => {
            let proof = failing.container.spec_evidence("ports", "the only port the container declares");
            Some(fault(*port, "declares only", proof, 0.7))
        }
        _ => None,
    }
}

/// The server answers, but not at that path.
fn wrong_path(observed: &Observed, failing: &Failing<'_>) -> Option<Fault> {
    let path = failing.path()?;
    let served = failing.other_path();
    let mut evidence: Vec<Evidence> = failing.request_line(observed, path).into_iter().collect();
    if let Some((other, _)) = served {
        evidence.push(failing.container.spec_evidence(other.field(), format!("the {other} probe, which succeeds")));
    }
    Some(Fault {
        what: format!("the server answers 404 to {path}"),
        hints: served.map(|(_, path)| ("PROBE_PATH", json!(path))).into_iter().collect(),
        evidence,
        strength: 0.9,
    })
}

/// The container is killed before it has come up.
fn too_eager(observed: &Observed, failing: &Failing<'_>) -> Option<Fault> {
    let has_startup_probe = failing.container.spec_at("startupProbe").is_some();
    if failing.kind == Kind::Readiness || (failing.kind == Kind::Liveness && has_startup_probe) {
        return None;
    }
    let ended = failing.container.latest_termination()?;
    let lived = ended.ran_for()?;
    let allowed = failing.allowance();
    let killed = matches!(ended.exit_code, 137 | 143) && ended.reason != "OOMKilled";
    // A container that had come up and hung later lives longer than its probes allow.
    if !killed || lived > allowed + failing.grace() + SLACK || failing.came_up(observed) {
        return None;
    }
    let needed = (lived.as_secs() * 2).max(FIRST_PROBE_SECONDS_MIN);
    let hint = match failing.kind {
        Kind::Startup => {
            let period = failing.number("periodSeconds", 10).max(1);
            ("FAILURE_THRESHOLD", json!((failing.number("failureThreshold", 3) * 3).max(needed / period)))
        }
        _ => ("INITIAL_DELAY_SECONDS", json!((needed + 9) / 10 * 10)),
    };
    let mut evidence = vec![Evidence::field(
        format!("killed {} after its start", duration_text(lived)),
        failing.pod.reference(),
        format!("{}.exitCode", ended.path),
        ended.exit_code.to_string(),
    )];
    evidence.extend(failing.last_words(observed));
    Some(Fault {
        what: format!("it allows {} to start and the container needs longer", duration_text(allowed)),
        hints: vec![hint],
        evidence,
        strength: 0.8,
    })
}

/// The kubelet's own delays between the last failed probe and the end.
const SLACK: SignedDuration = SignedDuration::from_secs(15);
const FIRST_PROBE_SECONDS_MIN: i64 = 30;

#[cfg(test)]
mod tests;
