//! `aiagent_api_runtime_*`: how the tokio runtime is doing, read at each scrape. Zero where nobody runs in one.

use prometheus::{Counter, IntGauge};
use tokio::runtime::{Handle, RuntimeMetrics};

use super::families::Registrar;
use super::{MetricsError, gauge_value};

#[derive(Debug)]
pub(super) struct RuntimeFamilies {
    workers: IntGauge,
    tasks: IntGauge,
    queue_depth: IntGauge,
    busy_seconds: Counter,
    parks: Counter,
}

impl RuntimeFamilies {
    pub(super) fn register(r: &Registrar) -> Result<Self, MetricsError> {
        Ok(Self {
            workers: r.gauge("aiagent_api_runtime_workers", "Threads that run tasks")?,
            tasks: r.gauge("aiagent_api_runtime_tasks", "Tasks that are not finished")?,
            queue_depth: r.gauge("aiagent_api_runtime_queue_depth", "Tasks waiting for any worker")?,
            busy_seconds: r
                .real_counter("aiagent_api_runtime_busy_seconds_total", "Time all workers spent in tasks")?,
            parks: r.real_counter("aiagent_api_runtime_parks_total", "How often workers went to sleep")?,
        })
    }

    /// Reads counters of a runtime, else of the one this is called in. Callers hold a lock: counters are set in two steps.
    pub(super) fn refresh(&self, watched: Option<&Handle>) {
        let Some(runtime) = watched.cloned().or_else(|| Handle::try_current().ok()) else { return };
        let runtime = runtime.metrics();
        self.workers.set(gauge_value(runtime.num_workers()));
        self.tasks.set(gauge_value(runtime.num_alive_tasks()));
        self.queue_depth.set(gauge_value(runtime.global_queue_depth()));
        set(
            &self.busy_seconds,
            over_workers(&runtime, |worker| runtime.worker_total_busy_duration(worker).as_secs_f64()),
        );
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        set(&self.parks, over_workers(&runtime, |worker| runtime.worker_park_count(worker) as f64));
    }
}

fn over_workers(runtime: &RuntimeMetrics, of: impl Fn(usize) -> f64) -> f64 {
    (0..runtime.num_workers()).map(of).sum()
}

fn set(counter: &Counter, total: f64) {
    counter.reset();
    counter.inc_by(total);
}
