//! The binary as an operator runs it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Nothing here takes long; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The binary with a clean environment.
pub(crate) fn holmesgpt() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holmesgpt-api"));
    command.current_dir(root()).env_clear().env("HOME", "/nonexistent").env("PATH", "/usr/bin:/bin");
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = holmesgpt().args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// `serve`, its log and its state directory.
pub(crate) struct Service {
    child: Child,
    pub(crate) address: String,
    /// What was logged until it listened.
    pub(crate) early: Vec<Value>,
    log: mpsc::Receiver<String>,
}

impl Service {
    /// Starts on a free port and waits for the line that tells it.
    pub(crate) fn start(state: &Path, arguments: &[&str]) -> Self {
        let mut command = holmesgpt();
        command.args(arguments).args(["--port", "0", "--state-dir", state.to_str().unwrap()]);
        Self::started(command)
    }

    /// The same with a command line of the test's own.
    pub(crate) fn started(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut service = Self { child, address: String::new(), early: Vec::new(), log };
        service.early = service.records_until("service_started");
        let started = service.early.last().unwrap();
        service.address = started["listen"].as_str().unwrap().to_owned();
        service
    }

    /// Skips log records until the named event.
    pub(crate) fn wait_for(&self, event: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no record {event}"));
            let record: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a JSON record: {line}"));
            if record["event"] == event {
                return record;
            }
        }
    }

    /// All log records up to the named event, that one last.
    pub(crate) fn records_until(&self, event: &str) -> Vec<Value> {
        let mut records: Vec<Value> = Vec::new();
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no record {event}: {records:#?}"));
            records.push(serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a JSON record: {line}")));
            if records.last().unwrap()["event"] == event {
                return records;
            }
        }
    }

    /// Waits for the end of the process; its exit and every record it still wrote.
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<Value>) {
        let mut records = std::mem::take(&mut self.early);
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) => {
                    records.push(serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a JSON record: {line}")));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return (self.exit(), records),
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("the process does not end"),
            }
        }
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.status("VmRSS:").trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }

    /// What `/proc/<pid>/status` says after `name`.
    pub(crate) fn status(&self, name: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
    }

    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    pub(crate) fn exit(mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A caller that knows the generated token.
pub(crate) struct Caller {
    client: reqwest::Client,
    token: String,
}

impl Caller {
    pub(crate) fn of(state: &Path) -> Self {
        let file = std::fs::read_to_string(state.join("tokens")).unwrap();
        let line = file.lines().find(|line| !line.starts_with('#')).unwrap();
        let token = line.split_once(':').unwrap().1.to_owned();
        Self { client: reqwest::Client::builder().no_proxy().build().unwrap(), token }
    }

    pub(crate) async fn get(&self, service: &Service, path: &str) -> (u16, String) {
        let request = self.client.get(format!("http://{}{path}", service.address)).bearer_auth(&self.token);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A request that the test sends itself.
    pub(crate) fn request(&self, service: &Service, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("http://{}{path}", service.address)).bearer_auth(&self.token)
    }

    async fn json(&self, service: &Service, path: &str) -> (u16, Value) {
        let (status, text) = self.get(service, path).await;
        (status, serde_json::from_str(&text).unwrap())
    }

    pub(crate) async fn submit(&self, service: &Service, incident: &str) -> String {
        self.post(service, std::fs::read(root().join(incident)).unwrap()).await
    }

    /// Submits as part of a trace.
    pub(crate) async fn post_traced(&self, service: &Service, body: String, traceparent: &str) -> String {
        let request = self.client.post(format!("http://{}/api/v1/incident/analyze", service.address));
        let request = request.bearer_auth(&self.token).header("content-type", "application/json");
        let request = request.header("traceparent", traceparent).header("tracestate", "rojo=1, congo=2");
        let response = request.body(body).send().await.unwrap();
        assert_eq!(response.status(), 202);
        assert!(response.headers().get("traceparent").is_none());
        let accepted: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        accepted["session_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn post(&self, service: &Service, body: Vec<u8>) -> String {
        let request = self.client.post(format!("http://{}/api/v1/incident/analyze", service.address));
        let request = request.bearer_auth(&self.token).header("content-type", "application/json").body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 202);
        let accepted: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        accepted["session_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn result(&self, service: &Service, session: &str) -> Value {
        let path = format!("/api/v1/incident/session/{session}");
        for _ in 0..600 {
            let (status, record) = self.json(service, &path).await;
            assert_eq!(status, 200, "{record}");
            match record["status"].as_str().unwrap() {
                "completed" => return self.json(service, &format!("{path}/result")).await.1,
                "pending" | "investigating" => tokio::time::sleep(Duration::from_millis(100)).await,
                other => panic!("{other}: {record}"),
            }
        }
        panic!("the session does not end");
    }
}

const STANDALONE: &[&str] = &["serve", "--config", "examples/standalone.yaml"];
const INCIDENT: &str = "examples/oom-cart-api/incident.json";

#[tokio::test]
async fn an_incident_over_http_and_its_result_after_a_restart() {
    let state = TempDir::new().unwrap();
    let service = Service::start(state.path(), STANDALONE);
    let caller = Caller::of(state.path());
    assert_eq!(caller.get(&service, "/ready").await.0, 200);
    let (session, result) = {
        let session = caller.submit(&service, INCIDENT).await;
        let result = caller.result(&service, &session).await;
        (session, result)
    };
    assert_eq!(result["incident_id"], "aia-cart-api-7f3c");
    let (_, metrics) = caller.get(&service, "/metrics").await;
    assert!(metrics.contains("aiagent_sessions_completed_total{"), "{metrics}");
    assert_eq!(caller.get(&service, "/docs").await.0, 200);
    assert_eq!(caller.get(&service, "/openapi.json").await.0, 200);
    service.terminate();
    assert_eq!(service.exit().code(), Some(0));

    let service = Service::start(state.path(), STANDALONE);
    assert_eq!(caller.result(&service, &session).await, result);
    service.terminate();
    assert_eq!(service.exit().code(), Some(0));
}

#[tokio::test]
async fn what_callers_send_is_logged_without_secrets() {
    let state = TempDir::new().unwrap();
    let service = Service::start(state.path(), STANDALONE);
    let mut incident: Value = serde_json::from_slice(&std::fs::read(root().join(INCIDENT)).unwrap()).unwrap();
    incident["incident_id"] = "inc-1 password=hunter2hunter2".into();
    Caller::of(state.path()).post(&service, incident.to_string().into_bytes()).await;
    let created = service.wait_for("session_created").to_string();
    assert!(created.contains("inc-1") && created.contains("[REDACTED") && !created.contains("hunter2"), "{created}");
}

#[test]
fn the_flag_for_the_log_level_wins_over_the_variable() {
    let state = tempfile::tempdir().unwrap();
    let mut command = holmesgpt();
    command.env("LOG_LEVEL", "ERROR").args(["serve", "--config", "examples/standalone.yaml", "--log-level", "INFO"]);
    command.args(["--port", "0", "--state-dir", state.path().to_str().unwrap()]);
    let service = Service::started(command);
    assert_eq!(service.early.last().unwrap()["level"], "info");
}

#[tokio::test]
async fn a_half_sent_request_does_not_hold_up_the_end() {
    let state = TempDir::new().unwrap();
    let service = Service::start(state.path(), STANDALONE);
    let mut connection = TcpStream::connect(&service.address).unwrap();
    connection.write_all(b"POST /api/v1/incident/analyze HTTP/1.1\r\nHost: x\r\nContent-Le").unwrap();
    let caller = Caller::of(state.path());
    assert_eq!(caller.get(&service, "/health").await.0, 200);
    service.terminate();
    service.wait_for("shutdown_complete");
    assert_eq!(service.exit().code(), Some(0));
    drop(connection);
}

#[test]
fn two_services_do_not_share_a_state_directory() {
    let state = TempDir::new().unwrap();
    let _service = Service::start(state.path(), STANDALONE);
    let state = state.path().to_str().unwrap();
    let second = [STANDALONE, &["--port", "0", "--state-dir", state]].concat();
    let (code, _, told) = run(&second);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("state.db"), "{told}");
}

#[test]
fn a_bad_configuration_exits_64_with_file_line_and_the_nearest_key() {
    let folder = TempDir::new().unwrap();
    let path: PathBuf = folder.path().join("config.yaml");
    let path = path.to_str().unwrap();
    std::fs::write(path, "auth: {mode: token}\nserver:\n  prot: 9\n").unwrap();
    for arguments in [&["serve", "--config", path][..], &["check-config", "--config", path], &["-config", path]] {
        let (code, out, told) = run(arguments);
        assert_eq!(code, 64, "{told}");
        assert!(told.starts_with(&format!("error: {path}:3:3: server.prot: unknown key")), "{told}");
        assert!(told.contains("did you mean `server.port`?"), "{told}");
        if arguments[0] == "check-config" {
            assert_eq!(out, "");
        } else {
            let record: Value = serde_json::from_str(out.trim()).unwrap();
            assert_eq!((&record["event"], &record["level"]), (&"config_invalid".into(), &"error".into()), "{out}");
            assert!(record["problems"].as_str().unwrap().contains("server.prot"), "{out}");
        }
    }
    let (code, _, told) = run(&["serve"]);
    assert_eq!(code, 64);
    assert!(told.contains("--config FILE"), "{told}");
    std::fs::write(path, "auth: {mode: token}\ncluster: {source: bundle, bundle: absent}\naudit: {sink: local}\n")
        .unwrap();
    let (code, _, told) =
        run(&["serve", "--port", "0", "--state-dir", folder.path().to_str().unwrap(), "--config", path]);
    assert_eq!(code, 64, "{told}");
    assert!(told.contains("absent does not exist"), "{told}");
}

#[test]
fn the_standalone_configuration_is_correct() {
    let (code, out, told) = run(&["check-config", "--config", "examples/standalone.yaml"]);
    assert_eq!(code, 0, "{told}");
    assert!(out.starts_with("examples/standalone.yaml: ok\n"), "{out}");
    assert!(out.contains("bundle examples/oom-cart-api/bundle"), "{out}");
    assert!(out.contains("  auth.mode = token  (main examples/standalone.yaml:10:9; restart)\n"), "{out}");
    assert!(out.contains("  session.ttl_minutes = 30  (default; at once)\n"), "{out}");
}

#[test]
fn the_effective_configuration_is_printed_for_programs_too() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.yaml");
    let text = "llm: {provider: mock, endpoint: 'http://m', model: m, api_key: hunter2, max_retries: 1}\naudit: {sink: local}\n";
    std::fs::write(&path, text).unwrap();
    let arguments = ["check-config", "--config", path.to_str().unwrap(), "--output", "json"];
    let output = holmesgpt().args(arguments).env("LLM_MODEL", "other").output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !out.contains("hunter2"), "{out}");
    let document: Value = serde_json::from_str(&out).unwrap();
    let field = |path: &str| {
        let fields = document["fields"].as_array().unwrap();
        fields.iter().find(|field| field["path"] == path).unwrap_or_else(|| panic!("no {path}")).clone()
    };
    let place = format!("{}:1:64", path.display());
    assert_eq!(
        field("llm.api_key"),
        serde_json::json!({"path": "llm.api_key", "value": "[REDACTED]", "source": "main", "place": place, "live": "next investigation"})
    );
    assert_eq!((&field("llm.model")["value"], &field("llm.model")["place"]), (&"other".into(), &"LLM_MODEL".into()));
    assert_eq!(document["facts"]["model"], "mock other");

    std::fs::write(&path, "server: {prot: 1}").unwrap();
    let output = holmesgpt().args(arguments).output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(document["problems"][0]["suggestion"], "server.port");
}

#[test]
fn an_object_of_a_bundle_is_investigated_by_name() {
    let bundle = ["--bundle", "examples/oom-cart-api/bundle", "--output", "json"];
    let (code, out, told) = run(&[&["investigate", "deploy/cart-api", "-n", "checkout"][..], &bundle].concat());
    assert!([0, 3].contains(&code), "{told}");
    let result: Value = serde_json::from_str(&out).unwrap();
    assert!(result["incident_id"].as_str().unwrap().starts_with("cli-"), "{result}");
    assert!(told.contains("… root cause analysis"), "{told}");

    let (code, _, told) = run(&[&["investigate", "deploy/cart-apl", "-n", "checkout"][..], &bundle].concat());
    assert_eq!(code, 2);
    assert!(told.contains("cart-apl"), "{told}");
    let (code, _, told) = run(&[&["investigate", "gadget/cart-api", "-n", "checkout"][..], &bundle].concat());
    assert_eq!(code, 2);
    assert!(told.contains("kind \"gadget\" is not known here"), "{told}");
}

#[test]
fn nonsense_on_the_command_line_is_answered_with_what_to_write() {
    let cases: [(&[&str], &str); 6] = [
        (&["investigate", "absent.json"], "to investigate an object write KIND/NAME"),
        (&["investigate", "Cargo.toml"], "Cargo.toml: "),
        (&["investigate", INCIDENT, "--bundle", "absent"], "bundle absent does not exist"),
        (&["investigate", INCIDENT, "--severity", "loud"], "is not one of critical, high"),
        (&["investigate", "pod/x", "--output", "yaml"], "[possible values: report, json]"),
        (&["sevre"], "a similar subcommand exists: 'serve'"),
    ];
    for (arguments, expected) in cases {
        let (code, out, told) = run(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {told}");
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, 0);
    assert!(help.contains("Exit codes"), "{help}");
    let (code, version, _) = run(&["--version"]);
    assert_eq!(code, 0);
    assert!(version.starts_with(concat!("holmesgpt-api ", env!("CARGO_PKG_VERSION"), " (")), "{version}");
}

#[test]
fn a_healthcheck_tells_the_living_from_the_dead() {
    let state = TempDir::new().unwrap();
    let service = Service::start(state.path(), STANDALONE);
    let url = format!("http://{}/health", service.address);
    assert_eq!(run(&["healthcheck", "--url", &url]).0, 0);
    assert_eq!(run(&["healthcheck", "--url", &format!("{url}/no")]).0, 1);
    let port = service.address.rsplit(':').next().unwrap();
    assert!(holmesgpt().arg("healthcheck").env("API_PORT", port).status().unwrap().success());
    drop(service);
    assert_eq!(run(&["healthcheck", "--url", &url]).0, 1);
}

#[test]
fn readme_shows_what_the_binary_prints() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let shown = readme.split("```text\n").nth(1).unwrap().split("\n```").next().unwrap();
    let (code, printed, _) = run(&["investigate", "examples/oom-cart-api/incident.json"]);
    assert_eq!((code, printed.trim_end()), (0, shown));
}
