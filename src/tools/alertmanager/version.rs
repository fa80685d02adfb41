//! Which Alertmanager answers: for people who check an installation.

use serde_json::Value;

use super::{AlertmanagerClient, EndpointError, Question};

impl AlertmanagerClient {
    /// Its version, where its status tells one.
    ///
    /// # Errors
    /// Whatever kept the server from answering, or its refusal.
    pub async fn version(&self) -> Result<Option<String>, EndpointError> {
        let question =
            Question { path: &["api", "v2", "status"], query: &[], timeout: self.timeout, takes_form: false };
        let answer = self.endpoint.ask(&question).await?;
        Ok(answer.pointer("/versionInfo/version").and_then(Value::as_str).map(str::to_owned))
    }
}
