//! Reads what surrounds the signal resource: the only I/O of the analyser.
//!
//! First the cluster's own objects and the signal's namespace, then, by reference, the namespaces it depends on, then
//! logs of what is not well, then what those logs name. Every read is bounded and may fail: a failure becomes a line
//! of [`Observed::unavailable`], never an error.

mod kinds;
mod logs;
mod signal;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use super::Observed;
use super::connections::{Failure, addresses, configured_addresses, failures_of};
use super::pods::{STABLE_AFTER_MAX, unwell};
use super::relations::Relations;
use crate::cluster::{Cluster, ClusterError, ListQuery, MetricQuery};
use crate::domain::{Incident, Object, ResourceRef};
use kinds::{Kind, Scope};

/// Bounds of one gathering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatherLimits {
    /// Reads under way at once.
    pub concurrency: usize,
    /// Most objects of one kind read from one namespace (or from the cluster).
    pub objects_per_list_max: usize,
    /// Namespaces read in full, the signal's own included.
    pub namespaces_max: usize,
    /// Pods whose logs are read.
    pub log_pods_max: usize,
    /// Newest lines of each container instance.
    pub log_lines_per_container: u32,
    /// Nodes whose events are read.
    pub node_events_max: usize,
}

impl Default for GatherLimits {
    fn default() -> Self {
        Self {
            concurrency: 8,
            objects_per_list_max: 1_000,
            namespaces_max: 6,
            log_pods_max: 24,
            log_lines_per_container: 400,
            node_events_max: 8,
        }
    }
}

/// Reads everything the signatures look at for one incident. Never fails: see [`Observed::unavailable`].
pub async fn gather(cluster: &dyn Cluster, incident: &Incident, limits: &GatherLimits) -> Observed {
    let mut gatherer = Gatherer::new(cluster, incident, limits);
    gatherer.read_signal().await;
    let cluster_wide: Vec<Read> = kinds::of_scope(Scope::Cluster).map(|kind| Read { kind, namespace: None }).collect();
    gatherer.read_lists(cluster_wide).await;
    gatherer.read_signal_namespaces().await;
    gatherer.stand_in_for_missing();
    gatherer.read_dependencies().await;
    gatherer.read_logs().await;
    gatherer.read_dependencies().await;
    gatherer.read_logs().await;
    gatherer.read_on_demand().await;
    gatherer.read_node_events().await;
    gatherer.read_metrics().await;
    gatherer.observed
}

/// One list to read.
#[derive(Debug, Clone)]
struct Read {
    kind: &'static Kind,
    namespace: Option<String>,
}

struct Gatherer<'a> {
    cluster: &'a dyn Cluster,
    limits: &'a GatherLimits,
    observed: Observed,
    /// Names that exist, so that `x.y` in a URL is only followed when `y` is a namespace.
    namespaces: BTreeSet<String>,
    read_namespaces: BTreeSet<String>,
    logs_read: BTreeSet<(Option<String>, String)>,
}

impl<'a> Gatherer<'a> {
    fn new(cluster: &'a dyn Cluster, incident: &Incident, limits: &'a GatherLimits) -> Self {
        Self {
            cluster,
            limits,
            observed: Observed::new(cluster.now(), incident.clone()),
            namespaces: BTreeSet::new(),
            read_namespaces: BTreeSet::new(),
            logs_read: BTreeSet::new(),
        }
    }

    async fn read_lists(&mut self, reads: Vec<Read>) {
        let (cluster, limit) = (self.cluster, self.limits.objects_per_list_max);
        let answers: Vec<_> = stream::iter(reads)
            .map(|read| async move {
                let answer = list(cluster, &read, limit).await;
                (read, answer)
            })
            .buffered(self.limits.concurrency.max(1))
            .collect()
            .await;
        for (read, answer) in answers {
            self.keep(&read, answer);
        }
    }

    fn keep(&mut self, read: &Read, answer: Result<Listed, ClusterError>) {
        let namespace = read.namespace.as_deref();
        match answer {
            Ok(listed) => {
                if listed.truncated {
                    self.observed.add_incomplete(read.kind.name, namespace);
                    let what = read.plural_in();
                    self.observed.add_unavailable(format!("{what}: only the first {} were read", listed.items.len()));
                } else if let Some(namespace) = namespace {
                    self.observed.add_complete(read.kind.name, namespace);
                }
                listed.items.into_iter().for_each(|object| self.observed.add_object(object));
            }
            Err(ClusterError::UnknownKind { .. } | ClusterError::NotFound(_)) => {
                self.observed.add_incomplete(read.kind.name, namespace);
            }
            Err(error) => {
                self.observed.add_incomplete(read.kind.name, namespace);
                self.observed.add_unavailable(format!("{}: {}", read.plural_in(), in_words(&error)));
            }
        }
    }

    async fn read_signal(&mut self) {
        match self.cluster.namespaces().await {
            Ok(names) => self.namespaces = names.into_iter().collect(),
            Err(error) => self.observed.add_unavailable(format!("Namespaces: {}", in_words(&error))),
        }
        for candidate in signal::candidates(&self.observed.incident) {
            let Some(reference) = signal::canonical(self.cluster, &candidate, &self.observed.incident).await else {
                continue;
            };
            let found = self.cluster.get(&reference).await;
            if let Err(ClusterError::Forbidden(_) | ClusterError::Unavailable(_)) = &found {
                self.observed.add_unavailable(format!("{reference}: it could not be read"));
            }
            let first = *self.observed.signal() == self.observed.incident.resource;
            if first || found.is_ok() {
                self.observed.set_signal(reference);
            }
            if let Ok(object) = found {
                self.observed.add_object(object);
                break;
            }
        }
        let events = self.cluster.events(self.observed.signal()).await.unwrap_or_default();
        events.into_iter().for_each(|event| self.observed.add_object(event));
    }

    /// The signal's own namespace; for a Node those of the pods on it; for other cluster-scoped objects those they name.
    async fn read_signal_namespaces(&mut self) {
        let signal = self.observed.signal().clone();
        if let Some(namespace) = &signal.namespace {
            self.read_namespaces_in_full([namespace.clone()]).await;
            return;
        }
        if signal.kind == "Namespace" {
            self.read_namespaces_in_full([signal.name.clone()]).await;
            return;
        }
        self.read_lists(kinds::everywhere_for(&signal.kind)).await;
        let named = signal::namespaces_of_cluster_scoped(&self.observed);
        self.read_namespaces_in_full(named).await;
    }

    async fn read_namespaces_in_full(&mut self, names: impl IntoIterator<Item = String>) {
        let mut reads = Vec::new();
        for name in names {
            let exists = self.namespaces.is_empty() || self.namespaces.contains(&name);
            if !exists
                || self.read_namespaces.len() >= self.limits.namespaces_max
                || !self.read_namespaces.insert(name.clone())
            {
                continue;
            }
            self.observed.add_read_namespace(&name);
            reads.extend(kinds::of_scope(Scope::Namespace).map(|kind| Read { kind, namespace: Some(name.clone()) }));
        }
        self.read_lists(reads).await;
    }

    /// When the named Pod is gone, its workload speaks for it.
    fn stand_in_for_missing(&mut self) {
        if self.observed.subject().is_none()
            && let Some(stand_in) = signal::stand_in(&self.observed)
        {
            self.observed.set_signal(stand_in);
        }
    }

    /// Namespaces named by configuration and logs of the pods the signal depends on, and of Services behind webhooks.
    async fn read_dependencies(&mut self) {
        for _ in 0..DEPENDENCY_ROUNDS {
            let wanted = self.dependency_namespaces();
            if wanted.is_empty() {
                return;
            }
            self.read_namespaces_in_full(wanted).await;
        }
    }

    fn dependency_namespaces(&self) -> BTreeSet<String> {
        let relations = self.observed.relations();
        let near = |pod: &&Object| relations.distance(&pod.reference()).is_some_and(|distance| distance <= 3);
        let mut wanted = BTreeSet::new();
        for pod in self.observed.of_kind("Pod").filter(near) {
            let configured = configured_addresses(&self.observed, pod).into_iter().map(|found| found.address.host);
            let failed = failures_of(&self.observed, pod, STABLE_AFTER_MAX);
            let resolver = failed.iter().any(|failed| failed.failure == Failure::ResolverTimeout);
            wanted.extend(resolver.then(|| RESOLVER_NAMESPACE.to_owned()));
            let failed = failed.into_iter().flat_map(|failed| failed.addresses);
            let failed = failed.map(|address| address.host.clone());
            wanted.extend(configured.chain(failed).filter_map(|host| self.namespace_in_host(&host)));
        }
        wanted.extend(self.webhook_namespaces());
        wanted.retain(|name| !self.read_namespaces.contains(name) && self.namespaces.contains(name));
        wanted
    }

    fn namespace_in_host(&self, host: &str) -> Option<String> {
        let labels: Vec<&str> = host.split('.').collect();
        let before_svc = labels.iter().position(|label| *label == "svc").and_then(|svc| svc.checked_sub(1));
        let namespace = labels.get(before_svc.unwrap_or(1))?;
        let plausible = before_svc.is_some() || labels.len() == 2;
        (plausible && self.namespaces.contains(*namespace)).then(|| (*namespace).to_owned())
    }

    /// A webhook matters when an event says that calling one failed: its Service's namespace tells why.
    fn webhook_namespaces(&self) -> Vec<String> {
        let failing = self.observed.events().filter(|event| event.message.contains("failed calling webhook"));
        let hosts: Vec<String> =
            failing.flat_map(|event| addresses(&event.message)).map(|address| address.host).collect();
        hosts.iter().filter_map(|host| self.namespace_in_host(host)).collect()
    }

    /// Large lists that only some faults need: every pod for the arithmetic of scheduling, cluster roles for denials,
    /// every Service for an address that is an IP.
    async fn read_on_demand(&mut self) {
        let wanted = kinds::on_demand(&self.observed);
        self.read_lists(wanted).await;
    }

    async fn read_node_events(&mut self) {
        let relations = self.observed.relations();
        let suspicious = |node: &&Object| {
            relations.distance(&node.reference()).is_some_and(|distance| distance <= 2)
                || node.condition_status("Ready") != Some("True")
        };
        let nodes: Vec<ResourceRef> = self
            .observed
            .of_kind("Node")
            .filter(suspicious)
            .take(self.limits.node_events_max)
            .map(Object::reference)
            .collect();
        let cluster = self.cluster;
        let answers: Vec<_> = stream::iter(nodes)
            .map(|node| async move { cluster.events(&node).await.unwrap_or_default() })
            .buffered(self.limits.concurrency.max(1))
            .collect()
            .await;
        answers.into_iter().flatten().for_each(|event| self.observed.add_object(event));
    }

    async fn read_logs(&mut self) {
        let wanted = logs::wanted(&self.observed, &self.logs_read, self.limits);
        for pod in wanted.iter().map(|query| (Some(query.namespace.clone()), query.pod.clone())) {
            self.logs_read.insert(pod);
        }
        let cluster = self.cluster;
        let answers: Vec<_> = stream::iter(wanted)
            .map(|query| async move {
                let answer = cluster.logs(&query).await;
                (query, answer)
            })
            .buffered(self.limits.concurrency.max(1))
            .collect()
            .await;
        for (query, answer) in answers {
            logs::keep(&mut self.observed, &query, answer);
        }
    }

    async fn read_metrics(&mut self) {
        let mut queries: Vec<MetricQuery> = self
            .read_namespaces
            .iter()
            .map(|namespace| MetricQuery { name: None, labels: vec![("namespace".to_owned(), namespace.clone())] })
            .collect();
        if self.observed.signal().kind == "Node" {
            let name = &self.observed.signal().name;
            let by = |label: &str| MetricQuery { name: None, labels: vec![(label.to_owned(), name.clone())] };
            queries.extend(["node", "instance"].map(by));
        }
        for query in queries {
            match self.cluster.metrics(&query).await {
                Ok(series) => self.observed.add_metrics(series),
                Err(error) => self.observed.add_unavailable(format!("Metrics: {}", in_words(&error))),
            }
        }
    }
}

/// Rounds of following names to namespaces before giving up.
const DEPENDENCY_ROUNDS: usize = 2;
/// Where the cluster's DNS lives.
const RESOLVER_NAMESPACE: &str = "kube-system";

struct Listed {
    items: Vec<Arc<Object>>,
    truncated: bool,
}

/// Tries the versions of a kind until one is known and has objects.
async fn list(cluster: &dyn Cluster, read: &Read, limit: usize) -> Result<Listed, ClusterError> {
    let mut last: Option<Result<Listed, ClusterError>> = None;
    for version in read.kind.versions {
        let query = ListQuery {
            api_version: Some((*version).to_owned()),
            limit: Some(limit),
            ..ListQuery::kind(read.kind.name).in_namespace(read.namespace.as_deref())
        };
        match cluster.list(&query).await {
            Ok(list) => {
                let found = !list.items.is_empty();
                last = Some(Ok(Listed { items: list.items, truncated: list.truncated }));
                if found {
                    break;
                }
            }
            Err(error) => last = last.or(Some(Err(error))),
        }
    }
    last.unwrap_or(Ok(Listed { items: Vec::new(), truncated: false }))
}

impl Read {
    fn plural_in(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} in {namespace}", plural(self.kind.name)),
            None => plural(self.kind.name),
        }
    }
}

/// The failure in two or three words; the detail is the cluster's and belongs to its log.
fn in_words(error: &ClusterError) -> String {
    match error {
        ClusterError::Forbidden(_) => "not allowed to read".to_owned(),
        ClusterError::Unavailable(why) => format!("cluster unavailable ({why})"),
        other => other.to_string(),
    }
}

/// Pods near the signal that are not well; used to decide what else is worth reading.
fn unwell_near<'a>(observed: &'a Observed, relations: &Relations) -> Vec<&'a Object> {
    let pods: Vec<&Object> =
        observed.of_kind("Pod").filter(|pod| relations.distance(&pod.reference()).is_some()).collect();
    unwell(observed, &pods)
}

/// Several objects of a kind, in words.
fn plural(kind: &str) -> String {
    match kind.strip_suffix('y') {
        _ if kind.ends_with("Metrics") || kind.ends_with("Endpoints") => kind.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

#[cfg(test)]
mod tests;
