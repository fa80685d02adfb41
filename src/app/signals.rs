//! SIGTERM and SIGINT: the first begins the drain, the second hurries it, the third gives up (operations §5.5). SIGHUP: the
//! configuration is looked at now (§2.3).

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What the operator asked for so far. Tests cancel the tokens themselves.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    pub drain: CancellationToken,
    pub hurry: CancellationToken,
    pub abandon: CancellationToken,
    /// Told whenever the configuration is to be looked at.
    pub reload: Arc<Notify>,
}

impl Signals {
    /// Listens to the process's signals from now on.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn install() -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut hangup = signal(SignalKind::hangup())?;
        let signals = Self::default();
        let reload = Arc::clone(&signals.reload);
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                reload.notify_one();
            }
        });
        tokio::spawn(signals.clone().listen(terminate, interrupt));
        Ok(signals)
    }

    async fn listen(self, mut terminate: Signal, mut interrupt: Signal) {
        for stage in [self.drain, self.hurry, self.abandon] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            tracing::info!(event = "shutdown_signal_received", signal = name, "shutdown requested");
            stage.cancel();
        }
    }
}
