//! Kubernetes mode (http-api §3.1, §3.3): TokenReview says who it is, SubjectAccessReview whether they may.
//!
//! Positive answers are remembered for `auth.cache_seconds` and never beyond the token's own expiry; refusals are not.
//! Identical questions asked at the same time become one. When the API server cannot be asked, nobody new gets in.

mod cache;
mod expiry;
mod review;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tracing::info;

use self::cache::{Key, Known, ReviewCache};
use self::review::{AccessQuestion, ApiServer, Identity, ReviewFailure};
use super::config::AuthConfig;
use super::{Attempt, Caller, Refusal};
use crate::settings::Setting;
use crate::telemetry::metrics::{AuthReview, CacheResult, Dependency, Metrics};

/// Where the kubelet writes the namespace of the pod.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
const NAMESPACE_VARIABLE: &str = "POD_NAMESPACE";
/// Roles written for the successor grant `create` on this name, for reading too.
const SUCCESSOR_RESOURCE: &str = "kubernaut-agent";
/// Longest name of a namespace.
const LABEL_BYTES_MAX: usize = 63;

/// Kubernetes mode cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesAuthError {
    #[error("no usable Kubernetes configuration for auth.mode `kubernetes`")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("cannot build the Kubernetes client")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("own namespace unknown: set auth.namespace or POD_NAMESPACE, or mount the ServiceAccount")]
    NoNamespace,
    #[error("{0:?} is not the name of a namespace")]
    BadNamespace(String),
}

/// Where the API server is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiAccess {
    /// `KUBECONFIG` or the pod's ServiceAccount.
    Infer,
    /// This kubeconfig file.
    Kubeconfig(PathBuf),
}

/// Asks the API server about callers.
#[derive(Debug)]
pub(super) struct KubernetesReviews {
    server: ApiServer,
    namespace: String,
    resource_names: Vec<String>,
    audiences: Vec<String>,
    cache: ReviewCache,
    /// How long an answer is used again, and one review may take, now.
    settings: Setting<AuthConfig>,
    /// Bounds review calls that run at once.
    slots: Semaphore,
    metrics: Metrics,
}

impl KubernetesReviews {
    /// Builds the client; asks nothing yet.
    ///
    /// # Errors
    /// No usable configuration, or the own namespace is unknown.
    pub(super) async fn build(
        settings: Setting<AuthConfig>,
        access: &ApiAccess,
        metrics: Metrics,
    ) -> Result<Self, KubernetesAuthError> {
        let config = settings.get();
        let namespace = namespace(config.namespace.as_deref())?;
        info!(
            event = "sar_namespace_configured",
            reviewed_namespace = namespace,
            "access is reviewed in this namespace"
        );
        let mut resource_names = vec![config.resource_name.clone()];
        resource_names.extend(config.resource_names.iter().filter(|name| **name != config.resource_name).cloned());
        Ok(Self {
            server: ApiServer::connect(access).await?,
            namespace,
            resource_names,
            audiences: config.audiences.clone(),
            cache: ReviewCache::default(),
            slots: Semaphore::new(config.max_in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            settings,
            metrics,
        })
    }

    pub(super) async fn caller(&self, token: &SecretString, attempt: Attempt<'_>) -> Result<Caller, Refusal> {
        let verb = verb(attempt.method);
        let (key, settings) = (self.key(token, verb), self.settings.get());
        if let Some(caller) = self.cache.known(&key, settings.fresh_for(), Instant::now()) {
            self.metrics.auth_cache(CacheResult::Hit);
            return Ok(caller);
        }
        self.metrics.auth_cache(CacheResult::Miss);
        let verdict = self.cache.once(key, settings.usable_for(), self.review(token, verb)).await;
        verdict.map_err(|refused| match refused {
            Verdict::NotAuthenticated => Refusal::NotAuthenticated,
            Verdict::WrongAudience => Refusal::WrongAudience,
            Verdict::NoIdentity => Refusal::NoIdentity,
            Verdict::AuthenticationUnavailable => Refusal::AuthenticationUnavailable,
            Verdict::AuthorizationUnavailable => Refusal::AuthorizationUnavailable,
            Verdict::Denied { user } => {
                Refusal::Denied { user, method: attempt.method.to_owned(), path: attempt.path.to_owned() }
            }
        })
    }

    /// Identifies a question without keeping the token.
    fn key(&self, token: &SecretString, verb: &str) -> Key {
        let mut hash = Sha256::new();
        // Neither tokens nor verbs nor names contain the separator.
        hash.update(token.expose_secret().as_bytes());
        for part in [verb].into_iter().chain(self.resource_names.iter().map(String::as_str)) {
            hash.update(b"\0");
            hash.update(part.as_bytes());
        }
        hash.finalize().into()
    }

    /// Both reviews.
    async fn review(&self, token: &SecretString, verb: &'static str) -> Result<Known, Verdict> {
        let identity = self.authenticate(token).await?;
        self.authorize(&identity, verb).await?;
        let since = Instant::now();
        let rest_of_token = expiry::remaining(token.expose_secret(), jiff::Timestamp::now());
        let ends_at = rest_of_token.and_then(|rest| since.checked_add(rest));
        Ok(Known { caller: Caller { user: identity.user }, since, ends_at })
    }

    async fn authenticate(&self, token: &SecretString) -> Result<Identity, Verdict> {
        let asked = self.ask(AuthReview::Token, self.server.token_review(token, &self.audiences)).await;
        asked.map_err(|_| Verdict::AuthenticationUnavailable)?.identity(&self.audiences)
    }

    /// Whether any configured name grants the verb. A failed question counts only when no other name grants it.
    async fn authorize(&self, identity: &Identity, verb: &'static str) -> Result<(), Verdict> {
        let allowed = self.any_grants(identity, verb).await;
        tracing::debug!(event = "sar_check_completed", verb, allowed = allowed.is_ok(), "access reviewed");
        allowed
    }

    async fn any_grants(&self, identity: &Identity, verb: &'static str) -> Result<(), Verdict> {
        let mut unanswered = false;
        for (name, verb) in self.questions(verb) {
            let question = AccessQuestion { namespace: &self.namespace, name, verb };
            match self.ask(AuthReview::Access, self.server.access_review(identity, question)).await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => unanswered = true,
            }
        }
        if unanswered {
            return Err(Verdict::AuthorizationUnavailable);
        }
        Err(Verdict::Denied { user: identity.user.clone() })
    }

    fn questions(&self, verb: &'static str) -> impl Iterator<Item = (&str, &'static str)> {
        let also_create = move |name: &&String| *name == SUCCESSOR_RESOURCE && verb != "create";
        let plain = self.resource_names.iter().map(move |name| (name.as_str(), verb));
        plain.chain(self.resource_names.iter().filter(also_create).map(|name| (name.as_str(), "create")))
    }

    fn measured(&self, review: AuthReview, failure: Option<ReviewFailure>, took: Duration) {
        let operation = match review {
            AuthReview::Token => "token_review",
            AuthReview::Access => "access_review",
        };
        let status = match failure {
            None => "201".to_owned(),
            Some(ReviewFailure::Status(status)) => status.to_string(),
            Some(ReviewFailure::Connection | ReviewFailure::Garbage | ReviewFailure::Timeout) => "error".to_owned(),
        };
        self.metrics.dependency_request(Dependency::Kubernetes, operation, &status, took);
    }

    /// Runs one review with its place, within the time for one review, and measures it.
    async fn ask<T>(
        &self,
        review: AuthReview,
        call: impl Future<Output = Result<T, ReviewFailure>>,
    ) -> Result<T, ReviewFailure> {
        let measured = async {
            let _slot = self.slots.acquire().await.map_err(|_| ReviewFailure::Timeout)?;
            let started = Instant::now();
            let answer = call.await;
            self.metrics.auth_review(review, started.elapsed());
            self.measured(review, answer.as_ref().err().copied(), started.elapsed());
            answer
        };
        let outcome =
            tokio::time::timeout(self.settings.get().timeout(), measured).await.unwrap_or(Err(ReviewFailure::Timeout));
        if let Err(failure) = &outcome {
            tracing::error!(
                event = match review {
                    AuthReview::Token => "token_review_api_error",
                    AuthReview::Access => "sar_api_error",
                },
                review = review.as_str(),
                error = %failure,
                "the API server did not answer a review"
            );
        }
        outcome
    }
}

/// Why a question ended without a caller; the same for everybody who asked it at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    NotAuthenticated,
    WrongAudience,
    NoIdentity,
    Denied { user: String },
    AuthenticationUnavailable,
    AuthorizationUnavailable,
}

impl Verdict {
    /// The API server could not be asked, so an older answer may stand in.
    fn is_outage(&self) -> bool {
        match self {
            Self::AuthenticationUnavailable | Self::AuthorizationUnavailable => true,
            Self::NotAuthenticated | Self::WrongAudience | Self::NoIdentity | Self::Denied { .. } => false,
        }
    }
}

/// Access verb of a method (http-api §3.1).
fn verb(method: &str) -> &'static str {
    match method {
        "GET" | "HEAD" => "get",
        "PUT" | "PATCH" => "update",
        "DELETE" => "delete",
        _ => "create",
    }
}

/// The own namespace, in which access is reviewed: the configured one, else that of the environment or the ServiceAccount.
///
/// # Errors
/// [`KubernetesAuthError::NoNamespace`] and [`KubernetesAuthError::BadNamespace`].
pub fn namespace(configured: Option<&str>) -> Result<String, KubernetesAuthError> {
    own_namespace(configured, Path::new(NAMESPACE_FILE))
}

/// Configuration, then environment, then the mounted file; never a guess.
fn own_namespace(configured: Option<&str>, file: &Path) -> Result<String, KubernetesAuthError> {
    let from_environment = || std::env::var(NAMESPACE_VARIABLE).ok();
    let from_file = || std::fs::read_to_string(file).ok();
    let sources = [configured.map(str::to_owned), from_environment(), from_file()];
    let found = sources.into_iter().flatten().map(|text| text.trim().to_owned()).find(|text| !text.is_empty());
    let namespace = found.ok_or(KubernetesAuthError::NoNamespace)?;
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = namespace.len() <= LABEL_BYTES_MAX
        && namespace.bytes().all(legal)
        && !namespace.starts_with('-')
        && !namespace.ends_with('-');
    if is_label { Ok(namespace) } else { Err(KubernetesAuthError::BadNamespace(namespace)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs() {
        for (method, expected) in [
            ("GET", "get"),
            ("HEAD", "get"),
            ("POST", "create"),
            ("PUT", "update"),
            ("PATCH", "update"),
            ("DELETE", "delete"),
            ("BREW", "create"),
        ] {
            assert_eq!(verb(method), expected);
        }
    }

    #[test]
    fn the_namespace_is_never_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("namespace");
        assert_eq!(own_namespace(Some(" ops "), &file).unwrap(), "ops");
        if std::env::var(NAMESPACE_VARIABLE).is_err() {
            assert!(matches!(own_namespace(None, &file), Err(KubernetesAuthError::NoNamespace)));
            std::fs::write(&file, "kubernaut-system\n").unwrap();
            assert_eq!(own_namespace(None, &file).unwrap(), "kubernaut-system");
        }
        for bad in ["Ops", "a b", "-a", "a-", "a/b", "ä"] {
            assert!(matches!(own_namespace(Some(bad), &file), Err(KubernetesAuthError::BadNamespace(_))), "{bad}");
        }
    }
}
