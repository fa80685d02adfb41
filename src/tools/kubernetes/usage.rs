//! What pods and nodes use now: the metrics API, for a recording also its stored series.

use std::collections::BTreeMap;

use super::subject::Fault;
use super::table::Table;
use crate::cluster::{Cluster, ClusterError, ListQuery, MetricQuery, MetricSeries, ObjectList};
use crate::domain::object::text;
use crate::domain::quantities::Quantity;
use crate::tools::{Invocation, ToolOutput, ToolStatus};

const METRICS_API: &str = "metrics.k8s.io/v1beta1";
/// Working set of each container, as cAdvisor names it.
const WORKING_SET: &str = "container_memory_working_set_bytes";
/// A stored point older than this, in seconds, is no current usage.
const POINT_AGE_MAX_SECONDS: f64 = 900.0;
/// Most rows of a table.
pub(super) const ROWS_MAX: usize = 200;

const NO_METRICS: &str = "no usage is known: the metrics API (metrics.k8s.io) is not served or has nothing here. This says nothing \
    about the workloads; requests and limits are in kubectl_memory_requests_namespace, usage over time in Prometheus where its \
    tools are offered";

/// Use of one pod. Stored series tell no CPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) cpu: Option<Quantity>,
    pub(super) memory: Quantity,
}

/// Namespace and name.
pub(super) type PodKey = (String, String);

#[derive(Debug, Default)]
pub(super) struct PodUsage {
    pub(super) pods: BTreeMap<PodKey, Usage>,
    /// How many come from stored series.
    pub(super) stored: usize,
}

/// Objects of the metrics API; none when it is not there.
async fn measured(cluster: &dyn Cluster, kind: &str, namespace: Option<&str>) -> Result<ObjectList, ClusterError> {
    let query = ListQuery { api_version: Some(METRICS_API.to_owned()), ..ListQuery::kind(kind) };
    match cluster.list(&query.in_namespace(namespace)).await {
        Err(ClusterError::UnknownKind { .. } | ClusterError::NotFound(_)) => Ok(ObjectList::default()),
        answer => answer,
    }
}

/// Use of all pods, or of those of a namespace.
pub(super) async fn pod_usage(cluster: &dyn Cluster, namespace: Option<&str>) -> Result<PodUsage, ClusterError> {
    let mut usage = PodUsage::default();
    for object in measured(cluster, "PodMetrics", namespace).await?.items {
        let sum = |path: &str| {
            let amounts = object.list_at("containers").filter_map(|container| Quantity::parse(text(container, path)));
            amounts.sum::<Quantity>()
        };
        let key = (object.namespace().unwrap_or_default().to_owned(), object.name().to_owned());
        usage.pods.insert(key, Usage { cpu: Some(sum("usage.cpu")), memory: sum("usage.memory") });
    }
    let labels = namespace.map(|namespace| ("namespace".to_owned(), namespace.to_owned())).into_iter().collect();
    let series = cluster.metrics(&MetricQuery { name: Some(WORKING_SET.to_owned()), labels }).await?;
    for (key, memory) in newest_by_pod(&series, now_seconds(cluster)) {
        if let std::collections::btree_map::Entry::Vacant(free) = usage.pods.entry(key) {
            free.insert(Usage { cpu: None, memory });
            usage.stored += 1;
        }
    }
    Ok(usage)
}

#[expect(clippy::cast_precision_loss, reason = "seconds of our time are exact")]
fn now_seconds(cluster: &dyn Cluster) -> f64 {
    cluster.now().as_second() as f64
}

/// Sum of the newest points of a pod's containers. The series of the pod's own cgroup and of its sandbox repeat them.
fn newest_by_pod(series: &[MetricSeries], now: f64) -> BTreeMap<PodKey, Quantity> {
    let mut newest: BTreeMap<(PodKey, &str), (f64, f64)> = BTreeMap::new();
    for one in series {
        let label = |name: &str| one.labels.get(name).map(String::as_str).unwrap_or_default();
        let (container, point) = (label("container"), one.points.last().copied());
        let Some(point) = point.filter(|(at, _)| now - at <= POINT_AGE_MAX_SECONDS) else { continue };
        if matches!(container, "" | "POD") || label("pod").is_empty() {
            continue;
        }
        let key = ((label("namespace").to_owned(), label("pod").to_owned()), container);
        let known = newest.entry(key).or_insert(point);
        if point.0 > known.0 {
            *known = point;
        }
    }
    let mut pods: BTreeMap<PodKey, Quantity> = BTreeMap::new();
    for ((key, _), (_, bytes)) in newest {
        let sum = pods.entry(key).or_default();
        *sum = *sum + Quantity::measured(bytes).unwrap_or_default();
    }
    pods
}

/// Whole mebibytes.
pub(super) fn mebibytes(amount: Quantity) -> String {
    format!("{:.0}", amount.as_f64() / (1024.0 * 1024.0))
}

fn millicores(amount: Quantity) -> String {
    format!("{:.0}m", amount.as_f64() * 1000.0)
}

fn percent(part: Quantity, whole: Option<Quantity>) -> String {
    let whole = whole.map(Quantity::as_f64).filter(|whole| *whole > 0.0);
    whole.map(|whole| format!("{:.0}%", part.as_f64() / whole * 100.0)).unwrap_or_default()
}

/// The note under a table that mixes sources.
pub(super) fn stored_note(usage: &PodUsage) -> String {
    match usage.stored {
        0 => String::new(),
        count => format!("; {count} from recorded series of {WORKING_SET}"),
    }
}

pub(super) async fn top_pods(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    let namespace = call.text("namespace");
    let usage = pod_usage(cluster, namespace).await?;
    if usage.pods.is_empty() {
        return Ok(ToolOutput::no_data(NO_METRICS));
    }
    let mut pods: Vec<(&PodKey, &Usage)> = usage.pods.iter().collect();
    pods.sort_by_key(|(_, usage)| std::cmp::Reverse(usage.memory));
    let mut table = Table::new(&["NAMESPACE", "POD", "CPU", "MEMORY-MiB"]);
    table.rows.extend(pods.iter().take(ROWS_MAX).map(|((namespace, pod), usage)| {
        let cpu = usage.cpu.map(millicores).unwrap_or_default();
        vec![namespace.clone(), pod.clone(), cpu, mebibytes(usage.memory)]
    }));
    let footer = format!("{} of {} pods, most memory first{}", table.rows.len(), pods.len(), stored_note(&usage));
    Ok(ToolOutput::of(ToolStatus::Success, table.content(footer)))
}

pub(super) async fn top_nodes(cluster: &dyn Cluster) -> Result<ToolOutput, Fault> {
    let measured = measured(cluster, "NodeMetrics", None).await?;
    if measured.items.is_empty() {
        return Ok(ToolOutput::no_data(NO_METRICS));
    }
    let nodes = ListQuery { api_version: Some("v1".to_owned()), ..ListQuery::kind("Node") };
    let nodes = cluster.list(&nodes).await.unwrap_or_default();
    let mut table = Table::new(&["NODE", "CPU", "CPU%", "MEMORY-MiB", "MEMORY%"]);
    table.rows.extend(measured.items.iter().take(ROWS_MAX).map(|object| {
        let node = nodes.items.iter().find(|node| node.name() == object.name());
        let room = |key: &str| node.and_then(|node| Quantity::read(node.at(&format!("status.allocatable.{key}"))?));
        let used = |key: &str| object.at(&format!("usage.{key}")).and_then(Quantity::read).unwrap_or_default();
        let (cpu, memory) = (used("cpu"), used("memory"));
        vec![
            object.name().to_owned(),
            millicores(cpu),
            percent(cpu, room("cpu")),
            mebibytes(memory),
            percent(memory, room("memory")),
        ]
    }));
    let footer = format!("{} nodes, percent of what is allocatable", table.rows.len());
    Ok(ToolOutput::of(ToolStatus::Success, table.content(footer)))
}

#[cfg(test)]
mod tests;
