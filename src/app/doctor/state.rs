//! Where state is kept: directory, modes, room, database, and audit events that do not get away.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use super::Examination;
use super::report::{Area, Check};
use super::rows::{Finding, Rows, chain};
use crate::store::{Access, OutboxTotals, Store, StoreError, StoreLocation};

/// Less room than this is told, in MiB; under a tenth of it nothing can be relied on.
const FREE_MIB_MIN: u64 = 1_024;
/// Events that wait longer do not get away.
const BACKLOG_AGE_MAX: SignedDuration = SignedDuration::from_mins(10);
const LATE: &str = "See whether the volume of the state directory answers.";

pub(super) async fn check(examination: &Examination, until: Instant) -> Vec<Check> {
    let mut rows = Rows::of(Area::State, until);
    let database = match &examination.location {
        Ok(StoreLocation::File(path)) => path.clone(),
        Ok(StoreLocation::Temporary) => {
            rows.note("directory", Finding::skipped("a temporary one: nothing is kept"));
            return rows.into_checks();
        }
        Err(reason) => {
            rows.note("directory", Finding::failed(reason.clone(), "Name a directory in store.url or --state-dir."));
            return rows.into_checks();
        }
    };
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let looked = tokio::task::spawn_blocking({
        let database = database.clone();
        move || look(&folder, &database)
    });
    let found = rows.ask("directory", LATE, looked, |found| match found {
        Ok(looks) => looks.directory.clone(),
        Err(_) => Finding::failed("looking at it ended unexpectedly", "Report this: it is a defect."),
    });
    if let Some(Ok(looks)) = found.await {
        for (name, finding) in [("room", looks.room), ("modes", looks.modes)] {
            if let Some(finding) = finding {
                rows.note(name, finding);
            }
        }
    }
    if database.exists() {
        look_inside(&mut rows, &database).await;
    } else {
        rows.note("database", Finding::skipped("there is none yet; the first start makes it"));
    }
    rows.into_checks()
}

struct Looks {
    directory: Finding,
    room: Option<Finding>,
    modes: Option<Finding>,
}

/// Blocks on the file system.
fn look(folder: &Path, database: &Path) -> Looks {
    let Some(existing) = folder.ancestors().find(|place| place.is_dir()) else {
        let directory = Finding::failed(format!("{} cannot be made", folder.display()), "Name another directory.");
        return Looks { directory, room: None, modes: None };
    };
    Looks { directory: writable(folder, existing), room: room(existing), modes: modes(folder, database) }
}

/// Writes a file of its own there and takes it away again.
fn writable(folder: &Path, existing: &Path) -> Finding {
    let probe = existing.join(format!(".doctor-{}", Uuid::new_v4()));
    let written = fs::write(&probe, b"").and_then(|()| fs::remove_file(&probe));
    match written {
        Err(error) => Finding::failed(
            format!("{} cannot be written: {error}", existing.display()),
            "Let the user this service runs as write there, mount a volume, or name another directory in store.url or \
             --state-dir.",
        ),
        Ok(()) if existing != folder => Finding::ok(format!("{} will be made at the first start", folder.display())),
        Ok(()) => Finding::ok(format!("{} can be written", folder.display())),
    }
}

fn room(place: &Path) -> Option<Finding> {
    let volume = rustix::fs::statvfs(place).ok()?;
    let free = volume.f_bavail.saturating_mul(volume.f_frsize) >> 20;
    let seen = format!("{free} MiB are free");
    let mend = "Make room or use a larger volume: a full disk stops the service from accepting incidents.";
    Some(match free {
        free if free < FREE_MIB_MIN / 10 => Finding::failed(seen, mend),
        free if free < FREE_MIB_MIN => Finding::warning(seen, mend),
        _ => Finding::ok(seen),
    })
}

/// Nobody else changes the directory, nobody else reads the database.
fn modes(folder: &Path, database: &Path) -> Option<Finding> {
    const WORLD_WRITES: u32 = 0o002;
    const OTHERS: u32 = 0o077;
    let open = |path: &Path, bits: u32| {
        let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
        Some((path.to_owned(), mode, mode & bits != 0))
    };
    let found: Vec<(PathBuf, u32, bool)> =
        [open(folder, WORLD_WRITES), open(database, OTHERS)].into_iter().flatten().collect();
    if found.is_empty() {
        return None;
    }
    let exposed: Vec<_> = found.iter().filter(|(_, _, is_open)| *is_open).collect();
    if exposed.is_empty() {
        return Some(Finding::ok("others cannot get at incidents and results"));
    }
    let shown: Vec<String> =
        exposed.iter().map(|(path, mode, _)| format!("{} has mode {mode:04o}", path.display())).collect();
    let commands: Vec<String> = exposed.iter().map(|(path, _, _)| format!("chmod go-rwx {}", path.display())).collect();
    Some(Finding::warning(
        format!("others may get at incidents and results: {}", shown.join(", ")),
        format!("Run `{}`.", commands.join("; ")),
    ))
}

/// Reads the database beside a service that may be using it.
async fn look_inside(rows: &mut Rows, database: &Path) {
    let location = StoreLocation::File(database.to_owned());
    let read = async {
        let store = Store::open(&location, Access::ReadOnly).await?;
        let totals = store.outbox_totals().await;
        let sessions = store.sessions().await;
        // Nothing was written: a failure to close loses nothing.
        let _ = store.close().await;
        Ok::<_, StoreError>((totals?, sessions?.len()))
    };
    let judge = |read: &Result<_, StoreError>| match read {
        Ok((_, sessions)) => Finding::ok(format!("its schema is the one this version uses; {sessions} sessions")),
        Err(error) => unreadable(error),
    };
    if let Some(Ok((totals, _))) = rows.ask("database", LATE, read, judge).await {
        rows.note("audit backlog", backlog(&totals, Timestamp::now()));
        if totals.quarantined > 0 {
            rows.note(
                "quarantine",
                Finding::warning(
                    format!("DataStorage refused {} audit events", totals.quarantined),
                    "See why with `audit export --quarantine`; put them back with `audit requeue`.",
                ),
            );
        }
    }
}

fn unreadable(error: &StoreError) -> Finding {
    let seen = chain(error);
    match error {
        StoreError::Older { .. } => Finding::warning(seen, "The next start of the service brings it up to date."),
        StoreError::Newer { .. } => {
            Finding::failed(seen, "Run the newer version again, or name another state directory.")
        }
        StoreError::File { .. } => Finding::failed(seen, "Let the user this service runs as read and write the file."),
        error if error.is_damage() => Finding::failed(
            seen,
            "Start the service: it keeps the damaged file aside and saves every row that can be read.",
        ),
        _ => Finding::failed(seen, "See whether the file is a state database of this service."),
    }
}

fn backlog(totals: &OutboxTotals, now: Timestamp) -> Finding {
    let waits = totals.oldest.map(|oldest| now.duration_since(oldest));
    match waits.filter(|waits| *waits > BACKLOG_AGE_MAX) {
        None => Finding::ok(format!("{} events wait for delivery", totals.events)),
        Some(waits) => Finding::warning(
            format!("{} events wait for delivery, the oldest for {} minutes", totals.events, waits.as_mins()),
            "See the checks of data_storage: events are kept until it takes them, or until the disk is full.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::Status;

    #[test]
    fn a_backlog_is_told_by_its_age() {
        let now: Timestamp = "2026-05-04T10:00:00Z".parse().unwrap();
        let totals = |minutes: Option<i64>| OutboxTotals {
            events: 3,
            bytes: 0,
            oldest: minutes.map(|minutes| now - SignedDuration::from_mins(minutes)),
            delivered: 0,
            last_delivered_at: None,
            quarantined: 0,
            quarantined_bytes: 0,
        };
        for (minutes, expected) in [(None, Status::Ok), (Some(9), Status::Ok), (Some(11), Status::Warning)] {
            assert_eq!(backlog(&totals(minutes), now).status, expected, "{minutes:?}");
        }
    }
}
