//! Section `data_storage` of the configuration (operations §1.3.3, architecture §7).

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::service_account::TokenTimes;

/// Where `DataStorage` is and how it is called.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataStorageConfig {
    /// Base address, `http://data-storage:8080` unless set.
    pub url: String,
    /// Seconds for one question about workflows or history, retries included, 1 to 300. Default 10.
    pub timeout: u64,
    /// What the readiness probe asks. Absent = `<url>/readyz`, and `<url>/health/ready` where that is unknown.
    pub health_url: Option<String>,
    /// Our own ServiceAccount token.
    pub token_path: PathBuf,
    /// PEM certificates the server is checked against.
    pub ca_file: Option<PathBuf>,
    /// Whether the system's certificates count as well. Default: only where no `ca_file` is given.
    pub system_roots: Option<bool>,
    /// PEM certificate this service shows, with `client_key`.
    pub client_cert: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    /// Connections at once, 1 to 1024. Default 128; at most 8 of them carry audit events.
    pub max_connections: usize,
    pub circuit_breaker: CircuitBreakerConfig,
    /// Not for operators.
    #[serde(skip)]
    pub times: DataStorageTimes,
}

/// `data_storage.circuit_breaker`: accepted for configurations that say it is off, which it is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitBreakerConfig {
    pub enabled: bool,
    pub max_requests: Option<u32>,
    pub interval_seconds: Option<u64>,
    pub timeout_seconds: Option<u64>,
    pub failure_threshold: Option<u32>,
    pub failure_ratio: Option<f64>,
}

/// Waits that tests shorten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataStorageTimes {
    /// Before the first and the second retry of a question, a quarter more or less.
    pub retry_waits: [Duration; 2],
    pub token: TokenTimes,
}

impl Default for DataStorageTimes {
    fn default() -> Self {
        Self { retry_waits: [Duration::from_millis(200), Duration::from_millis(600)], token: TokenTimes::default() }
    }
}

impl Default for DataStorageConfig {
    fn default() -> Self {
        Self {
            url: Self::URL_DEFAULT.to_owned(),
            timeout: 10,
            health_url: None,
            token_path: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/token"),
            ca_file: None,
            system_roots: None,
            client_cert: None,
            client_key: None,
            max_connections: 128,
            circuit_breaker: CircuitBreakerConfig::default(),
            times: DataStorageTimes::default(),
        }
    }
}

impl DataStorageConfig {
    /// Where it is unless something says otherwise.
    pub const URL_DEFAULT: &'static str = "http://data-storage:8080";
    /// Time to connect.
    pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// An idle connection is closed before a restarted server would leave it dead.
    pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
    /// Between two probes of a connection that carries nothing.
    pub(super) const KEEPALIVE: Duration = Duration::from_secs(30);
    const CONNECTIONS_MAX: usize = 1_024;

    /// What is wrong with the values, in one sentence naming the key.
    ///
    /// # Errors
    /// A limit outside its range, half a client certificate, or a circuit breaker.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=300).contains(&self.timeout) {
            return Err(format!("data_storage.timeout is {}, it must be 1 to 300 seconds", self.timeout));
        }
        if self.client_cert.is_some() != self.client_key.is_some() {
            return Err("data_storage.client_cert and data_storage.client_key go together".to_owned());
        }
        if self.circuit_breaker.enabled {
            return Err(
                "data_storage.circuit_breaker.enabled is true, but there is no circuit breaker for DataStorage: \
                        leave it out"
                    .to_owned(),
            );
        }
        match self.max_connections {
            1..=Self::CONNECTIONS_MAX => Ok(()),
            connections => Err(format!("data_storage.max_connections is {connections}, it must be 1 to 1024")),
        }
    }
}
