//! A corpus of secrets, wherever they may come from, never reaches a log record or a trace (operations §3.6, §9 #4, D14).

use serde_json::{Value, json};

use super::traces::Collector;
use crate::scenarios::observed::Observed;

/// Texts that hold a secret → the part that must not be seen.
const CORPUS: &[(&str, &str)] = &[
    ("password=hunter2-Corpus-01", "hunter2-Corpus-01"),
    ("\"passwd\": \"hunter2-Corpus-02\"", "hunter2-Corpus-02"),
    ("pwd: hunter2-Corpus-03", "hunter2-Corpus-03"),
    ("postgresql://svc:hunter2-Corpus-04@db:5432/app", "hunter2-Corpus-04"),
    ("redis://:hunter2-Corpus-05@cache", "hunter2-Corpus-05"),
    ("api_key=hunter2-Corpus-06", "hunter2-Corpus-06"),
    ("sk-abcdefghijklmnopqrstuvwxyz0123456789ABCD", "sk-abcdefghijklmnopqrstuvwxyz"),
    ("Authorization: Bearer abc.hunter2Corpus08.def", "hunter2Corpus08"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmF0dXJlLWh1bnRlcjI", "eyJzdWIiOiJodW50ZXIyIn0"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "ghp_abcdefghijklmnopqrstuvwxyz"),
    ("aws_secret_access_key=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY1", "wJalrXUtnFEMI"),
    ("client_secret: hunter2-Corpus-12", "hunter2-Corpus-12"),
    ("access_token=hunter2-Corpus-13", "hunter2-Corpus-13"),
];

/// The corpus as a tool's output, in a provider's error, and in what a model says.
fn scenario() -> String {
    let told = CORPUS.iter().map(|(text, _)| *text).collect::<Vec<_>>().join("\n");
    let lines = CORPUS.iter().map(|(text, _)| format!("        {text}\n")).collect::<String>();
    let quoted = Value::from(told).to_string();
    format!(
        "title: secrets everywhere
data_storage: {{}}
bundle:
  extra.yaml: |
    apiVersion: v1
    kind: ConfigMap
    metadata:
      name: notes
      namespace: shop
      annotations: {{owner: an-annotation-nobody-logs}}
    data:
      all: |
{lines}script:
  - reply: {{status: 500, raw: {quoted}}}
  - reply: {{text: {quoted}, calls: [{{name: kubectl_get_yaml, arguments: {{kind: ConfigMap, name: notes, namespace: shop}}}}]}}
  - reply: {{calls: [{{name: kubectl_get_yaml, arguments: {{kind: ConfigMap, name: {quoted}, namespace: shop}}}}]}}
  - reply: {{calls: [{{as: cause}}]}}
  - reply: {{calls: [{{as: choice}}]}}
expect: {{verdict: remediate}}
"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_never_reach_the_log_or_a_trace() {
    let collector = Collector::start().await;
    let more = json!({"logging": {"level": "DEBUG"}, "telemetry": {"endpoint": collector.url(), "log_sink": true}});
    let mut observed = Observed::start(&scenario(), &more, &[]).await;
    let all = CORPUS.iter().map(|(text, _)| *text).collect::<Vec<_>>().join(" | ");
    observed.incident["description"] = all.clone().into();
    observed.incident["error_message"] = all.clone().into();
    observed.incident["signal_annotations"] = json!({ "note": all, "password": "hunter2-Corpus-90" });
    observed.investigate().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = format!("http://{}", observed.service.address);
    for (text, _) in CORPUS {
        let request = client.get(format!("{address}/api/v1/incident/session/x")).bearer_auth(text);
        let request = request.header("x-api-key", *text).header("user-agent", *text).header("x-request-id", *text);
        assert_eq!(request.send().await.unwrap().status(), 401);
        let query: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        let request = client.post(format!("{address}/api/v1/incident/analyze?token={query}")).body((*text).to_owned());
        assert_eq!(request.send().await.unwrap().status(), 401);
    }
    let (_, metrics) = observed.caller.get(&observed.service, "/metrics").await;
    assert!(!metrics.contains(r#"aiagent_api_sanitizer_redactions_total{where="log"} 0"#), "{metrics}");
    let records = observed.end().await;
    let events = |name: &str| records.iter().filter(|record| record["event"] == name).count();
    assert!(events("tool_call_data") > 0 && events("span_finished") > 5, "the log is not at debug");
    let mut lines: Vec<String> = records.iter().map(ToString::to_string).collect();
    lines.extend(collector.bodies().iter().map(ToString::to_string));
    assert!(lines.iter().any(|line| line.contains("[REDACTED")), "nothing was taken out");
    let secrets = CORPUS.iter().map(|(_, secret)| *secret).chain([
        "hunter2-Corpus-90",
        "sk-scenario-key",
        "an-annotation-nobody-logs",
    ]);
    for secret in secrets {
        if let Some(line) = lines.iter().find(|line| line.contains(secret)) {
            panic!("{secret} in {line}");
        }
    }
}
