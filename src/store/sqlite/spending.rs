//! What was spent, by day and caller.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqlitePool;

use super::columns::{number, text, total};
use crate::store::error::StoreError;
use crate::store::rows::SpendingRow;

/// Adds to an account. The first of a day makes a trigger forget old days.
pub(in crate::store) async fn spend(connection: &mut SqliteConnection, row: &SpendingRow) -> Result<u64, sqlx::Error> {
    let amount = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO spending (day, caller, calls, tokens, unpriced_calls, unpriced_tokens, nano_dollars, wall_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (day, caller) DO UPDATE SET
         calls = calls + excluded.calls, tokens = tokens + excluded.tokens,
         unpriced_calls = unpriced_calls + excluded.unpriced_calls,
         unpriced_tokens = unpriced_tokens + excluded.unpriced_tokens,
         nano_dollars = nano_dollars + excluded.nano_dollars, wall_ms = wall_ms + excluded.wall_ms",
    )
    .bind(row.day)
    .bind(&row.caller)
    .bind(amount(row.calls))
    .bind(amount(row.tokens))
    .bind(amount(row.unpriced_calls))
    .bind(amount(row.unpriced_tokens))
    .bind(amount(row.nano_dollars))
    .bind(amount(row.wall_ms))
    .execute(connection)
    .await
    .map(|done| done.rows_affected())
}

pub(in crate::store) async fn spending_of(readers: &SqlitePool, day: i64) -> Result<Vec<SpendingRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM spending WHERE day = ?1 ORDER BY caller").bind(day);
    let rows = rows.fetch_all(readers).await.map_err(StoreError::read)?;
    let row = |row| {
        Ok(SpendingRow {
            day: number(row, "day")?,
            caller: text(row, "caller")?,
            calls: total(row, "calls")?,
            tokens: total(row, "tokens")?,
            unpriced_calls: total(row, "unpriced_calls")?,
            unpriced_tokens: total(row, "unpriced_tokens")?,
            nano_dollars: total(row, "nano_dollars")?,
            wall_ms: total(row, "wall_ms")?,
        })
    };
    rows.iter().map(row).collect()
}
