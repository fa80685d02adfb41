//! Questions of people who check an installation: which API server answers, as whom it takes this service, and what this
//! service may do there. Reviews are the only requests of this room that are no GET; they change nothing.

use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use hyper::header::{CONTENT_TYPE, DATE};
use kube::client::Body;
use serde_json::{Value, json};

use super::transport::{Purpose, refusal, root_cause};
use super::{LiveConfig, LiveError, access};
use crate::cluster::ClusterError;
use crate::cluster::rights::Question;
use crate::domain::object::text;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const IDENTITY_REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const ACCESS_REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// What an API server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// `v1.34.1`; empty where it does not tell.
    pub version: String,
    /// The `Date` of the answer, as sent.
    pub date: Option<String>,
    /// Of the whole request.
    pub round_trip: Duration,
}

/// Asks an API server about itself. No retries: whoever asks wants to see what happens.
pub struct Inquiry {
    client: kube::Client,
    address: String,
}

impl std::fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquiry").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Inquiry {
    /// Reads the configuration and builds a client; asks nothing.
    ///
    /// # Errors
    /// See [`LiveError`].
    pub async fn open(config: &LiveConfig) -> Result<Self, LiveError> {
        let mut access = access(config).await?;
        access.default_retry = false;
        access.connect_timeout = Some(config.request_timeout);
        let address = access.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = kube::Client::try_from(access).map_err(|cause| LiveError::Client(Box::new(cause)))?;
        Ok(Self { client, address })
    }

    /// Where the API server is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// # Errors
    /// The API server cannot be reached or does not take the credentials.
    pub async fn server(&self) -> Result<ServerFacts, ClusterError> {
        let began = Instant::now();
        let request = Request::get("/version").body(Body::empty());
        let (answer, date) = self.send(request, "ask for the version").await?;
        Ok(ServerFacts { version: text(&answer, "gitVersion").to_owned(), date, round_trip: began.elapsed() })
    }

    /// As whom the API server takes this service; `None` where it cannot tell (before Kubernetes 1.28).
    ///
    /// # Errors
    /// The API server cannot be reached or does not take the credentials.
    pub async fn user(&self) -> Result<Option<String>, ClusterError> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        match self.review(IDENTITY_REVIEWS, &review).await {
            Ok(answer) => {
                Ok(Some(text(&answer, "status.userInfo.username").to_owned()).filter(|user| !user.is_empty()))
            }
            Err(ClusterError::NotFound(_) | ClusterError::Forbidden(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether this service may, in one namespace or, without one, in all of them.
    ///
    /// # Errors
    /// The API server does not answer the question.
    pub async fn may(&self, question: Question, namespace: Option<&str>) -> Result<bool, ClusterError> {
        let (resource, part) = question.resource.split_once('/').unwrap_or((question.resource, ""));
        let attributes = json!({
            "group": question.right.group, "resource": resource, "subresource": part, "verb": question.verb,
            "namespace": namespace.unwrap_or_default(), "name": question.right.name.unwrap_or_default(),
        });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        let answer = self.review(ACCESS_REVIEWS, &review).await?;
        let allowed = answer.pointer("/status/allowed").and_then(Value::as_bool);
        allowed.ok_or_else(|| ClusterError::Unavailable("the answer to a review is none".to_owned()))
    }

    async fn review(&self, path: &str, review: &Value) -> Result<Value, ClusterError> {
        let request = Request::post(path).header(CONTENT_TYPE, "application/json");
        let answered =
            self.send(request.body(Body::from(review.to_string().into_bytes())), "create a review of itself");
        answered.await.map(|(answer, _)| answer)
    }

    /// The answer as JSON, and its `Date`.
    async fn send(
        &self,
        request: Result<Request<Body>, hyper::http::Error>,
        action: &str,
    ) -> Result<(Value, Option<String>), ClusterError> {
        let unavailable = |reason: &str| ClusterError::Unavailable(reason.to_owned());
        let request = request.map_err(|_| unavailable("no request can be made"))?;
        let response = self.client.send(request).await;
        let response = response.map_err(|error| ClusterError::Unavailable(root_cause(&error)))?;
        let status = response.status();
        if !status.is_success() {
            let purpose = Purpose { action, subject: "the path", accept: "", bytes_max: 0 };
            return Err(refusal(status, "", purpose).into_error(action));
        }
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| unavailable("the connection broke during the answer"))?.to_bytes();
        let answer = serde_json::from_slice(&body);
        Ok((answer.map_err(|_| unavailable("the API server's answer is not JSON"))?, date))
    }
}
