//! Our own `ServiceAccount` token, one for everything that calls `DataStorage` (auth §1.3).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

/// Longest time a token is used without looking at its file again.
const AGE_MAX: Duration = Duration::from_mins(5);
/// Least time between two looks at the file because a server refused the token.
const REFUSED_INTERVAL: Duration = Duration::from_secs(1);
/// Largest token file, in bytes.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// The token as the kubelet keeps it in a file. Rotation is a symlink swap: the file is always opened by its path.
pub struct TokenPool {
    path: PathBuf,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    token: Option<SecretString>,
    read_at: Option<Instant>,
}

impl fmt::Debug for TokenPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPool").field("path", &self.path).finish_non_exhaustive()
    }
}

/// There is no token to send. Worth a retry: the file may appear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no ServiceAccount token: {}: {reason}", path.display())]
pub struct TokenUnavailable {
    pub path: PathBuf,
    pub reason: String,
}

impl TokenPool {
    /// Reads nothing yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, held: Mutex::default() }
    }

    /// The file the token is read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The token to send.
    ///
    /// # Errors
    /// The file is missing, unreadable, empty or holds anything but one word of visible ASCII.
    pub fn token(&self) -> Result<SecretString, TokenUnavailable> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = held.read_at.is_some_and(|at| at.elapsed() < AGE_MAX);
        if let Some(token) = held.token.as_ref().filter(|_| is_fresh) {
            return Ok(token.clone());
        }
        match self.read() {
            Ok(token) => {
                *held = Held { token: Some(token.clone()), read_at: Some(Instant::now()) };
                Ok(token)
            }
            // What is at hand may still be good; the server decides.
            Err(error) => held.token.clone().ok_or(error),
        }
    }

    /// A server refused this token: looks at the file again, at most once a second for all callers together. True when
    /// there is another token to try.
    pub fn refused(&self, token: &SecretString) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let may_look = held.read_at.is_none_or(|at| at.elapsed() >= REFUSED_INTERVAL);
        if may_look && let Ok(fresh) = self.read() {
            *held = Held { token: Some(fresh), read_at: Some(Instant::now()) };
        }
        held.token.as_ref().is_some_and(|current| current.expose_secret() != token.expose_secret())
    }

    fn read(&self) -> Result<SecretString, TokenUnavailable> {
        let problem = |reason: String| TokenUnavailable { path: self.path.clone(), reason };
        let size = std::fs::metadata(&self.path).map_err(|error| problem(error.to_string()))?.len();
        if size > TOKEN_BYTES_MAX {
            return Err(problem(format!("{size} bytes, the most is {TOKEN_BYTES_MAX}")));
        }
        let text = std::fs::read_to_string(&self.path).map_err(|error| problem(error.to_string()))?;
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(problem("must hold exactly one token".to_owned()));
        }
        Ok(SecretString::from(token.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_token_is_replaced_when_the_file_holds_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let pool = TokenPool::new(path.clone());
        assert!(pool.token().unwrap_err().to_string().starts_with("no ServiceAccount token"));
        std::fs::write(&path, "first\n").unwrap();
        let first = pool.token().unwrap();
        pool.held.lock().unwrap().read_at = None;
        assert!(!pool.refused(&first), "nothing new in the file");
        std::fs::write(&path, "second\n").unwrap();
        assert!(!pool.refused(&first), "looked at a moment ago");
        pool.held.lock().unwrap().read_at = None;
        assert!(pool.refused(&first));
        assert_eq!(pool.token().unwrap().expose_secret(), "second");
        assert!(!format!("{pool:?}").contains("second"));
    }
}
