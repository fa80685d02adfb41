//! Ten thousand hostile model answers and tool outputs: nothing panics, every result is one a client can read, nothing
//! leaks, nothing grows without a bound. The same every time; `FUZZ_SEED` tries others.

mod bundle;
mod invariants;
mod mutation;
mod provider;
mod pure;
mod random;
mod replies;
mod schema;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt as _;
use holmesgpt_api::api::incident::{AnalyzeBody, IncidentResponse};
use holmesgpt_api::app::Core;
use holmesgpt_api::catalogue::{Catalogue as _, DirectoryCatalogue, MatchContext};
use holmesgpt_api::config::Config;
use holmesgpt_api::domain::{Engine, Incident, Investigation};
use holmesgpt_api::store::{AuditQuery, StoreLocation};
use serde_json::{Value, json};

use crate::process::root;
use provider::{MARK, Provider};
use replies::Ids;
use schema::Schema;

/// Whole investigations, each of several answers and tool calls.
const INVESTIGATIONS: usize = 300;
/// Investigations whose every tool output is hostile.
const HOSTILE_INVESTIGATIONS: usize = 16;
/// Answers, arguments, outputs and results tried at the layers without I/O.
const PURE_CASES: usize = 9_700;
const CONCURRENT: usize = 8;

const TURNS_RCA: usize = 6;
const TURNS_SELECTION: usize = 5;
const RETRIES: usize = 1;
const WINDOW_TOKENS: usize = 32_000;
/// More characters than this can hardly be a token.
const CHARS_PER_TOKEN_MAX: usize = 5;

fn seed() -> u64 {
    std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_412)
}

/// The service with a provider of its own over some bundle.
struct Rig {
    core: Core,
    provider: Provider,
    schema: Schema,
    ids: Ids,
    nowhere: Vec<String>,
    _folder: tempfile::TempDir,
}

impl Rig {
    async fn start(bundle: &Path, nowhere: Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalogue = DirectoryCatalogue::built_in();
        let mut ids = Vec::new();
        for name in ["increase-memory-limits", "restart-workload", "drain-node"] {
            ids.push(catalogue.workflow(name, &MatchContext::default()).await.unwrap().workflow.id);
        }
        ids.push("0f6a5a0c-1c39-4f2a-9c55-3d5d0b8f7a21".to_owned());
        let ids = Ids(ids);
        let provider = Provider::start(seed(), ids.clone(), nowhere.clone()).await;
        let config = json!({
            "auth": {"mode": "token"}, "audit": {"sink": "local"}, "catalogue": {"source": "directory"},
            "cluster": {"source": "bundle", "bundle": bundle},
            "session": {"max_concurrent_investigations": CONCURRENT},
            "investigation": {
                "engine": "auto",
                "rca": {"max_turns": TURNS_RCA, "max_tool_calls_per_tool": 5, "max_total_tool_calls": 12},
                "selection": {"max_turns": TURNS_SELECTION, "max_tool_calls_per_tool": 5, "max_total_tool_calls": 8},
            },
            "llm": {"provider": "openai_compatible", "endpoint": provider.endpoint, "model": "fuzz", "retry_base_ms": 1,
                    "max_retries": RETRIES, "context_window_tokens": WINDOW_TOKENS, "temperature": 0.1},
        });
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, config.to_string()).unwrap();
        let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
        let core = Core::build(&config, &StoreLocation::in_directory(folder.path())).await.unwrap();
        Self { core, provider, schema: Schema::of("IncidentResponse"), ids, nowhere, _folder: folder }
    }

    /// Runs one investigation; everything that is wrong with it.
    async fn run(&self, number: usize, by_model: &AtomicUsize) -> Vec<String> {
        let mark = format!("{MARK}{number:08}");
        let incident = incident(&mark);
        let id = self.core.sessions.submit(incident.clone(), "fuzz").await.unwrap();
        let record = self.core.sessions.finished(id).await.unwrap().unwrap();
        let mut wrong = self.provider_side(&mark);
        match (&record.result, &record.error) {
            (Some(result), None) => {
                by_model.fetch_add(usize::from(matches!(result.engine, Engine::Model { .. })), Ordering::Relaxed);
                wrong.extend(self.result(result, &incident));
            }
            (None, Some(error)) => {
                let code = error.split(':').next().unwrap_or_default();
                // `engine: auto` always has an answer.
                wrong.push(format!("failed with {code}: {error}"));
            }
            other => wrong.push(format!("neither result nor error, or both: {other:?}")),
        }
        wrong.extend(self.audit(&mark).await);
        wrong.iter().map(|what| format!("{mark}: {what}")).collect()
    }

    fn provider_side(&self, mark: &str) -> Vec<String> {
        let asked = self.provider.asked(mark);
        let mut wrong = asked.complaints;
        // Each turn is asked at most: twice for its length, and once more for each retry.
        let most = (TURNS_RCA + TURNS_SELECTION) * 2 * (1 + RETRIES) + 2;
        if asked.requests > most {
            wrong.push(format!("{} requests", asked.requests));
        }
        if asked.chars_max > WINDOW_TOKENS * CHARS_PER_TOKEN_MAX {
            wrong.push(format!("a request of {} characters", asked.chars_max));
        }
        wrong
    }

    fn result(&self, result: &Investigation, incident: &Incident) -> Vec<String> {
        let wire = json!(IncidentResponse::render(result, incident.shape));
        let mut wrong = invariants::broken(&self.schema, &wire);
        let text = wire.to_string();
        wrong.extend(
            self.nowhere.iter().filter(|secret| text.contains(*secret)).map(|s| format!("the result holds {s}")),
        );
        if wire["incident_id"] != incident.incident_id.as_str() {
            wrong.push("another incident".to_owned());
        }
        if let Some(workflow) = wire.get("selected_workflow") {
            let id = workflow["workflow_id"].as_str().unwrap();
            if !self.ids.0[..3].iter().any(|known| known == id) {
                wrong.push(format!("workflow {id} is not one of the catalogue"));
            }
            let target = &wire["root_cause_analysis"]["remediationTarget"];
            let forged = workflow["parameters"].get("TARGET_RESOURCE_NAME").is_some_and(|name| *name != target["name"]);
            if forged || !target["name"].is_string() {
                wrong.push("a workflow for another target".to_owned());
            }
        }
        if let Some(target) = &result.root_cause.target
            && target.name != "cart-api"
            && !["hostile", "worker-1"].contains(&target.name.as_str())
        {
            wrong.push(format!("target {target} is not in the cluster"));
        }
        wrong
    }

    async fn audit(&self, mark: &str) -> Vec<String> {
        let query = AuditQuery { correlation_id: Some(mark.to_owned()), ..AuditQuery::default() };
        let events = self.core.store.events(&query).await.unwrap();
        let mut wrong = Vec::new();
        let terminal = events.iter().filter(|event| event.event_type.starts_with("aiagent.response.")).count();
        if terminal != 1 {
            wrong.push(format!("{terminal} terminal audit events"));
        }
        for secret in &self.nowhere {
            let leaks = events.iter().filter(|event| event.body.contains(secret.as_str()));
            wrong.extend(leaks.map(|event| format!("{} holds {secret}", event.event_type)));
        }
        wrong
    }

    /// Many at once.
    async fn run_all(&self, numbers: std::ops::Range<usize>) -> (usize, Vec<String>) {
        let by_model = AtomicUsize::new(0);
        let runs = futures_util::stream::iter(numbers).map(|number| self.run(number, &by_model));
        let wrong: Vec<Vec<String>> = runs.buffer_unordered(CONCURRENT).collect().await;
        (by_model.into_inner(), wrong.into_iter().flatten().collect())
    }
}

fn incident(mark: &str) -> Incident {
    let file = root().join("examples/oom-cart-api/incident.json");
    let mut body: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    body["incident_id"] = json!(format!("i-{mark}"));
    body["remediation_id"] = json!(mark);
    body["cluster_name"] = json!(mark);
    Incident::try_from(AnalyzeBody::parse(body.to_string().as_bytes()).unwrap()).unwrap()
}

fn told(wrong: &[String]) -> String {
    let shown: Vec<&str> = wrong.iter().take(30).map(String::as_str).collect();
    format!("FUZZ_SEED={}: {} complaints\n{}", seed(), wrong.len(), shown.join("\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn investigations_survive_any_model() {
    let bundle = bundle::recorded_with_secrets();
    let rig = Rig::start(bundle.path(), bundle::canaries()).await;
    let (by_model, wrong) = rig.run_all(0..INVESTIGATIONS).await;
    assert!(wrong.is_empty(), "{}", told(&wrong));
    // Else only refusals were tried.
    assert!(by_model * 3 > INVESTIGATIONS, "only {by_model} of {INVESTIGATIONS} were answered by the model");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn investigations_survive_any_tool_output() {
    let bundle = bundle::hostile();
    let rig = Rig::start(bundle.path(), bundle::canaries()).await;
    let (_, wrong) = rig.run_all(0..HOSTILE_INVESTIGATIONS).await;
    assert!(wrong.is_empty(), "{}", told(&wrong));
}

#[test]
fn the_pure_layers_take_anything() {
    let wrong = pure::run(seed(), PURE_CASES);
    assert!(wrong.is_empty(), "{}", told(&wrong));
    let total = INVESTIGATIONS + HOSTILE_INVESTIGATIONS + PURE_CASES;
    assert!(total >= 10_000);
    println!(
        "{total} cases: {INVESTIGATIONS} + {HOSTILE_INVESTIGATIONS} investigations, {PURE_CASES} at the pure layers"
    );
}
