//! Provider `mock` without an endpoint: an investigation that costs nothing and concludes nothing.

use holmesgpt_api::api::incident::AnalyzeBody;
use holmesgpt_api::app::Core;
use holmesgpt_api::config::Config;
use holmesgpt_api::domain::{Engine, Incident};
use holmesgpt_api::store::{AuditQuery, StoreLocation};
use serde_json::json;

use crate::process::root;

#[tokio::test]
async fn the_mock_reads_the_cluster_and_leaves_the_rest_to_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let example = root().join("examples/oom-cart-api");
    let config = json!({
        "auth": {"mode": "token"}, "audit": {"sink": "local"}, "catalogue": {"source": "directory"},
        "cluster": {"source": "bundle", "bundle": example.join("bundle")},
        "llm": {"provider": "mock", "model": "anything"}, "investigation": {"engine": "model"},
    });
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    let core = Core::build(&Config::load(&path).unwrap(), &StoreLocation::in_directory(folder.path())).await.unwrap();
    let body = AnalyzeBody::parse(&std::fs::read(example.join("incident.json")).unwrap()).unwrap();
    let id = core.sessions.submit(Incident::try_from(body).unwrap(), "mock").await.unwrap();
    let record = core.sessions.finished(id).await.unwrap().unwrap();
    let result = record.result.as_deref().unwrap();
    let Engine::Model { phases, .. } = &result.engine else { panic!("{:?}", result.engine) };
    assert_eq!((phases[0].turns, phases[0].tool_calls > 0), (2, true), "{phases:?}");
    assert!(result.selected_workflow.is_none() && result.review.is_some(), "{result:?}");
    assert_eq!(result.confidence, 0.0);
    let events = core.store.events(&AuditQuery::default()).await.unwrap();
    let looked = events.iter().filter(|event| event.body.contains("kubectl_describe")).count();
    assert!(looked > 0, "a tool that describes the object was called");
}
