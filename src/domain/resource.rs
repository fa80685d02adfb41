//! Identity of a Kubernetes object.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names one Kubernetes object. `namespace` is absent for cluster-scoped kinds; `api_version` is absent when nobody
/// said it and the kind is unambiguous.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceRef {
    pub kind: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
}

impl ResourceRef {
    pub fn namespaced(kind: impl Into<String>, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        let namespace = namespace.into();
        Self {
            kind: kind.into(),
            name: name.into(),
            namespace: (!namespace.is_empty()).then_some(namespace),
            api_version: None,
        }
    }

    pub fn cluster_scoped(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into(), namespace: None, api_version: None }
    }

    #[must_use]
    pub fn with_api_version(mut self, api_version: impl Into<String>) -> Self {
        let api_version = api_version.into();
        self.api_version = (!api_version.is_empty()).then_some(api_version);
        self
    }

    /// API group of `api_version`: `apps/v1` → `apps`, `v1` → the empty (core) group, `None` when unknown.
    pub fn group(&self) -> Option<&str> {
        self.api_version.as_deref().map(|version| version.split_once('/').map_or("", |(group, _)| group))
    }

    /// Same object, whatever API version either side names: kind ignoring case, name and namespace exactly.
    pub fn same_object(&self, other: &Self) -> bool {
        self.kind.eq_ignore_ascii_case(&other.kind) && self.name == other.name && self.namespace == other.namespace
    }
}

/// `Deployment checkout/cart-api`, `Node worker-3`.
impl fmt::Display for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {}/{}", self.kind, namespace, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}
