//! Deterministic diagnosis without a model.
//!
//! Three steps: `gather` reads what surrounds the signal resource through the `Cluster` port (the only
//! I/O), every [`Signature`] turns the [`Observed`] snapshot into [`Finding`]s (pure), and `ranking` orders causes
//! before symptoms (pure). A new fault family is one new file in `signatures/` and one word in its list.

pub mod access;
pub mod connections;
pub mod draft;
pub mod gather;
pub mod last_words;
pub mod network;
pub mod observed;
pub mod pods;
pub mod ranking;
pub mod relations;
pub mod revisions;
pub mod rollouts;
pub mod routing;
pub mod scheduler;
pub mod signatures;
pub mod standing;
pub mod suspects;
#[cfg(test)]
pub(crate) mod testing;

pub use gather::GatherLimits;
pub use observed::{Counts, Observed};
pub use ranking::Ranked;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::cluster::Cluster;
use crate::domain::{Finding, Incident, ResourceRef};

/// Incidents looked into at once; further ones wait. What was read stays in memory until it is judged, and the cluster answers
/// only so many requests at a time anyway.
const AT_ONCE_MAX: usize = 128;

/// One recognisable fault: a pure function from what was observed to what is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// Stable snake_case name, unique.
    pub id: &'static str,
    /// What it recognises, for documentation and reports.
    pub title: &'static str,
    pub detect: fn(&Observed) -> Vec<Finding>,
}

/// Diagnoses incidents without a model. Clones share one bound on how many are diagnosed at once.
#[derive(Debug, Clone)]
pub struct Analyser {
    limits: GatherLimits,
    places: Arc<Semaphore>,
    /// One for each processor: a storm of incidents must not keep requests waiting.
    processors: Arc<Semaphore>,
}

impl Default for Analyser {
    fn default() -> Self {
        Self::new(GatherLimits::default())
    }
}

impl Analyser {
    pub fn new(limits: GatherLimits) -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        Self { limits, places: Arc::new(Semaphore::new(AT_ONCE_MAX)), processors: Arc::new(Semaphore::new(count)) }
    }

    /// Reads what surrounds the incident's resource and diagnoses it. Reads that fail end up in
    /// [`Diagnosis::not_checked`].
    pub async fn analyse(&self, cluster: &dyn Cluster, incident: &Incident) -> Diagnosis {
        // Nobody closes it, nor the other.
        let _place = self.places.acquire().await;
        let mut observed = gather::gather(cluster, incident, &self.limits).await;
        for problem in cluster.problems() {
            observed.add_unavailable(problem);
        }
        self.diagnosed(observed).await
    }

    /// Milliseconds of work on a thread where nobody else waits.
    async fn diagnosed(&self, observed: Observed) -> Diagnosis {
        let _processor = self.processors.acquire().await;
        match tokio::task::spawn_blocking(move || diagnose(&observed)).await {
            Ok(diagnosis) => diagnosis,
            Err(failure) => match failure.try_into_panic() {
                // Whoever asked ends as though it had happened there.
                Ok(cause) => std::panic::resume_unwind(cause),
                // The runtime ends.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// What the analyser concluded, best explanation first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The object the diagnosis is about: the incident's resource, or the workload of a Pod that is gone.
    pub signal: ResourceRef,
    /// False when the signal resource does not exist (any more).
    pub signal_exists: bool,
    pub findings: Vec<Ranked>,
    /// 0–1, of the best finding; see [`ranking::confidence`].
    pub confidence: f64,
    /// What could not be read, in plain words.
    pub not_checked: Vec<String>,
    pub observed: Counts,
    /// The moment everything was judged against.
    pub now: Timestamp,
}

impl Diagnosis {
    /// The best finding that explains the signal. Faults elsewhere never are.
    pub fn top(&self) -> Option<&Finding> {
        self.findings.first().filter(|ranked| ranked.is_related).map(|ranked| &ranked.finding)
    }
}

/// Runs every signature over a snapshot and ranks what they find. Pure.
pub fn diagnose(observed: &Observed) -> Diagnosis {
    let findings = signatures::all().flat_map(|signature| (signature.detect)(observed)).collect();
    let findings = ranking::rank(observed, findings);
    Diagnosis {
        signal: observed.signal().clone(),
        signal_exists: observed.subject().is_some(),
        confidence: ranking::confidence(&findings, observed.unavailable().len()),
        findings,
        not_checked: observed.unavailable().to_vec(),
        observed: observed.counts(),
        now: observed.now,
    }
}
