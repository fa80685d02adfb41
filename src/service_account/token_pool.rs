//! Our own `ServiceAccount` token, one for everything that calls `DataStorage` (auth §1.3).

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use jiff::Timestamp;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

/// Largest token file, in bytes.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// When the file is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTimes {
    /// Longest use of a token without reading its file again.
    pub age_max: Duration,
    /// A token is read again so long before its own expiry.
    pub expiry_margin: Duration,
    /// Least time between two looks at whether the file is another one.
    pub look_interval: Duration,
    /// Least time between two reads because a server refused the token, all callers together.
    pub refused_interval: Duration,
}

impl Default for TokenTimes {
    fn default() -> Self {
        Self {
            age_max: Duration::from_mins(5),
            expiry_margin: Duration::from_mins(1),
            look_interval: Duration::from_secs(30),
            refused_interval: Duration::from_secs(1),
        }
    }
}

/// The token as the kubelet keeps it in a file. Rotation is a symlink swap: the file is always opened by its path.
pub struct TokenPool {
    path: PathBuf,
    times: TokenTimes,
    /// Held while the file is read: whoever asks meanwhile gets the answer of that one read.
    held: Mutex<Option<Held>>,
}

struct Held {
    token: SecretString,
    file: FileIdentity,
    read_at: Instant,
    looked_at: Instant,
    use_until: Instant,
}

/// Changes when the kubelet swaps the link, and when someone writes the file in place.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl From<&Metadata> for FileIdentity {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl fmt::Debug for TokenPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPool").field("path", &self.path).finish_non_exhaustive()
    }
}

/// There is no token to send: `token_unavailable`. Worth a retry: the file may appear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no ServiceAccount token: {}: {reason}", path.display())]
pub struct TokenUnavailable {
    pub path: PathBuf,
    pub reason: String,
}

impl TokenPool {
    /// Reads nothing yet.
    pub fn new(path: PathBuf) -> Self {
        Self::with_times(path, TokenTimes::default())
    }

    /// Reads nothing yet.
    pub fn with_times(path: PathBuf, times: TokenTimes) -> Self {
        Self { path, times, held: Mutex::default() }
    }

    /// The file the token is read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The token to send.
    ///
    /// # Errors
    /// The file is missing, unreadable, empty or holds anything but one word of visible ASCII, and there is no token of an
    /// earlier read that may still be used.
    pub fn token(&self) -> Result<SecretString, TokenUnavailable> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(known) = held.as_mut().filter(|known| now < known.use_until) {
            if now < known.looked_at + self.times.look_interval {
                return Ok(known.token.clone());
            }
            known.looked_at = now;
            if self.looks_like(known.file) {
                return Ok(known.token.clone());
            }
        }
        match self.read() {
            Ok(fresh) => Ok(held.insert(fresh).token.clone()),
            // Not yet too old: the server decides whether it is still good.
            Err(error) => match held.as_ref().filter(|known| now < known.use_until) {
                Some(known) => Ok(known.token.clone()),
                None => {
                    *held = None;
                    Err(error)
                }
            },
        }
    }

    /// A server refused this token: reads the file again, at most once a second for all callers together. True when there is
    /// another token to try.
    pub fn refused(&self, token: &SecretString) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = |held: &Option<Held>| {
            held.as_ref().is_some_and(|known| known.token.expose_secret() != token.expose_secret())
        };
        let may_read = held.as_ref().is_none_or(|known| known.read_at.elapsed() >= self.times.refused_interval);
        if !is_other(&held)
            && may_read
            && let Ok(fresh) = self.read()
        {
            *held = Some(fresh);
        }
        is_other(&held)
    }

    fn looks_like(&self, file: FileIdentity) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|metadata| FileIdentity::from(&metadata) == file)
    }

    fn read(&self) -> Result<Held, TokenUnavailable> {
        let problem = |reason: String| TokenUnavailable { path: self.path.clone(), reason };
        let metadata = std::fs::metadata(&self.path).map_err(|error| problem(error.to_string()))?;
        if metadata.len() > TOKEN_BYTES_MAX {
            return Err(problem(format!("{} bytes, the most is {TOKEN_BYTES_MAX}", metadata.len())));
        }
        let text = std::fs::read_to_string(&self.path).map_err(|error| problem(error.to_string()))?;
        let text = Zeroizing::new(text);
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(problem("must hold exactly one token".to_owned()));
        }
        let now = Instant::now();
        Ok(Held {
            use_until: now + self.useful(expiry(token), Timestamp::now()),
            token: SecretString::from(token.to_owned()),
            file: FileIdentity::from(&metadata),
            read_at: now,
            looked_at: now,
        })
    }

    /// How long a token may be used: never beyond the margin before its expiry, but long enough that a token that is about to
    /// expire does not have its file read for every call.
    fn useful(&self, expiry: Option<Timestamp>, now: Timestamp) -> Duration {
        let left = expiry.map(|expiry| Duration::try_from(expiry.duration_since(now)).unwrap_or_default());
        let left = left.map(|left| left.saturating_sub(self.times.expiry_margin));
        left.map_or(self.times.age_max, |left| left.max(self.times.refused_interval).min(self.times.age_max))
    }
}

/// The `exp` of a token that is a JWT. Nothing is verified: it is our own.
fn expiry(token: &str) -> Option<Timestamp> {
    let payload = Zeroizing::new(Base64UrlUnpadded::decode_vec(token.split('.').nth(1)?).ok()?);
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    Timestamp::from_second(claims.get("exp")?.as_i64()?).ok()
}

#[cfg(test)]
mod tests;
