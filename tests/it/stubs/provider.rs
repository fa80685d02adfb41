//! Any HTTP server of the outside world, as a function from requests to answers. It records what it was asked, and who hung
//! up.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::net::TcpListener;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A member of the form in the body.
    pub(crate) fn field(&self, name: &str) -> String {
        let form = reqwest::Url::parse(&format!("http://x/?{}", self.text)).unwrap();
        let found = form.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
        found.unwrap_or_default()
    }
}

/// How an answer ends after its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Properly,
    /// The connection breaks.
    Broken,
    /// Nothing more comes, ever.
    Silent,
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: Vec<Bytes>,
    end: End,
    delay: Duration,
}

impl Answer {
    pub(crate) fn json(value: &Value) -> Self {
        Self::text(200, value.to_string()).header("content-type", "application/json")
    }

    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        let text: String = text.into();
        Self { status, headers: Vec::new(), pieces: vec![text.into()], end: End::Properly, delay: Duration::ZERO }
    }

    /// A stream of events.
    pub(crate) fn pieces(kind: &str, pieces: Vec<Vec<u8>>) -> Self {
        let pieces = pieces.into_iter().map(Bytes::from).collect();
        Self { pieces, ..Self::text(200, "") }.header("content-type", kind)
    }

    /// Nothing at all.
    pub(crate) fn silence() -> Self {
        Self { delay: Duration::from_secs(3_600), ..Self::text(200, "") }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Only the first half of what there is.
    pub(crate) fn first_half(self) -> Self {
        let whole: Bytes = self.pieces.concat().into();
        Self { pieces: vec![whole.slice(..whole.len() / 2)], ..self }
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

type Script = dyn Fn(&Asked, usize) -> Answer + Send + Sync;

struct Inner {
    script: Box<Script>,
    asked: Mutex<Vec<Asked>>,
    inside: AtomicUsize,
    inside_most: AtomicUsize,
    left: AtomicUsize,
}

/// The server; stops when dropped.
pub(crate) struct Provider {
    pub(crate) address: String,
    inner: Arc<Inner>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    /// The script gets the request and its number, from 0.
    pub(crate) async fn start(script: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let inner = Arc::new(Inner {
            script: Box::new(script),
            asked: Mutex::default(),
            inside: AtomicUsize::new(0),
            inside_most: AtomicUsize::new(0),
            left: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner, task }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.inner.asked.lock().unwrap().len()
    }

    /// Most requests that were being answered at once.
    pub(crate) fn inside_most(&self) -> usize {
        self.inner.inside_most.load(Ordering::SeqCst)
    }

    /// Askers that left before their answer began.
    pub(crate) fn left(&self) -> usize {
        self.inner.left.load(Ordering::SeqCst)
    }
}

struct Inside {
    inner: Arc<Inner>,
    is_answered: bool,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.inner.inside.fetch_sub(1, Ordering::SeqCst);
        if !self.is_answered {
            self.inner.left.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 4 * 1024 * 1024).await.unwrap();
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        text: String::from_utf8_lossy(&body).into_owned(),
    };
    let number = {
        let mut all = inner.asked.lock().unwrap();
        all.push(asked.clone());
        all.len() - 1
    };
    let now_inside = inner.inside.fetch_add(1, Ordering::SeqCst) + 1;
    inner.inside_most.fetch_max(now_inside, Ordering::SeqCst);
    let mut inside = Inside { inner: Arc::clone(&inner), is_answered: false };
    let answer = (inner.script)(&asked, number);
    tokio::time::sleep(answer.delay).await;
    inside.is_answered = true;
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let pieces = stream::iter(answer.pieces.into_iter().map(Ok::<Bytes, std::io::Error>));
    // One packet for each piece, so that the other side sees them one by one.
    let pieces = pieces.then(|piece| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        piece
    });
    let body = match answer.end {
        End::Properly => Body::from_stream(pieces),
        End::Broken => {
            // What came before is on its way when the connection breaks.
            let broken = stream::once(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(std::io::Error::other("broken"))
            });
            Body::from_stream(pieces.chain(broken))
        }
        End::Silent => Body::from_stream(pieces.chain(stream::pending())),
    };
    response.body(body).unwrap()
}
