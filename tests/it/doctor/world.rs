//! Everything `doctor` looks at, as stubs that answer well unless told otherwise.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use holmesgpt_api::catalogue::DirectoryCatalogue;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{holmesgpt, root};
use crate::stubs::datastorage::{Catalogue, DataStorageStub};
use crate::stubs::provider::{Answer, Asked, Provider};

/// What must never be seen.
pub(super) const KEY: &str = "sk-proj-Zq8T1vJk3mWx5Rb7Nc9Ld2Fh4Gs6Pa0Y";
/// What `DataStorage` accepts.
pub(super) const TOKEN: &str = "token-of-the-service";

#[derive(Default)]
struct Script {
    answers: Vec<(String, Answer)>,
    /// Group, resource, part and verb, and in which namespace; `None` = in any.
    denied: Vec<([String; 4], Option<String>)>,
}

/// One server plays Kubernetes, the model, Prometheus and Alertmanager, each under a path of its own.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) data_storage: DataStorageStub,
    provider: Provider,
    script: Arc<Mutex<Script>>,
    catalogue: Mutex<Catalogue>,
}

impl World {
    pub(super) async fn start() -> Self {
        let script: Arc<Mutex<Script>> = Arc::default();
        let answering = Arc::clone(&script);
        let provider = Provider::start(move |asked, _| answer(&answering.lock().unwrap(), asked)).await;
        let data_storage = DataStorageStub::start().await;
        data_storage.require_token(TOKEN);
        let catalogue = Catalogue::of(&DirectoryCatalogue::built_in()).await;
        data_storage.keep(catalogue.clone());
        let catalogue = Mutex::new(catalogue);
        let folder = tempfile::tempdir().unwrap();
        let world = Self { folder, data_storage, provider, script, catalogue };
        std::fs::create_dir(world.state()).unwrap();
        std::fs::set_permissions(world.state(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let write = |name: &str, text: String| std::fs::write(world.folder.path().join(name), text).unwrap();
        write("key", KEY.to_owned());
        write("token", TOKEN.to_owned());
        write("kubeconfig", world.kubeconfig().to_string());
        write("config.yaml", world.config().to_string());
        std::fs::copy(root().join("tests/it/llm/tls/ca.pem"), world.folder.path().join("ca.pem")).unwrap();
        world
    }

    pub(super) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    fn kubeconfig(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "stub",
            "clusters": [{"name": "stub", "cluster": {"server": format!("{}/kubernetes", self.provider.address)}}],
            "users": [{"name": "stub", "user": {}}],
            "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub"}}],
        })
    }

    /// JSON is YAML.
    fn config(&self) -> Value {
        let address = &self.provider.address;
        json!({
            "server": {"port": 0},
            "auth": {"mode": "token", "namespace": "kubernaut-system"},
            "store": {"url": format!("sqlite://{}", self.state().join("state.db").display())},
            "cluster": {"source": "live", "kubeconfig": "kubeconfig"},
            "data_storage": {"url": self.data_storage.url(), "token_path": "token", "ca_file": "ca.pem"},
            "llm": {
                "provider": "openai_compatible", "model": "m", "endpoint": format!("{address}/model/v1"),
                "api_key_file": "key",
            },
            "toolsets": {
                "prometheus/metrics": {"enabled": true, "config": {"prometheus_url": format!("{address}/prometheus")}},
                "alertmanager": {"enabled": true, "config": {"alertmanager_url": format!("{address}/alertmanager")}},
            },
        })
    }

    /// What requests whose path ends so are answered; `None` = as usual again.
    pub(super) fn answers(&self, path: &str, answer: Option<Answer>) {
        let mut script = self.script.lock().unwrap();
        script.answers.retain(|(end, _)| end != path);
        script.answers.extend(answer.map(|answer| (path.to_owned(), answer)));
    }

    pub(super) fn deny(&self, group: &str, resource: &str, part: &str, verb: &str) {
        self.script.lock().unwrap().denied.push(([group, resource, part, verb].map(str::to_owned), None));
    }

    /// Only there; an empty name is every namespace at once.
    pub(super) fn deny_in(&self, namespace: &str, group: &str, resource: &str, part: &str, verb: &str) {
        let denied = ([group, resource, part, verb].map(str::to_owned), Some(namespace.to_owned()));
        self.script.lock().unwrap().denied.push(denied);
    }

    /// The record of a workflow.
    pub(super) fn workflow(&self, number: usize) -> Value {
        self.catalogue.lock().unwrap().workflows[number].clone()
    }

    pub(super) fn change(&self, number: usize, member: &str, value: Value) {
        let mut catalogue = self.catalogue.lock().unwrap();
        catalogue.workflows[number][member] = value;
        self.data_storage.keep(catalogue.clone());
    }

    pub(super) fn asked(&self, method: &str, path: &str) -> Vec<Asked> {
        self.provider
            .asked()
            .into_iter()
            .filter(|asked| asked.method == method && asked.path.starts_with(path))
            .collect()
    }

    /// Exit code and report.
    pub(super) fn doctor(&self, arguments: &[&str]) -> (i32, Value) {
        self.doctor_of(&self.configuration(), arguments)
    }

    /// The same with one value of the configuration changed.
    pub(super) fn doctor_with(&self, pointer: &str, value: Value, arguments: &[&str]) -> (i32, Value) {
        let mut config = self.config();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[name] = value;
        let file = self.folder.path().join("changed.yaml");
        std::fs::write(&file, config.to_string()).unwrap();
        self.doctor_of(&file, arguments)
    }

    fn doctor_of(&self, file: &Path, arguments: &[&str]) -> (i32, Value) {
        let file = file.display().to_string();
        let (code, text) = self.run(&[&["doctor", "--json", "--config", &file], arguments].concat());
        (code, serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}")))
    }

    /// Where tools are confined to namespaces; metrics and alerts, which cannot be, are off.
    pub(super) fn confined(&self, investigation: Value) -> (i32, Value) {
        let mut config = self.config();
        config["investigation"] = investigation;
        config["toolsets"] = json!({});
        let file = self.folder.path().join("confined.yaml");
        std::fs::write(&file, config.to_string()).unwrap();
        self.doctor_of(&file, &[])
    }

    /// As in a pod that knows its name.
    pub(super) fn doctor_in_pod(&self) -> (i32, Value) {
        let file = self.configuration().display().to_string();
        let (code, text) = self.run_in(&["doctor", "--json", "--config", &file], &[("POD_NAME", "holmesgpt-api-1")]);
        (code, serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}")))
    }

    /// Exit code, and all that is printed.
    pub(super) fn run(&self, arguments: &[&str]) -> (i32, String) {
        self.run_in(arguments, &[])
    }

    fn run_in(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
        let mut command = holmesgpt();
        command
            .args(arguments)
            .envs(variables.iter().copied())
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"));
        // The stubs answer on other threads meanwhile.
        let output = tokio::task::block_in_place(|| command.output().unwrap());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    }
}

pub(super) fn rows(report: &Value) -> impl Iterator<Item = &Value> {
    report["checks"].as_array().unwrap().iter()
}

/// The row of this name.
pub(super) fn row<'a>(report: &'a Value, area: &str, name: &str) -> &'a Value {
    let found = rows(report).find(|row| row["area"] == area && row["name"] == name);
    found.unwrap_or_else(|| panic!("no row {area} {name}: {report:#}"))
}

fn answer(script: &Script, asked: &Asked) -> Answer {
    let path = asked.path.split('?').next().unwrap();
    if let Some((_, answer)) = script.answers.iter().find(|(end, _)| path.ends_with(end.as_str())) {
        return answer.clone();
    }
    Answer::json(&match path {
        "/kubernetes/version" => json!({"gitVersion": "v1.34.1"}),
        path if path.ends_with("/selfsubjectreviews") => {
            json!({"status": {"userInfo": {"username": "system:serviceaccount:kubernaut-system:holmesgpt-api-sa"}}})
        }
        path if path.ends_with("/selfsubjectaccessreviews") => {
            let wanted = &asked.json()["spec"]["resourceAttributes"];
            let is_it = |(denied, namespace): &([String; 4], Option<String>)| {
                let names = ["group", "resource", "subresource", "verb"];
                names.iter().zip(denied).all(|(name, text)| wanted[*name] == **text)
                    && namespace.as_ref().is_none_or(|namespace| wanted["namespace"] == **namespace)
            };
            json!({"status": {"allowed": !script.denied.iter().any(is_it)}})
        }
        "/model/v1/chat/completions" => {
            let name = asked.json()["tools"][0]["function"]["name"].clone();
            let call =
                json!({"id": "1", "type": "function", "function": {"name": name, "arguments": "{\"ready\": true}"}});
            json!({"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]})
        }
        "/prometheus/api/v1/query" => json!({"status": "success", "data": {"resultType": "vector", "result": []}}),
        "/prometheus/api/v1/status/buildinfo" => json!({"status": "success", "data": {"version": "3.5.0"}}),
        "/alertmanager/api/v2/status" => json!({"versionInfo": {"version": "0.28.1"}}),
        _ => json!({}),
    })
}
