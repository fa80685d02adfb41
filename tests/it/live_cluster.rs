//! The live cluster against a stub API server that serves recorded bundles: the same questions have the same answers as
//! put to the bundle, and faults of the server become the port's errors.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holmesgpt_api::cluster::bundle::{BundleCluster, BundleLimits};
use holmesgpt_api::cluster::live::{LiveCluster, LiveConfig};
use holmesgpt_api::cluster::{Cluster, ClusterError, LOG_BYTES_MAX, ListQuery, LogQuery};
use holmesgpt_api::domain::{Object, ResourceRef};
use serde_json::{Value, json};

use crate::process::{Service, holmesgpt, root};
use crate::stubs::apiserver::{ApiServer, Fault};

fn example(name: &str) -> PathBuf {
    root().join("examples").join(name).join("bundle")
}

fn open(bundle: &Path) -> BundleCluster {
    BundleCluster::open(bundle, &BundleLimits::default()).unwrap()
}

async fn live(server: &ApiServer, request_timeout: Duration) -> LiveCluster {
    let config = LiveConfig {
        kubeconfig: Some(server.kubeconfig()),
        context: None,
        request_timeout,
        requests_max: 8,
        kinds_miss_interval: Duration::from_millis(50),
    };
    LiveCluster::build(&config).await.unwrap()
}

const PATIENCE: Duration = Duration::from_secs(20);

async fn oom() -> (ApiServer, LiveCluster) {
    let server = ApiServer::serve(&example("oom-cart-api")).await;
    let cluster = live(&server, PATIENCE).await;
    (server, cluster)
}

fn values(objects: &[Arc<Object>]) -> Vec<Value> {
    objects.iter().map(|object| value(object)).collect()
}

/// The object without the sets of managed fields, which the live cluster leaves out.
fn value(object: &Object) -> Value {
    let mut value = object.value().clone();
    for manager in value["metadata"]["managedFields"].as_array_mut().into_iter().flatten() {
        manager.as_object_mut().unwrap().remove("fieldsV1");
    }
    value
}

fn pods() -> ListQuery {
    ListQuery::kind("pods").in_namespace(Some("checkout"))
}

#[tokio::test]
async fn lists_objects_and_events_are_those_of_the_bundle() {
    for name in ["oom-cart-api", "missing-secret-key", "image-pull-credentials"] {
        let bundle = open(&example(name));
        let server = ApiServer::serve(&example(name)).await;
        let live = live(&server, PATIENCE).await;
        assert_eq!(live.namespaces().await.unwrap(), bundle.namespaces().await.unwrap(), "{name}");
        for kind in ["po", "deployments", "ReplicaSet", "svc", "events", "node", "cm", "hpa", "NetworkPolicy"] {
            let query = ListQuery::kind(kind);
            let (ours, theirs) = (live.list(&query).await.unwrap(), bundle.list(&query).await.unwrap());
            assert_eq!(values(&ours.items), values(&theirs.items), "{name}: {kind}");
            assert_eq!(ours.truncated, theirs.truncated);
            for object in theirs.items {
                let reference = object.reference();
                assert_eq!(value(&live.get(&reference).await.unwrap()), value(&object), "{reference}");
                let events = values(&bundle.events(&reference).await.unwrap());
                assert_eq!(values(&live.events(&reference).await.unwrap()), events, "{name}: {reference}");
            }
        }
    }
}

#[tokio::test]
async fn selectors_and_limits_are_those_of_the_bundle() {
    let (server, live) = oom().await;
    let bundle = open(&example("oom-cart-api"));
    let fields = |text: &str| ListQuery { field_selector: Some(text.to_owned()), ..pods() };
    let limited = |limit| ListQuery { limit: Some(limit), ..ListQuery::kind("pods") };
    let mut questions = vec![pods().with_labels("app in (cart-api, web),!legacy"), pods().with_labels("app!=cart-api")];
    questions.extend(["status.phase=Running", "status.phase!=Running", "metadata.name=nobody"].map(fields));
    // Paths the API server does not compare.
    questions.extend(
        ["spec.terminationGracePeriodSeconds=30", "spec.hostNetwork!=true", "status.qosClass=Burstable"].map(fields),
    );
    questions.extend([0, 1, 3].map(limited));
    for query in questions {
        let (ours, theirs) = (live.list(&query).await.unwrap(), bundle.list(&query).await.unwrap());
        assert_eq!(values(&ours.items), values(&theirs.items), "{query:?}");
        assert_eq!(ours.truncated, theirs.truncated, "{query:?}");
    }
    assert!(server.requests().iter().any(|request| request.contains("limit=2")), "a limit reaches the server");
    assert!(server.methods().iter().all(|method| method == "GET"), "{:?}", server.methods());
}

#[tokio::test]
async fn more_objects_than_a_page_are_all_read_in_order() {
    let (server, live) = oom().await;
    for number in 0..620 {
        let metadata =
            json!({ "name": format!("many-{number:03}"), "namespace": "checkout", "labels": { "many": "yes" } });
        server.add(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "n": number.to_string() } }));
    }
    let all = live.list(&ListQuery::kind("cm").with_labels("many=yes")).await.unwrap();
    let names: Vec<&str> = all.items.iter().map(|item| item.name()).collect();
    assert_eq!((names.len(), names[0], names[619], all.truncated), (620, "many-000", "many-619", false));
    let asked = server.requests().iter().filter(|request| request.contains("configmaps")).count();
    assert_eq!(asked, 3);
    let query = ListQuery { limit: Some(600), ..ListQuery::kind("cm").with_labels("many=yes") };
    let some = live.list(&query).await.unwrap();
    assert_eq!((some.items.len(), some.truncated), (600, true));
}

#[tokio::test]
async fn logs_are_those_of_the_bundle() {
    let (_server, live) = oom().await;
    let bundle = open(&example("oom-cart-api"));
    let logs = example("oom-cart-api").join("logs/checkout");
    let pod = std::fs::read_dir(&logs).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pod = pod.filter(|name| name.starts_with("cart-api")).min().unwrap();
    let plain = LogQuery {
        namespace: "checkout".to_owned(),
        pod,
        container: None,
        previous: false,
        tail_lines: None,
        since: None,
    };
    let whole = bundle.logs(&plain).await.unwrap();
    assert_eq!(live.logs(&plain).await.unwrap(), whole);
    let middle = whole.lines[whole.lines.len() / 2].time;
    let queries = [
        LogQuery { previous: true, ..plain.clone() },
        LogQuery { tail_lines: Some(3), ..plain.clone() },
        LogQuery { tail_lines: Some(0), ..plain.clone() },
        LogQuery { since: middle, ..plain.clone() },
    ];
    for query in queries {
        let (ours, theirs) = (live.logs(&query).await.unwrap(), bundle.logs(&query).await.unwrap());
        let lines = |log: &holmesgpt_api::cluster::ContainerLog| {
            log.lines.iter().map(|line| (line.time, line.text.clone())).collect::<Vec<_>>()
        };
        assert_eq!(lines(&ours), lines(&theirs), "{query:?}");
        assert_eq!((&ours.container, ours.truncated), (&theirs.container, theirs.truncated), "{query:?}");
    }
    for query in [
        LogQuery { container: Some("nobody".to_owned()), ..plain.clone() },
        LogQuery { pod: "nobody".to_owned(), ..plain.clone() },
    ] {
        let (ours, theirs) = (live.logs(&query).await.unwrap_err(), bundle.logs(&query).await.unwrap_err());
        assert_eq!(ours.to_string(), theirs.to_string());
        assert!(matches!(ours, ClusterError::NotFound(_)), "{ours}");
    }
}

#[tokio::test]
async fn a_huge_log_costs_bounded_memory_and_keeps_its_end() {
    let (server, live) = oom().await;
    // 5001 lines of 40 KiB are 200 MB: fewer lines are asked for.
    server.fail("/log", Fault::HugeLog { lines: 1_000_000, bytes: 40 * 1024 });
    let query = LogQuery {
        namespace: "checkout".to_owned(),
        pod: "any".to_owned(),
        container: Some("app".to_owned()),
        previous: false,
        tail_lines: None,
        since: None,
    };
    let log = live.logs(&query).await.unwrap();
    let bytes: usize = log.lines.iter().map(|line| line.text.len()).sum();
    assert!(log.truncated && bytes <= LOG_BYTES_MAX && bytes > LOG_BYTES_MAX / 2, "{bytes}");
    assert!(log.lines.last().unwrap().text.ends_with(" newest"));
    assert!(log.lines[0].time.is_some(), "the first line is whole");
}

#[tokio::test]
async fn custom_kinds_are_found_also_those_created_later() {
    for classic in [false, true] {
        let (server, live) = oom().await;
        if classic {
            server.speak_classic_discovery();
        }
        let widget = json!({ "apiVersion": "shop.example/v1alpha1", "kind": "Widget",
            "metadata": { "name": "w", "namespace": "checkout" }, "spec": { "size": 3 } });
        server.add(widget.clone());
        let reference = ResourceRef::namespaced("widgets.shop.example", "checkout", "w");
        assert_eq!(*live.get(&reference).await.unwrap().value(), widget);
        tokio::time::sleep(Duration::from_millis(60)).await;
        let gadget = json!({ "apiVersion": "shop.example/v1alpha1", "kind": "Gadget", "metadata": { "name": "g" } });
        server.add(gadget);
        assert!(!live.resolve_kind("gadget", None).await.unwrap().namespaced, "created after the first discovery");
        let unknown = live.resolve_kind("Widgett", None).await.unwrap_err();
        assert!(unknown.to_string().contains("did you mean Widget"), "{unknown}");
        let several = live.resolve_kind("nodes", Some("metrics.k8s.io/v1beta1")).await.unwrap();
        assert_eq!((several.kind.as_str(), several.namespaced), ("NodeMetrics", false));
        assert_eq!(live.resolve_kind("deploy", None).await.unwrap().api_version, "apps/v1");
        let discoveries = server.requests().iter().filter(|request| *request == "/apis").count();
        assert_eq!(discoveries, 2, "kinds are kept, and a miss right after discovery asks nothing");
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let (server, live) = oom().await;
    live.list(&pods()).await.unwrap();
    let secret = ResourceRef::namespaced("Secret", "checkout", "s");
    let table = [
        (Fault::Status(403), "not allowed to list pods in namespace checkout"),
        (Fault::Status(404), "pods not found"),
        (Fault::Status(401), "cluster unavailable: the API server does not accept the credentials (401)"),
        (Fault::Status(400), "invalid request: the script says so"),
        (Fault::Status(500), "cluster unavailable: the API server answered 500: the script says so"),
        (Fault::Status(429), "cluster unavailable: the API server answered 429: the script says so"),
        (Fault::Garbage, "cluster unavailable: the API server's answer is not JSON"),
    ];
    for (fault, expected) in table {
        server.fail("/pods", fault);
        assert_eq!(live.list(&pods()).await.unwrap_err().to_string(), expected);
    }
    server.mend();
    live.list(&pods()).await.unwrap();
    let gone = live.get(&secret).await.unwrap_err();
    assert!(matches!(&gone, ClusterError::NotFound(what) if what == "Secret checkout/s"), "{gone}");
    let homeless = ResourceRef::cluster_scoped("Secret", "s");
    assert!(matches!(live.get(&homeless).await, Err(ClusterError::Invalid(_))));
    for name in ["../nodes", "a/b", "", "a?b"] {
        let reference = ResourceRef::namespaced("Pod", "checkout", name);
        assert!(matches!(live.get(&reference).await, Err(ClusterError::Invalid(_))), "{name:?}");
    }
    assert!(live.list(&pods().with_labels("a b c")).await.is_err());
}

#[tokio::test]
async fn a_server_that_stalls_or_is_gone_is_unavailable_in_time() {
    let server = ApiServer::serve(&example("oom-cart-api")).await;
    let live = live(&server, Duration::from_millis(400)).await;
    live.probe().await.unwrap();
    live.resolve_kind("pod", None).await.unwrap();
    server.fail("/pods", Fault::Stall);
    let began = Instant::now();
    let late = live.list(&pods()).await.unwrap_err();
    assert!(
        late.to_string().contains("no answer within 0.4 s when asked to list pods in namespace checkout"),
        "{late}"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
    server.fail("/api", Fault::Status(401));
    assert!(live.probe().await.is_err());
    drop(server);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(matches!(live.probe().await, Err(ClusterError::Unavailable(_))));
}

/// What `investigate` decides, without its identifiers and times.
fn decision(output: &std::process::Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let keys = ["needs_human_review", "human_review_reason", "is_actionable", "selected_workflow"];
    let mut decision: serde_json::Map<String, Value> =
        keys.iter().map(|key| ((*key).to_owned(), answer.get(*key).cloned().unwrap_or_default())).collect();
    decision.insert("status".to_owned(), json!(output.status.code()));
    decision.insert("target".to_owned(), answer["root_cause_analysis"]["remediationTarget"].clone());
    decision.insert("severity".to_owned(), answer["root_cause_analysis"]["severity"].clone());
    Value::Object(decision)
}

#[tokio::test(flavor = "multi_thread")]
async fn investigate_answers_the_same_for_a_cluster_as_for_its_bundle() {
    for name in ["oom-cart-api", "missing-secret-key", "image-tag-typo", "probe-wrong-port"] {
        let bundle = example(name);
        let recorded_at = open(&bundle).now();
        let server = ApiServer::serve_as_of_now(&bundle, recorded_at).await;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yaml");
        std::fs::write(&config, "cluster: {source: live}\nauth: {mode: token}\naudit: {sink: local}\n").unwrap();
        let incident = root().join("examples").join(name).join("incident.json");
        let mut from_cluster = holmesgpt();
        from_cluster.env("KUBECONFIG", server.kubeconfig()).arg("investigate").arg(&incident);
        from_cluster.arg("--config").arg(&config).args(["--output", "json"]);
        let mut from_bundle = holmesgpt();
        from_bundle.arg("investigate").arg(&incident).arg("--bundle").arg(&bundle).args(["--output", "json"]);
        let runs = [from_cluster, from_bundle]
            .map(|mut command| tokio::task::spawn_blocking(move || command.output().unwrap()));
        let [from_cluster, from_bundle] = runs;
        let (from_cluster, from_bundle) = (from_cluster.await.unwrap(), from_bundle.await.unwrap());
        assert_eq!(decision(&from_cluster), decision(&from_bundle), "{name}");
        assert!(decision(&from_bundle)["target"].is_object(), "{name}");
        assert!(server.methods().iter().all(|method| method == "GET"));
        assert!(server.requests().len() < 200, "{name}: {} requests", server.requests().len());
    }
}

/// The recipe of `docs/bundle.md`.
fn recipe() -> String {
    let text = std::fs::read_to_string(root().join("docs/bundle.md")).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.filter(|block| block.starts_with("#!/bin/sh")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_recorded_by_the_documented_recipe_is_like_the_cluster() {
    if std::process::Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        eprintln!("not checked: there is no kubectl on this machine");
        return;
    }
    let original = open(&example("oom-cart-api"));
    let server = ApiServer::serve(&example("oom-cart-api")).await;
    let metadata = json!({ "name": "db", "namespace": "checkout" });
    server.add(json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata,
        "data": { "password": "aHVudGVyMg==", "tls.crt": "cHVibGlj" } }));
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("record-bundle.sh");
    std::fs::write(&script, recipe()).unwrap();
    let bundle = folder.path().join("bundle");
    let mut command = std::process::Command::new("sh");
    command.arg(&script).args(["checkout", "monitoring"]).env("OUT", &bundle);
    command.env("KUBECONFIG", server.kubeconfig()).env("HOME", folder.path());
    let done = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let skipped = std::fs::read_to_string(bundle.join("skipped.txt")).unwrap_or_default();
    eprintln!("{skipped}");
    let recorded = open(&bundle);
    assert_eq!(recorded.problems(), Vec::<String>::new());
    assert_eq!(recorded.manifest().cluster.as_deref(), Some("stub"));
    for kind in ["pods", "deployments", "events", "services", "configmaps"] {
        let query = ListQuery::kind(kind).in_namespace(Some("checkout"));
        let (ours, theirs) = (recorded.list(&query).await.unwrap(), original.list(&query).await.unwrap());
        assert_eq!(values(&ours.items), values(&theirs.items), "{kind}");
    }
    let secret = recorded.get(&ResourceRef::namespaced("Secret", "checkout", "db")).await.unwrap();
    assert_eq!(secret.value()["data"], json!({ "password": "UkVEQUNURUQ=", "tls.crt": "cHVibGlj" }));
    let files = |bundle: &Path| {
        let pods = std::fs::read_dir(bundle.join("logs/checkout")).unwrap();
        let files = pods.flat_map(|pod| std::fs::read_dir(pod.unwrap().path()).unwrap());
        let mut files: Vec<_> = files
            .map(|file| file.unwrap())
            .map(|file| (file.file_name(), std::fs::read(file.path()).unwrap()))
            .collect();
        files.sort();
        files
    };
    assert_eq!(files(&bundle), files(&example("oom-cart-api")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_ready_once_the_cluster_has_answered() {
    let server = ApiServer::serve(&example("oom-cart-api")).await;
    server.fail("/api", Fault::Status(401));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    let kubeconfig = server.kubeconfig();
    let cluster = format!("cluster: {{source: live, kubeconfig: {}}}", kubeconfig.display());
    std::fs::write(&config, cluster + "\nauth: {mode: token}\naudit: {sink: local}\ncatalogue: {source: directory}\n")
        .unwrap();
    let state = folder.path().join("state");
    let service =
        tokio::task::spawn_blocking(move || Service::start(&state, &["serve", "--config", config.to_str().unwrap()]));
    let service = service.await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ready = async || {
        let response = client.get(format!("http://{}/ready", service.address)).send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str::<Value>(&response.text().await.unwrap()).unwrap())
    };
    let (status, report) = ready().await;
    assert_eq!((status, &report["reason"]), (503, &json!("kubernetes_unreachable")), "{report}");
    server.mend();
    let began = Instant::now();
    loop {
        let (status, report) = ready().await;
        if status == 200 {
            assert_eq!(report["dependencies"]["kubernetes"]["status"], "up");
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{report}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_the_current_context_is_investigated_by_name() {
    let bundle = example("oom-cart-api");
    let server = ApiServer::serve_as_of_now(&bundle, open(&bundle).now()).await;
    let run = async |kubeconfig: PathBuf, arguments: &[&str]| {
        let mut command = holmesgpt();
        command.env("KUBECONFIG", kubeconfig).arg("investigate").args(arguments).args(["--output", "json"]);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    };
    let found = run(server.kubeconfig(), &["deploy/cart-api", "-n", "checkout"]).await;
    assert_eq!(decision(&found)["target"]["name"], "cart-api");
    let absent = run(server.kubeconfig(), &["deploy/nobody", "-n", "checkout"]).await;
    assert_eq!(absent.status.code(), Some(2), "{}", String::from_utf8_lossy(&absent.stderr));
    let nowhere = run(PathBuf::from("/nonexistent/config"), &["deploy/cart-api", "-n", "checkout"]).await;
    let told = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(told.contains("no cluster to ask") && told.contains("--bundle"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_does_not_stop_an_investigation() {
    let bundle = example("oom-cart-api");
    let server = ApiServer::serve_as_of_now(&bundle, open(&bundle).now()).await;
    for (path, fault) in [("/secrets", 403), ("/nodes", 403), ("/networkpolicies", 500), ("/configmaps", 404)] {
        server.fail(path, Fault::Status(fault));
    }
    let mut command = holmesgpt();
    command.env("KUBECONFIG", server.kubeconfig()).arg("investigate").args(["deploy/cart-api", "-n", "checkout"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(report.contains("OOMKilled"), "{report}");
    for line in ["Nodes: not allowed to read", "NetworkPolicies in checkout: cluster unavailable"] {
        assert!(report.contains(line), "what could not be checked is told: {report}");
    }
}
