//! How the service runs, who may call it, and the wire.

use super::Kind::{Checked, File, Number, Positive, Switch, Text, Texts, Whole, Word};
use super::{Key, key, log_level};

pub(super) const KEYS: &[Key] = &[
    key("service_name", Text, "", "`service` in every log record; `holmesgpt-api` unless set."),
    key("environment", Text, "", "Told by `GET /config`.").now(),
    key(
        "logging.level",
        Checked(log_level),
        "INFO",
        "Least important level that is written: TRACE, DEBUG, INFO, WARN or ERROR.",
    )
    .now(),
    key("logging.format", Word(&["json", "text"]), "json", "Form of a record."),
    key("logging.sample_health", Switch, "true", "Keep lines about answered probes at debug level."),
    key(
        "server.host",
        Text,
        "",
        "Address to listen on: `0.0.0.0`, or `127.0.0.1` with `auth.mode: token`, unless set.",
    ),
    key("server.port", Whole(0, 65_535), "8080", "Port to listen on; 0 picks a free one."),
    key("server.max_body_bytes", Whole(1, 1 << 30), "1048576", "Largest request body; a larger one is answered 413."),
    key(
        "server.max_concurrent_requests",
        Whole(0, 1_000_000),
        "200",
        "Requests with a token answered at once; 0 = no limit. One more is answered 503.",
    )
    .now(),
    key("server.max_connections", Whole(1, 1_000_000), "1024", "Open connections; further ones wait in the kernel."),
    key(
        "server.header_timeout_seconds",
        Whole(1, 3_600),
        "10",
        "A connection that takes longer for its headers, or idles longer, is closed.",
    ),
    key("server.body_timeout_seconds", Whole(1, 3_600), "30", "A body that takes longer is answered 408."),
    key(
        "http.auth_error_media_type",
        Word(&["problem+json", "json"]),
        "problem+json",
        "Media type of answers that refuse a caller; `json` is what released Go clients take for permanent.",
    ),
    key(
        "compat.severity_vocabulary",
        Word(&["auto", "v1", "v2"]),
        "auto",
        "Spellings of severities in answers; `auto` as the request asks.",
    ),
    key(
        "compat.default_mode",
        Word(&["async", "sync"]),
        "async",
        "How an incident is answered when nothing else decides.",
    )
    .now(),
    key(
        "compat.sync_for_signal_type",
        Switch,
        "true",
        "Bodies with `signal_type` and without `signal_name` are answered synchronously.",
    )
    .now(),
    key(
        "compat.sync_timeout_seconds",
        Whole(1, 3_600),
        "",
        "Longest wait for a synchronous answer; the budget of an investigation unless set.",
    )
    .now(),
    key(
        "compat.sync_detach_grace_seconds",
        Whole(0, 3_600),
        "120",
        "How long a run outlives the last who waits for it.",
    )
    .now(),
    key(
        "shutdown.endpoint_delay_seconds",
        Whole(0, 300),
        "5",
        "Serves on while endpoints propagate. All three together at most 300.",
    ),
    key("shutdown.drain_seconds", Whole(0, 300), "30", "Running investigations may finish."),
    key("shutdown.flush_seconds", Whole(0, 300), "10", "Open connections and the store may finish."),
    key("session.ttl_minutes", Positive(10_080.0), "30", "A finished session is forgotten this long after its end.")
        .now(),
    key(
        "session.max_age_minutes",
        Positive(10_080.0),
        "60",
        "Any session is cancelled and forgotten this long after it was accepted; at least the TTL.",
    )
    .now(),
    key("session.max_concurrent_investigations", Whole(1, 100_000), "50", "Investigations running at once.").now(),
    key("session.queue_limit", Whole(0, 1_000_000), "200", "Accepted and waiting; one more is refused.").now(),
    key("session.max_sessions", Whole(1, 1_000_000), "2000", "Sessions remembered; the oldest finished go first.")
        .now(),
    key(
        "auth.mode",
        Word(&["kubernetes", "token"]),
        "kubernetes",
        "Callers prove themselves to the API server, or are listed in a file.",
    ),
    key(
        "auth.token_file",
        File,
        "",
        "Lines `<user>:<token>`, mode 0600, read again when it changes; `tokens` in the state directory unless set.",
    ),
    key("auth.resource_name", Text, "holmesgpt-api", "Name of the `services` resource a caller must have access to.")
        .required(),
    key("auth.resource_names", Texts, "[]", "Further names; access to any one is enough."),
    key(
        "auth.namespace",
        Text,
        "",
        "Namespace in which access is reviewed: POD_NAMESPACE, else the ServiceAccount's, unless set.",
    ),
    key("auth.audiences", Texts, "[]", "Audiences a token must be for; none = the API server's own."),
    key("auth.cache_seconds", Whole(0, 300), "10", "How long a positive answer about a caller is used again.").now(),
    key("auth.stale_seconds", Whole(0, 300), "0", "How much longer while the API server is down.").now(),
    key("auth.timeout_seconds", Whole(1, 300), "5", "One review, retries included.").now(),
    key("auth.max_in_flight", Whole(1, 10_000), "64", "Reviews running at once."),
    key(
        "auth.session_ownership",
        Word(&["off", "enforce"]),
        "off",
        "Whether a session shows only to the caller that created it.",
    ),
    key("store.url", Text, "", "`sqlite:///path/state.db`; the state directory unless set. `--state-dir DIR` wins."),
    key("reload.enabled", Switch, "true", "Files are looked at again while the service runs."),
    key("reload.poll_seconds", Number(0.05, 3_600.0), "5", "Between two looks at the files; SIGHUP looks at once."),
];
