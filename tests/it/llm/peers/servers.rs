//! Servers that others wrote: a LiteLLM proxy before a stub model, and moto, which checks signatures as Amazon does.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use holmesgpt_api::llm::{ErrorKind, LlmError};
use serde_json::{Value, json};

use super::{python, said};
use crate::llm::replies::fine;
use crate::llm::{ask, seat};
use crate::stubs::provider::Provider;

/// Longest start of a server; LiteLLM loads for some six seconds on an idle machine.
const START_MAX: Duration = Duration::from_secs(180);

/// A foreign server on loopback; ends when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts `program` beside the interpreter and waits until `path` answers. What it prints goes to `log`.
    async fn start(
        python: &Path,
        program: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
        path: &str,
        log: &Path,
    ) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let output = std::fs::File::create(log).unwrap();
        let mut command = Command::new(python.with_file_name(program));
        command.args(arguments).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.envs(variables.iter().copied()).stdin(Stdio::null());
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let server = Self { child: command.spawn().unwrap(), address: format!("http://127.0.0.1:{port}") };
        let (began, http) = (Instant::now(), reqwest::Client::new());
        while http.get(format!("{}{path}", server.address)).send().await.is_err() {
            assert!(began.elapsed() < START_MAX, "{program} does not start: {}", std::fs::read_to_string(log).unwrap());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        server
    }
}

#[tokio::test]
async fn a_litellm_proxy_serves_both_of_its_dialects() {
    let Some(python) = python("a LiteLLM proxy") else { return };
    let folder = tempfile::tempdir().unwrap();
    let model = Provider::start(|asked, _| fine(asked)).await;
    let (settings, log) = (folder.path().join("litellm.yaml"), folder.path().join("log"));
    let models = json!([
        {"model_name": "m", "litellm_params": {"model": "openai/m", "api_base": format!("{}/v1", model.address), "api_key": "k"}},
        {"model_name": "c", "litellm_params": {"model": "anthropic/c", "api_base": model.address, "api_key": "k"}},
    ]);
    let text = json!({"model_list": models, "general_settings": {"master_key": "sk-peer"}}).to_string();
    std::fs::write(&settings, text).unwrap();
    let arguments = ["--config", settings.to_str().unwrap()];
    // The list of prices is otherwise fetched from the network.
    let offline = [("LITELLM_LOCAL_MODEL_COST_MAP", "True"), ("DISABLE_ADMIN_UI", "True")];
    let proxy = Server::start(&python, "litellm", &arguments, &offline, "/health/liveliness", &log).await;
    for (provider, key, path) in [("litellm", "LLM_API_KEY", "/v1"), ("anthropic", "ANTHROPIC_API_KEY", "")] {
        for (name, streaming) in [("m", true), ("m", false), ("c", true), ("c", false)] {
            let endpoint = format!("{}{path}", proxy.address);
            let members = json!({"provider": provider, "model": name, "endpoint": endpoint, "streaming": streaming});
            let reply = ask(&seat(members, &[(key, "sk-peer")])).await;
            let log = || std::fs::read_to_string(&log).unwrap_or_default();
            let reply = reply.unwrap_or_else(|error| panic!("{provider} {name} {streaming}: {error}\n{}", log()));
            assert_eq!(reply.message.text, "fine", "{provider} {name} {streaming}");
            assert!(reply.usage.completion_tokens > 0, "{provider} {name} {streaming}: {:?}", reply.usage);
        }
        let members = json!({"provider": provider, "model": "m", "endpoint": format!("{}{path}", proxy.address)});
        let refused = ask(&seat(members, &[(key, "sk-wrong")])).await.unwrap_err();
        // Without a database the proxy calls any other key a bad request.
        assert!(matches!(refused.kind, ErrorKind::Auth | ErrorKind::BadRequest), "{provider}: {refused}");
    }
    assert!(model.count() >= 8, "{} calls reached the model", model.count());
}

#[tokio::test]
async fn moto_takes_our_signatures_and_refuses_those_of_a_wrong_key() {
    let Some(python) = python("moto") else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let free = [("INITIAL_NO_AUTH_ACTION_COUNT", "3")];
    let moto = Server::start(&python, "moto_server", &[], &free, "/moto-api/", &log).await;
    let key = said("aws_user.py", &[&moto.address], "").await.unwrap();
    let key: Value = serde_json::from_str(&key).unwrap();
    let (id, secret) = (key["id"].as_str().unwrap(), key["secret"].as_str().unwrap());
    let asked = async |secret: &str| -> LlmError {
        let members = json!({"provider": "bedrock", "model": "bedrock/invoke/m", "aws_region": "eu-west-1",
            "endpoint": moto.address, "streaming": false, "max_retries": 0});
        ask(&seat(members, &[("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)])).await.unwrap_err()
    };
    // Whoever is let in finds a call that moto only pretends to serve.
    let ours = asked(secret).await;
    assert!(matches!(ours.kind, ErrorKind::Decode | ErrorKind::Server), "{ours}");
    let let_in = std::fs::read_to_string(&log).unwrap();
    assert!(let_in.contains("POST /model/m/invoke") && !let_in.contains(" 403 -"), "{let_in}");
    let wrong = asked("another").await;
    assert_eq!(wrong.kind, ErrorKind::Auth, "{wrong}");
}
