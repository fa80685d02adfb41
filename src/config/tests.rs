use super::*;

fn read(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    let shown = folder.path().display().to_string();
    Config::load(&path).map_err(|error| error.to_string().replace(&shown, "."))
}

#[test]
fn absent_sections_take_their_defaults() {
    let config = read("logging: {level: warning}\n").unwrap();
    assert_eq!(config.investigation.timeout_seconds, 540);
    assert_eq!(config.shutdown, ShutdownConfig { endpoint_delay_seconds: 5, drain_seconds: 30, flush_seconds: 10 });
    assert_eq!(config.host(), "0.0.0.0");
    assert_eq!(read("auth: {mode: token}\n").unwrap().host(), "127.0.0.1");
}

#[test]
fn paths_are_taken_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, "cluster: {source: bundle, bundle: dump}\ncatalogue: {directory: /workflows}\n").unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.cluster.bundle, Some(folder.path().join("dump")));
    assert_eq!(config.catalogue.directory, Some("/workflows".into()));
}

#[test]
fn every_mistake_is_told_with_its_place_and_a_remedy() {
    let cases = [
        (
            "server:\n  prot: 9\n",
            "./config.yaml:2:3: unknown field `prot`, expected one of host, port, max_body_bytes, \
             max_concurrent_requests, max_connections, header_timeout_seconds, body_timeout_seconds, health_addr, metrics_addr, admin_endpoints, profiling, rate_limit (did you mean `port`?)",
        ),
        ("server:\n  port: many\n", "./config.yaml:2:9: "),
        ("server: [\n", "./config.yaml:"),
        ("session:\n  ttl_minutes: 0\n", "./config.yaml:2:16: 0 minutes is not above 0 and at most 10080"),
        ("", "./config.yaml: cannot be read: the file is empty"),
        ("cluster: {source: bundle}", "./config.yaml: cluster.source is `bundle` but cluster.bundle names no folder"),
        (
            "investigation: {engine: model}",
            "./config.yaml: investigation.engine is `model` but there is no `llm` section",
        ),
        (
            "investigation: {timeout_seconds: 5}",
            "./config.yaml: investigation.timeout_seconds is 5, it must be between 10 and 3600",
        ),
        (
            "investigation: {recreate_action_types: ['Roll back']}",
            "./config.yaml: investigation.recreate_action_types names \"Roll back\", an action type is letters and digits",
        ),
        (
            "investigation: {namespaces: {deny: ['kube-*']}}",
            "./config.yaml: investigation.namespaces.deny names \"kube-*\", which cannot be a namespace",
        ),
        (
            "{investigation: {namespaces: {allow: [shop]}}, \
             toolsets: {prometheus/metrics: {enabled: true, config: {prometheus_url: 'http://p'}}}}",
            "./config.yaml: investigation.namespaces confines what tools read, but metrics and alerts cannot be confined",
        ),
        ("compat: {sync_timeout_seconds: 0}", "./config.yaml: compat.sync_timeout_seconds is 0, it must be 1 to 3600"),
        (
            "compat: {sync_detach_grace_seconds: 3601}",
            "./config.yaml: compat.sync_detach_grace_seconds is 3601, the most is 3600",
        ),
        ("compat: {default_mode: later}", "./config.yaml:1:24: "),
        ("auth: {session_ownership: on}", "./config.yaml:1:27: "),
        (
            "shutdown: {drain_seconds: 300}",
            "./config.yaml: shutdown.endpoint_delay_seconds, drain_seconds and flush_seconds sum to 315, the most is 300",
        ),
        (
            "toolsets: {prometheus/metric: {enabled: true}}",
            "./config.yaml:1:12: unknown field `prometheus/metric`, expected one of prometheus/metrics, alertmanager \
             (did you mean `prometheus/metrics`?)",
        ),
        (
            "toolsets: {prometheus/metrics: {config: {prometheus_ur: x}}}",
            "./config.yaml:1:42: unknown field `prometheus_ur`, expected one of prometheus_url, ",
        ),
        (
            "toolsets: {prometheus/metrics: {enabled: true}}",
            "./config.yaml: toolsets.\"prometheus/metrics\" is enabled but has no config.prometheus_url",
        ),
        (
            "toolsets: {prometheus/metrics: {config: {prometheus_url: 'http://p', default_query_timeout_seconds: 200}}}",
            "./config.yaml: toolsets.\"prometheus/metrics\".config.default_query_timeout_seconds is 200, it must be 1 to 180",
        ),
        (
            "toolsets: {prometheus/metrics: {config: {prometheus_url: 'http://p', additional_labels: {a-b: c}}}}",
            "./config.yaml: toolsets.\"prometheus/metrics\".config.additional_labels: `a-b` is not a label name",
        ),
        (
            "toolsets: {alertmanager: {config: {alertmanager_url: ' '}}}",
            "./config.yaml: toolsets.alertmanager.config.alertmanager_url is required",
        ),
        (
            "toolsets: {alertmanager: {config: {alertmanager_url: 'http://a', bearer_token_file: t, headers: {authorization: x}}}}",
            "./config.yaml: toolsets.alertmanager.config has both bearer_token_file and an Authorization header",
        ),
        ("server: {port: 1}\nserver: {port: 2}\n", "./config.yaml:2:1: "),
    ];
    for (text, told) in cases {
        let error = read(text).unwrap_err();
        assert!(error.starts_with(told), "{text}\n  {error}\n  {told}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn a_missing_or_binary_or_huge_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.yaml");
    assert!(Config::load(&path).unwrap_err().to_string().contains("absent.yaml: cannot be read: No such file"));
    std::fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    assert!(Config::load(&path).unwrap_err().to_string().contains("not UTF-8"));
    std::fs::write(&path, vec![b' '; 1024 * 1024 + 1]).unwrap();
    assert!(Config::load(&path).unwrap_err().to_string().contains("the most is 1048576"));
}

#[test]
fn groups_of_tools_are_on_when_named_and_their_files_are_taken_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let text = "toolsets:
  prometheus/metrics:
    config: {prometheus_url: http://prometheus:9090, bearer_token_file: token, prometheus_ssl_ca_file: /ca.pem}
  alertmanager: {enabled: false}
";
    std::fs::write(&path, text).unwrap();
    let config = Config::load(&path).unwrap();
    let prometheus = config.toolsets.prometheus().unwrap();
    assert_eq!(prometheus.bearer_token_file, Some(folder.path().join("token")));
    assert_eq!(prometheus.prometheus_ssl_ca_file, Some("/ca.pem".into()));
    assert_eq!((prometheus.metadata_limit, prometheus.query_response_size_limit), (100, 30_000));
    assert_eq!(config.toolsets.alertmanager(), None);
    assert_eq!(read("toolsets: {}\n").unwrap().toolsets.prometheus(), None);
    assert_eq!(read("toolsets: {prometheus/metrics: {enabled: false}}\n").unwrap().toolsets.prometheus(), None);
}
