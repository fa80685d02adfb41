//! Statements of the outbox and the quarantine.

use futures_util::TryStreamExt;
use jiff::Timestamp;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::columns::{body, count, digest, instant, number, optional_instant, optional_number, text, timestamp, total};
use super::{push_filter, stored_event};
use crate::store::error::StoreError;
use crate::store::rows::{
    Arrival, AuditQuery, AuditRow, DoubtfulRow, OutboxChange, OutboxRow, OutboxState, OutboxTotals, QuarantineReason,
    QuarantinedEvent, WaitingEvent,
};

/// Keeps one event for delivery. The same event a second time (a retried write) changes nothing.
pub(in crate::store) async fn insert_outbox(
    connection: &mut SqliteConnection,
    row: &AuditRow,
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO audit_outbox
         (event_id, correlation_id, event_type, event_timestamp, created_at, body_bytes, sha256, body)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7) ON CONFLICT (event_id) DO NOTHING",
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

/// Answers the number of rows that changed.
pub(in crate::store) async fn change_outbox(
    connection: &mut SqliteConnection,
    change: &OutboxChange,
) -> Result<u64, sqlx::Error> {
    let query = match change {
        OutboxChange::Attempt { seqs, at, ask_at } => sqlx::query(
            "UPDATE audit_outbox SET state = 'attempted', attempts = attempts + 1, confirmations = 0,
             first_attempt_at = coalesce(first_attempt_at, ?2), next_attempt_at = ?3
             WHERE seq IN (SELECT value FROM json_each(?1))",
        )
        .bind(list(seqs))
        .bind(at.as_microsecond())
        .bind(ask_at.as_microsecond()),
        OutboxChange::Release { seqs } => sqlx::query(
            "UPDATE audit_outbox SET state = 'pending', confirmations = 0, next_attempt_at = NULL
             WHERE seq IN (SELECT value FROM json_each(?1))",
        )
        .bind(list(seqs)),
        OutboxChange::Unconfirmed { seqs, asked, ask_at } => sqlx::query(
            "UPDATE audit_outbox SET state = 'unconfirmed', confirmations = ?2, next_attempt_at = ?3
             WHERE seq IN (SELECT value FROM json_each(?1))",
        )
        .bind(list(seqs))
        .bind(*asked)
        .bind(ask_at.as_microsecond()),
        OutboxChange::Park { seq, until } => {
            sqlx::query("UPDATE audit_outbox SET state = 'suspect', next_attempt_at = ?2 WHERE seq = ?1")
                .bind(*seq)
                .bind(until.as_microsecond())
        }
        OutboxChange::Delivered { seqs, at } => return delivered(connection, seqs, *at).await,
        OutboxChange::Quarantine { seq, reason, status, problem, at } => {
            let verdict = Verdict { reason: *reason, status: *status, problem, at: *at };
            return quarantine(connection, *seq, &verdict).await;
        }
    };
    query.execute(connection).await.map(|done| done.rows_affected())
}

async fn delivered(connection: &mut SqliteConnection, seqs: &[i64], at: Timestamp) -> Result<u64, sqlx::Error> {
    let gone = sqlx::query("DELETE FROM audit_outbox WHERE seq IN (SELECT value FROM json_each(?1))")
        .bind(list(seqs))
        .execute(&mut *connection)
        .await?
        .rows_affected();
    sqlx::query("UPDATE audit_outbox_totals SET delivered = delivered + ?1, last_delivered_at = ?2")
        .bind(i64::try_from(gone).unwrap_or(i64::MAX))
        .bind(at.as_microsecond())
        .execute(connection)
        .await?;
    Ok(gone)
}

struct Verdict<'a> {
    reason: QuarantineReason,
    status: Option<u16>,
    problem: &'a str,
    at: Timestamp,
}

/// The body moves inside the database: altered ones need not be text any more.
async fn quarantine(connection: &mut SqliteConnection, seq: i64, verdict: &Verdict<'_>) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO audit_quarantine (event_id, correlation_id, event_type, event_timestamp, reason, status, problem,
             attempts, first_seen, quarantined_at, body_bytes, sha256, body)
         SELECT event_id, correlation_id, event_type, event_timestamp, ?2, ?3, ?4,
             attempts, created_at, ?5, body_bytes, sha256, body FROM audit_outbox WHERE seq = ?1
         ON CONFLICT (event_id) DO NOTHING",
    )
    .bind(seq)
    .bind(verdict.reason.as_str())
    .bind(verdict.status)
    .bind(verdict.problem)
    .bind(verdict.at.as_microsecond())
    .execute(&mut *connection)
    .await?;
    let gone = sqlx::query("DELETE FROM audit_outbox WHERE seq = ?1").bind(seq).execute(connection).await?;
    Ok(gone.rows_affected())
}

/// Removes quarantined events older than `before`, then the oldest until `bytes_max` holds; at most `rows_max` of each.
pub(in crate::store) async fn prune_quarantine(
    connection: &mut SqliteConnection,
    before: Timestamp,
    bytes_max: u64,
    rows_max: u32,
) -> Result<u64, sqlx::Error> {
    let expired = sqlx::query(
        "DELETE FROM audit_quarantine WHERE seq IN
         (SELECT seq FROM audit_quarantine WHERE quarantined_at < ?1 ORDER BY quarantined_at LIMIT ?2)",
    )
    .bind(before.as_microsecond())
    .bind(rows_max)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    let bytes: i64 =
        sqlx::query_scalar("SELECT quarantined_bytes FROM audit_outbox_totals").fetch_one(&mut *connection).await?;
    let excess = bytes.saturating_sub(i64::try_from(bytes_max).unwrap_or(i64::MAX));
    if excess <= 0 {
        return Ok(expired);
    }
    let surplus = sqlx::query(
        "DELETE FROM audit_quarantine WHERE seq IN (SELECT seq FROM
         (SELECT seq, sum(body_bytes) OVER (ORDER BY seq) - body_bytes AS freed
          FROM (SELECT seq, body_bytes FROM audit_quarantine ORDER BY seq LIMIT ?2)) WHERE freed < ?1)",
    )
    .bind(excess)
    .bind(rows_max)
    .execute(connection)
    .await?
    .rows_affected();
    Ok(expired + surplus)
}

/// Moves an event from the quarantine back to the end of the outbox, where it waits from `now` on. Answers 0 when there is
/// no such event.
pub(in crate::store) async fn requeue(
    connection: &mut SqliteConnection,
    event_id: &str,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    sqlx::query(
        "INSERT INTO audit_outbox (event_id, correlation_id, event_type, event_timestamp, created_at, body_bytes, sha256,
             body)
         SELECT event_id, correlation_id, event_type, event_timestamp, ?2, body_bytes, sha256, body
         FROM audit_quarantine WHERE event_id = ?1 ON CONFLICT (event_id) DO NOTHING",
    )
    .bind(event_id)
    .bind(now.as_microsecond())
    .execute(&mut *connection)
    .await?;
    let gone = sqlx::query("DELETE FROM audit_quarantine WHERE event_id = ?1").bind(event_id).execute(connection);
    gone.await.map(|done| done.rows_affected())
}

/// JSON array, for `json_each`.
fn list(seqs: &[i64]) -> String {
    let numbers: Vec<String> = seqs.iter().map(i64::to_string).collect();
    format!("[{}]", numbers.join(","))
}

// Reads.

/// Events behind `after_seq` in the order they were recorded, suspects left out.
pub(in crate::store) async fn arrivals(
    readers: &SqlitePool,
    after_seq: i64,
    rows_max: u32,
) -> Result<Vec<Arrival>, StoreError> {
    let rows = sqlx::query(
        "SELECT seq, correlation_id, state, next_attempt_at FROM audit_outbox
         WHERE seq > ?1 AND state <> 'suspect' ORDER BY seq LIMIT ?2",
    )
    .bind(after_seq)
    .bind(rows_max)
    .fetch_all(readers)
    .await
    .map_err(StoreError::read)?;
    let arrival = |row: &SqliteRow| {
        Ok(Arrival {
            seq: number(row, "seq")?,
            correlation_id: text(row, "correlation_id")?,
            state: state(row)?,
            next_attempt_at: optional_instant(row, "next_attempt_at")?,
        })
    };
    rows.iter().map(arrival).collect()
}

/// The oldest events of a correlation up to `until_seq`, suspects left out, while their bodies fit into `bytes_max`;
/// always at least one.
pub(in crate::store) async fn outbox_rows(
    readers: &SqlitePool,
    correlation_id: &str,
    until_seq: i64,
    rows_max: u32,
    bytes_max: usize,
) -> Result<Vec<OutboxRow>, StoreError> {
    let mut found = sqlx::query(
        "SELECT seq, event_id, correlation_id, event_type, event_timestamp, attempts, sha256, body FROM audit_outbox
         WHERE correlation_id = ?1 AND seq <= ?2 AND state <> 'suspect' ORDER BY seq LIMIT ?3",
    )
    .bind(correlation_id)
    .bind(until_seq)
    .bind(rows_max)
    .fetch(readers);
    let mut rows = Vec::new();
    let mut bytes = 0;
    while let Some(row) = found.try_next().await.map_err(StoreError::read)? {
        let row = outbox_row(&row)?;
        bytes += row.body.as_ref().map_or(0, String::len);
        if bytes > bytes_max && !rows.is_empty() {
            break;
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The suspect whose next attempt is due first, when that is `now` or earlier.
pub(in crate::store) async fn due_suspect(
    readers: &SqlitePool,
    now: Timestamp,
) -> Result<Option<OutboxRow>, StoreError> {
    let row = sqlx::query(
        "SELECT seq, event_id, correlation_id, event_type, event_timestamp, attempts, sha256, body FROM audit_outbox
         WHERE state = 'suspect' AND next_attempt_at <= ?1 ORDER BY next_attempt_at LIMIT 1",
    )
    .bind(now.as_microsecond())
    .fetch_optional(readers)
    .await
    .map_err(StoreError::read)?;
    row.as_ref().map(outbox_row).transpose()
}

/// When the next suspect is due.
pub(in crate::store) async fn next_suspect_at(readers: &SqlitePool) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = sqlx::query_scalar("SELECT min(next_attempt_at) FROM audit_outbox WHERE state = 'suspect'")
        .fetch_one(readers)
        .await
        .map_err(StoreError::read)?;
    Ok(at.map(timestamp))
}

/// Attempted and unconfirmed events of a correlation, oldest first.
pub(in crate::store) async fn doubtful(
    readers: &SqlitePool,
    correlation_id: &str,
    rows_max: u32,
) -> Result<Vec<DoubtfulRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT seq, event_id, event_timestamp, state, confirmations FROM audit_outbox
         WHERE correlation_id = ?1 AND state IN ('attempted', 'unconfirmed') ORDER BY seq LIMIT ?2",
    )
    .bind(correlation_id)
    .bind(rows_max)
    .fetch_all(readers)
    .await
    .map_err(StoreError::read)?;
    let doubtful = |row: &SqliteRow| {
        Ok(DoubtfulRow {
            seq: number(row, "seq")?,
            event_id: text(row, "event_id")?,
            event_timestamp: instant(row, "event_timestamp")?,
            state: state(row)?,
            confirmations: count(row, "confirmations")?,
        })
    };
    rows.iter().map(doubtful).collect()
}

pub(in crate::store) async fn outbox_totals(readers: &SqlitePool) -> Result<OutboxTotals, StoreError> {
    let row = sqlx::query(
        "SELECT events, bytes, delivered, last_delivered_at, quarantined, quarantined_bytes,
             (SELECT created_at FROM audit_outbox WHERE state <> 'suspect' ORDER BY seq LIMIT 1) AS oldest FROM audit_outbox_totals",
    )
    .fetch_one(readers)
    .await
    .map_err(StoreError::read)?;
    Ok(OutboxTotals {
        events: total(&row, "events")?,
        bytes: total(&row, "bytes")?,
        oldest: optional_instant(&row, "oldest")?,
        delivered: total(&row, "delivered")?,
        last_delivered_at: optional_instant(&row, "last_delivered_at")?,
        quarantined: total(&row, "quarantined")?,
        quarantined_bytes: total(&row, "quarantined_bytes")?,
    })
}

pub(in crate::store) async fn waiting_events(
    readers: &SqlitePool,
    query: &AuditQuery,
) -> Result<Vec<WaitingEvent>, StoreError> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(
        "SELECT seq, event_id, correlation_id, event_type, event_timestamp, sha256, body, state, attempts,
             next_attempt_at FROM audit_outbox WHERE seq > ",
    );
    push_filter(&mut sql, query);
    let rows = sql.build().fetch_all(readers).await.map_err(StoreError::read)?;
    let waiting = |row: &SqliteRow| {
        Ok(WaitingEvent {
            event: stored_event(row)?,
            state: state(row)?,
            attempts: count(row, "attempts")?,
            next_attempt_at: optional_instant(row, "next_attempt_at")?,
        })
    };
    rows.iter().map(waiting).collect()
}

pub(in crate::store) async fn quarantined_events(
    readers: &SqlitePool,
    query: &AuditQuery,
) -> Result<Vec<QuarantinedEvent>, StoreError> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(
        "SELECT seq, event_id, correlation_id, event_type, event_timestamp, sha256, body, reason, status, problem,
             attempts, first_seen, quarantined_at FROM audit_quarantine WHERE seq > ",
    );
    push_filter(&mut sql, query);
    let rows = sql.build().fetch_all(readers).await.map_err(StoreError::read)?;
    let quarantined = |row: &SqliteRow| {
        let reason = text(row, "reason")?;
        Ok(QuarantinedEvent {
            event: stored_event(row)?,
            reason: QuarantineReason::parse(&reason).unwrap_or(QuarantineReason::Altered),
            status: status(row)?,
            problem: text(row, "problem")?,
            attempts: count(row, "attempts")?,
            first_seen: instant(row, "first_seen")?,
            quarantined_at: instant(row, "quarantined_at")?,
        })
    };
    rows.iter().map(quarantined).collect()
}

fn outbox_row(row: &SqliteRow) -> Result<OutboxRow, StoreError> {
    let (body, intact) = body(row)?;
    Ok(OutboxRow {
        seq: number(row, "seq")?,
        event_id: text(row, "event_id")?,
        correlation_id: text(row, "correlation_id")?,
        event_type: text(row, "event_type")?,
        event_timestamp: instant(row, "event_timestamp")?,
        attempts: count(row, "attempts")?,
        body: intact.then_some(body),
    })
}

/// A state that is none any more is doubt: the receiver is asked before anything is sent.
fn state(row: &SqliteRow) -> Result<OutboxState, StoreError> {
    Ok(OutboxState::parse(&text(row, "state")?).unwrap_or(OutboxState::Attempted))
}

fn status(row: &SqliteRow) -> Result<Option<u16>, StoreError> {
    Ok(optional_number(row, "status")?.and_then(|status| u16::try_from(status).ok()))
}
