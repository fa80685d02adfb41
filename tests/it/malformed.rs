//! Nonsense from outside: over two hundred malformed request bodies, bundles and configurations. Each gets a clear answer;
//! nothing panics, nothing leaves the bundle.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use holmesgpt_api::cluster::bundle::{BundleCluster, BundleLimits};
use holmesgpt_api::cluster::{Cluster, ListQuery, LogQuery};
use holmesgpt_api::config::Config;
use holmesgpt_api::domain::ResourceRef;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{holmesgpt, root};
use crate::service::TestService;

/// The same bytes in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}

fn incident() -> Vec<u8> {
    std::fs::read(root().join("examples/oom-cart-api/incident.json")).unwrap()
}

const REQUIRED: &[&str] = &[
    "incident_id",
    "remediation_id",
    "signal_name",
    "severity",
    "signal_source",
    "resource_namespace",
    "resource_kind",
    "resource_name",
    "error_message",
    "environment",
    "priority",
    "risk_tolerance",
    "business_category",
    "cluster_name",
];

/// (what, body)
fn bodies() -> Vec<(String, Vec<u8>)> {
    let good = incident();
    let mut bodies: Vec<(String, Vec<u8>)> = Vec::new();
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for index in 0..50 {
        let length = 1 + usize::try_from(noise.next() % 3_000).unwrap();
        bodies.push((format!("noise {index}"), noise.bytes(length)));
    }
    for index in 0..40 {
        let end = index * (good.len() - 2) / 40;
        bodies.push((format!("cut at {end}"), good[..end].to_vec()));
    }
    let good: Value = serde_json::from_slice(&good).unwrap();
    for field in REQUIRED {
        for wrong in [json!(null), json!(7), json!(["x"]), json!({"x": 1})] {
            let mut body = good.clone();
            body[field] = wrong.clone();
            bodies.push((format!("{field} = {wrong}"), body.to_string().into_bytes()));
        }
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(*field);
        bodies.push((format!("no {field}"), body.to_string().into_bytes()));
    }
    let mut deep = good.clone();
    deep["signal_labels"] = (0..64).fold(json!("x"), |inner, _| json!({ "x": inner }));
    bodies.push(("labels 64 deep".into(), deep.to_string().into_bytes()));
    for (what, open, close) in [("arrays", "[", "]"), ("objects", "{\"a\":", "}")] {
        for depth in [64, 127, 129, 20_000] {
            bodies.push((
                format!("{what} {depth} deep"),
                format!("{}1{}", open.repeat(depth), close.repeat(depth)).into(),
            ));
        }
    }
    let mut large = good;
    large["description"] = Value::String("x".repeat(2 * 1024 * 1024));
    bodies.push(("2 MB".into(), large.to_string().into_bytes()));
    let odd: [(&str, &[u8]); 9] = [
        ("empty", b""),
        ("null", b"null"),
        ("text", b"\"incident\""),
        ("number out of range", b"1e999"),
        ("lone surrogate", b"{\"incident_id\": \"\\ud800\"}"),
        ("byte order mark", b"\xef\xbb\xbf{}"),
        ("UTF-16", b"{\0}\0"),
        ("not UTF-8", b"{\"incident_id\": \"\xff\xfe\"}"),
        ("YAML", b"incident_id: x\n"),
    ];
    bodies.extend(odd.map(|(what, bytes)| (what.to_owned(), bytes.to_vec())));
    bodies
}

#[tokio::test]
async fn malformed_bodies_are_refused_one_by_one() {
    let service = TestService::start().await;
    let bodies = bodies();
    assert!(bodies.len() >= 150, "{}", bodies.len());
    for (what, body) in bodies {
        let answer = service.analyze(body).await;
        assert!([400, 413, 422].contains(&answer.status), "{what}: {answer:?}");
        let (kind, detail) = answer.problem();
        assert!(!kind.is_empty() && !detail.is_empty() && detail.len() < 2_000, "{what}: {detail}");
    }
    assert_eq!(service.get("/health").await.status, 200);
    assert_eq!(service.analyze(incident()).await.status, 202);
    service.stop().await;
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: good, namespace: shop}\n";
/// Only ever outside the bundle.
const CANARY: &str = "canary-outside-the-bundle";

/// (what, path in the bundle, content)
fn files() -> Vec<(String, String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut noise = Noise(42);
    for index in 0..12 {
        let extension = ["yaml", "json", "yml"][index % 3];
        files.push((format!("noise {index}"), format!("x{index}.{extension}"), noise.bytes(700)));
    }
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    let list = |inner: &str| format!("apiVersion: v1\nkind: List\nitems:\n{inner}");
    let texts: Vec<(&str, &str, String)> = vec![
        (
            "bomb",
            "bomb.yaml",
            format!("{POD}spec:\n{}", bomb.lines().map(|line| format!("  {line}\n")).collect::<String>()),
        ),
        ("bomb in a list", "bomb.yaml", list(&format!("- {}\n", bomb.replace('\n', "\n  ")))),
        ("anchors to themselves", "loop.yaml", "a: &a [*a]\n".into()),
        ("64 deep", "deep.yaml", format!("{POD}spec: {}1{}\n", "[".repeat(64), "]".repeat(64))),
        ("100000 deep", "deep.yaml", "[".repeat(100_000)),
        ("100000 deep JSON", "deep.json", "[".repeat(100_000)),
        ("100000 deep objects", "deep.json", "{\"a\":".repeat(100_000)),
        ("wrong types", "types.yaml", "apiVersion: 1\nkind: [Pod]\nmetadata: {name: 7}\n".into()),
        ("no name", "name.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {}\n".into()),
        ("tabs", "tabs.yaml", "apiVersion: v1\n\tkind: Pod\n".into()),
        ("cut", "cut.json", "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\"".into()),
        ("cut", "cut.yaml", list("- apiVersion: v1\n  kind: Pod\n  metadata: {name: ")),
        ("empty", "empty.yaml", String::new()),
        ("separators", "separators.yaml", "---\n---\n...\n---\n".into()),
        ("binary value", "binary.yaml", format!("{POD}data: !!binary |\n  R0lGODlhDAAMAIQAAP//9/X17unp5WZmZg==\n")),
        ("2 MB line", "long.yaml", format!("{POD}x: {}\n", "y".repeat(2 * 1024 * 1024))),
        ("metrics", "metrics/m.json", "{\"status\": \"success\", \"data\": 7}".into()),
        ("manifest", "bundle.yaml", "capturedAt: yesterday\n".into()),
        ("manifest", "bundle.yaml", "[]".into()),
        ("log of nobody", "logs/shop/good/app.log.gz", "x".into()),
        ("log too shallow", "logs/app.log", "x".into()),
    ];
    files.extend(texts.into_iter().map(|(what, path, text)| (what.to_owned(), path.to_owned(), text.into_bytes())));
    files
}

#[tokio::test]
async fn malformed_bundles_are_read_as_far_as_they_go() {
    for (what, path, content) in files() {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("good.yaml"), POD).unwrap();
        let file = folder.path().join(&path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, content).unwrap();
        let cluster = BundleCluster::open(folder.path(), &BundleLimits::default())
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let good = cluster.get(&ResourceRef::namespaced("Pod", "shop", "good")).await;
        assert!(good.is_ok(), "{what}: {good:?} {:?}", cluster.problems());
        for problem in cluster.problems() {
            let name = path.rsplit('/').next().unwrap();
            assert!(problem.contains(name) && problem.len() < 600, "{what}: {problem}");
        }
    }
}

#[tokio::test]
async fn nothing_outside_the_bundle_is_read() {
    let outside = TempDir::new().unwrap();
    let secret = outside.path().join("secret.yaml");
    std::fs::write(
        &secret,
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {CANARY}, namespace: shop}}\n"),
    )
    .unwrap();
    std::fs::write(outside.path().join("app.log"), CANARY).unwrap();
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("good.yaml"), POD).unwrap();
    symlink(&secret, folder.path().join("link.yaml")).unwrap();
    symlink(outside.path(), folder.path().join("folder")).unwrap();
    symlink(folder.path(), folder.path().join("loop")).unwrap();
    symlink("/dev/zero", folder.path().join("zero.yaml")).unwrap();
    let logs = folder.path().join("logs/shop");
    std::fs::create_dir_all(logs.join("good")).unwrap();
    symlink(outside.path().join("app.log"), logs.join("good/app.log")).unwrap();
    symlink(outside.path(), logs.join("other")).unwrap();
    let fifo = folder.path().join("fifo.yaml");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());

    let cluster = BundleCluster::open(folder.path(), &BundleLimits::default()).unwrap();
    let maps = cluster.list(&ListQuery::kind("ConfigMap")).await.map(|list| list.items.len()).unwrap_or(0);
    assert_eq!(maps, 0);
    assert_eq!(cluster.list(&ListQuery::kind("Pod")).await.unwrap().items.len(), 1, "once, not once per loop");
    for (pod, container) in [("good", "app"), ("other", "app"), ("../..", "app"), ("good", "../../../../etc/passwd")] {
        let query = LogQuery {
            namespace: "shop".into(),
            pod: pod.into(),
            container: Some(container.into()),
            previous: false,
            tail_lines: None,
            since: None,
        };
        let log = cluster.logs(&query).await;
        assert!(log.is_err(), "{pod}/{container}: {log:?}");
    }
    assert!(!format!("{:?}", cluster.problems()).contains(CANARY));
}

#[test]
fn malformed_configurations_are_told_in_one_line() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("config.yaml");
    let mut noise = Noise(7);
    let mut texts: Vec<Vec<u8>> = (0..10).map(|_| noise.bytes(300)).collect();
    let bomb: String = (1..12)
        .map(|level| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", ")))
        .collect();
    texts.extend([
        format!("a0: &a0 [x]\n{bomb}").into_bytes(),
        "[".repeat(100_000).into_bytes(),
        b"server: {port: 99999}".to_vec(),
        b"server: 8080".to_vec(),
        b"- server".to_vec(),
        b"server: {port: 1}\n---\nserver: {port: 2}\n".to_vec(),
        b"cluster: {source: kubeconfig}".to_vec(),
        b"llm: {}".to_vec(),
        b"llm: {model: x, api_kee: hunter2-not-a-key}".to_vec(),
        b"server:\n\tport: 1\n".to_vec(),
    ]);
    for text in texts {
        std::fs::write(&path, &text).unwrap();
        let shown = String::from_utf8_lossy(&text).chars().take(80).collect::<String>();
        let error = Config::load(&path).map(|_| ()).expect_err(&shown).to_string();
        assert!(error.contains("config.yaml"), "{shown}: {error}");
        assert!(error.lines().count() == 1 && error.len() < 1_000, "{shown}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn the_command_line_survives_malformed_incidents() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("incident.json");
    let good = incident();
    let mut noise = Noise(3);
    let cases =
        [noise.bytes(500), good[..good.len() / 2].to_vec(), "[".repeat(50_000).into_bytes(), vec![b' '; 2 << 20]];
    for body in cases {
        std::fs::write(&path, &body).unwrap();
        check(&path);
    }
    check(Path::new("/dev/zero"));
}

fn check(path: &Path) {
    let output = holmesgpt().arg("investigate").arg(path).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.starts_with(&format!("error: {}: ", path.display())) && told.len() < 1_000, "{told}");
}
