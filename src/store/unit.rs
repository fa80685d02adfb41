//! What one statement does of a group of writes.

use sqlx::SqliteConnection;

use super::rows::{AuditRow, AuditTable};
use super::sqlite;
use super::writer::Write;

/// Events kept by one statement. Each number of rows is a statement of its own, which stays prepared.
const EVENTS_MAX: usize = 8;

/// One write, or events for the same table that follow each other.
#[derive(Debug)]
pub(super) enum Unit<'a> {
    Events(AuditTable, Vec<&'a AuditRow>),
    Other(&'a Write),
}

/// The writes in their order.
pub(super) fn units<'a>(writes: &[&'a Write]) -> Vec<Unit<'a>> {
    let mut units = Vec::with_capacity(writes.len());
    for write in writes {
        let Write::RecordEvent(row) = write else {
            units.push(Unit::Other(write));
            continue;
        };
        match units.last_mut() {
            Some(Unit::Events(table, rows)) if *table == row.table && rows.len() < EVENTS_MAX => rows.push(row),
            _ => units.push(Unit::Events(row.table, vec![row])),
        }
    }
    units
}

impl Unit<'_> {
    /// Whether the database makes a transaction of it by itself.
    pub(super) fn is_one_statement(&self) -> bool {
        match self {
            Self::Events(..) => true,
            Self::Other(write) => write.is_one_statement(),
        }
    }

    /// Rows affected by each of its writes.
    pub(super) async fn apply(&self, connection: &mut SqliteConnection) -> Result<Vec<u64>, sqlx::Error> {
        match self {
            Self::Events(table, rows) => match rows.as_slice() {
                [row] => sqlite::insert_event(connection, row).await.map(|affected| vec![affected]),
                rows => sqlite::insert_events(connection, *table, rows).await,
            },
            Self::Other(write) => write.apply(connection).await.map(|affected| vec![affected]),
        }
    }
}
