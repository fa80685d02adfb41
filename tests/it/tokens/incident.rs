//! One scripted incident, played through the real composition root.

use std::path::Path;
use std::time::Duration;

use holmesgpt_api::api::incident::AnalyzeBody;
use holmesgpt_api::app::Core;
use holmesgpt_api::catalogue::{Catalogue as _, DirectoryCatalogue, MatchContext};
use holmesgpt_api::config::Config;
use holmesgpt_api::domain::{Engine, Incident, Investigation, PhaseUsage};
use holmesgpt_api::store::StoreLocation;
use serde_json::{Value, json};

use super::estimate;
use super::model::{Model, Step};

/// What such an incident took before this program: the figures to beat.
pub(crate) const BASELINE_TURNS: u64 = 17;
pub(crate) const BASELINE_TOKENS: u64 = 187_000;

const PATIENCE: Duration = Duration::from_secs(60);
const WORKFLOW: &str = "increase-memory-limits";

/// What came out, and every request on the way.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) result: Investigation,
    pub(crate) requests: Vec<Value>,
    pub(crate) complaints: Vec<String>,
}

impl Played {
    /// What the service itself counted, by phase.
    pub(crate) fn phases(&self) -> &[PhaseUsage] {
        match &self.result.engine {
            Engine::Model { phases, .. } => phases,
            Engine::Analyser { because } => panic!("no model answered: {because:?}"),
        }
    }
}

/// Crash loops of a cart service at its memory limit, behind louder warnings about a payment gateway. The model looks as a
/// good one would, excludes the gateway, reads the target, cites what it saw and chooses from the shortlist.
pub(crate) async fn out_of_memory() -> Played {
    let workflow = DirectoryCatalogue::built_in().workflow(WORKFLOW, &MatchContext::default()).await.unwrap();
    let script = std::fs::read_to_string(root().join("tests/it/tokens/oom_cart_api.yaml")).unwrap();
    play("oom-cart-api", &script.replace("{{workflow}}", &workflow.workflow.id)).await
}

/// Plays the script over an incident of `examples/`.
pub(crate) async fn play(example: &str, script: &str) -> Played {
    let script: Vec<Step> = serde_saphyr::from_str(script).unwrap_or_else(|error| panic!("{error}"));
    let model = Model::metered(script, estimate::usage).await;
    let state = tempfile::tempdir().unwrap();
    let example = root().join("examples").join(example);
    let config = configuration(state.path(), &example, &model.endpoint);
    let core = Core::build(&config, &StoreLocation::in_directory(state.path())).await.unwrap();
    let body = AnalyzeBody::parse(&std::fs::read(example.join("incident.json")).unwrap()).unwrap();
    let id = core.sessions.submit(Incident::try_from(body).unwrap(), "tokens").await.unwrap();
    let record = tokio::time::timeout(PATIENCE, core.sessions.finished(id)).await.unwrap().unwrap().unwrap();
    let result = record.result.as_deref().cloned().unwrap_or_else(|| panic!("{:?}", record.error));
    Played { result, requests: model.requests(), complaints: model.complaints() }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn configuration(state: &Path, example: &Path, endpoint: &str) -> Config {
    let key = state.join("key");
    std::fs::write(&key, "sk-tokens\n").unwrap();
    let config = json!({
        "auth": {"mode": "token"}, "audit": {"sink": "local"}, "catalogue": {"source": "directory"},
        "cluster": {"source": "bundle", "bundle": example.join("bundle")},
        "llm": {"provider": "openai_compatible", "endpoint": endpoint, "model": "scripted", "api_key_file": key},
    });
    let path = state.join("config.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    Config::load(&path).unwrap_or_else(|error| panic!("{error}"))
}
