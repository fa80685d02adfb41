//! The two questions on the wire. A client of its own, so that slow reads of the investigation cannot delay callers.

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use kube::config::{KubeConfigOptions, Kubeconfig};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::sleep;

use super::{ApiAccess, KubernetesAuthError, Verdict};
use crate::telemetry::trace;

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Pauses before the second and third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(300)];

/// A review was not answered. Carries no text of the API server, which may quote the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReviewFailure {
    #[error("not reachable")]
    Connection,
    #[error("answered with status {0}")]
    Status(u16),
    #[error("answered with something that is no review")]
    Garbage,
    #[error("not answered in time")]
    Timeout,
}

impl ReviewFailure {
    fn is_worth_a_retry(self) -> bool {
        match self {
            Self::Connection => true,
            Self::Status(status) => status == StatusCode::TOO_MANY_REQUESTS.as_u16() || status >= 500,
            Self::Garbage | Self::Timeout => false,
        }
    }
}

/// Who a token belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Identity {
    #[serde(rename = "username")]
    pub(super) user: String,
    uid: String,
    #[serde(deserialize_with = "null_is_empty")]
    groups: Vec<String>,
    #[serde(deserialize_with = "null_is_empty")]
    extra: BTreeMap<String, Option<Vec<String>>>,
}

/// Authenticators behind the API server may leave lists null.
fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What a caller wants to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct AccessQuestion<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) verb: &'a str,
}

/// Answer to a TokenReview.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenReviewStatus {
    authenticated: bool,
    user: Identity,
    #[serde(deserialize_with = "null_is_empty")]
    audiences: Vec<String>,
}

impl TokenReviewStatus {
    /// Whose token it is, and why it does not count. API servers refuse a token meant for somebody else as unauthenticated
    /// themselves; one that does not know audiences answers without any.
    pub(super) fn identity(self, audiences: &[String]) -> Result<Identity, Verdict> {
        let is_for_us = audiences.is_empty() || self.audiences.iter().any(|audience| audiences.contains(audience));
        match (self.authenticated, is_for_us) {
            (false, _) => Err(Verdict::NotAuthenticated),
            (true, false) => Err(Verdict::WrongAudience),
            (true, true) if self.user.user.is_empty() => Err(Verdict::NoIdentity),
            (true, true) => Ok(self.user),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AccessReviewStatus {
    allowed: bool,
}

#[derive(Deserialize)]
struct Reviewed<T> {
    status: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<T> {
    api_version: &'static str,
    kind: &'static str,
    spec: T,
}

#[derive(Serialize)]
struct TokenReviewSpec<'a> {
    token: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    audiences: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessReviewSpec<'a> {
    user: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extra: &'a BTreeMap<String, Option<Vec<String>>>,
    resource_attributes: ResourceAttributes<'a>,
}

#[derive(Serialize)]
struct ResourceAttributes<'a> {
    namespace: &'a str,
    group: &'a str,
    resource: &'a str,
    name: &'a str,
    verb: &'a str,
}

/// The API server as far as reviews need it.
#[derive(Clone)]
pub(super) struct ApiServer(kube::Client);

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiServer")
    }
}

impl ApiServer {
    pub(super) async fn connect(access: &ApiAccess) -> Result<Self, KubernetesAuthError> {
        let mut config = match access {
            ApiAccess::Infer => {
                kube::Config::infer().await.map_err(|cause| KubernetesAuthError::Config(Box::new(cause)))?
            }
            ApiAccess::Kubeconfig(path) => {
                let file = Kubeconfig::read_from(path).map_err(|cause| KubernetesAuthError::Config(Box::new(cause)))?;
                let options = KubeConfigOptions::default();
                kube::Config::from_custom_kubeconfig(file, &options)
                    .await
                    .map_err(|cause| KubernetesAuthError::Config(Box::new(cause)))?
            }
        };
        // Retries are counted here, within the time of one review.
        config.default_retry = false;
        let client = kube::Client::try_from(config).map_err(|cause| KubernetesAuthError::Client(Box::new(cause)))?;
        Ok(Self(client))
    }

    pub(super) async fn token_review(
        &self,
        token: &SecretString,
        audiences: &[String],
    ) -> Result<TokenReviewStatus, ReviewFailure> {
        let spec = TokenReviewSpec { token: token.expose_secret(), audiences };
        let review = Review { api_version: "authentication.k8s.io/v1", kind: "TokenReview", spec };
        self.ask(TOKEN_REVIEWS, &review).await
    }

    pub(super) async fn access_review(
        &self,
        identity: &Identity,
        question: AccessQuestion<'_>,
    ) -> Result<bool, ReviewFailure> {
        let AccessQuestion { namespace, name, verb } = question;
        let Identity { user, uid, groups, extra } = identity;
        let resource_attributes = ResourceAttributes { namespace, group: "", resource: "services", name, verb };
        let spec = AccessReviewSpec { user, groups, uid, extra, resource_attributes };
        let review = Review { api_version: "authorization.k8s.io/v1", kind: "SubjectAccessReview", spec };
        let status: AccessReviewStatus = self.ask(ACCESS_REVIEWS, &review).await?;
        Ok(status.allowed)
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, review: &impl Serialize) -> Result<T, ReviewFailure> {
        let body = serde_json::to_vec(review).map_err(|_| ReviewFailure::Garbage)?;
        for pause in PAUSES {
            match self.ask_once(path, body.clone()).await {
                Err(failure) if failure.is_worth_a_retry() => sleep(pause).await,
                answer => return answer,
            }
        }
        self.ask_once(path, body).await
    }

    async fn ask_once<T: DeserializeOwned>(&self, path: &str, body: Vec<u8>) -> Result<T, ReviewFailure> {
        let mut request = Request::post(path).header(CONTENT_TYPE, "application/json");
        for (name, value) in trace::headers() {
            request = request.header(name, value);
        }
        let request = request.body(kube::client::Body::from(body)).map_err(|_| ReviewFailure::Garbage)?;
        let response = self.0.send(request).await.map_err(|_| ReviewFailure::Connection)?;
        let status = response.status();
        if !status.is_success() {
            return Err(ReviewFailure::Status(status.as_u16()));
        }
        let limited = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
        let bytes = limited.collect().await.map_err(|_| ReviewFailure::Connection)?.to_bytes();
        let reviewed: Reviewed<T> = serde_json::from_slice(&bytes).map_err(|_| ReviewFailure::Garbage)?;
        Ok(reviewed.status)
    }
}
