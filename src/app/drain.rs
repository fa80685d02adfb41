//! The way down (operations §5.5 as settled by architecture decision 14). Each step has its own deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::{App, Signals};

/// How the process should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything is finished or safely parked.
    Drained,
    /// The operator would not wait.
    Abandoned,
}

impl App {
    /// Serves until the first signal, then drains. A third signal ends it at once.
    pub async fn run(self, signals: Signals) -> Exit {
        signals.drain.cancelled().await;
        let abandon = signals.abandon.clone();
        match abandon.run_until_cancelled(self.drain(&signals)).await {
            Some(()) => Exit::Drained,
            None => {
                warn!(event = "shutdown_abandoned", "shutdown abandoned: unfinished work is left to the next start");
                Exit::Abandoned
            }
        }
    }

    async fn drain(self, signals: &Signals) {
        let began = Instant::now();
        let Self { core, readiness, server, side_doors, stop_serving, stop_watching, shutdown, .. } = self;

        // 1. Not ready: load balancers look elsewhere. 2. Serve on while they learn of it.
        readiness.shutting_down();
        info!(event = "shutdown_flag_set", delay_seconds = shutdown.endpoint_delay_seconds, "not ready any more");
        signals.hurry.run_until_cancelled(sleep(Duration::from_secs(shutdown.endpoint_delay_seconds))).await;

        // 3. No new investigations; polls and results are still served. 4. Finish what can be finished, park the rest.
        info!(event = "shutdown_drain_started", drain_seconds = shutdown.drain_seconds, "finishing running work");
        let deadline = Instant::now() + Duration::from_secs(shutdown.drain_seconds);
        let drained = signals.hurry.run_until_cancelled(core.sessions.drain(deadline)).await;
        let drained = match drained {
            Some(drained) => drained,
            None => core.sessions.drain(Instant::now()).await,
        };

        // 5. Close the listener; requests in flight, half-sent ones too, end within the server's own deadline.
        stop_serving.cancel();
        server.closed().await;

        // 6. Deliver what was recorded; what cannot be delivered now is on disk and left to the next start.
        let undelivered = signals.hurry.run_until_cancelled(core.audit.drain()).await;
        core.audit.stop_delivery();

        // 7. Nothing writes any more; a clean close saves the next start a recovery.
        match timeout(Duration::from_secs(shutdown.flush_seconds), core.store.close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(event = "store_close_failed", error = %error, "the store did not close cleanly"),
            Err(_) => warn!(event = "store_close_failed", "the store did not close in time"),
        }
        // The heart beats to the end, so that probes stay 200 until nobody listens any more.
        side_doors.close().await;
        stop_watching.cancel();
        info!(
            event = "shutdown_complete",
            sessions_finished = drained.finished,
            sessions_parked = drained.parked,
            audit_events_undelivered = undelivered,
            duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "shutdown complete"
        );
    }
}
