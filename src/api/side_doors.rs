//! Extra addresses for probes and metrics, served by a thread with a runtime of its own: whatever the service is busy with,
//! its probes are answered (operations §5.3).

use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::config::ServerConfig;
use super::probes::{Door, ProbeParts, metrics_router, probe_router};
use super::readiness::Readiness;
use super::server::{ServeConfig, serve};
use crate::telemetry::Metrics;
use crate::telemetry::logging::LoggingHandle;

/// Probes and scrapers at once.
const CONNECTIONS_MAX: usize = 64;
/// For the head of a request, and for idling.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Answers under way at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// What the extra addresses show.
#[derive(Debug)]
pub struct Shown<'a> {
    pub config: &'a ServerConfig,
    pub readiness: &'a Readiness,
    pub metrics: &'a Metrics,
    pub door: &'a Door,
    pub logging: Option<LoggingHandle>,
}

/// The thread, and where it listens.
#[derive(Debug)]
pub struct SideDoors {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    pub health: Option<SocketAddr>,
    pub metrics: Option<SocketAddr>,
}

impl SideDoors {
    /// Binds what is configured and serves it; without addresses there is no thread. To be called in the runtime that does
    /// the work.
    ///
    /// # Errors
    /// An address that cannot be listened on, and which.
    pub fn open(shown: Shown<'_>) -> Result<Self, (String, std::io::Error)> {
        let Shown { config, readiness, metrics, door, logging } = shown;
        let probes = probe_router(ProbeParts {
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            door: door.clone(),
            runtime: Handle::current(),
            logging: logging.filter(|_| config.admin_endpoints),
            profiling: config.profiling,
        });
        let health = bind(config.health_address())?.map(|(listener, at)| (listener, probes, at));
        let scraped = bind(config.metrics_address())?;
        let scraped = scraped.map(|(listener, at)| (listener, metrics_router(metrics.clone()), at));
        let at = |door: &Option<(TcpListener, Router, SocketAddr)>| door.as_ref().map(|(_, _, at)| *at);
        let mut doors =
            Self { stop: CancellationToken::new(), thread: None, health: at(&health), metrics: at(&scraped) };
        let served: Vec<_> = health.into_iter().chain(scraped).collect();
        if !served.is_empty() {
            let failed = |error| ("a thread for probes".to_owned(), error);
            doors.thread = Some(spawn(served, doors.stop.clone()).map_err(failed)?);
            let text = |at: Option<SocketAddr>| at.map(|at| at.to_string());
            let (health, metrics) = (text(doors.health), text(doors.metrics));
            info!(event = "probes_served", health, metrics, "probes have a thread of their own");
        }
        Ok(doors)
    }

    /// Ends the thread; the last thing that stops.
    pub async fn close(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
            if !joined.unwrap_or(false) {
                warn!(event = "unexpected_error", "the thread of the probes ended early");
            }
        }
    }
}

impl Drop for SideDoors {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The configuration is checked before: a text that is no address is not served.
fn bind(
    address: Result<Option<SocketAddr>, String>,
) -> Result<Option<(TcpListener, SocketAddr)>, (String, std::io::Error)> {
    let Ok(Some(address)) = address else { return Ok(None) };
    let failed = |error| (address.to_string(), error);
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    Ok(Some((listener, at)))
}

fn spawn(
    served: Vec<(TcpListener, Router, SocketAddr)>,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let config =
        ServeConfig { connections_max: CONNECTIONS_MAX, header_timeout: HEADER_TIMEOUT, drain_timeout: DRAIN_TIMEOUT };
    let work = async move {
        let mut handles = Vec::new();
        for (listener, router, at) in served {
            let started = tokio::net::TcpListener::from_std(listener)
                .and_then(|listener| serve(listener, router, config, None, stop.clone()));
            match started {
                Ok(handle) => handles.push(handle),
                Err(error) => warn!(event = "accept_failed", %at, %error, "an extra address is not served"),
            }
        }
        for handle in handles {
            handle.closed().await;
        }
    };
    std::thread::Builder::new().name("probes".to_owned()).spawn(move || runtime.block_on(work))
}
