//! `auth` section (operations §1.3.5, http-api §1.14, architecture decision 11).

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who is asked about callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// `kubernetes` (default) or `token`.
    pub mode: AuthMode,
    /// Lines `<user>:<token>`, mode 0600; used with `mode: token`. Default: `tokens` in the state directory.
    pub token_file: Option<PathBuf>,
    /// Name of the `services` resource a caller must have access to. Default `holmesgpt-api`.
    pub resource_name: String,
    /// Further names; access to any one is enough.
    pub resource_names: Vec<String>,
    /// Own namespace, in which access is reviewed. Default: env `POD_NAMESPACE`, else the ServiceAccount's.
    pub namespace: Option<String>,
    /// Audiences a token must be for; empty (default) = the API server's own.
    pub audiences: Vec<String>,
    /// How long a positive answer is used again, 0 to 300; 0 = never. Default 10.
    pub cache_seconds: u64,
    /// How much longer while the API server is down, 0 to 300. Default 0.
    pub stale_seconds: u64,
    /// Time for one review, retries included. Default 5.
    pub timeout_seconds: u64,
    /// Reviews running at once. Default 64.
    pub max_in_flight: usize,
    /// Whether a session shows only to the caller that created it: `off` (default) or `enforce`. Cancelling, snapshots and
    /// event streams always do (http-api §3.3).
    pub session_ownership: SessionOwnership,
}

/// Longest time an answer may be used again, for either setting.
const REUSE_SECONDS_MAX: u64 = 300;

impl AuthConfig {
    /// What is wrong with the values, in one sentence naming the key.
    ///
    /// # Errors
    /// A time outside its range, a limit of zero, or an empty name.
    pub fn check(&self) -> Result<(), String> {
        for (key, seconds) in [("auth.cache_seconds", self.cache_seconds), ("auth.stale_seconds", self.stale_seconds)] {
            if seconds > REUSE_SECONDS_MAX {
                return Err(format!("{key} must be at most {REUSE_SECONDS_MAX}"));
            }
        }
        if self.timeout_seconds == 0 {
            return Err("auth.timeout_seconds must be at least 1".to_owned());
        }
        if self.max_in_flight == 0 {
            return Err("auth.max_in_flight must be at least 1".to_owned());
        }
        if self.resource_name.is_empty() || self.resource_names.iter().any(String::is_empty) {
            return Err("auth.resource_name and auth.resource_names must not be empty".to_owned());
        }
        Ok(())
    }

    /// How long nobody is asked again.
    pub(super) fn fresh_for(&self) -> Duration {
        Duration::from_secs(self.cache_seconds)
    }

    /// How long an answer may stand in while the API server is down.
    pub(super) fn usable_for(&self) -> Duration {
        Duration::from_secs(self.cache_seconds.saturating_add(self.stale_seconds))
    }

    /// For one review.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            mode: AuthMode::Kubernetes,
            token_file: None,
            resource_name: "holmesgpt-api".to_owned(),
            resource_names: Vec::new(),
            namespace: None,
            audiences: Vec::new(),
            cache_seconds: 10,
            stale_seconds: 0,
            timeout_seconds: 5,
            max_in_flight: 64,
            session_ownership: SessionOwnership::Off,
        }
    }
}

/// There is no mode that lets everybody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthMode {
    /// TokenReview and SubjectAccessReview.
    Kubernetes,
    /// A file of tokens on this machine.
    Token,
}

/// Who may see the status and the result of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionOwnership {
    /// Every authorised caller.
    #[default]
    Off,
    /// The caller that created it; to others it does not exist.
    Enforce,
}
