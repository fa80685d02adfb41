//! A Kubernetes API server that serves a recorded bundle: discovery (both forms), objects, lists with selectors and
//! pages, logs. Reads the files on its own, so that what it serves does not depend on the code under test. Records every
//! request, and fails by script.

#[path = "apiserver/discovery.rs"] // this file is also part of the load harness, from another folder
mod discovery;
#[path = "apiserver/objects.rs"]
mod objects;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use self::objects::Recorded;

/// What happens to requests whose path ends so.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Status(u16),
    Stall,
    Garbage,
    /// A log of this many lines of this many bytes, `newest` at its end.
    HugeLog {
        lines: usize,
        bytes: usize,
    },
}

#[derive(Debug, Default)]
struct Script {
    faults: BTreeMap<String, Fault>,
    requests: Vec<String>,
    methods: Vec<String>,
    /// The older form of discovery.
    classic: bool,
}

#[derive(Debug, Clone)]
struct Served {
    recorded: Arc<Mutex<Recorded>>,
    script: Arc<Mutex<Script>>,
}

/// The server; stops when dropped.
pub(crate) struct ApiServer {
    served: Served,
    folder: TempDir,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ApiServer {
    /// Serves a bundle as it was recorded.
    pub(crate) async fn serve(bundle: &Path) -> Self {
        Self::start(Recorded::read(bundle, SignedDuration::ZERO)).await
    }

    /// Serves a bundle as though it had been recorded at this moment: all its times are moved.
    pub(crate) async fn serve_as_of_now(bundle: &Path, recorded_at: Timestamp) -> Self {
        Self::start(Recorded::read(bundle, Timestamp::now().duration_since(recorded_at))).await
    }

    async fn start(recorded: Recorded) -> Self {
        let served = Served { recorded: Arc::new(Mutex::new(recorded)), script: Arc::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(served.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let folder = tempfile::tempdir().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "stub",
            "clusters": [{ "name": "stub", "cluster": { "server": address } }],
            "users": [{ "name": "stub", "user": {} }],
            "contexts": [{ "name": "stub", "context": { "cluster": "stub", "user": "stub" } }],
        });
        std::fs::write(folder.path().join("config"), config.to_string()).unwrap();
        Self { served, folder, task }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("config")
    }

    /// Requests whose path ends in `path` fail from now on.
    pub(crate) fn fail(&self, path: &str, fault: Fault) {
        self.served.script.lock().unwrap().faults.insert(path.to_owned(), fault);
    }

    pub(crate) fn mend(&self) {
        self.served.script.lock().unwrap().faults.clear();
    }

    pub(crate) fn speak_classic_discovery(&self) {
        self.served.script.lock().unwrap().classic = true;
    }

    /// Adds an object, and its kind when it is new.
    pub(crate) fn add(&self, object: Value) {
        self.served.recorded.lock().unwrap().add(object);
    }

    /// Paths with queries, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.served.script.lock().unwrap().requests.clone()
    }

    pub(crate) fn methods(&self) -> Vec<String> {
        self.served.script.lock().unwrap().methods.clone()
    }
}

async fn answer(State(served): State<Served>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let (fault, classic) = {
        let mut script = served.script.lock().unwrap();
        script.requests.push(request.uri().to_string());
        script.methods.push(request.method().to_string());
        let fault = script.faults.iter().find(|(end, _)| path.ends_with(end.as_str())).map(|(_, fault)| fault.clone());
        (fault, script.classic)
    };
    match fault {
        Some(Fault::Status(code)) => return status(code, "the script says so"),
        Some(Fault::Garbage) => return (StatusCode::OK, "<html>proxy error</html>").into_response(),
        Some(Fault::Stall) => std::future::pending().await,
        Some(Fault::HugeLog { lines, bytes }) => return huge_log(request.uri().query(), lines, bytes),
        None => {}
    }
    let query: BTreeMap<String, String> = query_of(request.uri().query().unwrap_or_default());
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let aggregated = accept.contains("APIGroupDiscoveryList") && !classic;
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    served.recorded.lock().unwrap().answer(&segments, &query, aggregated)
}

/// What the kubelet sends: the last `tailLines` lines, as a stream.
fn huge_log(query: Option<&str>, lines: usize, bytes: usize) -> Response {
    let query = query_of(query.unwrap_or_default());
    let tail: usize = query.get("tailLines").map_or(lines, |tail| tail.parse().unwrap());
    let padding = "x".repeat(bytes);
    let pieces = (lines.saturating_sub(tail)..lines).map(move |number| {
        let end = if number + 1 == lines { " newest" } else { "" };
        Ok::<_, std::io::Error>(format!("2026-05-04T10:00:00Z {number} {padding}{end}\n"))
    });
    Body::from_stream(futures_util::stream::iter(pieces)).into_response()
}

fn query_of(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// A `Status` as the API server words it.
fn status(code: u16, message: &str) -> Response {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code,
    });
    (StatusCode::from_u16(code).unwrap(), Json(body)).into_response()
}
