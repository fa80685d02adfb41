//! MCP servers against a stub: what is asked over both transports, what is offered, and what is told when a server
//! misbehaves.

mod peers;
mod process;

use std::sync::Arc;
use std::time::{Duration, Instant};

use holmesgpt_api::redaction::Redactor;
use holmesgpt_api::tools::mcp::{McpPool, McpServers, McpServersConfig, Offer, Served};
use holmesgpt_api::tools::{Content, Invocation, Tool, ToolOutput, ToolStatus, arguments};
use serde_json::{Value, json};

use crate::stubs::mcp::{Manner, McpStub};
use crate::stubs::scripted::Scripted;

/// Waits for what happens behind the back of a test.
const PATIENCE: Duration = Duration::from_secs(5);

fn config(servers: Value) -> McpServersConfig {
    let config: McpServersConfig = serde_json::from_value(servers).unwrap();
    assert_eq!(config.check(), Ok(()));
    config
}

/// One server at an address, with further settings.
fn one(url: &str, more: Value) -> McpServersConfig {
    let mut server = json!({"url": url, "allowed_tools": ["find", "drop"], "timeout_seconds": 5});
    server.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config(json!({"boards": server}))
}

fn offer(served: &[Served], servers: &McpServers) -> Offer {
    Offer::of(served, [], servers, &Redactor::new([7; 32]))
}

async fn call(tool: &Arc<dyn Tool>, given: Value) -> ToolOutput {
    let name = &tool.definition().name;
    let checked = arguments::check(&tool.definition().parameters, given.as_object().unwrap()).unwrap();
    tool.call(Invocation { name, arguments: &checked.arguments }).await
}

fn told(output: &ToolOutput, status: ToolStatus) -> &str {
    let Content::Text(text) = &output.content else { panic!("{output:?}") };
    assert_eq!(output.status, status, "{text}");
    text
}

/// What one server offers, the servers held so that connections stay.
async fn opened(config: &McpServersConfig) -> (McpServers, Offer) {
    let servers = McpPool::default().servers(config).unwrap();
    let served = servers.served().await;
    assert!(served[0].problem.is_none(), "{served:?}");
    let offer = offer(&served, &servers);
    (servers, offer)
}

async fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it never came to be");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn both_transports_list_every_page_and_call() {
    let hello = ["initialize", "notifications/initialized", "tools/list", "tools/list", "tools/call"];
    let over_stream: Vec<&str> = ["GET"].into_iter().chain(hello).collect();
    for (path, settings, events, expected) in [
        ("/mcp", json!({}), false, hello.to_vec()),
        ("/mcp", json!({"mode": "streamable-http"}), false, hello.to_vec()),
        ("/sse", json!({"mode": "sse"}), false, over_stream.clone()),
        // Where earlier versions looked.
        ("", json!({"mode": "sse"}), false, over_stream.clone()),
        ("/mcp", json!({}), true, hello.to_vec()),
        ("/sse", json!({"mode": "sse"}), true, over_stream.clone()),
        // Found out: the current transport is not there.
        ("/sse", json!({}), false, over_stream.clone()),
        ("", json!({}), false, over_stream.clone()),
    ] {
        let stub = McpStub::start(Manner { events, ..Manner::default() }).await;
        let (_servers, offer) = opened(&one(&format!("{}{path}", stub.address), settings.clone())).await;
        let names: Vec<&str> = offer.tools.iter().map(|tool| tool.definition().name.as_str()).collect();
        assert_eq!(names, ["find", "drop"], "{path} {settings}");
        assert_eq!(offer.tools[0].toolset(), "mcp/boards");
        let output = call(&offer.tools[0], json!({"q": "cpu"})).await;
        assert_eq!(told(&output, ToolStatus::Success), "three boards");
        let story: Vec<String> = stub.story().into_iter().filter(|what| what != "answer").collect();
        assert_eq!(story, expected, "{path} {settings} {events}");
        let call = stub.asked().into_iter().find(|asked| asked.what == "tools/call").unwrap();
        assert_eq!(call.message["params"], json!({"name": "find", "arguments": {"q": "cpu"}}));
        let answers: Vec<Value> =
            stub.asked().into_iter().filter(|asked| asked.what == "answer").map(|asked| asked.message).collect();
        assert_eq!(answers.is_empty(), !events);
        let is_fine = |answer: &Value| answer["result"] == json!({}) || answer["error"]["code"] == -32_601;
        assert!(answers.iter().all(is_fine), "{answers:?}");
    }
}

#[tokio::test]
async fn headers_carry_session_revision_and_the_operators_own() {
    let stub = McpStub::start(Manner::default()).await;
    let settings = json!({"headers": {"Authorization": "Bearer s3cret"}});
    let (servers, offer) = opened(&one(&format!("{}/mcp", stub.address), settings)).await;
    call(&offer.tools[0], json!({})).await;
    let asked = stub.asked();
    let [hello, rest @ ..] = asked.as_slice() else { panic!("nothing was asked") };
    assert_eq!((hello.header("mcp-session-id"), hello.header("mcp-protocol-version")), ("", ""));
    assert_eq!(hello.message["params"]["protocolVersion"], "2025-06-18");
    assert_eq!(hello.message["params"]["capabilities"], json!({}));
    for asked in rest {
        assert_eq!(asked.header("mcp-session-id"), "session-1", "{}", asked.what);
        assert_eq!(asked.header("mcp-protocol-version"), "2025-06-18");
    }
    for asked in &asked {
        assert_eq!(asked.header("authorization"), "Bearer s3cret");
        assert_eq!(asked.header("accept"), "application/json, text/event-stream");
    }
    assert!(!format!("{servers:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_session_that_is_lost_is_opened_anew() {
    for lost in [404, 400] {
        let stub = McpStub::start(Manner { lost, ..Manner::default() }).await;
        let (_servers, offer) = opened(&one(&format!("{}/mcp", stub.address), json!({}))).await;
        stub.forget();
        assert_eq!(told(&call(&offer.tools[0], json!({})).await, ToolStatus::Success), "three boards");
        let story = stub.story();
        let end = ["tools/call", "initialize", "notifications/initialized", "tools/call"];
        assert_eq!(story[story.len() - 4..], end, "{lost}");
    }
    let stub = McpStub::start(Manner::default()).await;
    let (_servers, offer) = opened(&one(&format!("{}/sse", stub.address), json!({"mode": "sse"}))).await;
    stub.forget();
    assert_eq!(told(&call(&offer.tools[0], json!({})).await, ToolStatus::Success), "three boards");
}

#[tokio::test]
async fn a_server_that_does_not_serve_offers_nothing_and_says_why() {
    let stub = McpStub::start(Manner::default()).await;
    let plain = Scripted::start().await;
    let mcp = format!("{}/mcp", stub.address);
    type Change = fn(&mut Manner);
    let cases: [(&str, Value, Change, &str); 8] = [
        ("http://127.0.0.1:9/mcp", json!({}), |_| {}, "cannot be reached (Connection refused"),
        (&mcp, json!({}), |manner| manner.status = Some(500), "answered HTTP 500: not here at all"),
        (&mcp, json!({}), |manner| manner.status = Some(302), "redirects (HTTP 302), which is not followed"),
        (&mcp, json!({}), |manner| manner.status = Some(401), "refused this service's credentials (HTTP 401)"),
        (&mcp, json!({}), |manner| manner.revision = "1999".to_owned(), "does not speak the protocol: revision 1999"),
        (&mcp, json!({"mode": "sse"}), |_| {}, "answered HTTP 40"),
        (&plain.address, json!({}), |_| {}, "answered HTTP 404"),
        (
            &stub.address,
            json!({"mode": "sse"}),
            |manner| manner.endpoint = "http://evil.example/".to_owned(),
            "another server",
        ),
    ];
    for (url, settings, change, expected) in cases {
        stub.behave(|manner| *manner = Manner::default());
        stub.behave(change);
        let servers = McpPool::default().servers(&one(url, settings)).unwrap();
        let served = servers.served().await;
        let problem = served[0].problem.clone().unwrap_or_default();
        assert!(problem.contains(expected), "{url}: {problem}, not {expected}");
        let offer = offer(&served, &servers);
        assert!(offer.tools.is_empty() && offer.warnings[0].contains("MCP server `boards`"), "{:?}", offer.warnings);
    }
}

#[tokio::test]
async fn calls_that_go_wrong_are_answers() {
    let stub = McpStub::start(Manner::default()).await;
    let (_servers, offer) = opened(&one(&format!("{}/mcp", stub.address), json!({}))).await;
    let huge = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"{}\"}}", "x".repeat(5 << 20));
    let raw = |kind: &str, body: &str| Some((kind.to_owned(), body.to_owned()));
    for (manner, expected) in [
        (Manner { status: Some(503), ..Manner::default() }, "answered HTTP 503: not here at all; go on without it"),
        (
            Manner { error: Some(json!({"code": -32_602, "message": "no\nboard"})), ..Manner::default() },
            "refused the call: no board",
        ),
        (Manner { raw: raw("application/json", &huge), ..Manner::default() }, "more than 4 MiB; ask for less"),
        (Manner { raw: raw("text/html", "<html>"), ..Manner::default() }, "content type text/html"),
        (Manner { raw: raw("application/json", "{"), ..Manner::default() }, "no JSON-RPC message"),
        (Manner { raw: raw("application/json", "{}"), ..Manner::default() }, "no answer in it"),
        (Manner { raw: raw("text/event-stream", "data: {}\n\n"), ..Manner::default() }, "broke the connection"),
    ] {
        stub.behave(|now| *now = manner);
        let output = call(&offer.tools[0], json!({})).await;
        let text = told(&output, ToolStatus::Error);
        assert!(text.starts_with("MCP server `boards` ") && text.contains(expected), "{text}, not {expected}");
    }
    stub.behave(|now| {
        *now = Manner {
            result: json!({"isError": true, "content": [{"type": "text", "text": "no"}]}),
            ..Manner::default()
        }
    });
    assert_eq!(told(&call(&offer.tools[0], json!({})).await, ToolStatus::Error), "no");
}

#[tokio::test]
async fn a_slow_call_is_given_up_and_the_server_told() {
    let stub = McpStub::start(Manner { delay_ms: 30_000, ..Manner::default() }).await;
    let settings = json!({"timeout_seconds": 1});
    let (_servers, offer) = opened(&one(&format!("{}/mcp", stub.address), settings.clone())).await;
    let output = call(&offer.tools[0], json!({})).await;
    assert!(told(&output, ToolStatus::Error).contains("did not answer within 1 s"));
    let asked = stub.asked();
    let id = asked.iter().find(|asked| asked.what == "tools/call").map(|asked| asked.message["id"].clone());
    let cancelled = asked.iter().find(|asked| asked.what == "notifications/cancelled");
    assert_eq!(cancelled.map(|asked| asked.message["params"]["requestId"].clone()), id);

    let settings = json!({"timeout_seconds": 1, "mode": "sse"});
    let (_servers, offer) = opened(&one(&format!("{}/sse", stub.address), settings)).await;
    let output = call(&offer.tools[0], json!({})).await;
    assert!(told(&output, ToolStatus::Error).contains("did not answer within 1 s"));
    // The stream that waits for the old answer is not used again.
    stub.behave(|manner| manner.delay_ms = 0);
    assert_eq!(told(&call(&offer.tools[0], json!({})).await, ToolStatus::Success), "three boards");
}

#[tokio::test]
async fn servers_are_shared_while_they_stay_the_same_and_end_with_their_last_user() {
    let stub = McpStub::start(Manner::default()).await;
    let url = format!("{}/mcp", stub.address);
    let pool = McpPool::default();
    let before = pool.servers(&one(&url, json!({}))).unwrap();
    before.served().await;
    let same = pool.servers(&one(&url, json!({}))).unwrap();
    same.served().await;
    let hellos = || stub.story().iter().filter(|what| *what == "initialize").count();
    assert_eq!(hellos(), 1);
    let changed = pool.servers(&one(&url, json!({"timeout_seconds": 6}))).unwrap();
    changed.served().await;
    assert_eq!(hellos(), 2);
    drop(before);
    assert_eq!(stub.story().iter().filter(|what| *what == "DELETE").count(), 0);
    drop(same);
    until(|| stub.story().iter().any(|what| what == "DELETE")).await;
    let ended = stub.asked().into_iter().find(|asked| asked.what == "DELETE").unwrap();
    assert_eq!(ended.header("mcp-session-id"), "session-1");
    assert!(pool.servers(&McpServersConfig::default()).unwrap().is_empty());
}

#[tokio::test]
async fn a_storm_asks_a_server_once() {
    let stub = McpStub::start(Manner::default()).await;
    let servers = McpPool::default().servers(&one(&format!("{}/mcp", stub.address), json!({}))).unwrap();
    let asking = (0..20).map(|_| servers.served());
    let served = futures_util::future::join_all(asking).await;
    assert!(served.iter().all(|one| one[0].tools.len() == 2));
    assert_eq!(stub.story(), ["initialize", "notifications/initialized", "tools/list", "tools/list"]);
}
