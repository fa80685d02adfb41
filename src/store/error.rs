//! What can go wrong with the database.

use std::path::PathBuf;
use std::sync::Arc;

/// A failure of the store. Cloneable because one failed commit answers every write of its group.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// `store.url` is not understood.
    #[error("store.url `{url}`: {reason}")]
    Url { url: String, reason: &'static str },
    /// Directory or file cannot be made or opened.
    #[error("cannot {action} {}", path.display())]
    File { action: &'static str, path: PathBuf, source: Arc<std::io::Error> },
    /// Another serving process owns the database.
    #[error("{} is in use by another process{}; two services need two state directories", path.display(), holder_text(holder))]
    Locked { path: PathBuf, holder: Option<u32> },
    /// Written by a newer version of the service, which this one must not touch.
    #[error(
        "{} was written by a newer version (schema {found}, this version knows {known}); upgrade the service or use \
         another state directory", path.display()
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    /// Read-only access to a database that has not been migrated yet.
    #[error("{} has schema {found} and needs {known}; start the service once", path.display())]
    Older { path: PathBuf, found: i64, known: i64 },
    /// Not a database of this service, or damaged.
    #[error("{} cannot be opened as a state database", path.display())]
    Open { path: PathBuf, source: Arc<sqlx::Error> },
    #[error("the store cannot be read")]
    Read(#[source] Arc<sqlx::Error>),
    /// Nothing of the write happened.
    #[error("the store cannot be written")]
    Write(#[source] Arc<sqlx::Error>),
    /// A stored value is outside its range.
    #[error("the store holds an impossible value in {column}")]
    Value { column: &'static str },
    /// A write through read-only access.
    #[error("the store was opened for reading only")]
    ReadOnly,
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Whether the database itself is at fault: its file holds something else than SQLite wrote.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Open { source, .. } | Self::Read(source) | Self::Write(source) => says_damage(source),
            Self::Value { .. } => true,
            Self::Url { .. }
            | Self::File { .. }
            | Self::Locked { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::ReadOnly
            | Self::Closed => false,
        }
    }

    pub(super) fn read(source: sqlx::Error) -> Self {
        Self::Read(Arc::new(source))
    }

    pub(super) fn write(source: sqlx::Error) -> Self {
        Self::Write(Arc::new(source))
    }
}

fn says_damage(error: &sqlx::Error) -> bool {
    /// Primary result codes of SQLite: the file is malformed, the file is no database.
    const DAMAGE: [i32; 2] = [11, 26];
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            code.is_some_and(|code| DAMAGE.contains(&(code & 0xff)))
        }
        // A column that holds another type than its table declares.
        sqlx::Error::ColumnDecode { .. } => true,
        sqlx::Error::Migrate(error) => match error.as_ref() {
            sqlx::migrate::MigrateError::Execute(error) | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
                says_damage(error)
            }
            _ => false,
        },
        _ => false,
    }
}

fn holder_text(holder: &Option<u32>) -> String {
    holder.map_or_else(String::new, |pid| format!(" (pid {pid})"))
}
