//! Section `data_storage` of the configuration (operations §1.3.3, architecture §7).

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// Where `DataStorage` is and how it is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataStorageConfig {
    /// Base address, `http://data-storage:8080` unless set.
    pub url: String,
    /// Our own ServiceAccount token.
    pub token_path: PathBuf,
    /// Certificates the server is checked against; absent = the system's.
    pub ca_file: Option<PathBuf>,
    /// Connections at once, 1 to 1024. Default 128; at most 8 of them carry audit events.
    pub max_connections: usize,
}

impl Default for DataStorageConfig {
    fn default() -> Self {
        Self {
            url: "http://data-storage:8080".to_owned(),
            token_path: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/token"),
            ca_file: None,
            max_connections: 128,
        }
    }
}

impl DataStorageConfig {
    /// Time to connect.
    pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
    /// An idle connection is closed before a restarted server would leave it dead.
    pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
    const CONNECTIONS_MAX: usize = 1_024;

    /// What is wrong with the values, in one sentence naming the key.
    ///
    /// # Errors
    /// A limit outside its range.
    pub fn check(&self) -> Result<(), String> {
        match self.max_connections {
            1..=Self::CONNECTIONS_MAX => Ok(()),
            connections => Err(format!("data_storage.max_connections is {connections}, it must be 1 to 1024")),
        }
    }
}
