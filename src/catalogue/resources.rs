//! Workflows that a cluster keeps as custom resources (workflow-files §1): listed again and again, held as one copy.
//!
//! A copy that is due is read again by whoever asks first, or by the caller of [`Catalogue::refresh`]; everybody else waits
//! for that one reading. When the cluster cannot be asked, the last copy answers until it is too old.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::collection::{Collection, Problem};
use super::definition::read_object;
use super::{ActionType, Candidates, Catalogue, CatalogueError, Found, Listed, MatchContext};
use crate::cluster::{Cluster, ClusterError, ListQuery};

/// Group and version of both kinds.
const API_VERSION: &str = "kubernaut.ai/v1alpha1";

/// When the objects are listed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceTimes {
    /// A copy of this age is read again.
    pub refresh: Duration,
    /// A copy of this age answers no more, although the cluster cannot be asked.
    pub stale_max: Duration,
    /// Least time between two readings of which the first failed.
    pub failure_pause: Duration,
}

impl ResourceTimes {
    /// Lists again after `refresh`; a copy serves ten minutes, or ten times as long as it may be old.
    pub fn refreshing(refresh: Duration) -> Self {
        let stale_max = Duration::from_mins(10).max(refresh * 10);
        Self { refresh, stale_max, failure_pause: Duration::from_secs(5) }
    }
}

/// `RemediationWorkflow` and `ActionType` objects of a cluster.
#[derive(Debug)]
pub struct ResourceCatalogue {
    cluster: Arc<dyn Cluster>,
    /// `None` = all namespaces.
    namespace: Option<String>,
    times: ResourceTimes,
    state: RwLock<State>,
    reading: Mutex<()>,
}

#[derive(Debug, Clone, Default)]
struct State {
    copy: Option<Held>,
    /// The last reading, when it failed.
    failed: Option<(Instant, String)>,
}

#[derive(Debug, Clone)]
struct Held {
    collection: Arc<Collection>,
    read_at: Instant,
}

impl ResourceCatalogue {
    /// Asks nothing yet.
    pub fn new(cluster: Arc<dyn Cluster>, namespace: Option<String>, times: ResourceTimes) -> Self {
        Self { cluster, namespace, times, state: RwLock::default(), reading: Mutex::default() }
    }

    /// What is wrong with single objects, as of the last reading.
    pub fn problems(&self) -> Vec<Problem> {
        self.state().copy.map(|copy| copy.collection.problems.clone()).unwrap_or_default()
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The copy to answer from.
    async fn current(&self) -> Result<Arc<Collection>, CatalogueError> {
        if let Some(copy) = self.fresh() {
            return Ok(copy.collection);
        }
        let _only = self.reading.lock().await;
        if let Some(copy) = self.fresh() {
            return Ok(copy.collection);
        }
        let State { copy, failed } = self.state();
        let recently = failed.filter(|(at, _)| at.elapsed() < self.times.failure_pause);
        let reason = match recently {
            Some((_, reason)) => reason,
            None => match self.read().await {
                Ok(collection) => return Ok(self.keep(collection)),
                Err(reason) => self.note_failure(reason),
            },
        };
        let serves = copy.filter(|copy| copy.read_at.elapsed() < self.times.stale_max);
        serves.map(|copy| copy.collection).ok_or(CatalogueError::Unavailable(reason))
    }

    fn fresh(&self) -> Option<Held> {
        self.state().copy.filter(|copy| copy.read_at.elapsed() < self.times.refresh)
    }

    fn keep(&self, collection: Collection) -> Arc<Collection> {
        let collection = Arc::new(collection);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let known = state.copy.as_ref().map(|copy| copy.collection.problems.as_slice()).unwrap_or_default();
        for problem in collection.problems.iter().filter(|problem| !known.contains(problem)) {
            tracing::warn!(event = "catalogue_problem", %problem, "odd or broken workflow object");
        }
        *state =
            State { copy: Some(Held { collection: Arc::clone(&collection), read_at: Instant::now() }), failed: None };
        collection
    }

    fn note_failure(&self, reason: String) -> String {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let age_seconds = state.copy.as_ref().map(|copy| copy.read_at.elapsed().as_secs());
        tracing::warn!(event = "catalogue_unavailable", reason, age_seconds, "workflow objects cannot be listed");
        state.failed = Some((Instant::now(), reason.clone()));
        reason
    }

    async fn read(&self) -> Result<Collection, String> {
        let mut collection = Collection::default();
        self.add(&mut collection, "RemediationWorkflow").await.map_err(|error| match error {
            ClusterError::UnknownKind { .. } => "the cluster does not know the kind RemediationWorkflow".to_owned(),
            ClusterError::Forbidden(action) => format!("not allowed to {action}"),
            // The cause may name addresses; the log of the cluster has it.
            _ => "workflow objects of the cluster cannot be listed".to_owned(),
        })?;
        // Descriptions of action types are a help; without them those of the workflows serve.
        if let Err(error) = self.add(&mut collection, "ActionType").await {
            collection.problem("ActionType", 0, format!("cannot be listed: {error}"), true);
        }
        Ok(collection.finish())
    }

    async fn add(&self, collection: &mut Collection, kind: &str) -> Result<(), ClusterError> {
        let query = ListQuery {
            api_version: Some(API_VERSION.to_owned()),
            ..ListQuery::kind(kind).in_namespace(self.namespace.as_deref())
        };
        let objects = self.cluster.list(&query).await?;
        for object in &objects.items {
            let place = match object.namespace() {
                Some(namespace) => format!("{kind} {namespace}/{}", object.name()),
                None => format!("{kind} {}", object.name()),
            };
            collection.add(&place, 0, read_object(object));
        }
        if objects.truncated {
            let message = format!("there are more than {}; the rest is not read", objects.items.len());
            collection.problem(kind, 0, message, true);
        }
        Ok(())
    }
}

#[async_trait]
impl Catalogue for ResourceCatalogue {
    async fn action_types(&self, context: &MatchContext) -> Result<Vec<ActionType>, CatalogueError> {
        Ok(self.current().await?.action_types(context))
    }

    async fn listed(&self, action_type: &str, context: &MatchContext) -> Result<Vec<Listed>, CatalogueError> {
        Ok(self.current().await?.listed(action_type, context))
    }

    async fn candidates(&self, action_type: &str, context: &MatchContext) -> Result<Candidates, CatalogueError> {
        Ok(self.current().await?.candidates(action_type, context))
    }

    async fn workflow(&self, id_or_name: &str, context: &MatchContext) -> Result<Found, CatalogueError> {
        self.current().await?.workflow(id_or_name, context)
    }

    async fn refresh(&self) {
        // What went wrong is logged, and told to whoever asks.
        let _ = self.current().await;
    }

    fn age(&self) -> Option<Duration> {
        self.state().copy.map(|copy| copy.read_at.elapsed())
    }

    fn description(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("custom resources in namespace {namespace} of {}", self.cluster.description()),
            None => format!("custom resources of {}", self.cluster.description()),
        }
    }
}

#[cfg(test)]
mod tests;
