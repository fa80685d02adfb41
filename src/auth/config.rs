//! `auth` section (operations §1.3.5, http-api §1.14, architecture decision 11).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Who is asked about callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// `kubernetes` (default) or `token`.
    pub mode: AuthMode,
    /// Lines `<user>:<token>`, mode 0600; used with `mode: token`. Default: `tokens` in the state directory.
    pub token_file: Option<PathBuf>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { mode: AuthMode::Kubernetes, token_file: None }
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
