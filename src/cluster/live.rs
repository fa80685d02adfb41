//! A running cluster, through its API server.
//!
//! The kubeconfig (`KUBECONFIG`, else `~/.kube/config`) says where it is, else the ServiceAccount of the pod this runs in.
//! Only GET requests are sent ([`Inquiry`] also asks for reviews, which change nothing; [`PodEvents`] writes Events about the
//! own pod). Kinds come from API discovery,
//! asked once, kept for ten minutes and asked again when a name is unknown (not more often than `kinds_miss_interval`): a
//! CustomResourceDefinition created meanwhile is found.
//!
//! Bounds: requests at a time, time and bytes of an answer, objects of a list, lines and bytes of a log. What exceeds them
//! is cut and says so. Nothing is cached but the kinds: an investigation sees the cluster as it is when it asks.

mod discovery;
mod inquiry;
mod listing;
mod logs;
mod paths;
mod pod_events;
mod transport;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::Mutex;

pub use self::inquiry::{Inquiry, ServerFacts};
use self::listing::{Listing, as_object};
pub use self::pod_events::PodEvents;
use self::transport::{JSON, Purpose, Transport};
use super::bundle::observed::last_seen;
use super::kinds::{KindIndex, ambiguous};
use super::log_text::default_container;
use super::question::{checked_name, checked_namespace, event_subject, list_limit};
use super::selector::{FieldSelector, LabelSelector};
use super::{
    ApiKind, Cluster, ClusterError, ContainerLog, EVENTS_MAX, LIST_OBJECTS_MAX, ListQuery, LogQuery, MetricQuery,
    MetricSeries, ObjectList,
};
use crate::domain::{Object, ResourceRef};
use crate::telemetry::Metrics;

/// How long discovered kinds are used.
const KINDS_FRESH_FOR: Duration = Duration::from_secs(600);
/// Largest single object, in bytes; the API server stores at most 1.5 MiB.
const OBJECT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Groups tried for a name that several have.
const GROUPS_MAX: usize = 6;

/// How to reach the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveConfig {
    /// This kubeconfig file; `None` = where kubectl looks.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; `None` = its current one, or the pod's ServiceAccount.
    pub context: Option<String>,
    /// For one request, with its second try.
    pub request_timeout: Duration,
    /// Requests that run at the same time; further ones wait their turn.
    pub requests_max: usize,
    /// Least time between two discoveries because of unknown names.
    pub kinds_miss_interval: Duration,
}

/// No client could be made. Whether the cluster answers is another question.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(
        "no cluster to ask: neither a usable kubeconfig (KUBECONFIG, ~/.kube/config) nor the ServiceAccount of a pod; \
         name a recorded cluster with --bundle, or fix the kubeconfig"
    )]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("context {context:?} of the kubeconfig cannot be used")]
    Context { context: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot build the Kubernetes client")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The API server as a [`Cluster`].
#[derive(Debug)]
pub struct LiveCluster {
    transport: Transport,
    address: String,
    kinds: Mutex<Option<Discovered>>,
    kinds_miss_interval: Duration,
}

#[derive(Debug, Clone)]
struct Discovered {
    index: Arc<KindIndex>,
    at: Instant,
}

impl LiveCluster {
    /// Reads the configuration and builds the client; asks the API server nothing.
    ///
    /// # Errors
    /// See [`LiveError`].
    pub async fn build(config: &LiveConfig) -> Result<Self, LiveError> {
        let mut access = access(config).await?;
        // Tries are counted by the transport, within one timeout.
        access.default_retry = false;
        access.connect_timeout = Some(config.request_timeout);
        let address = access.cluster_url.to_string().trim_end_matches('/').to_owned();
        let host = access.cluster_url.host().unwrap_or_default().to_owned();
        let client = kube::Client::try_from(access).map_err(|cause| LiveError::Client(Box::new(cause)))?;
        Ok(Self {
            transport: Transport::new(client, &host, config.request_timeout, config.requests_max),
            address,
            kinds: Mutex::new(None),
            kinds_miss_interval: config.kinds_miss_interval,
        })
    }

    /// Counts requests from now on.
    #[must_use]
    pub fn reporting_to(mut self, metrics: &Metrics) -> Self {
        self.transport.report_to(metrics.clone());
        self
    }

    /// The kinds, at most `age_max` old. One discovery at a time.
    async fn kinds(&self, age_max: Duration) -> Result<Arc<KindIndex>, ClusterError> {
        let mut known = self.kinds.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.at.elapsed() < age_max) {
            return Ok(Arc::clone(&known.index));
        }
        let index = Arc::new(discovery::discover(&self.transport).await?);
        *known = Some(Discovered { index: Arc::clone(&index), at: Instant::now() });
        Ok(index)
    }

    /// Answers from the known kinds, and from fresh ones when a name is unknown.
    async fn with_kinds<T>(&self, answer: impl Fn(&KindIndex) -> Result<T, ClusterError>) -> Result<T, ClusterError> {
        match answer(self.kinds(KINDS_FRESH_FOR).await?.as_ref()) {
            Err(ClusterError::UnknownKind { .. }) => answer(self.kinds(self.kinds_miss_interval).await?.as_ref()),
            answered => answered,
        }
    }

    async fn get_as(&self, kind: &ApiKind, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        let namespace = reference.namespace.as_deref().filter(|_| kind.namespaced);
        let path = paths::object(kind, namespace, &reference.name);
        let (action, subject) = (format!("get {reference}"), reference.to_string());
        let purpose =
            Purpose { operation: "get", action: &action, subject: &subject, accept: JSON, bytes_max: OBJECT_BYTES_MAX };
        let value = self.transport.json(&path, purpose).await.map_err(|failure| failure.into_error(&action))?;
        let object = as_object(value, kind).map(Arc::new);
        object.ok_or_else(|| ClusterError::Unavailable(format!("the answer to {action} is no Kubernetes object")))
    }

    async fn list_as(
        &self,
        kind: &ApiKind,
        namespace: Option<&str>,
        fields: FieldSelector,
    ) -> Result<ObjectList, ClusterError> {
        Listing { kind, namespace, labels: None, fields, limit: LIST_OBJECTS_MAX }.read(&self.transport).await
    }
}

/// Where the API server is and who asks.
async fn access(config: &LiveConfig) -> Result<kube::Config, LiveError> {
    let options = KubeConfigOptions { context: config.context.clone(), ..KubeConfigOptions::default() };
    let unusable = |cause| match &config.context {
        Some(context) => LiveError::Context { context: context.clone(), source: cause },
        None => LiveError::Config(cause),
    };
    match (&config.kubeconfig, &config.context) {
        (Some(path), _) => {
            let file = Kubeconfig::read_from(path).map_err(|cause| LiveError::Config(Box::new(cause)))?;
            let read = kube::Config::from_custom_kubeconfig(file, &options).await;
            read.map_err(|cause| unusable(Box::new(cause)))
        }
        (None, Some(_)) => kube::Config::from_kubeconfig(&options).await.map_err(|cause| unusable(Box::new(cause))),
        (None, None) => kube::Config::infer().await.map_err(|cause| unusable(Box::new(cause))),
    }
}

/// A kind of the core group that every cluster has: needs no discovery.
fn core_kind(kind: &str, plural: &str, namespaced: bool) -> ApiKind {
    ApiKind { api_version: "v1".to_owned(), kind: kind.to_owned(), plural: plural.to_owned(), namespaced }
}

#[async_trait]
impl Cluster for LiveCluster {
    async fn resolve_kind(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError> {
        self.with_kinds(|kinds| kinds.resolve(name, api_version)).await
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        checked_name(&reference.name)?;
        let candidates = self.with_kinds(|kinds| {
            let candidates = kinds.candidates(&reference.kind, reference.api_version.as_deref())?;
            Ok(candidates.iter().map(|(kind, version)| kind.api_kind(version.as_deref())).collect::<Vec<_>>())
        });
        let candidates = candidates.await?;
        if let [kind] = candidates.as_slice() {
            checked_namespace(kind, reference)?;
            return self.get_as(kind, reference).await;
        }
        let mut found = Vec::new();
        for kind in candidates.into_iter().filter(|kind| checked_namespace(kind, reference).is_ok()).take(GROUPS_MAX) {
            match self.get_as(&kind, reference).await {
                Ok(object) => found.push((kind, object)),
                Err(ClusterError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        match found.as_slice() {
            [] => Err(ClusterError::NotFound(reference.to_string())),
            [(_, object)] => Ok(Arc::clone(object)),
            several => Err(ambiguous(&reference.kind, several.iter().map(|(kind, _)| kind.clone()))),
        }
    }

    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        let labels = query.label_selector.as_deref().unwrap_or_default();
        LabelSelector::parse(labels)?;
        let fields = FieldSelector::parse(query.field_selector.as_deref().unwrap_or_default())?;
        let kind = self.resolve_kind(&query.kind, query.api_version.as_deref()).await?;
        let namespace = query.namespace.as_deref().filter(|_| kind.namespaced);
        namespace.map_or(Ok(()), checked_name)?;
        let labels = Some(labels.to_owned()).filter(|labels| !labels.trim().is_empty());
        Listing { kind: &kind, namespace, labels, fields, limit: list_limit(query) }.read(&self.transport).await
    }

    async fn events(&self, of: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        checked_name(&of.name)?;
        let (kind, namespaced) =
            self.with_kinds(|kinds| Ok(event_subject(&kinds.candidates(&of.kind, of.api_version.as_deref())?))).await?;
        let namespace = of.namespace.as_deref().filter(|_| namespaced);
        namespace.map_or(Ok(()), checked_name)?;
        let fields = FieldSelector::parse(&format!("involvedObject.kind={kind},involvedObject.name={}", of.name))?;
        let mut events = self.list_as(&core_kind("Event", "events", true), namespace, fields).await?.items;
        events.sort_by_key(|event| std::cmp::Reverse(last_seen(event.value())));
        events.truncate(EVENTS_MAX);
        Ok(events)
    }

    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        checked_name(&query.namespace)?;
        checked_name(&query.pod)?;
        let pods = core_kind("Pod", "pods", true);
        let pod = ResourceRef::namespaced("Pod", &query.namespace, &query.pod).with_api_version("v1");
        let container = match &query.container {
            Some(container) => container.clone(),
            None => {
                let object = self.get_as(&pods, &pod).await?;
                let container = default_container(&object).map(str::to_owned);
                container.ok_or_else(|| ClusterError::NotFound(format!("a container of {pod}")))?
            }
        };
        let path = paths::object(&pods, Some(&query.namespace), &query.pod);
        logs::read(&self.transport, &path, container, query).await
    }

    async fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        let all = self.list_as(&core_kind("Namespace", "namespaces", false), None, FieldSelector::default()).await?;
        Ok(all.items.iter().map(|namespace| namespace.name().to_owned()).collect())
    }

    async fn metrics(&self, _: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError> {
        Ok(Vec::new())
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn description(&self) -> String {
        format!("cluster {}", self.address)
    }

    async fn probe(&self) -> Result<(), ClusterError> {
        discovery::probe(&self.transport).await
    }
}
