//! One secret in a file, read again when a server refuses the one we have.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};

/// A file that holds exactly one secret, or nothing when no file is named. Rotation needs no restart.
pub struct SecretFile {
    path: Option<PathBuf>,
    current: Mutex<Option<SecretString>>,
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why a secret cannot be had. Never holds any of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct SecretFileError {
    pub path: PathBuf,
    pub reason: String,
}

impl SecretFile {
    /// Reads the file, where one is named.
    ///
    /// # Errors
    /// It cannot be read, or holds anything but one word of visible ASCII.
    pub fn open(path: Option<PathBuf>) -> Result<Self, SecretFileError> {
        let file = Self { path, current: Mutex::new(None) };
        file.set(file.read()?);
        Ok(file)
    }

    fn read(&self) -> Result<Option<SecretString>, SecretFileError> {
        let Some(path) = &self.path else { return Ok(None) };
        let problem = |reason: String| SecretFileError { path: path.clone(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
        let secret = text.trim();
        if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(problem("must hold exactly one key or token".to_owned()));
        }
        Ok(Some(SecretString::from(secret.to_owned())))
    }

    /// The secret as last read; `None` when no file is named.
    pub fn get(&self) -> Option<SecretString> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, secret: Option<SecretString>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = secret;
    }

    /// Reads the file again; true when it now holds another secret. A file that cannot be read changes nothing.
    pub fn changed(&self) -> bool {
        let Ok(Some(fresh)) = self.read() else { return false };
        let same = self.get().is_some_and(|current| current.expose_secret() == fresh.expose_secret());
        if !same {
            self.set(Some(fresh));
        }
        !same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_secret_is_picked_up_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, " first-key\n").unwrap();
        let file = SecretFile::open(Some(path.clone())).unwrap();
        assert_eq!(file.get().unwrap().expose_secret(), "first-key");
        assert!(!file.changed() && !format!("{file:?}").contains("first-key"));
        std::fs::write(&path, "second-key").unwrap();
        assert!(file.changed() && !file.changed());
        assert_eq!(file.get().unwrap().expose_secret(), "second-key");
        std::fs::remove_file(&path).unwrap();
        assert!(!file.changed());
        assert_eq!(file.get().unwrap().expose_secret(), "second-key");
    }

    #[test]
    fn what_is_no_secret_is_told_without_repeating_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for content in ["", " \n", "two words", "schlüssel"] {
            std::fs::write(&path, content).unwrap();
            let error = SecretFile::open(Some(path.clone())).unwrap_err().to_string();
            assert!(error.ends_with("must hold exactly one key or token"), "{error}");
        }
        assert!(SecretFile::open(None).unwrap().get().is_none());
    }
}
