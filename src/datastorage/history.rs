//! Remediation history (datastorage §6).

use std::time::Duration;

use serde_json::Value;

use super::question::Question;
use super::transport::CallError;
use super::{DataStorage, Generation};

/// Stands for "no namespace" where a server wants one (architecture §7).
const NO_NAMESPACE: &str = "_cluster";

/// Whose history, and which configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuestion<'a> {
    pub kind: &'a str,
    pub name: &'a str,
    /// `None` for cluster-scoped kinds.
    pub namespace: Option<&'a str>,
    pub spec_hash: &'a str,
    /// Before each retry; absent: the client's own two. `data_storage.timeout` bounds all of them together.
    pub waits: Option<&'a [Duration]>,
}

impl DataStorage {
    /// What was done to the target while it had, or left it with, this configuration. The windows are the server's own.
    ///
    /// For cluster-scoped targets the empty namespace is tried first; servers that refuse it are asked with `_cluster`.
    ///
    /// # Errors
    /// No usable answer.
    pub async fn remediation_history(&self, question: &HistoryQuestion<'_>) -> Result<Value, CallError> {
        match question.namespace {
            Some(namespace) => self.history(question, namespace).await,
            None => match self.history(question, "").await {
                Err(CallError::Status { status: 400, .. }) => self.history(question, NO_NAMESPACE).await,
                answer => answer,
            },
        }
    }

    /// Whether the server tells remediations of other objects that have the identical configuration too: the April generation
    /// looks at the hash alone (datastorage §6.2). Taken for granted until the server is known to be a later one.
    pub fn history_is_by_configuration_alone(&self) -> bool {
        self.generation() != Some(Generation::August)
    }

    async fn history(&self, question: &HistoryQuestion<'_>, namespace: &str) -> Result<Value, CallError> {
        let question = Question {
            operation: "remediation_history",
            path: &["api", "v1", "remediation-history", "context"],
            query: vec![
                ("targetKind", question.kind.to_owned()),
                ("targetName", question.name.to_owned()),
                ("targetNamespace", namespace.to_owned()),
                ("currentSpecHash", question.spec_hash.to_owned()),
            ],
            waits: question.waits,
        };
        self.ask(&question).await?.read()
    }
}
