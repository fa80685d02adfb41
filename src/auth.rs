//! Who may call (http-api §3). Authentication cannot be switched off; the modes differ in who is asked.
//!
//! [`Authenticator::check`] takes what a request says about itself and yields a [`Caller`] or a [`Refusal`]. It counts
//! and logs every outcome; tokens never appear in a record, an error or a `Debug` text.

mod bearer;
mod config;
mod kubernetes;
mod token_file;

use std::path::Path;

use tracing::{debug, info, warn};

pub use self::config::{AuthConfig, AuthMode, SessionOwnership};
use self::kubernetes::KubernetesReviews;
pub use self::kubernetes::{ApiAccess, KubernetesAuthError, namespace};
pub use self::token_file::{TokenFile, TokenFileError};
use crate::settings::Setting;
use crate::telemetry::metrics::{AuthResult, DenialReason, Metrics};

/// An authenticated and authorised caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub user: String,
}

/// What a request wants, and what it says about who wants it.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    pub method: &'a str,
    /// Without query.
    pub path: &'a str,
    /// Values of all `Authorization` headers; exactly one is acceptable.
    pub authorization: &'a [&'a [u8]],
    /// Address of the peer, for the records.
    pub source_ip: &'a str,
}

/// Why a request is not let in. Displays as the text for the client (http-api §3.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("Missing Authorization header with Bearer token")]
    MissingHeader,
    /// Several headers, or another scheme. Clients are told the same.
    #[error("Missing Authorization header with Bearer token")]
    InvalidHeader,
    #[error("Token cannot be empty")]
    EmptyToken,
    #[error("Token not authenticated")]
    NotAuthenticated,
    /// A good token meant for somebody else. Clients are told no more than of a bad one.
    #[error("Token not authenticated")]
    WrongAudience,
    /// The token is good and belongs to nobody.
    #[error("Token authenticated but user identity is empty")]
    NoIdentity,
    /// Known, and not allowed to do this.
    #[error("Insufficient RBAC permissions for {method} {path}")]
    Denied { user: String, method: String, path: String },
    /// Nobody could say whether the token is good.
    #[error("Authentication service unavailable")]
    AuthenticationUnavailable,
    /// Nobody could say whether the caller may do this.
    #[error("Authorization service unavailable")]
    AuthorizationUnavailable,
}

impl Refusal {
    fn metric(&self) -> AuthResult {
        match self {
            Self::MissingHeader | Self::InvalidHeader | Self::EmptyToken => AuthResult::MissingToken,
            Self::NotAuthenticated | Self::WrongAudience | Self::NoIdentity => AuthResult::InvalidToken,
            Self::Denied { .. } => AuthResult::Forbidden,
            Self::AuthenticationUnavailable | Self::AuthorizationUnavailable => AuthResult::ReviewError,
        }
    }

    /// What a security record calls it (auth §2.3); `None` when nobody is to blame who called.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::MissingHeader => Some("missing_auth_header"),
            Self::InvalidHeader => Some("invalid_auth_format"),
            Self::EmptyToken => Some("empty_bearer_token"),
            Self::NotAuthenticated | Self::NoIdentity => Some("invalid_token"),
            Self::WrongAudience => Some("invalid_token_audience"),
            Self::Denied { .. } => Some("authorization_denied"),
            Self::AuthenticationUnavailable | Self::AuthorizationUnavailable => None,
        }
    }

    /// Stable word for log records (operations §3.5).
    fn event(&self) -> &'static str {
        match self {
            Self::MissingHeader
            | Self::InvalidHeader
            | Self::EmptyToken
            | Self::NotAuthenticated
            | Self::WrongAudience
            | Self::NoIdentity => "token_not_authenticated",
            Self::Denied { .. } => "sar_check_completed",
            Self::AuthenticationUnavailable => "token_review_api_error",
            Self::AuthorizationUnavailable => "sar_api_error",
        }
    }
}

/// The authenticator could not be built.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error(transparent)]
    TokenFile(#[from] TokenFileError),
    #[error(transparent)]
    Kubernetes(#[from] KubernetesAuthError),
}

/// Decides about requests. Built once by the composition root.
#[derive(Debug)]
pub struct Authenticator {
    mode: Mode,
    settings: Setting<AuthConfig>,
    metrics: Metrics,
}

#[derive(Debug)]
enum Mode {
    TokenFile(TokenFile),
    Kubernetes(Box<KubernetesReviews>),
}

impl Authenticator {
    /// The configured mode, with its defaults for outside a test.
    ///
    /// # Errors
    /// As [`Self::open_token_file`] and [`Self::build_kubernetes`].
    pub async fn build(config: &AuthConfig, state_dir: &Path, metrics: Metrics) -> Result<Self, AuthError> {
        match config.mode {
            AuthMode::Token => Self::open_token_file(config, state_dir, metrics),
            AuthMode::Kubernetes => Self::build_kubernetes(config, &ApiAccess::Infer, metrics).await,
        }
    }

    /// Kubernetes mode (http-api §3): the API server is asked about every caller.
    ///
    /// # Errors
    /// No usable Kubernetes configuration, or the own namespace is unknown.
    pub async fn build_kubernetes(
        config: &AuthConfig,
        access: &ApiAccess,
        metrics: Metrics,
    ) -> Result<Self, AuthError> {
        let settings = Setting::new(config.clone());
        let reviews = KubernetesReviews::build(settings.clone(), access, metrics.clone()).await?;
        info!(event = "auth_initialized", mode = "kubernetes", "callers are reviewed by the API server");
        Ok(Self { mode: Mode::Kubernetes(Box::new(reviews)), settings, metrics })
    }

    /// Token-file mode (architecture decision 11): callers are listed in a file of `<user>:<token>` lines.
    /// `state_dir` holds the file when the configuration names none.
    ///
    /// # Errors
    /// The file cannot be read or created, others may read it, or a line is not `<user>:<token>`.
    pub fn open_token_file(config: &AuthConfig, state_dir: &Path, metrics: Metrics) -> Result<Self, AuthError> {
        let path = config.token_file.clone().unwrap_or_else(|| state_dir.join(token_file::DEFAULT_NAME));
        let file = TokenFile::open(path, token_file::RECHECK_INTERVAL)?;
        Ok(Self { mode: Mode::TokenFile(file), settings: Setting::new(config.clone()), metrics })
    }

    /// Changes what may change under it: `auth.cache_seconds`, `auth.stale_seconds` and `auth.timeout_seconds`, from the next
    /// request on.
    pub fn settings(&self) -> Setting<AuthConfig> {
        self.settings.clone()
    }

    /// The token file in token-file mode, for the line that tells the operator where it is.
    pub fn token_file(&self) -> Option<&TokenFile> {
        match &self.mode {
            Mode::TokenFile(file) => Some(file),
            Mode::Kubernetes(_) => None,
        }
    }

    /// Decides about one request.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub async fn check(&self, attempt: Attempt<'_>) -> Result<Caller, Refusal> {
        let outcome = self.decide(attempt).await;
        let Attempt { method, path, source_ip, .. } = attempt;
        match &outcome {
            Ok(caller) => {
                self.metrics.auth_request(AuthResult::Allowed);
                debug!(event = "token_validated", user = caller.user, method, path, "caller accepted");
            }
            Err(refusal) => {
                self.metrics.auth_request(refusal.metric());
                let user = match refusal {
                    Refusal::Denied { user, .. } => {
                        self.metrics.authorization_denied(DenialReason::Rbac);
                        user
                    }
                    _ => "",
                };
                let (event, security_event) = (refusal.event(), refusal.reason());
                let reason = refusal.to_string();
                warn!(event, security_event, user, method, path, source_ip, reason, allowed = false, "caller refused");
            }
        }
        outcome
    }

    async fn decide(&self, attempt: Attempt<'_>) -> Result<Caller, Refusal> {
        let token = bearer::token(attempt.authorization)?;
        match &self.mode {
            Mode::TokenFile(file) => file.caller(&token).await,
            Mode::Kubernetes(reviews) => reviews.caller(&token, attempt).await,
        }
    }
}

#[cfg(test)]
mod tests;
