//! The event stream (http-api §8.3, §9 item 17).

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use holmesgpt_api::api::Limits;
use holmesgpt_api::investigation::{InvestigationError, ProgressSender};
use holmesgpt_api::sessions::Work;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::http_contract::incident;
use crate::http_modes::INCIDENT;
use crate::http_sessions::{gated, late_successor, reaches, submit};
use crate::service::{Answer, Setup, TOKEN, TestService, finding_for};

/// One event of a stream; comments have no id.
#[derive(Debug, Clone, PartialEq)]
struct Frame {
    id: Option<u64>,
    event: String,
    data: Value,
}

/// Reads the exact form of a frame.
fn parse(text: &str) -> Frame {
    if text == ": keep-alive" {
        return Frame { id: None, event: "keep-alive".into(), data: Value::Null };
    }
    let lines: Vec<&str> = text.split('\n').collect();
    let [id, event, data] = lines.as_slice() else { panic!("{text:?}") };
    let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    let event = event.strip_prefix("event: ").unwrap().to_owned();
    assert_eq!(data["type"], event, "{text}");
    Frame { id: Some(id.strip_prefix("id: ").unwrap().parse().unwrap()), event, data }
}

/// An open stream.
struct Reader {
    response: reqwest::Response,
    rest: String,
}

impl Reader {
    async fn open(service: &TestService, path: &str, last: Option<u64>) -> Self {
        let mut request = service.caller("GET", &format!("{path}/stream")).header("accept-encoding", "gzip, zstd");
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        for (name, value) in
            [("content-type", "text/event-stream"), ("cache-control", "no-cache"), ("x-accel-buffering", "no")]
        {
            assert_eq!(response.headers()[name], value);
        }
        assert!(response.headers().get("content-encoding").is_none());
        Self { response, rest: String::new() }
    }

    /// The next frame; `None` when the stream is closed.
    async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, rest)) = self.rest.split_once("\n\n") {
                let frame = parse(frame);
                self.rest = rest.to_owned();
                return Some(frame);
            }
            let chunk = tokio::time::timeout(Duration::from_secs(10), self.response.chunk()).await.unwrap().unwrap()?;
            self.rest.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn all(mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}

fn names(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(|frame| frame.event.as_str()).collect()
}

async fn started(work: Work) -> (TestService, String) {
    let service = TestService::with(Setup { work, ..Setup::default() }).await;
    let path = submit(&service, INCIDENT, &incident()).await;
    (service, path)
}

#[tokio::test]
async fn every_reader_sees_the_whole_run_in_the_documented_form() {
    let gate = Arc::new(Semaphore::new(0));
    let (service, path) = started(gated(&gate)).await;
    let (first, second) = (Reader::open(&service, &path, None).await, Reader::open(&service, &path, None).await);
    gate.add_permits(1);
    let frames = first.all().await;
    assert_eq!(frames, second.all().await, "each has its own cursor");
    assert_eq!(names(&frames), ["reasoning_delta", "tool_call_start", "tool_result", "reasoning_delta", "complete"]);
    assert_eq!(frames.iter().map(|frame| frame.id.unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let phase = json!({ "text": "root cause analysis", "tool_call_count": 0 });
    assert_eq!(frames[0].data, json!({ "type": "reasoning_delta", "turn": 0, "phase": "rca", "data": phase }));
    let call = json!({ "tool_name": "kubectl_describe", "tool_index": 0 });
    assert_eq!(frames[1].data, json!({ "type": "tool_call_start", "turn": 0, "phase": "rca", "data": call }));
    assert_eq!(frames[2].data["data"]["result_preview"].as_str().unwrap().chars().count(), 200);
    let said = json!({ "text": "The limit looks too low.\nI check the history.", "tool_call_count": 1 });
    assert_eq!(frames[3].data, json!({ "type": "reasoning_delta", "turn": 1, "phase": "rca", "data": said }));
    assert_eq!(
        frames[4].data,
        json!({ "type": "complete", "turn": 1, "phase": "complete", "data": {
            "severity": "high", "confidence": 0.9, "target": "Deployment/cart-api in checkout",
            "rca_summary": "Limit too low", "total_llm_turns": 1, "total_tool_calls": 1, "has_workflow": true } })
    );
}

#[tokio::test]
async fn a_finished_session_is_one_frame_also_after_a_restart() {
    let (service, path) = started(gated(&Arc::new(Semaphore::new(1)))).await;
    reaches(&service, &path, "completed").await;
    let frames = Reader::open(&service, &path, None).await.all().await;
    assert_eq!((names(&frames), frames[0].id), (vec!["complete"], Some(5)));
    assert_eq!(Reader::open(&service, &path, Some(99)).await.all().await, frames);
    service.store.close().await.unwrap();
    let folder = Some(Arc::clone(&service.folder));
    let service = TestService::with(Setup { folder, ..Setup::default() }).await;
    assert_eq!(Reader::open(&service, &path, None).await.all().await, frames);
}

#[tokio::test]
async fn an_interrupted_reader_resumes() {
    let gate = Arc::new(Semaphore::new(0));
    let (service, path) = started(gated(&gate)).await;
    let mut reader = Reader::open(&service, &path, None).await;
    let first = reader.next().await.unwrap();
    let second = reader.next().await.unwrap();
    assert_eq!((first.id, second.id), (Some(1), Some(2)));
    drop(reader);
    let resumed = Reader::open(&service, &path, second.id).await;
    // An id nobody gave out hides nothing.
    let mut foreign = Reader::open(&service, &path, Some(10_000)).await;
    gate.add_permits(1);
    assert_eq!(names(&resumed.all().await), ["tool_result", "reasoning_delta", "complete"]);
    assert_eq!(foreign.next().await.unwrap().event, "complete");
}

#[tokio::test]
async fn failed_and_cancelled_runs_end_their_streams() {
    let gate = Arc::new(Semaphore::new(0));
    let failing = {
        let gate = Arc::clone(&gate);
        Work::new(move |_, context| {
            let gate = Arc::clone(&gate);
            async move {
                context.progress.phase("workflow selection");
                gate.acquire().await.unwrap().forget();
                Err(InvestigationError::internal("rca", "boom"))
            }
        })
    };
    let (service, path) = started(failing).await;
    let reader = Reader::open(&service, &path, None).await;
    gate.add_permits(1);
    let frames = reader.all().await;
    assert_eq!(names(&frames), ["reasoning_delta", "error", "session_ended"]);
    assert_eq!(frames[1].data["data"], json!({ "error": "internal: boom" }));
    assert_eq!(frames[2].data, json!({ "type": "session_ended", "turn": 0, "phase": "failed" }));

    let path = submit(&service, INCIDENT, &late_successor()).await;
    let mut reader = Reader::open(&service, &path, None).await;
    assert_eq!(reader.next().await.unwrap().data["phase"], "workflow_discovery");
    assert_eq!(Answer::of(service.caller("POST", &format!("{path}/cancel"))).await.status, 200);
    let frames = reader.all().await;
    assert_eq!(names(&frames), ["cancelled"]);
    assert!(frames[0].data.get("data").is_none());
    assert_eq!(frames[0].id, Some(2));
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = Limits { keep_alive: Duration::from_millis(20), ..Limits::default() };
    let service = TestService::with(Setup { work: gated(&gate), limits, ..Setup::default() }).await;
    let path = submit(&service, INCIDENT, &incident()).await;
    let mut reader = Reader::open(&service, &path, Some(4)).await;
    let mut comments = 0;
    while comments < 3 {
        comments += usize::from(reader.next().await.unwrap().event == "keep-alive");
    }
    gate.add_permits(1);
    assert_eq!(reader.all().await.last().unwrap().event, "complete");
}

type Telling = Box<dyn FnOnce(&ProgressSender) + Send>;

/// A run that does what the test says.
fn told(steps: mpsc::Receiver<Telling>) -> Work {
    let steps = Arc::new(tokio::sync::Mutex::new(steps));
    Work::new(move |incident, context| {
        let steps = Arc::clone(&steps);
        async move {
            while let Some(step) = steps.lock().await.recv().await {
                step(&context.progress);
            }
            Ok(finding_for(&incident))
        }
    })
}

#[tokio::test]
async fn a_slow_reader_loses_events_and_slows_nobody() {
    let (steps, receiver) = mpsc::channel(1);
    let (service, path) = started(told(receiver)).await;
    // Connected, and never reads.
    let mut silent = service.connect().await;
    let head = format!("GET {path}/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    tokio::io::AsyncWriteExt::write_all(&mut silent, head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    steps
        .send(Box::new(|progress| {
            for index in 0..200_000 {
                progress.tool_answered("logs", index, &"x".repeat(200));
            }
        }))
        .await
        .unwrap();
    let mut late = Reader::open(&service, &path, None).await;
    drop(steps);
    reaches(&service, &path, "completed").await;
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    // A late reader gets what is kept, and the end.
    let mut count = 0;
    let mut last = None;
    while let Some(frame) = late.next().await {
        count += 1;
        last = Some(frame);
    }
    assert!(count <= 65, "{count}");
    let last = last.unwrap();
    assert_eq!((last.event.as_str(), last.id), ("complete", Some(200_001)));
}

#[tokio::test]
async fn drain_ends_streams() {
    let gate = Arc::new(Semaphore::new(0));
    let (service, path) = started(gated(&gate)).await;
    let reader = Reader::open(&service, &path, Some(3)).await;
    let draining = service.sessions.drain(tokio::time::Instant::now() + Duration::from_millis(100));
    let (frames, drained) = tokio::join!(reader.all(), draining);
    assert_eq!(drained.parked, 1);
    let last = frames.last().unwrap();
    assert_eq!((last.event.as_str(), &last.data["phase"]), ("session_ended", &json!("shutting_down")));
}

#[tokio::test]
async fn streams_are_bounded_and_take_no_place_from_others() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = Limits { streams_max: 2, concurrent_requests_max: 1, ..Limits::default() };
    let service = TestService::with(Setup { work: gated(&gate), limits, ..Setup::default() }).await;
    let path = submit(&service, INCIDENT, &incident()).await;
    let (one, two) = (Reader::open(&service, &path, None).await, Reader::open(&service, &path, None).await);
    let refused = service.get(&format!("{path}/stream")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    assert_eq!(refused.problem().0, "service-unavailable");
    assert_eq!(refused.header("cache-control"), "no-store");
    drop(one);
    crate::http_modes::eventually("a place is free", async || {
        service.caller("GET", &format!("{path}/stream")).send().await.unwrap().status() == 200
    })
    .await;
    drop(two);
}
