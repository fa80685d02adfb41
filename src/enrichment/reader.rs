//! Reads of the cluster, tried again when the cluster could not be asked (investigation §7.7).

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{ApiKind, Cluster, ClusterError, ListQuery, ObjectList};
use crate::domain::{Object, ResourceRef};
use crate::retry::{Backoff, jitter};

/// How often and after which waits a read is tried again. Only [`ClusterError::Unavailable`] is: transport errors, 429
/// and 5xx. Every other answer is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retrying {
    pub backoff: Backoff,
    /// Tries after the first.
    pub retries_max: u32,
}

/// Longest wait between two tries.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Share of a wait that jitter adds or takes.
const JITTER: f64 = 0.2;

impl Default for Retrying {
    /// Three retries after 1, 2 and 4 seconds, each 20 % more or less.
    fn default() -> Self {
        Self::new(3, Duration::from_secs(1))
    }
}

impl Retrying {
    /// The first wait is `base`, each further one twice as long, at most half a minute.
    pub fn new(retries_max: u32, base: Duration) -> Self {
        let backoff = Backoff { base, ceiling: WAIT_MAX, server_ceiling: WAIT_MAX, jitter: JITTER };
        Self { backoff, retries_max }
    }

    /// The waits without jitter, in order.
    pub fn waits(&self) -> impl Iterator<Item = Duration> + use<> {
        let Self { backoff, retries_max } = *self;
        (0..retries_max).map(move |retry| backoff.delay(retry, 0.5, None))
    }
}

/// A cluster with patience.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    cluster: &'a dyn Cluster,
    retrying: Retrying,
}

impl<'a> Reader<'a> {
    pub fn new(cluster: &'a dyn Cluster, retrying: Retrying) -> Self {
        Self { cluster, retrying }
    }

    pub(super) async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        self.patiently(|| self.cluster.get(reference)).await
    }

    pub(super) async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        self.patiently(|| self.cluster.list(query)).await
    }

    pub(super) async fn resolve_kind(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError> {
        self.patiently(|| self.cluster.resolve_kind(name, api_version)).await
    }

    async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, ClusterError>
    where
        F: Future<Output = Result<T, ClusterError>>,
    {
        for retry in 0..self.retrying.retries_max {
            match attempt().await {
                Err(ClusterError::Unavailable(_)) => {
                    tokio::time::sleep(self.retrying.backoff.delay(retry, jitter(), None)).await;
                }
                answer => return answer,
            }
        }
        attempt().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enrichment::testing::{FakeCluster, quick, reference};

    const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}}";

    #[test]
    fn waits_are_one_two_and_four_seconds() {
        let waits = |retrying: Retrying| retrying.waits().map(|wait| wait.as_millis()).collect::<Vec<_>>();
        assert_eq!(waits(Retrying::default()), [1_000, 2_000, 4_000]);
        assert_eq!(waits(Retrying::new(4, Duration::from_secs(10))), [10_000, 20_000, 30_000, 30_000]);
        assert_eq!(waits(Retrying::new(2, Duration::ZERO)), [0, 0]);
        assert_eq!(waits(Retrying::new(0, Duration::from_secs(1))), [0; 0]);
    }

    #[tokio::test]
    async fn only_an_unreachable_cluster_is_asked_again() {
        let unavailable = ClusterError::Unavailable("reset".into());
        let forbidden = ClusterError::Forbidden("get pods".into());
        // Failures before the answer, error, tries, whether it ends well.
        let cases = [
            (0, unavailable.clone(), 1, true),
            (3, unavailable.clone(), 4, true),
            (4, unavailable, 4, false),
            (1, forbidden, 1, false),
        ];
        for (failures, error, tries, ends_well) in cases {
            let shown = format!("{failures} x {error}");
            let cluster = FakeCluster::yaml(POD).failing_first("Pod", failures, error);
            let answer = Reader::new(&cluster, quick()).get(&reference("Pod shop/p")).await;
            assert_eq!((answer.is_ok(), cluster.reads()), (ends_well, tries), "{shown}");
        }
    }
}
