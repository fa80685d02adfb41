//! Where the database lives: configuration, directory, permissions, process lock.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use uuid::Uuid;

use super::error::StoreError;

/// Name of the database inside a state directory.
pub const FILE_NAME: &str = "state.db";

/// Section `store` of the configuration (architecture §6).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Default `sqlite:///var/lib/holmesgpt-api/state.db`, outside a cluster the same file in
    /// `$XDG_STATE_HOME/holmesgpt-api`. `--state-dir DIR` replaces the directory.
    pub url: Option<String>,
}

/// Where the database lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// A database file; its directory is made when missing.
    File(PathBuf),
    /// A private directory below the system's temporary one, removed on close. Survives nothing.
    Temporary,
}

impl StoreLocation {
    /// The database of a state directory.
    pub fn in_directory(directory: &Path) -> Self {
        Self::File(directory.join(FILE_NAME))
    }

    /// Reads `sqlite:///absolute/path` and `sqlite://relative/path`.
    ///
    /// # Errors
    /// [`StoreError::Url`] for any other scheme, and for a URL without a file.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let fault = |reason| StoreError::Url { url: url.to_owned(), reason };
        let path = url.strip_prefix("sqlite://").ok_or_else(|| fault("only sqlite:// is supported"))?;
        if path.contains('?') {
            return Err(fault("parameters are not supported"));
        }
        if path.is_empty() || path.ends_with('/') {
            return Err(fault("names no file"));
        }
        Ok(Self::File(PathBuf::from(path)))
    }
}

/// The files behind an open store. Dropping it releases the lock and removes a temporary directory.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) database: PathBuf,
    /// Held while this process owns the database.
    _lock: Option<File>,
    /// To be removed with everything in it.
    temporary: Option<PathBuf>,
}

impl Files {
    /// Makes directory and file when missing, takes the lock.
    pub(super) fn own(location: &StoreLocation) -> Result<Self, StoreError> {
        let (database, temporary) = match location {
            StoreLocation::File(path) => (path.clone(), None),
            StoreLocation::Temporary => {
                let directory = std::env::temp_dir().join(format!("holmesgpt-api-{}", Uuid::new_v4()));
                (directory.join(FILE_NAME), Some(directory))
            }
        };
        if let Some(directory) = database.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            make_directory(directory).map_err(fault("make directory", directory))?;
        }
        let lock = match &temporary {
            // Nobody else knows the name.
            Some(_) => None,
            None => Some(take_lock(&database)?),
        };
        make_private_file(&database).map_err(fault("open", &database))?;
        Ok(Self { database, _lock: lock, temporary })
    }

    /// Looks at an existing file without owning it.
    pub(super) fn borrow(location: &StoreLocation) -> Result<Self, StoreError> {
        let StoreLocation::File(path) = location else { return Err(StoreError::ReadOnly) };
        File::open(path).map_err(fault("open", path))?;
        Ok(Self { database: path.clone(), _lock: None, temporary: None })
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Some(directory) = &self.temporary {
            // Nothing to do about a failure here; the system clears its temporary directory.
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

pub(super) fn fault(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::File { action, path, source: Arc::new(source) }
}

/// New directories belong to the owner alone; an existing one (a mounted volume) stays as it is.
fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// SQLite gives its `-wal` and `-shm` files the mode of the database.
pub(super) fn make_private_file(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 && file.set_permissions(Permissions::from_mode(0o600)).is_err() {
        // A volume with a forced group on a platform with changing user ids: the file belongs to an earlier id.
        tracing::warn!(event = "store_permissions", path = %path.display(), mode = format!("{mode:o}"),
            "the state database is readable by others and belongs to another user");
    }
    Ok(())
}

/// The lock dies with the process, however it ends. The file holds the process id for the error message of the second.
fn take_lock(database: &Path) -> Result<File, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(fault("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(StoreError::Locked { path: database.to_owned(), holder });
        }
        Err(TryLockError::Error(error)) => return Err(fault("lock", &path)(error)),
    }
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(fault("write", &path))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, path) in [
            ("sqlite:///var/lib/x/state.db", Some("/var/lib/x/state.db")),
            ("sqlite://state/state.db", Some("state/state.db")),
            ("sqlite://", None),
            ("sqlite:///var/lib/x/", None),
            ("sqlite:///x.db?mode=memory", None),
            ("postgres://localhost/x", None),
            ("/var/lib/x/state.db", None),
        ] {
            let found = StoreLocation::from_url(url);
            assert_eq!(found.ok(), path.map(|path| StoreLocation::File(path.into())), "{url}");
        }
    }
}
