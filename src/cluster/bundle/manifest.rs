//! The optional `bundle.yaml`: when and where a bundle was recorded.

use jiff::Timestamp;
use serde_json::Value;

use super::parse::{Notation, parse};
use super::problems::Problems;
use super::walk::FoundFile;
use crate::domain::object::text;

/// Where a bundle comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleManifest {
    /// The moment the objects are judged against.
    pub captured_at: Option<Timestamp>,
    /// Name of the cluster.
    pub cluster: Option<String>,
    pub kubernetes_version: Option<String>,
}

/// What the file turned out to be.
pub(super) enum Read {
    Manifest(BundleManifest),
    /// An ordinary Kubernetes object under this name.
    Object,
}

pub(super) fn read(file: &FoundFile, problems: &mut Problems) -> Read {
    let bytes = match std::fs::read(&file.path) {
        Ok(bytes) => bytes,
        Err(error) => {
            problems.add(&file.shown, format_args!("cannot be read ({}); check its permissions", error.kind()));
            return Read::Manifest(BundleManifest::default());
        }
    };
    match parse(Notation::YamlDocument, &bytes) {
        Ok(value) if value.get("kind").is_some() => Read::Object,
        Ok(value) => Read::Manifest(manifest(&value, &file.shown, problems)),
        Err(error) => {
            problems.add_at(
                &file.shown,
                error.line.unwrap_or(1),
                format_args!("{}; the manifest is ignored, mend it", error.reason),
            );
            Read::Manifest(BundleManifest::default())
        }
    }
}

fn manifest(value: &Value, shown: &str, problems: &mut Problems) -> BundleManifest {
    let member = |key: &str| Some(text(value, key)).filter(|text| !text.is_empty()).map(str::to_owned);
    let captured_at = match value.get("capturedAt") {
        None | Some(Value::Null) => None,
        Some(captured_at) => {
            let time = captured_at.as_str().and_then(|text| text.parse().ok());
            if time.is_none() {
                problems.add(shown, "capturedAt is not an RFC 3339 time; write it like 2026-05-04T10:00:00Z");
            }
            time
        }
    };
    BundleManifest { captured_at, cluster: member("cluster"), kubernetes_version: member("kubernetesVersion") }
}
