//! The one task that writes. Everything queued while a commit waits for the disk goes into the next commit, so the cost
//! of durability is shared by all who wait at the same time and a lone write pays it once.

use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::error::StoreError;
use super::rows::{AuditRow, FinalState, NewSession, OutboxChange, SpendingRow};
use super::sqlite;
use super::unit::units;

/// Writes waiting for a commit; more wait for a place.
pub(super) const WRITES_PENDING_MAX: usize = 1_024;
/// Writes committed together.
const GROUP_WRITES_MAX: usize = 256;

/// One unit that happens entirely or not at all.
#[derive(Debug)]
pub(super) enum Write {
    InsertSession(NewSession),
    StartSession {
        id: String,
        at: Timestamp,
    },
    FinishSession {
        end: FinalState,
        event: Option<AuditRow>,
    },
    RemoveSession {
        id: String,
        event: Option<AuditRow>,
    },
    RecordEvent(AuditRow),
    PruneEvents {
        before: Timestamp,
        bytes_max: u64,
        rows_max: u32,
    },
    /// All of them in this order.
    ChangeOutbox(Vec<OutboxChange>),
    PruneQuarantine {
        before: Timestamp,
        bytes_max: u64,
        rows_max: u32,
    },
    Spend(SpendingRow),
    Probe,
}

impl Write {
    /// Whether the database makes a transaction of it by itself.
    pub(super) fn is_one_statement(&self) -> bool {
        match self {
            Self::StartSession { .. } | Self::RecordEvent(_) | Self::Spend(_) | Self::Probe => true,
            Self::ChangeOutbox(changes) => matches!(changes.as_slice(), [only] if only.is_one_statement()),
            Self::InsertSession(_)
            | Self::FinishSession { .. }
            | Self::RemoveSession { .. }
            | Self::PruneEvents { .. }
            | Self::PruneQuarantine { .. } => false,
        }
    }

    pub(super) async fn apply(&self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        match self {
            Self::InsertSession(new) => sqlite::insert_session(connection, new).await,
            Self::StartSession { id, at } => sqlite::start_session(connection, id, *at).await,
            Self::FinishSession { end, event } => {
                let affected = sqlite::finish_session(connection, end).await?;
                // The event belongs to this transition; a session that was final already has had its own.
                match event.as_ref().filter(|_| affected > 0) {
                    Some(event) => sqlite::insert_event(connection, event).await.map(|_| affected),
                    None => Ok(affected),
                }
            }
            Self::RemoveSession { id, event } => {
                let affected = sqlite::remove_session(connection, id).await?;
                match event.as_ref().filter(|_| affected > 0) {
                    Some(event) => sqlite::insert_event(connection, event).await.map(|_| affected),
                    None => Ok(affected),
                }
            }
            Self::RecordEvent(event) => sqlite::insert_event(connection, event).await,
            Self::PruneEvents { before, bytes_max, rows_max } => {
                sqlite::prune_events(connection, *before, *bytes_max, *rows_max).await
            }
            Self::ChangeOutbox(changes) => {
                let mut affected = 0;
                for change in changes {
                    affected += sqlite::change_outbox(connection, change).await?;
                }
                Ok(affected)
            }
            Self::PruneQuarantine { before, bytes_max, rows_max } => {
                sqlite::prune_quarantine(connection, *before, *bytes_max, *rows_max).await
            }
            Self::Spend(row) => sqlite::spend(connection, row).await,
            Self::Probe => sqlite::probe(connection).await,
        }
    }
}

/// A write and who waits for its commit. The answer is the number of rows it affected.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) write: Write,
    pub(super) done: oneshot::Sender<Result<u64, StoreError>>,
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) closing: CancellationToken,
}

impl Writer {
    /// Commits until told to close, then commits what is still queued and checkpoints.
    pub(super) async fn run(mut self) -> Result<(), StoreError> {
        let closing = self.closing.clone();
        let mut closed = false;
        loop {
            let first = tokio::select! {
                job = self.jobs.recv() => job,
                () = closing.cancelled(), if !closed => {
                    self.jobs.close();
                    closed = true;
                    continue;
                }
            };
            let Some(first) = first else { break };
            let mut group = vec![first];
            while group.len() < GROUP_WRITES_MAX
                && let Ok(job) = self.jobs.try_recv()
            {
                group.push(job);
            }
            self.commit(group).await;
        }
        sqlite::checkpoint(&mut self.connection).await.map_err(StoreError::write)?;
        self.connection.close().await.map_err(StoreError::write)
    }

    async fn commit(&mut self, group: Vec<Job>) {
        let writes: Vec<&Write> = group.iter().map(|job| &job.write).collect();
        match transact(&mut self.connection, &writes).await {
            Ok(affected) => answer(group, affected.into_iter().map(Ok)),
            Err(error) if group.len() == 1 => answer(group, [Err(StoreError::write(error))]),
            // One bad write must not fail its neighbours: each gets a transaction of its own.
            Err(_) => {
                let mut answers = Vec::with_capacity(group.len());
                for write in writes {
                    let alone = transact(&mut self.connection, &[write]).await;
                    answers.push(alone.map(|affected| affected.iter().sum()).map_err(StoreError::write));
                }
                answer(group, answers);
            }
        }
    }
}

async fn transact(connection: &mut SqliteConnection, writes: &[&Write]) -> Result<Vec<u64>, sqlx::Error> {
    let units = units(writes);
    // Every statement is a trip to the database's thread and back, begin and end of a transaction too.
    if let [only] = units.as_slice()
        && only.is_one_statement()
    {
        return only.apply(connection).await;
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut affected = Vec::with_capacity(writes.len());
    for unit in &units {
        affected.extend(unit.apply(&mut transaction).await?);
    }
    transaction.commit().await?;
    Ok(affected)
}

fn answer(group: Vec<Job>, answers: impl IntoIterator<Item = Result<u64, StoreError>>) {
    for (job, answer) in group.into_iter().zip(answers) {
        // Whoever stopped waiting still gets the write.
        let _ = job.done.send(answer);
    }
}
