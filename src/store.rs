//! The embedded database: what must survive the process. The only room with sqlx.
//!
//! SQLite in WAL mode with `synchronous=FULL`. One connection writes, owned by one task that commits whatever was queued
//! while the previous commit waited for the disk (`writer`); a few others read. A write is answered after its commit,
//! never before, and happens entirely or not at all even if nobody waits for the answer any more. The process that owns
//! the database holds a lock which dies with it; others may read beside it. Directories are made for the owner alone,
//! files have mode 0600.

mod error;
mod location;
mod outbox;
mod rows;
mod salvage;
mod spending;
mod sqlite;
mod unit;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;
use sqlx::sqlite::SqlitePool;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use error::StoreError;
pub use location::{FILE_NAME, StoreConfig, StoreLocation};
pub use rows::{
    Arrival, AuditQuery, AuditRow, AuditTable, AuditTotals, DoubtfulRow, FinalState, NewSession, OutboxChange,
    OutboxRow, OutboxState, OutboxTotals, QuarantineReason, QuarantinedEvent, SessionRow, SpendingRow, StoredEvent,
    WaitingEvent,
};
pub use salvage::Salvage;

use location::Files;
use writer::{Job, WRITES_PENDING_MAX, Write, Writer};

/// How a process uses the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Owns it: takes the lock, migrates, reads and writes.
    Serve,
    /// Only looks; works beside a serving process.
    ReadOnly,
}

/// Handle to the open database. Clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    readers: SqlitePool,
    /// `None` with read-only access.
    jobs: Option<mpsc::Sender<Job>>,
    closing: CancellationToken,
    writer: Mutex<Option<JoinHandle<Result<(), StoreError>>>>,
    failing: Arc<AtomicBool>,
    // Last: lock and temporary directory outlive the connections.
    files: std::sync::Mutex<Option<Files>>,
    path: std::path::PathBuf,
    salvage: Option<Salvage>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database, making or migrating it with [`Access::Serve`]. Milliseconds, whatever it holds.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process serves from it, [`StoreError::Newer`] when a newer version wrote it,
    /// [`StoreError::File`] and [`StoreError::Open`] when it cannot be made or is no database.
    pub async fn open(location: &StoreLocation, access: Access) -> Result<Self, StoreError> {
        match access {
            Access::Serve => Self::own(location).await,
            Access::ReadOnly => Self::borrow(location).await,
        }
    }

    async fn own(location: &StoreLocation) -> Result<Self, StoreError> {
        let files = Files::own(location)?;
        // A temporary store is gone after a crash anyway: waiting for the disk would buy nothing.
        let (connection, salvage) = salvage::open(&files.database, !files.is_temporary()).await?;
        let readers = sqlite::open_readers(&files.database).await?;
        let (sender, jobs) = mpsc::channel(WRITES_PENDING_MAX);
        let closing = CancellationToken::new();
        let writer = Writer { connection, jobs, closing: closing.clone() };
        let writer = tokio::spawn(writer.run());
        let mut inner = Self::assemble(files, readers, Some(sender), closing, Some(writer));
        inner.salvage = salvage;
        Ok(Self(Arc::new(inner)))
    }

    async fn borrow(location: &StoreLocation) -> Result<Self, StoreError> {
        let files = Files::borrow(location)?;
        let readers = sqlite::open_readers(&files.database).await?;
        sqlite::check_schema(&files.database, &readers).await?;
        Ok(Self(Arc::new(Self::assemble(files, readers, None, CancellationToken::new(), None))))
    }

    fn assemble(
        files: Files,
        readers: SqlitePool,
        jobs: Option<mpsc::Sender<Job>>,
        closing: CancellationToken,
        writer: Option<JoinHandle<Result<(), StoreError>>>,
    ) -> Inner {
        Inner {
            readers,
            jobs,
            closing,
            writer: Mutex::new(writer),
            failing: Arc::new(AtomicBool::new(false)),
            path: files.database.clone(),
            files: std::sync::Mutex::new(Some(files)),
            salvage: None,
        }
    }

    /// Commits what is queued, checkpoints, gives the lock back and removes a temporary directory. Later calls fail with
    /// [`StoreError::Closed`]; closing twice is harmless.
    ///
    /// # Errors
    /// The checkpoint failed; what was committed is still safe in the write-ahead log.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.0.closing.cancel();
        let writer = self.0.writer.lock().await.take();
        self.0.readers.close().await;
        let outcome = match writer {
            Some(writer) => writer.await.unwrap_or(Err(StoreError::Closed)),
            None => Ok(()),
        };
        drop(self.0.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
        outcome
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// What was saved when the database was found damaged at the start.
    pub fn salvage(&self) -> Option<&Salvage> {
        self.0.salvage.as_ref()
    }

    /// Has the next start check the database when `error` says that it is damaged.
    pub fn distrust(&self, error: &StoreError) {
        if !error.is_damage() {
            return;
        }
        match salvage::mark(self.path()) {
            Ok(()) => {
                tracing::error!(event = "store_damaged", "the state database is damaged; the next start checks it");
            }
            Err(error) => tracing::error!(event = "store_damaged", error = %error, "the state database is damaged"),
        }
    }

    /// Whether the newest write failed: the disk is full or gone. Readiness looks here.
    pub fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Relaxed)
    }

    /// Waits for a place in the write queue. What is then written through the permit keeps the order of the calls.
    ///
    /// # Errors
    /// [`StoreError::Closed`], [`StoreError::ReadOnly`].
    pub async fn permit(&self) -> Result<WritePermit, StoreError> {
        let jobs = self.0.jobs.clone().ok_or(StoreError::ReadOnly)?;
        let place = jobs.reserve_owned().await.map_err(|_| StoreError::Closed)?;
        Ok(WritePermit { place, failing: Arc::clone(&self.0.failing) })
    }

    /// Stores an accepted session.
    ///
    /// # Errors
    /// Nothing was stored.
    pub async fn insert_session(&self, new: NewSession) -> Result<(), StoreError> {
        self.permit().await?.queue(Write::InsertSession(new)).committed().await.map(drop)
    }

    /// Marks a pending session as investigating.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn start_session(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.permit().await?.queue(Write::StartSession { id: id.to_owned(), at }).committed().await.map(drop)
    }

    /// Forgets a session.
    ///
    /// # Errors
    /// The session is still there.
    pub async fn remove_session(&self, id: &str) -> Result<(), StoreError> {
        self.permit().await?.remove_session(id, None).committed().await.map(drop)
    }

    /// Removes audit events older than `before`, then the oldest until their bodies fit into `bytes_max`, a bounded
    /// number of rows per call; answers how many went.
    ///
    /// # Errors
    /// Nothing was removed.
    pub async fn prune_events(&self, before: Timestamp, bytes_max: u64) -> Result<u64, StoreError> {
        /// Rows of each kind per call, so that pruning never holds up the queue for long.
        const ROWS_MAX: u32 = 1_000;
        let prune = Write::PruneEvents { before, bytes_max, rows_max: ROWS_MAX };
        self.permit().await?.queue(prune).committed().await
    }

    /// Commits a write that changes nothing: tells whether the disk takes writes again after [`Store::is_failing`].
    ///
    /// # Errors
    /// It does not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.permit().await?.queue(Write::Probe).committed().await.map(drop)
    }

    /// The narrow columns of every session, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        sqlite::sessions(&self.0.readers).await
    }

    /// The incident of a session as JSON.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn session_incident(&self, id: &str) -> Result<Option<String>, StoreError> {
        sqlite::session_incident(&self.0.readers, id).await
    }

    /// The result of a completed session as JSON.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn session_result(&self, id: &str) -> Result<Option<String>, StoreError> {
        sqlite::session_result(&self.0.readers, id).await
    }

    /// Audit events in the order they were recorded.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn events(&self, query: &AuditQuery) -> Result<Vec<StoredEvent>, StoreError> {
        sqlite::events(&self.0.readers, query).await
    }

    /// How much the local audit table holds.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn audit_totals(&self) -> Result<AuditTotals, StoreError> {
        sqlite::audit_totals(&self.0.readers).await
    }

    /// Timestamp of the newest audit event ever kept, delivered ones included.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn newest_event_timestamp(&self) -> Result<Option<Timestamp>, StoreError> {
        sqlite::newest_event_timestamp(&self.0.readers).await
    }
}

/// A place in the write queue. Handing over a write is immediate, so a caller can take a timestamp and queue the event
/// in one step and thereby keep time order and commit order the same.
#[derive(Debug)]
pub struct WritePermit {
    place: mpsc::OwnedPermit<Job>,
    failing: Arc<AtomicBool>,
}

impl WritePermit {
    /// Keeps one audit event.
    pub fn record_event(self, row: AuditRow) -> Receipt {
        self.queue(Write::RecordEvent(row))
    }

    /// Gives a session its final state and keeps the event that says so, both or neither. Affects no row, and keeps no
    /// event, when the session is unknown or final already.
    pub fn finish_session(self, end: FinalState, event: Option<AuditRow>) -> Receipt {
        self.queue(Write::FinishSession { end, event })
    }

    /// Forgets a session and keeps the event that explains it, both or neither.
    pub fn remove_session(self, id: &str, event: Option<AuditRow>) -> Receipt {
        self.queue(Write::RemoveSession { id: id.to_owned(), event })
    }

    fn queue(self, write: Write) -> Receipt {
        let (done, answer) = oneshot::channel();
        self.place.send(Job { write, done });
        Receipt { answer, failing: self.failing }
    }
}

/// A queued write. It happens whether or not somebody waits.
#[derive(Debug)]
pub struct Receipt {
    answer: oneshot::Receiver<Result<u64, StoreError>>,
    failing: Arc<AtomicBool>,
}

impl Receipt {
    /// Waits for the commit; answers the number of rows affected.
    ///
    /// # Errors
    /// Nothing of the write happened.
    pub async fn committed(self) -> Result<u64, StoreError> {
        let outcome = self.answer.await.unwrap_or(Err(StoreError::Closed));
        self.failing.store(outcome.is_err(), Ordering::Relaxed);
        outcome
    }
}
