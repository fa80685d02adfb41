//! What a bundle holds and where: one small entry per object, the objects themselves stay on disk.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use super::build::KindTable;
use super::parse::Notation;
use crate::cluster::kinds::{KindIndex, group_and_version, version_rank};
use crate::cluster::selector::Labels;

/// Position of an object in [`Index::entries`].
pub(super) type EntryId = u32;

/// Where an object's text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) file: u32,
    pub(super) start: u64,
    pub(super) bytes: u32,
    /// Line of the first byte, from 1.
    pub(super) line: u64,
    pub(super) notation: Notation,
    /// Positions in nested lists inside the text; mostly empty.
    pub(super) path: Box<[u32]>,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Position in [`KindTable`].
    pub(super) kind: u32,
    pub(super) kind_name: Arc<str>,
    pub(super) api_version: Arc<str>,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) name: Arc<str>,
    pub(super) labels: Box<[(Arc<str>, Arc<str>)]>,
    pub(super) location: Location,
    /// 0 when unknown.
    pub(super) resource_version: u64,
    /// Set for events.
    pub(super) event: Option<Box<EventEntry>>,
}

/// Whom an event is about, and when it was last seen.
#[derive(Debug, Clone)]
pub(super) struct EventEntry {
    /// Lower case.
    pub(super) kind: Arc<str>,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) name: Arc<str>,
    pub(super) last_seen: Option<Timestamp>,
}

impl Labels for Entry {
    fn value_of(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| &**known == key).map(|(_, value)| &**value)
    }
}

impl Entry {
    fn place(&self) -> (u32, Option<&str>, &str) {
        (self.kind, self.namespace.as_deref(), &self.name)
    }

    /// Of two records of one object the newer API version counts, then the newer revision, then the one found later.
    fn precedence(&self) -> (Option<(u8, u32, u32)>, u64, u32, u64) {
        let (_, version) = group_and_version(&self.api_version);
        (version_rank(version), self.resource_version, self.location.file, self.location.start)
    }
}

/// The whole index, sorted by kind, namespace and name.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) entries: Vec<Entry>,
    pub(super) kinds: KindIndex,
    table: KindTable,
    ranges: Vec<Range<usize>>,
    events: HashMap<(Arc<str>, Arc<str>), Vec<EntryId>>,
    pub(super) namespaces: BTreeSet<Arc<str>>,
    /// Newest time of an observation.
    pub(super) newest: Option<Timestamp>,
}

impl Index {
    pub(super) fn new(
        mut entries: Vec<Entry>,
        table: KindTable,
        kinds: KindIndex,
        namespaces: BTreeSet<Arc<str>>,
        newest: Option<Timestamp>,
    ) -> Self {
        entries.sort_by(|a, b| a.place().cmp(&b.place()).then_with(|| b.precedence().cmp(&a.precedence())));
        entries.dedup_by(|later, first| later.place() == first.place());
        entries.shrink_to_fit();
        let mut ranges = vec![0..0; table.len()];
        let mut events: HashMap<_, Vec<EntryId>> = HashMap::new();
        for (position, entry) in entries.iter().enumerate() {
            if let Some(range) = ranges.get_mut(entry.kind as usize) {
                *range = if range.end == 0 { position..position + 1 } else { range.start..position + 1 };
            }
            if let (Some(event), Ok(id)) = (&entry.event, EntryId::try_from(position)) {
                events.entry((event.kind.clone(), event.name.clone())).or_default().push(id);
            }
        }
        Self { entries, kinds, table, ranges, events, namespaces, newest }
    }

    pub(super) fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(id as usize)
    }

    /// Positions of a kind's objects, in one namespace or in all.
    pub(super) fn of_kind(&self, group: &str, kind: &str, namespace: Option<&str>) -> Range<usize> {
        let range = self.table.id(group, kind).and_then(|id| self.ranges.get(id as usize)).cloned().unwrap_or(0..0);
        let Some(namespace) = namespace else { return range };
        let entries = self.entries.get(range.clone()).unwrap_or_default();
        let start = entries.partition_point(|entry| entry.namespace.as_deref() < Some(namespace));
        let end = entries.partition_point(|entry| entry.namespace.as_deref() <= Some(namespace));
        range.start + start..range.start + end
    }

    pub(super) fn find(&self, group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Option<EntryId> {
        let range = self.of_kind(group, kind, None);
        let entries = self.entries.get(range.clone())?;
        let wanted = (namespace, name);
        let found = entries.binary_search_by(|entry| (entry.namespace.as_deref(), &*entry.name).cmp(&wanted)).ok()?;
        EntryId::try_from(range.start + found).ok()
    }

    /// Events about an object, newest first. `namespace: None` does not look at namespaces.
    pub(super) fn events_about(&self, kind: &str, namespace: Option<&str>, name: &str) -> Vec<EntryId> {
        let key = (Arc::from(kind.to_lowercase()), Arc::from(name));
        let all = self.events.get(&key).into_iter().flatten().copied();
        let event = |id: &EntryId| self.entry(*id).and_then(|entry| entry.event.as_deref());
        let here = |id: &EntryId| {
            namespace.is_none() || event(id).is_some_and(|event| event.namespace.as_deref() == namespace)
        };
        let mut found: Vec<EntryId> = all.filter(here).collect();
        found.sort_by_key(|id| std::cmp::Reverse(event(id).and_then(|event| event.last_seen)));
        found
    }
}
