//! Events about the pod this service runs in: the only objects it ever writes (operations §2.4 step 7). Best effort: nothing
//! waits for them and nothing depends on them.

use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::Request;
use hyper::header::CONTENT_TYPE;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::transport::{Purpose, refusal, root_cause};
use crate::cluster::ClusterError;
use crate::domain::object::text;

/// For both requests together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest message the API server takes, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024;
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Who tells.
const COMPONENT: &str = "holmesgpt-api";

/// Tells about one pod in the cluster it runs in.
pub struct PodEvents {
    client: kube::Client,
    namespace: String,
    pod: String,
}

impl std::fmt::Debug for PodEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PodEvents").field("namespace", &self.namespace).field("pod", &self.pod).finish_non_exhaustive()
    }
}

impl PodEvents {
    /// A client for the cluster that `KUBECONFIG` or the pod's `ServiceAccount` names; asks nothing. `None` where there is
    /// none.
    pub async fn build(namespace: String, pod: String) -> Option<Self> {
        let mut access = kube::Config::infer().await.ok()?;
        access.default_retry = false;
        access.connect_timeout = Some(PATIENCE);
        let client = kube::Client::try_from(access).ok()?;
        Some(Self { client, namespace, pod })
    }

    /// Writes a warning at `now`. `reason` is one word in camel case; a long message is cut.
    ///
    /// # Errors
    /// The API server did not take it, or not in time.
    pub async fn warn(&self, reason: &str, message: &str, now: Timestamp) -> Result<(), ClusterError> {
        let write = async {
            // Without it `kubectl describe pod` does not find the Event; one that is refused is written without.
            let pod = Request::get(self.pod_path()).body(Body::empty());
            let uid = self.send(pod, "get its own pod").await.ok().map(|pod| text(&pod, "metadata.uid").to_owned());
            let event = self.event(uid.as_deref(), reason, message, now);
            let request = Request::post(format!("/api/v1/namespaces/{}/events", self.namespace))
                .header(CONTENT_TYPE, "application/json")
                .body(Body::from(event.to_string().into_bytes()));
            self.send(request, "create an Event").await.map(drop)
        };
        let late = || Err(ClusterError::Unavailable("the API server did not answer in time".to_owned()));
        timeout(PATIENCE, write).await.unwrap_or_else(|_| late())
    }

    fn pod_path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", self.namespace, self.pod)
    }

    fn event(&self, uid: Option<&str>, reason: &str, message: &str, now: Timestamp) -> Value {
        let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut subject = json!({"apiVersion": "v1", "kind": "Pod", "namespace": self.namespace, "name": self.pod});
        if let (Some(uid), Some(members)) = (uid.filter(|uid| !uid.is_empty()), subject.as_object_mut()) {
            members.insert("uid".to_owned(), uid.into());
        }
        json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"generateName": format!("{}.", self.pod), "namespace": self.namespace},
            "involvedObject": subject,
            "type": "Warning", "reason": reason, "message": cut(message),
            "firstTimestamp": at, "lastTimestamp": at, "count": 1,
            "source": {"component": COMPONENT}, "reportingComponent": COMPONENT, "reportingInstance": self.pod,
        })
    }

    async fn send(
        &self,
        request: Result<Request<Body>, hyper::http::Error>,
        action: &str,
    ) -> Result<Value, ClusterError> {
        let unavailable = |reason: &str| ClusterError::Unavailable(reason.to_owned());
        let request = request.map_err(|_| unavailable("no request can be made"))?;
        let response = self.client.send(request).await;
        let response = response.map_err(|error| ClusterError::Unavailable(root_cause(&error)))?;
        let status = response.status();
        if !status.is_success() {
            let purpose = Purpose { operation: "create", action, subject: &self.namespace, accept: "", bytes_max: 0 };
            return Err(refusal(status, "", purpose).into_error(action));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| unavailable("the connection broke during the answer"))?.to_bytes();
        serde_json::from_slice(&body).map_err(|_| unavailable("the API server's answer is not JSON"))
    }
}

/// At most what the API server takes, whole characters.
fn cut(message: &str) -> &str {
    message.get(..message.floor_char_boundary(MESSAGE_BYTES_MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_between_characters() {
        let long = "é".repeat(MESSAGE_BYTES_MAX);
        assert_eq!(cut(&long).len(), MESSAGE_BYTES_MAX);
        assert_eq!(cut(&format!("a{long}")).len(), MESSAGE_BYTES_MAX - 1);
        assert_eq!(cut("short"), "short");
    }
}
