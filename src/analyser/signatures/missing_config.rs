//! Pods that cannot start because a ConfigMap or Secret, or a key of one, is not there.

mod references;

use jiff::{SignedDuration, Timestamp};

use crate::analyser::draft::{draft, enumerate, parameters, pods_and_owners};
use crate::analyser::pods::{ago, containers};
use crate::analyser::routing::is_live;
use crate::analyser::{Observed, Signature};
use crate::domain::object::text;
use crate::domain::{CauseClass, Evidence, Finding, Object};
use references::{Reference, State, keys, of_pod};

pub(super) const SIGNATURES: &[Signature] = &[Signature {
    id: "missing_configuration",
    title: "A Pod cannot start because a ConfigMap or Secret it needs, or a key of one, does not exist",
    detect,
}];

/// Failed mounts older than this say nothing about now: the kubelet repeats them at least every two minutes.
const RECENT: SignedDuration = SignedDuration::from_mins(30);

fn detect(observed: &Observed) -> Vec<Finding> {
    let waiting = observed.of_kind("Pod").filter(|pod| is_live(pod)).filter_map(|pod| missing(observed, pod));
    let mut groups: Vec<Vec<Missing<'_>>> = Vec::new();
    for missing in waiting {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| first.is_same(observed, &missing))) {
            Some(group) => group.push(missing),
            None => groups.push(vec![missing]),
        }
    }
    groups.iter().filter_map(|group| finding(observed, group)).collect()
}

/// A pod that waits, and for what.
struct Missing<'a> {
    pod: &'a Object,
    reference: Reference<'a>,
    state: State,
    /// Where the kubelet says so.
    complaint: Vec<Evidence>,
}

impl Missing<'_> {
    fn is_same(&self, observed: &Observed, other: &Self) -> bool {
        let (a, b) = (&self.reference, &other.reference);
        (a.kind, a.name, a.key) == (b.kind, b.name, b.key)
            && observed.root_owner(self.pod) == observed.root_owner(other.pod)
    }
}

/// The reference the kubelet complains about, unless what it asks for has appeared since.
fn missing<'a>(observed: &Observed, pod: &'a Object) -> Option<Missing<'a>> {
    let complaints = complaints(observed, pod);
    if complaints.is_empty() {
        return None;
    }
    let references = of_pod(pod);
    let named = |complaint: &Complaint| {
        let exact = references.iter().find(|reference| complaint.means(reference));
        exact.map(|reference| (reference.clone(), reference.state(observed)))
    };
    let (reference, state) = complaints.iter().find_map(named).or_else(|| {
        let broken = |state| matches!(state, State::ObjectMissing | State::KeyMissing);
        let mut all = references.iter().map(|reference| (reference.clone(), reference.state(observed)));
        all.find(|(_, state)| broken(*state))
    })?;
    (state != State::Present).then(|| Missing {
        pod,
        reference,
        state,
        complaint: complaints.into_iter().map(|complaint| complaint.evidence).collect(),
    })
}

/// What the kubelet says about a missing object.
struct Complaint {
    named: Option<Named>,
    evidence: Evidence,
}

/// The object, and perhaps the key, a message names.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    kind: &'static str,
    /// Empty when the message has only the key.
    name: String,
    key: Option<String>,
}

impl Complaint {
    fn means(&self, reference: &Reference<'_>) -> bool {
        self.named.as_ref().is_some_and(|named| {
            named.kind == reference.kind
                && (named.name.is_empty() || named.name == reference.name)
                && (named.key.is_none() || named.key.as_deref() == reference.key)
        })
    }
}

/// At most one from the status and one from the events of a pod that does not start for want of configuration.
fn complaints(observed: &Observed, pod: &Object) -> Vec<Complaint> {
    let mut found = Vec::new();
    let refused = containers(pod)
        .into_iter()
        .find_map(|container| Some((container, container.waits_for(&["CreateContainerConfigError"])?)));
    if let Some((container, waiting)) = refused {
        let evidence =
            container.status_evidence("state.waiting.message", format!("container {} cannot be created", container.name));
        found.push(Complaint { named: parse(waiting.message), evidence });
    }
    let mounting = containers(pod).iter().any(|container| {
        container.waits_for(&["ContainerCreating", "PodInitializing"]).is_some() || container.status.is_none()
    });
    if found.is_empty() && !mounting {
        return found;
    }
    let events = observed.events_about(&pod.reference());
    let event = events.iter().filter(|event| event.kind == "Warning" && observed.is_recent(event.last_seen, RECENT));
    let mut named = event.filter_map(|event| Some((event, parse(&event.message)?)));
    if let Some((event, named)) = named.find(|(_, named)| found.iter().all(|known| known.named.as_ref() == Some(named))) {
        let evidence = event.evidence(format!("the kubelet reports since {}", since(event.first_seen)));
        found.push(Complaint { named: Some(named), evidence });
    }
    found
}

fn since(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "an unknown time".to_owned(), |time| time.to_string())
}

/// `secret "x" not found`, `couldn't find key k in ConfigMap ns/x`, `references non-existent secret key: k`.
fn parse(message: &str) -> Option<Named> {
    if let Some((_, rest)) = message.split_once("couldn't find key ") {
        let (key, rest) = rest.split_once(" in ")?;
        let (kind, name) = rest.split_once(' ')?;
        let name = name.split_whitespace().next()?;
        let name = name.rsplit('/').next()?.trim_matches(QUOTES);
        return Some(Named { kind: canonical(kind)?, name: name.to_owned(), key: Some(key.to_owned()) });
    }
    if let Some((_, rest)) = message.split_once("references non-existent ") {
        let (kind, key) = rest.split_once(" key: ")?;
        let key = key.split_whitespace().next()?.trim_matches(QUOTES);
        return Some(Named { kind: canonical(kind)?, name: String::new(), key: Some(key.to_owned()) });
    }
    let (before, _) = message.split_once(" not found")?;
    let (before, name) = before.trim_end().trim_end_matches('"').rsplit_once('"')?;
    let kind = canonical(before.split_whitespace().next_back()?)?;
    Some(Named { kind, name: name.to_owned(), key: None })
}

const QUOTES: [char; 5] = ['"', '\'', ':', ',', '.'];

fn canonical(word: &str) -> Option<&'static str> {
    match word.trim().trim_start_matches(QUOTES).to_ascii_lowercase().as_str() {
        "secret" | "secrets" => Some("Secret"),
        "configmap" | "configmaps" | "config" | "config map" => Some("ConfigMap"),
        _ => None,
    }
}

fn finding(observed: &Observed, group: &[Missing<'_>]) -> Option<Finding> {
    let first = group.first()?;
    let reference = &first.reference;
    let root = observed.root_owner(first.pod);
    let object = reference.object();
    let what = match (first.state, reference.key) {
        (State::KeyMissing, Some(key)) => format!("{object} has no key {key}"),
        (State::ObjectMissing, _) => format!("{object} does not exist"),
        (_, Some(key)) => format!("{object} or its key {key} is missing"),
        (_, None) => format!("{object} is missing"),
    };
    // The key matters only as long as the object itself is there.
    let key = reference.key.filter(|_| first.state != State::ObjectMissing);
    let hints = [("CONFIG_KIND", Some(reference.kind)), ("CONFIG_NAME", Some(reference.name)), ("CONFIG_KEY", key)];
    let pods: Vec<&str> = group.iter().map(|missing| missing.pod.name()).collect();
    let mut evidence: Vec<Evidence> = first.complaint.clone();
    evidence.push(reference.evidence("the Pod requires it"));
    evidence.extend(absence(observed, reference, first.state));
    let change = last_change(observed, reference);
    evidence.extend(change.clone().map(|(_, evidence)| evidence));
    let changed = change.map_or_else(String::new, |(text, _)| format!("; it was last changed {text}"));
    Some(Finding {
        summary: format!("{root} cannot start {}: {what}{changed}", enumerate(&pods, 2)),
        affects: pods_and_owners(observed, group.iter().map(|missing| missing.pod)),
        action_type: Some("RestoreConfiguration".to_owned()),
        parameters: parameters(hints.into_iter().filter_map(|(name, value)| Some((name, value?)))),
        causal_chain: vec![
            format!("{what}{changed}"),
            format!("the kubelet cannot create containers of {}", enumerate(&pods, 2)),
            format!("{root} lacks {} of its pods", pods.len()),
        ],
        evidence,
        strength: if first.state == State::Unknown { 0.8 } else { 0.95 },
        ..draft("missing_configuration", CauseClass::MissingConfiguration, &first.pod.reference(), root)
    })
}

/// What the cluster shows in place of the object or the key.
fn absence(observed: &Observed, reference: &Reference<'_>, state: State) -> Option<Evidence> {
    let object = reference.object();
    match state {
        State::ObjectMissing => {
            let namespace = reference.pod.namespace().unwrap_or_default();
            Some(Evidence::absent("it is gone", object, format!("no {} of this name in {namespace}", reference.kind)))
        }
        State::KeyMissing => {
            let keys = observed.find(&object).map(keys).unwrap_or_default();
            Some(Evidence::field("the keys it has", object, "data", enumerate(&keys, KEYS_SHOWN)))
        }
        State::Present | State::Unknown => None,
    }
}

const KEYS_SHOWN: usize = 12;

/// Who changed the object last, and when, by its managed fields.
fn last_change(observed: &Observed, reference: &Reference<'_>) -> Option<(String, Evidence)> {
    let object = observed.find(&reference.object())?;
    let times = object.list_at("metadata.managedFields").enumerate().filter_map(|(index, entry)| {
        let time: Timestamp = text(entry, "time").parse().ok()?;
        Some((time, index, text(entry, "manager")))
    });
    let (time, index, manager) = times.max_by_key(|(time, ..)| *time)?;
    let path = format!("metadata.managedFields[{index}].time");
    let evidence = Evidence::field(format!("last changed by {manager}"), object.reference(), path, time.to_string());
    Some((format!("{} by {manager}", ago(observed, Some(time))), evidence))
}

#[cfg(test)]
mod tests;
