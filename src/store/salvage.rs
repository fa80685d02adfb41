//! A damaged database (audit §3.3): moved aside, never deleted; every row that can still be reached goes into a fresh one.
//!
//! When is it looked at? Checking takes some 9 ms for each megabyte (measured on two busy cores), so not at every start. A
//! database that was closed properly is believed. One that was not (its write-ahead log is still there) is checked when it
//! is small. Damage met while running leaves a mark, and the next start checks whatever the size. Bodies of
//! audit events have digests of their own, checked at every use.
//!
//! The order of steps survives a crash between any two of them: the originals are given a second name, the fresh file is
//! made beside them and takes their place only when it is complete.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::error::StoreError;
use super::location::{fault, make_private_file};
use super::sqlite;

/// Largest database checked after an end without a proper close, in bytes.
const CHECKED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What was saved from a damaged database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvage {
    /// Where the damaged database is now.
    pub aside: PathBuf,
    /// Rows kept, by table.
    pub kept: Vec<(&'static str, u64)>,
    /// Places in the tables that cannot be read; each may have held a row.
    pub unreadable: u64,
}

/// Opens the database for its owner; a damaged one is replaced by what can be saved of it.
pub(super) async fn open(database: &Path, durable: bool) -> Result<(SqliteConnection, Option<Salvage>), StoreError> {
    finish_replacement(database)?;
    let is_suspicious = is_suspicious(database);
    let damage = match sqlite::open_writer(database, durable).await {
        Ok(connection) if !is_suspicious => return Ok((connection, None)),
        Ok(mut connection) => match sqlite::find_damage(&mut connection).await {
            None => {
                forget_mark(database);
                return Ok((connection, None));
            }
            Some(damage) => damage,
        },
        Err(error) if error.is_damage() => error.to_string(),
        Err(error) => return Err(error),
    };
    let salvage = replace(database, durable).await?;
    tracing::error!(
        event = "store_salvaged",
        path = %database.display(),
        aside = %salvage.aside.display(),
        damage,
        kept = ?salvage.kept,
        unreadable = salvage.unreadable,
        "the state database is damaged: it was moved aside and what can be read was taken over"
    );
    forget_mark(database);
    let connection = sqlite::open_writer(database, durable).await?;
    Ok((connection, Some(salvage)))
}

/// Has the next start check the database.
pub(super) fn mark(database: &Path) -> io::Result<()> {
    File::create(beside(database, ".check")).map(drop)
}

fn is_suspicious(database: &Path) -> bool {
    let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let was_not_closed = size(&beside(database, "-wal")) > 0;
    beside(database, ".check").exists() || (was_not_closed && size(database) <= CHECKED_BYTES_MAX)
}

fn forget_mark(database: &Path) {
    // A mark that stays costs the next start a check.
    let _ = fs::remove_file(beside(database, ".check"));
}

/// Builds the fresh database and puts it in place.
async fn replace(database: &Path, durable: bool) -> Result<Salvage, StoreError> {
    let aside = beside(database, &format!(".damaged-{}", Timestamp::now().strftime("%Y%m%dT%H%M%S%fZ")));
    for suffix in ["-wal", ""] {
        let (from, to) = (beside(database, suffix), beside(&aside, suffix));
        if from.exists() {
            second_name(&from, &to).map_err(fault("move aside", &from))?;
        }
    }
    let fresh = beside(database, ".fresh");
    remove_database(&fresh).map_err(fault("remove", &fresh))?;
    make_private_file(&fresh).map_err(fault("make", &fresh))?;
    let (kept, unreadable) = sqlite::salvage(&fresh, &aside, durable).await?;
    let _ = fs::remove_file(beside(&aside, "-shm"));
    let complete = beside(database, ".salvaged");
    let sync = || File::open(&fresh)?.sync_all();
    sync().and_then(|()| fs::rename(&fresh, &complete)).map_err(fault("finish", &fresh))?;
    finish_replacement(database)?;
    Ok(Salvage { aside, kept, unreadable })
}

/// Puts a complete fresh database in the place of the damaged one. The old write-ahead log goes first: it would be applied
/// to the new file.
fn finish_replacement(database: &Path) -> Result<(), StoreError> {
    let complete = beside(database, ".salvaged");
    if !complete.exists() {
        return Ok(());
    }
    let exchange = || {
        for suffix in ["-wal", "-shm"] {
            remove_if_there(&beside(database, suffix))?;
        }
        fs::rename(&complete, database)?;
        match database.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    };
    exchange().map_err(fault("replace", database))
}

fn second_name(from: &Path, to: &Path) -> io::Result<()> {
    // Some volumes know no second names.
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}

fn remove_database(path: &Path) -> io::Result<()> {
    ["", "-wal", "-shm"].into_iter().try_for_each(|suffix| remove_if_there(&beside(path, suffix)))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
