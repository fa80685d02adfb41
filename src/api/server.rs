//! The accept loop. `axum::serve` keeps a half-sent request open for ever and then hangs on shutdown; this one bounds
//! connections, handshakes, header time and drain.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, error, info, warn};

use super::config::ServerConfig;
use super::tls::Certificates;

/// Requests in flight get this long to finish after the listener closed (operations §5.5, step 5).
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after `accept` failed, e.g. for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Largest request head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Most handshakes of TLS under way; further connections wait in the kernel. Never more than half of all connections, so that
/// who does not end a handshake keeps nobody out for longer than one takes.
const HANDSHAKES_MAX: usize = 256;
/// HTTP/2 connections are asked this often whether somebody is still there.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Address of the client as the socket sees it; an extension of every request.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerAddress(pub(super) SocketAddr);

/// `http` or `https`; an extension of every request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scheme(pub(super) &'static str);

/// Bounds of the accept loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeConfig {
    pub connections_max: usize,
    /// A connection whose handshake or request head takes longer, or that idles longer, is closed.
    pub header_timeout: Duration,
    /// After shutdown, connections still open are cut off.
    pub drain_timeout: Duration,
}

impl From<&ServerConfig> for ServeConfig {
    fn from(config: &ServerConfig) -> Self {
        Self {
            connections_max: config.max_connections.clamp(1, Semaphore::MAX_PERMITS),
            header_timeout: Duration::from_secs(config.header_timeout_seconds),
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl ServerHandle {
    /// Where it listens; tells the port when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the listener is closed and every connection is finished or cut off.
    pub async fn closed(self) {
        if let Err(failure) = self.task.await {
            error!(event = "unexpected_error", error = %failure, "the accept loop ended early");
        }
    }
}

/// Serves until `shutdown` is cancelled, then closes the listener, lets requests in flight finish within the drain
/// timeout, and cuts off the rest. Plain HTTP without `certificates`.
///
/// # Errors
/// The listener has no address.
pub fn serve(
    listener: TcpListener,
    router: Router,
    config: ServeConfig,
    certificates: Option<Certificates>,
    shutdown: CancellationToken,
) -> std::io::Result<ServerHandle> {
    let address = listener.local_addr()?;
    let gate = Gate::new(&config, certificates);
    let task = tokio::spawn(accept(listener, router, config, gate, shutdown));
    Ok(ServerHandle { address, task })
}

async fn accept(listener: TcpListener, router: Router, config: ServeConfig, gate: Gate, shutdown: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let connections = TaskTracker::new();
    let cut_off = CancellationToken::new();
    while let Some(admitted) = gate.next(&listener, &shutdown).await {
        let Admitted { stream, peer, slot, entry } = admitted;
        let (router, header_timeout) = (router.clone(), config.header_timeout);
        let connection = Connection { router, peer, scheme: entry.scheme(), header_timeout };
        let watcher = graceful.watcher();
        let (cut_off, shutdown) = (cut_off.clone(), shutdown.clone());
        connections.spawn(async move {
            let _slot: OwnedSemaphorePermit = slot;
            match entry {
                Entry::Plain => cut_off.run_until_cancelled(connection.serve(stream, watcher)).await,
                // Rare and large: plain connections need not have room for it.
                Entry::Tls(entry) => {
                    Box::pin(cut_off.run_until_cancelled(async {
                        // Nothing was asked yet: at shutdown nobody loses an answer.
                        let shaken =
                            shutdown.run_until_cancelled(entry.pass(stream, peer, config.header_timeout)).await;
                        if let Some(Some(stream)) = shaken {
                            connection.serve(stream, watcher).await;
                        }
                    }))
                    .await
                }
            }
        });
    }
    drop(listener);
    connections.close();
    if timeout(config.drain_timeout, graceful.shutdown()).await.is_err() {
        warn!(
            event = "shutdown_connections_cut_off",
            connections = connections.len(),
            "requests did not finish in time"
        );
    }
    cut_off.cancel();
    connections.wait().await;
    info!(event = "shutdown_listener_closed", "every connection is closed");
}

/// Who may come in.
struct Gate {
    slots: Arc<Semaphore>,
    /// The port speaks TLS.
    handshakes: Option<(Certificates, Arc<Semaphore>)>,
}

/// A connection with its place.
struct Admitted {
    stream: TcpStream,
    peer: SocketAddr,
    slot: OwnedSemaphorePermit,
    entry: Entry,
}

enum Entry {
    Plain,
    Tls(Handshake),
}

impl Entry {
    fn scheme(&self) -> Scheme {
        match self {
            Self::Plain => Scheme("http"),
            Self::Tls(_) => Scheme("https"),
        }
    }
}

/// A handshake to be made, and its place.
struct Handshake {
    certificates: Certificates,
    _place: OwnedSemaphorePermit,
}

impl Handshake {
    /// The place is free again afterwards.
    async fn pass(self, stream: TcpStream, peer: SocketAddr, patience: Duration) -> Option<TlsStream<TcpStream>> {
        self.certificates.shake(stream, peer, patience).await
    }
}

impl Gate {
    fn new(config: &ServeConfig, certificates: Option<Certificates>) -> Self {
        let handshakes_max = config.connections_max.div_ceil(2).min(HANDSHAKES_MAX);
        let handshakes = certificates.map(|certificates| (certificates, Arc::new(Semaphore::new(handshakes_max))));
        Self { slots: Arc::new(Semaphore::new(config.connections_max)), handshakes }
    }

    /// The next connection and its place, or `None` at shutdown. While all places are taken, clients wait in the kernel.
    async fn next(&self, listener: &TcpListener, shutdown: &CancellationToken) -> Option<Admitted> {
        let slot = shutdown.run_until_cancelled(Arc::clone(&self.slots).acquire_owned()).await?.ok()?;
        let entry = match &self.handshakes {
            None => Entry::Plain,
            Some((certificates, places)) => {
                let place = shutdown.run_until_cancelled(Arc::clone(places).acquire_owned()).await?.ok()?;
                Entry::Tls(Handshake { certificates: certificates.clone(), _place: place })
            }
        };
        loop {
            match shutdown.run_until_cancelled(listener.accept()).await? {
                Ok((stream, peer)) => {
                    // Answers are small; do not wait for more to send.
                    let _ = stream.set_nodelay(true);
                    return Some(Admitted { stream, peer, slot, entry });
                }
                Err(failure) => {
                    warn!(event = "accept_failed", error = %failure, "no connection could be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

struct Connection {
    router: Router,
    peer: SocketAddr,
    scheme: Scheme,
    header_timeout: Duration,
}

impl Connection {
    async fn serve<S>(self, stream: S, watcher: hyper_util::server::graceful::Watcher)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { router, peer, scheme, header_timeout } = self;
        let asked = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&asked);
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            seen.store(true, Ordering::Relaxed);
            let router = router.clone();
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(PeerAddress(peer));
                request.extensions_mut().insert(scheme);
                router.oneshot(request).await.map_err(|never: Infallible| match never {})
            }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let mut served = std::pin::pin!(watcher.watch(connection));
        // The builder waits without limit for the first bytes, which tell HTTP/1 from HTTP/2.
        let ended = tokio::select! {
            ended = &mut served => Some(ended),
            () = sleep(header_timeout) => None,
        };
        let ended = match ended {
            Some(ended) => ended,
            None if !asked.load(Ordering::Relaxed) => return,
            None => served.await,
        };
        if let Err(failure) = ended {
            debug!(event = "connection_ended", error = %failure, "a connection broke");
        }
    }
}
