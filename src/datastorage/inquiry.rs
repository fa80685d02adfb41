//! Questions of people who check an installation: what time it is there, and whether events may be read.

use std::time::Duration;

use reqwest::Method;

use super::DataStorage;
use super::transport::{Call, CallError, Lane};

/// Answers later than this help nobody who waits at a terminal.
const INQUIRY_TIMEOUT: Duration = Duration::from_secs(10);

impl DataStorage {
    /// The `Date` of its answer to a knock without a token, as sent.
    ///
    /// # Errors
    /// Nothing answers.
    pub async fn date(&self) -> Result<Option<String>, CallError> {
        self.0.transport.date(self.0.transport.base().clone(), INQUIRY_TIMEOUT).await
    }

    /// Reads one audit event, whichever: proves the token and the right to read, and changes nothing.
    ///
    /// # Errors
    /// No answer, or one that says no.
    pub async fn reads_events(&self) -> Result<(), CallError> {
        let call = Call {
            operation: "audit_query",
            lane: Lane::Questions,
            method: Method::GET,
            path: &["api", "v1", "audit", "events"],
            query: &[("limit", "1".to_owned())],
            body: None,
            timeout: INQUIRY_TIMEOUT,
        };
        self.0.transport.call(&call).await?.read::<serde_json::Value>().map(drop)
    }
}
