//! Scripted models: each file of `scenarios/` is an incident over a recorded cluster, what a model says turn by turn, what
//! the service must ask it, and what must come out. See `scenarios/README.md` for the format.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use holmesgpt_api::api::incident::{AnalyzeBody, IncidentResponse};
use holmesgpt_api::app::Core;
use holmesgpt_api::catalogue::{Catalogue as _, DirectoryCatalogue};
use holmesgpt_api::config::Config;
use holmesgpt_api::domain::{Engine, Incident, Investigation, Recovery};
use holmesgpt_api::sessions::SessionState;
use holmesgpt_api::store::{AuditQuery, StoreLocation};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::process::root;
use crate::stubs::model::{Model, Step};

/// Nothing here takes long.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    /// One sentence: what is shown.
    title: String,
    /// Folder of `examples/` whose incident and bundle are used.
    example: String,
    /// Members of the incident that are different.
    #[serde(default)]
    incident: Map<String, Value>,
    /// The failed attempt this incident follows.
    recovery: Option<Recovery>,
    /// Sections of the configuration, e.g. `investigation: {max_validation_attempts: 2}`.
    #[serde(default)]
    config: Map<String, Value>,
    /// Files written into a copy of the bundle: path → content.
    #[serde(default)]
    bundle: BTreeMap<String, String>,
    script: Vec<Step>,
    expect: Outcome,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outcome {
    /// `remediate`, `resolved`, `not_actionable`, `needs_human` or `failed`.
    verdict: String,
    /// `human_review_reason`.
    reason: Option<String>,
    /// Name of the chosen workflow.
    workflow: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    /// `Kind namespace/name`.
    target: Option<String>,
    /// Each in some warning.
    #[serde(default)]
    warnings: Vec<String>,
    /// None in any warning.
    #[serde(default)]
    no_warnings: Vec<String>,
    /// Texts of `analysis`.
    #[serde(default)]
    analysis: Vec<String>,
    /// Verified claims.
    evidence: Option<usize>,
    confidence: Option<f64>,
    /// Confidence band.
    band: Option<String>,
    /// Entries of the validation history.
    attempts: Option<usize>,
    alternatives: Option<usize>,
    /// `model` or `analyser`.
    engine: Option<String>,
    /// Beginning of the error of a failed session.
    error: Option<String>,
    /// How many audit events of a type there are; `aiagent.` is put before.
    #[serde(default)]
    audit: BTreeMap<String, usize>,
    /// Texts that leave the service nowhere: not to the model, not into audit, not into the result.
    #[serde(default)]
    nowhere: Vec<String>,
}

fn files() -> Vec<PathBuf> {
    let folder = root().join("tests/it/scenarios");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    found.sort();
    found
}

/// `{{workflow:NAME}}` becomes the id the compiled-in catalogue gives that workflow.
async fn with_ids(mut text: String) -> String {
    let catalogue = DirectoryCatalogue::built_in();
    while let Some((before, rest)) = text.split_once("{{workflow:") {
        let (name, after) = rest.split_once("}}").unwrap();
        let id = catalogue.workflow(name).await.unwrap_or_else(|error| panic!("{error}")).id;
        text = format!("{before}{id}{after}");
    }
    text
}

/// The example's bundle, or a copy with the scenario's files in it.
fn bundle(scenario: &Scenario) -> (PathBuf, Option<TempDir>) {
    let recorded = root().join("examples").join(&scenario.example).join("bundle");
    if scenario.bundle.is_empty() {
        return (recorded, None);
    }
    let copy = tempfile::tempdir().unwrap();
    crate::examples::copy_tree(&recorded, copy.path());
    for (path, content) in &scenario.bundle {
        let path = copy.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    (copy.path().to_owned(), Some(copy))
}

fn incident(scenario: &Scenario) -> Incident {
    let file = root().join("examples").join(&scenario.example).join("incident.json");
    let mut body: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    body.as_object_mut().unwrap().extend(scenario.incident.clone());
    let incident = Incident::try_from(AnalyzeBody::parse(body.to_string().as_bytes()).unwrap()).unwrap();
    Incident { recovery: scenario.recovery.clone().map(Box::new), ..incident }
}

fn configuration(scenario: &Scenario, folder: &Path, bundle: &Path, endpoint: &str) -> Config {
    let key = folder.join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    let mut config = json!({
        "auth": {"mode": "token"}, "audit": {"sink": "local"},
        "cluster": {"source": "bundle", "bundle": bundle},
        "llm": {"provider": "openai_compatible", "endpoint": endpoint, "model": "scripted", "api_key_file": key,
                "retry_base_ms": 1},
    });
    merge(&mut config, &Value::Object(scenario.config.clone()));
    let path = folder.join("config.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    Config::load(&path).unwrap_or_else(|error| panic!("{error}"))
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// What came out of a run.
struct Played {
    result: Option<Investigation>,
    wire: Value,
    error: Option<String>,
    events: Vec<(String, String)>,
    requests: Vec<Value>,
    complaints: Vec<String>,
}

/// The key of the scenarios' configuration.
const KEY: &str = "sk-scenario-key";

async fn play(scenario: &Scenario) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, _copy) = bundle(scenario);
    let model = Model::follow(scenario.script.clone()).await;
    let config = configuration(scenario, folder.path(), &bundle, &model.endpoint);
    let core = Core::build(&config, &StoreLocation::in_directory(folder.path())).await.unwrap();
    let incident = incident(scenario);
    let id = core.sessions.submit(incident.clone(), "scenario").await.unwrap();
    let record = tokio::time::timeout(PATIENCE, core.sessions.finished(id)).await.unwrap().unwrap().unwrap();
    let events = core.store.events(&AuditQuery::default()).await.unwrap();
    let result = record.result.as_deref().cloned();
    let wire = result.as_ref().map(|result| json!(IncidentResponse::render(result, incident.shape)));
    assert_eq!(record.state == SessionState::Completed, result.is_some());
    assert!(model.keys().iter().all(|key| *key == format!("Bearer {KEY}")), "{:?}", model.keys());
    Played {
        wire: wire.unwrap_or_default(),
        result,
        error: record.error,
        events: events.into_iter().map(|event| (event.event_type, event.body)).collect(),
        requests: model.requests(),
        complaints: model.complaints(),
    }
}

impl Outcome {
    fn differences(&self, played: &Played) -> Vec<String> {
        let mut wrong = Vec::new();
        let wire = &played.wire;
        let mut same = |what: &str, expected: Value, got: Value| {
            if expected != got {
                wrong.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        same("verdict", json!(self.verdict), json!(verdict(played)));
        same("reason", json!(self.reason), wire["human_review_reason"].clone());
        let workflow = played.result.as_ref().and_then(|result| result.selected_workflow.as_ref());
        same("workflow", json!(self.workflow), json!(workflow.map(|workflow| &workflow.workflow_name)));
        for (name, value) in &self.parameters {
            same(name, value.clone(), wire["selected_workflow"]["parameters"][name].clone());
        }
        if let Some(target) = &self.target {
            let got = played.result.as_ref().and_then(|result| result.root_cause.target.as_ref());
            same("target", json!(target), json!(got.map(ToString::to_string)));
        }
        if let Some(count) = self.evidence {
            let got = played.result.as_ref().map(|result| result.root_cause.evidence.len());
            same("evidence", json!(count), json!(got));
        }
        if let Some(confidence) = self.confidence {
            same("confidence", json!(confidence), wire["confidence"].clone());
        }
        if let Some(band) = &self.band {
            let basis = played.result.as_ref().and_then(|result| result.confidence_basis.as_ref());
            same("band", json!(band), json!(basis.map(|basis| basis.band)));
        }
        let count = |list: &Value| json!(list.as_array().map(Vec::len));
        if let Some(attempts) = self.attempts {
            same("attempts", json!(attempts), count(&wire["validation_attempts_history"]));
        }
        if let Some(alternatives) = self.alternatives {
            same("alternatives", json!(alternatives), count(&wire["alternative_workflows"]));
        }
        if let Some(engine) = &self.engine {
            let got = played.result.as_ref().map(|result| match result.engine {
                Engine::Analyser { .. } => "analyser",
                Engine::Model { .. } => "model",
            });
            same("engine", json!(engine), json!(got));
        }
        for (event, expected) in &self.audit {
            let got = played.events.iter().filter(|(kind, _)| *kind == format!("aiagent.{event}")).count();
            same(event, json!(expected), json!(got));
        }
        wrong.extend(self.texts(played));
        wrong
    }

    fn texts(&self, played: &Played) -> Vec<String> {
        let mut wrong = Vec::new();
        let warnings = played.wire["warnings"].as_array().cloned().unwrap_or_default();
        let warned = |text: &String| warnings.iter().any(|warning| warning.as_str().unwrap_or_default().contains(text));
        wrong.extend(
            self.warnings
                .iter()
                .filter(|text| !warned(text))
                .map(|text| format!("no warning {text:?} in {warnings:?}")),
        );
        wrong.extend(self.no_warnings.iter().filter(|text| warned(text)).map(|text| format!("warning {text:?}")));
        let analysis = played.wire["analysis"].as_str().unwrap_or_default();
        wrong.extend(
            self.analysis
                .iter()
                .filter(|text| !analysis.contains(*text))
                .map(|text| format!("no {text:?} in {analysis:?}")),
        );
        if let Some(error) = &self.error {
            let got = played.error.clone().unwrap_or_default();
            if !got.starts_with(error) {
                wrong.push(format!("error: expected {error}…, got {got}"));
            }
        }
        let everything = [
            ("a request to the model", json!(played.requests).to_string()),
            ("audit", json!(played.events).to_string()),
            ("the result", played.wire.to_string()),
        ];
        for text in &self.nowhere {
            let places = everything.iter().filter(|(_, whole)| whole.contains(text.as_str()));
            wrong.extend(places.map(|(place, _)| format!("{text:?} is in {place}")));
        }
        wrong
    }
}

fn verdict(played: &Played) -> &'static str {
    let wire = &played.wire;
    match (&wire["needs_human_review"], &wire["is_actionable"], &wire["selected_workflow"]) {
        _ if played.result.is_none() => "failed",
        (Value::Bool(true), ..) => "needs_human",
        (_, Value::Bool(false), _) => "not_actionable",
        (_, _, Value::Object(_)) => "remediate",
        _ => "resolved",
    }
}

/// What http-api §5.1 promises for every answer.
fn broken_invariants(played: &Played) -> Vec<String> {
    let wire = &played.wire;
    let mut wrong = Vec::new();
    if played.result.is_none() {
        return wrong;
    }
    let review = wire["needs_human_review"] == true;
    let warnings = wire["warnings"].as_array().cloned().unwrap_or_default();
    if review != wire["human_review_reason"].is_string() || (review && warnings.is_empty()) {
        wrong.push("review, reason and warnings do not go together".to_owned());
    }
    if wire["is_actionable"] == false && (review || !wire["selected_workflow"].is_null()) {
        wrong.push("not actionable with a workflow or a review".to_owned());
    }
    let terminal = played.events.iter().filter(|(kind, _)| kind.starts_with("aiagent.response.")).count();
    if terminal != 1 {
        wrong.push(format!("{terminal} terminal audit events"));
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_goes_by_its_script() {
    let only = std::env::var("SCENARIO").unwrap_or_default();
    let mut wrong = Vec::new();
    for file in files().iter().filter(|file| file.to_string_lossy().contains(&only)) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let text = with_ids(std::fs::read_to_string(file).unwrap()).await;
        let scenario: Scenario = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let played = play(&scenario).await;
        let mut lines = played.complaints.clone();
        lines.extend(scenario.expect.differences(&played));
        lines.extend(broken_invariants(&played));
        if !lines.is_empty() {
            let said = serde_json::to_string_pretty(&played.wire).unwrap();
            wrong.push(format!("{name} ({}):\n  {}\nresult: {said}", scenario.title, lines.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n\n"));
}
