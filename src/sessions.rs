//! Sessions: admission, one owned task per accepted incident, states, lifetimes, restart and drain (http-api §4).

mod config;
mod record;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use config::SessionsConfig;
pub use record::{SessionId, SessionRecord, SessionState};

use crate::audit::AuditTrail;
use crate::domain::{Incident, Investigation};
use crate::investigation::{InvestigationError, Investigator, RunContext};
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

type WorkFuture = Pin<Box<dyn Future<Output = Result<Investigation, InvestigationError>> + Send>>;

/// What a session does with its incident.
#[derive(Clone)]
pub struct Work(Arc<dyn Fn(Arc<Incident>, RunContext) -> WorkFuture + Send + Sync>);

impl Work {
    /// Any asynchronous function; tests script their runs with it.
    pub fn new<F, R>(work: F) -> Self
    where
        F: Fn(Arc<Incident>, RunContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Investigation, InvestigationError>> + Send + 'static,
    {
        Self(Arc::new(move |incident, context| Box::pin(work(incident, context))))
    }
}

impl From<Investigator> for Work {
    fn from(investigator: Investigator) -> Self {
        Self::new(move |incident, context| {
            let investigator = investigator.clone();
            async move { investigator.investigate(&incident, &context).await }
        })
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

/// What [`Sessions::open`] needs.
#[derive(Debug)]
pub struct SessionsParts {
    pub config: SessionsConfig,
    /// `investigation.timeout_seconds`: wall-clock budget from acceptance, queue time included (decision 13).
    pub timeout: Duration,
    pub store: Store,
    pub audit: AuditTrail,
    pub metrics: Metrics,
    pub work: Work,
}

/// Handle to all sessions of the process. Clones share them.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<SessionsParts>);

impl Sessions {
    /// Loads what an earlier process left: finished sessions stay readable, unfinished ones write their terminal audit
    /// event and are forgotten (decision 14). Starts the sweep.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn open(parts: SessionsParts) -> Result<Self, SessionsError> {
        Ok(Self(Arc::new(parts)))
    }

    /// Accepts an incident. When this returns, the session survives a crash of the process.
    ///
    /// # Errors
    /// See [`SubmitError`]; nothing is stored then.
    pub async fn submit(&self, incident: Incident, caller: &str) -> Result<SessionId, SubmitError> {
        let _ = (incident, caller, &self.0);
        Err(SubmitError::Draining)
    }

    /// The session as it is now; `None` when the id is malformed, unknown, expired or evicted.
    ///
    /// # Errors
    /// The stored result cannot be read.
    pub async fn get(&self, id: &str) -> Result<Option<SessionRecord>, SessionsError> {
        Ok(SessionId::parse(id).and(None))
    }

    /// Waits until the session has a final state, then answers like [`Sessions::get`].
    ///
    /// # Errors
    /// The stored result cannot be read.
    pub async fn finished(&self, id: SessionId) -> Result<Option<SessionRecord>, SessionsError> {
        self.get(&id.to_string()).await
    }

    /// Stops admitting, lets running and queued work finish until `deadline`, then parks the rest: cancelled, state
    /// unchanged, no terminal event; the next start deals with them (decision 14). Reads keep working.
    pub async fn drain(&self, deadline: Instant) -> Drained {
        let _ = deadline;
        Drained { finished: 0, parked: 0 }
    }
}

/// What [`Sessions::drain`] achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Sessions that reached a final state while draining.
    pub finished: usize,
    /// Sessions left for the next start.
    pub parked: usize,
}

/// Why an incident was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Every slot and every queue place is taken. Worth a retry in seconds.
    #[error("the queue of investigations is full")]
    QueueFull,
    /// The process is shutting down. Worth a retry elsewhere or later.
    #[error("the service is shutting down")]
    Draining,
    /// The session could not be made durable.
    #[error("the session could not be stored")]
    Store(#[source] StoreError),
}

/// Sessions could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    #[error("the session store failed")]
    Store(#[from] StoreError),
    /// A stored value does not decode; the row was altered or written by another version.
    #[error("stored session {id} cannot be read: {reason}")]
    Damaged { id: String, reason: String },
}
