//! What an investigation cost, with the real engine: by class, by phase, by who answered, and wherever that is told.

use std::process::Output;

use holmesgpt_api::app::Core;
use holmesgpt_api::domain::{Cost, Engine, Incident, Money, PhaseUsage};
use holmesgpt_api::llm::config::ProfileConfig;
use holmesgpt_api::sessions::SessionRecord;
use holmesgpt_api::store::StoreLocation;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Stage, format};
use crate::process::{Caller, Service, holmesgpt};
use crate::stubs::model::Model;
use crate::stubs::provider::{Answer, Asked, Provider};

/// First 2500 × $1/M + 6000 × $0.1/M + 1500 × $1.2/M + 500 × $4/M + 300 × $6/M = $0.0087, then 1000 × $1/M + 100 × $4/M =
/// $0.0014; the choice 1000 × $0.1/M + 100 × $4/M = $0.0005.
const FIVE_CLASSES: &str = r#"
title: five prices that cannot be mistaken for each other
config:
  cost:
    prices:
      openai_compatible:
        scripted: {prompt: 0.001, cached_prompt: 0.0001, cache_write: 0.0012, completion: 0.004, reasoning: 0.006}
  budget: {investigation: {cost_usd: 0.0125}}
script:
  - reply:
      calls: [{as: look}]
      usage: {prompt: 10000, cached: 6000, cache_write: 1500, completion: 800, reasoning: 300}
  - reply: {calls: [{as: cause}], usage: {prompt: 1000, completion: 100}}
  - reply: {calls: [{as: choice}], usage: {prompt: 1000, cached: 1000, completion: 100}}
expect: {verdict: remediate}
"#;

const FAILS_OVER: &str = "
title: failover
config: {llm: {max_retries: 0}}
script:
  - reply: {calls: [{as: look}], usage: {prompt: 1000, completion: 100}}
  - reply: {calls: [{as: cause}], usage: {prompt: 2000, completion: 200}}
  - reply: {calls: [{as: choice}], usage: {prompt: 3000, completion: 300}}
expect: {verdict: remediate}
";

fn nano(nano: u64) -> Cost {
    Cost::of(Money::from_nano_dollars(nano))
}

async fn run(core: &Core, incident: &Incident) -> SessionRecord {
    let id = core.sessions.submit(incident.clone(), "scenario").await.unwrap();
    tokio::time::timeout(super::PATIENCE, core.sessions.finished(id)).await.unwrap().unwrap().unwrap()
}

fn phases(record: &SessionRecord) -> Vec<PhaseUsage> {
    match &record.result.as_ref().unwrap().engine {
        Engine::Model { phases, .. } => phases.clone(),
        other @ Engine::Analyser { .. } => panic!("{other:?}"),
    }
}

fn metric(core: &Core, name: &str) -> Vec<String> {
    core.metrics.encode().lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
}

#[tokio::test]
async fn five_classes_of_tokens_add_up_by_phase_and_reach_record_and_metrics() {
    let (scenario, prepared) = format::read("costs", FIVE_CLASSES).await;
    let stage = Stage::set(&scenario, prepared).await;
    let record = run(&stage.core, &stage.incident).await;
    assert_eq!(stage.model.complaints(), Vec::<String>::new());
    let costs: Vec<_> = phases(&record).into_iter().map(|phase| (phase.phase, phase.cost.unwrap())).collect();
    assert_eq!(costs, [("rca".to_owned(), nano(10_100_000)), ("workflow_selection".to_owned(), nano(500_000))]);
    assert_eq!(record.standing.cost, Some(nano(10_600_000)));
    let endpoint = &stage.model.endpoint;
    assert_eq!(
        metric(&stage.core, "aiagent_api_investigation_cost_dollars_total"),
        [format!(
            r#"aiagent_api_investigation_cost_dollars_total{{endpoint="{endpoint}",model="scripted",provider="openai_compatible"}} 0.0106"#
        )]
    );
    assert_eq!(
        metric(&stage.core, "aiagent_llm_cost_dollars_total"),
        [r#"aiagent_llm_cost_dollars_total{model="scripted"} 0.0106"#]
    );
    assert_eq!(metric(&stage.core, "aiagent_api_llm_unpriced_tokens_total"), Vec::<String>::new());
    // $0.0101 of $0.0125 is more than four fifths: the choice is told so. Nothing before is touched by what is appended.
    let requests = stage.model.requests();
    let messages = |index: usize| requests[index]["messages"].as_array().unwrap().clone();
    assert!(messages(1).starts_with(&messages(0)) && messages(1).len() == 4);
    assert!(messages(2).last().unwrap()["content"].as_str().unwrap().contains("four fifths of the budget"));
}

#[tokio::test]
async fn without_a_price_tokens_are_told_and_no_money() {
    let text = FIVE_CLASSES.replace("scripted: {prompt", "another: {prompt");
    let (scenario, prepared) = format::read("costs", &text).await;
    let stage = Stage::set(&scenario, prepared).await;
    let record = run(&stage.core, &stage.incident).await;
    let cost = record.standing.cost.unwrap();
    assert_eq!((cost.known(), cost.unpriced_calls, cost.unpriced_tokens), (None, 3, 13_000));
    assert_eq!(metric(&stage.core, "aiagent_llm_cost_dollars_total"), Vec::<String>::new());
    assert_eq!(
        metric(&stage.core, "aiagent_api_llm_unpriced_tokens_total"),
        [("completion", 1_000), ("prompt", 12_000)].map(|(kind, tokens)| format!(
            r#"aiagent_api_llm_unpriced_tokens_total{{model="scripted",provider="openai_compatible",type="{kind}"}} {tokens}"#
        ))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_is_priced_by_who_gave_it() {
    let (scenario, prepared) = format::read("costs", FAILS_OVER).await;
    let script = scenario.script.clone();
    let step = move |asked: &Asked, step: usize| {
        let (kind, text) = script[step].answer(step, &asked.json());
        Answer::text(200, text).header("content-type", kind)
    };
    let again = step.clone();
    let first = Provider::start(move |asked, number| match number {
        0 => step(asked, 0),
        _ => Answer::text(503, "{}"),
    })
    .await;
    let spare = Provider::start(move |asked, number| again(asked, number + 1)).await;
    let mut config = super::configuration(&scenario, &prepared, &super::Addresses::of_model(&first.address));
    let profile = ProfileConfig {
        model: Some("spare".into()),
        endpoint: Some(spare.address.clone()),
        ..ProfileConfig::default()
    };
    config.llm.as_mut().unwrap().fallbacks = vec![profile];
    let prices = json!({"openai_compatible": {"scripted": {"prompt": 0.001, "completion": 0.002}}});
    config.cost.prices = serde_json::from_value(prices).unwrap();
    let core = Core::build(&config, &StoreLocation::in_directory(prepared.folder.path())).await.unwrap();
    let body = holmesgpt_api::api::incident::AnalyzeBody::parse(prepared.incident.as_bytes()).unwrap();
    let record = run(&core, &Incident::try_from(body).unwrap()).await;
    // $0.0012 for the first answer; the spare, which has no price, gave the second, and after another failover the third.
    let mut rca = nano(1_200_000);
    rca += Cost::unknown(2_200);
    let costs: Vec<_> = phases(&record).into_iter().map(|phase| phase.cost.unwrap()).collect();
    assert_eq!(costs, [rca, Cost::unknown(3_300)]);
    let whole = record.standing.cost.unwrap();
    assert_eq!(whole.to_string(), "at least $0.001200; 5500 tokens unpriced");
    let dollars = metric(&core, "aiagent_api_investigation_cost_dollars_total");
    assert!(matches!(&*dollars, [only] if only.contains(&first.address) && only.ends_with(" 0.0012")), "{dollars:?}");
}

fn configuration(folder: &TempDir, endpoint: &str) -> std::path::PathBuf {
    let root = crate::process::root();
    let config = json!({
        "auth": {"mode": "token"}, "audit": {"sink": "local"}, "shutdown": {"endpoint_delay_seconds": 0},
        "cluster": {"source": "bundle", "bundle": root.join("tests/it/scenarios/bundles/shop/bundle")},
        "catalogue": {"source": "directory"},
        "llm": {"provider": "openai_compatible", "endpoint": endpoint, "model": "scripted", "retry_base_ms": 1},
        "cost": {"price_file": "prices.yaml"}, "budget": {"day": {"cost_usd": 5}},
    });
    let prices = "date: 2026-11-25\nsource: a test\nper_tokens: 1000000\nprices: {openai_compatible: {scripted: {prompt: 1, \
                  cached_prompt: 0.1, cache_write: 1.2, completion: 4, reasoning: 6}}}\n";
    std::fs::write(folder.path().join("prices.yaml"), prices).unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

async fn output(arguments: &[&str]) -> (i32, String) {
    let mut command = holmesgpt();
    command.args(arguments);
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(status.code().is_some(), "{}", String::from_utf8_lossy(&stderr));
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}

const INCIDENT: &str = "tests/it/scenarios/bundles/shop/incident.json";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_tells_what_it_cost() {
    let folder = TempDir::new().unwrap();
    let (scenario, _) = format::read("costs", FIVE_CLASSES).await;
    let model = Model::follow(scenario.script.clone()).await;
    let config = configuration(&folder, &model.endpoint);
    let config = config.to_str().unwrap();
    let (code, report) = output(&["investigate", INCIDENT, "--config", config]).await;
    assert_eq!(code, 0, "{report}");
    let told = "Cost: $0.010600 (rca $0.010100, workflow selection $0.000500).";
    assert!(report.contains(told), "{report}");

    let model = Model::follow(scenario.script).await;
    configuration(&folder, &model.endpoint);
    let (_, answer) = output(&["investigate", INCIDENT, "--config", config, "--output", "json"]).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["usage"]["cost"], json!({"usd": 0.0106, "unpriced_calls": 0, "unpriced_tokens": 0}));
    let rca = &answer["usage"]["phases"][0];
    assert_eq!((&rca["phase"], &rca["cost"]["usd"]), (&json!("rca"), &json!(0.0101)));
    assert_eq!((&rca["cache_write_tokens"], &rca["reasoning_tokens"]), (&json!(1_500), &json!(300)));

    let (code, checked) = output(&["check-config", "--config", config]).await;
    assert_eq!(code, 0, "{checked}");
    assert!(checked.contains("prices.yaml, of 2026-11-25 (a test); compiled in, of 2026-"), "{checked}");
    assert!(!checked.contains("has no price"), "{checked}");
    let prices = folder.path().join("prices.yaml");
    std::fs::write(&prices, std::fs::read_to_string(&prices).unwrap().replace("scripted", "another")).unwrap();
    let (_, checked) = output(&["check-config", "--config", config]).await;
    let notice = "  notice: money is limited but scripted of openai_compatible has no price: ";
    assert!(checked.contains(notice), "{checked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_logs_each_answer_with_its_cost_and_shows_it_in_the_snapshot() {
    let folder = TempDir::new().unwrap();
    let (scenario, _) = format::read("costs", FIVE_CLASSES).await;
    let model = Model::follow(scenario.script).await;
    let config = configuration(&folder, &model.endpoint);
    let service = Service::start(folder.path(), &["serve", "--config", config.to_str().unwrap()]);
    let caller = Caller::of(folder.path());
    let session = caller.submit(&service, INCIDENT).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let record = service.wait_for("llm_call");
        assert_eq!(
            (&record["model"], &record["finish_reason"]),
            (&json!("scripted"), &json!("tool_calls")),
            "{record}"
        );
        told.push((record["phase"].clone(), record["cost_usd"].clone()));
    }
    let expected = [("rca", 0.0087), ("rca", 0.0014), ("workflow_selection", 0.0005)];
    assert_eq!(told, expected.map(|(phase, usd)| (json!(phase), json!(usd))));
    caller.result(&service, &session).await;
    let path = format!("/api/v1/incident/session/{session}/snapshot");
    let (status, snapshot) = caller.get(&service, &path).await;
    let snapshot: Value = serde_json::from_str(&snapshot).unwrap();
    assert_eq!(status, 200, "{snapshot}");
    assert_eq!(snapshot["cost"], json!({"usd": 0.0106, "unpriced_calls": 0, "unpriced_tokens": 0}), "{snapshot}");
}
