//! TLS, addresses beside the service's own, the limit for each client, traces, metrics, and what readiness depends on.

use super::Kind::{File, Positive, Switch, Text, Texts, Whole, Word, Words};
use super::{Key, key};
use crate::telemetry::metrics::LegacyPrefix;

/// Longest memory of a client, seconds.
const SECONDS_MAX: u64 = 86_400;

pub(super) const KEYS: &[Key] = &[
    key("server.health_addr", Text, "", "Probes and `GET /config` are also served here, in plain HTTP, e.g. `:8081`."),
    key("server.metrics_addr", Text, "", "`/metrics` is also served here, e.g. `:9090`."),
    key(
        "server.tls.cert_dir",
        File,
        "",
        "Folder with `tls.crt` and `tls.key`, PEM: the API port speaks TLS. New contents count from the next handshake on.",
    ),
    key(
        "server.tls_profile",
        Word(&["Old", "Intermediate", "Modern"]),
        "Intermediate",
        "Versions of TLS: 1.2 and 1.3, or with `Modern` 1.3 alone; `Old` is taken as `Intermediate`.",
    ),
    key("server.admin_endpoints", Switch, "false", "`GET` and `PUT /admin/loglevel` at `server.health_addr`."),
    key("server.profiling", Switch, "false", "`GET /debug/runtime` at `server.health_addr`."),
    key("server.rate_limit.enabled", Switch, "false", "Whether each client address has a limit; above it 429.").now(),
    key("server.rate_limit.requests_per_second", Positive(1e6), "5.0", "Requests of one client, a second.").now(),
    key("server.rate_limit.burst", Whole(1, 1_000_000), "10", "Requests of one client at once after a pause.").now(),
    key(
        "server.rate_limit.cleanup_interval_seconds",
        Whole(1, SECONDS_MAX),
        "300",
        "Between two looks at silent clients.",
    )
    .now(),
    key(
        "server.rate_limit.max_age_seconds",
        Whole(1, SECONDS_MAX),
        "600",
        "A client that is silent for so long is forgotten.",
    )
    .now(),
    key(
        "server.rate_limit.trusted_proxy_cidrs",
        Texts,
        "",
        "Proxies whose `X-Forwarded-For` is believed, e.g. `10.0.0.0/8`.",
    )
    .now(),
    key(
        "telemetry.endpoint",
        Text,
        "",
        "OTLP/HTTP collector of traces, e.g. `http://otel-collector:4318`; `stdout` logs spans.",
    ),
    key("telemetry.log_sink", Switch, "false", "Also one log record for each finished span."),
    key("telemetry.tls.enabled", Switch, "false", "Speak TLS where the endpoint has no scheme."),
    key("telemetry.tls.ca_file", File, "", "Trust only these certificates."),
    key("telemetry.tls.cert_file", File, "", "Own certificate; needs `key_file`."),
    key("telemetry.tls.key_file", File, "", "Key of the own certificate."),
    key(
        "metrics.legacy_names",
        Words(LegacyPrefix::WORDS),
        "[]",
        "January's families are exported as well, under these prefixes.",
    ),
    key(
        "metrics.per_tool",
        Switch,
        "true",
        "Whether metrics tell tools apart; else the labels `tool` and `tool_name` say `all`.",
    )
    .now(),
    key(
        "readiness.data_storage|llm|kubernetes",
        Word(&["start", "required", "informational", "off"]),
        "start",
        "What it means that this does not answer: `/ready` is 503 until it first does and 200 with `degraded` later \
         (`start`), 503 whenever it does not (`required`), always 200 with `degraded` (`informational`), nothing (`off`).",
    )
    .now(),
];
