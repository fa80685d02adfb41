//! The release binary, started for one scenario, and what the kernel says about it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stubs::Stubs;

/// Time between two looks at `/ready`.
const LOOK: Duration = Duration::from_millis(1);

pub(crate) struct Service {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first 200 of `/ready`.
    pub(crate) took: Duration,
    pub(crate) folder: TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time and memory at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time so far, in ticks of 10 ms.
    pub(crate) cpu: Duration,
    pub(crate) resident_mb: f64,
    pub(crate) descriptors: usize,
    pub(crate) connections: usize,
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Service {
    /// The embedded default: recorded cluster, compiled-in catalogue, analyser.
    pub(crate) fn embedded(changes: &Value) -> Self {
        let mut config = json!({
            "auth": {"mode": "token"}, "audit": {"sink": "local"}, "catalogue": {"source": "directory"},
            "cluster": {"source": "bundle", "bundle": root().join("examples/oom-cart-api/bundle")},
            "shutdown": {"endpoint_delay_seconds": 0},
        });
        merge(&mut config, changes);
        Self::start(&config, None)
    }

    /// Everything live: the model, `DataStorage`, Kubernetes and its reviews are those of the stubs. Limits are raised to
    /// `at_once` investigations, and told.
    pub(crate) fn live(stubs: &Stubs, at_once: usize, changes: &Value) -> Self {
        let mut config = json!({
            "cluster": {"kubeconfig": stubs.kubeconfig()},
            "data_storage": {"url": stubs.data_storage, "token_path": stubs.token_file()},
            "llm": {"provider": "openai_compatible", "endpoint": format!("{}/v1", stubs.model), "model": "stub"},
            "server": {"host": "127.0.0.1"},
            "shutdown": {"endpoint_delay_seconds": 0},
        });
        let raised = json!({
            "session": {"max_concurrent_investigations": at_once, "queue_limit": at_once.max(200), "max_sessions": (3 * at_once).max(2_000)},
            "llm": {"max_concurrent_requests": at_once.clamp(32, 1_000)},
            "server": {"max_concurrent_requests": 1_000, "max_connections": 4_096},
            "data_storage": {"max_connections": (10 * at_once).clamp(128, 1_024)},
        });
        if at_once > 50 {
            println!("  limits raised: {raised}");
        }
        merge(&mut config, &raised);
        merge(&mut config, changes);
        Self::start(&config, Some(&stubs.kubeconfig()))
    }

    fn start(config: &Value, kubeconfig: Option<&Path>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        fs::write(&path, config.to_string()).unwrap();
        let log = folder.path().join("log");
        let began = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_holmesgpt-api"));
        command
            .args(["serve", "--port", "0", "--config"])
            .arg(&path)
            .arg("--state-dir")
            .arg(folder.path().join("state"));
        command.env("POD_NAMESPACE", "load").stdout(Stdio::piped()).stderr(Stdio::inherit());
        if let Some(kubeconfig) = kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut seen = Vec::new();
        let address = lines.by_ref().find_map(|line| {
            seen.push(line);
            listen(seen.last().unwrap())
        });
        let address = address.unwrap_or_else(|| panic!("the service does not start: {seen:#?}"));
        // What it writes must go somewhere, or it waits.
        std::thread::spawn(move || {
            let mut file = fs::File::create(log).unwrap();
            for line in seen.into_iter().chain(lines) {
                let _ = std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes());
            }
        });
        while !ready(address) {
            std::thread::sleep(LOOK);
        }
        let took = began.elapsed();
        Self { child, address, took, folder }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The token of the embedded default.
    pub(crate) fn token(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("state/tokens")).unwrap();
        let line = text.lines().rfind(|line| !line.starts_with('#') && line.contains(':')).unwrap();
        line.split_once(':').unwrap().1.trim().to_owned()
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }

    pub(crate) fn usage(&self) -> Usage {
        const TICK: Duration = Duration::from_millis(10);
        let stat = fs::read_to_string(self.proc("stat")).unwrap();
        let fields = stat.rsplit(')').next().unwrap().split_whitespace();
        let ticks: u32 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap()).sum();
        let descriptors: Vec<_> = fs::read_dir(self.proc("fd")).unwrap().flatten().collect();
        let is_socket = |path: &Path| fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        Usage {
            cpu: TICK * ticks,
            resident_mb: self.resident_mb(),
            descriptors: descriptors.len(),
            connections: descriptors.iter().filter(|entry| is_socket(&entry.path())).count(),
        }
    }

    pub(crate) fn resident_mb(&self) -> f64 {
        let status = fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_end_matches("kB").trim().parse::<f64>().unwrap() / 1024.0
    }
}

fn merge(into: &mut Value, changes: &Value) {
    match (into.as_object_mut(), changes.as_object()) {
        (Some(into), Some(changes)) => {
            for (name, value) in changes {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        _ => *into = changes.clone(),
    }
}

/// The address in the log line `service_started`.
fn listen(line: &str) -> Option<SocketAddr> {
    let record: Value = serde_json::from_str(line).ok()?;
    record.get("listen")?.as_str()?.parse().ok()
}

fn ready(address: SocketAddr) -> bool {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    let asked = write!(stream, "GET /ready HTTP/1.1\r\nHost: load\r\nConnection: close\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200")
}
