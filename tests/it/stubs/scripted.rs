//! An HTTP server that answers by script and records what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use tokio::net::TcpListener;

/// One answer.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Json(Value),
    /// After so many milliseconds.
    Late(u64, Value),
    Status(u16, String),
    Redirect(String),
    /// Headers and a first piece, then the connection breaks.
    CutOff,
    /// Nothing, ever.
    Stall,
    /// This many bytes.
    Bytes(usize),
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Pairs of the query or of the form, decoded, in order.
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.pairs.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

#[derive(Debug, Default)]
struct Script {
    replies: BTreeMap<String, VecDeque<Reply>>,
    asked: Vec<Asked>,
}

/// The server; stops when dropped.
pub(crate) struct Scripted {
    pub(crate) address: String,
    script: Arc<Mutex<Script>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        let script: Arc<Mutex<Script>> = Arc::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, script, task }
    }

    /// Adds an answer for a path. Answers are given in order; the last one stays.
    pub(crate) fn on(&self, path: &str, reply: Reply) {
        self.script.lock().unwrap().replies.entry(path.to_owned()).or_default().push_back(reply);
    }

    /// Everything asked so far; the list starts anew.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.script.lock().unwrap().asked)
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
    let form = parts.uri.query().map_or_else(|| String::from_utf8(body.to_vec()).unwrap(), str::to_owned);
    let pairs = reqwest::Url::parse(&format!("http://x/?{form}")).unwrap();
    let pairs = pairs.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let path = parts.uri.path().to_owned();
    let reply = {
        let mut script = script.lock().unwrap();
        script.asked.push(Asked { method: parts.method, path: path.clone(), pairs, headers: parts.headers });
        let replies = script.replies.get_mut(&path);
        replies.and_then(|replies| if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() })
    };
    let json = [(header::CONTENT_TYPE, "application/json")];
    match reply {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(Reply::Json(value)) => (json, value.to_string()).into_response(),
        Some(Reply::Late(delay_ms, value)) => {
            tokio::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
            (json, value.to_string()).into_response()
        }
        Some(Reply::Status(status, text)) => (StatusCode::from_u16(status).unwrap(), text).into_response(),
        Some(Reply::Redirect(to)) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Some(Reply::CutOff) => {
            let pieces = [Ok(Bytes::from_static(b"{\"status\":")), Err(std::io::Error::other("cut"))];
            (json, Body::from_stream(stream::iter(pieces))).into_response()
        }
        Some(Reply::Stall) => std::future::pending().await,
        Some(Reply::Bytes(count)) => (json, " ".repeat(count)).into_response(),
    }
}
