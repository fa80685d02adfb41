//! `doctor`: every kind of trouble has a row that tells it and how to mend it, secrets stay inside, exit codes say the rest.

mod rights;
mod world;

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use self::world::{KEY, World, row, rows};
use crate::process::{holmesgpt, root};
use crate::stubs::provider::Answer;

/// An area and part of a name → status, part of what was seen, part of how to mend it.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

fn assert_row(report: &Value, (area, name, status, seen, mend): Row) {
    let found = row(report, area, name);
    assert_eq!(found["status"], status, "{found}");
    assert!(found["seen"].as_str().unwrap().contains(seen), "{seen}: {found}");
    match status {
        "ok" | "skipped" => assert!(found["mend"].is_null(), "{found}"),
        _ => assert!(found["mend"].as_str().unwrap().contains(mend), "{mend}: {found}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_where_everything_answers() {
    let world = World::start().await;
    let (code, report) = world.doctor(&[]);
    let bad: Vec<&Value> = rows(&report).filter(|row| row["status"] != "ok" && row["name"] != "database").collect();
    assert_eq!((code, bad), (0, vec![]), "{report:#}");
    assert_eq!(report["status"], "ok");
    for row in [
        ("configuration", "file", "ok", "every key is known", ""),
        ("state", "directory", "ok", "can be written", ""),
        ("callers", "token file", "ok", "will be made", ""),
        ("model", "llm endpoint", "ok", "answers in", ""),
        ("model", "llm call", "ok", "calls tools", ""),
        ("model", "llm price", "ok", "no price of m is known", ""),
        ("catalogue", "source", "ok", "29 workflows of 27 action types", ""),
        ("data_storage", "health", "ok", "generation of April", ""),
        ("data_storage", "token and rights", "ok", "token is taken", ""),
        ("kubernetes", "API server", "ok", "v1.34.1", ""),
        ("kubernetes", "identity", "ok", "system:serviceaccount:kubernaut-system:holmesgpt-api-sa", ""),
        ("kubernetes", "rights: investigate", "ok", "all 75 are granted", ""),
        ("kubernetes", "rights: use DataStorage", "ok", "all 2", ""),
        ("monitoring", "Prometheus", "ok", "answers queries", ""),
        ("monitoring", "Prometheus version", "ok", "3.5.0", ""),
        ("monitoring", "Alertmanager", "ok", "0.28.1", ""),
        ("clock", "Kubernetes", "ok", "", ""),
        ("clock", "DataStorage", "ok", "", ""),
        ("clock", "model", "ok", "", ""),
        ("certificates", "data_storage.ca_file", "ok", "is good until", ""),
    ] {
        assert_row(&report, row);
    }
    // The model was asked once, briefly, and ordered to call a tool.
    let calls: Vec<_> = world.asked("POST", "/model/").into_iter().map(|asked| asked.json()).collect();
    let [call] = calls.as_slice() else { panic!("{} calls of the model", calls.len()) };
    assert_eq!(call["max_completion_tokens"], 64);
    assert_eq!(call["tool_choice"]["function"]["name"], call["tools"][0]["function"]["name"]);
    // Nobody was asked to change anything.
    let posted = world.asked("POST", "/kubernetes/");
    assert!(posted.iter().all(|asked| asked.path.contains("/selfsubject")), "{posted:?}");
    assert!(world.data_storage.stored().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_a_server_has_its_row() {
    let world = World::start().await;
    let text = |status: u16, text: &str| Answer::text(status, text);
    let wrote = json!({"choices": [{"message": {"content": "I am ready."}, "finish_reason": "stop"}]});
    let cut = json!({"choices": [{"message": {"content": ""}, "finish_reason": "length"}]});
    let leak = format!("Incorrect API key provided: {KEY}");
    let cases: Vec<(&str, Answer, Row)> = vec![
        (
            "/chat/completions",
            text(401, &leak),
            ("model", "llm call", "failed", "refused the credentials", "valid key"),
        ),
        (
            "/chat/completions",
            text(404, "{}"),
            ("model", "llm call", "failed", "does not know this model", "llm.model"),
        ),
        ("/chat/completions", text(429, "{}"), ("model", "llm call", "failed", "quota", "raise it at the provider")),
        ("/chat/completions", text(500, "{}"), ("model", "llm call", "failed", "HTTP 500", "Try again")),
        ("/chat/completions", text(400, "{}"), ("model", "llm call", "failed", "HTTP 400", "llm.api")),
        (
            "/chat/completions",
            text(200, "<html>"),
            ("model", "llm call", "failed", "not JSON", "Something else answers"),
        ),
        (
            "/chat/completions",
            Answer::json(&wrote),
            ("model", "llm call", "warning", "wrote text", "tool calling switched on"),
        ),
        ("/chat/completions", Answer::json(&cut), ("model", "llm call", "warning", "ran out", "need room")),
        ("/version", text(401, "{}"), ("kubernetes", "API server", "failed", "401", "Renew the credentials")),
        ("/version", text(503, "{}"), ("kubernetes", "API server", "failed", "503", "kubeconfig")),
        ("/selfsubjectreviews", text(404, "{}"), ("kubernetes", "identity", "skipped", "does not tell", "")),
        (
            "/selfsubjectaccessreviews",
            text(403, "{}"),
            ("kubernetes", "rights: investigate", "failed", "does not say", "system:basic-user"),
        ),
        ("/api/v1/query", text(401, "no"), ("monitoring", "Prometheus", "failed", "credentials", "bearer_token_file")),
        ("/api/v1/query", text(302, ""), ("monitoring", "Prometheus", "failed", "redirects", "login page")),
        ("/api/v1/query", text(200, "<html>"), ("monitoring", "Prometheus", "failed", "is not Prometheus", "prefix")),
        ("/status/buildinfo", text(404, "{}"), ("monitoring", "Prometheus version", "skipped", "no version", "")),
        (
            "/api/v2/status",
            text(503, "down"),
            ("monitoring", "Alertmanager", "failed", "503: down", "alertmanager_url"),
        ),
    ];
    for (path, answer, expected) in cases {
        world.answers(path, Some(answer));
        let (code, report) = world.doctor(&[]);
        assert_row(&report, expected);
        let is_failure = expected.2 == "failed";
        assert_eq!((code, report["counts"]["failed"] != 0), (i32::from(is_failure), is_failure), "{path}: {report:#}");
        assert!(!report.to_string().contains(KEY), "{path}");
        world.answers(path, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_are_compared() {
    let world = World::start().await;
    for (seconds, status) in [(40, "warning"), (400, "failed")] {
        let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        world.answers("/version", Some(Answer::json(&json!({"gitVersion": "v1.34.1"})).header("date", &date)));
        let (_, report) = world.doctor(&[]);
        assert_row(&report, ("clock", "Kubernetes", status, "s behind", "NTP"));
        assert_row(&report, ("clock", "model", "ok", "", ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_missing_are_named() {
    let world = World::start().await;
    world.deny("", "pods", "log", "get");
    world.deny("apps", "deployments", "", "list");
    world.deny("metrics.k8s.io", "pods", "", "get");
    world.deny("metrics.k8s.io", "pods", "", "list");
    world.deny("", "services", "", "create");
    let (code, report) = world.doctor(&[]);
    assert_eq!(code, 1);
    let core = rows(&report).filter(|row| row["name"] == "rights: core group").collect::<Vec<_>>();
    let seen = |row: &Value| row["seen"].as_str().unwrap().to_owned();
    assert_eq!(core[0]["status"], "failed");
    assert_eq!(seen(core[0]), "not granted: pods/log (get)");
    assert_eq!(core[1]["status"], "warning", "the right that DataStorage asks for");
    assert!(seen(core[1]).starts_with("not granted: services (create); DataStorage may refuse"), "{}", core[1]);
    assert_row(
        &report,
        (
            "kubernetes",
            "rights: apps",
            "failed",
            "not granted: deployments (list)",
            "apiGroups: [\"apps\"], resources: [deployments], verbs: [get, list]",
        ),
    );
    let metrics = ("kubernetes", "rights: metrics.k8s.io", "warning", "pods (get, list); nobody sees", "investigator");
    assert_row(&report, metrics);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_in_the_namespaces_tools_are_confined_to_are_enough() {
    let world = World::start().await;
    let mut names: Vec<String> = ["shop", "bank"].map(str::to_owned).into();
    let namespaces = |names: &[String]| json!({"namespaces": {"allow": names}, "engine": "auto"});
    world.deny_in("bank", "apps", "deployments", "", "list");
    world.deny_in("", "", "pods", "", "list");
    world.deny_in("", "storage.k8s.io", "csinodes", "", "list");
    let (code, report) = world.confined(namespaces(&names));
    assert_eq!(code, 1);
    let judged = |name: &str| row(&report, "kubernetes", name)["status"].as_str().unwrap().to_owned();
    assert_eq!(judged("rights: investigate"), "warning", "of the cluster; pods are not asked for there");
    assert_eq!(judged("rights: storage.k8s.io"), "warning");
    assert_eq!(
        (judged("rights: investigate in shop"), judged("rights: investigate in bank")),
        ("ok".into(), "failed".into())
    );
    let apps =
        ("kubernetes", "rights: apps in bank", "failed", "not granted: deployments (list)", "apiGroups: [\"apps\"]");
    assert_row(&report, apps);
    let asked = world.asked("POST", "/kubernetes/").len();
    names.extend((0..10).map(|number| format!("more-{number}")));
    let (_, report) = world.confined(namespaces(&names));
    assert_row(&report, ("kubernetes", "rights: other namespaces", "skipped", "2 more namespaces", ""));
    assert!(world.asked("POST", "/kubernetes/").len() > 2 * asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_asked_whether_it_may_tell_events() {
    let world = World::start().await;
    world.deny("", "events", "", "create");
    let (code, report) = world.doctor(&[]);
    assert!(rows(&report).all(|row| row["name"] != "rights: tell Events"), "nobody tells any outside a pod");
    assert_eq!(code, 0);
    let (code, report) = world.doctor_in_pod();
    assert_row(
        &report,
        ("kubernetes", "rights: tell Events", "warning", "1 of 1 are not granted", "holmesgpt-api-events"),
    );
    assert_eq!(code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_known_or_what_to_set_is_told() {
    let world = World::start().await;
    let known = json!({"prices": {"openai_compatible": {"m": {"prompt": 0.001, "completion": 0.002}}}});
    let (_, report) = world.doctor_with("/cost", known, &[]);
    assert_row(&report, ("model", "llm price", "ok", "known, from the configuration", ""));
    let (_, report) = world.doctor_with("/cost", json!({"daily_limit_usd": 5}), &[]);
    assert_row(&report, ("model", "llm price", "warning", "no price of m", "Set cost.prices.openai_compatible.m: {"));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_storage_and_its_catalogue_are_looked_at() {
    let world = World::start().await;
    world.data_storage.require_token("another");
    let (code, report) = world.doctor(&[]);
    assert_row(&report, ("data_storage", "token and rights", "failed", "HTTP 401", "audience"));
    assert_row(&report, ("catalogue", "source", "failed", "401", "data_storage"));
    assert_eq!(code, 1);
    world.data_storage.require_token(world::TOKEN);

    let lost = world.workflow(0);
    world.data_storage.answer(&format!("/api/v1/workflows/{}", lost["workflowId"].as_str().unwrap()), 404, json!({}));
    world.change(1, "executionBundle", "registry.example/unpinned:latest".into());
    world.change(1, "executionBundleDigest", Value::Null);
    world.change(
        2,
        "labels",
        json!({"severity": ["severe"], "component": ["a/b/c/D"], "environment": ["*"], "priority": ["*"]}),
    );
    let (_, report) = world.doctor(&[]);
    let name = |number: usize| world.workflow(number)["workflowName"].as_str().unwrap().to_owned();
    assert_eq!(row(&report, "catalogue", &name(0))["status"], "failed");
    let odd: Vec<String> = rows(&report)
        .filter(|row| row["area"] == "catalogue" && row["status"] == "warning")
        .map(|row| format!("{} | {}", row["seen"].as_str().unwrap(), row["mend"].as_str().unwrap()))
        .collect();
    assert!(odd.iter().any(|odd| odd.contains(&name(1)) && odd.contains("Pin the bundle by digest")), "{odd:#?}");

    world.data_storage.down();
    let (_, report) = world.doctor(&[]);
    assert_row(&report, ("data_storage", "health", "failed", "cannot be reached", "data_storage.url"));
    assert_row(&report, ("data_storage", "token and rights", "skipped", "not ready", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_configured_wrongly_has_its_row() {
    let world = World::start().await;
    let untrusted = untrusted_server();
    std::fs::write(world.folder.path().join("empty.pem"), "nothing").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().port();
    let cases: Vec<(&str, Value, Row)> = vec![
        (
            "/llm/endpoint",
            "http://127.0.0.1:1/v1".into(),
            ("model", "llm endpoint", "failed", "cannot be reached", "Correct llm.endpoint"),
        ),
        ("/llm/endpoint", untrusted.into(), ("model", "llm endpoint", "failed", "certificate", "llm.tls_ca_file")),
        ("/llm/api_key_file", "missing".into(), ("model", "llm", "failed", "llm.api_key_file", "credential")),
        ("/llm/context_window_tokens", 8_000.into(), ("model", "llm window", "warning", "8000", "larger window")),
        ("/llm/max_tokens_per_request", 90_000.into(), ("model", "llm window", "warning", "90000", "half")),
        (
            "/data_storage/token_path",
            "missing".into(),
            ("data_storage", "token and rights", "failed", "", "token_path"),
        ),
        ("/data_storage/ca_file", "empty.pem".into(), ("data_storage", "client", "failed", "ca_file", "data_storage")),
        ("/server/port", taken.into(), ("callers", "listener", "warning", "in use", "API_PORT")),
        ("/cluster/kubeconfig", "missing".into(), ("kubernetes", "API server", "failed", "", "kubeconfig")),
    ];
    for (pointer, value, expected) in cases {
        let (_, report) = world.doctor_with(pointer, value, &[]);
        assert_row(&report, expected);
    }
}

/// A server with a certificate of nobody's authority.
fn untrusted_server() -> String {
    let file = |name: &str| root().join("tests/it/llm/tls").join(name);
    let chain = vec![CertificateDer::from_pem_file(file("server.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let (config, listener) = (Arc::new(config), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let address = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            // The client breaks it off.
            let _ = connection.complete_io(&mut socket);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn files_on_this_machine_are_looked_at() {
    let world = World::start().await;
    let state = world.state();
    let mode = |path: &std::path::Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    std::fs::write(state.join("tokens"), format!("local:{KEY}\n")).unwrap();
    mode(&state.join("tokens"), 0o644);
    std::fs::write(state.join("state.db"), "no database at all, but long enough to be taken for one".repeat(20))
        .unwrap();
    mode(&state.join("state.db"), 0o644);
    let (code, report) = world.doctor(&[]);
    assert_eq!(code, 1);
    assert_row(&report, ("callers", "token file", "failed", "0644", "0600"));
    assert_row(&report, ("state", "modes", "warning", "state.db has mode 0644", "chmod"));
    assert_row(&report, ("state", "database", "failed", "", ""));
    assert!(!report.to_string().contains(KEY));

    let workflows = world.folder.path().join("workflows");
    std::fs::create_dir(&workflows).unwrap();
    let good = root().join("examples/catalogue");
    let first =
        std::fs::read_dir(good).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_file()).unwrap();
    std::fs::copy(&first, workflows.join("good.yaml")).unwrap();
    std::fs::write(workflows.join("broken.yaml"), "kind: RemediationWorkflow\napiVersion: kubernaut.ai/v1alpha1\n")
        .unwrap();
    let catalogue = json!({"source": "directory", "directory": "workflows"});
    let (_, report) = world.doctor_with("/catalogue", catalogue, &[]);
    assert_row(&report, ("catalogue", "broken.yaml:1", "failed", "left out", "Correct the document"));
}

/// A store that a service made and uses meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_running_service_does_not_stand_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let service = crate::process::Service::start(folder.path(), &["serve", "--config", "examples/standalone.yaml"]);
    let mut command = holmesgpt();
    command.args(["doctor", "--json", "--config", "examples/standalone.yaml", "--state-dir"]).arg(folder.path());
    command.env("API_PORT", service.address.rsplit(':').next().unwrap());
    let output = command.output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_row(&report, ("state", "database", "ok", "0 sessions", ""));
    assert_row(&report, ("state", "modes", "ok", "others cannot get at", ""));
    assert_row(&report, ("callers", "token file", "ok", "names callers", ""));
    assert_row(&report, ("callers", "listener", "warning", "in use", "runs already"));
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_of_callers_are_asked_for_where_they_are_made() {
    let world = World::start().await;
    world.deny("authentication.k8s.io", "tokenreviews", "", "create");
    let (code, report) = world.doctor_with("/auth", json!({"mode": "kubernetes", "namespace": "ops"}), &[]);
    assert_eq!(code, 1);
    assert_row(&report, ("callers", "own namespace", "ok", "services/holmesgpt-api in ops", ""));
    assert_row(&report, ("kubernetes", "rights: review callers", "failed", "1 of 2 are not granted", "own row"));
    let reviews =
        ("kubernetes", "rights: authentication.k8s.io", "failed", "tokenreviews (create)", "holmesgpt-api-reviewer");
    assert_row(&report, reviews);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_with_the_time_allowed() {
    let world = World::start().await;
    world.answers("/chat/completions", Some(Answer::silence()));
    world.answers("/selfsubjectaccessreviews", Some(Answer::silence()));
    let began = Instant::now();
    let (code, report) = world.doctor(&["--timeout", "2"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(code, 1);
    assert_row(&report, ("model", "llm call", "failed", "no answer within", "--timeout"));
    assert_row(&report, ("kubernetes", "rights: investigate", "failed", "no answer within", "NetworkPolicy"));
    assert_row(&report, ("monitoring", "Prometheus", "ok", "", ""));
}

#[test]
fn it_works_without_any_configuration() {
    let home = tempfile::tempdir().unwrap();
    let output = holmesgpt().args(["doctor"]).env("HOME", home.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for expected in ["the analyser answers", "29 workflows", "no cluster to ask", "not used"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 100, "{widest} columns: {text}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn exit_codes_tell_the_kind_of_trouble() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.yaml"), "serverr: {}\n").unwrap();
    let bad = folder.path().join("bad.yaml").display().to_string();
    let state = folder.path().display().to_string();
    let cases: [(&[&str], i32); 7] = [
        (&["doctor", "--config", &bad, "--state-dir", &state], 64),
        (&["doctor", "--config", "/nonexistent.yaml", "--state-dir", &state], 64),
        (&["doctor", "--no-such-flag"], 2),
        (&["doctor", "--timeout", "0"], 2),
        (&["doctor", "--json", "--output", "table"], 2),
        (&["doctor", "--config", "examples/standalone.yaml", "--state-dir", &state, "--output", "json"], 0),
        (&["check-config", "--config", &bad, "--online"], 64),
    ];
    for (arguments, expected) in cases {
        let output = holmesgpt().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let output = holmesgpt().args(["doctor", "--json", "--config", &bad]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["unusable"], &report["status"]), (&json!(true), &json!("failed")));
    assert!(report["checks"][0]["seen"].as_str().unwrap().contains("did you mean `server`?"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_config_asks_online_on_demand() {
    let world = World::start().await;
    world.answers("/chat/completions", Some(Answer::text(401, "{}")));
    let file = world.configuration().display().to_string();
    let (code, text) = world.run(&["check-config", "--config", &file]);
    assert_eq!(code, 0, "{text}");
    assert!(world.asked("POST", "/model/").is_empty());
    let (code, text) = world.run(&["check-config", "--config", &file, "--online"]);
    assert_eq!(code, 1, "{text}");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("config.yaml: ok") && text.contains("refused the credentials"), "{text}");
    assert!(!text.contains(KEY), "{text}");
}
