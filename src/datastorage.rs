//! Typed client of the `DataStorage` API, April generation (datastorage specification).
//!
//! One client, one connection pool and one token for everything. A call has one owner of its retries: questions about
//! workflows and history are tried again here (`question`); audit calls make exactly one attempt, since the shipper of the
//! audit trail owns theirs. What a server says in an error body may quote what was sent: it is cut, never logged above debug
//! level and never shown to callers or to a model.

mod audit;
mod breaker;
mod config;
mod health;
mod history;
mod inquiry;
mod question;
mod tls;
mod transport;
mod workflows;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

pub use audit::{Delivery, EventWindow, Refused};
pub use config::{CircuitBreakerConfig, DataStorageConfig, DataStorageTimes};
pub use health::Generation;
pub use history::HistoryQuestion;
pub use transport::{CallError, DataStorageBuildError};
pub use workflows::{
    ActionTypeEntry, MandatoryLabels, PAGE_ENTRIES_MAX, Page, SignalContext, StructuredDescription, WorkflowEntry,
    WorkflowRecord,
};

use crate::retry::breaker::Rules;
use crate::service_account::TokenPool;
use crate::settings::Setting;
use crate::telemetry::Metrics;
use breaker::Guard;
use health::Health;
use tls::{Built, Reload};
use transport::{Transport, base_url};

/// Handle to `DataStorage`. Clones share it.
#[derive(Debug, Clone)]
pub struct DataStorage(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    transport: Transport,
    terms: Setting<Terms>,
    guard: Guard,
    health: Health,
}

/// What the next call goes by.
#[derive(Debug)]
struct Terms {
    /// For one question, retries included.
    timeout: Duration,
    retry_waits: [Duration; 2],
    /// Named by the operator: no other address is asked for health.
    health: Option<Url>,
}

/// Another configuration, read and found good.
#[derive(Debug)]
pub struct Prepared {
    terms: Terms,
    client: Built,
    rules: Rules,
}

impl Terms {
    fn of(config: &DataStorageConfig) -> Result<Self, DataStorageBuildError> {
        let named = |text: &String| base_url(text).ok_or(DataStorageBuildError::BadHealthUrl);
        Ok(Self {
            timeout: Duration::from_secs(config.timeout),
            retry_waits: config.times.retry_waits,
            health: config.health_url.as_ref().map(named).transpose()?,
        })
    }
}

impl DataStorage {
    /// Builds the client and reads its certificates, where it has some; contacts nobody. Blocks on files.
    ///
    /// # Errors
    /// Whatever in the section cannot work, in words for the operator.
    pub fn build(config: &DataStorageConfig, metrics: Metrics) -> Result<Self, DataStorageBuildError> {
        let tokens = TokenPool::with_times(config.token_path.clone(), config.times.token);
        Ok(Self(Arc::new(Shared {
            guard: Guard::new(config.circuit_breaker.rules(), metrics.clone()),
            transport: Transport::build(config, tokens, metrics)?,
            terms: Setting::new(Terms::of(config)?),
            health: Health::default(),
        })))
    }

    /// Reads what another configuration names, and changes nothing yet. Address, token path and number of connections stay
    /// as they are. Blocks on files.
    ///
    /// # Errors
    /// Whatever in the section cannot work, in words for the operator.
    pub fn prepare(&self, config: &DataStorageConfig) -> Result<Prepared, DataStorageBuildError> {
        let client = self.0.transport.prepare(config)?;
        Ok(Prepared { terms: Terms::of(config)?, client, rules: config.circuit_breaker.rules() })
    }

    /// The next call goes by it; calls under way end as they began.
    pub fn adopt(&self, prepared: Prepared) {
        let Prepared { terms, client, rules } = prepared;
        self.0.terms.set(terms);
        self.0.transport.adopt(client);
        self.0.guard.set_rules(rules);
    }

    /// Takes certificates that have changed; keeps those in use when the new ones are bad. Blocks on files.
    pub fn reload_certificates(&self) {
        match self.0.transport.reload_tls() {
            Ok(Reload::Unchanged) => {}
            Ok(Reload::Applied) => {
                tracing::info!(event = "data_storage_certificates_reloaded", "new certificates are in use");
            }
            Err(error) => tracing::warn!(
                event = "data_storage_certificates_rejected",
                %error,
                "the certificates on disk cannot be used; those read before stay"
            ),
        }
    }
}
