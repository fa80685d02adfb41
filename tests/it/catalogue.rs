//! Sources of workflows behind the real binary: DataStorage and custom resources of a live cluster.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use holmesgpt_api::cluster::Cluster as _;
use holmesgpt_api::cluster::bundle::{BundleCluster, BundleLimits};
use serde_json::{Value, json};

use crate::examples::copy_tree;
use crate::process::{Caller, Service, holmesgpt, root};
use crate::stubs::apiserver::ApiServer;
use crate::stubs::datastorage::DataStorageStub;

/// Nothing here takes long.
const PATIENCE: Duration = Duration::from_secs(60);

const WORKFLOWS: &str = r#"apiVersion: kubernaut.ai/v1alpha1
kind: RemediationWorkflow
metadata: {name: more-memory, namespace: kubernaut-system, uid: w}
spec:
  version: 1.0.0
  actionType: IncreaseMemoryLimits
  description: {what: Raises a limit., whenToUse: A container is OOMKilled.}
  labels: {severity: ["*"], environment: ["*"], component: ["*"], priority: "*"}
  execution: {engine: tekton, bundle: "ghcr.io/x/more-memory@sha256:7f4620439f1154a1d10fc8b645a916705a5317533c6ad8739aa67a24d3ff8348"}
  parameters: [{name: MEMORY_LIMIT_NEW, type: string, required: true, description: x}]
status: {workflowId: 7d1f6a52-9c0e-5b7a-8b54-0d7f4a1c9e11}
"#;

fn configuration(folder: &Path, config: &Value) -> String {
    let path = folder.join("config.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn example() -> PathBuf {
    root().join("examples/oom-cart-api")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_ready_once_data_storage_has_answered() {
    let stub = DataStorageStub::start().await;
    stub.down();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "a-token").unwrap();
    let config = configuration(
        folder.path(),
        &json!({
            "auth": {"mode": "token"}, "audit": {"sink": "local"},
            "cluster": {"source": "bundle", "bundle": example().join("bundle")},
            "data_storage": {"url": stub.url(), "token_path": "token"},
        }),
    );
    let state = folder.path().join("state");
    let of = state.clone();
    let started = move || Service::start(&of, &["serve", "--config", &config]);
    let service = tokio::task::spawn_blocking(started).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = async || {
        let response = client.get(format!("http://{}/ready", service.address)).send().await.unwrap();
        (response.status().as_u16(), serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap())
    };
    let (status, report) = ready().await;
    assert_eq!((status, &report["reason"]), (503, &json!("datastorage_unreachable")), "{report}");
    stub.up().await;
    let began = Instant::now();
    let report = loop {
        match ready().await {
            (200, report) => break report,
            (_, report) => assert!(began.elapsed() < PATIENCE, "{report}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(report["dependencies"]["data_storage"]["status"], "up");
    assert_eq!(report["catalogue"], json!({"source": "datastorage", "age_seconds": null}), "never asked");
    assert!(!report.to_string().contains("127.0.0.1"), "{report}");
    let (_, config) = Caller::of(&state).get(&service, "/config").await;
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["catalogue_source"], "datastorage");
    assert_eq!(config["data_storage"], format!("{}/", stub.url()));
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows_of_a_live_cluster_are_chosen_under_the_ids_it_gave_them() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    std::fs::create_dir(&bundle).unwrap();
    copy_tree(&example().join("bundle"), &bundle);
    std::fs::write(bundle.join("workflows.yaml"), WORKFLOWS).unwrap();
    let recorded_at = BundleCluster::open(&bundle, &BundleLimits::default()).unwrap().now();
    let server = ApiServer::serve_as_of_now(&bundle, recorded_at).await;
    let config = configuration(
        folder.path(),
        &json!({"cluster": {"source": "live"}, "catalogue": {"source": "custom_resources", "namespace": "kubernaut-system"}}),
    );
    let mut command = holmesgpt();
    command.env("KUBECONFIG", server.kubeconfig()).args(["investigate", "--config", &config, "--output", "json"]);
    command.arg(example().join("incident.json"));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
    let chosen = &answer["selected_workflow"];
    assert_eq!(chosen["workflow_id"], "7d1f6a52-9c0e-5b7a-8b54-0d7f4a1c9e11", "{answer} {told}");
    assert_eq!(chosen["workflow_name"], "more-memory");
}

#[test]
fn check_config_says_where_workflows_and_history_come_from() {
    let folder = tempfile::tempdir().unwrap();
    let told = |config: Value| {
        let path = configuration(folder.path(), &config);
        let output = holmesgpt().args(["check-config", "--config", &path]).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8_lossy(&text).into_owned())
    };
    let local = json!({"audit": {"sink": "local"}, "catalogue": {"source": "directory"}});
    let cases = [
        (json!({"logging": {}}), 0, "catalogue    datastorage, lists remembered for 30 s"),
        (json!({"logging": {}}), 0, "notice: nothing sets data_storage.url: http://data-storage:8080 is asked"),
        (local, 0, "data storage not used"),
        (
            json!({"catalogue": {"source": "custom_resources", "refresh_seconds": 60}}),
            0,
            "custom_resources in all namespaces, listed again after 60 s",
        ),
        (json!({"data_storage_url": "http://u:hunter2@x"}), 64, "data_storage.url is not an absolute http(s) URL"),
        (
            json!({"data_storage": {"url": "http://storage.svc", "timeout": 7}}),
            0,
            "http://storage.svc/, 7 s for a question",
        ),
        (json!({"data_storage": {"ca_file": "missing.pem"}}), 64, "data_storage.ca_file"),
        (
            json!({"data_storage": {"timeout": 0}}),
            64,
            "data_storage.timeout: is 0, it must be a whole number, 1 to 300",
        ),
        (json!({"data_storage": {"client_cert": "c"}}), 64, "client_cert and data_storage.client_key go together"),
        (json!({"data_storage": {"circuit_breaker": {"enabled": true}}}), 0, ": ok"),
        (
            json!({"data_storage": {"circuit_breaker": {"failure_threshold": 0}}}),
            64,
            "data_storage.circuit_breaker.failure_threshold: is 0, it must be a whole number, 1 to 100",
        ),
        (json!({"data_storage": {"circuit_breaker": {"enabled": false, "max_requests": 3}}}), 0, ": ok"),
        (json!({"catalogue": {"source": "datastorage", "directory": "x"}}), 64, "catalogue.directory is set but"),
        (
            json!({"catalogue": {"namespace": "x"}}),
            64,
            "catalogue.namespace is set but catalogue.source is `datastorage`",
        ),
        (json!({"catalogue": {"refresh_seconds": 4_000}}), 64, "it must be a whole number, 0 to 3600"),
        (json!({"catalogue": {"source": "data_storage"}}), 64, "datastorage"),
        (json!({"tls": {"ca_file": "missing.pem"}}), 0, "missing.pem does not exist: the system's certificates count"),
    ];
    for (config, code, part) in cases {
        let (got, text) = told(config.clone());
        assert!(got == code && text.contains(part) && !text.contains("hunter2"), "{config}: {got} {text}");
    }
}
