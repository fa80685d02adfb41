//! The lightest client there is: one kept connection that sends the same bytes again and again. The machine is shared with
//! the service, so what the client takes is missing there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One answer, headers and all.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; ANSWER_BYTES_MAX] }
    }

    /// Sends a request and reads its answer, which must have a length; tells its status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> u16 {
        self.stream.write_all(request).await.unwrap();
        let mut have = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[have..]).await.unwrap();
            assert!(read > 0, "the service hung up: {}", String::from_utf8_lossy(&self.buffer[..have]));
            have += read;
            if whole(&self.buffer[..have]).is_some_and(|length| length <= have) {
                return std::str::from_utf8(&self.buffer[9..12]).unwrap().parse().unwrap();
            }
        }
    }
}

/// Bytes of the whole answer, once its head is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    Some(head + length.unwrap_or(0))
}

pub(crate) fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: load\r\n{authorization}\r\n").into_bytes()
}

/// Asks over several connections for some time, each with its own request. Every answer must have this status.
pub(crate) async fn storm(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    status: u16,
    lasting: Duration,
) -> (Vec<Duration>, Duration) {
    let began = Instant::now();
    let tasks: Vec<_> = requests
        .into_iter()
        .map(|request| {
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await;
                let mut times = Vec::new();
                while began.elapsed() < lasting {
                    let asked = Instant::now();
                    assert_eq!(connection.exchange(&request).await, status);
                    times.push(asked.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    (times, began.elapsed())
}
