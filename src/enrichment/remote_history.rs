//! Remediation history from `DataStorage` (datastorage §6). The client tries again, after the waits it is given.

use std::time::Duration;

use async_trait::async_trait;

use super::history::History;
use super::lookup::{HistoryError, HistorySource};
use super::reader::Retrying;
use crate::datastorage::{CallError, DataStorage, HistoryQuestion};
use crate::domain::ResourceRef;

/// Asks `DataStorage`.
#[derive(Debug, Clone)]
pub struct RemoteHistory {
    client: DataStorage,
    waits: Vec<Duration>,
}

impl RemoteHistory {
    pub fn new(client: DataStorage, retrying: Retrying) -> Self {
        Self { client, waits: retrying.waits().collect() }
    }
}

#[async_trait]
impl HistorySource for RemoteHistory {
    async fn history(&self, target: &ResourceRef, spec_hash: &str) -> Result<History, HistoryError> {
        let question = HistoryQuestion {
            kind: &target.kind,
            name: &target.name,
            namespace: target.namespace.as_deref(),
            spec_hash,
            waits: Some(&self.waits),
        };
        let answer = self.client.remediation_history(&question).await.map_err(|error| failed(target, &error))?;
        let history: History = serde_json::from_value(answer).map_err(|_| failed(target, &CallError::Malformed))?;
        if !is_about(&history.target_resource, target) {
            tracing::warn!(event = "history_of_another", %target, "DataStorage answered with the history of another object");
            return Err(HistoryError("DataStorage answered with the history of another object".to_owned()));
        }
        Ok(history)
    }

    fn caveat(&self) -> Option<String> {
        let by_configuration = self.client.history_is_by_configuration_alone();
        by_configuration.then(|| {
            "The remediation history is kept by configuration: an object with the identical specification would share it."
                .to_owned()
        })
    }
}

/// For a prompt: no addresses, none of the server's words.
fn failed(target: &ResourceRef, error: &CallError) -> HistoryError {
    tracing::warn!(event = "history_unavailable", %target, %error, "no remediation history");
    HistoryError(match error {
        CallError::NotSent(_) => "DataStorage cannot be reached".to_owned(),
        CallError::Lost(_) => "DataStorage did not answer".to_owned(),
        CallError::Status { .. } | CallError::Malformed => error.to_string(),
    })
}

/// Whether `namespace/Kind/name` names the target. What is empty or of another form says nothing.
fn is_about(told: &str, target: &ResourceRef) -> bool {
    let parts: Vec<&str> = told.trim_matches('/').split('/').collect();
    match (parts.as_slice(), target.namespace.as_deref()) {
        ([namespace, kind, name], Some(own)) => {
            *namespace == own && kind.eq_ignore_ascii_case(&target.kind) && *name == target.name
        }
        ([_, kind, name] | [kind, name], None) => kind.eq_ignore_ascii_case(&target.kind) && *name == target.name,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_another_object_is_noticed() {
        let cart = ResourceRef::namespaced("Deployment", "shop", "cart");
        let node = ResourceRef::cluster_scoped("Node", "n1");
        for (told, target, expected) in [
            ("shop/Deployment/cart", &cart, true),
            ("shop/deployment/cart", &cart, true),
            ("", &cart, true),
            ("shop/Deployment/other", &cart, false),
            ("prod/Deployment/cart", &cart, false),
            ("shop/StatefulSet/cart", &cart, false),
            ("_cluster/Node/n1", &node, true),
            ("/Node/n1", &node, true),
            ("/Node/n2", &node, false),
        ] {
            assert_eq!(is_about(told, target), expected, "{told} {target}");
        }
    }
}
