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

/// Text, where the mistake is, and what is told.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("server:\n  prot: 9\n", ":2:3", "server.prot: unknown key (did you mean `server.port`?)"),
    ("server:\n  port: many\n", ":2:9", "server.port: must be a whole number, 0 to 65535, not text"),
    ("server: {port: 99999}", ":1:16", "server.port: is 99999, it must be a whole number, 0 to 65535"),
    ("server: 8080", ":1:9", "server: must be a map of keys"),
    ("server: [\n", ":", ""),
    ("session:\n  ttl_minutes: 0\n", ":2:16", "session.ttl_minutes: is 0, it must be above 0 and at most 10080"),
    ("", "", "the file is empty"),
    ("cluster: {source: bundle}", ":1:19", "cluster.source is `bundle` but cluster.bundle names no folder"),
    ("investigation: {engine: model}", ":1:25", "investigation.engine is `model` but there is no `llm` section"),
    (
        "investigation: {timeout_seconds: 5}",
        ":1:34",
        "investigation.timeout_seconds: is 5, it must be a whole number, 10 to 3600",
    ),
    (
        "investigation: {recreate_action_types: ['Roll back']}",
        ":1:41",
        "investigation.recreate_action_types names \"Roll back\", an action type is",
    ),
    (
        "investigation: {namespaces: {deny: ['kube-*']}}",
        ":1:37",
        "investigation.namespaces.deny names \"kube-*\", which cannot be a namespace",
    ),
    (
        "{investigation: {namespaces: {allow: [shop]}}, \
         toolsets: {prometheus/metrics: {enabled: true, config: {prometheus_url: 'http://p'}}}}",
        ":1:39",
        "investigation.namespaces confines what tools read, but metrics and alerts cannot be confined",
    ),
    (
        "compat: {sync_timeout_seconds: 0}",
        ":1:32",
        "compat.sync_timeout_seconds: is 0, it must be a whole number, 1 to 3600",
    ),
    ("compat: {default_mode: later}", ":1:24", "compat.default_mode: must be one of async, sync"),
    ("auth: {session_ownership: on}", ":1:27", "auth.session_ownership: must be one of off, enforce"),
    (
        "shutdown: {drain_seconds: 300}",
        ":1:27",
        "shutdown.endpoint_delay_seconds, drain_seconds and flush_seconds sum to 315, the most is 300",
    ),
    (
        "toolsets: {prometheus/metric: {enabled: true}}",
        ":1:12",
        "toolsets.prometheus/metric: unknown group of tools, known are alertmanager, kubernetes/core, kubernetes/live-metrics",
    ),
    (
        "toolsets: {prometheus/metrics: {config: {prometheus_ur: x}}}",
        ":1:42",
        "toolsets.prometheus/metrics.config.prometheus_ur: unknown key (did you mean",
    ),
    (
        "toolsets: {prometheus/metrics: {enabled: true}}",
        ":1:42",
        "toolsets.\"prometheus/metrics\" is enabled but has no config.prometheus_url",
    ),
    (
        "toolsets: {prometheus/metrics: {config: {prometheus_url: 'http://p', default_query_timeout_seconds: 200}}}",
        ":1:101",
        "toolsets.prometheus/metrics.config.default_query_timeout_seconds: is 200, it must be a whole number, 1 to 180",
    ),
    (
        "toolsets: {prometheus/metrics: {config: {prometheus_url: 'http://p', additional_labels: {a-b: c}}}}",
        ":1:95",
        "toolsets.\"prometheus/metrics\".config.additional_labels: `a-b` is not a label name",
    ),
    (
        "toolsets: {alertmanager: {config: {alertmanager_url: ' '}}}",
        ":1:35",
        "toolsets.alertmanager.config.alertmanager_url is required",
    ),
    (
        "toolsets: {alertmanager: {config: {alertmanager_url: 'http://a', bearer_token_file: t, headers: {authorization: x}}}}",
        ":1:",
        "toolsets.alertmanager.config has both bearer_token_file and an Authorization header",
    ),
    ("server: {port: 1}\nserver: {port: 2}\n", ":2:1", ""),
    ("llm: {}", ":1:6", "llm.model: is required: name the model in the `llm` section, or with LLM_MODEL"),
    ("llm: {model: 4}", ":1:14", "llm.model: must be text, not a number: put it in quotes"),
    ("llm: {model: m, provider: cohere}", ":1:27", "llm.provider: unknown provider `cohere`, expected one of"),
    (
        "llm: {model: m, endpoint: 'ftp://user:hunter2@h'}",
        ":1:27",
        "llm.endpoint: must be an absolute address: http://… or https://…",
    ),
    ("server: {health_addr: 'nowhere'}", ":1:", "server.health_addr"),
    (
        "metrics: {legacy_names: [holmesgpt_apo]}",
        ":1:",
        "metrics.legacy_names: must be one of holmesgpt_api, holmesgpt (did you mean `holmesgpt_api`?)",
    ),
    (
        "investigation: {exempt_prefixes: ['']}",
        ":1:",
        "investigation.exempt_prefixes has \"\", a prefix is 1 to 64 characters",
    ),
    (
        "prompt: {confidence_threshold_human_review: 0}",
        ":1:",
        "prompt.confidence_threshold_human_review: is 0, it must be above 0 and at most 1",
    ),
    ("mcp_servers: {custom: {}}", ":1:23", "mcp_servers.custom.url is required"),
    ("mcp_servers: {custom: {url: 'ftp://m'}}", ":1:29", "mcp_servers.custom.url: must be an absolute address"),
    ("mcp_servers: {custom: {url: 'http://m', mode: stdio}}", ":1:47", "mcp_servers.custom.mode: must be one of"),
    ("mcp_servers: [{url: 'http://m'}]", ":1:14", "mcp_servers: must be a map of keys"),
];

#[test]
fn every_mistake_is_told_with_its_place_and_a_remedy() {
    for (text, place, told) in MISTAKES {
        let error = read(text).unwrap_err();
        assert!(error.starts_with(&format!("./config.yaml{place}")), "{text}\n  {error}");
        assert!(error.contains(told), "{text}\n  {error}\n  {told}");
        assert!(error.lines().count() == 1 && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = "server: {prot: 1, port: many}\nllm:\n  model: m\n  maxRetries: 3\n  timeout_seconds: 0\n";
    let error = read(text).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0], "4 problems in the configuration");
    for told in ["server.prot: ", "did you mean `llm.max_retries`?", "server.port: ", "llm.timeout_seconds: is 0"] {
        assert!(lines.iter().any(|line| line.contains(told)), "{error}");
    }
}

#[test]
fn unknown_keys_may_be_only_warned_of_and_wrong_values_never() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let loaded = |text: &str, variables: &[(&str, &str)], flag: Option<UnknownKeys>| {
        std::fs::write(&path, text).unwrap();
        Loader::new(&path, Variables::of(variables)).with_unknown_keys(flag).load()
    };
    let misspelt = "server: {prot: 1}\n";
    assert!(loaded(misspelt, &[], None).is_err());
    let warned = loaded(misspelt, &[("CONFIG_UNKNOWN_KEYS", "warn")], None).unwrap();
    assert_eq!((warned.unknown.len(), warned.config), (1, Config::default()));
    assert!(loaded(misspelt, &[("CONFIG_UNKNOWN_KEYS", "warn")], Some(UnknownKeys::Error)).is_err());
    assert!(loaded("server: {port: x}\n", &[], Some(UnknownKeys::Warn)).is_err());
    assert!(loaded("{}\n", &[("CONFIG_UNKNOWN_KEYS", "maybe")], None).is_err());
}

#[test]
fn flags_win_over_variables_over_the_second_file_over_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let (main, sdk) = (folder.path().join("config.yaml"), folder.path().join("sdk.yaml"));
    std::fs::write(
        &main,
        "logging: {level: ERROR}\nserver: {port: 1}\nllm: {provider: ollama, model: main, oauth2: {enabled: false}, max_retries: 1}\n\
         toolsets: {alertmanager: {config: {alertmanager_url: 'http://main', timeout_seconds: 5}}}\n",
    )
    .unwrap();
    std::fs::write(
        &sdk,
        "llm: {model: sdk, timeout_seconds: 7}\ntoolsets: {alertmanager: {config: {alertmanager_url: 'http://sdk'}}}\n",
    )
    .unwrap();
    let variables = Variables::of(&[("LOG_LEVEL", "WARN"), ("API_PORT", "2"), ("LLM_MODEL", "variable")]);
    let loader = Loader::new(&main, variables).with_sdk(Some(sdk)).with_flag("--port", &["server", "port"], 3);
    let loaded = loader.load().unwrap();
    let field = |path: &str| {
        let field = loaded.fields.iter().find(|field| field.path == path).unwrap_or_else(|| panic!("{path}"));
        (field.value.as_str(), field.source, field.live)
    };
    assert_eq!(field("server.port"), ("3", Source::Flag, Live::Restart));
    assert_eq!(field("logging.level"), ("WARN", Source::Env, Live::Restart));
    assert_eq!(field("llm.model"), ("variable", Source::Env, Live::Restart));
    assert_eq!(field("llm.timeout_seconds"), ("7", Source::Sdk, Live::NextInvestigation));
    assert_eq!(field("llm.max_retries"), ("1", Source::Main, Live::NextInvestigation));
    assert_eq!(field("llm.idle_timeout_ms"), ("60000", Source::Default, Live::NextInvestigation));
    // A whole group of tools at a time.
    assert_eq!(field("toolsets.alertmanager.config.timeout_seconds"), ("20", Source::Default, Live::NextInvestigation));
    let llm = loaded.config.llm.unwrap();
    assert_eq!((llm.model.as_str(), llm.provider.as_str(), llm.timeout_seconds), ("variable", "ollama", 7));
    assert_eq!(loaded.config.server.port, 3);
}

#[test]
fn a_second_file_may_be_missing_only_where_nobody_needs_it() {
    let folder = tempfile::tempdir().unwrap();
    let (main, sdk) = (folder.path().join("config.yaml"), folder.path().join("sdk.yaml"));
    let loaded = |main_text: &str, sdk_text: Option<&str>| {
        std::fs::write(&main, main_text).unwrap();
        match sdk_text {
            Some(text) => std::fs::write(&sdk, text).unwrap(),
            None => drop(std::fs::remove_file(&sdk)),
        }
        let loader = Loader::new(&main, Variables::of(&[("SDK_CONFIG_FILE", sdk.to_str().unwrap())]));
        loader.load().map(|loaded| loaded.config.llm.map(|llm| llm.model)).map_err(|error| error.to_string())
    };
    let model = || Ok(Some("m".to_owned()));
    assert_eq!(loaded("llm: {model: m}", None), model());
    assert_eq!(loaded("llm: {model: m}", Some(" \n")), model());
    assert_eq!(loaded("llm: {model: m}", Some("toolsets: {}")), model());
    assert_eq!(loaded("{}", Some("toolsets: {}")), Ok(None));
    assert!(loaded("{}", None).unwrap_err().contains("sdk.yaml: cannot be read"));
    assert!(loaded("{}", Some("")).unwrap_err().contains("sdk.yaml: the file is empty"));
    assert!(loaded("{}", Some("server: {port: 1}")).unwrap_err().contains("belongs into the service's file"));
}

#[test]
fn a_file_in_the_credentials_directory_ranks_below_its_variable_and_above_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, "llm: {provider: azure, model: m, credentials_dir: secrets}").unwrap();
    let directory = folder.path().join("secrets");
    std::fs::create_dir(&directory).unwrap();
    for (name, text) in [("LLM_MODEL", " from-directory\n"), ("AZURE_API_BASE", "http://a"), ("AWS_REGION", "eu")] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let llm =
        |variables: &[(&str, &str)]| Loader::new(&path, Variables::of(variables)).load().unwrap().config.llm.unwrap();
    let found = llm(&[]);
    assert_eq!(
        (found.model.as_str(), found.endpoint.as_deref(), found.aws_region),
        ("from-directory", Some("http://a"), None)
    );
    assert_eq!(llm(&[("LLM_MODEL", "variable")]).model, "variable");
}

#[test]
fn variables_that_must_not_be_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, "llm: {model: m}\nlogging: {level: ERROR}\n").unwrap();
    let loaded = |variables: &[(&str, &str)]| Loader::new(&path, Variables::of(variables)).load();
    assert!(loaded(&[("ENV_MODE", "development")]).unwrap_err().to_string().starts_with("ENV_MODE: only `production`"));
    assert!(loaded(&[("ENV_MODE", "production")]).is_ok());
    assert!(loaded(&[("API_PORT", "many")]).unwrap_err().to_string().starts_with("API_PORT: server.port: must be"));
    let config = loaded(&[
        ("HOT_RELOAD_ENABLED", "no"),
        ("TEMPERATURE", "0.3"),
        ("REASONING_EFFORT", "high"),
        ("DEBUG_MODE", "true"),
        ("ENVIRONMENT", "staging"),
        ("LLM_ENDPOINT", "http://e"),
    ]);
    let config = config.unwrap().config;
    let llm = config.llm.as_ref().unwrap();
    assert!(!config.reload.enabled && llm.reasoning.enabled);
    assert_eq!((llm.temperature, llm.endpoint.as_deref()), (Some(0.3), Some("http://e")));
    assert_eq!(
        (config.logging.level, config.environment.as_deref()),
        (crate::telemetry::logging::Level::Debug, Some("staging"))
    );
    for (name, value) in [("AUTH_ENABLED", "false"), ("EXTRA_HEADERS", "x"), ("CONTEXT_API_URL", "http://c")] {
        let notices = loaded(&[(name, value)]).unwrap().notices;
        assert!(notices.iter().any(|notice| notice.starts_with(name)), "{notices:?}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let text = "llm: {model: m, api_key: hunter2, custom_headers: [{name: X, value: hunter2}], endpoint: 'http://u:hunter2@h'}\n\
                toolsets: {alertmanager: {config: {alertmanager_url: 'http://a', headers: {X: hunter2}}}}\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    let loaded = Loader::new(&path, Variables::default()).load().unwrap();
    let shown = format!("{:?}{:?}", loaded.fields, loaded.notices);
    assert!(!shown.contains("hunter2") && shown.matches("[REDACTED]").count() == 3, "{shown}");
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
