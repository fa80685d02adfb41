//! Hash of what an object is asked to be: the key under which its remediation history is stored (investigation §7.3).
//!
//! Other services compute it in Go, so every byte counts. Pure.

mod canonical;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use self::canonical::canonical_json;
use crate::domain::Object;
use crate::domain::object::{at, text};

/// Members of an object that a fingerprint leaves out.
const NOT_IN_FINGERPRINT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// Which hash the history is asked for, setting `history.hash_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashMode {
    /// Every distinct value of the modes below: finds history whichever generation of the platform recorded it.
    #[default]
    Auto,
    /// Hash of `spec`: the platform until early 2026.
    Spec,
    /// The same over referenced ConfigMaps: April 2026.
    #[serde(rename = "spec+configmaps")]
    SpecConfigMaps,
    /// Hash of the object without `apiVersion`, `kind`, `metadata` and `status`.
    Fingerprint,
    /// The same over referenced ConfigMaps: the platform since then.
    #[serde(rename = "fingerprint+configmaps")]
    FingerprintConfigMaps,
}

impl HashMode {
    /// Whether the contents of referenced ConfigMaps are needed.
    pub fn reads_config_maps(self) -> bool {
        !matches!(self, Self::Spec | Self::Fingerprint)
    }

    /// The distinct hashes to ask for, the most telling first. An object without `spec` has none in the spec modes, as
    /// the platform records none. `config_maps` holds the hash of each referenced ConfigMap.
    pub fn hashes(self, object: &Object, config_maps: &BTreeMap<String, String>) -> Vec<String> {
        let plain_spec = object.at("spec").filter(|value| !value.is_null()).map(|value| spec(Some(value)));
        let plain_fingerprint = fingerprint(object.value());
        let spec_with_maps = plain_spec.as_deref().map(|base| composite(base, config_maps));
        let wanted = match self {
            Self::Auto => vec![
                spec_with_maps,
                Some(composite(&plain_fingerprint, config_maps)),
                plain_spec,
                Some(plain_fingerprint),
            ],
            Self::Spec => vec![plain_spec],
            Self::SpecConfigMaps => vec![spec_with_maps],
            Self::Fingerprint => vec![Some(plain_fingerprint)],
            Self::FingerprintConfigMaps => vec![Some(composite(&plain_fingerprint, config_maps))],
        };
        let mut distinct: Vec<String> = Vec::new();
        for hash in wanted.into_iter().flatten() {
            if !distinct.contains(&hash) {
                distinct.push(hash);
            }
        }
        distinct
    }
}

/// Hash of `spec`; absent or null counts as `{}`.
pub fn spec(spec: Option<&Value>) -> String {
    match spec {
        None | Some(Value::Null) => sha256("{}"),
        Some(value) => sha256(&canonical_json(value)),
    }
}

/// Hash of everything an object says about itself but its identity and its status.
pub fn fingerprint(object: &Value) -> String {
    let mut rest = object.as_object().cloned().unwrap_or_default();
    rest.retain(|key, _| !NOT_IN_FINGERPRINT.contains(&key.as_str()));
    sha256(&canonical_json(&Value::Object(rest)))
}

/// Hash of a ConfigMap's `data` and `binaryData` (standard base64 text, as the API server prints it).
pub fn config_map(data: &BTreeMap<&str, &str>, binary_data: &BTreeMap<&str, &str>) -> String {
    let text_lines = data.iter().map(|(key, value)| format!("d:{key}={value}"));
    let binary_lines = binary_data.iter().map(|(key, value)| format!("b:{key}={value}"));
    sha256(&text_lines.chain(binary_lines).collect::<Vec<_>>().join("\n"))
}

/// What stands for a ConfigMap that cannot be read, for whatever reason.
pub fn absent_config_map(name: &str) -> String {
    let sentinel = format!("__absent:{name}__");
    config_map(&BTreeMap::from([("__sentinel__", sentinel.as_str())]), &BTreeMap::new())
}

/// Names of the ConfigMaps that the pods of this kind and `spec` read.
pub fn config_map_references(kind: &str, spec: &Value) -> BTreeSet<String> {
    let path = match kind {
        "Pod" => Some(spec),
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => at(spec, "template.spec"),
        "CronJob" => at(spec, "jobTemplate.spec.template.spec"),
        _ => None,
    };
    let Some(pod) = path else { return BTreeSet::new() };
    let volumes = elements(pod, "volumes").flat_map(|volume| {
        let projected = elements(volume, "projected.sources").map(|source| text(source, "configMap.name"));
        projected.chain([text(volume, "configMap.name")])
    });
    let containers =
        ["containers", "initContainers", "ephemeralContainers"].into_iter().flat_map(|list| elements(pod, list));
    let environments = containers.flat_map(|container| {
        let whole = elements(container, "envFrom").map(|source| text(source, "configMapRef.name"));
        let single = elements(container, "env").map(|variable| text(variable, "valueFrom.configMapKeyRef.name"));
        whole.chain(single)
    });
    volumes.chain(environments).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A base hash over the hashes of ConfigMaps by name; without any, the base hash itself.
pub fn composite(base: &str, config_maps: &BTreeMap<String, String>) -> String {
    if config_maps.is_empty() {
        return base.to_owned();
    }
    let lines = config_maps.iter().map(|(name, hash)| format!("\n{name}:{hash}"));
    sha256(&std::iter::once(base.to_owned()).chain(lines).collect::<String>())
}

fn elements<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    at(value, path).and_then(Value::as_array).into_iter().flatten()
}

/// `sha256:` and 64 lower-case hexadecimal digits.
fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold("sha256:".to_owned(), |hex, byte| format!("{hex}{byte:02x}"))
}

#[cfg(test)]
mod tests;
