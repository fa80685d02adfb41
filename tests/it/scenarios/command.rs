//! The binary with a model: on the command line and as a service.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::format;
use crate::process::{Caller, Service, holmesgpt};
use crate::stubs::model::Model;

const INCIDENT: &str = "examples/oom-cart-api/incident.json";

const VERDICT: &str = r#"
title: a cause and a workflow
example: oom-cart-api
script:
  - reply: {calls: [{as: logs, change: {pod_name: cart-api-5d7494d984-457gs, namespace: checkout}}]}
  - expect: {results: ["tool=fetch_pod_logs status=success"]}
    reply:
      calls:
        - as: cause
          change:
            root_cause_analysis:
              summary: The basket preload needs more than the limit
              remediation_target: {kind: Deployment, name: cart-api, namespace: checkout, api_version: apps/v1}
  - reply:
      calls: [{as: choice, change: {selected_workflow: {parameters: {CONTAINER_NAME: cart, MEMORY_LIMIT_NEW: 512Mi}}}}]
expect: {verdict: remediate}
"#;

async fn model() -> Model {
    let (scenario, _) = format::read("command", VERDICT).await;
    Model::follow(scenario.script).await
}

fn configuration(folder: &Path, endpoint: &str) -> PathBuf {
    let bundle = crate::process::root().join("examples/oom-cart-api/bundle");
    let config = json!({
        "auth": {"mode": "token"}, "audit": {"sink": "local"}, "shutdown": {"endpoint_delay_seconds": 0},
        "cluster": {"source": "bundle", "bundle": bundle}, "catalogue": {"source": "directory"},
        "llm": {"provider": "openai_compatible", "endpoint": endpoint, "model": "scripted", "retry_base_ms": 1},
    });
    let path = folder.join("config.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

async fn investigate(endpoint: &str) -> (i32, Value) {
    let folder = TempDir::new().unwrap();
    let config = configuration(folder.path(), endpoint);
    let mut command = holmesgpt();
    command.args(["investigate", INCIDENT, "--output", "json", "--config"]).arg(&config);
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let complaint = String::from_utf8_lossy(&stderr);
    let result = serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {complaint}"));
    (status.code().unwrap(), result)
}

fn is_the_models_verdict(result: &Value) {
    assert_eq!(result["root_cause_analysis"]["summary"], "The basket preload needs more than the limit");
    assert_eq!(result["selected_workflow"]["parameters"]["TARGET_RESOURCE_NAME"], "cart-api");
    assert_eq!(result["selected_workflow"]["parameters"]["MEMORY_LIMIT_NEW"], "512Mi");
}

#[tokio::test]
async fn investigate_prints_the_verdict_of_the_model() {
    let model = model().await;
    let (code, result) = investigate(&model.endpoint).await;
    assert_eq!(model.complaints(), Vec::<String>::new());
    is_the_models_verdict(&result);
    assert_eq!(code, 0);
}

#[tokio::test]
async fn investigate_without_its_model_prints_the_finding_of_the_analyser() {
    let endpoint = {
        let model = model().await;
        model.endpoint.clone()
    };
    let (code, result) = investigate(&endpoint).await;
    assert_eq!(result["human_review_reason"], "investigation_inconclusive");
    assert_eq!(result["root_cause_analysis"]["remediationTarget"]["name"], "cart-api");
    assert!(result["warnings"][0].as_str().unwrap().starts_with("The model did not answer"), "{result}");
    assert!(result["selected_workflow"].is_null());
    assert_eq!(code, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_answers_an_incident_with_the_model() {
    let (state, model) = (TempDir::new().unwrap(), model().await);
    let config = configuration(state.path(), &model.endpoint);
    let service = Service::start(state.path(), &["serve", "--config", config.to_str().unwrap()]);
    let caller = Caller::of(state.path());
    let session = caller.submit(&service, INCIDENT).await;
    is_the_models_verdict(&caller.result(&service, &session).await);
    assert_eq!(model.complaints(), Vec::<String>::new());
}
