//! The dependencies, in a process of their own: a model, a `DataStorage` and a Kubernetes API server that answer what the
//! tests' stubs answer, from memory, after a delay. Anything more costly would be measured instead of the service.

mod front;
mod model;

use std::io::{BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tempfile::TempDir;

/// First argument of the process that plays the dependencies.
pub(crate) const ROLE: &str = "stubs";

/// Milliseconds before answers begin.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Delays {
    pub(crate) model: u64,
    /// From, to.
    pub(crate) data_storage: [u64; 2],
    pub(crate) kubernetes: u64,
    pub(crate) review: u64,
}

impl Delays {
    pub(crate) const NONE: Self = Self { model: 0, data_storage: [0, 0], kubernetes: 0, review: 0 };
    /// As the targets name them.
    pub(crate) const USUAL: Self = Self { model: 2_000, data_storage: [50, 100], kubernetes: 20, review: 20 };
    /// Ten turns a second.
    pub(crate) const QUICK: Self = Self { model: 100, data_storage: [5, 10], kubernetes: 2, review: 2 };
}

/// One dependency; the line that ends its service, and the one that begins it again, name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dependency {
    Model,
    DataStorage,
    Kubernetes,
}

impl Dependency {
    pub(crate) const ALL: [Self; 3] = [Self::Model, Self::DataStorage, Self::Kubernetes];
}

/// What the process is told, one JSON line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Order {
    /// Requests fail.
    Down(Dependency),
    Up(Dependency),
    /// Tell what was asked since the last time.
    Count,
}

/// What was asked, and how long somebody was waiting for at least one answer.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) model: usize,
    pub(crate) data_storage: usize,
    pub(crate) kubernetes: usize,
    pub(crate) reviews: usize,
    pub(crate) audit_events: usize,
    /// Sum of the times in which any delay ran, milliseconds: for one investigation its critical path.
    pub(crate) waited_ms: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Addresses {
    model: String,
    data_storage: String,
    kubernetes: String,
}

/// The process, seen from the harness. It ends with its standard input.
pub(crate) struct Stubs {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
    folder: TempDir,
    pub(crate) model: String,
    pub(crate) data_storage: String,
}

impl Drop for Stubs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A token the API server knows.
pub(crate) fn token(number: usize) -> String {
    format!("load-caller-{number}")
}

impl Stubs {
    pub(crate) fn start(delays: &Delays) -> Self {
        let own = std::env::current_exe().unwrap();
        let mut command = Command::new(own);
        command.args([ROLE, &serde_json::to_string(delays).unwrap()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let addresses: Addresses = read(&mut answers);
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "load",
            "clusters": [{ "name": "load", "cluster": { "server": addresses.kubernetes } }],
            "users": [{ "name": "load", "user": {} }],
            "contexts": [{ "name": "load", "context": { "cluster": "load", "user": "load" } }],
        });
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig.to_string()).unwrap();
        std::fs::write(folder.path().join("token"), "load-service").unwrap();
        let Addresses { model, data_storage, .. } = addresses;
        Self { child, orders, answers, folder, model, data_storage }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    pub(crate) fn order(&mut self, order: Order) -> Count {
        writeln!(self.orders, "{}", serde_json::to_string(&order).unwrap()).unwrap();
        read(&mut self.answers)
    }
}

fn read<T: for<'de> Deserialize<'de>>(lines: &mut impl std::io::BufRead) -> T {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("the stubs say {line:?}: {error}"))
}

/// The process itself.
pub(crate) fn run(arguments: &[String]) {
    let delays: Delays = serde_json::from_str(&arguments[0]).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let fronts = runtime.block_on(front::Fronts::start(delays));
    let addresses = Addresses {
        model: fronts.model.clone(),
        data_storage: fronts.data_storage.clone(),
        kubernetes: fronts.kubernetes.clone(),
    };
    println!("{}", serde_json::to_string(&addresses).unwrap());
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let count = fronts.obey(serde_json::from_str(&line).unwrap());
        println!("{}", serde_json::to_string(&count).unwrap());
    }
}
