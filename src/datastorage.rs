//! Typed client of the `DataStorage` API, April generation (datastorage specification).
//!
//! One client and one connection pool for everything. A call has one owner of its retries: the audit calls here make
//! exactly one attempt, since the shipper of the audit trail owns theirs. What a server says in an error body may quote
//! what was sent: it is cut, never logged above debug level and never shown to callers or to a model.

mod audit;
mod config;
mod transport;

use std::sync::Arc;

pub use audit::{Delivery, EventWindow, Refused};
pub use config::DataStorageConfig;
pub use transport::{CallError, DataStorageBuildError};

use crate::service_account::TokenPool;
use crate::telemetry::Metrics;
use transport::Transport;

/// Handle to `DataStorage`. Clones share it.
#[derive(Debug, Clone)]
pub struct DataStorage(Arc<Transport>);

impl DataStorage {
    /// Builds the client; contacts nobody.
    ///
    /// # Errors
    /// Whatever in the section cannot work, in words for the operator.
    pub fn build(config: &DataStorageConfig, metrics: Metrics) -> Result<Self, DataStorageBuildError> {
        let tokens = TokenPool::new(config.token_path.clone());
        Ok(Self(Arc::new(Transport::build(config, tokens, metrics)?)))
    }
}
