//! What is to be investigated: an incident file, or an object by name.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use uuid::Uuid;

use super::super::Failure;
use super::super::arguments::InvestigateOptions;
use crate::api::incident::AnalyzeBody;
use crate::cluster::{Cluster, ClusterError};
use crate::domain::{Incident, Object, RequestShape, ResourceRef, Severity, SignalMode};

/// Largest incident file read, in bytes.
const INCIDENT_BYTES_MAX: u64 = 1024 * 1024;
/// Signal of an object that nothing warns about.
const SIGNAL_DEFAULT: &str = "ManualInvestigation";

#[derive(Debug)]
pub(super) enum Subject {
    Incident {
        incident: Box<Incident>,
        /// The folder `bundle` beside the file, where there is one.
        bundle: Option<PathBuf>,
    },
    Object {
        reference: ResourceRef,
        signal: Option<String>,
        severity: Severity,
    },
}

impl Subject {
    /// Reads the incident file, or takes KIND/NAME apart.
    pub(super) fn read(options: &InvestigateOptions) -> Result<Self, Failure> {
        let severity = match options.severity.as_deref() {
            None => Severity::Unknown,
            Some(text) => Severity::parse(text).ok_or_else(|| {
                let known = "critical, high, medium (warning), low (info) or unknown";
                Failure::bad_input(anyhow::anyhow!("--severity {text:?} is not one of {known}"))
            })?,
        };
        let path = Path::new(&options.subject);
        let is_object = options.namespace.is_some() || !(path.exists() || options.subject == "-");
        match (is_object, object_name(&options.subject)) {
            (true, Some((kind, name))) => {
                let namespace = options.namespace.clone();
                let reference = ResourceRef { kind, name, namespace, api_version: None };
                Ok(Self::Object { reference, signal: options.signal.clone(), severity })
            }
            (true, None) => Err(Failure::bad_input(anyhow::anyhow!(
                "{}: no such file; to investigate an object write KIND/NAME, e.g. deployment/cart-api -n checkout",
                options.subject
            ))),
            (false, _) => {
                let incident = Box::new(read_incident(&options.subject).map_err(Failure::bad_input)?);
                let beside = path.parent().unwrap_or(Path::new("")).join("bundle");
                Ok(Self::Incident { incident, bundle: beside.is_dir().then_some(beside) })
            }
        }
    }

    /// The incident; for an object, built from what the cluster tells.
    pub(super) async fn incident(self, cluster: &dyn Cluster) -> Result<Incident, Failure> {
        match self {
            Self::Incident { incident, .. } => Ok(*incident),
            Self::Object { reference, signal, severity } => {
                let object = find(cluster, &reference).await?;
                let reference = object.reference();
                let warning = newest_warning(cluster, &reference).await;
                Ok(incident_about(reference, signal, severity, warning.as_deref(), cluster))
            }
        }
    }
}

/// `deployment/cart-api` → its two halves.
fn object_name(text: &str) -> Option<(String, String)> {
    let (kind, name) = text.split_once('/')?;
    let is_word = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | ':'))
    };
    (is_word(kind) && is_word(name) && !name.ends_with(".json")).then(|| (kind.to_owned(), name.to_owned()))
}

fn read_incident(path: &str) -> anyhow::Result<Incident> {
    let mut bytes = Vec::new();
    if path == "-" {
        std::io::stdin().take(INCIDENT_BYTES_MAX + 1).read_to_end(&mut bytes).context("standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| path.to_owned())?;
        file.take(INCIDENT_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(|| path.to_owned())?;
    }
    let is_small = u64::try_from(bytes.len()).is_ok_and(|size| size <= INCIDENT_BYTES_MAX);
    anyhow::ensure!(is_small, "{path}: larger than {INCIDENT_BYTES_MAX} bytes");
    let body = AnalyzeBody::parse(&bytes).map_err(|error| anyhow::anyhow!("{path}: {error}"))?;
    Incident::try_from(body).map_err(|error| anyhow::anyhow!("{path}: {error}"))
}

async fn find(cluster: &dyn Cluster, reference: &ResourceRef) -> Result<std::sync::Arc<Object>, Failure> {
    cluster.get(reference).await.map_err(|error| {
        let hint = match (&error, &reference.namespace) {
            (ClusterError::NotFound(_) | ClusterError::Invalid(_), None) => "; name its namespace with -n NAMESPACE",
            _ => "",
        };
        let place = cluster.description();
        match error {
            ClusterError::Unavailable(_) => Failure::fault(anyhow::anyhow!("{place}: {error}")),
            error => Failure::bad_input(anyhow::anyhow!("{place}: {error}{hint}")),
        }
    })
}

/// The newest warning about the object itself; an object without readable events has none.
async fn newest_warning(cluster: &dyn Cluster, reference: &ResourceRef) -> Option<std::sync::Arc<Object>> {
    let events = cluster.events(reference).await.ok()?;
    events.into_iter().find(|event| event.str_at("type") == Some("Warning"))
}

fn incident_about(
    resource: ResourceRef,
    signal: Option<String>,
    severity: Severity,
    warning: Option<&Object>,
    cluster: &dyn Cluster,
) -> Incident {
    let of_warning = |path: &str| warning.and_then(|event| event.str_at(path)).map(str::to_owned);
    let signal = signal.or_else(|| of_warning("reason")).unwrap_or_else(|| SIGNAL_DEFAULT.to_owned());
    Incident {
        incident_id: format!("cli-{}", Uuid::new_v4()),
        remediation_id: format!("cli-{}", Uuid::new_v4()),
        signal_name: signal,
        severity,
        signal_source: "command-line".to_owned(),
        resource,
        error_message: of_warning("message").unwrap_or_default(),
        description: None,
        environment: "unknown".to_owned(),
        priority: String::new(),
        risk_tolerance: String::new(),
        business_category: String::new(),
        cluster_name: cluster.description(),
        signal_mode: SignalMode::Reactive,
        is_duplicate: false,
        occurrence_count: 0,
        deduplication_window_minutes: None,
        firing_time: None,
        received_time: None,
        first_seen: None,
        last_seen: None,
        signal_labels: BTreeMap::new(),
        signal_annotations: BTreeMap::new(),
        custom_labels: BTreeMap::new(),
        shape: RequestShape::April,
        interactive: false,
        recovery: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_told_from_files() {
        let halves = |kind: &str, name: &str| Some((kind.to_owned(), name.to_owned()));
        assert_eq!(object_name("deployment/cart-api"), halves("deployment", "cart-api"));
        assert_eq!(object_name("certificates.cert-manager.io/tls"), halves("certificates.cert-manager.io", "tls"));
        for text in ["cart-api", "examples/x/incident.json", "examples/incident.json", "/etc/passwd", "../x", "a b/c"] {
            assert_eq!(object_name(text), None, "{text}");
        }
    }
}
