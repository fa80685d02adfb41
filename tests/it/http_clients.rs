//! The released controllers in small (http-api §6.1–6.4), against the service: submit, poll, fetch the result, with their
//! classification of errors and their counters. A second of theirs is [`SECOND`] here.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod invariants;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use holmesgpt_api::sessions::{SessionsConfig, Work};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::http_contract::incident;
use crate::http_modes::{INCIDENT, eventually, january};
use crate::http_sessions::successor;
use crate::service::{Answer, Setup, TOKEN, TestService, finding_for};

/// A second of a controller. Its 30 s without an answer are long enough here to start the service anew.
const SECOND: Duration = Duration::from_millis(100);
/// Between polls: they poll every 15 s, but nothing is learnt from waiting here.
const POLL: Duration = Duration::from_millis(20);
/// Errors in one investigation that are fatal.
const RETRIES_MAX: u32 = 5;
/// Sessions in one investigation that are fatal.
const REGENERATIONS_MAX: u32 = 5;
/// Results that are not there although the state said so, before a successor starts anew.
const CONFLICTS_MAX: u32 = 3;

/// Whose rules a controller follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Generation {
    /// v1.0 to v1.2.
    April,
    /// v1.3 to v1.5.
    Successor,
}

/// How the controller's own object ends.
#[derive(Debug, Clone, PartialEq)]
enum End {
    Result(Box<Value>),
    /// Failed with this reason and message.
    Failed(&'static str, String),
}

/// What an answer means to a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Good,
    NotFound,
    Conflict,
    /// Not retried.
    Permanent(u16),
    /// Retried with growing waits. 0: a status the generated client does not know.
    Retryable(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Submit,
    Poll,
    Result,
}

impl Generation {
    /// http-api §6.1, the table of wrappers, and §6.2.
    fn class(self, call: Call, answer: &Answer) -> Class {
        let media = answer.header("content-type");
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
        let members = ["type", "title", "detail", "status", "instance"];
        let is_complete = members.iter().all(|name| !body[name].is_null());
        match (call, answer.status) {
            (Call::Submit, 202) | (Call::Poll | Call::Result, 200) if media == "application/json" => Class::Good,
            (Call::Submit, status @ (400 | 422)) if is_complete => Class::Permanent(status),
            (Call::Submit, status @ (401 | 403)) if is_complete && media == "application/json" => {
                Class::Permanent(status)
            }
            (Call::Submit, 500) if is_complete && media == "application/json" => Class::Retryable(500),
            (Call::Poll | Call::Result, 404) if self.recognises(media, is_complete) => Class::NotFound,
            (Call::Result, 409) if self.recognises(media, is_complete) => Class::Conflict,
            _ => Class::Retryable(0),
        }
    }

    /// April ignores the body of a declared error; the successor decodes it.
    fn recognises(self, media: &str, is_complete: bool) -> bool {
        self == Self::April || media == "application/problem+json" && is_complete
    }
}

/// Where the service listens; a restart changes it.
#[derive(Debug, Clone)]
struct Endpoint(Arc<Mutex<SocketAddr>>);

impl Endpoint {
    fn of(service: &TestService) -> Self {
        Self(Arc::new(Mutex::new(service.address)))
    }

    fn moves(&self, service: &TestService) {
        *self.0.lock().unwrap() = service.address;
    }
}

/// One investigation of one controller.
struct Controller {
    generation: Generation,
    endpoint: Endpoint,
    body: Value,
    client: reqwest::Client,
    errors: u32,
    conflicts: u32,
    submissions: u32,
    polls: u32,
    /// The session being polled, as others may want to know it.
    session: Arc<Mutex<Option<String>>>,
}

/// What to do next.
enum Next {
    Submit,
    Poll,
    End(End),
}

impl Controller {
    fn new(generation: Generation, endpoint: &Endpoint) -> Self {
        let body = if generation == Generation::April { incident() } else { successor() };
        let client = reqwest::Client::builder().no_proxy().timeout(SECOND * 60).build().unwrap();
        let session = Arc::default();
        let endpoint = endpoint.clone();
        Self { generation, endpoint, body, client, errors: 0, conflicts: 0, submissions: 0, polls: 0, session }
    }

    /// http-api §6.3.
    async fn run(&mut self) -> End {
        let mut next = Next::Submit;
        loop {
            next = match next {
                Next::Submit => self.submit().await,
                Next::Poll => {
                    tokio::time::sleep(POLL).await;
                    self.poll().await
                }
                Next::End(end) => return end,
            };
        }
    }

    async fn send(&self, method: &str, path: &str, body: Option<String>) -> Option<(Answer, Duration)> {
        let address = *self.endpoint.0.lock().unwrap();
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("http://{address}{path}")).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let began = Instant::now();
        let response = request.send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Answer { status, headers, text: response.text().await.ok()? };
        if answer.status >= 400 {
            invariants::of_error(&answer);
        }
        Some((answer, began.elapsed()))
    }

    async fn submit(&mut self) -> Next {
        if self.submissions > REGENERATIONS_MAX {
            return Next::End(End::Failed("SessionRegenerationExceeded", String::new()));
        }
        let sent = self.send("POST", INCIDENT, Some(self.body.to_string())).await;
        let Some((answer, _)) = sent else { return self.retry(Next::Submit).await };
        match self.generation.class(Call::Submit, &answer) {
            Class::Good => {
                invariants::of_accepted(&answer, 202);
                self.submissions += 1;
                *self.session.lock().unwrap() = answer.json()["session_id"].as_str().map(str::to_owned);
                Next::Poll
            }
            Class::Permanent(status) => Next::End(End::Failed("Permanent", format!("{status}"))),
            _ => self.retry(Next::Submit).await,
        }
    }

    fn path(&self) -> String {
        format!("/api/v1/incident/session/{}", self.session.lock().unwrap().as_deref().unwrap())
    }

    async fn poll(&mut self) -> Next {
        self.polls += 1;
        let Some((answer, took)) = self.send("GET", &self.path(), None).await else {
            return self.retry(Next::Poll).await;
        };
        match self.generation.class(Call::Poll, &answer) {
            Class::Good => {}
            Class::NotFound => {
                if self.generation == Generation::Successor {
                    tokio::time::sleep(SECOND / 5).await;
                }
                return Next::Submit;
            }
            _ => return self.retry(Next::Poll).await,
        }
        invariants::of_status(&answer, self.generation, took);
        if self.generation == Generation::Successor {
            self.errors = 0;
        }
        let body = answer.json();
        match (body["status"].as_str().unwrap(), self.generation) {
            ("completed", _) => self.result().await,
            ("failed", _) => Next::End(End::Failed("Failed", body["error"].as_str().unwrap().to_owned())),
            ("cancelled", Generation::Successor) => Next::End(End::Failed("InteractiveCancelled", String::new())),
            _ => Next::Poll,
        }
    }

    async fn result(&mut self) -> Next {
        let path = format!("{}/result", self.path());
        let Some((answer, _)) = self.send("GET", &path, None).await else { return self.retry(Next::Poll).await };
        match (self.generation.class(Call::Result, &answer), self.generation) {
            (Class::Good, _) => {
                invariants::of_result(&answer, self.generation);
                self.errors = 0;
                Next::End(End::Result(Box::new(answer.json())))
            }
            (Class::NotFound, Generation::April) => Next::End(End::Failed("Permanent", "404".to_owned())),
            (Class::NotFound, Generation::Successor) => Next::Submit,
            (Class::Conflict, Generation::April) => Next::Poll,
            (Class::Conflict, Generation::Successor) => {
                self.conflicts += 1;
                if self.conflicts.is_multiple_of(CONFLICTS_MAX) { Next::Submit } else { Next::Poll }
            }
            _ => self.retry(Next::Poll).await,
        }
    }

    /// Waits of 2, 4, 8 and 16 s; the fifth error is fatal.
    async fn retry(&mut self, next: Next) -> Next {
        self.errors += 1;
        if self.errors >= RETRIES_MAX {
            return Next::End(End::Failed("MaxRetriesExceeded", String::new()));
        }
        tokio::time::sleep(SECOND * 2_u32.pow(self.errors)).await;
        next
    }
}

fn gated(gate: &Arc<Semaphore>) -> Work {
    let gate = Arc::clone(gate);
    Work::new(move |incident, context| {
        let gate = Arc::clone(&gate);
        async move {
            context.progress.phase("root cause analysis");
            gate.acquire().await.unwrap().forget();
            Ok(finding_for(&incident))
        }
    })
}

const BOTH: [Generation; 2] = [Generation::April, Generation::Successor];

fn chosen(end: &End) -> &Value {
    match end {
        End::Result(result) => &result["selected_workflow"]["workflow_id"],
        End::Failed(reason, message) => panic!("{reason}: {message}"),
    }
}

/// Lets a controller run by itself.
fn spawn(mut controller: Controller) -> tokio::task::JoinHandle<(End, Controller)> {
    tokio::spawn(async move {
        let end = controller.run().await;
        (end, controller)
    })
}

#[tokio::test]
async fn a_normal_run() {
    let service = TestService::start().await;
    for generation in BOTH {
        let mut controller = Controller::new(generation, &Endpoint::of(&service));
        let end = controller.run().await;
        assert!(chosen(&end).is_string());
        assert_eq!((controller.submissions, controller.errors), (1, 0), "{generation:?}");
    }
    // January's controller: one call.
    let answer = Answer::of(service.post(INCIDENT, &january())).await;
    invariants::of_accepted(&answer, 200);
    invariants::of_result(&answer, Generation::April);
}

#[tokio::test]
async fn a_slow_run_is_polled_to_its_end() {
    let gate = Arc::new(Semaphore::new(0));
    let service = TestService::with(Setup { work: gated(&gate), ..Setup::default() }).await;
    let running: Vec<_> = BOTH.map(|generation| spawn(Controller::new(generation, &Endpoint::of(&service)))).into();
    tokio::time::sleep(POLL * 20).await;
    gate.add_permits(2);
    for running in running {
        let (end, controller) = running.await.unwrap();
        assert!(chosen(&end).is_string());
        assert!(controller.polls > 5 && controller.submissions == 1 && controller.errors == 0);
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_costs_one_submission() {
    for generation in BOTH {
        let gate = Arc::new(Semaphore::new(0));
        let service = TestService::with(Setup { work: gated(&gate), ..Setup::default() }).await;
        let endpoint = Endpoint::of(&service);
        let controller = Controller::new(generation, &endpoint);
        let session = Arc::clone(&controller.session);
        let running = spawn(controller);
        eventually("it is submitted", async || session.lock().unwrap().is_some()).await;

        service.readiness.shutting_down();
        let drained = service.sessions.drain(tokio::time::Instant::now() + POLL).await;
        assert_eq!(drained.parked, 1);
        let (store, folder) = (service.store.clone(), Arc::clone(&service.folder));
        service.stop().await;
        store.close().await.unwrap();
        let again = Setup { work: gated(&gate), folder: Some(folder), ..Setup::default() };
        let service = TestService::with(again).await;
        endpoint.moves(&service);

        gate.add_permits(1);
        let (end, controller) = running.await.unwrap();
        assert!(chosen(&end).is_string());
        assert_eq!(controller.submissions, 2, "{generation:?}");
        assert!(controller.errors < RETRIES_MAX, "{generation:?}");
    }
}

#[tokio::test]
async fn a_cancelled_run_ends_its_controller() {
    for (generation, reason, message) in
        [(Generation::April, "Failed", "Investigation cancelled"), (Generation::Successor, "InteractiveCancelled", "")]
    {
        let service = TestService::with(Setup { work: gated(&Arc::new(Semaphore::new(0))), ..Setup::default() }).await;
        let controller = Controller::new(generation, &Endpoint::of(&service));
        let session = Arc::clone(&controller.session);
        let running = spawn(controller);
        eventually("it is submitted", async || session.lock().unwrap().is_some()).await;
        let id = session.lock().unwrap().clone().unwrap();
        let cancel = Answer::of(service.caller("POST", &format!("/api/v1/incident/session/{id}/cancel"))).await;
        assert_eq!(cancel.status, 200);
        let (end, _) = running.await.unwrap();
        assert_eq!(end, End::Failed(reason, message.to_owned()));
        // Whoever fetches the result all the same must not take it for "nothing to do".
        let result = service.get(&format!("/api/v1/incident/session/{id}/result")).await;
        invariants::of_result(&result, generation);
        assert_eq!(result.json()["needs_human_review"], true);
    }
}

#[tokio::test]
async fn a_full_house_is_retried_and_fatal_only_when_it_stays_full() {
    for generation in BOTH {
        let gate = Arc::new(Semaphore::new(0));
        let sessions = SessionsConfig { max_concurrent_investigations: 1, queue_limit: 0, ..SessionsConfig::default() };
        let service = TestService::with(Setup { work: gated(&gate), sessions, ..Setup::default() }).await;
        let endpoint = Endpoint::of(&service);
        let first = spawn(Controller::new(generation, &endpoint));
        eventually("the house is full", async || service.store.sessions().await.unwrap().len() == 1).await;
        let second = spawn(Controller::new(generation, &endpoint));
        tokio::time::sleep(SECOND).await;
        gate.add_permits(2);
        for running in [first, second] {
            let (end, _) = running.await.unwrap();
            assert!(chosen(&end).is_string(), "{generation:?}");
        }
        // Nobody leaves.
        let full = spawn(Controller::new(generation, &endpoint));
        eventually("the house is full", async || service.store.sessions().await.unwrap().len() == 3).await;
        let mut refused = Controller::new(generation, &endpoint);
        assert_eq!(refused.run().await, End::Failed("MaxRetriesExceeded", String::new()));
        assert_eq!(refused.submissions, 0);
        full.abort();
    }
}

#[tokio::test]
async fn a_drain_lets_running_work_finish() {
    for generation in BOTH {
        let gate = Arc::new(Semaphore::new(0));
        let service = TestService::with(Setup { work: gated(&gate), ..Setup::default() }).await;
        let endpoint = Endpoint::of(&service);
        let controller = Controller::new(generation, &endpoint);
        let session = Arc::clone(&controller.session);
        let running = spawn(controller);
        eventually("it is submitted", async || session.lock().unwrap().is_some()).await;
        let draining = {
            let sessions = service.sessions.clone();
            tokio::spawn(async move { sessions.drain(tokio::time::Instant::now() + SECOND * 100).await })
        };
        eventually("it drains", async || service.sessions.is_draining()).await;
        let late = Answer::of(service.post(INCIDENT, &incident())).await;
        assert_eq!((late.status, late.header("retry-after")), (503, "5"));
        gate.add_permits(1);
        let (end, controller) = running.await.unwrap();
        assert!(chosen(&end).is_string());
        assert_eq!(
            (controller.submissions, controller.errors),
            (1, 0),
            "{generation:?}: polls are served until the end"
        );
        assert_eq!(draining.await.unwrap().parked, 0);
    }
}

#[tokio::test]
async fn errors_are_what_the_generations_take_them_for() {
    let service = TestService::start().await;
    let unknown = service.get("/api/v1/incident/session/5b0e7f0c-2f1c-4a0e-9d35-7d3bb8a2c1e4").await;
    let bad = Answer::of(service.post(INCIDENT, &serde_json::json!({}))).await;
    let stranger = Answer::of(service.stranger("POST", INCIDENT).body("{}")).await;
    let http = holmesgpt_api::api::HttpConfig { auth_error_media_type: holmesgpt_api::api::ErrorMediaType::Json };
    let plain = TestService::with(Setup { http, ..Setup::default() }).await;
    let plain = Answer::of(plain.stranger("POST", INCIDENT).body("{}")).await;
    for generation in BOTH {
        assert_eq!(generation.class(Call::Poll, &unknown), Class::NotFound);
        assert_eq!(generation.class(Call::Submit, &bad), Class::Permanent(400));
        assert_eq!(
            generation.class(Call::Submit, &stranger),
            Class::Retryable(0),
            "problem+json is not declared for it"
        );
        assert_eq!(generation.class(Call::Submit, &plain), Class::Permanent(401));
    }
}
