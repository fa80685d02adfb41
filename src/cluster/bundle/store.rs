//! Reads objects back on demand and keeps the most recently used ones within a byte bound.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

use super::build::{follow, read_piece};
use super::index::{Entry, EntryId};
use super::parse::{parse, value_bytes};
use super::walk::FoundFile;
use crate::cluster::ClusterError;
use crate::domain::Object;

/// An indexed file as it was when it was indexed.
#[derive(Debug)]
struct IndexedFile {
    path: PathBuf,
    shown: String,
    bytes: u64,
    modified: Option<SystemTime>,
}

#[derive(Debug)]
pub(super) struct ObjectStore {
    files: Vec<IndexedFile>,
    cache: Mutex<Cache>,
}

impl ObjectStore {
    /// `files` in the order of their numbers in the index.
    pub(super) fn new(files: impl IntoIterator<Item = FoundFile>, cache_bytes_max: usize) -> Self {
        let indexed = |file: FoundFile| IndexedFile {
            path: file.path,
            shown: file.shown,
            bytes: file.bytes,
            modified: file.modified,
        };
        Self { files: files.into_iter().map(indexed).collect(), cache: Mutex::new(Cache::new(cache_bytes_max)) }
    }

    /// # Errors
    /// `Unavailable` when the file changed or vanished after it was indexed.
    pub(super) fn read(&self, id: EntryId, entry: &Entry) -> Result<Arc<Object>, ClusterError> {
        if let Some(object) = self.cache().get(id) {
            return Ok(object);
        }
        let object = Arc::new(self.parse(entry)?);
        let bytes = value_bytes(object.value());
        self.cache().insert(id, object.clone(), bytes);
        Ok(object)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parse(&self, entry: &Entry) -> Result<Object, ClusterError> {
        let location = &entry.location;
        let gone = |file: &IndexedFile| ClusterError::Unavailable(format!("{} changed while in use", file.shown));
        let file = self.files.get(location.file as usize);
        let file = file.ok_or_else(|| ClusterError::Unavailable("a file of the bundle is not indexed".to_owned()))?;
        let mut opened = File::open(&file.path).map_err(|_| gone(file))?;
        let metadata = opened.metadata().map_err(|_| gone(file))?;
        if metadata.len() != file.bytes || metadata.modified().ok() != file.modified {
            return Err(gone(file));
        }
        let bytes = read_piece(&mut opened, location.start, location.bytes.into()).map_err(|_| gone(file))?;
        let value = parse(location.notation, &bytes).map_err(|_| gone(file))?;
        let mut value = follow(value, &location.path).ok_or_else(|| gone(file))?;
        if let Value::Object(members) = &mut value {
            // Items of a typed list do not repeat what the list says.
            for (key, known) in [("kind", &entry.kind_name), ("apiVersion", &entry.api_version)] {
                if members.get(key).and_then(Value::as_str).is_none_or(str::is_empty) {
                    members.insert(key.to_owned(), known.as_ref().into());
                }
            }
        }
        Object::new(value).ok_or_else(|| gone(file))
    }
}

/// Least recently used objects leave first.
#[derive(Debug)]
struct Cache {
    objects: HashMap<EntryId, Cached>,
    /// Use counter → object.
    order: BTreeMap<u64, EntryId>,
    uses: u64,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Cached {
    object: Arc<Object>,
    bytes: usize,
    used: u64,
}

impl Cache {
    fn new(bytes_max: usize) -> Self {
        Self { objects: HashMap::new(), order: BTreeMap::new(), uses: 0, bytes: 0, bytes_max }
    }

    fn get(&mut self, id: EntryId) -> Option<Arc<Object>> {
        self.uses += 1;
        let cached = self.objects.get_mut(&id)?;
        self.order.remove(&cached.used);
        cached.used = self.uses;
        self.order.insert(self.uses, id);
        Some(cached.object.clone())
    }

    fn insert(&mut self, id: EntryId, object: Arc<Object>, bytes: usize) {
        if bytes > self.bytes_max || self.objects.contains_key(&id) {
            return;
        }
        self.uses += 1;
        self.bytes += bytes;
        self.order.insert(self.uses, id);
        self.objects.insert(id, Cached { object, bytes, used: self.uses });
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            self.bytes -= self.objects.remove(&oldest).map_or(0, |cached| cached.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_cache_drops_what_was_not_used_for_longest() {
        let object = || Arc::new(Object::new(json!({"kind": "Pod", "metadata": {"name": "p"}})).unwrap());
        let mut cache = Cache::new(100);
        cache.insert(1, object(), 40);
        cache.insert(2, object(), 40);
        assert!(cache.get(1).is_some());
        cache.insert(3, object(), 40);
        assert!(cache.get(2).is_none(), "least recently used");
        assert!(cache.get(1).is_some() && cache.get(3).is_some());
        cache.insert(4, object(), 101);
        assert!(cache.get(4).is_none(), "larger than the cache");
        assert_eq!((cache.bytes, cache.order.len(), cache.objects.len()), (80, 2, 2));
    }
}
