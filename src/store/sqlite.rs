//! Every SQL statement of the SQLite store.

mod columns;
mod outbox;
mod salvage;
mod spending;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Sqlite, SqliteConnection};

use columns::{body, bytes, digest, instant, number, optional_instant, optional_text, text, timestamp, total};
pub(super) use outbox::*;
pub(super) use salvage::{find_damage, salvage};
pub(super) use spending::{spend, spending_of};

use super::error::StoreError;
use super::rows::{AuditQuery, AuditRow, AuditTable, AuditTotals, FinalState, NewSession, SessionRow, StoredEvent};

/// How long a statement waits for a lock of another process (`audit requeue`, a backup).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read beside the writer.
const READERS_MAX: u32 = 3;
/// Longest wait for a free reader.
const READER_WAIT: Duration = Duration::from_secs(5);

static MIGRATOR: Migrator = sqlx::migrate!("src/store/migrations");

/// Newest schema this version knows.
fn known_version() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The one connection that writes, on a migrated database. `durable` waits for the disk on every commit.
pub(super) async fn open_writer(path: &Path, durable: bool) -> Result<SqliteConnection, StoreError> {
    let synchronous = if durable { SqliteSynchronous::Full } else { SqliteSynchronous::Off };
    let mut connection = options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .connect()
        .await
        .map_err(|source| unopened(path, source))?;
    let found = schema_version(&mut connection).await.map_err(|source| unopened(path, source))?;
    match found.cmp(&known_version()) {
        std::cmp::Ordering::Greater => return Err(newer(path, found)),
        std::cmp::Ordering::Equal => {}
        std::cmp::Ordering::Less => migrate(path, &mut connection).await?,
    }
    Ok(connection)
}

/// All pending migrations in one transaction: one commit, and no half-migrated database after a crash.
async fn migrate(path: &Path, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|source| unopened(path, source))?;
    MIGRATOR.run(&mut *transaction).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => newer(path, found),
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => unopened(path, source),
        other => unopened(path, sqlx::Error::Migrate(Box::new(other))),
    })?;
    transaction.commit().await.map_err(|source| unopened(path, source))
}

/// Moves one event out of the quarantine over a connection of its own; another process may own the database.
pub(super) async fn requeue_beside(path: &Path, event_id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let connection = options(path).synchronous(SqliteSynchronous::Full).connect().await;
    let mut connection = connection.map_err(|source| unopened(path, source))?;
    let found = schema_version(&mut connection).await.map_err(|source| unopened(path, source))?;
    same_version(path, found)?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::write)?;
    let moved = requeue(&mut transaction, event_id, now).await.map_err(StoreError::write)?;
    transaction.commit().await.map_err(StoreError::write)?;
    connection.close().await.map_err(StoreError::write)?;
    Ok(moved > 0)
}

/// Connections that only read. Opens one of them now, so that faults show here.
pub(super) async fn open_readers(path: &Path) -> Result<SqlitePool, StoreError> {
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(READER_WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options(path).read_only(true))
        .await
        .map_err(|source| unopened(path, source))
}

/// Refuses a database whose schema is not exactly the one the queries below are written for.
pub(super) async fn check_schema(path: &Path, readers: &SqlitePool) -> Result<(), StoreError> {
    let mut connection = readers.acquire().await.map_err(StoreError::read)?;
    let found = schema_version(&mut connection).await.map_err(|source| unopened(path, source))?;
    same_version(path, found)
}

fn same_version(path: &Path, found: i64) -> Result<(), StoreError> {
    let known = known_version();
    match found.cmp(&known) {
        std::cmp::Ordering::Greater => Err(newer(path, found)),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(StoreError::Older { path: path.to_owned(), found, known }),
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .optimize_on_close(false, None)
        .disable_statement_logging()
}

fn unopened(path: &Path, source: sqlx::Error) -> StoreError {
    StoreError::Open { path: path.to_owned(), source: Arc::new(source) }
}

fn newer(path: &Path, found: i64) -> StoreError {
    StoreError::Newer { path: path.to_owned(), found, known: known_version() }
}

/// 0 for an empty database.
async fn schema_version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let table: Option<i64> = sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations'")
        .fetch_optional(&mut *connection)
        .await?;
    if table.is_none() {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations").fetch_one(connection).await
}

/// Moves the write-ahead log into the database file and truncates it.
pub(super) async fn checkpoint(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await.map(drop)
}

// Writes. Each runs inside the transaction of its group.

pub(super) async fn insert_session(connection: &mut SqliteConnection, new: &NewSession) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO sessions (id, state, caller, shape, incident_id, created_at, deadline_at, incident)
         VALUES (?1, 'pending', ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(&new.id)
    .bind(&new.caller)
    .bind(&new.shape)
    .bind(&new.incident_id)
    .bind(new.created_at.as_microsecond())
    .bind(new.deadline_at.as_microsecond())
    .bind(&new.incident)
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO submissions (session_id, kind, idempotency_key, request_sha256) VALUES (?1, ?2, ?3, ?4)")
        .bind(&new.id)
        .bind(new.kind)
        .bind(&new.idempotency_key)
        .bind(new.request_sha256.as_slice())
        .execute(connection)
        .await
        .map(|done| done.rows_affected())
}

pub(super) async fn start_session(
    connection: &mut SqliteConnection,
    id: &str,
    at: Timestamp,
) -> Result<u64, sqlx::Error> {
    sqlx::query("UPDATE sessions SET state = 'investigating', started_at = ?2 WHERE id = ?1 AND state = 'pending'")
        .bind(id)
        .bind(at.as_microsecond())
        .execute(connection)
        .await
        .map(|done| done.rows_affected())
}

/// Affects no row when the session is unknown or already has a final state.
pub(super) async fn finish_session(connection: &mut SqliteConnection, end: &FinalState) -> Result<u64, sqlx::Error> {
    let finished = sqlx::query(
        "UPDATE sessions SET state = ?2, completed_at = ?3, error = ?4, result = ?5
         WHERE id = ?1 AND completed_at IS NULL",
    )
    .bind(&end.id)
    .bind(end.state)
    .bind(end.completed_at.as_microsecond())
    .bind(&end.error)
    .bind(&end.result)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if finished > 0 && end.standing.is_some() {
        let standing = sqlx::query("UPDATE submissions SET standing = ?2 WHERE session_id = ?1");
        standing.bind(&end.id).bind(&end.standing).execute(connection).await?;
    }
    Ok(finished)
}

pub(super) async fn remove_session(connection: &mut SqliteConnection, id: &str) -> Result<u64, sqlx::Error> {
    sqlx::query("DELETE FROM sessions WHERE id = ?1")
        .bind(id)
        .execute(connection)
        .await
        .map(|done| done.rows_affected())
}

/// Keeps one event in its table. The same event a second time (a retried write) changes nothing.
pub(super) async fn insert_event(connection: &mut SqliteConnection, row: &AuditRow) -> Result<u64, sqlx::Error> {
    match row.table {
        AuditTable::Local => insert_local(connection, row).await,
        AuditTable::Outbox => insert_outbox(connection, row).await,
    }
}

/// Keeps events of one table, in this order; answers for each whether it was new.
pub(super) async fn insert_events(
    connection: &mut SqliteConnection,
    table: AuditTable,
    rows: &[&AuditRow],
) -> Result<Vec<u64>, sqlx::Error> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(match table {
        AuditTable::Local => {
            "INSERT INTO audit_events
             (event_id, correlation_id, event_type, event_timestamp, body_bytes, sha256, body) "
        }
        AuditTable::Outbox => {
            "INSERT INTO audit_outbox
             (event_id, correlation_id, event_type, event_timestamp, body_bytes, sha256, body, created_at) "
        }
    });
    sql.push_values(rows, |mut values, row| {
        let at = row.event_timestamp.as_microsecond();
        values
            .push_bind(row.event_id.to_string())
            .push_bind(row.correlation_id.clone())
            .push_bind(row.event_type)
            .push_bind(at)
            .push_bind(i64::try_from(row.body.len()).unwrap_or(i64::MAX))
            .push_bind(digest(row.body.as_bytes()))
            .push_bind(row.body.clone());
        if table == AuditTable::Outbox {
            values.push_bind(at);
        }
    });
    sql.push(" ON CONFLICT (event_id) DO NOTHING RETURNING event_id");
    let kept: Vec<String> = sql.build_query_scalar().fetch_all(connection).await?;
    Ok(rows.iter().map(|row| u64::from(kept.contains(&row.event_id.to_string()))).collect())
}

async fn insert_local(connection: &mut SqliteConnection, row: &AuditRow) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO audit_events (event_id, correlation_id, event_type, event_timestamp, body_bytes, sha256, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (event_id) DO NOTHING",
    )
    .bind(row.event_id.to_string())
    .bind(&row.correlation_id)
    .bind(row.event_type)
    .bind(row.event_timestamp.as_microsecond())
    .bind(i64::try_from(row.body.len()).unwrap_or(i64::MAX))
    .bind(digest(row.body.as_bytes()))
    .bind(&row.body)
    .execute(connection)
    .await
    .map(|done| done.rows_affected())
}

/// Removes events older than `before`, then the oldest ones until `bytes_max` holds; at most `rows_max` of each kind.
pub(super) async fn prune_events(
    connection: &mut SqliteConnection,
    before: Timestamp,
    bytes_max: u64,
    rows_max: u32,
) -> Result<u64, sqlx::Error> {
    let expired = sqlx::query(
        "DELETE FROM audit_events WHERE seq IN
         (SELECT seq FROM audit_events WHERE event_timestamp < ?1 ORDER BY event_timestamp LIMIT ?2)",
    )
    .bind(before.as_microsecond())
    .bind(rows_max)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    let bytes: i64 = sqlx::query_scalar("SELECT bytes FROM audit_totals").fetch_one(&mut *connection).await?;
    let excess = bytes.saturating_sub(i64::try_from(bytes_max).unwrap_or(i64::MAX));
    if excess <= 0 {
        return Ok(expired);
    }
    // `sum` runs over the oldest rows only: the window ends with the limit.
    let surplus = sqlx::query(
        "DELETE FROM audit_events WHERE seq IN (SELECT seq FROM
         (SELECT seq, sum(body_bytes) OVER (ORDER BY seq) - body_bytes AS freed
          FROM (SELECT seq, body_bytes FROM audit_events ORDER BY seq LIMIT ?2)) WHERE freed < ?1)",
    )
    .bind(excess)
    .bind(rows_max)
    .execute(connection)
    .await?
    .rows_affected();
    Ok(expired + surplus)
}

/// A real commit that changes nothing.
pub(super) async fn probe(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    sqlx::query("UPDATE audit_totals SET one = one").execute(connection).await.map(|done| done.rows_affected())
}

// Reads.

/// The narrow columns of every session, oldest first.
pub(super) async fn sessions(readers: &SqlitePool) -> Result<Vec<SessionRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, state, caller, shape, incident_id, created_at, started_at, completed_at, deadline_at, error,
                coalesce(kind, 'incident') AS kind, idempotency_key, request_sha256, standing
         FROM sessions LEFT JOIN submissions ON session_id = id ORDER BY created_at",
    )
    .fetch_all(readers)
    .await
    .map_err(StoreError::read)?;
    rows.iter().map(session_row).collect()
}

fn session_row(row: &SqliteRow) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        id: text(row, "id")?,
        state: text(row, "state")?,
        caller: text(row, "caller")?,
        shape: text(row, "shape")?,
        incident_id: text(row, "incident_id")?,
        created_at: instant(row, "created_at")?,
        started_at: optional_instant(row, "started_at")?,
        completed_at: optional_instant(row, "completed_at")?,
        deadline_at: instant(row, "deadline_at")?,
        error: optional_text(row, "error")?,
        kind: text(row, "kind")?,
        idempotency_key: optional_text(row, "idempotency_key")?,
        request_sha256: bytes(row, "request_sha256")?,
        standing: optional_text(row, "standing")?,
    })
}

pub(super) async fn session_incident(readers: &SqlitePool, id: &str) -> Result<Option<String>, StoreError> {
    let incident = sqlx::query_scalar("SELECT incident FROM sessions WHERE id = ?1").bind(id);
    incident.fetch_optional(readers).await.map_err(StoreError::read)
}

pub(super) async fn session_result(readers: &SqlitePool, id: &str) -> Result<Option<String>, StoreError> {
    let result = sqlx::query_scalar("SELECT result FROM sessions WHERE id = ?1").bind(id);
    let row: Option<Option<String>> = result.fetch_optional(readers).await.map_err(StoreError::read)?;
    Ok(row.flatten())
}

pub(super) async fn events(readers: &SqlitePool, query: &AuditQuery) -> Result<Vec<StoredEvent>, StoreError> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(
        "SELECT seq, event_id, correlation_id, event_type, event_timestamp, sha256, body FROM audit_events WHERE seq > ",
    );
    push_filter(&mut sql, query);
    let rows = sql.build().fetch_all(readers).await.map_err(StoreError::read)?;
    rows.iter().map(stored_event).collect()
}

/// What follows `WHERE seq > `.
fn push_filter(sql: &mut QueryBuilder<Sqlite>, query: &AuditQuery) {
    sql.push_bind(query.after_seq);
    if let Some(correlation_id) = &query.correlation_id {
        sql.push(" AND correlation_id = ").push_bind(correlation_id.clone());
    }
    if let Some(event_type) = &query.event_type {
        sql.push(" AND event_type = ").push_bind(event_type.clone());
    }
    if let Some(event_id) = &query.event_id {
        sql.push(" AND event_id = ").push_bind(event_id.clone());
    }
    if let Some(since) = query.since {
        sql.push(" AND event_timestamp >= ").push_bind(since.as_microsecond());
    }
    if let Some(until) = query.until {
        sql.push(" AND event_timestamp < ").push_bind(until.as_microsecond());
    }
    sql.push(" ORDER BY seq LIMIT ").push_bind(query.events_max);
}

fn stored_event(row: &SqliteRow) -> Result<StoredEvent, StoreError> {
    let (body, intact) = body(row)?;
    Ok(StoredEvent {
        seq: number(row, "seq")?,
        event_id: text(row, "event_id")?,
        correlation_id: text(row, "correlation_id")?,
        event_type: text(row, "event_type")?,
        event_timestamp: instant(row, "event_timestamp")?,
        intact,
        body,
    })
}

pub(super) async fn audit_totals(readers: &SqlitePool) -> Result<AuditTotals, StoreError> {
    let row =
        sqlx::query("SELECT events, bytes FROM audit_totals").fetch_one(readers).await.map_err(StoreError::read)?;
    Ok(AuditTotals { events: total(&row, "events")?, bytes: total(&row, "bytes")? })
}

pub(super) async fn newest_event_timestamp(readers: &SqlitePool) -> Result<Option<Timestamp>, StoreError> {
    // An aggregate ignores nulls, the function `max` of several arguments does not.
    let newest: Option<i64> = sqlx::query_scalar(
        "SELECT max(newest) FROM (SELECT max(event_timestamp) AS newest FROM audit_events
         UNION ALL SELECT newest_timestamp FROM audit_outbox_totals)",
    )
    .fetch_one(readers)
    .await
    .map_err(StoreError::read)?;
    Ok(newest.map(timestamp))
}
