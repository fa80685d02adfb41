//! Investigations by a model, many at once, against the sum of the delays they cannot avoid.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::{Value, json};

use crate::block_on;
use crate::report::{Aim, Report, Spread};
use crate::service::{Service, Usage, root};
use crate::stubs::{Delays, Order, Stubs, token};

/// Submissions under way at once.
const SUBMITTERS: usize = 32;
/// Polls a second while investigations run: a thousand controllers ask every 15 s.
const POLLS_PER_SECOND: u64 = 67;
/// Nothing takes that long.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(250);

pub(crate) fn one(report: &mut Report) {
    let solo = solo();
    report.figure("the critical path, ms", format!("{:.0}", solo.critical_ms));
    report.figure("what it took, ms", format!("{:.0}", solo.took_ms));
    report.against("one investigation over the critical path", solo.took_ms / solo.critical_ms, "", Aim::AtMost(1.05));
}

struct Solo {
    critical_ms: f64,
    took_ms: f64,
}

/// The second of two: the first one finds nothing cached.
fn solo() -> Solo {
    let mut stubs = Stubs::start(&Delays::USUAL);
    let service = Service::live(&stubs, 1, &json!({}));
    block_on(Load::of(&service).run(1));
    stubs.order(Order::Count);
    let ended = block_on(Load::of(&service).run(1));
    let count = stubs.order(Order::Count);
    Solo { critical_ms: count.waited_ms, took_ms: Spread::of(ended.times).ms(1.0) }
}

pub(crate) fn ten(report: &mut Report) {
    at_once(report, 10, None, None);
}

pub(crate) fn hundred(report: &mut Report) {
    at_once(report, 100, Some(1.05), None);
}

pub(crate) fn thousand(report: &mut Report) {
    at_once(report, 1_000, Some(1.2), Some(150.0));
}

pub(crate) fn five_thousand(report: &mut Report) {
    at_once(report, 5_000, None, None);
}

fn at_once(report: &mut Report, number: usize, ratio: Option<f64>, memory_mb: Option<f64>) {
    let solo = solo();
    let mut stubs = Stubs::start(&Delays::USUAL);
    let service = Service::live(&stubs, number, &json!({}));
    // The caches are warm, as those of a running service are.
    block_on(Load::of(&service).run(1));
    stubs.order(Order::Count);
    let before = service.usage();
    let ended = block_on(Load::of(&service).run(number));
    let after = service.usage();
    let count = stubs.order(Order::Count);
    assert_eq!(ended.wrong, Vec::<String>::new());
    let times = Spread::of(ended.times);
    report.figure("from accepted to completed", &times);
    report.figure("the critical path, ms", format!("{:.0}", solo.critical_ms));
    report.figure("investigations a second", format!("{:.1}", number as f64 / ended.lasted.as_secs_f64()));
    report.figure(
        "model, DataStorage, Kubernetes calls; audit events",
        format!("{}, {}, {}; {}", count.model, count.data_storage, count.kubernetes, count.audit_events),
    );
    report.figure("submits", &ended.submits);
    report.figure("polls meanwhile", &ended.polls);
    let peak = ended.peak;
    report.figure("descriptors, of them sockets, at most", format!("{}, {}", peak.descriptors, peak.connections));
    let cpu_ms = (after.cpu - before.cpu).as_secs_f64() * 1e3 / number as f64;
    report.against(&format!("CPU of one of {number} investigations"), cpu_ms, "ms", Aim::AtMost(10.0));
    if let Some(ratio) = ratio {
        let reached = times.ms(0.99) / solo.critical_ms;
        report.against(&format!("{number} at once: p99 over the critical path"), reached, "", Aim::AtMost(ratio));
    }
    match memory_mb {
        Some(bound) => {
            report.against(&format!("memory, {number} in flight"), peak.resident_mb, "MB", Aim::AtMost(bound));
            report.against(&format!("submit p99, {number} in flight"), ended.submits.ms(0.99), "ms", Aim::AtMost(10.0));
            report.against(&format!("poll p99, {number} in flight"), ended.polls.ms(0.99), "ms", Aim::AtMost(5.0));
        }
        None => report.figure("memory at most, MB", format!("{:.1}", peak.resident_mb)),
    }
}

/// Submits incidents to one service and sees them end.
pub(crate) struct Load<'a> {
    service: &'a Service,
    http: reqwest::Client,
    token: String,
    incident: Value,
}

/// How it went.
pub(crate) struct Ended {
    /// From accepted to completed, by the service's own clock.
    pub(crate) times: Vec<Duration>,
    pub(crate) submits: Spread,
    pub(crate) polls: Spread,
    pub(crate) lasted: Duration,
    pub(crate) peak: Usage,
    /// Sessions that did not end with a workflow.
    pub(crate) wrong: Vec<String>,
}

impl<'a> Load<'a> {
    pub(crate) fn of(service: &'a Service) -> Self {
        Self::with_token(service, token(0))
    }

    pub(crate) fn with_token(service: &'a Service, token: String) -> Self {
        let incident = std::fs::read(root().join("examples/oom-cart-api/incident.json")).unwrap();
        let http = reqwest::Client::builder().pool_max_idle_per_host(SUBMITTERS * 2).build().unwrap();
        Self { service, http, token, incident: serde_json::from_slice(&incident).unwrap() }
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(self.service.url(path)).bearer_auth(&self.token)
    }

    /// The id of the new session, and how long that took.
    pub(crate) async fn submit(&self) -> (String, Duration) {
        let mut incident = self.incident.clone();
        for member in ["incident_id", "remediation_id"] {
            incident[member] = json!(format!("load-{}", uuid::Uuid::new_v4()));
        }
        let request = self.http.post(self.service.url("/api/v1/incident/analyze")).bearer_auth(&self.token);
        let request = request.json(&incident);
        let asked = Instant::now();
        let mut answer = request.try_clone().unwrap().send().await.unwrap();
        while answer.status() == 503 && asked.elapsed() < PATIENCE {
            // The queue is full: as a controller, later.
            tokio::time::sleep(LOOK).await;
            answer = request.try_clone().unwrap().send().await.unwrap();
        }
        let status = answer.status();
        let text = answer.text().await.unwrap();
        let took = asked.elapsed();
        assert_eq!(status, 202, "{text}");
        let body: Value = serde_json::from_str(&text).unwrap();
        (body["session_id"].as_str().unwrap().to_owned(), took)
    }

    pub(crate) async fn poll(&self, id: &str) -> (Value, Duration) {
        let asked = Instant::now();
        let answer = self.get(&format!("/api/v1/incident/session/{id}")).send().await.unwrap();
        let body = answer.json().await.unwrap();
        (body, asked.elapsed())
    }

    /// Submits so many, polls as controllers do until all have ended, and looks at every answer.
    pub(crate) async fn run(&self, number: usize) -> Ended {
        let began = Instant::now();
        let submits = stream::iter(0..number).map(|_| self.submit()).buffer_unordered(SUBMITTERS);
        let (ids, submits): (Vec<String>, Vec<Duration>) = submits.collect::<Vec<_>>().await.into_iter().unzip();
        let (mut times, mut polls, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        let mut peak = self.service.usage();
        let pause = Duration::from_micros(1_000_000 / POLLS_PER_SECOND);
        let (mut open, mut looked) = (ids, Instant::now());
        while !open.is_empty() {
            assert!(began.elapsed() < PATIENCE, "{} sessions have not ended", open.len());
            for id in std::mem::take(&mut open) {
                let (state, took) = self.poll(&id).await;
                polls.push(took);
                match state["status"].as_str() {
                    Some("completed") => {
                        times.push(lasted(&state));
                        wrong.extend(self.complaint(&id).await);
                    }
                    Some("pending" | "investigating") => open.push(id),
                    _ => wrong.push(state.to_string()),
                }
                if looked.elapsed() > LOOK {
                    looked = Instant::now();
                    let now = self.service.usage();
                    peak = if now.resident_mb > peak.resident_mb { now } else { peak };
                }
                tokio::time::sleep(pause.saturating_sub(took)).await;
            }
        }
        Ended { times, submits: Spread::of(submits), polls: Spread::of(polls), lasted: began.elapsed(), peak, wrong }
    }

    /// What is wrong with a result.
    async fn complaint(&self, id: &str) -> Option<String> {
        let answer = self.get(&format!("/api/v1/incident/session/{id}/result")).send().await.unwrap();
        let result: Value = answer.json().await.unwrap();
        let workflow = &result["selected_workflow"]["workflow_id"];
        (workflow.as_str().is_none() || result["needs_human_review"] == true).then(|| result.to_string())
    }
}

fn lasted(state: &Value) -> Duration {
    let at = |member: &str| state[member].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    Duration::try_from(at("completed_at").duration_since(at("created_at"))).unwrap()
}

pub(crate) fn streams(report: &mut Report) {
    /// The service bounds open streams at 128.
    const WATCHERS: usize = 100;
    let stubs = Stubs::start(&Delays::USUAL);
    let service = Service::live(&stubs, WATCHERS, &json!({}));
    let load = Load::of(&service);
    let (firsts, ends, peak) = block_on(async {
        load.run(1).await;
        let watched = stream::iter(0..WATCHERS).map(|_| async {
            let (id, _) = load.submit().await;
            let asked = Instant::now();
            let mut answer = load.get(&format!("/api/v1/incident/session/{id}/stream")).send().await.unwrap();
            let mut text = Vec::from(answer.chunk().await.unwrap().unwrap());
            let first = asked.elapsed();
            while let Ok(Some(piece)) = answer.chunk().await {
                text.extend_from_slice(&piece);
            }
            (first, String::from_utf8(text).unwrap())
        });
        let seen: Vec<(Duration, String)> = watched.buffer_unordered(WATCHERS).collect().await;
        let peak = service.usage();
        let (firsts, texts): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
        (firsts, texts.iter().filter(|text| text.contains("event: complete")).count(), peak)
    });
    let firsts = Spread::of(firsts);
    report.figure("first byte of the stream after it was asked for", &firsts);
    report.against("first byte of the event stream, median", firsts.ms(0.5), "ms", Aim::AtMost(20.0));
    report.figure("streams that told the end", format!("{ends} of {WATCHERS}"));
    report.figure("memory, MB", format!("{:.1}", peak.resident_mb));
}
