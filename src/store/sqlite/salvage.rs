//! Finding damage, and reading around it.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use super::open_writer;
use crate::store::error::StoreError;

/// Tables worth saving; each has a rowid.
const TABLES: [&str; 5] = ["sessions", "audit_events", "audit_outbox", "audit_quarantine", "spending"];
/// Statements for one table: a damaged place costs about twenty.
const STATEMENTS_MAX: u32 = 100_000;
/// Highest rowid looked for when a table does not tell its own.
const ROWID_GUESS: i64 = 1 << 24;

/// What is wrong with the structure of the database; `None` when it is sound. Reads the whole file.
pub(in crate::store) async fn find_damage(connection: &mut SqliteConnection) -> Option<String> {
    let found: Result<String, sqlx::Error> = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(connection).await;
    match found {
        Ok(verdict) if verdict == "ok" => None,
        Ok(damage) => Some(damage),
        Err(error) => Some(error.to_string()),
    }
}

/// Makes the database `fresh` and copies every row of `damaged` into it that can be reached. Answers the rows kept of each
/// table and the number of places that cannot be read.
pub(in crate::store) async fn salvage(
    fresh: &Path,
    damaged: &Path,
    durable: bool,
) -> Result<(Vec<(&'static str, u64)>, u64), StoreError> {
    let mut connection = open_writer(fresh, durable).await?;
    // Definitions that cannot be read are passed over instead of hiding the others.
    sqlx::query("PRAGMA writable_schema = ON").execute(&mut connection).await.map_err(StoreError::write)?;
    let attached =
        sqlx::query("ATTACH DATABASE ?1 AS damaged").bind(read_only_uri(damaged)).execute(&mut connection).await;
    let mut kept = Vec::new();
    let mut unreadable = 0;
    if attached.is_ok() {
        for table in TABLES {
            let mut copy = Copy { table, columns: String::new(), kept: 0, unreadable: 0, statements: 0 };
            copy.run(&mut connection).await;
            kept.push((table, copy.kept));
            unreadable += copy.unreadable;
        }
        carry_over_totals(&mut connection).await;
    }
    super::checkpoint(&mut connection).await.map_err(StoreError::write)?;
    connection.close().await.map_err(StoreError::write)?;
    Ok((kept, unreadable))
}

/// The damaged file stays as it is.
fn read_only_uri(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{path}?mode=ro")
}

/// Event times go on behind the newest one of the damaged database, when it still tells.
async fn carry_over_totals(connection: &mut SqliteConnection) {
    let carried = sqlx::query(
        "UPDATE main.audit_outbox_totals SET
         newest_timestamp = (SELECT max(newest) FROM (SELECT newest_timestamp AS newest FROM damaged.audit_outbox_totals
             UNION ALL SELECT newest_timestamp FROM main.audit_outbox_totals)),
         delivered = (SELECT delivered FROM damaged.audit_outbox_totals),
         last_delivered_at = (SELECT last_delivered_at FROM damaged.audit_outbox_totals)",
    );
    if let Err(error) = carried.execute(connection).await {
        tracing::debug!(event = "store_salvage_totals", error = %error, "counters begin at zero");
    }
}

/// One table being copied.
struct Copy {
    table: &'static str,
    columns: String,
    kept: u64,
    unreadable: u64,
    statements: u32,
}

impl Copy {
    async fn run(&mut self, connection: &mut SqliteConnection) {
        let Ok(columns) = self.shared_columns(connection).await else { return };
        if columns.is_empty() {
            return;
        }
        self.columns = columns.join(", ");
        let (first, last) = self.bounds(connection).await;
        // Halves of what cannot be read in one go, down to single rows; a stack instead of recursion.
        let mut ranges = vec![(first, last)];
        while let Some((low, high)) = ranges.pop() {
            self.statements += 1;
            if low > high || self.statements > STATEMENTS_MAX {
                continue;
            }
            match self.copy(connection, low, high).await {
                Ok(rows) => self.kept += rows,
                Err(_) if low == high => self.unreadable += 1,
                Err(_) => {
                    let middle = low + (high - low) / 2;
                    ranges.extend([(middle + 1, high), (low, middle)]);
                }
            }
        }
    }

    /// Columns that both databases know: the damaged one may be of an earlier version.
    async fn shared_columns(&self, connection: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
        let names = async |connection: &mut SqliteConnection, schema: &str| {
            let sql = format!("SELECT name FROM pragma_table_info('{}', '{schema}')", self.table);
            sqlx::query_scalar::<_, String>(AssertSqlSafe(sql)).fetch_all(connection).await
        };
        let theirs = names(connection, "damaged").await?;
        let mut ours = names(connection, "main").await?;
        ours.retain(|name| theirs.contains(name));
        Ok(ours)
    }

    async fn bounds(&self, connection: &mut SqliteConnection) -> (i64, i64) {
        let end = async |connection: &mut SqliteConnection, order: &str| {
            let sql = format!("SELECT rowid FROM damaged.{} ORDER BY rowid {order} LIMIT 1", self.table);
            let row = sqlx::query(AssertSqlSafe(sql)).fetch_optional(connection).await?;
            row.map(|row| row.try_get::<i64, _>(0)).transpose()
        };
        let first = match end(connection, "ASC").await {
            Ok(None) => return (1, 0),
            Ok(Some(first)) => first,
            Err(_) => 1,
        };
        let last = match end(connection, "DESC").await {
            Ok(last) => last.unwrap_or(first),
            Err(_) => self.sequence(connection).await.unwrap_or(ROWID_GUESS),
        };
        // Keys begin at 1; a damaged page may say anything.
        (first.max(1), last)
    }

    /// The highest key ever given, where the table keeps one.
    async fn sequence(&self, connection: &mut SqliteConnection) -> Option<i64> {
        let sequence = sqlx::query_scalar("SELECT seq FROM damaged.sqlite_sequence WHERE name = ?1").bind(self.table);
        sequence.fetch_optional(connection).await.ok().flatten()
    }

    /// All rows of a range or none. A row that breaks a rule of the schema is left out.
    async fn copy(&self, connection: &mut SqliteConnection, low: i64, high: i64) -> Result<u64, sqlx::Error> {
        let Self { table, columns, .. } = self;
        let sql = format!(
            "INSERT OR IGNORE INTO main.{table} ({columns})
             SELECT {columns} FROM damaged.{table} WHERE rowid BETWEEN ?1 AND ?2"
        );
        let copied = sqlx::query(AssertSqlSafe(sql)).bind(low).bind(high).execute(connection).await?;
        Ok(copied.rows_affected())
    }
}
