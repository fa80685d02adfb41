//! Scripted models: each file of `scenarios/` is an incident over a recorded cluster, what a model says turn by turn, what
//! the service must ask it, and what must come out. See `scenarios/README.md` for the format.

mod cancelled;
mod command;
mod costs;
mod failover;
mod faulty;
mod format;
pub(crate) mod observed;
mod outcome;
mod recordings;
mod replayed;
mod trail;
mod watched;

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use holmesgpt_api::api::incident::{AnalyzeBody, IncidentResponse};
use holmesgpt_api::app::Core;
use holmesgpt_api::config::Config;
use holmesgpt_api::domain::{Incident, Investigation};
use holmesgpt_api::sessions::SessionState;
use holmesgpt_api::store::{AuditQuery, StoreLocation};
use serde_json::{Value, json};

use crate::process::root;
use crate::stubs::datastorage::{DataStorageStub, Odd};
use crate::stubs::mcp::McpStub;
use crate::stubs::model::Model;
use crate::stubs::scripted::{Reply, Scripted};
use format::{Prepared, Scenario};

/// Nothing here takes long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Scenarios played at once.
const SIDE_BY_SIDE: usize = 4;
/// The key of the scenarios' configuration.
const KEY: &str = "sk-scenario-key";

fn folder() -> PathBuf {
    root().join("tests/it/scenarios")
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    found.sort();
    found
}

/// What came out of a run.
struct Played {
    result: Option<Investigation>,
    wire: Value,
    error: Option<String>,
    events: Vec<(String, String)>,
    requests: Vec<Value>,
    /// Requests to DataStorage: path and query.
    asked: Vec<String>,
    complaints: Vec<String>,
    /// The file the run was recorded to.
    recording: Vec<u8>,
}

/// A service with its model and metrics server, ready for one incident.
struct Stage {
    core: Core,
    incident: Incident,
    model: Model,
    metrics: Scripted,
    storage: Option<DataStorageStub>,
    _mcp: Option<McpStub>,
    recordings: PathBuf,
    _prepared: Prepared,
}

impl Stage {
    async fn set(scenario: &Scenario, prepared: Prepared) -> Self {
        let model = Model::follow(scenario.script.clone()).await;
        let metrics = Scripted::start().await;
        if let Some(answer) = &scenario.metrics {
            let data = json!({"resultType": "vector", "result": [answer.clone()]});
            let body = json!({"status": "success", "data": data});
            metrics.on("/api/v1/query", Reply::Late(scenario.metrics_delay_ms, body));
        }
        let state = prepared.folder.path();
        let storage = storage(scenario, &prepared).await;
        let mcp = match &scenario.mcp {
            Some(manner) => Some(McpStub::start(manner.clone()).await),
            None => None,
        };
        let addresses = Addresses {
            model: &model.endpoint,
            metrics: &metrics.address,
            storage: storage.as_ref().map(DataStorageStub::url),
            mcp: mcp.as_ref().map(|stub| format!("{}/mcp", stub.address)),
        };
        let mut config = configuration(scenario, &prepared, &addresses);
        config.record = Some(replayed::folder(&prepared));
        let core = Core::build(&config, &StoreLocation::in_directory(state)).await.unwrap();
        let incident = Incident::try_from(AnalyzeBody::parse(prepared.incident.as_bytes()).unwrap()).unwrap();
        let incident = Incident { recovery: scenario.recovery.clone().map(Box::new), ..incident };
        let recordings = replayed::folder(&prepared);
        Self { core, incident, model, metrics, storage, _mcp: mcp, recordings, _prepared: prepared }
    }
}

async fn storage(scenario: &Scenario, prepared: &Prepared) -> Option<DataStorageStub> {
    let remote = scenario.data_storage.as_ref()?;
    let stub = DataStorageStub::start().await;
    stub.keep(remote.catalogue(prepared.catalogue.as_deref()).await);
    stub.oddly(remote.statuses.iter().map(|status| Odd::status(*status)));
    if remote.down {
        stub.down();
    }
    Some(stub)
}

/// Where the stubs of a scenario listen.
struct Addresses<'a> {
    model: &'a str,
    metrics: &'a str,
    storage: Option<String>,
    mcp: Option<String>,
}

impl<'a> Addresses<'a> {
    /// Nothing else is there.
    fn of_model(model: &'a str) -> Self {
        Self { model, metrics: "http://127.0.0.1:9", storage: None, mcp: None }
    }
}

fn configuration(scenario: &Scenario, prepared: &Prepared, addresses: &Addresses<'_>) -> Config {
    let folder = prepared.folder.path();
    let key = folder.join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    let mut config = json!({
        "auth": {"mode": "token"}, "audit": {"sink": "local"},
        "cluster": {"source": "bundle", "bundle": prepared.bundle}, "catalogue": {"source": "directory"},
        "llm": {"provider": "openai_compatible", "endpoint": addresses.model, "model": "scripted", "api_key_file": key,
                "retry_base_ms": 1},
    });
    if scenario.metrics.is_some() {
        config["toolsets"] = json!({"prometheus/metrics": {"config": {"prometheus_url": addresses.metrics}}});
    }
    match (&addresses.storage, &prepared.catalogue) {
        (Some(url), _) => {
            let token = folder.join("token");
            std::fs::write(&token, "a-token").unwrap();
            config["catalogue"] = json!({"source": "datastorage"});
            config["data_storage"] = json!({"url": url, "token_path": token});
        }
        (None, Some(directory)) => config["catalogue"]["directory"] = json!(directory),
        (None, None) => {}
    }
    format::merge(&mut config, &Value::Object(scenario.config.clone()));
    let text = config.to_string().replace("{{mcp}}", addresses.mcp.as_deref().unwrap_or_default());
    let config: Value = serde_json::from_str(&text).unwrap();
    write(&config, &folder.join("config.yaml"))
}

fn write(config: &Value, path: &Path) -> Config {
    std::fs::write(path, config.to_string()).unwrap();
    Config::load(path).unwrap_or_else(|error| panic!("{error}"))
}

async fn play(scenario: &Scenario, prepared: Prepared) -> Played {
    let stage = Stage::set(scenario, prepared).await;
    let Stage { core, incident, model, storage, .. } = &stage;
    let id = core.sessions.submit(incident.clone(), "scenario").await.unwrap();
    let record = tokio::time::timeout(PATIENCE, core.sessions.finished(id)).await.unwrap().unwrap().unwrap();
    let events = core.store.events(&AuditQuery::default()).await.unwrap();
    let result = record.result.as_deref().cloned();
    let wire = result.as_ref().map(|result| json!(IncidentResponse::render(result, incident.shape)));
    assert_eq!(record.state == SessionState::Completed, result.is_some());
    let recording = replayed::only_file(&stage.recordings).await;
    assert!(model.keys().iter().all(|key| *key == format!("Bearer {KEY}")), "{:?}", model.keys());
    Played {
        wire: wire.unwrap_or_default(),
        result,
        error: record.error,
        events: events.into_iter().map(|event| (event.event_type, event.body)).collect(),
        requests: model.requests(),
        asked: storage.iter().flat_map(DataStorageStub::asked).map(|asked| asked.target).collect(),
        complaints: model.complaints(),
        recording,
    }
}

/// What is wrong with the scenario's run; `None` when all went by its script.
async fn complaint(file: PathBuf) -> Option<String> {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let (scenario, prepared) = format::read(&name, &std::fs::read_to_string(&file).unwrap()).await;
    let played = play(&scenario, prepared).await;
    let mut lines = played.complaints.clone();
    lines.extend(scenario.expect.differences(&played));
    lines.extend(outcome::broken_invariants(&played));
    lines.extend(trail::broken(&played));
    lines.extend(replayed::complaint(&played).await);
    let said = serde_json::to_string_pretty(&played.wire).unwrap();
    (!lines.is_empty()).then(|| format!("{name} ({}):\n  {}\nresult: {said}", scenario.title, lines.join("\n  ")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_goes_by_its_script() {
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let chosen = files().into_iter().filter(|file| file.file_stem().unwrap().to_string_lossy().contains(&only));
    let played = futures_util::stream::iter(chosen.map(|file| async move {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let ended = AssertUnwindSafe(complaint(file)).catch_unwind().await;
        ended.unwrap_or_else(|_| Some(format!("{name}: panicked, see above")))
    }));
    let ended: Vec<Option<String>> = played.buffer_unordered(SIDE_BY_SIDE).collect().await;
    let wrong: Vec<String> = ended.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}
