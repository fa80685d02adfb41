//! Names of earlier versions, and tools that are not told apart (operations §4.4, §4.5).

use tempfile::TempDir;

use crate::process::{Caller, Service, root};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_names_and_undistinguished_tools_are_a_matter_of_configuration() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("config.yaml");
    let root = root().display();
    std::fs::write(
        &file,
        format!(
            "auth: {{mode: token}}\ncluster: {{source: bundle, bundle: {root}/examples/oom-cart-api/bundle}}\n\
             catalogue: {{source: directory}}\naudit: {{sink: local}}\nshutdown: {{endpoint_delay_seconds: 0}}\n\
             llm: {{provider: mock, model: mock-model}}\nreload: {{enabled: false}}\n\
             metrics: {{legacy_names: [holmesgpt_api, holmesgpt], per_tool: false}}\n"
        ),
    )
    .unwrap();
    let state = home.path().join("state");
    let service = Service::start(&state, &["serve", "--config", file.to_str().unwrap()]);
    let caller = Caller::of(&state);
    let incident = std::fs::read(format!("{root}/examples/oom-cart-api/incident.json")).unwrap();
    let session = caller.post(&service, incident).await;
    caller.result(&service, &session).await;
    let stranger = reqwest::Client::new().get(format!("http://{}/api/v1/nowhere", service.address));
    assert_eq!(stranger.send().await.unwrap().status().as_u16(), 401);
    caller.get(&service, "/api/v1/incident/session/7d1f6a52-9c0e-4b7a-8b54-0d7f4a1c9e11").await;

    let text = caller.get(&service, "/metrics").await.1;
    for prefix in ["holmesgpt_api", "holmesgpt"] {
        for series in [
            r#"investigations_total{endpoint="/api/v1/incident/analyze",method="POST",status="202"} 1"#,
            r#"http_requests_total{endpoint="/api/v1/incident/session/{id}",method="GET",status="404"} 1"#,
            r#"rfc7807_errors_total{error_type="not-found",status_code="404"} 1"#,
            r#"rfc7807_errors_total{error_type="unauthorized",status_code="401"} 1"#,
            r#"auth_failures_total{endpoint="unmatched",reason="missing_auth_header"} 1"#,
            r#"active_requests{endpoint="/metrics",method="GET"} 1"#,
            "config_reload_total 0",
        ] {
            assert!(text.contains(&format!("\n{prefix}_{series}\n")), "{prefix}_{series} in\n{text}");
        }
        for begins in [r#"auth_success_total{role="user""#, r#"llm_calls_total{model="mock-model",provider="mock""#] {
            assert!(text.contains(&format!("\n{prefix}_{begins}")), "{prefix}_{begins} in\n{text}");
        }
    }
    let tools: Vec<&str> =
        text.lines().filter(|line| line.starts_with("aiagent_investigation_tool_calls_total{")).collect();
    assert!(matches!(tools.as_slice(), [only] if only.contains(r#"{tool_name="all"}"#)), "{tools:?}");
}
