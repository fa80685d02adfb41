//! The ports of an investigation with a tape between them and whoever answers: the same code records and plays.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::format::Places;
use super::player::NOT_RECORDED;
use super::tape::Tape;
use crate::catalogue::{ActionType, Candidates, Catalogue, CatalogueError, Found, Listed, MatchContext};
use crate::cluster::{
    ApiKind, Cluster, ClusterError, ContainerLog, ListQuery, LogQuery, MetricQuery, MetricSeries, ObjectList,
};
use crate::domain::{Object, ResourceRef};
use crate::enrichment::{History, HistoryError, HistorySource};

/// A cluster of which every answer is recorded, or comes from a recording. One run judges by one moment.
#[derive(Debug)]
pub(super) struct TapedCluster {
    pub(super) tape: Tape,
    /// `None` while playing.
    pub(super) inner: Option<Arc<dyn Cluster>>,
    pub(super) places: Places,
}

/// A list as it is recorded.
#[derive(Serialize, Deserialize)]
struct Listing {
    items: Vec<Value>,
    truncated: bool,
}

fn unknown() -> ClusterError {
    ClusterError::Invalid(NOT_RECORDED.to_owned())
}

impl TapedCluster {
    fn inner(&self) -> Result<&Arc<dyn Cluster>, ClusterError> {
        self.inner.as_ref().ok_or_else(unknown)
    }
}

fn object(value: Value) -> Result<Arc<Object>, ClusterError> {
    Object::new(value).map(Arc::new).ok_or_else(unknown)
}

fn values(objects: &[Arc<Object>]) -> Vec<Value> {
    objects.iter().map(|object| object.value().clone()).collect()
}

#[async_trait]
impl Cluster for TapedCluster {
    async fn resolve_kind(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError> {
        let question = json!({"kind": name, "api_version": api_version});
        let live = async { self.inner()?.resolve_kind(name, api_version).await };
        self.tape.ask("cluster.resolve_kind", question, live, || Err(unknown())).await
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        let live = async { self.inner()?.get(reference).await.map(|object| object.value().clone()) };
        object(self.tape.ask("cluster.get", json!(reference), live, || Err(unknown())).await?)
    }

    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        let live = async {
            let list = self.inner()?.list(query).await?;
            Ok(Listing { items: values(&list.items), truncated: list.truncated })
        };
        let Listing { items, truncated } = self.tape.ask("cluster.list", json!(query), live, || Err(unknown())).await?;
        Ok(ObjectList { items: items.into_iter().map(object).collect::<Result<_, _>>()?, truncated })
    }

    async fn events(&self, of: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        let live = async { self.inner()?.events(of).await.map(|events| values(&events)) };
        let events = self.tape.ask("cluster.events", json!(of), live, || Err(unknown())).await?;
        events.into_iter().map(object).collect()
    }

    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        let live = async { self.inner()?.logs(query).await };
        self.tape.ask("cluster.logs", json!(query), live, || Err(unknown())).await
    }

    async fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        let live = async { self.inner()?.namespaces().await };
        self.tape.ask("cluster.namespaces", Value::Null, live, || Err(unknown())).await
    }

    async fn metrics(&self, query: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError> {
        let live = async { self.inner()?.metrics(query).await };
        self.tape.ask("cluster.metrics", json!(query), live, || Err(unknown())).await
    }

    fn now(&self) -> Timestamp {
        self.places.observed_at
    }

    fn description(&self) -> String {
        self.places.cluster.clone()
    }

    fn problems(&self) -> Vec<String> {
        self.places.problems.clone()
    }
}

/// The same of a catalogue.
#[derive(Debug)]
pub(super) struct TapedCatalogue {
    pub(super) tape: Tape,
    pub(super) inner: Option<Arc<dyn Catalogue>>,
    pub(super) description: String,
}

impl TapedCatalogue {
    fn inner(&self) -> Result<&Arc<dyn Catalogue>, CatalogueError> {
        self.inner.as_ref().ok_or_else(nothing)
    }
}

fn nothing() -> CatalogueError {
    CatalogueError::Unavailable(NOT_RECORDED.to_owned())
}

/// Of what matching looks at, everything but the id that only correlates.
fn about(subject: &str, context: &MatchContext) -> Value {
    json!({"of": subject, "context": MatchContext { remediation_id: None, ..context.clone() }})
}

#[async_trait]
impl Catalogue for TapedCatalogue {
    async fn action_types(&self, context: &MatchContext) -> Result<Vec<ActionType>, CatalogueError> {
        let live = async { self.inner()?.action_types(context).await };
        self.tape.ask("catalogue.action_types", about("", context), live, || Err(nothing())).await
    }

    async fn listed(&self, action_type: &str, context: &MatchContext) -> Result<Vec<Listed>, CatalogueError> {
        let live = async { self.inner()?.listed(action_type, context).await };
        self.tape.ask("catalogue.listed", about(action_type, context), live, || Err(nothing())).await
    }

    async fn candidates(&self, action_type: &str, context: &MatchContext) -> Result<Candidates, CatalogueError> {
        let live = async { self.inner()?.candidates(action_type, context).await };
        self.tape.ask("catalogue.candidates", about(action_type, context), live, || Err(nothing())).await
    }

    async fn workflow(&self, id_or_name: &str, context: &MatchContext) -> Result<Found, CatalogueError> {
        let live = async { self.inner()?.workflow(id_or_name, context).await };
        self.tape.ask("catalogue.workflow", about(id_or_name, context), live, || Err(nothing())).await
    }

    async fn withheld(&self, id: &str, context: &MatchContext) -> Result<Found, CatalogueError> {
        let live = async { self.inner()?.withheld(id, context).await };
        self.tape.ask("catalogue.withheld", about(id, context), live, || Err(nothing())).await
    }

    fn substitutions(&self, context: &MatchContext) -> Vec<String> {
        let live = || self.inner.as_ref().map(|inner| inner.substitutions(context)).unwrap_or_default();
        self.tape.tell("catalogue.substitutions", about("", context), live).unwrap_or_default()
    }

    async fn refresh(&self) {
        if let Some(inner) = &self.inner {
            inner.refresh().await;
        }
    }

    fn age(&self) -> Option<Duration> {
        self.inner.as_ref().and_then(|inner| inner.age())
    }

    fn description(&self) -> String {
        self.description.clone()
    }
}

/// The same of the history of remediations.
#[derive(Debug)]
pub(super) struct TapedHistory {
    pub(super) tape: Tape,
    pub(super) inner: Option<Arc<dyn HistorySource>>,
}

#[async_trait]
impl HistorySource for TapedHistory {
    async fn history(&self, target: &ResourceRef, spec_hash: &str) -> Result<History, HistoryError> {
        let question = json!({"of": target, "spec_hash": spec_hash});
        let nobody = || Err(HistoryError(NOT_RECORDED.to_owned()));
        let live = async {
            match &self.inner {
                Some(inner) => inner.history(target, spec_hash).await,
                None => nobody(),
            }
        };
        self.tape.ask("history", question, live, nobody).await
    }

    fn caveat(&self) -> Option<String> {
        let live = || self.inner.as_ref().and_then(|inner| inner.caveat());
        self.tape.tell("history.caveat", Value::Null, live).flatten()
    }
}
