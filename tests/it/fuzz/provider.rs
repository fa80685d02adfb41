//! A provider that answers from the generator. It knows an incident by a mark in its cluster's name, so that the answers
//! to one incident are the same however many run at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Response;
use futures_util::stream;
use serde_json::Value;
use tokio::net::TcpListener;

use super::random::Random;
use super::replies::{Ids, Phase, Sent, sent};

/// The mark in front of the number of an incident.
pub(super) const MARK: &str = "fuzz-incident-";

/// What one incident asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) requests: usize,
    /// Longest request, in characters.
    pub(super) chars_max: usize,
    /// What a real provider would have refused, and what must not have been sent.
    pub(super) complaints: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    seed: u64,
    ids: Ids,
    /// Texts no request may hold.
    nowhere: Vec<String>,
    asked: Mutex<HashMap<String, Asked>>,
}

/// The server; stops when dropped.
pub(super) struct Provider {
    pub(super) endpoint: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    pub(super) async fn start(seed: u64, ids: Ids, nowhere: Vec<String>) -> Self {
        let shared = Arc::new(Shared { seed, ids, nowhere, asked: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/chat/completions", axum::routing::post(answer))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, shared, task }
    }

    pub(super) fn asked(&self, mark: &str) -> Asked {
        self.shared.asked.lock().unwrap().get(mark).cloned().unwrap_or_default()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, body: Bytes) -> Response<Body> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let chars = text.chars().count();
    let request: Value = serde_json::from_str(&text).unwrap();
    let at = text.find(MARK).unwrap_or_else(|| panic!("no mark in {}", text.chars().take(500).collect::<String>()));
    let mark: String = text.get(at..).unwrap().chars().take(MARK.len() + 8).collect();
    let number = {
        let mut asked = shared.asked.lock().unwrap();
        let asked = asked.entry(mark.clone()).or_default();
        asked.requests += 1;
        asked.chars_max = asked.chars_max.max(chars);
        asked.complaints.extend(malformed(&request));
        asked.complaints.extend(
            shared
                .nowhere
                .iter()
                .filter(|secret| text.contains(*secret))
                .map(|secret| format!("a request holds {secret:?}")),
        );
        asked.requests
    };
    let offered =
        |name: &str| request["tools"].as_array().into_iter().flatten().any(|tool| tool["function"]["name"] == name);
    let phase = if offered("submit_result") { Phase::RootCause } else { Phase::Selection };
    let stream = mark.bytes().fold(number as u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    let reply = sent(&mut Random::new(shared.seed, stream), phase, &shared.ids, chars);
    response(reply)
}

fn response(reply: Sent) -> Response<Body> {
    let body = if reply.is_cut {
        let half = Bytes::copy_from_slice(&reply.body[..reply.body.len() / 2]);
        Body::from_stream(stream::iter([Ok::<Bytes, std::io::Error>(half), Err(std::io::Error::other("cut"))]))
    } else {
        Body::from(reply.body)
    };
    Response::builder().status(reply.status).header("content-type", reply.content_type).body(body).unwrap()
}

/// What a real provider refuses: results out of place, ids twice, names it does not allow.
pub(super) fn malformed(request: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for (index, message) in request["messages"].as_array().unwrap().iter().enumerate() {
        let role = message["role"].as_str().unwrap();
        match (index, role) {
            (0, "system") | (1, "user") => {}
            (0 | 1, _) | (_, "system") => wrong.push(format!("message {index} is of {role}")),
            _ => {}
        }
        if role == "tool" {
            let id = message["tool_call_id"].as_str().unwrap();
            if open.first() != Some(&id) {
                wrong.push(format!("the result of {id:?} is out of place"));
            }
            open.retain(|one| *one != id);
            continue;
        }
        if !open.is_empty() {
            wrong.push(format!("{} calls have no result", open.len()));
        }
        let calls = message["tool_calls"].as_array();
        open = calls.into_iter().flatten().map(|call| call["id"].as_str().unwrap()).collect();
        let mut ids = open.clone();
        ids.sort_unstable();
        ids.dedup();
        if ids.len() < open.len() || ids.iter().any(|id| id.is_empty()) {
            wrong.push("an id of a call is empty or comes twice".to_owned());
        }
        for call in calls.into_iter().flatten() {
            let name = call["function"]["name"].as_str().unwrap();
            let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            if name.is_empty() || name.len() > 64 || !name.bytes().all(is_allowed) {
                wrong.push(format!("a call of {:?}", name.chars().take(80).collect::<String>()));
            }
        }
        if calls.is_none() && message["content"].as_str().is_none_or(|text| text.is_empty()) {
            wrong.push(format!("message {index} of {role} is empty"));
        }
    }
    wrong
}
