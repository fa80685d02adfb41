//! Requests the API server refuses because the program's ServiceAccount lacks a right, and still lacks it now.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::analyser::access::{Access, Request, access, role_of};
use crate::analyser::draft::{draft, enumerate, field_evidence, parameters, pods_and_owners};
use crate::analyser::observed::PodLog;
use crate::analyser::pods::{Health, containers, health};
use crate::analyser::routing::is_live;
use crate::analyser::{Observed, Signature};
use crate::domain::{CauseClass, Evidence, Finding, Object, ResourceRef};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "rbac_denied",
    title: "A ServiceAccount lacks a right its program needs",
    detect,
}];

/// Refusals longer ago than this say nothing about now.
const RECENT: SignedDuration = SignedDuration::from_mins(60);
/// A refusal this near to the end of a log ended the program.
const LAST_WORDS_LINES: usize = 12;
/// A healthy program that is refused so often does not work.
const REPEATED_MIN: usize = 3;

/// One refusal and where it was reported.
struct Refusal<'a> {
    request: Request,
    at: Option<Timestamp>,
    pod: Option<&'a Object>,
    about: ResourceRef,
    evidence: Evidence,
    weight: Weight,
}

/// How much a refusal explains, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// The program runs on.
    Tolerated,
    /// A controller could not do its work.
    Reported,
    /// The pod is not ready.
    Unready,
    /// The program ended with it.
    Fatal,
}

/// Refusals of one account for one resource in one place, as the unit one grant would mend.
type Place = (String, String, String, String, Option<String>);

fn detect(observed: &Observed) -> Vec<Finding> {
    let mut groups: BTreeMap<Place, Vec<Refusal<'_>>> = BTreeMap::new();
    for refusal in logged(observed).into_iter().chain(reported(observed)) {
        let request = &refusal.request;
        let place = (
            request.account_namespace.clone(),
            request.account.clone(),
            request.group.clone(),
            request.resource.clone(),
            request.namespace.clone(),
        );
        groups.entry(place).or_default().push(refusal);
    }
    groups.into_values().filter_map(|group| finding(observed, group)).collect()
}

/// Refusals in the logs of pods that still exist.
fn logged(observed: &Observed) -> Vec<Refusal<'_>> {
    let mut found = Vec::new();
    for log in observed.logs() {
        let Some(pod) = observed.find(&log.pod).filter(|pod| is_live(pod)) else { continue };
        for (index, line) in log.lines.iter().enumerate() {
            let recent = match line.time {
                Some(time) => observed.is_recent(Some(time), RECENT),
                None => !(log.previous && health(observed, pod) == Health::Stable),
            };
            let Some(request) = Request::parse(&line.text).filter(|_| recent) else { continue };
            found.push(Refusal {
                weight: weight(observed, pod, log, log.lines.len() - index),
                at: line.time,
                pod: Some(pod),
                about: pod.reference(),
                evidence: log.evidence(line, claim(&request)),
                request,
            });
        }
    }
    found
}

fn claim(request: &Request) -> String {
    format!("the API server refused to {} {}", request.verb, request.resource_in_words())
}

/// `from_end` counts the lines from the refusal to the end of its log.
fn weight(observed: &Observed, pod: &Object, log: &PodLog, from_end: usize) -> Weight {
    let container = containers(pod).into_iter().find(|container| container.name == log.container);
    let ended = container.and_then(|container| match (log.previous, container.is_running()) {
        (true, _) => container.last_terminated(),
        (false, true) => None,
        (false, false) => container.latest_termination(),
    });
    let stable = health(observed, pod) == Health::Stable;
    match ended {
        Some(ended) if ended.exit_code != 0 && ended.reason != "OOMKilled" && from_end <= LAST_WORDS_LINES && !stable => {
            Weight::Fatal
        }
        Some(_) => Weight::Tolerated,
        None if health(observed, pod) == Health::Broken => Weight::Unready,
        None => Weight::Tolerated,
    }
}

fn reported(observed: &Observed) -> impl Iterator<Item = Refusal<'_>> {
    let recent = observed.events().filter(|event| observed.is_recent(event.last_seen, RECENT));
    recent.filter_map(|event| {
        let request = Request::parse(&event.message)?;
        Some(Refusal {
            at: event.last_seen,
            pod: observed.find(&event.about).filter(|object| object.kind() == "Pod"),
            about: event.about.clone(),
            evidence: event.evidence(claim(&request)),
            weight: Weight::Reported,
            request,
        })
    })
}

fn finding(observed: &Observed, mut group: Vec<Refusal<'_>>) -> Option<Finding> {
    // What is allowed by now has been mended.
    group.retain(|refusal| !matches!(access(observed, &refusal.request), Access::Allowed { .. }));
    group.sort_by_key(|refusal| std::cmp::Reverse((refusal.weight, refusal.at)));
    let first = group.first()?;
    let request = &first.request;
    let account = request.service_account();
    let mut verbs: Vec<&str> = Vec::new();
    for refusal in &group {
        if !verbs.contains(&refusal.request.verb.as_str()) {
            verbs.push(&refusal.request.verb);
        }
    }
    let what = format!(
        "{account} may not {} {} {}",
        enumerate(&verbs, 4),
        request.resource_in_words(),
        request.place_in_words()
    );
    let consequence = match first.weight {
        Weight::Fatal => format!("{} ends with that error", first.about),
        Weight::Unready => format!("{} does not become ready", first.about),
        Weight::Reported | Weight::Tolerated => format!("{} cannot do its work", first.about),
    };
    let pods: Vec<&Object> = group.iter().filter_map(|refusal| refusal.pod).collect();
    let mut affects = pods_and_owners(observed, pods);
    affects.extend(group.iter().filter(|refusal| refusal.pod.is_none()).map(|refusal| refusal.about.clone()));
    let mut evidence = vec![first.evidence.clone()];
    let other = group.iter().find(|refusal| refusal.about != first.about);
    evidence.extend(other.map(|refusal| refusal.evidence.clone()));
    evidence.extend(first.pod.map(|pod| field_evidence(pod, "spec.serviceAccountName", "the account it runs as")));
    let (rights, judged) = rights(observed, request);
    evidence.extend(rights);
    let hints = [
        ("VERB", Some(request.verb.as_str())),
        ("RESOURCE_TYPE", Some(request.resource.as_str())),
        ("API_GROUP", Some(request.group.as_str())),
        ("ROLE_NAMESPACE", request.namespace.as_deref()),
    ];
    let strength = strength(first.weight, group.len()) - if judged { 0.0 } else { 0.05 };
    Some(Finding {
        summary: format!("{what}; {consequence}"),
        affects,
        action_type: Some("GrantRBACPermission".to_owned()),
        parameters: parameters(hints.into_iter().filter_map(|(name, value)| Some((name, value?)))),
        causal_chain: vec![what, "the API server answers 403 Forbidden".to_owned(), consequence],
        evidence,
        strength,
        ..draft("rbac_denied", CauseClass::RbacDenied, &first.about, account)
    })
}

fn strength(weight: Weight, count: usize) -> f64 {
    match weight {
        Weight::Fatal => 0.93,
        Weight::Unready => 0.85,
        Weight::Reported => 0.8,
        Weight::Tolerated if count >= REPEATED_MIN => 0.55,
        Weight::Tolerated => 0.4,
    }
}

/// What the account is bound to in that place; false when not everything could be read.
fn rights(observed: &Observed, request: &Request) -> (Vec<Evidence>, bool) {
    let bindings = match access(observed, request) {
        Access::Denied { bindings } => bindings,
        Access::Allowed { .. } | Access::Unknown => return (Vec::new(), false),
    };
    // Groups every account is in have bindings too: they say nothing about this one.
    let own = bindings.iter().filter(|binding| {
        binding.list_at("subjects").any(|subject| {
            subject.get("name").and_then(serde_json::Value::as_str) == Some(request.account.as_str())
        })
    });
    let mut evidence = Vec::new();
    for binding in own.take(BINDINGS_SHOWN) {
        evidence.push(field_evidence(binding, "roleRef.name", "a binding of the account"));
        evidence.push(match role_of(observed, binding) {
            Some(role) => field_evidence(role, "rules", "its rules do not say so"),
            None => Evidence::absent("the binding leads nowhere", binding.reference(), "its role does not exist"),
        });
    }
    if evidence.is_empty() {
        let what = format!("no binding grants it anything {}", request.place_in_words());
        evidence.push(Evidence::absent("the account has no rights there", request.service_account(), what));
    }
    let any = ["Role", "ClusterRole"].iter().any(|kind| observed.of_kind(kind).next().is_some());
    (evidence, any)
}

const BINDINGS_SHOWN: usize = 2;

#[cfg(test)]
mod tests;
