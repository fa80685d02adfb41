//! The servers the service talks to. Answers of the tests' stubs are fetched once and kept; each waits its delay.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use holmesgpt_api::catalogue::DirectoryCatalogue;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::model::Script;
use super::{Count, Delays, Dependency, Order};
use crate::apiserver::ApiServer;
use crate::datastorage::{Catalogue, DataStorageStub};
use crate::service::root;

/// Largest request.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(super) struct Fronts {
    pub(super) model: String,
    pub(super) data_storage: String,
    pub(super) kubernetes: String,
    shared: Arc<Shared>,
    /// What the kept answers come from.
    _sources: (ApiServer, DataStorageStub),
}

struct Shared {
    delays: Delays,
    script: Script,
    down: Mutex<Vec<Dependency>>,
    tally: Mutex<Tally>,
    kept: RwLock<HashMap<String, Kept>>,
    http: reqwest::Client,
}

#[derive(Clone)]
struct Kept {
    status: StatusCode,
    kind: String,
    body: Bytes,
}

/// What is counted, and since when anybody waits.
#[derive(Default)]
struct Tally {
    count: Count,
    waiting: usize,
    since: Option<Instant>,
}

impl Fronts {
    pub(super) async fn start(delays: Delays) -> Self {
        let catalogue = DirectoryCatalogue::built_in();
        let cluster = ApiServer::serve(&root().join("examples/oom-cart-api/bundle")).await;
        let storage = DataStorageStub::start().await;
        storage.keep(Catalogue::of(&catalogue).await);
        let shared = Arc::new(Shared {
            delays,
            script: Script::read(&catalogue).await,
            down: Mutex::default(),
            tally: Mutex::default(),
            kept: RwLock::default(),
            http: reqwest::Client::new(),
        });
        let [model, data_storage, kubernetes] = [
            (Dependency::Model, String::new()),
            (Dependency::DataStorage, storage.url()),
            (Dependency::Kubernetes, server_of(cluster.kubeconfig())),
        ]
        .map(|(dependency, source)| listen(Front { dependency, source, shared: Arc::clone(&shared) }));
        let (model, data_storage, kubernetes) = (model.await, data_storage.await, kubernetes.await);
        Self { model, data_storage, kubernetes, shared, _sources: (cluster, storage) }
    }

    pub(super) fn obey(&self, order: Order) -> Count {
        let mut down = self.shared.down.lock().unwrap();
        match order {
            Order::Down(dependency) => down.push(dependency),
            Order::Up(dependency) => down.retain(|other| *other != dependency),
            Order::Count => {}
        }
        std::mem::take(&mut self.shared.tally.lock().unwrap().count)
    }
}

fn server_of(kubeconfig: PathBuf) -> String {
    let text = std::fs::read_to_string(kubeconfig).unwrap();
    let config: Value = serde_json::from_str(&text).unwrap();
    config["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned()
}

#[derive(Clone)]
struct Front {
    dependency: Dependency,
    /// Where answers that are not kept yet come from.
    source: String,
    shared: Arc<Shared>,
}

async fn listen(front: Front) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(front);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn answer(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let shared = &front.shared;
    if shared.down.lock().unwrap().contains(&front.dependency) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let path = parts.uri.path();
    let (delay, tally): (u64, fn(&mut Count) -> &mut usize) = match front.dependency {
        Dependency::Model if parts.method != "POST" => (0, |count| &mut count.model),
        Dependency::Model => (shared.delays.model, |count| &mut count.model),
        Dependency::DataStorage => {
            let [least, most] = shared.delays.data_storage;
            (least + u64::from(body.len() as u32 + path.len() as u32) * 7 % (most - least + 1), |count| {
                &mut count.data_storage
            })
        }
        Dependency::Kubernetes if path.ends_with("reviews") => (shared.delays.review, |count| &mut count.reviews),
        Dependency::Kubernetes => (shared.delays.kubernetes, |count| &mut count.kubernetes),
    };
    // Events are delivered in their own time: nobody waits for that.
    let is_waited_for = parts.method != "POST" || front.dependency == Dependency::Model;
    let answer = match (front.dependency, parts.method.as_str()) {
        (Dependency::Model, "POST") => {
            let (kind, body) = shared.script.answer(&body);
            Kept { status: StatusCode::OK, kind: kind.to_owned(), body }
        }
        (Dependency::Model, _) => {
            Kept { status: StatusCode::OK, kind: "application/json".to_owned(), body: Bytes::new() }
        }
        (Dependency::Kubernetes, "POST") => review(&body),
        (Dependency::DataStorage, "POST") => front.stored(&body),
        _ => front.kept(&parts.uri.to_string(), &parts.headers).await,
    };
    shared.begin(tally, is_waited_for);
    tokio::time::sleep(Duration::from_millis(delay)).await;
    if is_waited_for {
        shared.end();
    }
    let headers = [(header::CONTENT_TYPE, answer.kind)];
    (answer.status, headers, Body::from(answer.body)).into_response()
}

impl Shared {
    fn begin(&self, what: fn(&mut Count) -> &mut usize, is_waited_for: bool) {
        let mut tally = self.tally.lock().unwrap();
        *what(&mut tally.count) += 1;
        if is_waited_for {
            tally.waiting += 1;
            tally.since.get_or_insert_with(Instant::now);
        }
    }

    fn end(&self) {
        let mut tally = self.tally.lock().unwrap();
        tally.waiting -= 1;
        if tally.waiting == 0
            && let Some(since) = tally.since.take()
        {
            tally.count.waited_ms += since.elapsed().as_secs_f64() * 1e3;
        }
    }
}

impl Front {
    /// The answer of the tests' stub, from memory from the second time on.
    async fn kept(&self, target: &str, headers: &axum::http::HeaderMap) -> Kept {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let key = format!("{:?} {} {accept}", self.dependency, without_particulars(target));
        if let Some(known) = self.shared.kept.read().unwrap().get(&key) {
            return known.clone();
        }
        let asked = self.shared.http.get(format!("{}{target}", self.source));
        let answer = asked.header(header::ACCEPT, accept).bearer_auth("load").send().await.unwrap();
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or("application/json").to_owned();
        let kept = Kept { status: answer.status(), kind, body: answer.bytes().await.unwrap() };
        self.shared.kept.write().unwrap().insert(key, kept.clone());
        kept
    }

    fn stored(&self, body: &[u8]) -> Kept {
        let events: Value = serde_json::from_slice(body).unwrap();
        let count = events.as_array().map_or(1, Vec::len);
        self.shared.tally.lock().unwrap().count.audit_events += count;
        let ids: Vec<String> = (0..count).map(|_| uuid::Uuid::new_v4().to_string()).collect();
        let answer = match events {
            Value::Array(_) => json!({"event_ids": ids, "message": "stored"}),
            _ => json!({"event_id": ids[0], "event_timestamp": "2026-04-07T10:15:30Z", "message": "stored"}),
        };
        Kept { status: StatusCode::CREATED, kind: "application/json".to_owned(), body: answer.to_string().into() }
    }
}

/// The address without what is another in every investigation and changes nothing about the answer.
fn without_particulars(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_common = |pair: &&str| !["remediation_id=", "sinceTime="].iter().any(|name| pair.starts_with(name));
    let query: Vec<&str> = query.split('&').filter(is_common).collect();
    format!("{path}?{}", query.join("&"))
}

/// Everybody is who they say, and may do what they want.
fn review(body: &[u8]) -> Kept {
    let mut asked: Value = serde_json::from_slice(body).unwrap();
    asked["status"] = match asked["kind"].as_str() {
        Some("TokenReview") => {
            let name = asked["spec"]["token"].as_str().unwrap_or_default();
            json!({"authenticated": true, "user": {"username": format!("system:serviceaccount:load:{name}")}})
        }
        _ => json!({"allowed": true}),
    };
    Kept { status: StatusCode::CREATED, kind: "application/json".to_owned(), body: asked.to_string().into() }
}
