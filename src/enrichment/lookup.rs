//! Looks the remediation history of a root owner up by its spec hashes (investigation §7.3.3, §7.5.1).

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::history::{History, merge};
use super::owners::OwnerChain;
use super::reader::{Reader, Retrying};
use super::spec_hash::{HashMode, absent_config_map, config_map, config_map_references};
use crate::cluster::Cluster;
use crate::domain::object::text_map;
use crate::domain::{Object, ResourceRef};

/// Most ConfigMaps read for one hash; further ones count as unreadable.
const CONFIG_MAPS_READ_MAX: usize = 64;

/// Where history is kept. Retries and their bound are the source's own.
#[async_trait]
pub trait HistorySource: Send + Sync + std::fmt::Debug {
    /// What was done to `target` while it had, or left it with, this spec hash.
    async fn history(&self, target: &ResourceRef, spec_hash: &str) -> Result<History, HistoryError>;

    /// What has to be borne in mind with every history that is not empty, in one sentence.
    fn caveat(&self) -> Option<String> {
        None
    }
}

/// Why a source has no answer, in words fit for a prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
pub struct HistoryError(pub String);

/// The history, or why it is not known. Not known is not the same as empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryState {
    Known(History),
    Unavailable(String),
}

impl HistoryState {
    /// `None` when it is not known.
    pub fn known(&self) -> Option<&History> {
        match self {
            Self::Known(history) => Some(history),
            Self::Unavailable(_) => None,
        }
    }
}

/// What a look-up brings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Past {
    pub(super) state: HistoryState,
    pub(super) spec_hash: Option<String>,
    pub(super) notes: Vec<String>,
}

impl Past {
    fn unavailable(reason: impl Into<String>) -> Self {
        Self { state: HistoryState::Unavailable(reason.into()), spec_hash: None, notes: Vec::new() }
    }
}

/// Asks for every hash of the mode at once and merges the answers. History is optional: nothing here is an error.
pub(super) async fn look_up(
    reader: &Reader<'_>,
    source: Option<&dyn HistorySource>,
    mode: HashMode,
    chain: &OwnerChain,
) -> Past {
    let Some(source) = source else { return Past::unavailable("no source of remediation history is configured") };
    let Some(root) = chain.root_object() else {
        return Past::unavailable(format!("{} may not be read, so its configuration is not known", chain.root()));
    };
    let mut notes = Vec::new();
    let config_maps =
        if mode.reads_config_maps() { config_maps(reader, root, &mut notes).await } else { BTreeMap::new() };
    let hashes = mode.hashes(root, &config_maps);
    let target = root.reference();
    let answers = join_all(hashes.iter().map(|hash| source.history(&target, hash))).await;
    let (told, failed): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    let failure = failed.into_iter().find_map(Result::err);
    let state = match (told.is_empty(), failure) {
        (true, None) => HistoryState::Unavailable(format!("{target} has no specification to look it up by")),
        (true, Some(error)) => HistoryState::Unavailable(error.to_string()),
        (false, failure) => {
            notes.extend(failure.map(|error| format!("part of the remediation history is unavailable: {error}")));
            let history = merge(told.into_iter().flatten());
            notes.extend(source.caveat().filter(|_| !history.is_empty()));
            HistoryState::Known(history)
        }
    };
    Past { state, spec_hash: hashes.into_iter().next(), notes }
}

/// The hashes the history of `target` is looked up by, as `cluster` shows it; none when it cannot be read.
pub async fn spec_hashes(cluster: &dyn Cluster, mode: HashMode, target: &ResourceRef) -> Vec<String> {
    let reader = Reader::new(cluster, Retrying::default());
    let Ok(root) = reader.get(target).await else { return Vec::new() };
    let config_maps =
        if mode.reads_config_maps() { config_maps(&reader, &root, &mut Vec::new()).await } else { BTreeMap::new() };
    mode.hashes(&root, &config_maps)
}

/// Hash of each ConfigMap the pods of the object read.
async fn config_maps(reader: &Reader<'_>, object: &Object, notes: &mut Vec<String>) -> BTreeMap<String, String> {
    let names: BTreeSet<String> = config_map_references(object.kind(), object.at("spec").unwrap_or(&Value::Null));
    let namespace = object.namespace().unwrap_or_default();
    let read = join_all(names.iter().take(CONFIG_MAPS_READ_MAX).map(|name| async move {
        let reference = ResourceRef::namespaced("ConfigMap", namespace, name).with_api_version("v1");
        let map = reader.get(&reference).await.ok()?;
        Some((name.clone(), config_map(&text_map(map.at("data")), &text_map(map.at("binaryData")))))
    }));
    let mut hashes: BTreeMap<String, String> = read.await.into_iter().flatten().collect();
    let unread: Vec<&String> = names.iter().filter(|name| !hashes.contains_key(*name)).collect();
    if !unread.is_empty() {
        let shown = unread.iter().take(3).map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let note = format!("{} ConfigMap(s) could not be read for the spec hash: {shown}", unread.len());
        notes.push(note);
    }
    let absent: Vec<(String, String)> =
        unread.into_iter().map(|name| (name.clone(), absent_config_map(name))).collect();
    hashes.extend(absent);
    hashes
}
