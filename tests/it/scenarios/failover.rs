//! A model that stops answering in the middle of an investigation, and the one that takes over.

use holmesgpt_api::app::Core;
use holmesgpt_api::domain::{Engine, Incident};
use holmesgpt_api::llm::config::ProfileConfig;
use holmesgpt_api::store::{AuditQuery, StoreLocation};
use serde_json::{Value, json};

use super::format;
use crate::stubs::provider::{Answer, Asked, Provider};

const TEXT: &str = "
title: failover
config: {llm: {max_retries: 0}}
script:
  - reply: {calls: [{as: look}], extra: {reasoning_content: only for me}}
  - reply: {calls: [{as: cause}]}
  - reply: {calls: [{as: choice}]}
expect: {verdict: remediate}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spare_model_goes_on_and_each_turn_names_who_was_asked() {
    let (scenario, prepared) = format::read("failover", TEXT).await;
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
    let core = Core::build(&config, &StoreLocation::in_directory(prepared.folder.path())).await.unwrap();
    let body = holmesgpt_api::api::incident::AnalyzeBody::parse(prepared.incident.as_bytes()).unwrap();
    let id = core.sessions.submit(Incident::try_from(body).unwrap(), "failover").await.unwrap();
    let record = tokio::time::timeout(super::PATIENCE, core.sessions.finished(id)).await.unwrap().unwrap().unwrap();
    let result = record.result.unwrap();
    assert!(result.selected_workflow.is_some() && result.review.is_none(), "{result:?}");
    assert!(matches!(&result.engine, Engine::Model { model, .. } if model == "spare"), "{:?}", result.engine);
    let went_on = spare.asked()[0].text.clone();
    assert!(went_on.contains("web-7c9d8f6b5-x2x4k") && !went_on.contains("only for me"));
    let query = AuditQuery { event_type: Some("aiagent.llm.request".into()), ..AuditQuery::default() };
    let events = core.store.events(&query).await.unwrap();
    let model = |body: &str| serde_json::from_str::<Value>(body).unwrap()["event_data"]["model"].clone();
    let models: Vec<Value> = events.iter().map(|event| model(&event.body)).collect();
    assert_eq!(models, ["scripted", "scripted", "spare", "scripted", "spare"].map(|name| json!(name)));
}
