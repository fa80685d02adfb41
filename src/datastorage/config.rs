//! Section `data_storage` of the configuration (operations §1.3.3, architecture §7).

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::retry::breaker::Rules;
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

/// `data_storage.circuit_breaker`: whether questions are suspended while the server fails (operations §7.5).
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitBreakerConfig {
    /// Default false.
    pub enabled: bool,
    /// Trial questions at once, and how many must succeed, while half open, 1 to 100. Default 3.
    pub max_requests: u32,
    /// Window over which questions are counted, seconds, 1 to 3600. Default 30.
    pub interval_seconds: u64,
    /// How long it stays open, seconds, 1 to 3600. Default 30.
    pub timeout_seconds: u64,
    /// Questions in the window before it may open, 1 to 100: a sample size, not a number of failures. Default 10.
    pub failure_threshold: u32,
    /// Share of failed questions that opens it, above 0 up to 1. Default 0.5.
    pub failure_ratio: f64,
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            max_requests: 3,
            interval_seconds: 30,
            timeout_seconds: 30,
            failure_threshold: 10,
            failure_ratio: 0.5,
        }
    }
}

impl CircuitBreakerConfig {
    pub(super) fn rules(&self) -> Rules {
        Rules {
            is_on: self.enabled,
            trials: self.max_requests,
            window: Duration::from_secs(self.interval_seconds),
            open_for: Duration::from_secs(self.timeout_seconds),
            sample_min: self.failure_threshold,
            failure_ratio: self.failure_ratio,
        }
    }

    fn check(&self) -> Result<(), String> {
        let ranges = [
            ("max_requests", u64::from(self.max_requests), 100),
            ("interval_seconds", self.interval_seconds, 3_600),
            ("timeout_seconds", self.timeout_seconds, 3_600),
            ("failure_threshold", u64::from(self.failure_threshold), 100),
        ];
        if let Some((key, value, most)) = ranges.into_iter().find(|(_, value, most)| !(1..=*most).contains(value)) {
            return Err(format!("data_storage.circuit_breaker.{key} is {value}, it must be 1 to {most}"));
        }
        match self.failure_ratio {
            ratio if ratio > 0.0 && ratio <= 1.0 => Ok(()),
            ratio => {
                Err(format!("data_storage.circuit_breaker.failure_ratio is {ratio}, it must be above 0 and at most 1"))
            }
        }
    }
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
    /// A limit outside its range, or half a client certificate.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=300).contains(&self.timeout) {
            return Err(format!("data_storage.timeout is {}, it must be 1 to 300 seconds", self.timeout));
        }
        if self.client_cert.is_some() != self.client_key.is_some() {
            return Err("data_storage.client_cert and data_storage.client_key go together".to_owned());
        }
        self.circuit_breaker.check()?;
        match self.max_connections {
            1..=Self::CONNECTIONS_MAX => Ok(()),
            connections => Err(format!("data_storage.max_connections is {connections}, it must be 1 to 1024")),
        }
    }
}
