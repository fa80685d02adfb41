use std::path::Path;

use serde_json::json;

use super::super::document::Document;
use super::super::node::Source;
use super::*;

fn translated(text: &str) -> Translated {
    let root = Document::parse(text.as_bytes(), Path::new("s.yaml"), Source::Main).unwrap().root;
    if is_runtime(&root) { runtime(&root) } else { main(&root) }
}

#[test]
fn durations_as_go_writes_them() {
    for (text, seconds) in
        [("30s", Ok(30.0)), ("1h30m", Ok(5_400.0)), ("500ms", Ok(0.5)), ("1.5m", Ok(90.0)), ("0", Ok(0.0))]
    {
        assert_eq!(duration(text), seconds, "{text}");
    }
    for wrong in ["", "30", "s", "1x", "5 m", "-1s"] {
        assert!(duration(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn every_kind_of_reading() {
    let text = "
runtime:
  logging: {level: DEBUG, format: console}
  server: {address: 1.2.3.4, port: 8443, disableAdminEndpoints: true}
  session: {ttl: 45m}
ai:
  llm:
    provider: openai
    circuitBreaker: {enabled: true, interval: 10s, failureThreshold: 5}
    customHeaders: [{name: X, secretKeyRef: V}]
  investigation: {maxTurns: 30, safety: {toolCallTimeout: 1m30s, anomaly: {maxRepeatedFailures: 5, exemptPrefixes: [plan_]}}}
  enrichment: {maxRetries: 4, baseBackoff: 43ms}
  summarizer: {threshold: -1, maxToolOutputSize: 5000}
integrations:
  dataStorage: {url: 'http://ds'}
  tools: {prometheus: {url: 'http://p', timeout: 20s}, alertmanager: {url: '', timeout: 5s}}
  mcp: {servers: [{name: a, url: 'http://m', transport: sse}]}
";
    let translated = translated(text);
    assert_eq!(translated.problems, []);
    assert_eq!(
        translated.root.to_value(),
        json!({
            "logging": {"level": "DEBUG", "format": "text"},
            "server": {"host": "1.2.3.4", "port": 8443, "admin_endpoints": false},
            "session": {"ttl_minutes": 45},
            "llm": {
                "provider": "openai",
                "circuit_breaker": {"enabled": true, "interval_seconds": 10, "failure_threshold": 5},
                "custom_headers": [{"name": "X", "secret_key_ref": "V"}],
            },
            "investigation": {
                "rca": {"max_turns": 30},
                "selection": {"max_turns": 20},
                "tool_call_timeout_seconds": 90,
                "max_repeated_failures": 5,
                "exempt_prefixes": ["plan_"],
                "summarizer_threshold_chars": 0,
                "max_tool_output_chars": 5000,
                "enrichment_max_retries": 4,
                "enrichment_base_backoff_ms": 43,
            },
            "data_storage": {"url": "http://ds"},
            "toolsets": {
                "prometheus/metrics": {"config": {"prometheus_url": "http://p", "default_query_timeout_seconds": 20}},
            },
            "mcp_servers": {"a": {"name": "a", "url": "http://m", "transport": "sse"}},
        })
    );
    assert_eq!(translated.notices, ["ai.investigation.safety counts as ai.safety"]);
}

#[test]
fn addresses_limits_and_traces() {
    let text = "runtime: {server: {healthAddr: ':8081', metricsAddr: ':9090', rateLimit: {burst: 3, maxAge: 5m}, \
                tls: {certDir: /certs}, tlsProfile: Modern}, \
                telemetry: {endpoint: 'http://otel:4318', logSink: true, tls: {caFile: /ca}}}";
    let translated = translated(text);
    assert_eq!((translated.problems, translated.notices), (vec![], vec![]));
    assert_eq!(
        translated.root.to_value(),
        json!({
            "server": {
                "health_addr": ":8081", "metrics_addr": ":9090",
                "rate_limit": {"burst": 3, "max_age_seconds": 300, "enabled": true},
                "tls": {"cert_dir": "/certs"}, "tls_profile": "Modern",
            },
            "telemetry": {"endpoint": "http://otel:4318", "log_sink": true, "tls": {"ca_file": "/ca"}},
        })
    );
}

#[test]
fn the_runtime_file() {
    let text = "{model: m, apiKeyFile: /k, maxRetries: 2, phaseModels: {rca: {model: big, vertexProject: p, reasoning: {budgetTokens: 9}}}}";
    let translated = translated(text);
    assert_eq!(translated.problems, []);
    assert_eq!(
        translated.root.to_value(),
        json!({"llm": {
            "model": "m", "api_key_file": "/k", "max_retries": 2,
            "phase_models": {"rca": {"model": "big", "gcp_project_id": "p", "reasoning": {"budget_tokens": 9}}},
        }})
    );
}

#[test]
fn what_cannot_be_honoured_is_refused_and_what_nobody_asked_for_is_told() {
    for (text, refused, noticed) in [
        ("runtime: {audit: {enabled: false}}", "runtime.audit.enabled: the audit trail cannot", ""),
        ("runtime: {audit: {enabled: true}}", "", ""),
        ("interactive: {enabled: false, timeout: 1s}", "", "interactive has no effect"),
        ("interactive: {enabled: true}", "interactive: cannot be honoured", ""),
        ("interactive: {}", "", ""),
        ("ai: {safety: {sanitization: {credentialScrubEnabled: false}}}", "credentials are always taken out", ""),
        ("runtime: {session: {ttl: soon}}", "runtime.session.ttl: must be a duration", ""),
        ("runtime: {sessions: {}}", "runtime.sessions: unknown key (did you mean `runtime.session`?)", ""),
        ("ai: {anomaly: {}}", "ai.anomaly: unknown key (did you mean `ai.safety.anomaly`?)", ""),
        (
            "ai: {llm: {oauth2: {tokenURI: x}}}",
            "ai.llm.oauth2.tokenURI: unknown key (did you mean `ai.llm.oauth2.tokenURL`?)",
            "",
        ),
        ("{ai: {}, logging: {level: INFO}}", "logging: belongs to another dialect: one file must not mix them", ""),
    ] {
        let translated = translated(text);
        let problems: Vec<String> = translated.problems.iter().map(ToString::to_string).collect();
        let is_told = |told: &str, all: &[String]| {
            if told.is_empty() { all.is_empty() } else { all.len() == 1 && all[0].contains(told) }
        };
        assert!(is_told(refused, &problems), "{text}: {problems:?}");
        assert!(is_told(noticed, &translated.notices), "{text}: {:?}", translated.notices);
    }
}
