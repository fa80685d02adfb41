//! A configuration under a service that runs with another one (operations §2.4): the table of keys says which values count and
//! which wait for a restart, and nothing else does. Pure.

use std::collections::BTreeMap;

use super::effective::{self, Field};
use super::keys::{self, Key, Kind, Live};
use super::load::{self, Loaded};
use super::node::{Node, Origin, Source};

/// What becomes of a configuration that is loaded while another one is active.
#[derive(Debug)]
pub struct Takeover {
    /// What would count: live keys say what the new one says, keys that need a restart what the active one says.
    pub counting: Loaded,
    /// Paths of keys whose value differs and counts.
    pub changed: Vec<String>,
    /// Paths of keys whose value differs and does not count before a restart. Secrets never do.
    pub needs_restart: Vec<String>,
    /// Paths of keys that changed in a file and are set by something that wins over it.
    pub shadowed: Vec<String>,
}

impl Loaded {
    /// What this would change under a service that runs with `active`.
    ///
    /// # Errors
    /// What waits for a restart contradicts what does not: one sentence each.
    pub fn under(&self, active: &Self) -> Result<Takeover, Vec<String>> {
        let takeover = self.laid_over(active)?;
        let contradictions = takeover.counting.config.checks();
        if contradictions.is_empty() { Ok(takeover) } else { Err(contradictions) }
    }

    /// The same, whatever contradicts something else.
    pub(super) fn laid_over(&self, active: &Self) -> Result<Takeover, Vec<String>> {
        let root = merged(active, &self.root);
        let mut problems = Vec::new();
        let mut config = load::sections(&root, &mut problems);
        if !problems.is_empty() {
            return Err(problems.iter().map(ToString::to_string).collect());
        }
        config.names_cluster = active.config.names_cluster;
        config.record.clone_from(&active.config.record);
        config.settle(&self.bundles);
        let fields = effective::fields(&root, &config);
        let is_new = |hidden: &&(String, String)| !active.shadowed.contains(hidden);
        Ok(Takeover {
            changed: [differing(&active.fields, &fields), other_secrets(&active.root, &root)].concat(),
            needs_restart: differing(&fields, &self.fields),
            shadowed: self.shadowed.iter().filter(is_new).map(|(path, _)| path.clone()).collect(),
            counting: Self { config, fields, root, ..self.clone() },
        })
    }
}

/// The tree of `other` with every value that needs a restart as it is in the active one.
fn merged(active: &Loaded, other: &Node) -> Node {
    let mut root = other.clone();
    let has_model = [&active.root, other].map(|root| root.child("llm").is_some());
    for key in keys::keys().filter(|key| key.live == Live::Restart) {
        // A model that comes or goes brings or takes its whole section.
        if !key.path.starts_with("llm.") || has_model == [true, true] {
            restore(key, &active.root, &mut root);
        }
    }
    settle_data_storage(active, &mut root);
    root
}

/// Gives a key the value it has in the active tree, or none. No such key is below a list (tested with the table).
fn restore(key: &Key, active: &Node, root: &mut Node) {
    let waiting: Vec<Vec<String>> = effective::values(root, key).into_iter().map(|(path, _)| path).collect();
    for path in waiting {
        root.take(&parts(&path));
    }
    for (path, node) in effective::values(active, key) {
        root.put(&parts(&path), node.clone());
    }
}

fn parts(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

/// Whether there is a client of `DataStorage` is decided at start, and its section alone can say that there is one.
fn settle_data_storage(active: &Loaded, root: &mut Node) {
    const SECTION: &[&str] = &["data_storage"];
    if active.config.data_storage().is_none() {
        root.take(SECTION);
    } else if active.root.at(SECTION).is_some() && root.at(SECTION).is_none() {
        root.put(SECTION, Node::empty(Origin::named(Source::Default, "data_storage")));
    }
}

/// Paths of values that are others, or set in one of the two only. Defaults that come and go with their section are no news.
fn differing(earlier: &[Field], later: &[Field]) -> Vec<String> {
    let is_set = |field: &&Field| field.source != Source::Default;
    let mut gone: BTreeMap<&str, &Field> = earlier.iter().map(|field| (field.path.as_str(), field)).collect();
    let is_new = |field: &&Field| match gone.remove(field.path.as_str()) {
        Some(was) => was.value != field.value,
        None => is_set(field),
    };
    let mut paths: Vec<String> = later.iter().filter(is_new).map(|field| field.path.clone()).collect();
    paths.extend(gone.into_values().filter(is_set).map(|field| field.path.clone()));
    paths
}

/// Paths of secrets that are others than before: shown, they all look alike.
fn other_secrets(earlier: &Node, later: &Node) -> Vec<String> {
    let other = |key: &Key| -> Vec<String> {
        let before = effective::values(earlier, key);
        let is_other = |(path, node): &(Vec<String>, &Node)| {
            before.iter().any(|(place, was)| place == path && was.to_value() != node.to_value())
        };
        effective::values(later, key).iter().filter(|value| is_other(value)).map(|(path, _)| path.join(".")).collect()
    };
    keys::keys().filter(|key| matches!(key.kind, Kind::Secret)).flat_map(other).collect()
}
