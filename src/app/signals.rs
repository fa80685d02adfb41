//! SIGTERM and SIGINT: the first begins the drain, the second hurries it, the third gives up (operations §5.5).

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What the operator asked for so far. Tests cancel the tokens themselves.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    pub drain: CancellationToken,
    pub hurry: CancellationToken,
    pub abandon: CancellationToken,
}

impl Signals {
    /// Listens to the process's signals from now on.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn install() -> std::io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let signals = Self::default();
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
