//! Memory that pods request, may use and use.

use super::containers::containers;
use super::subject::{Fault, absent_namespace, required};
use super::table::Table;
use super::usage::{PodUsage, ROWS_MAX, mebibytes, pod_usage, stored_note};
use crate::cluster::{Cluster, ListQuery};
use crate::domain::Object;
use crate::domain::object::{at, text};
use crate::domain::quantities::Quantity;
use crate::tools::{Invocation, ToolOutput, ToolStatus};

pub(super) async fn in_namespace(cluster: &dyn Cluster, call: &Invocation<'_>) -> Result<ToolOutput, Fault> {
    requests(cluster, Some(required(call, "namespace")?)).await
}

pub(super) async fn everywhere(cluster: &dyn Cluster) -> Result<ToolOutput, Fault> {
    requests(cluster, None).await
}

/// What the containers that run as long as the pod does ask for together.
struct Asked<'a> {
    pod: &'a Object,
    request: Quantity,
    /// `None` when a container has no limit.
    limit: Option<Quantity>,
}

impl<'a> Asked<'a> {
    fn of(pod: &'a Object) -> Self {
        let all = containers(pod);
        let lasting = || all.iter().filter(|container| container.is_lasting());
        let amount = |spec, path: &str| at(spec, path).and_then(Quantity::read);
        let request = lasting().filter_map(|container| {
            // A limit without a request is the request.
            amount(container.spec, "resources.requests.memory")
                .or_else(|| amount(container.spec, "resources.limits.memory"))
        });
        let limits: Vec<Option<Quantity>> =
            lasting().map(|container| amount(container.spec, "resources.limits.memory")).collect();
        Self {
            pod,
            request: request.sum(),
            limit: limits.into_iter().collect::<Option<Vec<_>>>().map(|l| l.into_iter().sum()),
        }
    }
}

async fn requests(cluster: &dyn Cluster, namespace: Option<&str>) -> Result<ToolOutput, Fault> {
    let query = ListQuery { api_version: Some("v1".to_owned()), ..ListQuery::kind("Pod") };
    let found = cluster.list(&query.in_namespace(namespace)).await?;
    let is_over = |pod: &Object| matches!(text(pod.value(), "status.phase"), "Succeeded" | "Failed");
    let mut pods: Vec<Asked<'_>> = found.items.iter().filter(|pod| !is_over(pod)).map(|pod| Asked::of(pod)).collect();
    let over = found.items.len() - pods.len();
    if pods.is_empty() {
        let absent = match namespace {
            Some(namespace) => absent_namespace(cluster, namespace).await,
            None => None,
        };
        return Ok(ToolOutput::no_data(absent.unwrap_or_else(|| format!("no pods run here ({over} have ended)"))));
    }
    // Usage is an extra: without it the requests still stand.
    let usage = pod_usage(cluster, namespace).await.unwrap_or_default();
    pods.sort_by_key(|asked| std::cmp::Reverse(asked.request));
    let mut table = Table::new(&["NAMESPACE", "POD", "REQUEST-MiB", "LIMIT-MiB", "USED-MiB"]);
    table.rows.extend(pods.iter().take(ROWS_MAX).map(|asked| row(asked, &usage)));
    let total: Quantity = pods.iter().map(|asked| asked.request).sum();
    let more = if found.truncated { "; more pods exist than were read" } else { "" };
    let footer = format!(
        "{} of {} pods, largest request first; all request {} MiB together; {over} ended pods left out{}{more}",
        table.rows.len(),
        pods.len(),
        mebibytes(total),
        stored_note(&usage)
    );
    Ok(ToolOutput::of(ToolStatus::Success, table.content(footer)))
}

fn row(asked: &Asked<'_>, usage: &PodUsage) -> Vec<String> {
    let key = (asked.pod.namespace().unwrap_or_default().to_owned(), asked.pod.name().to_owned());
    let used = usage.pods.get(&key).map(|usage| mebibytes(usage.memory)).unwrap_or_default();
    let limit = asked.limit.map_or_else(|| "none".to_owned(), mebibytes);
    vec![key.0, key.1, mebibytes(asked.request), limit, used]
}
