//! A rejected configuration is told as an Event of the pod, once for each content (operations §2.4 step 7); files that
//! Kubernetes never updates are told at the start (§2.3 rule 5).

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Service, holmesgpt, root};
use crate::reload::Volume;
use crate::stubs::provider::{Answer, Asked, Provider};

const SECRET: &str = "sk-proj-Zq8T1vJk3mWx5Rb7Nc9Ld2Fh4Gs6Pa0Y";

fn main_text(more: &str) -> String {
    format!(
        "auth: {{mode: token}}\ncluster: {{source: bundle, bundle: {}/examples/oom-cart-api/bundle}}\n\
         catalogue: {{source: directory}}\naudit: {{sink: local}}\nreload: {{poll_seconds: 0.05}}\n{more}",
        root().display()
    )
}

fn start(home: &Path, api_server: &str, pod: Option<&str>) -> Service {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "stub",
        "clusters": [{"name": "stub", "cluster": {"server": api_server}}],
        "users": [{"name": "stub", "user": {}}],
        "contexts": [{"name": "stub", "context": {"cluster": "stub", "user": "stub"}}],
    });
    std::fs::write(home.join("kubeconfig"), kubeconfig.to_string()).unwrap();
    let mut command = holmesgpt();
    command.args(["serve", "--port", "0", "--config"]).arg(home.join("main/config.yaml"));
    command.arg("--state-dir").arg(home.join("state")).env("KUBECONFIG", home.join("kubeconfig"));
    command.envs(pod.map(|pod| ("POD_NAME", pod))).env("POD_NAMESPACE", "kubernaut-system");
    Service::started(command)
}

async fn api_server(status: u16) -> Provider {
    Provider::start(move |asked, _| match asked.method.as_str() {
        "GET" => Answer::json(&json!({"kind": "Pod", "metadata": {"uid": "0f6a5a0c"}})),
        _ => Answer::text(status, "{}"),
    })
    .await
}

fn events(api_server: &Provider) -> Vec<Asked> {
    api_server.asked().into_iter().filter(|asked| asked.method == "POST").collect()
}

async fn wait_for_events(api_server: &Provider, count: usize) -> Vec<Asked> {
    for _ in 0..1_000 {
        if events(api_server).len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    events(api_server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_configuration_is_told_once_for_each_content() {
    let home = TempDir::new().unwrap();
    let good = main_text("");
    let mut main = Volume::mount(home.path().join("main"), &[("config.yaml", &good)]);
    let stub = api_server(201).await;
    let service = start(home.path(), &stub.address, Some("holmesgpt-api-7d4f"));
    let broken = main_text(&format!("sesion: {{api_key: {SECRET}}}\n"));
    for _ in 0..2 {
        main.swap(&[("config.yaml", &broken)]);
        service.wait_for("config_reload_rejected");
        main.swap(&[("config.yaml", &good)]);
        service.wait_for("config_agrees");
    }
    let other = main_text("session: {queue_limit: none}\n");
    main.swap(&[("config.yaml", &other)]);
    service.wait_for("config_reload_rejected");
    let told = wait_for_events(&stub, 2).await;
    assert_eq!(told.len(), 2, "the first content is told once");
    let bodies: Vec<Value> = told.iter().map(Asked::json).collect();
    assert_eq!(told[0].path, "/api/v1/namespaces/kubernaut-system/events");
    let subject = json!({
        "apiVersion": "v1", "kind": "Pod", "namespace": "kubernaut-system", "name": "holmesgpt-api-7d4f", "uid": "0f6a5a0c",
    });
    assert_eq!(bodies[0]["involvedObject"], subject);
    assert_eq!((&bodies[0]["type"], &bodies[0]["reason"]), (&json!("Warning"), &json!("ConfigurationRejected")));
    for (body, word) in bodies.iter().zip(["sesion", "session.queue_limit"]) {
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(word) && message.len() <= 1024 && !message.contains(SECRET), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_right_only_the_log_tells() {
    let home = TempDir::new().unwrap();
    let mut main = Volume::mount(home.path().join("main"), &[("config.yaml", &main_text(""))]);
    let stub = api_server(403).await;
    let service = start(home.path(), &stub.address, Some("holmesgpt-api-7d4f"));
    main.swap(&[("config.yaml", "server: [")]);
    let refused = service.wait_for("event_not_written");
    assert!(refused["error"].as_str().unwrap().contains("create an Event"), "{refused}");
    main.swap(&[("config.yaml", &main_text("session: {queue_limit: 7}\n"))]);
    service.wait_for("config_reloaded");
    assert_eq!(events(&stub).len(), 1, "one try");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_a_pod_nobody_is_told_and_a_file_that_never_changes_is() {
    let home = TempDir::new().unwrap();
    let mut main = Volume::mount(home.path().join("main"), &[("config.yaml", &main_text(""))]);
    let stub = api_server(201).await;
    let service = start(home.path(), &stub.address, None);
    let told = |service: &Service| {
        let mut records = service.early.iter();
        records.any(|record| record["event"] == "config_file_never_updated")
    };
    assert!(!told(&service));
    main.swap(&[("config.yaml", "server: [")]);
    service.wait_for("config_reload_rejected");
    main.swap(&[("config.yaml", &main_text("session: {queue_limit: 7}\n"))]);
    service.wait_for("config_reloaded");
    assert!(stub.asked().is_empty(), "{:?}", stub.asked());
    drop(service);

    // A file that lies over the link of the mounted folder, as a `subPath` does.
    let path = home.path().join("main/config.yaml");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, main_text("")).unwrap();
    let service = start(home.path(), &stub.address, None);
    let warned = service.wait_for("config_file_never_updated");
    assert_eq!(warned["path"], path.display().to_string());
}
