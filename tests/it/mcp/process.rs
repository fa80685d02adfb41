//! MCP servers as an operator meets them: `doctor`, proxies, placeholders, and a change of the list under a running service.

use std::path::Path;

use holmesgpt_api::config::{Loader, Variables};
use serde_json::{Value, json};

use super::until;
use crate::process::{Caller, Service, holmesgpt, root};
use crate::stubs::mcp::{Manner, McpStub};
use crate::stubs::provider::{Answer, Provider};

/// Everything on this machine, with these servers and these keys more.
fn write(folder: &Path, servers: &Value, more: &Value) {
    let mut config = json!({
        "auth": {"mode": "token"}, "audit": {"sink": "local"}, "catalogue": {"source": "directory"},
        "cluster": {"source": "bundle", "bundle": root().join("examples/oom-cart-api/bundle")},
        "mcp_servers": servers,
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    std::fs::write(folder.join("config.yaml"), config.to_string()).unwrap();
}

fn rows(folder: &Path, environment: &[(&str, &str)]) -> Vec<Value> {
    let mut command = holmesgpt();
    command.args(["doctor", "--json", "--config"]).arg(folder.join("config.yaml"));
    command.arg("--state-dir").arg(folder).envs(environment.iter().copied());
    // The stubs answer on other threads meanwhile.
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"));
    let checks = report["checks"].as_array().unwrap().iter();
    let mut rows: Vec<Value> = checks.filter(|row| row["area"] == "tool_servers").cloned().collect();
    rows.sort_by_key(|row| row["name"].as_str().unwrap().to_owned());
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_has_a_row_for_each_server() {
    let stub = McpStub::start(Manner::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/mcp", stub.address);
    let servers = json!({
        "a-good": {"url": url, "allowed_tools": ["find"], "headers": {"Authorization": "Bearer {{ env.BOARDS }}"}},
        "b-typo": {"url": url, "allowed_tools": ["find", "fnd"]},
        "c-none": {"config": {"url": url}},
        "d-down": {"url": "http://127.0.0.1:9/mcp", "allowed_tools": ["find"]},
        "e-off": {"url": "http://127.0.0.1:9/mcp", "enabled": false},
        "f-far": {"url": "http://tools.invalid/mcp", "allowed_tools": ["find"]},
    });
    write(folder.path(), &servers, &json!({}));
    let found = rows(folder.path(), &[("BOARDS", "s3cret"), ("HTTP_PROXY", &stub.address), ("NO_PROXY", "127.0.0.1")]);
    let expected = [
        ("MCP server a-good", "ok", "tools found: 3, offered: find", ""),
        ("MCP server b-typo", "warning", "offered: 1; of the allowed ones, fnd are not there", "find, read, drop"),
        ("MCP server c-none", "warning", "none is allowed: find, read, drop", "mcp_servers.c-none.allowed_tools"),
        ("MCP server d-down", "failed", "cannot be reached (Connection refused", "mcp_servers.d-down.url"),
        // Through the proxy of the environment.
        ("MCP server f-far", "ok", "offered: find", ""),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((name, status, seen, mend), row) in expected.into_iter().zip(&found) {
        assert_eq!((&row["name"], &row["status"]), (&json!(name), &json!(status)), "{row}");
        assert!(row["seen"].as_str().unwrap().contains(seen), "{row}");
        assert!(row["mend"].as_str().unwrap_or_default().contains(mend), "{row}");
    }
    assert!(stub.asked().iter().any(|asked| asked.header("authorization") == "Bearer s3cret"));
    assert!(stub.asked().iter().any(|asked| asked.header("host") == "tools.invalid"));
}

/// The example of `docs/mcp.md` is a configuration as it stands.
#[test]
fn the_documented_example_is_understood() {
    let page = std::fs::read_to_string(root().join("docs/mcp.md")).unwrap();
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, example).unwrap();
    let load = |variables: &[(&str, &str)]| Loader::new(&path, Variables::of(variables)).load();
    let loaded = load(&[("BOARDS_TOKEN", "s3cret")]).unwrap();
    let asked: Vec<(&str, usize)> =
        loaded.config.mcp_servers.asked().map(|(name, server)| (name, server.allowed_tools.len())).collect();
    assert_eq!((asked, loaded.ignored.len()), (vec![("boards", 2)], 0));
    assert!(load(&[]).unwrap_err().to_string().contains("the variable BOARDS_TOKEN is not set"));
}

/// Says nothing of use.
fn nonsense() -> Answer {
    Answer::json(&json!({
        "id": "x", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "I do not know."}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_list_counts_for_the_next_investigation() {
    let stub = McpStub::start(Manner::default()).await;
    let provider = Provider::start(|_, _| nonsense()).await;
    let folder = tempfile::tempdir().unwrap();
    let more = json!({
        "reload": {"poll_seconds": 0.05}, "shutdown": {"endpoint_delay_seconds": 0},
        "llm": {"provider": "openai_compatible", "endpoint": provider.address, "model": "m", "max_retries": 0,
                "streaming": false, "api_key": "sk-none"},
    });
    let server =
        |allowed: &[&str]| json!({"boards": {"url": format!("{}/mcp", stub.address), "allowed_tools": allowed}});
    write(folder.path(), &server(&["find"]), &more);
    let mut command = holmesgpt();
    command.args(["serve", "--port", "0", "--config"]).arg(folder.path().join("config.yaml"));
    command.arg("--state-dir").arg(folder.path().join("state"));
    let service = Service::started(command);
    let caller = Caller::of(&folder.path().join("state"));
    let incident = std::fs::read(root().join("examples/oom-cart-api/incident.json")).unwrap();
    let offered = async |number: u32| {
        let before = provider.count();
        let mut incident: Value = serde_json::from_slice(&incident).unwrap();
        incident["remediation_id"] = json!(format!("rr-{number}"));
        let session = caller.post(&service, incident.to_string().into_bytes()).await;
        caller.result(&service, &session).await;
        let first = provider.asked()[before].json();
        let tools = first["tools"].as_array().unwrap().iter();
        let names: Vec<String> = tools.map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect();
        ["find", "read"].into_iter().filter(|name| names.iter().any(|offered| offered == name)).collect::<Vec<_>>()
    };
    assert_eq!(offered(1).await, ["find"]);
    write(folder.path(), &server(&["read", "find"]), &more);
    let reloaded = service.wait_for("config_reloaded");
    assert_eq!(reloaded["changed"], "mcp_servers.boards.allowed_tools");
    assert_eq!(offered(2).await, ["find", "read"]);
    write(folder.path(), &json!({}), &more);
    service.wait_for("config_reloaded");
    assert_eq!(offered(3).await, Vec::<&str>::new());
    // Both connections are over: that of the first list and that of the second.
    until(|| stub.story().iter().filter(|what| *what == "DELETE").count() == 2).await;
}
