//! A cluster of which only some namespaces may be seen (investigation §8.5 row "namespaces").
//!
//! The policy is enforced here, below every tool: a named object, log or event of a namespace outside it is refused, and
//! lists leave such objects out. A Namespace counts as part of itself; other cluster-scoped objects are not confined.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::kinds::is_object_name;
use super::{
    ApiKind, Cluster, ClusterError, ContainerLog, LIST_OBJECTS_MAX, ListQuery, LogQuery, MetricQuery, MetricSeries,
    ObjectList,
};
use crate::domain::{Object, ResourceRef};

/// Most names in one list.
const NAMES_MAX: usize = 500;

/// Which namespaces may be read. Names are exact; without any list all may be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NamespacePolicy {
    /// Only these; empty (default) = all. At most 500.
    pub allow: BTreeSet<String>,
    /// Not these. At most 500; no name may stand in both lists.
    pub deny: BTreeSet<String>,
}

impl NamespacePolicy {
    /// Whether everything may be read.
    pub fn is_open(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    pub fn permits(&self, namespace: &str) -> bool {
        (self.allow.is_empty() || self.allow.contains(namespace)) && !self.deny.contains(namespace)
    }

    /// # Errors
    /// A name that cannot be one, or stands in both lists; in one sentence naming `key`.
    pub fn check(&self, key: &str) -> Result<(), String> {
        for (list, names) in [("allow", &self.allow), ("deny", &self.deny)] {
            if names.len() > NAMES_MAX {
                return Err(format!("{key}.{list} has {} names, the most is {NAMES_MAX}", names.len()));
            }
            if let Some(name) = names.iter().find(|name| !is_object_name(name)) {
                return Err(format!(
                    "{key}.{list} names {name:?}, which cannot be a namespace (patterns are not known)"
                ));
            }
        }
        match self.allow.intersection(&self.deny).next() {
            Some(both) => Err(format!("{key}: {both} is allowed and denied at once")),
            None => Ok(()),
        }
    }

    fn checked(&self, namespace: &str) -> Result<(), ClusterError> {
        if self.permits(namespace) {
            return Ok(());
        }
        let shown: String = namespace.chars().take(80).collect();
        Err(ClusterError::Forbidden(format!("read namespace {shown:?}: the policy of this service excludes it")))
    }

    fn permits_object(&self, object: &Object) -> bool {
        home(object.kind(), object.namespace(), object.name()).is_none_or(|namespace| self.permits(namespace))
    }
}

/// The namespace an object counts to.
fn home<'a>(kind: &str, namespace: Option<&'a str>, name: &'a str) -> Option<&'a str> {
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    namespace.or_else(|| kind.eq_ignore_ascii_case("Namespace").then_some(name))
}

/// Another cluster behind a [`NamespacePolicy`].
#[derive(Debug)]
pub struct ConfinedCluster {
    inner: Arc<dyn Cluster>,
    policy: NamespacePolicy,
}

impl ConfinedCluster {
    /// The cluster itself when the policy lets everything through.
    pub fn around(inner: Arc<dyn Cluster>, policy: &NamespacePolicy) -> Arc<dyn Cluster> {
        if policy.is_open() { inner } else { Arc::new(Self { inner, policy: policy.clone() }) }
    }

    /// Before anything is read, so that not even the existence of an object is told. A namespace given for a
    /// cluster-scoped kind is nothing to judge; one given for a kind that is not known is.
    async fn checked(&self, reference: &ResourceRef) -> Result<(), ClusterError> {
        let kind = self.inner.resolve_kind(&reference.kind, reference.api_version.as_deref()).await.ok();
        let namespace = reference.namespace.as_deref();
        let namespace = namespace.filter(|_| kind.as_ref().is_none_or(|kind| kind.namespaced));
        let kind = kind.as_ref().map_or(reference.kind.as_str(), |kind| kind.kind.as_str());
        home(kind, namespace, &reference.name).map_or(Ok(()), |namespace| self.policy.checked(namespace))
    }

    fn kept(&self, mut list: ObjectList, limit: usize) -> ObjectList {
        list.items.retain(|object| self.policy.permits_object(object));
        list.truncated |= list.items.len() > limit;
        list.items.truncate(limit);
        list
    }

    /// A list over all namespaces. Where only some are allowed, each is asked, so that a limit is not used up by others.
    async fn everywhere(&self, query: &ListQuery, limit: usize) -> Result<ObjectList, ClusterError> {
        let kind = self.inner.resolve_kind(&query.kind, query.api_version.as_deref()).await;
        let is_namespaced = kind.is_ok_and(|kind| kind.namespaced);
        if self.policy.allow.is_empty() || !is_namespaced {
            let all = self.inner.list(&ListQuery { limit: Some(LIST_OBJECTS_MAX), ..query.clone() }).await?;
            return Ok(self.kept(all, limit));
        }
        let mut found = ObjectList::default();
        for namespace in &self.policy.allow {
            let part = self.inner.list(&query.clone().in_namespace(Some(namespace))).await?;
            found.truncated |= part.truncated;
            found.items.extend(part.items);
            if found.items.len() > limit {
                break;
            }
        }
        Ok(self.kept(found, limit))
    }
}

#[async_trait]
impl Cluster for ConfinedCluster {
    async fn resolve_kind(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError> {
        self.inner.resolve_kind(name, api_version).await
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        self.checked(reference).await?;
        let object = self.inner.get(reference).await?;
        match self.policy.permits_object(&object) {
            true => Ok(object),
            false => Err(ClusterError::Forbidden(format!("read {reference}: the policy of this service excludes it"))),
        }
    }

    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        let limit = query.limit.unwrap_or(LIST_OBJECTS_MAX).min(LIST_OBJECTS_MAX);
        match query.namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
            None => self.everywhere(query, limit).await,
            Some(namespace) => {
                let reference = ResourceRef {
                    kind: query.kind.clone(),
                    name: String::new(),
                    namespace: Some(namespace.to_owned()),
                    api_version: query.api_version.clone(),
                };
                self.checked(&reference).await?;
                Ok(self.kept(self.inner.list(query).await?, limit))
            }
        }
    }

    async fn events(&self, of: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        self.checked(of).await?;
        self.inner.events(of).await
    }

    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        self.policy.checked(&query.namespace)?;
        self.inner.logs(query).await
    }

    async fn namespaces(&self) -> Result<Vec<String>, ClusterError> {
        let mut names = self.inner.namespaces().await?;
        names.retain(|name| self.policy.permits(name));
        Ok(names)
    }

    async fn metrics(&self, query: &MetricQuery) -> Result<Vec<MetricSeries>, ClusterError> {
        let mut series = self.inner.metrics(query).await?;
        series.retain(|one| one.labels.get("namespace").is_none_or(|namespace| self.policy.permits(namespace)));
        Ok(series)
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn description(&self) -> String {
        self.inner.description()
    }

    async fn probe(&self) -> Result<(), ClusterError> {
        self.inner.probe().await
    }

    fn problems(&self) -> Vec<String> {
        self.inner.problems()
    }
}

#[cfg(test)]
mod tests;
