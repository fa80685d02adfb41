//! A cluster whose answers are shared: who asks the same at the same time, or a moment later, gets the same answer.
//!
//! Incidents come in storms: one broken node or namespace makes many of them, and each investigation reads the same lists and
//! objects. The API server is asked once, and one copy of the objects serves all. An answer is given out for a moment only,
//! and failures are never kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::{ApiKind, Cluster, ClusterError, ContainerLog, ListQuery, LogQuery, MetricQuery, MetricSeries, ObjectList};
use crate::domain::{Object, ResourceRef};

/// Answers of one sort remembered at once; more are asked for and not shared.
const ANSWERS_MAX: usize = 1_024;

/// Another cluster whose lists, objects and events are shared.
#[derive(Debug)]
pub struct SharedCluster {
    inner: Arc<dyn Cluster>,
    lists: Answers<ListQuery, ObjectList>,
    objects: Answers<ResourceRef, Arc<Object>>,
    events: Answers<ResourceRef, Vec<Arc<Object>>>,
    namespaces: Answers<(), Vec<String>>,
}

impl SharedCluster {
    /// The cluster itself when nothing is to be shared.
    pub fn around(inner: Arc<dyn Cluster>, window: Duration) -> Arc<dyn Cluster> {
        if window.is_zero() { inner } else { Arc::new(Self::new(inner, window)) }
    }

    fn new(inner: Arc<dyn Cluster>, window: Duration) -> Self {
        Self {
            inner,
            lists: Answers::within(window),
            objects: Answers::within(window),
            events: Answers::within(window),
            namespaces: Answers::within(window),
        }
    }

    /// Lets go of what is too old to be given out.
    fn sweep(&self, now: Instant) {
        self.lists.sweep(now);
        self.objects.sweep(now);
        self.events.sweep(now);
        self.namespaces.sweep(now);
    }
}

/// Answers to questions of one sort.
#[derive(Debug)]
struct Answers<Q, A> {
    /// How old an answer may be that is given out again.
    window: Duration,
    kept: Mutex<HashMap<Q, Shared<A>>>,
}

/// One question, and its answer once there is one. Whoever asks first fetches it; when that one gives up the next does.
#[derive(Debug)]
struct Shared<A> {
    asked_at: Instant,
    answer: Arc<OnceCell<A>>,
}

impl<Q: Hash + Eq + Clone, A: Clone> Answers<Q, A> {
    fn within(window: Duration) -> Self {
        Self { window, kept: Mutex::default() }
    }

    /// The answer somebody else got, or else the one that `ask` brings.
    async fn or(&self, question: &Q, ask: impl Future<Output = Result<A, ClusterError>>) -> Result<A, ClusterError> {
        match self.place(question, Instant::now()) {
            Some(answer) => answer.get_or_try_init(|| ask).await.cloned(),
            None => ask.await,
        }
    }

    /// The place of an answer; nothing when there are too many.
    fn place(&self, question: &Q, now: Instant) -> Option<Arc<OnceCell<A>>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = kept.get(question).filter(|shared| shared.is_fresh(now, self.window)) {
            return Some(Arc::clone(&shared.answer));
        }
        if kept.len() >= ANSWERS_MAX {
            kept.retain(|_, shared| shared.is_fresh(now, self.window));
        }
        if kept.len() >= ANSWERS_MAX {
            return None;
        }
        let answer = Arc::default();
        kept.insert(question.clone(), Shared { asked_at: now, answer: Arc::clone(&answer) });
        Some(answer)
    }

    fn sweep(&self, now: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, shared| shared.is_fresh(now, self.window));
    }
}

impl<A> Shared<A> {
    fn is_fresh(&self, now: Instant, window: Duration) -> bool {
        now.saturating_duration_since(self.asked_at) < window
    }
}

#[async_trait]
impl Cluster for SharedCluster {
    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        self.lists.or(query, self.inner.list(query)).await
    }

    async fn resolve_kind(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError> {
        self.inner.resolve_kind(name, api_version).await
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        self.objects.or(reference, self.inner.get(reference)).await
    }

    async fn events(&self, of: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        self.events.or(of, self.inner.events(of)).await
    }

    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        self.inner.logs(query).await
    }

    async fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        self.namespaces.or(&(), self.inner.namespaces()).await
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
