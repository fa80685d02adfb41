//! The providers' own Python libraries: they read what the stubs say, and sign as we do. `tests/peers/run` installs them and
//! runs these tests; without it they are skipped, and say so.

mod servers;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::replies::fine;
use super::{ask, seat};
use crate::process::root;
use crate::stubs::model::{Model, Step};
use crate::stubs::provider::Provider;

/// Runs a script of `tests/peers`; false when the libraries are not installed.
#[expect(clippy::print_stdout, reason = "what the peers say is told")]
async fn run(script: &str, arguments: &[&str], input: &str) -> bool {
    match said(script, arguments, input).await {
        Some(text) => {
            println!("{text}");
            true
        }
        None => false,
    }
}

/// The interpreter that has the libraries.
#[expect(clippy::print_stdout, reason = "what was skipped is told")]
fn python(wanted_for: &str) -> Option<PathBuf> {
    let found = std::env::var("PEERS_PYTHON").ok().map(PathBuf::from);
    if found.is_none() {
        println!("SKIPPED: {wanted_for} needs Python libraries; tests/peers/run installs them and runs this");
    }
    found
}

/// What a script of `tests/peers` writes.
async fn said(script: &str, arguments: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new(python(script)?);
    command.arg(root().join("tests/peers").join(script)).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    Some(text(&output.stdout))
}

#[tokio::test]
async fn the_stubs_say_what_the_real_providers_would() {
    let call = json!({"calls": [{"name": "look", "arguments": {"kind": "Pod"}}]});
    let replies = [json!({"text": "all is well"}), call.clone(), json!({"text": "all is well"}), call];
    let script: Vec<Step> =
        replies.iter().map(|reply| serde_json::from_value(json!({"reply": reply})).unwrap()).collect();
    let scripted = Model::follow(script).await;
    let every = Provider::start(|asked, _| fine(asked)).await;
    if run("openai_types.py", &[&scripted.endpoint, &every.address], "").await {
        assert_eq!(scripted.complaints(), Vec::<String>::new());
    }
    run("anthropic_types.py", &[&every.address], "").await;
}

#[tokio::test]
async fn amazons_own_library_signs_as_we_do() {
    let mut lines = Vec::new();
    for (model, token) in
        [("eu.anthropic.claude-v1:0", None), ("arn:aws:bedrock:x/y z", Some("session/+=")), ("m", None)]
    {
        let bedrock = Provider::start(|asked, _| fine(asked)).await;
        let mut variables = vec![("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "secret+/")];
        variables.extend(token.map(|token| ("AWS_SESSION_TOKEN", token)));
        let members =
            json!({"provider": "bedrock", "model": model, "aws_region": "eu-west-1", "endpoint": bedrock.address});
        ask(&seat(members, &variables)).await.unwrap();
        let asked = &bedrock.asked()[0];
        let headers: Value =
            ["authorization", "x-amz-date", "content-type"].iter().map(|name| (*name, asked.header(name))).collect();
        let signed = asked.header("authorization").split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
        let signed: Vec<&str> = signed.split(';').collect();
        lines.push(json!({"method": "POST", "url": format!("{}{}", bedrock.address, asked.path), "body": asked.text,
            "headers": headers, "signed": signed, "access_key": "AKID", "secret_key": "secret+/", "session_token": token,
            "region": "eu-west-1"}));
    }
    let mut other = lines[0].clone();
    other["secret_key"] = json!("another");
    lines.push(other);
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    run("signatures.py", &[], &input).await;
}
