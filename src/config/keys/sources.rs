//! Where facts come from: the cluster, the catalogue, DataStorage, and groups of tools.

use super::Kind::{Address, File, Positive, Secret, Switch, Text, Whole, Word};
use super::{Key, key};

const HTTP: &[&str] = &["http", "https"];

pub(super) const KEYS: &[Key] = &[
    key(
        "cluster.source",
        Word(&["live", "bundle"]),
        "live",
        "Objects are read from the API server or from a recorded bundle.",
    ),
    key("cluster.bundle", File, "", "Folder of a recorded bundle."),
    key(
        "cluster.kubeconfig",
        File,
        "",
        "Kubeconfig; where kubectl looks, else the pod's own ServiceAccount, unless set.",
    ),
    key("cluster.context", Text, "", "Context of the kubeconfig; its current one unless set."),
    key("cluster.request_timeout_seconds", Whole(1, 120), "20", "One request to the API server."),
    key(
        "cluster.max_in_flight_requests",
        Whole(1, 1_024),
        "128",
        "Requests to the API server at the same time; further ones wait.",
    ),
    key(
        "cluster.share_lists_ms",
        Whole(0, 30_000),
        "2000",
        "How long what was read (lists, objects, events) is given to others who ask the same.",
    ),
    key(
        "catalogue.source",
        Word(&["datastorage", "custom_resources", "directory"]),
        "",
        "Where workflows come from: `datastorage` unless set, `directory` where `catalogue.directory` is.",
    ),
    key("catalogue.directory", File, "", "Folder of workflow files; the compiled-in set unless set."),
    key("catalogue.namespace", Text, "", "Where `custom_resources` are looked for; all namespaces unless set."),
    key("catalogue.refresh_seconds", Whole(0, 3_600), "30", "How old what is known about workflows may be."),
    key("data_storage.url", Address(HTTP), "http://data-storage:8080", "Base address of DataStorage.").required(),
    key(
        "data_storage.timeout",
        Whole(1, 300),
        "10",
        "Seconds for one question about workflows or history, retries included.",
    )
    .now(),
    key(
        "data_storage.health_url",
        Address(HTTP),
        "",
        "What the readiness probe asks; `/readyz`, else `/health/ready`, unless set.",
    )
    .now(),
    key(
        "data_storage.token_path",
        File,
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "Our own ServiceAccount token; read again when it changes or is refused.",
    ),
    key("data_storage.ca_file", File, "", "PEM certificates the server is checked against; contents are live.").now(),
    key(
        "data_storage.system_roots",
        Switch,
        "",
        "Whether the system's certificates count as well; only without `ca_file` unless set.",
    )
    .now(),
    key("data_storage.client_cert", File, "", "Our certificate, with `client_key`; contents are live.").now(),
    key("data_storage.client_key", File, "", "Its key.").now(),
    key("data_storage.max_connections", Whole(1, 1_024), "128", "Connections at once; at most 8 carry audit events."),
    key(
        "data_storage.circuit_breaker.enabled",
        Switch,
        "false",
        "Questions about workflows and history are suspended while the server fails.",
    )
    .now(),
    key("data_storage.circuit_breaker.max_requests", Whole(1, 100), "3", "Trial questions while half open.").now(),
    key(
        "data_storage.circuit_breaker.interval_seconds",
        Whole(1, 3_600),
        "30",
        "Window over which questions are counted.",
    )
    .now(),
    key("data_storage.circuit_breaker.timeout_seconds", Whole(1, 3_600), "30", "How long it stays open.").now(),
    key(
        "data_storage.circuit_breaker.failure_threshold",
        Whole(1, 100),
        "10",
        "Questions in the window before it may open.",
    )
    .now(),
    key("data_storage.circuit_breaker.failure_ratio", Positive(1.0), "0.5", "Share of failed ones that opens it.")
        .now(),
    key(
        "tls.ca_file",
        File,
        "",
        "PEM certificates that count beside the system's for calls to DataStorage and to the model. A missing file is only a notice.",
    ),
    key("toolsets.kubernetes/core.enabled", Switch, "true", "Tools that read objects and events.").next(),
    key("toolsets.kubernetes/logs.enabled", Switch, "true", "Tools that read logs.").next(),
    key("toolsets.kubernetes/live-metrics.enabled", Switch, "true", "Tools that tell what is used now.").next(),
    key(
        "toolsets.prometheus/metrics.enabled",
        Switch,
        "true",
        "Tools that ask Prometheus; off where the section is absent.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.prometheus_url",
        Address(HTTP),
        "",
        "Base address, with a path prefix where the server has one. Required.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.prometheus_ssl_ca_file",
        File,
        "",
        "PEM certificates that count beside the system's.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.prometheus_ssl_enabled",
        Switch,
        "true",
        "Whether the server's certificate is verified.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.bearer_token_file",
        File,
        "",
        "File with a token; read again when it is refused.",
    )
    .next(),
    key("toolsets.prometheus/metrics.config.headers.*", Secret, "", "Sent with every request.").next(),
    key(
        "toolsets.prometheus/metrics.config.additional_labels.*",
        Text,
        "",
        "Equality matcher put into every selector.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.default_query_timeout_seconds",
        Whole(1, 180),
        "20",
        "A query without a `timeout` argument.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.max_query_timeout_seconds",
        Whole(1, 180),
        "180",
        "Most a `timeout` argument may ask for.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.default_metadata_timeout_seconds",
        Whole(1, 60),
        "20",
        "Requests for names, labels, series, metadata and rules.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.default_metadata_time_window_hrs",
        Whole(1, 720),
        "1",
        "Window in which listed names and labels were seen.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.metadata_limit",
        Whole(1, 10_000),
        "100",
        "Most names, values or series of one answer.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.query_response_size_limit",
        Whole(1_000, 1_000_000),
        "30000",
        "Larger results are replaced by a summary, characters.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.max_points_per_series",
        Whole(2, 1_000),
        "100",
        "Most points per series of a range query.",
    )
    .next(),
    key(
        "toolsets.prometheus/metrics.config.rules_cache_duration_seconds",
        Whole(0, 86_400),
        "1800",
        "How long the list of rules is kept.",
    )
    .next(),
    key(
        "toolsets.alertmanager.enabled",
        Switch,
        "true",
        "Tools that ask Alertmanager; off where the section is absent.",
    )
    .next(),
    key("toolsets.alertmanager.config.alertmanager_url", Address(HTTP), "", "Base address. Required.").next(),
    key(
        "toolsets.alertmanager.config.alertmanager_ssl_ca_file",
        File,
        "",
        "PEM certificates that count beside the system's.",
    )
    .next(),
    key(
        "toolsets.alertmanager.config.alertmanager_ssl_enabled",
        Switch,
        "true",
        "Whether the server's certificate is verified.",
    )
    .next(),
    key(
        "toolsets.alertmanager.config.bearer_token_file",
        File,
        "",
        "File with a token; read again when it is refused.",
    )
    .next(),
    key("toolsets.alertmanager.config.headers.*", Secret, "", "Sent with every request.").next(),
    key("toolsets.alertmanager.config.timeout_seconds", Whole(1, 180), "20", "One request.").next(),
    key(
        "toolsets.alertmanager.config.response_size_limit",
        Whole(1_000, 1_000_000),
        "30000",
        "Larger answers are reduced, characters.",
    )
    .next(),
];
