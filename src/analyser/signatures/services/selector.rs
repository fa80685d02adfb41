//! Services that select nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{about, complaint_evidence, complaints, is_signal, sufferers, weighed};
use crate::analyser::Observed;
use crate::analyser::connections::FailedConnection;
use crate::analyser::draft::{compact, draft, field_evidence, parameters};
use crate::analyser::routing::{backends, is_ready, ready_endpoints, selector};
use crate::domain::object::text_map;
use crate::domain::{CauseClass, Disposition, Evidence, Finding, Object};

pub(super) fn detect(observed: &Observed) -> Vec<Finding> {
    let complaints = complaints(observed);
    let services = observed.of_kind("Service").filter(|service| selects_nothing(observed, service));
    services
        .filter_map(|service| {
            mismatch(observed, service, &complaints).or_else(|| superfluous(observed, service, &complaints))
        })
        .collect()
}

fn selects_nothing(observed: &Observed, service: &Object) -> bool {
    selector(service).is_some()
        && observed.is_complete("Pod", service.namespace())
        && backends(observed, service).is_empty()
        && ready_endpoints(observed, service).unwrap_or_default() == 0
        // A Service that is not served yet or no longer is nobody's fault.
        && !service.is_terminating()
}

/// Workloads of the Service's namespace with their pod template's labels.
fn workloads<'a>(observed: &'a Observed, service: &'a Object) -> Vec<(&'a Object, BTreeMap<&'a str, &'a str>)> {
    let namespace = service.namespace().unwrap_or_default();
    let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
    let all = kinds.into_iter().flat_map(|kind| observed.in_namespace(kind, namespace));
    all.map(|workload| (workload, text_map(workload.at("spec.template.metadata.labels")))).collect()
}

/// The one label that would have to differ for a workload to be selected.
#[derive(Debug)]
struct NearMiss<'a> {
    workload: &'a Object,
    pod: &'a Object,
    /// The selector's entry that no pod has.
    stale: (&'a str, &'a str),
    /// What the pods have instead.
    key: &'a str,
    value: &'a str,
    similarity: f64,
}

fn mismatch(observed: &Observed, service: &Object, complaints: &[FailedConnection<'_>]) -> Option<Finding> {
    let wanted = text_map(selector(service));
    let workloads = workloads(observed, service);
    let selected = |labels: &BTreeMap<&str, &str>| wanted.iter().all(|(key, value)| labels.get(key) == Some(value));
    if workloads.iter().any(|(_, labels)| selected(labels)) {
        return None;
    }
    let candidates =
        workloads.iter().filter_map(|(workload, labels)| near_miss(observed, service, &wanted, workload, labels));
    let best = candidates.max_by(|a, b| a.similarity.total_cmp(&b.similarity))?;
    let concerned = about(observed, complaints, service, &[], None);
    let (stale_key, stale_value) = best.stale;
    let ready = observed.pods_of(best.workload).into_iter().filter(|pod| is_ready(pod)).count();
    let mut evidence = vec![
        field_evidence(service, "spec.selector", format!("the Service selects {stale_key}={stale_value}")),
        Evidence::absent(
            "nothing matches",
            service.reference(),
            "no pod in the namespace carries all labels of the selector",
        ),
        field_evidence(
            best.pod,
            "metadata.labels",
            format!("a ready pod of {} has {}={}", best.workload.reference(), best.key, best.value),
        ),
    ];
    if ready_endpoints(observed, service) == Some(0) {
        evidence.push(Evidence::absent(
            "the Service has no endpoints",
            service.reference(),
            "no ready address in its EndpointSlices",
        ));
    }
    evidence.extend(complaint_evidence(&concerned));
    let finding = Finding {
        summary: format!(
            "{} selects {stale_key}={stale_value}, which no pod has; {ready} ready pods of {} carry {}={}",
            service.reference(),
            best.workload.reference(),
            best.key,
            best.value
        ),
        affects: sufferers(observed, service, &concerned),
        action_type: Some("FixServiceSelector".to_owned()),
        parameters: parameters([("SELECTOR_KEY", best.key), ("SELECTOR_VALUE", best.value)]),
        causal_chain: vec![
            format!("the selector of {} wants {stale_key}={stale_value}", service.reference()),
            format!("the pods of {} are labelled {}={}", best.workload.reference(), best.key, best.value),
            "the Service has no endpoints and refuses every connection".to_owned(),
        ],
        evidence,
        ..draft("service_selector_mismatch", CauseClass::ServiceSelector, &service.reference(), service.reference())
    };
    Some(weighed(observed, service, finding, 0.94, 0.5))
}

/// A selector with an entry whose label its workload's pods lack altogether: dropping an entry is a person's decision.
fn superfluous(observed: &Observed, service: &Object, complaints: &[FailedConnection<'_>]) -> Option<Finding> {
    let wanted = text_map(selector(service));
    let lacking = |labels: &BTreeMap<&str, &str>| -> Option<String> {
        let stale: Vec<_> = wanted.iter().filter(|(key, value)| labels.get(*key) != Some(*value)).collect();
        let [(key, value)] = stale.as_slice() else { return None };
        (wanted.len() > 1 && !labels.contains_key(*key)).then(|| format!("{key}={value}"))
    };
    let all = workloads(observed, service);
    let selected = |labels: &BTreeMap<&str, &str>| wanted.iter().all(|(key, value)| labels.get(key) == Some(value));
    if all.iter().any(|(_, labels)| selected(labels)) {
        return None;
    }
    let (workload, label, pod) = all.into_iter().find_map(|(workload, labels)| {
        let pod = observed.pods_of(workload).into_iter().find(|pod| is_ready(pod))?;
        Some((workload, lacking(&labels)?, pod))
    })?;
    let concerned = about(observed, complaints, service, &[], None);
    let mut evidence = vec![
        field_evidence(service, "spec.selector", format!("the Service selects {label} among others")),
        field_evidence(pod, "metadata.labels", format!("the ready pods of {} lack only that", workload.reference())),
    ];
    evidence.extend(complaint_evidence(&concerned));
    let finding = Finding {
        summary: format!("{} selects {label}, which the pods of {} lack", service.reference(), workload.reference()),
        affects: sufferers(observed, service, &concerned),
        causal_chain: vec![
            format!("the selector of {} wants {label}", service.reference()),
            format!("the pods of {} have no such label", workload.reference()),
            "the Service has no endpoints and refuses every connection".to_owned(),
        ],
        evidence,
        disposition: Disposition::Escalate,
        ..draft("service_selector_mismatch", CauseClass::ServiceSelector, &service.reference(), service.reference())
    };
    Some(weighed(observed, service, finding, 0.88, 0.45))
}

/// One stale selector entry, and pods that are ready and otherwise fit.
fn near_miss<'a>(
    observed: &'a Observed,
    service: &Object,
    wanted: &BTreeMap<&'a str, &'a str>,
    workload: &'a Object,
    labels: &BTreeMap<&'a str, &'a str>,
) -> Option<NearMiss<'a>> {
    let stale: Vec<(&str, &str)> = wanted
        .iter()
        .filter(|(key, value)| labels.get(*key) != Some(*value))
        .map(|(key, value)| (*key, *value))
        .collect();
    let [(stale_key, stale_value)] = stale.as_slice() else { return None };
    let same_key = labels.get_key_value(stale_key);
    let renamed = || labels.iter().find(|(key, value)| **value == *stale_value && !wanted.contains_key(*key));
    let (key, value) = same_key.or_else(renamed)?;
    let close = strsim::jaro_winkler(stale_value, value);
    let named_alike = strsim::jaro_winkler(service.name(), workload.name());
    let contained = stale_value.contains(value) || value.contains(stale_value);
    let related =
        wanted.len() > 1 || close > 0.8 || contained || named_alike > 0.85 || workload.name().contains(service.name());
    let pod = observed.pods_of(workload).into_iter().find(|pod| is_ready(pod))?;
    related.then_some(NearMiss {
        workload,
        pod,
        stale: (stale_key, stale_value),
        key,
        value,
        similarity: close.max(named_alike),
    })
}

/// Someone scaled a needed workload to zero.
pub(super) fn detect_scaled_to_zero(observed: &Observed) -> Vec<Finding> {
    let complaints = complaints(observed);
    let services = observed.of_kind("Service").filter(|service| selects_nothing(observed, service));
    services.filter_map(|service| scaled_to_zero(observed, service, &complaints)).collect()
}

fn scaled_to_zero(observed: &Observed, service: &Object, complaints: &[FailedConnection<'_>]) -> Option<Finding> {
    let wanted = text_map(selector(service));
    let (workload, _) = workloads(observed, service).into_iter().find(|(workload, labels)| {
        workload.i64_at("spec.replicas") == Some(0) && wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
    })?;
    let concerned = about(observed, complaints, service, &[], None);
    if concerned.is_empty() && !is_signal(observed, service) {
        return None;
    }
    let (replicas, event) = former_replicas(observed, workload);
    let mut evidence = vec![
        field_evidence(workload, "spec.replicas", "scaled to zero"),
        field_evidence(service, "spec.selector", "the Service selects the pods of this workload"),
    ];
    evidence.extend(event);
    evidence.extend(complaint_evidence(&concerned));
    Some(Finding {
        summary: format!("{} is scaled to 0, so {} has no endpoints", workload.reference(), service.reference()),
        affects: sufferers(observed, service, &concerned).into_iter().chain([service.reference()]).collect(),
        action_type: Some("ScaleReplicas".to_owned()),
        parameters: parameters([("REPLICAS", replicas)]),
        causal_chain: vec![
            format!("{} was scaled to 0", workload.reference()),
            format!("{} has no endpoints", service.reference()),
            "its clients are refused".to_owned(),
        ],
        evidence,
        strength: 0.86,
        ..draft("service_scaled_to_zero", CauseClass::DependencyUnavailable, &service.reference(), workload.reference())
    })
}

/// How many replicas the workload had: by the event that took them away, else by its autoscaler, else one.
fn former_replicas(observed: &Observed, workload: &Object) -> (i64, Option<Evidence>) {
    let events = observed.events_about(&workload.reference());
    let scaled = events.into_iter().find_map(|event| {
        let before = event.message.split(" to 0 from ").nth(1)?;
        let digits: String = before.chars().take_while(char::is_ascii_digit).collect();
        Some((digits.parse().ok()?, event.evidence("it was scaled down")))
    });
    if let Some((replicas, evidence)) = scaled {
        return (replicas, Some(evidence));
    }
    let mut autoscalers = observed.in_namespace("HorizontalPodAutoscaler", workload.namespace().unwrap_or_default());
    let autoscaler = autoscalers.find(|hpa| {
        hpa.str_at("spec.scaleTargetRef.kind") == Some(workload.kind())
            && hpa.str_at("spec.scaleTargetRef.name") == Some(workload.name())
    });
    let least = autoscaler.and_then(|hpa| Some((hpa.at("spec.minReplicas")?, hpa)));
    match least.and_then(|(least, hpa)| Some((least.as_i64()?, least, hpa))) {
        Some((count, value, hpa)) => {
            let claim = "the autoscaler's least number of replicas";
            (count, Some(Evidence::field(claim, hpa.reference(), "spec.minReplicas", compact(&Value::clone(value)))))
        }
        None => (1, None),
    }
}
