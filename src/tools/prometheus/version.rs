//! Whether Prometheus answers queries, and which one it is: for people who check an installation.

use std::time::Duration;

use serde_json::Value;

use super::client::PrometheusClient;
use crate::tools::endpoint::EndpointError;

/// The cheapest query there is.
const QUERY: &str = "vector(1)";

impl PrometheusClient {
    /// Runs a query that needs no data, within `patience`.
    ///
    /// # Errors
    /// Whatever kept the server from answering, or its refusal.
    pub async fn answers(&self, patience: Duration) -> Result<(), EndpointError> {
        let query = [("query", QUERY.to_owned())];
        self.query(&["api", "v1", "query"], &query, patience).await.map(drop)
    }

    /// Its version. Servers that only speak its language may have none.
    ///
    /// # Errors
    /// As [`Self::answers`].
    pub async fn version(&self) -> Result<Option<String>, EndpointError> {
        let answer = self.discover(&["api", "v1", "status", "buildinfo"], &[]).await?;
        Ok(answer.data.get("version").and_then(Value::as_str).map(str::to_owned))
    }
}
