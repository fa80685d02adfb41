//! Builders for the tests of signatures: a snapshot from YAML text, events and log lines.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Observed;
use super::observed::PodLog;
use crate::cluster::{LogLine, MetricSeries};
use crate::domain::{Finding, Incident, Object, RequestShape, ResourceRef, Severity, SignalMode};

/// A snapshot under construction, taken at [`NOW`].
#[derive(Debug)]
pub(crate) struct Scene {
    observed: Observed,
}

pub(crate) const NOW: &str = "2026-05-04T10:00:00Z";

/// Starts a scene whose signal resource is `Kind namespace/name` or `Kind name`.
pub(crate) fn scene(resource: &str) -> Scene {
    Scene { observed: Observed::new(NOW.parse().unwrap(), incident(reference(resource))) }
}

/// `Kind namespace/name` or `Kind name`.
pub(crate) fn reference(text: &str) -> ResourceRef {
    let (kind, rest) = text.split_once(' ').unwrap();
    match rest.split_once('/') {
        Some((namespace, name)) => ResourceRef::namespaced(kind, namespace, name),
        None => ResourceRef::cluster_scoped(kind, rest),
    }
}

impl Scene {
    /// Adds the objects of a multi-document YAML text.
    pub(crate) fn yaml(mut self, text: &str) -> Self {
        for document in text.split("\n---").filter(|document| !document.trim().is_empty()) {
            let value: Value = serde_saphyr::from_str(document.trim_start_matches("---")).expect(document);
            let object = Object::new(value).unwrap_or_else(|| panic!("no kind or name in {document}"));
            self.observed.add_object(Arc::new(object));
        }
        self
    }

    pub(crate) fn object(mut self, value: Value) -> Self {
        self.observed.add_object(Arc::new(Object::new(value).unwrap()));
        self
    }

    /// A warning about `Kind namespace/name`, last seen so many minutes before [`NOW`].
    pub(crate) fn event(self, about: &str, reason: &str, message: &str, minutes_ago: i64) -> Self {
        let about = reference(about);
        let seen = self.observed.now - jiff::SignedDuration::from_mins(minutes_ago);
        let number = self.observed.events().count();
        self.object(json!({
            "apiVersion": "v1", "kind": "Event", "type": "Warning",
            "metadata": {"name": format!("event-{number}"), "namespace": about.namespace.as_deref().unwrap_or("default")},
            "involvedObject": {"kind": about.kind, "name": about.name, "namespace": about.namespace},
            "reason": reason, "message": message, "count": 3, "firstTimestamp": seen, "lastTimestamp": seen
        }))
    }

    /// Log lines of the running instance; a leading RFC 3339 time becomes the line's time.
    pub(crate) fn log(self, pod: &str, container: &str, lines: &[&str]) -> Self {
        self.instance_log(pod, container, false, lines)
    }

    fn instance_log(mut self, pod: &str, container: &str, previous: bool, lines: &[&str]) -> Self {
        let (namespace, name) = pod.split_once('/').unwrap();
        let lines = (1..).zip(lines).map(|(number, line)| {
            let stamped = line.split_once(' ').and_then(|(stamp, rest)| Some((stamp.parse().ok()?, rest)));
            let (time, text) = stamped.map_or((None, *line), |(time, rest)| (Some(time), rest));
            LogLine { number, time, text: text.to_owned() }
        });
        let lines = lines.collect();
        let pod = ResourceRef::namespaced("Pod", namespace, name);
        self.observed.add_log(PodLog::new(pod, container.to_owned(), previous, lines));
        self
    }

    /// A series whose last point is at [`NOW`], earlier ones a minute apart.
    #[expect(clippy::cast_precision_loss, reason = "test times")]
    pub(crate) fn metric(mut self, name: &str, labels: &[(&str, &str)], values: &[f64]) -> Self {
        let now = self.observed.now.as_second() as f64;
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let points = values.iter().rev().enumerate().map(|(age, value)| (now - 60.0 * age as f64, *value));
        let mut points: Vec<_> = points.collect();
        points.reverse();
        self.observed.add_metrics([MetricSeries { name: name.to_owned(), labels, points }]);
        self
    }

    pub(crate) fn build(self) -> Observed {
        self.observed
    }

    /// What one family finds in the scene.
    pub(crate) fn findings(&self, family: &[super::Signature]) -> Vec<Finding> {
        family.iter().flat_map(|signature| (signature.detect)(&self.observed)).collect()
    }

    /// The only finding of one family; panics when there are none or several.
    pub(crate) fn only_finding(&self, family: &[super::Signature]) -> Finding {
        let mut findings = self.findings(family);
        assert_eq!(findings.len(), 1, "{findings:#?}");
        findings.remove(0)
    }
}

pub(crate) fn incident(resource: ResourceRef) -> Incident {
    Incident {
        incident_id: "incident-1".to_owned(),
        remediation_id: "remediation-1".to_owned(),
        signal_name: "TestSignal".to_owned(),
        severity: Severity::High,
        signal_source: "test".to_owned(),
        resource,
        error_message: String::new(),
        description: None,
        environment: "production".to_owned(),
        priority: "P1".to_owned(),
        risk_tolerance: "medium".to_owned(),
        business_category: "standard".to_owned(),
        cluster_name: "test".to_owned(),
        signal_mode: SignalMode::Reactive,
        is_duplicate: false,
        occurrence_count: 1,
        deduplication_window_minutes: None,
        firing_time: None,
        received_time: None,
        first_seen: None,
        last_seen: None,
        signal_labels: std::collections::BTreeMap::new(),
        signal_annotations: std::collections::BTreeMap::new(),
        custom_labels: std::collections::BTreeMap::new(),
        shape: RequestShape::April,
        interactive: false,
        recovery: None,
    }
}
