//! Answers to questions about a recording. Reads files, so it runs off the async threads.

use std::collections::HashSet;
use std::sync::Arc;

use super::Recording;
use super::index::EntryId;
use super::observed::{as_core_event, event_identity};
use super::walk::LogKey;
use crate::cluster::kinds::{ambiguous, group_and_version};
use crate::cluster::log_text::default_container;
use crate::cluster::question::{checked_name, checked_namespace, event_subject, list_limit};
use crate::cluster::selector::{FieldSelector, LabelSelector};
use crate::cluster::{ApiKind, ClusterError, ContainerLog, EVENTS_MAX, ListQuery, LogQuery, ObjectList};
use crate::domain::{Object, ResourceRef};

impl Recording {
    fn read(&self, id: EntryId) -> Result<Arc<Object>, ClusterError> {
        let entry = self.index.entry(id);
        let entry = entry.ok_or_else(|| ClusterError::Unavailable("the index has no such entry".to_owned()))?;
        self.objects.read(id, entry)
    }

    /// Where an object of this kind is, if it is there.
    fn find(&self, kind: &ApiKind, reference: &ResourceRef) -> Option<EntryId> {
        let (group, _) = group_and_version(&kind.api_version);
        let namespace = reference.namespace.as_deref().filter(|_| kind.namespaced);
        self.index.find(group, &kind.kind, namespace, &reference.name)
    }

    pub(super) fn get(&self, reference: &ResourceRef) -> Result<Arc<Object>, ClusterError> {
        checked_name(&reference.name)?;
        let candidates = self.index.kinds.candidates(&reference.kind, reference.api_version.as_deref())?;
        let kinds = candidates.iter().map(|(kind, version)| kind.api_kind(version.as_deref()));
        let kinds: Vec<ApiKind> = kinds.collect();
        let mut readable = Vec::new();
        for kind in &kinds {
            match checked_namespace(kind, reference) {
                Ok(()) => readable.push(kind),
                Err(error) if kinds.len() == 1 => return Err(error),
                Err(_) => {}
            }
        }
        let found = readable.into_iter().filter_map(|kind| Some((kind, self.find(kind, reference)?)));
        match found.collect::<Vec<_>>().as_slice() {
            [] => Err(ClusterError::NotFound(reference.to_string())),
            [(_, id)] => self.read(*id),
            several => Err(ambiguous(&reference.kind, several.iter().map(|(kind, _)| (*kind).clone()))),
        }
    }

    pub(super) fn list(&self, query: &ListQuery) -> Result<ObjectList, ClusterError> {
        let labels = LabelSelector::parse(query.label_selector.as_deref().unwrap_or_default())?;
        let fields = FieldSelector::parse(query.field_selector.as_deref().unwrap_or_default())?;
        let kind = self.index.kinds.resolve(&query.kind, query.api_version.as_deref())?;
        let namespace = query.namespace.as_deref().filter(|_| kind.namespaced);
        let (group, _) = group_and_version(&kind.api_version);
        let limit = list_limit(query);
        let mut found = ObjectList::default();
        for position in self.index.of_kind(group, &kind.kind, namespace) {
            let Ok(id) = EntryId::try_from(position) else { break };
            let Some(entry) = self.index.entry(id) else { break };
            let possible = fields.requirements().iter().all(|requirement| match requirement.path.as_str() {
                "metadata.name" => requirement.holds(&entry.name),
                "metadata.namespace" => requirement.holds(entry.namespace.as_deref().unwrap_or_default()),
                _ => true,
            });
            if !possible || !labels.matches(entry) {
                continue;
            }
            let object = self.objects.read(id, entry)?;
            if !fields.matches(&object) {
                continue;
            }
            if found.items.len() == limit {
                found.truncated = true;
                break;
            }
            found.items.push(object);
        }
        Ok(found)
    }

    pub(super) fn events(&self, of: &ResourceRef) -> Result<Vec<Arc<Object>>, ClusterError> {
        checked_name(&of.name)?;
        let candidates = self.index.kinds.candidates(&of.kind, of.api_version.as_deref())?;
        let (kind, namespaced) = event_subject(&candidates);
        let namespace = of.namespace.as_deref().filter(|_| namespaced);
        let mut seen = HashSet::new();
        let mut events = Vec::new();
        for id in self.index.events_about(&kind, namespace, &of.name) {
            let event = self.read(id)?;
            if seen.insert(event_identity(event.value())) {
                events.push(as_core_event(event.value()).and_then(Object::new).map_or(event, Arc::new));
            }
            if events.len() == EVENTS_MAX {
                break;
            }
        }
        Ok(events)
    }

    pub(super) fn log(&self, query: &LogQuery) -> Result<ContainerLog, ClusterError> {
        let pod = ResourceRef::namespaced("Pod", &query.namespace, &query.pod).with_api_version("v1");
        let container = match &query.container {
            Some(container) => container.clone(),
            None => self.container_of(&pod, query.previous)?,
        };
        let key = LogKey {
            namespace: query.namespace.clone(),
            pod: query.pod.clone(),
            container: container.clone(),
            previous: query.previous,
        };
        let instance = if query.previous { "previous log" } else { "log" };
        let missing = || ClusterError::NotFound(format!("{instance} of container {container} of {pod}"));
        let path = self.logs.get(&key).ok_or_else(missing)?;
        super::logs::read_log(path, container.clone(), query)
            .map_err(|error| ClusterError::Unavailable(format!("{instance} of {pod}: {}", error.kind())))
    }

    /// The container meant when none is named; of a Pod that is not recorded, the first with a log.
    fn container_of(&self, pod: &ResourceRef, previous: bool) -> Result<String, ClusterError> {
        match self.get(pod) {
            Ok(object) => default_container(&object)
                .map(str::to_owned)
                .ok_or_else(|| ClusterError::NotFound(format!("a container of {pod}"))),
            Err(error) => {
                let of_pod = |key: &&LogKey| {
                    key.pod == pod.name && Some(&key.namespace) == pod.namespace.as_ref() && key.previous == previous
                };
                self.logs.keys().find(of_pod).map(|key| key.container.clone()).ok_or(error)
            }
        }
    }
}
