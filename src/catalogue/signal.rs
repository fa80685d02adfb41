//! The signal context a question to `DataStorage` carries: values the server takes, whatever the incident says
//! (investigation §4.2.1, datastorage §5.1). Pure.

use serde_json::{Map, Value};

use super::MatchContext;
use crate::datastorage::SignalContext;
use crate::domain::Severity;

/// Sent when nobody knows the severity.
const SEVERITY_DEFAULT: Severity = Severity::Medium;
/// Detected labels the server filters or ranks by: those that are true or false.
const FLAGS: &[&str] = &[
    "gitOpsManaged",
    "pdbProtected",
    "hpaEnabled",
    "stateful",
    "helmManaged",
    "networkIsolated",
    "resourceQuotaConstrained",
];
/// The others, with every name the server takes.
const NAMED: &[(&str, &[&str])] = &[("gitOpsTool", &["argocd", "flux"]), ("serviceMesh", &["istio", "linkerd"])];
/// Longest custom labels sent, in bytes of JSON: they only rank, and stand in an address.
const CUSTOM_LABELS_BYTES_MAX: usize = 4 * 1024;
/// Longest correlation id the server's columns hold, in characters.
const REMEDIATION_ID_CHARS_MAX: usize = 255;

/// What is sent, and one sentence for each value that is not the incident's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signal {
    pub(super) context: SignalContext,
    pub(super) substitutions: Vec<String>,
}

impl Signal {
    pub(super) fn of(context: &MatchContext) -> Self {
        let mut substitutions = Vec::new();
        let severity = severity(context, &mut substitutions);
        let priority = priority(&context.priority, severity, &mut substitutions);
        let remediation_id = context.remediation_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        Self {
            context: SignalContext {
                severity: severity.as_str(),
                component: context.component.as_ref().map(|component| component.kind.clone()).unwrap_or_default(),
                environment: context.environment.trim().to_owned(),
                priority,
                detected_labels: detected_labels(context),
                custom_labels: custom_labels(context),
                remediation_id: remediation_id.map(|id| id.chars().take(REMEDIATION_ID_CHARS_MAX).collect()),
            },
            substitutions,
        }
    }

    /// The incident's context with the values that were sent: for judging a workflow as the server does.
    pub(super) fn applied_to(&self, context: &MatchContext) -> MatchContext {
        MatchContext {
            severity: self.context.severity.to_owned(),
            priority: self.context.priority.to_owned(),
            ..context.clone()
        }
    }
}

fn is_known(severity: &Severity) -> bool {
    *severity != Severity::Unknown
}

fn severity(context: &MatchContext, substitutions: &mut Vec<String>) -> Severity {
    if let Some(own) = Severity::parse(&context.severity).filter(is_known) {
        return own;
    }
    let established = context.established_severity.filter(is_known);
    let (severity, source) = match established {
        Some(severity) => (severity, "as the root cause analysis found"),
        None => (SEVERITY_DEFAULT, "by default"),
    };
    substitutions.push(format!("The incident has no severity; the catalogue is asked for {severity}, {source}."));
    severity
}

fn priority(own: &str, severity: Severity, substitutions: &mut Vec<String>) -> &'static str {
    let own = own.trim();
    if let Some(known) = ["P0", "P1", "P2", "P3"].into_iter().find(|known| known.eq_ignore_ascii_case(own)) {
        return known;
    }
    let derived = match severity {
        Severity::Critical => "P0",
        Severity::High => "P1",
        Severity::Medium | Severity::Unknown => "P2",
        Severity::Low => "P3",
    };
    substitutions.push(format!(
        "The incident has no priority between P0 and P3; the catalogue is asked for {derived}, by its severity {severity}."
    ));
    derived
}

/// Only what was detected for certain and is there: `false` is no filter, and an unknown name would be refused.
fn detected_labels(context: &MatchContext) -> Option<String> {
    let mut labels = Map::new();
    for (name, value) in &context.detected_labels {
        let known = NAMED.iter().find(|(known, _)| known == name);
        if FLAGS.contains(&name.as_str()) && value == "true" {
            labels.insert(name.clone(), Value::Bool(true));
        } else if known.is_some_and(|(_, values)| values.contains(&value.as_str())) {
            labels.insert(name.clone(), value.as_str().into());
        }
    }
    (!labels.is_empty()).then(|| Value::Object(labels).to_string())
}

fn custom_labels(context: &MatchContext) -> Option<String> {
    let labels: Map<String, Value> = context
        .custom_labels
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| (name.clone(), values.as_slice().into()))
        .collect();
    let text = (!labels.is_empty()).then(|| Value::Object(labels).to_string());
    text.filter(|text| text.len() <= CUSTOM_LABELS_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::ResourceRef;

    fn context(severity: &str, priority: &str) -> MatchContext {
        MatchContext {
            severity: severity.to_owned(),
            priority: priority.to_owned(),
            environment: "production".to_owned(),
            component: Some(ResourceRef::namespaced("Deployment", "shop", "web").with_api_version("apps/v1")),
            remediation_id: Some("rr-1".to_owned()),
            ..MatchContext::default()
        }
    }

    #[test]
    fn checklist_2_severity_and_priority_are_always_words_the_server_takes() {
        // Severity, what the analysis established, priority; severity sent, priority sent, substitutions.
        let cases = [
            ("critical", None, "P1", "critical", "P1", 0),
            ("High", None, "p1", "high", "P1", 0),
            (" LOW ", None, " p3 ", "low", "P3", 0),
            ("warning", None, "P2", "medium", "P2", 0),
            ("info", None, "P2", "low", "P2", 0),
            ("unknown", None, "P1", "medium", "P1", 1),
            ("", None, "", "medium", "P2", 2),
            ("unknown", Some(Severity::Critical), "", "critical", "P0", 2),
            ("unknown", Some(Severity::Unknown), "P9", "medium", "P2", 2),
            ("awful", Some(Severity::Low), "urgent", "low", "P3", 2),
            ("high", Some(Severity::Low), "", "high", "P1", 1),
        ];
        for (severity, established, priority, sent, sent_priority, substitutions) in cases {
            let signal = Signal::of(&context(severity, priority).with_established_severity(established));
            let got = (signal.context.severity, signal.context.priority, signal.substitutions.len());
            assert_eq!(got, (sent, sent_priority, substitutions), "{severity:?} {established:?} {priority:?}");
        }
        let told = Signal::of(&context("unknown", "urgent <b>").with_established_severity(Some(Severity::High)));
        assert_eq!(
            told.substitutions,
            [
                "The incident has no severity; the catalogue is asked for high, as the root cause analysis found.",
                "The incident has no priority between P0 and P3; the catalogue is asked for P1, by its severity high."
            ]
        );
    }

    #[test]
    fn labels_are_positive_known_and_bounded() {
        let detected = [
            ("gitOpsManaged", "true"),
            ("gitOpsTool", "argocd"),
            ("serviceMesh", "cilium"),
            ("stateful", "false"),
            ("storageBackend", "lvms"),
            ("helmManaged", ""),
        ];
        let detected = detected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut context = context("high", "P1").with_detected_labels(detected);
        context.custom_labels =
            BTreeMap::from([("team".to_owned(), vec!["shop".to_owned()]), ("none".to_owned(), vec![])]);
        let sent = Signal::of(&context).context;
        assert_eq!(sent.detected_labels.as_deref(), Some(r#"{"gitOpsManaged":true,"gitOpsTool":"argocd"}"#));
        assert_eq!(sent.custom_labels.as_deref(), Some(r#"{"team":["shop"]}"#));
        assert_eq!((sent.component.as_str(), sent.environment.as_str()), ("Deployment", "production"));
        context.custom_labels = BTreeMap::from([("team".to_owned(), vec!["x".repeat(5_000)])]);
        context.remediation_id = Some("r".repeat(300));
        let sent = Signal::of(&context).context;
        assert_eq!((sent.custom_labels, sent.remediation_id.map(|id| id.len())), (None, Some(255)));
    }
}
