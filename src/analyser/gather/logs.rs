//! Whose logs are worth reading, nearest and sickest first.

use std::collections::BTreeSet;

use super::GatherLimits;
use crate::analyser::Observed;
use crate::analyser::observed::PodLog;
use crate::analyser::pods::{Container, Health, Role, containers, health};
use crate::cluster::{ClusterError, ContainerLog, LogQuery};
use crate::domain::{Object, ResourceRef};

/// Healthy pods of one workload whose logs are read: they usually say the same.
const HEALTHY_PODS_PER_WORKLOAD_MAX: usize = 2;
/// A healthy pod further away than this stays unread.
const HEALTHY_DISTANCE_MAX: u32 = 3;

/// Log reads for pods not read yet, within what is left of the pod limit.
pub(super) fn wanted(
    observed: &Observed,
    read: &BTreeSet<(Option<String>, String)>,
    limits: &GatherLimits,
) -> Vec<LogQuery> {
    let relations = observed.relations();
    let left = limits.log_pods_max.saturating_sub(read.len());
    let mut pods: Vec<(u32, bool, &Object)> = observed
        .of_kind("Pod")
        .filter(|pod| !read.contains(&(pod.namespace().map(str::to_owned), pod.name().to_owned())))
        .filter_map(|pod| {
            let well = matches!(health(observed, pod), Health::Stable | Health::Succeeded | Health::Terminating);
            let distance = relations.distance(&pod.reference());
            let is_wanted = distance.is_some_and(|distance| !well || distance <= HEALTHY_DISTANCE_MAX);
            is_wanted.then(|| (distance.unwrap_or(u32::MAX), well, pod))
        })
        .collect();
    pods.sort_by_key(|(distance, well, pod)| (*well && *distance > 0, *distance, *well, pod.name().to_owned()));
    keep_few_healthy(observed, &mut pods);
    pods.truncate(left);
    pods.iter().flat_map(|(_, _, pod)| of_pod(pod, limits)).collect()
}

fn keep_few_healthy(observed: &Observed, pods: &mut Vec<(u32, bool, &Object)>) {
    let mut healthy: Vec<ResourceRef> = Vec::new();
    pods.retain(|(_, well, pod)| {
        if !well {
            return true;
        }
        let owner = observed.root_owner(pod);
        let seen = healthy.iter().filter(|seen| **seen == owner).count();
        healthy.push(owner);
        seen < HEALTHY_PODS_PER_WORKLOAD_MAX
    });
}

fn of_pod(pod: &Object, limits: &GatherLimits) -> Vec<LogQuery> {
    let query = |container: &Container<'_>, previous: bool| LogQuery {
        namespace: pod.namespace().unwrap_or_default().to_owned(),
        pod: pod.name().to_owned(),
        container: Some(container.name.to_owned()),
        previous,
        tail_lines: Some(limits.log_lines_per_container),
        since: None,
    };
    let mut wanted = Vec::new();
    for container in containers(pod) {
        let ran = container.is_running() || container.latest_termination().is_some();
        let done = container.role == Role::Init && container.terminated().is_some_and(|ended| ended.exit_code == 0);
        if ran && !done {
            wanted.push(query(&container, false));
        }
        if container.last_terminated().is_some() || container.restart_count() > 0 {
            wanted.push(query(&container, true));
        }
    }
    wanted
}

pub(super) fn keep(observed: &mut Observed, query: &LogQuery, answer: Result<ContainerLog, ClusterError>) {
    match answer {
        Ok(log) if log.lines.is_empty() => {}
        Ok(log) => {
            let pod = ResourceRef::namespaced("Pod", &query.namespace, &query.pod).with_api_version("v1");
            let container = query.container.clone().unwrap_or(log.container);
            observed.add_log(PodLog::new(pod, container, query.previous, log.lines));
        }
        // A container that never ran, or whose previous instance was collected, has none.
        Err(ClusterError::NotFound(_) | ClusterError::Invalid(_)) => {}
        Err(error) => {
            let what = format!("Logs in {}: {}", query.namespace, super::in_words(&error));
            observed.add_unavailable(what);
        }
    }
}
