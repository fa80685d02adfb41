//! From an accepted connection to one that speaks TLS.

use std::net::SocketAddr;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use super::Certificates;

/// What a client that speaks plain HTTP is told.
const USE_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 47\r\n\
                         connection: close\r\n\r\nThis port speaks TLS: the address is https://.\n";
/// Such a client may end what it says: a connection that is closed before is reset, and the answer lost.
const FAREWELL: Duration = Duration::from_secs(1);
/// Most of it that is listened to, in bytes.
const FAREWELL_BYTES_MAX: u64 = 256 * 1024;
/// Between two log records of failed handshakes: anybody can cause one.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

impl Certificates {
    /// Shakes hands within `patience`. `None`: the connection is over, and why is told.
    pub(in crate::api) async fn shake(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        patience: Duration,
    ) -> Option<TlsStream<TcpStream>> {
        match timeout(patience, self.begin(stream)).await {
            Ok(Ok(stream)) => return stream,
            Ok(Err(error)) => self.complain(peer, &error.to_string()),
            Err(_) => debug!(event = "tls_handshake_late", source_ip = %peer.ip(), "a handshake took too long"),
        }
        None
    }

    async fn begin(&self, stream: TcpStream) -> std::io::Result<Option<TlsStream<TcpStream>>> {
        let mut first = [0];
        match stream.peek(&mut first).await? {
            // Whoever only looks whether the port is open.
            0 => Ok(None),
            _ if first.iter().all(u8::is_ascii_alphabetic) => {
                say_farewell(stream).await?;
                Ok(None)
            }
            _ => TlsAcceptor::from(self.config()).accept(stream).await.map(Some),
        }
    }

    fn complain(&self, peer: SocketAddr, error: &str) {
        let mut last = self.0.complained.lock().unwrap_or_else(PoisonError::into_inner);
        let source_ip = peer.ip();
        if last.is_some_and(|last| last.elapsed() < COMPLAINT_INTERVAL) {
            debug!(event = "tls_handshake_failed", %source_ip, error, "a client and this service could not shake hands");
        } else {
            *last = Some(Instant::now());
            warn!(event = "tls_handshake_failed", %source_ip, error, "a client and this service could not shake hands");
        }
    }
}

async fn say_farewell(mut stream: TcpStream) -> std::io::Result<()> {
    stream.write_all(USE_TLS).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(FAREWELL_BYTES_MAX);
    // How the client ends is its own affair.
    let _ = timeout(FAREWELL, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Ok(())
}
