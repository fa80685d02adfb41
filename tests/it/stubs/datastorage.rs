//! A DataStorage that keeps audit events in memory and misbehaves on command. What it stored, and what it was asked, can
//! be read back. Catalogue and history answers are plain values a test sets, or those of `questions`.

#[path = "datastorage/questions.rs"] // this file is also part of the load harness, from another folder
mod questions;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) use questions::{Catalogue, Odd};

/// How a write of audit events goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This status with a problem document; `Retry-After` in seconds.
    Status(u16, Option<u64>),
    /// No answer for this long, then as usual.
    Stall(Duration),
    /// Stores the events, then breaks the connection instead of answering.
    ResetAfterCommit,
    /// Breaks the connection before anything is stored.
    ResetBeforeCommit,
    /// 202 and nothing is stored.
    AcceptedAndLost,
    /// 202; stored this much later.
    AcceptedLate(Duration),
    /// A success with half of an answer.
    Truncated,
}

/// What the server says about an event it refuses: how it names the culprit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Culprit {
    Pointer,
    Index,
    Unnamed,
    /// 500 for the whole request, as a database does that cannot hold a value.
    ServerError,
}

/// One stored event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    /// `event_data.event_id`, chosen by the client.
    pub(crate) event_id: String,
    pub(crate) correlation_id: String,
    pub(crate) event: Value,
}

/// One request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) token: Option<String>,
    pub(crate) body_bytes: usize,
}

#[derive(Debug, Default)]
struct Script {
    stored: Vec<Stored>,
    asked: Vec<Asked>,
    /// One for each write to come; then all is well.
    faults: VecDeque<Fault>,
    /// For every write until changed.
    standing: Option<Fault>,
    /// Events whose JSON contains this text are refused so.
    poison: Option<(String, Culprit)>,
    /// Only this token is accepted.
    token: Option<String>,
    /// Answers of every other path: exact path → status and body.
    answers: BTreeMap<String, (u16, Value)>,
    /// Answers questions about workflows and history.
    catalogue: Option<Catalogue>,
    /// One for each such question to come; then all is well.
    odd: VecDeque<Odd>,
    /// Connections accepted so far.
    connections: usize,
}

/// The server; stops when dropped. The address stays its own, so that it can go down and come back.
pub(crate) struct DataStorageStub {
    script: Arc<Mutex<Script>>,
    address: std::net::SocketAddr,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for DataStorageStub {
    fn drop(&mut self) {
        self.down();
    }
}

impl DataStorageStub {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::default();
        let task = Mutex::new(Some(serve(listener, Arc::clone(&script))));
        Self { script, address, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Refuses connections from now on; open ones break.
    pub(crate) fn down(&self) {
        if let Some(task) = self.task.lock().unwrap().take() {
            task.abort();
        }
    }

    /// Listens again at the same address.
    pub(crate) async fn up(&self) {
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        *self.task.lock().unwrap() = Some(serve(listener, Arc::clone(&self.script)));
    }

    /// Listens, whether it was down or not.
    pub(crate) async fn up_again(&self) {
        if self.task.lock().unwrap().is_none() {
            self.up().await;
        }
    }

    /// The next writes go wrong so, in this order.
    pub(crate) fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.script.lock().unwrap().faults.extend(faults);
    }

    /// Every write goes wrong so until `always(None)`.
    pub(crate) fn always(&self, fault: Option<Fault>) {
        self.script.lock().unwrap().standing = fault;
    }

    /// Refuses events whose JSON contains a text.
    pub(crate) fn poison(&self, text: &str, culprit: Culprit) {
        self.script.lock().unwrap().poison = Some((text.to_owned(), culprit));
    }

    /// Accepts only this token.
    pub(crate) fn require_token(&self, token: &str) {
        self.script.lock().unwrap().token = Some(token.to_owned());
    }

    /// What a path other than that of audit events answers. `path` is percent-encoded, without query.
    pub(crate) fn answer(&self, path: &str, status: u16, body: Value) {
        self.script.lock().unwrap().answers.insert(path.to_owned(), (status, body));
    }

    pub(crate) fn stored(&self) -> Vec<Stored> {
        self.script.lock().unwrap().stored.clone()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }

    pub(crate) fn forget_asked(&self) {
        self.script.lock().unwrap().asked.clear();
    }

    /// Answers questions about workflows and history from now on.
    pub(crate) fn keep(&self, catalogue: Catalogue) {
        self.script.lock().unwrap().catalogue = Some(catalogue);
    }

    /// The next questions about workflows and history are answered so, in this order.
    pub(crate) fn oddly(&self, answers: impl IntoIterator<Item = Odd>) {
        self.script.lock().unwrap().odd.extend(answers);
    }

    /// Connections accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.script.lock().unwrap().connections
    }

    /// Waits until at least `count` events are stored.
    pub(crate) async fn has_stored(&self, count: usize, within: Duration) -> Vec<Stored> {
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let stored = self.stored();
            if stored.len() >= count {
                return stored;
            }
            let missing = "events did not arrive";
            assert!(tokio::time::Instant::now() < deadline, "{missing}: {} of {count}", stored.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Counts what it accepts.
struct Counted {
    listener: TcpListener,
    script: Arc<Mutex<Script>>,
}

impl Listener for Counted {
    type Io = TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let accepted = Listener::accept(&mut self.listener).await;
        self.script.lock().unwrap().connections += 1;
        accepted
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn serve(listener: TcpListener, script: Arc<Mutex<Script>>) -> JoinHandle<()> {
    let router = Router::new().fallback(handle).with_state(Arc::clone(&script));
    let listener = Counted { listener, script };
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

type Shared = State<Arc<Mutex<Script>>>;

async fn handle(State(script): Shared, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .map(str::to_owned);
    let refused = {
        let mut script = script.lock().unwrap();
        script.asked.push(Asked {
            method: method.clone(),
            target: uri.to_string(),
            token: token.clone(),
            body_bytes: body.len(),
        });
        let is_public = uri.path().starts_with("/health") || uri.path() == "/readyz";
        !is_public && (token.is_none() || script.token.as_ref().is_some_and(|known| token.as_ref() != Some(known)))
    };
    if refused {
        return problem(401, "Invalid or expired token");
    }
    match (method.as_str(), uri.path()) {
        ("POST", "/api/v1/audit/events") => write(&script, &body, false).await,
        ("POST", "/api/v1/audit/events/batch") => write(&script, &body, true).await,
        ("GET", "/api/v1/audit/events") => query(&script, &uri),
        ("GET", path) if path.starts_with("/api/") && !script.lock().unwrap().answers.contains_key(path) => {
            let (odd, catalogue) = {
                let mut script = script.lock().unwrap();
                (script.odd.pop_front(), script.catalogue.clone())
            };
            match (odd, catalogue) {
                (Some(odd), _) => odd.response(),
                (None, Some(catalogue)) => catalogue.answer(&uri),
                (None, None) => problem(404, "Not Found"),
            }
        }
        (_, path) => {
            let answer = script.lock().unwrap().answers.get(path).cloned();
            match answer {
                Some((status, body)) => (StatusCode::from_u16(status).unwrap(), Json(body)).into_response(),
                None if path.starts_with("/health") => Json(json!({ "status": "ready" })).into_response(),
                None => problem(404, "Not Found"),
            }
        }
    }
}

fn problem(status: u16, detail: &str) -> Response {
    let body = json!({
        "type": "https://kubernaut.ai/problems/stub", "title": "Stub", "status": status, "detail": detail,
    });
    let headers = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::from_u16(status).unwrap(), headers, body.to_string()).into_response()
}

/// An answer whose connection breaks before its end.
fn broken(status: StatusCode) -> Response {
    let pieces = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("cut by script"))];
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn write(script: &Arc<Mutex<Script>>, body: &[u8], is_batch: bool) -> Response {
    let fault = {
        let mut script = script.lock().unwrap();
        script.faults.pop_front().or_else(|| script.standing.clone())
    };
    if let Some(Fault::Stall(pause)) = fault {
        tokio::time::sleep(pause).await;
    }
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return problem(400, "not JSON") };
    let events = match (value, is_batch) {
        (Value::Array(events), true) if !events.is_empty() => events,
        (Value::Array(_), true) => return problem(400, "batch cannot be empty"),
        (event @ Value::Object(_), false) => vec![event],
        _ => return problem(400, "request body has an error: doesn't match schema"),
    };
    match &fault {
        Some(Fault::Status(status, retry_after)) => {
            let mut response = problem(*status, "by script");
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
            }
            return response;
        }
        // A stream that fails at once closes the connection without an answer.
        Some(Fault::ResetBeforeCommit) => return broken(StatusCode::CREATED),
        Some(Fault::AcceptedAndLost) => return accepted(),
        Some(Fault::AcceptedLate(later)) => {
            let (script, later) = (Arc::clone(script), *later);
            tokio::spawn(async move {
                tokio::time::sleep(later).await;
                store(&script, events);
            });
            return accepted();
        }
        _ => {}
    }
    if let Some(response) = poisoned(script, &events) {
        return response;
    }
    let ids = store(script, events);
    match (fault, is_batch) {
        (Some(Fault::ResetAfterCommit | Fault::Truncated), _) => broken(StatusCode::CREATED),
        (_, true) => (StatusCode::CREATED, Json(json!({ "event_ids": ids, "message": "stored" }))).into_response(),
        (_, false) => {
            let body = json!({ "event_id": ids[0], "event_timestamp": "2026-04-07T10:15:30Z", "message": "stored" });
            (StatusCode::CREATED, Json(body)).into_response()
        }
    }
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "status": "accepted", "message": "queued" }))).into_response()
}

fn poisoned(script: &Arc<Mutex<Script>>, events: &[Value]) -> Option<Response> {
    let (text, culprit) = script.lock().unwrap().poison.clone()?;
    let index = events.iter().position(|event| event.to_string().contains(&text))?;
    Some(match culprit {
        Culprit::Pointer => problem(400, &format!("Error at \"/{index}/event_category\": value is not allowed")),
        Culprit::Index => problem(400, &format!("event at index {index}: value is not allowed")),
        Culprit::Unnamed => problem(400, "a value is not allowed"),
        Culprit::ServerError => problem(500, "database_error"),
    })
}

fn store(script: &Arc<Mutex<Script>>, events: Vec<Value>) -> Vec<String> {
    let text = |event: &Value, pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    let stored = events.into_iter().map(|event| Stored {
        event_id: text(&event, "/event_data/event_id"),
        correlation_id: text(&event, "/correlation_id"),
        event,
    });
    let stored: Vec<Stored> = stored.collect();
    let ids = stored.iter().map(|_| uuid::Uuid::new_v4().to_string()).collect();
    script.lock().unwrap().stored.extend(stored);
    ids
}

/// Newest first, as the real server answers.
fn query(script: &Arc<Mutex<Script>>, uri: &Uri) -> Response {
    let Ok(Query(query)) = Query::<BTreeMap<String, String>>::try_from_uri(uri) else { return problem(400, "query") };
    let instant = |name: &str| query.get(name).and_then(|text| text.parse::<Timestamp>().ok());
    let number = |name: &str, default: usize| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (since, until, limit, offset) = (instant("since"), instant("until"), number("limit", 100), number("offset", 0));
    if !(1..=1_000).contains(&limit) {
        return problem(400, "limit");
    }
    let at = |stored: &Stored| -> Timestamp { stored.event["event_timestamp"].as_str().unwrap().parse().unwrap() };
    let mut found: Vec<Stored> = script.lock().unwrap().stored.clone();
    found.retain(|stored| {
        query.get("correlation_id").is_none_or(|id| *id == stored.correlation_id)
            && since.is_none_or(|since| at(stored) >= since)
            && until.is_none_or(|until| at(stored) <= until)
    });
    found.sort_by_key(|stored| std::cmp::Reverse(at(stored)));
    let total = found.len();
    let page: Vec<Value> = found.into_iter().skip(offset).take(limit).map(|stored| stored.event).collect();
    let pagination =
        json!({ "limit": limit, "offset": offset, "total": total, "has_more": offset + page.len() < total });
    Json(json!({ "data": page, "pagination": pagination })).into_response()
}
