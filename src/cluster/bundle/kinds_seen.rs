//! Which kinds a bundle knows: the standard ones, those its CustomResourceDefinitions declare, those of its objects,
//! and those its objects mention as owner or as subject of an event.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::cluster::kinds::standard::standard_kinds;
use crate::cluster::kinds::{KindIndex, KnownKind, group_and_version, version_rank};
use crate::domain::object::{at, text};

/// Kinds remembered that are only mentioned.
const MENTIONED_MAX: usize = 1_000;

#[derive(Debug)]
pub(super) struct KindsSeen {
    usual: HashMap<String, String>,
    declared: Vec<KnownKind>,
    /// (group, kind) → versions, and whether one had a namespace.
    stored: BTreeMap<(String, String), (Vec<String>, bool)>,
    /// (group, kind) → version, and whether it was mentioned with a namespace.
    mentioned: BTreeMap<(String, String), (String, bool)>,
}

impl Default for KindsSeen {
    fn default() -> Self {
        let mut usual = HashMap::new();
        for kind in standard_kinds() {
            let api_version = kind.api_kind(None).api_version;
            usual.entry(kind.kind).or_insert(api_version);
        }
        Self { usual, declared: Vec::new(), stored: BTreeMap::new(), mentioned: BTreeMap::new() }
    }
}

impl KindsSeen {
    /// The API version of a standard kind, for objects recorded without one.
    pub(super) fn usual_api_version(&self, kind: &str) -> Option<&str> {
        self.usual.get(kind).map(String::as_str)
    }

    pub(super) fn add_object(&mut self, api_version: &str, kind: &str, value: &Value) {
        let (group, version) = group_and_version(api_version);
        let namespaced = !text(value, "metadata.namespace").is_empty();
        let (versions, any_namespaced) = self.stored.entry((group.to_owned(), kind.to_owned())).or_default();
        if !versions.iter().any(|known| known == version) {
            versions.push(version.to_owned());
        }
        *any_namespaced |= namespaced;
        if kind == "CustomResourceDefinition" {
            self.declared.extend(declared_kind(value));
        }
        let about = value.get("involvedObject").or_else(|| value.get("regarding")).filter(|_| kind == "Event");
        if let Some(about) = about {
            self.mention(about, !text(about, "namespace").is_empty());
        }
        let owners = at(value, "metadata.ownerReferences").and_then(Value::as_array).into_iter().flatten();
        owners.for_each(|owner| self.mention(owner, namespaced));
    }

    fn mention(&mut self, reference: &Value, namespaced: bool) {
        let (api_version, kind) = (text(reference, "apiVersion"), text(reference, "kind"));
        if api_version.is_empty() || kind.is_empty() || self.mentioned.len() >= MENTIONED_MAX {
            return;
        }
        let (group, version) = group_and_version(api_version);
        let mentioned = self.mentioned.entry((group.to_owned(), kind.to_owned()));
        mentioned.or_insert_with(|| (version.to_owned(), false)).1 |= namespaced;
    }

    pub(super) fn into_index(self) -> KindIndex {
        let key = |kind: &KnownKind| (kind.group.clone(), kind.kind.clone());
        let mut kinds: BTreeMap<(String, String), KnownKind> =
            standard_kinds().chain(self.declared).map(|kind| (key(&kind), kind)).collect();
        for ((group, kind), (mut versions, namespaced)) in self.stored {
            versions.sort_by_key(|version| std::cmp::Reverse(version_rank(version)));
            let known = kinds.entry((group.clone(), kind.clone()));
            let known = known.or_insert_with(|| KnownKind::guessed(&group, "", &kind, namespaced));
            let others = known.versions.drain(..).filter(|version| !version.is_empty() && !versions.contains(version));
            let others: Vec<String> = others.collect();
            known.versions = versions.into_iter().chain(others).collect();
        }
        for ((group, kind), (version, namespaced)) in self.mentioned {
            let guess = || KnownKind::guessed(&group, &version, &kind, namespaced);
            kinds.entry((group.clone(), kind.clone())).or_insert_with(guess);
        }
        KindIndex::new(kinds.into_values())
    }
}

/// The kind a CustomResourceDefinition declares.
fn declared_kind(crd: &Value) -> Option<KnownKind> {
    let names = |path: &str| {
        let list = at(crd, path).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let kind = text(crd, "spec.names.kind");
    let group = text(crd, "spec.group");
    let versions = at(crd, "spec.versions").and_then(Value::as_array).into_iter().flatten();
    let mut versions: Vec<String> = versions.map(|version| text(version, "name").to_owned()).collect();
    versions.retain(|version| !version.is_empty());
    versions.sort_by_key(|version| std::cmp::Reverse(version_rank(version)));
    let mut known = KnownKind::guessed(group, "", kind, text(crd, "spec.scope") != "Cluster");
    known.versions = versions;
    known.short_names = names("spec.names.shortNames");
    for (name, path) in [(&mut known.plural, "spec.names.plural"), (&mut known.singular, "spec.names.singular")] {
        if !text(crd, path).is_empty() {
            text(crd, path).clone_into(name);
        }
    }
    (!kind.is_empty() && !group.is_empty() && !known.versions.is_empty()).then_some(known)
}
