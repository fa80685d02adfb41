//! The official Python SDK as the server. `tests/peers/run` installs it; without it the test is skipped and says so.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use holmesgpt_api::tools::ToolStatus;
use serde_json::json;

use super::{call, one, opened, told};
use crate::process::root;

/// Stops the server at the end of the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server over one transport, and its address.
fn start(python: &str, transport: &str) -> (Peer, String) {
    let script = root().join("tests/peers/mcp_server.py");
    let child = Command::new(python).arg(script).arg(transport).stdout(Stdio::piped()).spawn().unwrap();
    let mut peer = Peer(child);
    let mut line = String::new();
    BufReader::new(peer.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (peer, line.trim().to_owned())
}

#[tokio::test]
async fn the_official_server_is_understood() {
    let Ok(python) = std::env::var("PEERS_PYTHON") else {
        println!("SKIPPED: the official MCP server needs Python; tests/peers/run installs it and runs this");
        return;
    };
    for transport in ["streamable-http", "streamable-http-json", "sse"] {
        let (_peer, address) = start(&python, transport);
        for mode in [json!({}), json!({"mode": transport.trim_end_matches("-json")})] {
            let mut settings = mode;
            settings["allowed_tools"] = json!(["add", "board", "fail", "delete_board"]);
            let (_servers, offer) = opened(&one(&address, settings)).await;
            let names: Vec<&str> = offer.tools.iter().map(|tool| tool.definition().name.as_str()).collect();
            assert_eq!(names, ["add", "board", "fail"], "{transport}: what deletes is not offered");
            let sum = call(&offer.tools[0], json!({"a": 2, "b": 3})).await;
            assert_eq!(told(&sum, ToolStatus::Success), "5");
            let board = call(&offer.tools[1], json!({"name": "cpu"})).await;
            assert_eq!(board.content, holmesgpt_api::tools::Content::Json(json!({"name": "cpu", "panels": 3})));
            let failed = call(&offer.tools[2], json!({})).await;
            assert!(told(&failed, ToolStatus::Error).contains("Error executing tool fail"), "{failed:?}");
        }
    }
}
