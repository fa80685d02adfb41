//! Sends finished spans in batches. The queue is bounded, what does not fit or cannot be sent is lost and counted: a trace
//! never slows work down and never holds up the end of the process.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{StatusCode, Url};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::config::{Sink, TraceConfig, TraceError};
use super::layer::{Finished, Kind, TraceLayer};
use super::otlp;
use crate::telemetry::logging::{Identity, Scrub};
use crate::telemetry::metrics::{Metrics, SpanFate};

/// Finished spans that may wait; about 2 MiB.
const QUEUE_SPANS_MAX: usize = 2048;
/// Spans of one request.
const BATCH_SPANS_MAX: usize = 256;
/// A batch that is not full is sent after so long.
const BATCH_WAIT: Duration = Duration::from_secs(2);
/// For one request to the collector.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before the only second attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Counts what was lost before it was sent.
#[derive(Debug, Default)]
pub(super) struct Losses(OnceLock<Metrics>);

impl Losses {
    pub(super) fn queue_full(&self) {
        self.count(SpanFate::Dropped, 1);
    }

    fn count(&self, fate: SpanFate, spans: usize) {
        if let Some(metrics) = self.0.get() {
            metrics.spans(fate, spans);
        }
    }
}

/// Everything but the running task: made before the runtime, with the log subscriber.
#[derive(Debug)]
pub struct Tracer {
    queue: mpsc::Receiver<Finished>,
    losses: Arc<Losses>,
    sending: Sending,
}

impl Tracer {
    /// The layer for the subscriber and its other half; `None` when tracing is off. Blocks on certificate files.
    ///
    /// # Errors
    /// An endpoint or certificates that cannot be used.
    pub fn build(
        config: &TraceConfig,
        identity: Identity,
        scrub: Scrub,
    ) -> Result<Option<(TraceLayer, Self)>, TraceError> {
        if !config.is_on() {
            return Ok(None);
        }
        let collector = match config.sink()? {
            Sink::Log => None,
            Sink::Collector(url) => Some((config.client()?, url)),
        };
        let (sender, queue) = mpsc::channel(QUEUE_SPANS_MAX);
        let losses = Arc::new(Losses::default());
        let logs = config.log_sink || collector.is_none();
        let sending = Sending { collector, logs, identity, fails: false };
        let layer = TraceLayer::new(sender, Arc::clone(&losses), scrub);
        Ok(Some((layer, Self { queue, losses, sending })))
    }

    /// Begins to send. To be called inside a runtime.
    pub fn start(self, metrics: Metrics) -> Exporter {
        // Nobody else sets it.
        let _ = self.losses.0.set(metrics);
        let stop = CancellationToken::new();
        let task = tokio::spawn(self.run(stop.clone()));
        Exporter { task, stop }
    }

    #[cfg(test)]
    pub(super) fn queue_for_test(&mut self) -> &mut mpsc::Receiver<Finished> {
        &mut self.queue
    }

    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let mut batch = Vec::new();
            // What was taken out of the queue is in the batch also when this is given up.
            stop.run_until_cancelled(fill(&mut self.queue, &mut batch)).await;
            self.send(&batch).await;
        }
        self.queue.close();
        loop {
            let mut batch = Vec::new();
            if self.queue.recv_many(&mut batch, BATCH_SPANS_MAX).await == 0 {
                return;
            }
            self.send(&batch).await;
        }
    }

    async fn send(&mut self, batch: &[Finished]) {
        if batch.is_empty() {
            return;
        }
        let fate = self.sending.send(batch).await;
        self.losses.count(fate, batch.len());
    }
}

/// Waits for a first span, then until the batch is full or has waited long enough.
async fn fill(queue: &mut mpsc::Receiver<Finished>, batch: &mut Vec<Finished>) {
    queue.recv_many(batch, 1).await;
    let more = async {
        while batch.len() < BATCH_SPANS_MAX {
            queue.recv_many(batch, BATCH_SPANS_MAX - batch.len()).await;
        }
    };
    // An incomplete batch is sent as it is.
    let _ = timeout(BATCH_WAIT, more).await;
}

/// The running task.
#[derive(Debug)]
pub struct Exporter {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Exporter {
    /// Sends what is queued, within this time; what is left then is lost.
    pub async fn shutdown(mut self, within: Duration) {
        self.stop.cancel();
        if timeout(within, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!(event = "trace_export_failed", "spans were left when the time for them was over");
        }
    }
}

#[derive(Debug)]
struct Sending {
    /// `None`: the log is all there is.
    collector: Option<(reqwest::Client, Url)>,
    logs: bool,
    identity: Identity,
    /// The last batch was refused.
    fails: bool,
}

impl Sending {
    async fn send(&mut self, spans: &[Finished]) -> SpanFate {
        if self.logs {
            spans.iter().for_each(log);
        }
        let Some((client, url)) = &self.collector else { return SpanFate::Exported };
        let body = otlp::request(&self.identity, spans).to_string();
        let mut sent = post(client, url, &body).await;
        if sent.as_ref().is_err_and(Refusal::is_worth_a_retry) {
            sleep(RETRY_PAUSE).await;
            sent = post(client, url, &body).await;
        }
        self.tell(sent.as_ref().err());
        if sent.is_ok() { SpanFate::Exported } else { SpanFate::Failed }
    }

    /// Once when it begins to fail, once when it is over.
    fn tell(&mut self, refusal: Option<&Refusal>) {
        match refusal {
            Some(refusal) if !self.fails => {
                tracing::warn!(event = "trace_export_failed", error = %refusal, "spans cannot be sent to the collector");
            }
            None if self.fails => tracing::info!(event = "trace_export_restored", "spans are sent again"),
            _ => {}
        }
        self.fails = refusal.is_some();
    }
}

/// Why a batch was not taken. Without what the collector says.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the collector cannot be reached")]
    Unreachable,
    #[error("the collector answered HTTP {0}")]
    Status(StatusCode),
}

impl Refusal {
    /// As the protocol names them.
    fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Unreachable => true,
            Self::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
        }
    }
}

async fn post(client: &reqwest::Client, url: &Url, body: &str) -> Result<(), Refusal> {
    let request = client.post(url.clone()).header(CONTENT_TYPE, "application/json").timeout(REQUEST_TIMEOUT);
    let answer = request.body(body.to_owned()).send().await.map_err(|_| Refusal::Unreachable)?;
    if answer.status().is_success() { Ok(()) } else { Err(Refusal::Status(answer.status())) }
}

fn log(span: &Finished) {
    let kind = match span.kind {
        Kind::Internal => "internal",
        Kind::Server => "server",
        Kind::Client => "client",
    };
    let took = span.ended.duration_since(span.began).unwrap_or_default();
    tracing::info!(
        event = "span_finished",
        trace_id = %span.context.trace_id,
        span_id = %span.context.span_id,
        parent_span_id = span.parent.map(|parent| parent.to_string()),
        name = span.name,
        kind,
        failed = span.has_failed(),
        duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "span finished"
    );
}
