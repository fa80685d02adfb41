//! The configuration changes under a running service, the way Kubernetes changes mounted files (operations §2).

mod live;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Caller, Service, holmesgpt, root};
use crate::stubs::provider::{Answer, Asked, Provider};

/// A mounted ConfigMap or Secret: visible names point into `..data`, and `..data` is swapped.
pub(crate) struct Volume {
    folder: PathBuf,
    version: usize,
}

impl Volume {
    pub(crate) fn mount(folder: PathBuf, files: &[(&str, &str)]) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let mut volume = Self { folder, version: 0 };
        volume.swap(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), volume.folder.join(name)).unwrap();
        }
        volume
    }

    pub(crate) fn swap(&mut self, files: &[(&str, &str)]) {
        self.version += 1;
        let name = format!("..v{}", self.version);
        std::fs::create_dir(self.folder.join(&name)).unwrap();
        for (file, text) in files {
            std::fs::write(self.folder.join(&name).join(file), text).unwrap();
        }
        let fresh = self.folder.join("..data_tmp");
        symlink(&name, &fresh).unwrap();
        std::fs::rename(fresh, self.folder.join("..data")).unwrap();
    }
}

/// Everything a service is started with.
struct Mounted {
    home: TempDir,
    main: Volume,
    sdk: Volume,
    credentials: Volume,
    provider: String,
}

impl Mounted {
    fn new(provider: &str) -> Self {
        let home = TempDir::new().unwrap();
        let at = |name: &str| home.path().join(name);
        let credentials = Volume::mount(at("credentials"), &[("api_key", "key-1")]);
        let main = Volume::mount(at("main"), &[("config.yaml", &main_text(""))]);
        let sdk = Volume::mount(at("sdk"), &[("sdk.yaml", &sdk_text(provider, &at("credentials"), "first"))]);
        Self { main, sdk, credentials, provider: provider.to_owned(), home }
    }

    fn start(&self) -> Service {
        let mut command = holmesgpt();
        let at = |name: &str| self.home.path().join(name);
        command.args(["serve", "--port", "0", "--config"]).arg(at("main/config.yaml"));
        command.arg("--state-dir").arg(at("state")).env("SDK_CONFIG_FILE", at("sdk/sdk.yaml"));
        Service::started(command)
    }

    fn caller(&self) -> Caller {
        Caller::of(&self.home.path().join("state"))
    }

    fn model(&mut self, name: &str) {
        let text = sdk_text(&self.provider, &self.home.path().join("credentials"), name);
        self.sdk.swap(&[("sdk.yaml", &text)]);
    }
}

fn main_text(more: &str) -> String {
    let root = root().display();
    format!(
        "auth: {{mode: token}}\ncluster: {{source: bundle, bundle: {root}/examples/oom-cart-api/bundle}}\n\
         catalogue: {{source: directory}}\naudit: {{sink: local}}\nshutdown: {{endpoint_delay_seconds: 0}}\n\
         reload: {{poll_seconds: 0.05}}\n{more}"
    )
}

fn sdk_text(endpoint: &str, credentials: &Path, model: &str) -> String {
    let credentials = credentials.display();
    format!(
        "llm: {{provider: openai_compatible, endpoint: '{endpoint}', model: {model}, max_retries: 0, streaming: false, \
         credentials_dir: {credentials}}}\n"
    )
}

/// Says nothing of use, in the dialect of Chat Completions.
fn nonsense() -> Answer {
    Answer::json(&json!({
        "id": "x", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "I do not know."}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }))
}

/// What `GET /config` tells, once the service knows where its values come from.
async fn told(caller: &Caller, service: &Service) -> Value {
    loop {
        let told: Value = serde_json::from_str(&caller.get(service, "/config").await.1).unwrap();
        if !told["active_hash"].is_null() {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn metric(caller: &Caller, service: &Service, series: &str) -> f64 {
    let text = caller.get(service, "/metrics").await.1;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no series {series}")).parse().unwrap()
}

fn incident(marker: &str) -> Vec<u8> {
    let path = root().join("examples/oom-cart-api/incident.json");
    let mut incident: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    incident["incident_id"] = marker.into();
    incident["error_message"] = marker.into();
    incident["remediation_id"] = marker.into();
    incident.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_file_counts_when_it_is_swapped_and_a_broken_one_changes_nothing() {
    let provider = Provider::start(|_, _| nonsense()).await;
    let mut mounted = Mounted::new(&provider.address);
    let service = mounted.start();
    let caller = mounted.caller();
    let before = told(&caller, &service).await;
    assert_eq!((&before["llm"]["model"], &before["active_hash"]), (&json!("first"), &before["on_disk_hash"]));
    let fields = before["fields"].as_array().unwrap();
    assert!(
        fields.contains(&json!({"path": "llm.model", "value": "first", "source": "sdk", "live": true})),
        "{fields:?}"
    );

    mounted.model("second");
    let reloaded = service.wait_for("config_reloaded");
    assert_eq!((&reloaded["source"], &reloaded["changed"]), (&json!("sdk"), &json!("llm.model")), "{reloaded}");
    assert_eq!(reloaded["previous_hash"], before["active_hash"]);
    let changed = service.wait_for("llm_identity_changed");
    assert_eq!(
        (&changed["old"], &changed["new"]),
        (&json!("openai_compatible/first"), &json!("openai_compatible/second"))
    );
    assert_eq!(told(&caller, &service).await["llm"]["model"], "second");

    let good = "session: {queue_limit: 7}\nlogging: {format: text}\ntoolsets: {kubernetes/logs: {enabled: false}}\n";
    let good = main_text(good);
    mounted.main.swap(&[("config.yaml", &good)]);
    assert_eq!(service.wait_for("config_reloaded")["changed"], "session.queue_limit, toolsets.kubernetes/logs.enabled");
    assert_eq!(service.wait_for("reload_restart_required")["keys"], "logging.format");

    mounted.credentials.swap(&[("api_key", "key-2")]);
    assert_eq!(service.wait_for("config_reloaded")["source"], "credentials");
    let session = caller.post(&service, incident("after")).await;
    caller.result(&service, &session).await;
    let keys: Vec<String> = provider.asked().iter().map(|asked| asked.header("authorization").to_owned()).collect();
    assert!(keys.iter().any(|key| key == "Bearer key-2") && !keys.iter().any(|key| key == "Bearer key-1"), "{keys:?}");

    let asked = provider.asked();
    let offered = asked.iter().find(|asked| asked.method == "POST").unwrap().json()["tools"].to_string();
    assert!(offered.contains("kubectl_describe") && !offered.contains("kubectl_logs"), "{offered}");

    let active = told(&caller, &service).await["active_hash"].clone();
    for (broken, reason, word) in [
        (main_text("sesion: {queue_limit: 8}\n"), "unknown_key", "sesion"),
        (main_text("session: {queue_limit: none}\n"), "invalid", "session.queue_limit"),
        (" \n".to_owned(), "parse", "the file is empty"),
        ("server: [\n".to_owned(), "parse", "config.yaml:"),
    ] {
        mounted.main.swap(&[("config.yaml", &broken)]);
        let rejected = service.wait_for("config_reload_rejected");
        assert!(rejected["problems"].as_str().unwrap().contains(word), "{rejected}");
        assert_eq!(rejected["active_hash"], active);
        let now = told(&caller, &service).await;
        assert_eq!((&now["active_hash"], &now["on_disk_hash"]), (&active, &rejected["rejected_hash"]));
        assert_eq!(now["last_rejected"]["hash"], now["on_disk_hash"]);
        let ready: Value = serde_json::from_str(&caller.get(&service, "/ready").await.1).unwrap();
        let short = active.as_str().unwrap().split_at(16).0;
        assert_eq!((&ready["status"], &ready["config"]), (&json!("ready"), &json!({"hash": short, "rejected": true})));
        let series = format!(r#"aiagent_api_config_reload_errors_total{{reason="{reason}",source="main"}}"#);
        assert!(metric(&caller, &service, &series).await >= 1.0);
        assert_eq!(metric(&caller, &service, r#"aiagent_api_config_rejected{source="main"}"#).await, 1.0);
    }
    mounted.model("third");
    assert_eq!(service.wait_for("config_reload_rejected")["active_hash"], active, "the broken file stands in the way");
    mounted.model("second");
    mounted.main.swap(&[("config.yaml", &good)]);
    service.wait_for("config_agrees");
    assert_eq!(told(&caller, &service).await["last_rejected"], Value::Null);
    for source in ["main", "sdk", "credentials"] {
        let applied = format!(r#"aiagent_api_config_reload_total{{result="applied",source="{source}"}}"#);
        assert_eq!(metric(&caller, &service, &applied).await, 1.0, "{source}");
        assert_eq!(
            metric(&caller, &service, &format!(r#"aiagent_api_config_rejected{{source="{source}"}}"#)).await,
            0.0
        );
        let at = format!(r#"aiagent_api_config_last_reload_timestamp_seconds{{source="{source}"}}"#);
        assert!(metric(&caller, &service, &at).await > 1_700_000_000.0);
    }
    let info = caller.get(&service, "/metrics").await.1;
    assert_eq!(info.matches("aiagent_api_config_info{").count(), 3, "old hashes are gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_of_the_log_changes_at_once() {
    let provider = Provider::start(|_, _| nonsense()).await;
    let mut mounted = Mounted::new(&provider.address);
    let service = mounted.start();
    let caller = mounted.caller();
    caller.get(&service, "/health").await;
    mounted.main.swap(&[("config.yaml", &main_text("logging: {level: DEBUG}\n"))]);
    assert_eq!(service.wait_for("config_reloaded")["changed"], "logging.level");
    // Answered probes are told at this level only.
    caller.get(&service, "/health").await;
    let probe = service.wait_for("request_completed");
    assert_eq!((&probe["path"], &probe["level"]), (&json!("/health"), &json!("debug")), "{probe}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_readiness_depends_on_changes_at_once() {
    let mut mounted = Mounted::new("http://127.0.0.1:1");
    let service = mounted.start();
    let caller = mounted.caller();
    let ready = async || {
        let (status, body) = caller.get(&service, "/ready").await;
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (status, body) = ready().await;
    assert_eq!((status, &body["status"], &body["reason"]), (503, &json!("starting"), &json!("llm_unreachable")));
    for (word, status, shown, degraded) in [
        ("informational", 200, "down", json!(["llm"])),
        ("off", 200, "off", json!([])),
        ("required", 503, "down", json!([])),
    ] {
        mounted.main.swap(&[("config.yaml", &main_text(&format!("readiness: {{llm: '{word}'}}\n")))]);
        assert_eq!(service.wait_for("config_reloaded")["changed"], "readiness.llm");
        let (told, body) = ready().await;
        assert_eq!((told, &body["dependencies"]["llm"]["status"]), (status, &json!(shown)), "{word}: {body}");
        assert_eq!(body["degraded"], degraded, "{word}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_investigation_ends_with_the_model_it_began_with() {
    let provider = Provider::start(|_, number| match number {
        0 => nonsense().after(Duration::from_secs(2)),
        _ => nonsense(),
    })
    .await;
    let mut mounted = Mounted::new(&provider.address);
    let service = mounted.start();
    let caller = mounted.caller();
    let early = caller.post(&service, incident("marker-early")).await;
    while provider.count() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    mounted.model("second");
    service.wait_for("config_reloaded");
    let late = caller.post(&service, incident("marker-late")).await;
    caller.result(&service, &late).await;
    caller.result(&service, &early).await;
    let model_of = |marker: &str| {
        let asked = provider.asked();
        let asked: Vec<&Asked> = asked.iter().filter(|asked| asked.text.contains(marker)).collect();
        asked.iter().map(|asked| asked.json()["model"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (early, late) = (model_of("marker-early"), model_of("marker-late"));
    assert!(early.len() > 1 && early.iter().all(|model| model == "first"), "{early:?}");
    assert!(!late.is_empty() && late.iter().all(|model| model == "second"), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_looks_at_once_and_a_switch_turns_it_off() {
    let provider = Provider::start(|_, _| nonsense()).await;
    let mut mounted = Mounted::new(&provider.address);
    let slow = main_text("").replace("poll_seconds: 0.05", "poll_seconds: 3600");
    mounted.main.swap(&[("config.yaml", &slow)]);
    let service = mounted.start();
    let caller = mounted.caller();
    mounted.model("second");
    service.signal("HUP");
    assert_eq!(service.wait_for("config_reloaded")["changed"], "llm.model");
    service.signal("HUP");
    let unchanged = r#"aiagent_api_config_reload_total{result="unchanged",source="main"}"#;
    for _ in 0..500 {
        if metric(&caller, &service, unchanged).await > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(metric(&caller, &service, unchanged).await, 1.0);
    service.terminate();
    assert_eq!(service.exit().code(), Some(0));

    mounted.main.swap(&[("config.yaml", &main_text("").replace("poll_seconds: 0.05", "enabled: false"))]);
    let service = mounted.start();
    service.wait_for("config_reload_off");
    service.terminate();
    assert_eq!(service.exit().code(), Some(0));
}
