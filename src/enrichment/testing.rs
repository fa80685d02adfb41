//! A cluster made of YAML for the tests of this room: kinds with scopes, refusals, faults, and a count of reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::reader::Retrying;
use crate::cluster::selector::LabelSelector;
use crate::cluster::{
    ApiKind, Cluster, ClusterError, ContainerLog, ListQuery, LogQuery, MetricQuery, MetricSeries, ObjectList,
};
use crate::domain::{Object, ResourceRef};
use crate::retry::Backoff;

const CLUSTER_SCOPED: [&str; 5] = ["Node", "Namespace", "StorageClass", "PersistentVolume", "Platform"];
/// Known only where an object of the kind exists.
const OPTIONAL: [&str; 2] = ["VirtualMachine", "Gadget"];

#[derive(Debug, Default)]
pub(super) struct FakeCluster {
    objects: Vec<Arc<Object>>,
    /// Kind → what every read of it says.
    refusals: BTreeMap<&'static str, ClusterError>,
    /// Kind → how many reads fail before one is answered.
    faults: BTreeMap<&'static str, (AtomicU32, ClusterError)>,
    reads: AtomicU32,
}

/// Patience of milliseconds.
pub(super) fn quick() -> Retrying {
    let wait = Duration::from_millis(1);
    Retrying {
        backoff: Backoff { base: wait, ceiling: wait, server_ceiling: wait, jitter: 0.2 },
        ..Retrying::default()
    }
}

/// `Kind namespace/name` or `Kind name`.
pub(super) fn reference(text: &str) -> ResourceRef {
    let (kind, rest) = text.split_once(' ').unwrap();
    match rest.split_once('/') {
        Some((namespace, name)) => ResourceRef::namespaced(kind, namespace, name),
        None => ResourceRef::cluster_scoped(kind, rest),
    }
}

impl FakeCluster {
    /// The objects of a multi-document YAML text.
    pub(super) fn yaml(text: &str) -> Self {
        let documents = text.split("\n---").filter(|document| !document.trim().is_empty());
        let object = |document: &str| {
            let value: Value = serde_saphyr::from_str(document.trim_start_matches("---")).expect(document);
            Arc::new(Object::new(value).unwrap_or_else(|| panic!("no kind or name in {document}")))
        };
        Self { objects: documents.map(object).collect(), ..Self::default() }
    }

    pub(super) fn and_yaml(mut self, text: &str) -> Self {
        self.objects.extend(Self::yaml(text).objects);
        self
    }

    pub(super) fn refusing(mut self, kind: &'static str, error: ClusterError) -> Self {
        self.refusals.insert(kind, error);
        self
    }

    pub(super) fn forbidding(self, kind: &'static str) -> Self {
        self.refusing(kind, ClusterError::Forbidden(format!("read {kind}")))
    }

    pub(super) fn failing_first(mut self, kind: &'static str, times: u32, error: ClusterError) -> Self {
        self.faults.insert(kind, (AtomicU32::new(times), error));
        self
    }

    /// Gets and lists so far, tries included.
    pub(super) fn reads(&self) -> u32 {
        self.reads.load(Ordering::Relaxed)
    }

    fn read(&self, kind: &str) -> Result<(), ClusterError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = self.refusals.get(kind) {
            return Err(error.clone());
        }
        let Some((left, error)) = self.faults.get(kind) else { return Ok(()) };
        match left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => Err(error.clone()),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Cluster for FakeCluster {
    async fn resolve_kind(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError> {
        let recorded = self.objects.iter().find(|object| object.kind() == name);
        if name == "Unknown" || (OPTIONAL.contains(&name) && recorded.is_none()) {
            return Err(ClusterError::UnknownKind { name: name.to_owned(), known: vec!["Pod".to_owned()] });
        }
        let version = api_version.or(recorded.map(|object| object.api_version())).unwrap_or("v1");
        Ok(ApiKind {
            api_version: version.to_owned(),
            kind: name.to_owned(),
            plural: name.to_lowercase(),
            namespaced: !CLUSTER_SCOPED.contains(&name),
        })
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        self.resolve_kind(&reference.kind, None).await?;
        self.read(&reference.kind)?;
        let found = self.objects.iter().find(|object| object.reference().same_object(reference));
        found.cloned().ok_or_else(|| ClusterError::NotFound(reference.to_string()))
    }

    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        self.read(&query.kind)?;
        let selector = LabelSelector::parse(query.label_selector.as_deref().unwrap_or_default())?;
        let wanted = |object: &&Arc<Object>| {
            object.kind() == query.kind
                && (query.namespace.is_none() || object.namespace() == query.namespace.as_deref())
                && selector.matches(&object.labels())
        };
        let items: Vec<_> = self.objects.iter().filter(wanted).cloned().collect();
        let limit = query.limit.unwrap_or(usize::MAX);
        Ok(ObjectList { truncated: items.len() > limit, items: items.into_iter().take(limit).collect() })
    }

    async fn events(&self, _: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        Ok(Vec::new())
    }

    async fn logs(&self, _: &LogQuery) -> Result<ContainerLog, ClusterError> {
        Ok(ContainerLog::default())
    }

    async fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        Ok(Vec::new())
    }

    async fn metrics(&self, _: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError> {
        Ok(Vec::new())
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn description(&self) -> String {
        "fake".to_owned()
    }
}
