//! Token-file mode (architecture decision 11): callers listed in a private file.
//!
//! ```text
//! # one caller per line: <user>:<token>
//! local:6f1c…
//! system:serviceaccount:ops:bot:c2V0dGxlZA
//! ```
//!
//! The user ends at the *last* colon of a line, because Kubernetes user names contain colons and bearer tokens cannot.
//! Only SHA-256 digests of tokens stay in memory. The file is read again at most once per [`RECHECK_INTERVAL`], so a
//! removed token is refused a second later. A broken line keeps the last good list; a file that is gone or that others
//! may read lets nobody in until it is mended.

mod read;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tracing::{error, info};

use super::{Caller, Refusal};

/// Name of the file in the state directory when the configuration names none.
pub(super) const DEFAULT_NAME: &str = "tokens";
/// Longest time a change of the file goes unnoticed.
pub(super) const RECHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Largest file that is read.
pub(super) const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The token file cannot be used. Never quotes a line.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    #[error("cannot read token file {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot create token file {path}")]
    Create { path: PathBuf, source: std::io::Error },
    #[error("no random numbers for a new token")]
    Random,
    #[error("token file {path} may be read by others (mode {mode:04o}): run `chmod 0600 {path}`")]
    Mode { path: PathBuf, mode: u32 },
    #[error("token file {path} is larger than {FILE_BYTES_MAX} bytes")]
    TooLarge { path: PathBuf },
    #[error("token file {path}, line {line}: {problem}")]
    Line { path: PathBuf, line: usize, problem: &'static str },
    #[error("token file {path} lists nobody: write a line `<user>:<token>`")]
    Empty { path: PathBuf },
}

/// The callers of one reading of the file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Callers {
    /// User and SHA-256 of the token.
    entries: Vec<(String, [u8; 32])>,
}

impl Callers {
    /// Looks at every entry whatever it finds, so that time tells nothing about which token was close.
    fn find(&self, token: &SecretString) -> Option<&str> {
        let presented = digest(token.expose_secret());
        let mut found: Option<&str> = None;
        for (user, known) in &self.entries {
            let same: Choice = known.ct_eq(&presented);
            if bool::from(same) {
                found = Some(user);
            }
        }
        found
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The file, and what the last reading said.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    created: bool,
    recheck_interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    checked_at: Instant,
    /// `None` while nobody may be let in.
    callers: Option<Arc<Callers>>,
    /// Text of the last failure, so that each one is logged once.
    problem: Option<String>,
}

impl TokenFile {
    /// Name of the file in the state directory when the configuration names none.
    pub const DEFAULT_NAME: &str = DEFAULT_NAME;

    /// Reads the file, or creates it with one random 256-bit token for the user `local`.
    ///
    /// # Errors
    /// The file cannot be read or created, others may read it, a line is malformed, or nobody is listed.
    pub fn open(path: PathBuf, recheck_interval: Duration) -> Result<Self, TokenFileError> {
        let created = read::create_if_missing(&path)?;
        let callers = read::callers(&path)?;
        if callers.entries.is_empty() {
            return Err(TokenFileError::Empty { path });
        }
        let note = if created { "token file created with one token for user local" } else { "token file read" };
        info!(event = "auth_initialized", path = %path.display(), callers = callers.entries.len(), "{note}");
        let state = State { checked_at: Instant::now(), callers: Some(Arc::new(callers)), problem: None };
        Ok(Self { path, created, recheck_interval, state: Mutex::new(state) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether [`Self::open`] made the file.
    pub fn created(&self) -> bool {
        self.created
    }

    pub(super) async fn caller(&self, token: &SecretString) -> Result<Caller, Refusal> {
        if self.is_due() {
            let path = self.path.clone();
            let reading = tokio::task::spawn_blocking(move || read::callers(&path)).await;
            self.take(reading.map_err(|_| Refusal::AuthenticationUnavailable)?);
        }
        let callers = self.lock().callers.clone().ok_or(Refusal::AuthenticationUnavailable)?;
        let user = callers.find(token).ok_or(Refusal::NotAuthenticated)?;
        Ok(Caller { user: user.to_owned() })
    }

    /// Claims the next reading for this request; others meanwhile use what is known.
    fn is_due(&self) -> bool {
        let mut state = self.lock();
        let due = state.checked_at.elapsed() >= self.recheck_interval;
        if due {
            state.checked_at = Instant::now();
        }
        due
    }

    fn take(&self, reading: Result<Callers, TokenFileError>) {
        let mut state = self.lock();
        match reading {
            Ok(callers) => {
                if state.problem.take().is_some() || state.callers.as_deref() != Some(&callers) {
                    let count = callers.entries.len();
                    info!(event = "auth_tokens_reloaded", path = %self.path.display(), callers = count, "token file read again");
                }
                state.callers = Some(Arc::new(callers));
            }
            Err(problem) => {
                let closed = matches!(problem, TokenFileError::Read { .. } | TokenFileError::Mode { .. });
                if closed {
                    state.callers = None;
                }
                let text = problem.to_string();
                if state.problem.as_ref() != Some(&text) {
                    error!(event = "auth_tokens_rejected", error = text, closed, "token file cannot be used");
                    state.problem = Some(text);
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
