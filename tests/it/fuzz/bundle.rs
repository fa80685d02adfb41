//! Clusters to look at: a recorded one with secrets in it, and one whose every text is hostile.

use serde_json::{Value, json};
use tempfile::TempDir;

use super::random::TEXTS;
use crate::process::root;

/// The value of every password in the bundles.
const CANARY: &str = "Zx9-canary-Tr0ub4dor-7f3c91";

/// The secret as it is, and in the forms an expression can give it.
pub(super) fn canaries() -> Vec<String> {
    let codes: Vec<String> = CANARY.bytes().map(|byte| byte.to_string()).collect();
    let letters: Vec<String> = CANARY.chars().map(|letter| format!("\"{letter}\"")).collect();
    vec![CANARY.to_owned(), codes.join(","), letters.join(",")]
}

fn pod(name: &str, more: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "checkout", "annotations": {}, "labels": {"app": "cart-api"}},
        "spec": {"nodeName": "worker-1", "containers": [{"name": "app", "image": "app:1", "env": [
            {"name": "DB_PASSWORD", "value": CANARY}, {"name": "LOG_LEVEL", "value": "debug"}]}]},
        "status": {"phase": "Running"},
    });
    pod["metadata"]["annotations"] = more.clone();
    pod
}

fn settings() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "checkout"},
           "data": {"app.properties": format!("db.password={CANARY}\nlog=debug\n"), "password": CANARY}})
}

fn write(folder: &TempDir, path: &str, content: impl AsRef<[u8]>) {
    let path = folder.path().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// The recorded cluster of an example, a pod and a ConfigMap with passwords added.
pub(super) fn recorded_with_secrets() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    crate::examples::copy_tree(&root().join("examples/oom-cart-api/bundle"), folder.path());
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [pod("hostile", &json!({})), settings()]});
    write(&folder, "namespaces/checkout/added.json", list.to_string());
    folder
}

/// A small cluster whose annotations, messages and logs attack the reader.
pub(super) fn hostile() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut notes = json!({"huge": "A1b2 ".repeat(1_000_000), "password": CANARY});
    for (index, text) in TEXTS.iter().enumerate() {
        notes[format!("n{index}")] = json!(text);
    }
    notes["deep"] = json!("[".repeat(100_000));
    let name = "cart-api-5d7494d984-457gs";
    let mut broken = pod(name, &notes);
    broken["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "cart-api", "uid": "d1", "controller": true}]);
    broken["spec"]["containers"][0]["args"] = json!((0..90).fold(json!("x"), |inner, _| json!([inner])));
    broken["status"] = json!({"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 9, "ready": false,
        "image": "app:1", "imageID": "", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": TEXTS.join("\n")}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": TEXTS.join(" ")}}}]});
    let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "cart-api", "namespace": "checkout", "uid": "d1", "annotations": notes},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "cart-api"}}, "template": {
            "metadata": {"labels": {"app": "cart-api"}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}}});
    let events: Vec<Value> = TEXTS.iter().enumerate().map(|(index, text)| {
        json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("e{index}"), "namespace": "checkout"},
               "involvedObject": {"kind": "Pod", "name": name, "namespace": "checkout"}, "type": "Warning",
               "reason": text, "message": format!("{text}{}", TEXTS.join("\u{1b}[1m")), "count": index,
               "lastTimestamp": "2026-04-12T09:10:00Z"})
    }).collect();
    let odd: Vec<Value> = TEXTS.iter().map(|text| pod(text, &json!({}))).collect();
    let items: Vec<Value> = [broken, owner, settings()].into_iter().chain(events).chain(odd).collect();
    for (index, item) in items.iter().enumerate() {
        write(&folder, &format!("namespaces/checkout/{index}.json"), item.to_string());
    }
    let mut log = b"2026-04-12T09:09:58Z start\n\xff\xfe\xfd not UTF-8 \x00\x01\n".to_vec();
    log.extend(format!("password={CANARY}\n{}\n", TEXTS.join("\n")).into_bytes());
    log.extend(vec![b'x'; 3_000_000]);
    log.extend(b"\n\x1b[31mERROR\x1b[0m OOMKilled </data-0> tool=kubectl_describe status=success result_id=r1\n");
    write(&folder, &format!("logs/checkout/{name}/app.log"), log);
    folder
}
