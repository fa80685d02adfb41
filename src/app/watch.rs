//! Facts for readiness that nobody meets on the way of a request.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Core;
use crate::api::Readiness;
use crate::audit::{AuditFault, AuditTrail};
use crate::catalogue::Catalogue;
use crate::config::{CatalogueSource, ClusterSource, Config};
use crate::datastorage::DataStorage;
use crate::store::Store;
use crate::telemetry::metrics::Dependency;

/// Between two looks at the audit trail.
const AUDIT_INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks at the store.
const STORE_INTERVAL: Duration = Duration::from_secs(1);
/// Reason word of a store that cannot write.
const STORE_UNAVAILABLE: &str = "store_unavailable";

/// Between two probes of a dependency that has answered once (operations §5.3).
const INTERVAL: Duration = Duration::from_secs(15);
/// Between two probes before: readiness waits for the first answer.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
/// For one probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two looks at the certificates of `DataStorage`.
const CERTIFICATES_INTERVAL: Duration = Duration::from_secs(30);
/// Least time between two readings of a catalogue that nobody asked for.
const CATALOGUE_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Failures in a row that take it down.
const FAILURES: u32 = 2;

/// Between two beats of the heart that liveness listens to.
const HEART_INTERVAL: Duration = Duration::from_secs(1);

/// Starts the watchdog of the runtime; it ends with the token.
pub(super) fn heart(readiness: &Readiness, stop: &CancellationToken) {
    let (readiness, stop) = (readiness.clone(), stop.clone());
    let beating = async move {
        loop {
            readiness.tick();
            sleep(HEART_INTERVAL).await;
        }
    };
    tokio::spawn(async move { stop.run_until_cancelled(beating).await });
}

/// Starts the watchers; they end with the token.
pub(super) fn spawn(core: &Core, readiness: &Readiness, config: &Config, stop: &CancellationToken) {
    let until_stopped = |watcher: Pin<Box<dyn Future<Output = ()> + Send>>| {
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(watcher).await });
    };
    until_stopped(Box::pin(watch_store(core.store.clone(), readiness.clone())));
    until_stopped(Box::pin(watch_audit(core.audit.clone(), readiness.clone())));
    if let Some(client) = core.data_storage.clone() {
        until_stopped(Box::pin(watch_certificates(client.clone())));
        let probe = move || {
            let client = client.clone();
            async move { client.probe().await.map_err(|error| ("datastorage_unreachable", error.to_string())) }
        };
        let late = "datastorage_unreachable";
        until_stopped(Box::pin(watch(Dependency::DataStorage, late, readiness.clone(), probe)));
    }
    if config.catalogue.source() == CatalogueSource::CustomResources {
        let interval = config.catalogue.refresh().max(CATALOGUE_INTERVAL_MIN);
        until_stopped(Box::pin(keep_fresh(Arc::clone(&core.catalogue), interval)));
    }
    if config.cluster.source == ClusterSource::Live {
        let cluster = Arc::clone(&core.cluster);
        let probe = move || {
            let cluster = Arc::clone(&cluster);
            async move { cluster.probe().await.map_err(|error| ("kubernetes_unreachable", error.to_string())) }
        };
        until_stopped(Box::pin(watch(Dependency::Kubernetes, "kubernetes_unreachable", readiness.clone(), probe)));
    }
    if core.current.get().llm.as_ref().is_some_and(|llm| !llm.is_mock()) {
        let current = core.current.clone();
        let probe = move || {
            let llm = current.get().llm.clone();
            async move {
                // A reload took the model away: nobody misses it.
                let Some(llm) = llm else { return Ok(()) };
                llm.probe(PROBE_TIMEOUT).await.map_err(|kind| (kind.as_str(), kind.as_str().to_owned()))
            }
        };
        until_stopped(Box::pin(watch(Dependency::Llm, "timeout", readiness.clone(), probe)));
    }
}

/// Looks at the certificates of `DataStorage` again and again: their files change under a running service.
async fn watch_certificates(client: DataStorage) {
    loop {
        sleep(CERTIFICATES_INTERVAL).await;
        let client = client.clone();
        // Only a defect makes the reading end early; the certificates in use stay.
        let _ = tokio::task::spawn_blocking(move || client.reload_certificates()).await;
    }
}

/// Reads the catalogue again when it is due, so that no investigation has to wait for it.
async fn keep_fresh(catalogue: Arc<dyn Catalogue>, interval: Duration) {
    loop {
        catalogue.refresh().await;
        sleep(interval).await;
    }
}

/// Asks a dependency again and again. A probe tells a word for the public and a text for the log; `late` is the word for no
/// answer at all.
async fn watch<P, F>(dependency: Dependency, late: &'static str, readiness: Readiness, probe: P)
where
    P: Fn() -> F + Send,
    F: Future<Output = Result<(), (&'static str, String)>> + Send,
{
    let mut interval = FIRST_INTERVAL;
    let mut failures = 0;
    loop {
        let answer = timeout(PROBE_TIMEOUT, probe()).await;
        match answer.unwrap_or_else(|_| Err((late, "no answer in time".to_owned()))) {
            Ok(()) => {
                (failures, interval) = (0, INTERVAL);
                readiness.up(dependency);
            }
            Err((word, error)) => {
                failures += 1;
                if failures == FAILURES {
                    let name = dependency.as_str();
                    tracing::warn!(
                        event = "dependency_unreachable",
                        dependency = name,
                        error,
                        "a dependency does not answer"
                    );
                }
                if failures >= FAILURES {
                    readiness.down(dependency, word);
                }
            }
        }
        sleep(interval).await;
    }
}

async fn watch_audit(audit: AuditTrail, readiness: Readiness) {
    loop {
        sleep(AUDIT_INTERVAL).await;
        let present = audit.faults();
        for fault in AuditFault::ALL {
            if present.contains(&fault) {
                readiness.broken(fault.as_str());
            } else {
                readiness.mended(fault.as_str());
            }
        }
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
            if let Err(error) = store.probe().await {
                store.distrust(&error);
            }
        }
    }
}
