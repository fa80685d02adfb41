//! How long a start takes and how much memory an idle service holds: `cargo bench --locked --bench footprint`.
//!
//! Starts the release binary on the embedded default, asks `/ready` until it answers 200, reads `/proc`, and prints medians
//! beside the bounds the project keeps. It judges nothing: machines are shared.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails by panicking and prints its figures")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const STARTS: usize = 21;
/// An idle service is one that has been left alone for so long.
const SETTLE: Duration = Duration::from_millis(1_500);
const START_BOUND_MS: f64 = 100.0;
const MEMORY_BOUND_MB: f64 = 40.0;

fn main() {
    let state = tempfile::tempdir().unwrap();
    let mut starts_ms = Vec::new();
    let mut cpu_ms = Vec::new();
    for _ in 0..STARTS {
        let (service, took) = start(state.path());
        starts_ms.push(took.as_secs_f64() * 1e3);
        cpu_ms.push(service.cpu_ms());
    }
    let (service, _) = start(state.path());
    std::thread::sleep(SETTLE);
    let idle_mb = service.resident_mb();
    drop(service);

    let start = median(&mut starts_ms);
    let worst = starts_ms.last().copied().unwrap();
    println!("starts                     {STARTS}");
    println!(
        "start to /ready, median    {start:.1} ms   ({:.2} of the bound {START_BOUND_MS} ms; worst {worst:.1} ms)",
        start / START_BOUND_MS
    );
    println!("CPU time until /ready      {:.0} ms   (user and system, in ticks of 10 ms)", median(&mut cpu_ms));
    println!(
        "idle resident memory       {idle_mb:.1} MB   ({:.2} of the bound {MEMORY_BOUND_MB} MB)",
        idle_mb / MEMORY_BOUND_MB
    );
    println!(
        "binary                     {:.1} MB",
        fs::metadata(env!("CARGO_BIN_EXE_holmesgpt-api")).unwrap().len() as f64 / 1e6
    );
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap()
}

struct Service(Child);

/// Starts the service and waits for its first 200 from `/ready`.
fn start(state: &Path) -> (Service, Duration) {
    let began = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_holmesgpt-api"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["serve", "--config", "examples/standalone.yaml", "--port", "0", "--state-dir"])
        .arg(state)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let service = Service(child);
    let mut lines = lines.map_while(Result::ok);
    let address = lines.by_ref().find_map(|line| listen(&line)).unwrap();
    while !ready(&address) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let took = began.elapsed();
    std::thread::spawn(move || lines.for_each(drop));
    (service, took)
}

/// The address in the log line `service_started`.
fn listen(line: &str) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(line).ok()?;
    record.get("listen")?.as_str().map(str::to_owned)
}

fn ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    write!(stream, "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}

impl Service {
    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).unwrap()
    }

    /// User and system time so far.
    fn cpu_ms(&self) -> f64 {
        const TICK_MS: f64 = 10.0;
        let stat = self.proc("stat");
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap() * TICK_MS).sum()
    }

    fn resident_mb(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_end_matches("kB").trim().parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
