//! A cluster recorded in a directory.
//!
//! ```text
//! bundle.yaml                      optional: {capturedAt: <RFC 3339>, cluster: <name>, kubernetesVersion: <text>}
//! **/*.{yaml,yml,json}             objects as `kubectl get -o yaml|json` prints them: single objects, several documents
//!                                  in a file, `kind: List` and `kind: PodList`; in any directories, under any names
//! logs/<namespace>/<pod>/<container>.log             log of the running instance
//! logs/<namespace>/<pod>/<container>.previous.log    log of the instance before; lines may start with an RFC 3339 time
//! metrics/**/*.json                optional answers of Prometheus to `query_range` (or `query`)
//! ```
//!
//! Hidden names are skipped, other files are ignored. Events and PodMetrics are ordinary objects. `docs/bundle.md` tells
//! how to record one.
//!
//! **Now** is `capturedAt`, else the newest time of an observation found (events, conditions, container states, log
//! stamps, metric points), else the moment of opening.
//!
//! **Nothing is fatal but an unusable directory.** A broken object or file is skipped and reported by
//! [`problems`](Cluster::problems), with the path inside the bundle and the line. A bundle is hostile input: every bound
//! is in [`BundleLimits`], links that lead out of the directory are not followed, only regular files are opened, and
//! logs are found through an index, never by building a path from a question.
//!
//! **Memory** is one entry of a few hundred bytes per object (kind, names, labels, place in the file), plus a bounded
//! cache of parsed objects. Files are taken apart while streaming, each object is parsed once to check and index it, and
//! again when it is asked for.
//!
//! **Two records of one object** (same group, kind, namespace, name): the newer API version counts, then the greater
//! resource version, then the one found later in the order of file names.

mod build;
mod index;
mod kinds_seen;
mod limits;
mod logs;
mod manifest;
mod metrics;
pub(super) mod observed;
mod parse;
mod problems;
mod reading;
mod split;
mod store;
mod walk;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use self::build::Builder;
use self::index::Index;
pub use self::limits::BundleLimits;
pub use self::manifest::BundleManifest;
use self::metrics::Metrics;
use self::problems::Problems;
use self::store::ObjectStore;
use self::walk::{FoundFile, LogKey, Role};
use super::{ApiKind, Cluster, ClusterError, ContainerLog, ListQuery, LogQuery, MetricQuery, MetricSeries, ObjectList};
use crate::domain::{Object, ResourceRef};

/// A bundle, indexed. Cloning shares it.
#[derive(Debug, Clone)]
pub struct BundleCluster {
    recording: Arc<Recording>,
}

/// Why a directory is not a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("bundle {} does not exist", .0.display())]
    Missing(PathBuf),
    #[error("bundle {} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    #[error("bundle {} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    /// `problems` tells what was there and could not be used.
    #[error("bundle {} holds no objects, logs or metrics{}", path.display(), because(problems))]
    Empty { path: PathBuf, problems: Vec<String> },
}

fn because(problems: &[String]) -> String {
    if problems.is_empty() { String::new() } else { format!(": {}", problems.join("; ")) }
}

/// Everything known of the directory.
#[derive(Debug)]
struct Recording {
    /// As it was given.
    path: PathBuf,
    manifest: BundleManifest,
    now: Timestamp,
    index: Index,
    objects: ObjectStore,
    logs: BTreeMap<LogKey, PathBuf>,
    metrics: Metrics,
    problems: Vec<String>,
}

impl BundleCluster {
    /// Indexes the directory. Blocks for as long as reading all of it takes: call it off the async threads.
    ///
    /// # Errors
    /// When the directory cannot be used at all; see [`BundleError`].
    pub fn open(directory: &Path, limits: &BundleLimits) -> Result<Self, BundleError> {
        let root = real_directory(directory)?;
        let mut problems = Problems::new(limits.problems_max);
        let mut files = walk::walk(&root, limits, &mut problems);
        let manifest = read_manifest(&mut files, &mut problems);
        let mut metrics = Metrics::default();
        let mut newest_point = None;
        let mut logs = BTreeMap::new();
        let (object_files, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.role == Role::Objects);
        let metric_files = others.iter().filter(|file| file.role == Role::Metrics);
        for file in metric_files {
            newest_point = newest_point.max(metrics.add_file(file, limits, &mut problems));
        }
        let mut builder = Builder::new(limits, &mut problems);
        builder.saw_time(newest_point);
        for (id, file) in (0..).zip(&object_files) {
            builder.add_file(id, file);
        }
        for file in others {
            if let Role::Log(key) = file.role {
                match logs::newest_stamp(&file.path) {
                    Ok(stamp) => builder.saw_time(stamp),
                    Err(error) => builder
                        .problems()
                        .add(&file.shown, format_args!("cannot be read ({}); check its permissions", error.kind())),
                }
                builder.saw_namespace(&key.namespace);
                logs.insert(key, file.path);
            }
        }
        let index = builder.build();
        if index.entries.is_empty() && logs.is_empty() && metrics.is_empty() {
            return Err(BundleError::Empty { path: directory.to_path_buf(), problems: problems.texts() });
        }
        let recording = Recording {
            path: directory.to_path_buf(),
            now: manifest.captured_at.or(index.newest).unwrap_or_else(Timestamp::now),
            manifest,
            objects: ObjectStore::new(object_files, limits.cache_bytes_max),
            index,
            logs,
            metrics,
            problems: problems.texts(),
        };
        Ok(Self { recording: Arc::new(recording) })
    }

    pub fn manifest(&self) -> &BundleManifest {
        &self.recording.manifest
    }

    /// How many objects are indexed.
    pub fn object_count(&self) -> usize {
        self.recording.index.entries.len()
    }

    /// Runs `work`, which reads files, off the async threads.
    async fn reading<T, F>(&self, work: F) -> Result<T, ClusterError>
    where
        T: Send + 'static,
        F: FnOnce(&Recording) -> Result<T, ClusterError> + Send + 'static,
    {
        let recording = self.recording.clone();
        let done = tokio::task::spawn_blocking(move || work(&recording)).await;
        done.unwrap_or_else(|error| Err(ClusterError::Unavailable(format!("reading the bundle failed: {error}"))))
    }
}

fn real_directory(directory: &Path) -> Result<PathBuf, BundleError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => BundleError::Missing(directory.to_path_buf()),
        _ => BundleError::Unreadable { path: directory.to_path_buf(), source: error },
    };
    let root = std::fs::canonicalize(directory).map_err(unreadable)?;
    match root.is_dir() {
        true => Ok(root),
        false => Err(BundleError::NotADirectory(directory.to_path_buf())),
    }
}

/// Takes the manifest out of the files; one that is a Kubernetes object stays, as such.
fn read_manifest(files: &mut Vec<FoundFile>, problems: &mut Problems) -> BundleManifest {
    let mut found = BundleManifest::default();
    for file in files.iter_mut().filter(|file| file.role == Role::Manifest) {
        match manifest::read(file, problems) {
            manifest::Read::Manifest(manifest) => found = manifest,
            manifest::Read::Object => file.role = Role::Objects,
        }
    }
    files.retain(|file| file.role != Role::Manifest);
    found
}

#[async_trait]
impl Cluster for BundleCluster {
    async fn resolve_kind(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError> {
        self.recording.index.kinds.resolve(name, api_version)
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        let reference = reference.clone();
        self.reading(move |recording| recording.get(&reference)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        let query = query.clone();
        self.reading(move |recording| recording.list(&query)).await
    }

    async fn events(&self, of: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        let of = of.clone();
        self.reading(move |recording| recording.events(&of)).await
    }

    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        let query = query.clone();
        self.reading(move |recording| recording.log(&query)).await
    }

    async fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        Ok(self.recording.index.namespaces.iter().map(ToString::to_string).collect())
    }

    async fn metrics(&self, query: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError> {
        let query = query.clone();
        self.reading(move |recording| recording.metrics.query(&query)).await
    }

    fn now(&self) -> Timestamp {
        self.recording.now
    }

    fn description(&self) -> String {
        format!("bundle {}", self.recording.path.display())
    }

    fn problems(&self) -> Vec<String> {
        self.recording.problems.clone()
    }
}

#[cfg(test)]
mod tests;
