//! A model provider that follows a script in the OpenAI Chat Completions wire format: each request must be the one the
//! script expects next, in every detail it names, and gets the reply that stands beside it. What does not fit is refused
//! and remembered; [`Model::complaints`] tells it afterwards.

#[path = "model/chunks.rs"] // this file is also part of a benchmark, from another folder
mod chunks;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// One exchange: what the service must ask, and what it is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(default)]
    pub(crate) expect: Expected,
    pub(crate) reply: Reply,
}

/// What must hold for a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expected {
    /// Tools among those offered.
    offers: Vec<String>,
    /// Tools not among them.
    lacks: Vec<String>,
    /// Texts somewhere in the messages.
    contains: Vec<String>,
    /// Texts nowhere in the messages.
    misses: Vec<String>,
    /// Texts in the last message.
    last: Vec<String>,
    /// Texts not in the last message.
    last_misses: Vec<String>,
    /// Texts in the messages since the last assistant message, in this order.
    results: Vec<String>,
    /// `tool_choice`: `auto`, `required` or a tool's name.
    choice: Option<String>,
    /// Members of the body that must be absent.
    without: Vec<String>,
    /// How many messages there are.
    messages: Option<usize>,
    /// JSON pointer into the body → the value that must stand there.
    has: BTreeMap<String, Value>,
}

/// What the provider answers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reply {
    text: String,
    calls: Vec<Call>,
    finish: Option<String>,
    refusal: Option<String>,
    /// Members added to the message: reasoning and the like.
    extra: Map<String, Value>,
    usage: Option<Usage>,
    /// Instead of a completion.
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    raw: Option<String>,
    /// Milliseconds before the answer.
    delay_ms: u64,
    /// Ends the connection in the middle of the body.
    cut: bool,
    /// The answer serves this many requests in a row. Default 1.
    times: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    name: String,
    #[serde(default)]
    arguments: Value,
    /// The arguments as this very text.
    raw: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Usage {
    prompt: u64,
    completion: u64,
    #[serde(default)]
    cached: u64,
    #[serde(default)]
    cache_write: u64,
    #[serde(default)]
    reasoning: u64,
}

/// Makes the `usage` of an answer from the requests before, this one, and what it is answered with.
pub(crate) type Meter = fn(&[Value], &Value, &Value) -> Value;

#[derive(Debug, Default)]
struct Played {
    script: Vec<Step>,
    meter: Option<Meter>,
    /// Index of the next step, and how often it was used.
    next: usize,
    used: usize,
    requests: Vec<Value>,
    keys: Vec<String>,
    complaints: Vec<String>,
    /// Requests whose asker left before the answer.
    abandoned: usize,
}

impl Step {
    /// What stands beside it, as the answer to a request outside any script.
    pub(crate) fn answer(&self, number: usize, request: &Value) -> (&'static str, String) {
        let whole = completion(&self.reply, number, &Played::default());
        if request["stream"] == true {
            ("text/event-stream", chunks::of(&whole, request))
        } else {
            ("application/json", whole.to_string())
        }
    }
}

/// The server; stops when dropped.
pub(crate) struct Model {
    pub(crate) endpoint: String,
    played: Arc<Mutex<Played>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Model {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Model {
    pub(crate) async fn follow(script: Vec<Step>) -> Self {
        Self::play(Played { script, ..Played::default() }).await
    }

    /// Follows the script and counts tokens where it names none.
    pub(crate) async fn metered(script: Vec<Step>, meter: Meter) -> Self {
        Self::play(Played { script, meter: Some(meter), ..Played::default() }).await
    }

    async fn play(played: Played) -> Self {
        let played = Arc::new(Mutex::new(played));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/chat/completions", axum::routing::post(answer))
            .fallback(|| async { StatusCode::NOT_FOUND })
            .with_state(Arc::clone(&played));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, played, task }
    }

    /// Bodies of all requests so far.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.played.lock().unwrap().requests.clone()
    }

    /// Keys the requests carried.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.played.lock().unwrap().keys.clone()
    }

    /// How many requests were given up before they were answered.
    pub(crate) fn abandoned(&self) -> usize {
        self.played.lock().unwrap().abandoned
    }

    /// What did not go by the script, steps that were never reached included.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let played = self.played.lock().unwrap();
        let mut complaints = played.complaints.clone();
        let done = played.next + usize::from(played.used > 0);
        if done < played.script.len() {
            complaints.push(format!("the script has {} steps, only {done} were reached", played.script.len()));
        }
        complaints
    }
}

async fn answer(State(played): State<Arc<Mutex<Played>>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let (reply, text) = {
        let mut played = played.lock().unwrap();
        let key = headers.get("authorization").and_then(|key| key.to_str().ok()).unwrap_or_default();
        played.keys.push(key.to_owned());
        let request: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        played.requests.push(request.clone());
        let (mut reply, number) = played.take(&request);
        let text = match &reply.raw {
            Some(raw) => raw.clone(),
            None => completion(&reply, number, &played).to_string(),
        };
        let is_completion = reply.raw.is_none() && reply.status.is_none();
        let text = if is_completion && request["stream"] == true {
            reply.headers.entry("content-type".to_owned()).or_insert("text/event-stream".to_owned());
            chunks::of(&serde_json::from_str(&text).unwrap(), &request)
        } else {
            text
        };
        (reply, text)
    };
    let mut waiting = Waiting { played, is_over: false };
    tokio::time::sleep(Duration::from_millis(reply.delay_ms)).await;
    waiting.is_over = true;
    let mut response = Response::builder().status(reply.status.unwrap_or(200));
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    if !reply.headers.contains_key("content-type") {
        response = response.header("content-type", "application/json");
    }
    let body = if reply.cut { half(&text) } else { Body::from(text) };
    response.body(body).unwrap()
}

/// Notices that the asker leaves: the server drops the answer in the making then.
struct Waiting {
    played: Arc<Mutex<Played>>,
    is_over: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_over {
            self.played.lock().unwrap().abandoned += 1;
        }
    }
}

/// The first half, then the connection breaks.
fn half(text: &str) -> Body {
    let half: Bytes = text.as_bytes()[..text.len() / 2].to_vec().into();
    let broken = std::io::Error::other("cut");
    Body::from_stream(stream::iter([Ok::<Bytes, std::io::Error>(half), Err(broken)]))
}

fn completion(reply: &Reply, number: usize, played: &Played) -> Value {
    let mut message = reply.extra.clone();
    message.insert("role".into(), "assistant".into());
    message.insert("content".into(), if reply.text.is_empty() { Value::Null } else { reply.text.clone().into() });
    if let Some(refusal) = &reply.refusal {
        message.insert("refusal".into(), refusal.clone().into());
    }
    let calls: Vec<Value> = reply.calls.iter().enumerate().map(|(index, call)| {
        let arguments = call.raw.clone().unwrap_or_else(|| call.arguments.to_string());
        json!({"id": format!("call_{number}_{index}"), "type": "function", "function": {"name": call.name, "arguments": arguments}})
    }).collect();
    let default = if calls.is_empty() { "stop" } else { "tool_calls" };
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    let usage = match (reply.usage, played.meter, played.requests.split_last()) {
        (None, Some(meter), Some((request, earlier))) => meter(earlier, request, &json!(message)),
        (given, ..) => given
            .unwrap_or(Usage { prompt: 1_000, completion: 50, cached: 0, cache_write: 0, reasoning: 0 })
            .on_the_wire(),
    };
    json!({
        "id": format!("chatcmpl-{number}"), "object": "chat.completion", "created": 1_776_000_000, "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish.as_deref().unwrap_or(default), "logprobs": null}],
        "usage": usage,
    })
}

impl Usage {
    fn on_the_wire(self) -> Value {
        let Self { prompt, completion, cached, cache_write, reasoning } = self;
        json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
               "prompt_tokens_details": {"cached_tokens": cached, "cache_creation_tokens": cache_write},
               "completion_tokens_details": {"reasoning_tokens": reasoning}})
    }
}

impl Played {
    fn take(&mut self, request: &Value) -> (Reply, usize) {
        let number = self.requests.len();
        let mut wrong = malformed(request);
        let Some(step) = self.script.get(self.next).cloned() else {
            self.complaints.push(format!("request {number} is one more than the script has: {}", shown(request)));
            return (Reply { status: Some(400), raw: Some("the script is over".into()), ..Reply::default() }, number);
        };
        wrong.extend(step.expect.differences(request));
        if !wrong.is_empty() {
            self.complaints.push(format!("request {number}: {}\n{}", wrong.join("; "), shown(request)));
        }
        self.used += 1;
        if self.used >= step.reply.times.unwrap_or(1) {
            (self.next, self.used) = (self.next + 1, 0);
        }
        (step.reply, number)
    }
}

fn shown(request: &Value) -> String {
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let last: Vec<String> =
        messages.iter().rev().take(3).rev().map(|message| message.to_string().chars().take(1_500).collect()).collect();
    last.join("\n")
}

fn texts(request: &Value) -> Vec<String> {
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    messages.iter().map(|message| message["content"].as_str().unwrap_or_default().to_owned()).collect()
}

/// What a real provider would refuse.
fn malformed(request: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    if request["model"].as_str().is_none_or(str::is_empty) {
        wrong.push("no model".to_owned());
    }
    let roles: Vec<&str> = messages.iter().map(|message| message["role"].as_str().unwrap_or_default()).collect();
    if roles.get(..2) != Some(&["system", "user"][..]) {
        wrong.push(format!("begins with {roles:?}"));
    }
    let mut open: Vec<String> = Vec::new();
    for message in &messages {
        let role = message["role"].as_str().unwrap_or_default();
        if role == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            match open.iter().position(|open| open == id) {
                Some(0) => _ = open.remove(0),
                Some(_) => wrong.push(format!("the result of {id} is out of order")),
                None => wrong.push(format!("a result for {id}, which nobody called")),
            }
            continue;
        }
        if !open.is_empty() {
            wrong.push(format!("{open:?} have no results"));
            open.clear();
        }
        if role == "assistant" {
            let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
            open.extend(calls.iter().map(|call| call["id"].as_str().unwrap_or_default().to_owned()));
            if calls.is_empty() && message["content"].as_str().is_none_or(str::is_empty) {
                wrong.push("an assistant message with nothing in it".to_owned());
            }
        }
    }
    let mut names = Vec::new();
    for tool in request["tools"].as_array().into_iter().flatten() {
        let function = &tool["function"];
        if function["parameters"]["type"] != "object" || function["description"].as_str().is_none_or(str::is_empty) {
            wrong.push(format!("tool {} is incomplete", function["name"]));
        }
        names.push(function["name"].to_string());
    }
    let count = names.len();
    names.sort();
    names.dedup();
    if names.len() != count {
        wrong.push("a tool is offered twice".to_owned());
    }
    wrong
}

impl Expected {
    fn differences(&self, request: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        let texts = texts(request);
        let whole = texts.join("\n");
        let offered: Vec<&str> = request["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tool| tool["function"]["name"].as_str())
            .collect();
        let mut demand = |holds: bool, what: String| {
            if !holds {
                wrong.push(what);
            }
        };
        for tool in &self.offers {
            demand(offered.contains(&tool.as_str()), format!("{tool} is not offered"));
        }
        for tool in &self.lacks {
            demand(!offered.contains(&tool.as_str()), format!("{tool} is offered"));
        }
        for text in &self.contains {
            demand(whole.contains(text), format!("{text:?} is nowhere"));
        }
        for text in &self.misses {
            demand(!whole.contains(text), format!("{text:?} is somewhere"));
        }
        let last = texts.last().cloned().unwrap_or_default();
        for text in &self.last {
            demand(last.contains(text), format!("{text:?} is not in the last message"));
        }
        for text in &self.last_misses {
            demand(!last.contains(text), format!("{text:?} is in the last message"));
        }
        let messages = request["messages"].as_array().cloned().unwrap_or_default();
        let since = messages.iter().rposition(|message| message["role"] == "assistant").map_or(0, |at| at + 1);
        let mut results = texts.iter().skip(since).filter(|text| !text.is_empty());
        for text in &self.results {
            demand(results.any(|result| result.contains(text)), format!("{text:?} is in no further result"));
        }
        if let Some(choice) = &self.choice {
            let given = request["tool_choice"].as_str().or_else(|| request["tool_choice"]["function"]["name"].as_str());
            demand(given == Some(choice), format!("tool_choice is {given:?}, not {choice}"));
        }
        for member in &self.without {
            demand(request.get(member).is_none(), format!("{member} is sent"));
        }
        for (pointer, value) in &self.has {
            let given = request.pointer(pointer);
            demand(given == Some(value), format!("{pointer} is {given:?}, not {value}"));
        }
        if let Some(count) = self.messages {
            demand(messages.len() == count, format!("{} messages, not {count}", messages.len()));
        }
        wrong
    }
}
