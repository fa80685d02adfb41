//! For tests: recorded clusters, small ones from text, one that refuses, and calls as the turn loop makes them.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::cluster::bundle::{BundleCluster, BundleLimits};
use crate::cluster::{
    ApiKind, Cluster, ClusterError, ContainerLog, ListQuery, LogQuery, MetricQuery, MetricSeries, ObjectList,
};
use crate::domain::{Object, ResourceRef};
use crate::tools::arguments::check;
use crate::tools::reduce::whole;
use crate::tools::{Invocation, ToolOutput, ToolSet};

/// A bundle of `examples/`.
pub(in crate::tools) fn example(name: &str) -> Arc<dyn Cluster> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).join("bundle");
    Arc::new(BundleCluster::open(&path, &BundleLimits::default()).unwrap())
}

/// A small bundle; files are read when asked for, so its directory has to live.
#[derive(Debug)]
pub(in crate::tools) struct Small {
    pub(in crate::tools) cluster: Arc<dyn Cluster>,
    _directory: tempfile::TempDir,
}

pub(in crate::tools) const NOW: &str = "2026-05-04T10:00:00Z";

/// Objects as multi-document YAML, and more files by path.
pub(in crate::tools) fn small(objects: &str, files: &[(&str, &str)]) -> Small {
    let directory = tempfile::tempdir().unwrap();
    let manifest = format!("capturedAt: {NOW}\n");
    for (path, text) in [("objects.yaml", objects), ("bundle.yaml", manifest.as_str())].iter().chain(files) {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let cluster = BundleCluster::open(directory.path(), &BundleLimits::default()).unwrap();
    Small { cluster: Arc::new(cluster), _directory: directory }
}

/// Calls a tool as the turn loop does: found by name, arguments checked.
pub(in crate::tools) async fn ask(cluster: &Arc<dyn Cluster>, name: &str, arguments: Value) -> ToolOutput {
    let set = ToolSet::new(crate::tools::kubernetes::tools(Arc::clone(cluster)));
    let tool = set.find(name).unwrap_or_else(|| panic!("no tool {name}"));
    let checked = check(&tool.definition().parameters, arguments.as_object().unwrap()).unwrap();
    assert_eq!(checked.notes, Vec::<String>::new(), "{name} does not know an argument");
    tool.call(Invocation { name, arguments: &checked.arguments }).await
}

/// Status, notes and the whole content in one text.
pub(in crate::tools) fn shown(output: &ToolOutput) -> String {
    let notes = output.notes.iter().map(|note| format!("note: {note}\n")).collect::<String>();
    format!("{}\n{notes}{}", output.status.as_str(), whole(&output.content))
}

pub(in crate::tools) async fn told(cluster: &Arc<dyn Cluster>, name: &str, arguments: Value) -> String {
    shown(&ask(cluster, name, arguments).await)
}

/// Knows every kind and lets nobody read anything.
#[derive(Debug)]
pub(in crate::tools) struct Forbidding;

fn forbidden<T>(what: &str) -> Result<T, ClusterError> {
    Err(ClusterError::Forbidden(what.to_owned()))
}

#[async_trait]
impl Cluster for Forbidding {
    async fn resolve_kind(&self, name: &str, _: Option<&str>) -> Result<ApiKind, ClusterError> {
        let plural = format!("{}s", name.to_lowercase());
        Ok(ApiKind { api_version: "v1".to_owned(), kind: name.to_owned(), plural, namespaced: true })
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        forbidden(&format!("get {reference}"))
    }

    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        forbidden(&format!("list {}", query.kind))
    }

    async fn events(&self, of: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        forbidden(&format!("list events of {of}"))
    }

    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        forbidden(&format!("read the log of Pod {}/{}", query.namespace, query.pod))
    }

    async fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        forbidden("list namespaces")
    }

    async fn metrics(&self, _: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError> {
        Ok(Vec::new())
    }

    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }

    fn description(&self) -> String {
        "a cluster that forbids".to_owned()
    }
}
