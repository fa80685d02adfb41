//! Facts for readiness that nobody meets on the way of a request.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Core;
use crate::api::Readiness;
use crate::cluster::{Cluster, ClusterError};
use crate::config::ClusterSource;
use crate::store::Store;
use crate::telemetry::metrics::Dependency;

/// Between two looks at the store.
const STORE_INTERVAL: Duration = Duration::from_secs(1);
/// Reason word of a store that cannot write.
const STORE_UNAVAILABLE: &str = "store_unavailable";

/// Between two probes of the cluster that has answered once (operations §5.3).
const CLUSTER_INTERVAL: Duration = Duration::from_secs(15);
/// Between two probes before: readiness waits for the first answer.
const CLUSTER_FIRST_INTERVAL: Duration = Duration::from_secs(1);
/// For one probe.
const CLUSTER_PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Failures in a row that take it down.
const CLUSTER_FAILURES: u32 = 2;

/// Starts the watchers; they end with the token.
pub(super) fn spawn(core: &Core, readiness: &Readiness, source: ClusterSource, stop: CancellationToken) {
    let (store, told, stopped) = (core.store.clone(), readiness.clone(), stop.clone());
    tokio::spawn(async move { stopped.run_until_cancelled(watch_store(store, told)).await });
    match source {
        ClusterSource::Bundle => {}
        ClusterSource::Live => {
            let (cluster, told) = (Arc::clone(&core.cluster), readiness.clone());
            tokio::spawn(async move { stop.run_until_cancelled(watch_cluster(cluster, told)).await });
        }
    }
}

async fn watch_cluster(cluster: Arc<dyn Cluster>, readiness: Readiness) {
    let mut interval = CLUSTER_FIRST_INTERVAL;
    let mut failures = 0;
    loop {
        let answer = timeout(CLUSTER_PROBE_TIMEOUT, cluster.probe()).await;
        let late = |_| Err(ClusterError::Unavailable("no answer in time".to_owned()));
        match answer.unwrap_or_else(late) {
            Ok(()) => {
                (failures, interval) = (0, CLUSTER_INTERVAL);
                readiness.up(Dependency::Kubernetes);
            }
            Err(error) => {
                failures += 1;
                if failures == CLUSTER_FAILURES {
                    tracing::warn!(event = "cluster_unreachable", error = %error, "the cluster does not answer");
                }
                if failures >= CLUSTER_FAILURES {
                    readiness.down(Dependency::Kubernetes, "kubernetes_unreachable");
                }
            }
        }
        sleep(interval).await;
    }
}

async fn watch_store(store: Store, readiness: Readiness) {
    loop {
        sleep(STORE_INTERVAL).await;
        if !store.is_failing() {
            readiness.mended(STORE_UNAVAILABLE);
        } else {
            readiness.broken(STORE_UNAVAILABLE);
            // The next success clears the flag, also when nobody else writes.
            let _ = store.probe().await;
        }
    }
}
