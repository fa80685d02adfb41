//! A cluster whose lists are shared: who asks the same at the same time, or a moment later, gets the same answer.
//!
//! Incidents come in storms: one broken node or namespace makes many of them, and each investigation reads the same lists. The
//! API server is asked once, and one copy of the objects serves all. An answer is given out for a moment only, and failures
//! are never kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::{ApiKind, Cluster, ClusterError, ContainerLog, ListQuery, LogQuery, MetricQuery, MetricSeries, ObjectList};
use crate::domain::{Object, ResourceRef};

/// Lists remembered at once; more are asked for and not shared.
const LISTS_MAX: usize = 1_024;

/// Another cluster whose lists are shared.
#[derive(Debug)]
pub struct SharedCluster {
    inner: Arc<dyn Cluster>,
    /// How old an answer may be that is given out again.
    window: Duration,
    lists: Mutex<HashMap<ListQuery, Shared>>,
}

/// One question, and its answer once there is one. Whoever asks first fetches it; when that one gives up the next does.
#[derive(Debug, Clone)]
struct Shared {
    asked_at: Instant,
    answer: Arc<OnceCell<ObjectList>>,
}

impl SharedCluster {
    /// The cluster itself when nothing is to be shared.
    pub fn around(inner: Arc<dyn Cluster>, window: Duration) -> Arc<dyn Cluster> {
        if window.is_zero() { inner } else { Arc::new(Self { inner, window, lists: Mutex::default() }) }
    }

    /// The place of an answer; nothing when there are too many.
    fn place(&self, query: &ListQuery, now: Instant) -> Option<Arc<OnceCell<ObjectList>>> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = lists.get(query).filter(|shared| shared.is_fresh(now, self.window)) {
            return Some(Arc::clone(&shared.answer));
        }
        if lists.len() >= LISTS_MAX {
            lists.retain(|_, shared| shared.is_fresh(now, self.window));
        }
        if lists.len() >= LISTS_MAX {
            return None;
        }
        let shared = Shared { asked_at: now, answer: Arc::default() };
        lists.insert(query.clone(), shared.clone());
        Some(shared.answer)
    }

    /// Lets go of what is too old to be given out.
    fn sweep(&self, now: Instant) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|_, shared| shared.is_fresh(now, self.window));
    }
}

impl Shared {
    fn is_fresh(&self, now: Instant, window: Duration) -> bool {
        now.saturating_duration_since(self.asked_at) < window
    }
}

#[async_trait]
impl Cluster for SharedCluster {
    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        match self.place(query, Instant::now()) {
            Some(answer) => answer.get_or_try_init(|| self.inner.list(query)).await.cloned(),
            None => self.inner.list(query).await,
        }
    }

    async fn resolve_kind(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError> {
        self.inner.resolve_kind(name, api_version).await
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        self.inner.get(reference).await
    }

    async fn events(&self, of: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        self.inner.events(of).await
    }

    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        self.inner.logs(query).await
    }

    async fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        self.inner.namespaces().await
    }

    async fn metrics(&self, query: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError> {
        self.inner.metrics(query).await
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn description(&self) -> String {
        self.inner.description()
    }

    /// Asked every few seconds for readiness, so that a storm that is over leaves nothing behind.
    async fn probe(&self) -> Result<(), ClusterError> {
        self.sweep(Instant::now());
        self.inner.probe().await
    }

    fn problems(&self) -> Vec<String> {
        self.inner.problems()
    }
}

#[cfg(test)]
mod tests;
