//! The snapshot signatures look at: objects, events, logs and metrics around one signal resource, at one moment.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::connections::{Address, Failure, addresses};
use super::relations::Relations;
use crate::cluster::{LogLine, MetricSeries};
use crate::domain::object::{text, text_map};
use crate::domain::{Evidence, Incident, Object, ResourceRef, Source};

/// Everything gathered for one incident. Building it is the only way in; signatures get a shared reference.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The moment the snapshot is judged against (capture time of a bundle, clock of a live cluster).
    pub now: Timestamp,
    pub incident: Incident,
    /// The object the investigation is about: the incident's resource with its canonical kind, or what stands in for it
    /// (the workload of a Pod that is gone).
    signal: ResourceRef,
    /// Derived from signal, objects and logs when first asked for.
    relations: OnceLock<Relations>,
    objects: BTreeMap<Key, Arc<Object>>,
    /// Positions by owner uid, so that walking down is cheap.
    owned: HashMap<String, Vec<Key>>,
    events: Vec<Event>,
    logs: Vec<PodLog>,
    metrics: Vec<MetricSeries>,
    /// What could not be read, in plain words ("Secrets in checkout: forbidden").
    unavailable: Vec<String>,
    /// Kinds that were not, or not completely, read in a namespace (lower case; empty namespace: cluster-scoped).
    incomplete: BTreeSet<(String, String)>,
    /// Kinds read on their own in a namespace that was not read in full (spelled like `incomplete`).
    complete: BTreeSet<(String, String)>,
    /// Namespaces read in full; `None`: nothing is said about it (hand-made snapshots), which means all.
    read_namespaces: Option<BTreeSet<String>>,
}

type Key = (String, String, String);

fn key(kind: &str, namespace: Option<&str>, name: &str) -> Key {
    (kind.to_ascii_lowercase(), namespace.unwrap_or_default().to_owned(), name.to_owned())
}

/// An event, from `v1` or `events.k8s.io/v1`, with one spelling of everything.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub about: ResourceRef,
    /// The container of the pod, when the event is about one: `involvedObject.fieldPath`.
    pub container: Option<String>,
    /// `Normal` or `Warning`.
    pub kind: String,
    pub reason: String,
    pub message: String,
    pub count: u64,
    pub first_seen: Option<Timestamp>,
    pub last_seen: Option<Timestamp>,
}

impl Event {
    pub fn evidence(&self, claim: impl Into<String>) -> Evidence {
        let source = Source::Event {
            resource: self.about.clone(),
            reason: self.reason.clone(),
            message: self.message.clone(),
            count: self.count,
            last_seen: self.last_seen.map(|time| time.to_string()),
        };
        Evidence { claim: claim.into(), source }
    }

    fn parse(object: &Object) -> Self {
        let about = object.at("involvedObject").or_else(|| object.at("regarding"));
        let member = |name: &str| about.map_or("", |about| text(about, name));
        let message = object.str_at("message").or_else(|| object.str_at("note")).unwrap_or_default();
        let time = |paths: &[&str]| paths.iter().find_map(|path| object.time_at(path));
        let count = ["count", "series.count", "deprecatedCount"].iter().find_map(|path| object.i64_at(path));
        Self {
            about: ResourceRef::namespaced(member("kind"), member("namespace"), member("name"))
                .with_api_version(member("apiVersion")),
            container: container_of(member("fieldPath")),
            kind: object.str_at("type").unwrap_or("Normal").to_owned(),
            reason: object.str_at("reason").unwrap_or_default().to_owned(),
            message: message.trim().to_owned(),
            count: count.and_then(|count| u64::try_from(count).ok()).unwrap_or(1).max(1),
            first_seen: time(&[
                "firstTimestamp",
                "deprecatedFirstTimestamp",
                "eventTime",
                "metadata.creationTimestamp",
            ]),
            last_seen: time(&[
                "series.lastObservedTime",
                "lastTimestamp",
                "deprecatedLastTimestamp",
                "eventTime",
                "metadata.creationTimestamp",
            ]),
        }
    }
}

/// The name in `spec.containers{name}` or `spec.initContainers{name}`.
fn container_of(field_path: &str) -> Option<String> {
    let (_, name) = field_path.split_once('{')?;
    Some(name.strip_suffix('}')?.to_owned())
}

/// Log lines of one container instance.
#[derive(Debug, Clone, PartialEq)]
pub struct PodLog {
    pub pod: ResourceRef,
    pub container: String,
    pub previous: bool,
    pub lines: Vec<LogLine>,
    /// Lines that report a failed connection, oldest first: asked for again and again, read once.
    failures: Vec<FailedLine>,
}

#[derive(Debug, Clone, PartialEq)]
struct FailedLine {
    index: usize,
    failure: Failure,
    addresses: Vec<Address>,
}

impl PodLog {
    pub fn new(pod: ResourceRef, container: String, previous: bool, lines: Vec<LogLine>) -> Self {
        let failure = |(index, line): (usize, &LogLine)| {
            let failure = Failure::of_line(&line.text)?;
            Some(FailedLine { index, failure, addresses: addresses(&line.text) })
        };
        let failures = lines.iter().enumerate().filter_map(failure).collect();
        Self { pod, container, previous, lines, failures }
    }

    /// Lines that report a failed connection, and the addresses they mention, newest first.
    pub fn failures(&self) -> impl Iterator<Item = (&LogLine, Failure, &[Address])> {
        let failed = self.failures.iter().rev();
        failed.filter_map(|failed| Some((self.lines.get(failed.index)?, failed.failure, failed.addresses.as_slice())))
    }

    pub fn evidence(&self, line: &LogLine, claim: impl Into<String>) -> Evidence {
        let source = Source::Log {
            pod: self.pod.clone(),
            container: self.container.clone(),
            previous: self.previous,
            line: line.number,
            text: line.text.clone(),
        };
        Evidence { claim: claim.into(), source }
    }
}

impl Observed {
    pub fn new(now: Timestamp, incident: Incident) -> Self {
        Self {
            now,
            signal: incident.resource.clone(),
            relations: OnceLock::new(),
            incident,
            objects: BTreeMap::new(),
            owned: HashMap::new(),
            events: Vec::new(),
            logs: Vec::new(),
            metrics: Vec::new(),
            unavailable: Vec::new(),
            incomplete: BTreeSet::new(),
            complete: BTreeSet::new(),
            read_namespaces: None,
        }
    }

    /// Adds an object; `Event` objects become [`Event`]s. Adding the same object twice is harmless.
    pub fn add_object(&mut self, object: Arc<Object>) {
        if object.kind() == "Event" {
            let event = Event::parse(&object);
            if !self.events.contains(&event) {
                self.events.push(event);
            }
            return;
        }
        self.relations.take();
        let key = key(object.kind(), object.namespace(), object.name());
        if !self.objects.contains_key(&key) {
            for uid in object.list_at("metadata.ownerReferences").map(|owner| text(owner, "uid")) {
                self.owned.entry(uid.to_owned()).or_default().push(key.clone());
            }
        }
        self.objects.insert(key, object);
    }

    pub fn add_log(&mut self, log: PodLog) {
        self.relations.take();
        self.logs.push(log);
    }

    pub fn add_metrics(&mut self, series: impl IntoIterator<Item = MetricSeries>) {
        self.metrics.extend(series);
    }

    pub fn add_unavailable(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.unavailable.contains(&what) {
            self.unavailable.push(what);
        }
    }

    /// Notes that objects of a kind were not, or not completely, read in a namespace (or cluster-wide).
    pub fn add_incomplete(&mut self, kind: &str, namespace: Option<&str>) {
        self.incomplete.insert((kind.to_ascii_lowercase(), namespace.unwrap_or_default().to_owned()));
    }

    /// Notes that every object of a kind was read in a namespace, whatever else was read there.
    pub fn add_complete(&mut self, kind: &str, namespace: &str) {
        self.complete.insert((kind.to_ascii_lowercase(), namespace.to_owned()));
    }

    /// Notes that a namespace was read in full, apart from what [`Observed::add_incomplete`] says.
    pub fn add_read_namespace(&mut self, namespace: &str) {
        self.read_namespaces.get_or_insert_default().insert(namespace.to_owned());
    }

    /// True when an object of this kind that is not here does not exist: every one of them was read.
    pub fn is_complete(&self, kind: &str, namespace: Option<&str>) -> bool {
        let entry = (kind.to_ascii_lowercase(), namespace.unwrap_or_default().to_owned());
        let read = match (&self.read_namespaces, namespace) {
            (Some(read), Some(namespace)) => read.contains(namespace) || self.complete.contains(&entry),
            _ => true,
        };
        read && !self.incomplete.contains(&entry)
    }

    pub fn unavailable(&self) -> &[String] {
        &self.unavailable
    }

    pub fn signal(&self) -> &ResourceRef {
        &self.signal
    }

    /// The investigation is about this object from now on.
    pub fn set_signal(&mut self, signal: ResourceRef) {
        self.relations.take();
        self.signal = signal;
    }

    /// How far everything is from the signal resource.
    pub fn relations(&self) -> &Relations {
        self.relations.get_or_init(|| Relations::of(self))
    }

    /// The signal resource itself, or what stands in for it, when it exists.
    pub fn subject(&self) -> Option<&Object> {
        self.find(&self.signal)
    }

    /// How much was looked at.
    pub fn counts(&self) -> Counts {
        Counts {
            objects: self.objects.len(),
            events: self.events.len(),
            logs: self.logs.len(),
            log_lines: self.logs.iter().map(|log| log.lines.len()).sum(),
            metric_series: self.metrics.len(),
        }
    }

    /// Every object, by kind, namespace and name.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().map(Arc::as_ref)
    }

    pub fn get(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<&Object> {
        self.objects.get(&key(kind, namespace, name)).map(Arc::as_ref)
    }

    pub fn find(&self, reference: &ResourceRef) -> Option<&Object> {
        self.get(&reference.kind, reference.namespace.as_deref(), &reference.name)
    }

    /// All objects of a kind, by namespace and name.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Object> {
        let wanted = kind.to_ascii_lowercase();
        let start = (wanted.clone(), String::new(), String::new());
        self.objects
            .range(start..)
            .take_while(move |((kind, _, _), _)| *kind == wanted)
            .map(|(_, object)| object.as_ref())
    }

    /// All objects of a kind in one namespace.
    pub fn in_namespace<'a>(&'a self, kind: &str, namespace: &'a str) -> impl Iterator<Item = &'a Object> {
        self.of_kind(kind).filter(move |object| object.namespace() == Some(namespace))
    }

    /// Objects whose owner references name this one.
    pub fn owned_by(&self, owner: &Object) -> impl Iterator<Item = &Object> {
        let keys = self.owned.get(owner.uid()).into_iter().flatten();
        keys.filter_map(|key| self.objects.get(key)).map(Arc::as_ref)
    }

    /// The owner one step up, when it was gathered.
    pub fn owner(&self, object: &Object) -> Option<&Object> {
        let owner = object.owner()?;
        self.get(&owner.kind, object.namespace(), &owner.name).or_else(|| self.get(&owner.kind, None, &owner.name))
    }

    /// The object, its owner, the owner's owner, … (at most ten; a Node that owns a mirror Pod is not followed).
    pub fn owner_chain<'a>(&'a self, object: &'a Object) -> Vec<&'a Object> {
        let mut chain = vec![object];
        while let Some(owner) = chain.last().and_then(|last| self.owner(last)) {
            if owner.kind() == "Node"
                || chain.len() >= OWNER_CHAIN_MAX
                || chain.iter().any(|seen| seen.uid() == owner.uid())
            {
                break;
            }
            chain.push(owner);
        }
        chain
    }

    /// Reference of the top of the owner chain: the object a person would change.
    pub fn root_owner(&self, object: &Object) -> ResourceRef {
        let chain = self.owner_chain(object);
        let top = chain.last().copied().unwrap_or(object);
        match top.owner() {
            // The owner was named but could not be read: it is still the better target, unless it is a Node.
            Some(owner) if owner.kind != "Node" && chain.len() < OWNER_CHAIN_MAX => ResourceRef {
                kind: owner.kind,
                name: owner.name,
                namespace: top.namespace().map(str::to_owned),
                api_version: Some(owner.api_version).filter(|version| !version.is_empty()),
            },
            _ => top.reference(),
        }
    }

    /// Pods at the bottom of the ownership tree under this object (itself when it is a Pod).
    pub fn pods_of<'a>(&'a self, object: &'a Object) -> Vec<&'a Object> {
        if object.kind() == "Pod" {
            return vec![object];
        }
        let mut found = Vec::new();
        let mut open: Vec<(&Object, usize)> = vec![(object, 0)];
        while let Some((current, depth)) = open.pop() {
            for child in self.owned_by(current) {
                if child.kind() == "Pod" {
                    found.push(child);
                } else if depth < OWNER_CHAIN_MAX {
                    open.push((child, depth + 1));
                }
            }
        }
        found.sort_by(|a, b| (a.namespace(), a.name()).cmp(&(b.namespace(), b.name())));
        found
    }

    /// Pods a label selector (`matchLabels`-style plain map) picks in a namespace.
    pub fn pods_with_labels<'a>(&'a self, namespace: &'a str, selector: &'a serde_json::Value) -> Vec<&'a Object> {
        let wanted = text_map(Some(selector));
        let matches = |pod: &&Object| wanted.iter().all(|(key, value)| pod.label(key) == Some(*value));
        self.in_namespace("Pod", namespace).filter(matches).collect()
    }

    /// Events about an object, newest first.
    pub fn events_about(&self, reference: &ResourceRef) -> Vec<&Event> {
        let mut events: Vec<&Event> = self.events.iter().filter(|event| event.about.same_object(reference)).collect();
        events.sort_by_key(|event| std::cmp::Reverse(event.last_seen));
        events
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    pub fn logs_of<'a>(&'a self, pod: &'a Object) -> impl Iterator<Item = &'a PodLog> {
        self.logs
            .iter()
            .filter(move |log| log.pod.name == pod.name() && log.pod.namespace.as_deref() == pod.namespace())
    }

    pub fn logs(&self) -> impl Iterator<Item = &PodLog> {
        self.logs.iter()
    }

    /// Series by name whose labels include all the given ones.
    pub fn series<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a MetricSeries> {
        self.metrics.iter().filter(move |series| {
            series.name == name
                && labels.iter().all(|(key, value)| series.labels.get(*key).is_some_and(|have| have == value))
        })
    }

    /// Age of a moment; `None` when it is unknown.
    pub fn age(&self, time: Option<Timestamp>) -> Option<SignedDuration> {
        time.map(|time| self.now.duration_since(time))
    }

    /// True when the moment lies within `window` before now. An unknown moment is not recent.
    pub fn is_recent(&self, time: Option<Timestamp>, window: SignedDuration) -> bool {
        self.age(time).is_some_and(|age| age <= window)
    }
}

/// How much a snapshot holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub objects: usize,
    pub events: usize,
    /// Container instances whose log was read.
    pub logs: usize,
    pub log_lines: usize,
    pub metric_series: usize,
}

/// Most hops an owner chain is followed (investigation §7.2).
pub const OWNER_CHAIN_MAX: usize = 10;
