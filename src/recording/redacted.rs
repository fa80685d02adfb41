//! What a recorded run is shown: a cluster, an incident and spec hashes without secrets.
//!
//! Redacting before anything is used is what makes run and replay see the same. Names, counts and references stay, so the
//! diagnosis does too. Only the hash of a specification would change with a secret in it: [`TrueHashes`] asks the history
//! by the hashes of the objects as they are.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::cluster::{
    ApiKind, Cluster, ClusterError, ContainerLog, ListQuery, LogLine, LogQuery, MetricQuery, MetricSeries, ObjectList,
};
use crate::domain::{Incident, Object, ResourceRef};
use crate::enrichment::{HashMode, History, HistoryError, HistorySource, spec_hashes};
use crate::investigation::redacted_value;
use crate::redaction::{Redactor, injection};

/// A cluster whose answers hold no secrets.
#[derive(Debug)]
pub(super) struct RedactedCluster {
    pub(super) inner: Arc<dyn Cluster>,
    pub(super) redactor: Redactor,
}

impl RedactedCluster {
    /// Redaction takes its time: off the async threads.
    async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Redactor) -> T + Send + 'static,
    ) -> Result<T, ClusterError> {
        let redactor = self.redactor.clone();
        let done = tokio::task::spawn_blocking(move || work(&redactor)).await;
        done.map_err(|_| ClusterError::Unavailable("the answer could not be redacted".to_owned()))
    }

    async fn objects(&self, objects: Vec<Arc<Object>>) -> Result<Vec<Arc<Object>>, ClusterError> {
        self.apart(move |redactor| objects.iter().map(|object| redacted_object(redactor, object)).collect()).await
    }
}

/// The object itself where a redacted one would lose its name.
fn redacted_object(redactor: &Redactor, object: &Arc<Object>) -> Arc<Object> {
    let mut value = object.value().clone();
    redacted_value(redactor, &mut value);
    Object::new(value).map_or_else(|| Arc::new(nameless(object)), Arc::new)
}

/// What is left when even kind or name had to go.
fn nameless(object: &Object) -> Object {
    let reference = object.reference();
    let bare = serde_json::json!({
        "apiVersion": reference.api_version, "kind": reference.kind,
        "metadata": {"name": reference.name, "namespace": reference.namespace},
    });
    Object::new(bare).unwrap_or_else(|| object.clone())
}

#[async_trait]
impl Cluster for RedactedCluster {
    async fn resolve_kind(&self, name: &str, api_version: Option<&str>) -> Result<ApiKind, ClusterError> {
        self.inner.resolve_kind(name, api_version).await
    }

    async fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        let object = self.inner.get(reference).await?;
        self.apart(move |redactor| redacted_object(redactor, &object)).await
    }

    async fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        let ObjectList { items, truncated } = self.inner.list(query).await?;
        Ok(ObjectList { items: self.objects(items).await?, truncated })
    }

    async fn events(&self, of: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        let events = self.inner.events(of).await?;
        self.objects(events).await
    }

    async fn logs(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        let log = self.inner.logs(query).await?;
        self.apart(move |redactor| ContainerLog { lines: redacted_lines(redactor, log.lines), ..log }).await
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

    async fn probe(&self) -> Result<(), ClusterError> {
        self.inner.probe().await
    }

    fn problems(&self) -> Vec<String> {
        self.inner.problems()
    }
}

/// Together, because a key may span lines. What spans lines becomes one: lines before and after keep number and time.
fn redacted_lines(redactor: &Redactor, lines: Vec<LogLine>) -> Vec<LogLine> {
    if lines.is_empty() {
        return lines;
    }
    let whole: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    let redacted = redactor.text(&injection::clean(&whole.join("\n"))).text;
    let texts: Vec<&str> = redacted.split('\n').collect();
    let lost = lines.len().saturating_sub(texts.len());
    let front = texts.iter().zip(&lines).take_while(|(text, line)| **text == line.text).count();
    let place = |index: usize| if index < front { index } else { (index + lost).min(lines.len() - 1) };
    let numbered = texts.iter().enumerate().filter_map(|(index, text)| {
        let old = lines.get(if index == front { front.min(lines.len() - 1) } else { place(index) })?;
        Some(LogLine { text: (*text).to_owned(), ..old.clone() })
    });
    numbered.collect()
}

/// The incident without secrets in what people and alerts wrote.
pub(super) fn incident(incident: &Incident, redactor: &Redactor) -> Incident {
    let mut clean = incident.clone();
    let text = |text: &mut String| *text = redactor.text(&injection::clean(text)).text;
    text(&mut clean.error_message);
    clean.description.iter_mut().for_each(text);
    clean.signal_labels.values_mut().chain(clean.signal_annotations.values_mut()).for_each(text);
    if let Some(recovery) = &clean.recovery {
        let mut value = serde_json::to_value(recovery).unwrap_or_default();
        redactor.value(&mut value);
        clean.recovery = serde_json::from_value(value).ok().or(clean.recovery);
    }
    clean
}

/// Asks for the history by the hashes of the objects as they are, told the hashes of the redacted ones.
#[derive(Debug)]
pub(super) struct TrueHashes {
    pub(super) inner: Arc<dyn HistorySource>,
    pub(super) raw: Arc<dyn Cluster>,
    pub(super) redacted: Arc<dyn Cluster>,
    pub(super) mode: HashMode,
    /// Redacted → true, of the targets asked for so far.
    pub(super) known: Mutex<HashMap<ResourceRef, HashMap<String, String>>>,
}

impl TrueHashes {
    async fn of(&self, target: &ResourceRef, spec_hash: &str) -> String {
        let mut known = self.known.lock().await;
        if !known.contains_key(target) {
            let (shown, real) = tokio::join!(
                spec_hashes(self.redacted.as_ref(), self.mode, target),
                spec_hashes(self.raw.as_ref(), self.mode, target),
            );
            known.insert(target.clone(), shown.into_iter().zip(real).collect());
        }
        let hash = known.get(target).and_then(|hashes| hashes.get(spec_hash));
        hash.cloned().unwrap_or_else(|| spec_hash.to_owned())
    }
}

#[async_trait]
impl HistorySource for TrueHashes {
    async fn history(&self, target: &ResourceRef, spec_hash: &str) -> Result<History, HistoryError> {
        let hash = self.of(target, spec_hash).await;
        self.inner.history(target, &hash).await
    }

    fn caveat(&self) -> Option<String> {
        self.inner.caveat()
    }
}
