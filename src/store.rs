//! The embedded database: what must survive the process. The only room with sqlx.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

/// Section `store` of the configuration (architecture §6).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// `sqlite:///var/lib/holmesgpt-api/state.db`
    pub url: String,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: "sqlite:///var/lib/holmesgpt-api/state.db".to_owned() }
    }
}

/// Where the database lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// A database file; its directory is made when missing.
    File(PathBuf),
    /// A private directory that is removed on close.
    Temporary,
}

/// How a process uses the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Owns it: takes the lock, migrates, reads and writes.
    Serve,
    /// Only looks; works beside a serving process.
    ReadOnly,
}

/// Handle to the open database. Clones share it.
#[derive(Debug, Clone)]
pub struct Store(Arc<StoreLocation>);

impl Store {
    /// # Errors
    /// See [`StoreError`].
    pub async fn open(location: &StoreLocation, access: Access) -> Result<Self, StoreError> {
        let _ = access;
        Ok(Self(Arc::new(location.clone())))
    }

    /// Writes what is queued, checkpoints, and removes a temporary directory. Later calls fail with
    /// [`StoreError::Closed`].
    ///
    /// # Errors
    /// The checkpoint failed; committed data is still safe in the write-ahead log.
    pub async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }

    pub fn location(&self) -> &StoreLocation {
        &self.0
    }
}

/// A failure of the database, in words for the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("the store is closed")]
    Closed,
}
