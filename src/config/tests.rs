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
             max_concurrent_requests, max_connections, header_timeout_seconds, body_timeout_seconds (did you mean `port`?)",
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
            "./config.yaml: investigation.timeout_seconds must be between 10 and 3600",
        ),
        (
            "shutdown: {drain_seconds: 300}",
            "./config.yaml: shutdown.endpoint_delay_seconds, drain_seconds and flush_seconds sum to 315, the most is 300",
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
