//! Every key of the successor's two files.

/// How a value is understood.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reading {
    Same,
    /// A duration as Go writes it, in this many seconds.
    Duration(f64),
    /// `true` for `false`.
    Inverse,
    /// A number, never above this.
    AtMost(u64),
    /// A number; what is below 0 means 0.
    NotNegative,
    /// Nothing comes of it, and nobody misses it.
    Ignored(&'static str),
    /// Nothing comes of it; only the successor's own defaults are accepted.
    IgnoredWhile(&'static [&'static str], &'static str),
    /// A section of a feature this version does not have: told while it is off, refused where it is on.
    Off(&'static str),
    /// The second word for the first.
    Renamed(&'static str, &'static str),
    /// Only this is accepted, and it is so anyway.
    Must(&'static str, &'static str),
    /// Names of members, ours for theirs, and the unit of those that are durations.
    Members(Members),
    /// A list of servers of tools.
    Servers,
}

type Members = &'static [(&'static str, &'static str, Option<f64>)];

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) path: &'static str,
    pub(super) reading: Reading,
    pub(super) targets: &'static [&'static str],
}

const fn row(path: &'static str, reading: Reading, targets: &'static [&'static str]) -> Row {
    Row { path, reading, targets }
}

use Reading::{AtMost, Duration, Ignored, IgnoredWhile, Inverse, Must, NotNegative, Off, Renamed, Same, Servers};

/// Most turns of the selection phase that the successor's one number stands for.
const SELECTION_TURNS_MAX: u64 = 20;
const MILLISECONDS: f64 = 0.001;
const SECONDS: f64 = 1.0;
const MINUTES: f64 = 60.0;

const NO_ALIGNMENT: &str = "this version has no alignment check";
const NO_FLEET: &str = "this version has no fleet";
const NOT_INTERACTIVE: &str = "this version has no interactive mode";
const ALWAYS_SCRUBBED: &str = "credentials are always taken out of what a model sees";
const UNUSED: &str = "it had none in the successor either";

const BREAKER: Reading = Reading::Members(&[
    ("enabled", "enabled", None),
    ("maxRequests", "max_requests", None),
    ("interval", "interval_seconds", Some(SECONDS)),
    ("timeout", "timeout_seconds", Some(SECONDS)),
    ("failureThreshold", "failure_threshold", None),
    ("failureRatio", "failure_ratio", None),
]);
const OAUTH2: Reading = Reading::Members(&[
    ("enabled", "enabled", None),
    ("tokenURL", "token_url", None),
    ("tokenUrl", "token_url", None),
    ("scopes", "scopes", None),
    ("credentialsDir", "credentials_dir", None),
]);
const REASONING_MEMBERS: Members = &[
    ("enabled", "enabled", None),
    ("budgetTokens", "budget_tokens", None),
    ("effort", "effort", None),
    ("capabilityOverride", "capability_override", None),
];
const HEADERS: Reading = Reading::Members(&[
    ("name", "name", None),
    ("value", "value", None),
    ("secretKeyRef", "secret_key_ref", None),
    ("filePath", "file_path", None),
]);
const TRACE_TLS: Reading = Reading::Members(&[
    ("enabled", "enabled", None),
    ("caFile", "ca_file", None),
    ("certFile", "cert_file", None),
    ("keyFile", "key_file", None),
]);
const PROFILE: Members = &[
    ("provider", "provider", None),
    ("model", "model", None),
    ("endpoint", "endpoint", None),
    ("apiKeyFile", "api_key_file", None),
    ("azureApiVersion", "azure_api_version", None),
    ("vertexProject", "gcp_project_id", None),
    ("vertexLocation", "gcp_region", None),
    ("bedrockRegion", "aws_region", None),
    ("reasoning", "reasoning", None),
    ("temperature", "temperature", None),
];

/// The members of a member: of one phase's profile, and of its reasoning.
pub(super) fn inner(theirs: &str, ours: &str) -> Option<Members> {
    match (theirs, ours) {
        ("*", _) => Some(PROFILE),
        ("reasoning", _) => Some(REASONING_MEMBERS),
        _ => None,
    }
}

/// The static file.
pub(super) const MAIN: &[Row] = &[
    row("runtime.logging.level", Same, &["logging.level"]),
    row("runtime.logging.format", Renamed("console", "text"), &["logging.format"]),
    row("runtime.server.address", Same, &["server.host"]),
    row("runtime.server.port", Same, &["server.port"]),
    row("runtime.server.healthAddr", Same, &["server.health_addr"]),
    row("runtime.server.metricsAddr", Same, &["server.metrics_addr"]),
    row("runtime.server.maxConcurrentRequests", Same, &["server.max_concurrent_requests"]),
    row("runtime.server.disableProfiling", Ignored("`server.profiling` is off unless it is switched on"), &[]),
    row("runtime.server.disableAdminEndpoints", Inverse, &["server.admin_endpoints"]),
    row("runtime.server.tls.certDir", Same, &["server.tls.cert_dir"]),
    row("runtime.server.tls.caFile", Ignored(UNUSED), &[]),
    row("runtime.server.tlsProfile", Same, &["server.tls_profile"]),
    row("runtime.server.rateLimit.requestsPerSecond", Same, &["server.rate_limit.requests_per_second"]),
    row("runtime.server.rateLimit.burst", Same, &["server.rate_limit.burst"]),
    row("runtime.server.rateLimit.cleanupInterval", Duration(SECONDS), &["server.rate_limit.cleanup_interval_seconds"]),
    row("runtime.server.rateLimit.maxAge", Duration(SECONDS), &["server.rate_limit.max_age_seconds"]),
    row("runtime.server.rateLimit.trustedProxyCIDRs", Same, &["server.rate_limit.trusted_proxy_cidrs"]),
    row("runtime.session.ttl", Duration(MINUTES), &["session.ttl_minutes"]),
    row("runtime.session.maxConcurrentInvestigations", Same, &["session.max_concurrent_investigations"]),
    row("runtime.audit.enabled", Must("true", "the audit trail cannot be switched off"), &[]),
    row("runtime.audit.flushIntervalSeconds", Same, &["audit.flush_interval_seconds"]),
    row("runtime.audit.bufferSize", Same, &["audit.buffer_size"]),
    row("runtime.audit.batchSize", Same, &["audit.batch_size"]),
    row("runtime.audit.endpoint", Ignored(UNUSED), &[]),
    row("runtime.audit.verbosity", Ignored(UNUSED), &[]),
    row("runtime.shutdown.drainSeconds", Same, &["shutdown.drain_seconds"]),
    row("runtime.telemetry.endpoint", Same, &["telemetry.endpoint"]),
    row("runtime.telemetry.logSink", Same, &["telemetry.log_sink"]),
    row("runtime.telemetry.tls", TRACE_TLS, &["telemetry.tls"]),
    row("ai.llm.provider", Same, &["llm.provider"]),
    row("ai.llm.vertexProject", Same, &["llm.gcp_project_id"]),
    row("ai.llm.vertexLocation", Same, &["llm.gcp_region"]),
    row("ai.llm.azureApiVersion", Same, &["llm.azure_api_version"]),
    row("ai.llm.bedrockRegion", Same, &["llm.aws_region"]),
    row("ai.llm.tlsCaFile", Same, &["llm.tls_ca_file"]),
    row("ai.llm.tlsCertFile", Same, &["llm.tls_cert_file"]),
    row("ai.llm.tlsKeyFile", Same, &["llm.tls_key_file"]),
    row("ai.llm.oauth2", OAUTH2, &["llm.oauth2"]),
    row("ai.llm.circuitBreaker", BREAKER, &["llm.circuit_breaker"]),
    row("ai.llm.reasoning", Reading::Members(REASONING_MEMBERS), &["llm.reasoning"]),
    row("ai.llm.apiKeyFile", Same, &["llm.api_key_file"]),
    row("ai.llm.customHeaders", HEADERS, &["llm.custom_headers"]),
    row("ai.investigation.maxTurns", Same, &["investigation.rca.max_turns"]),
    row("ai.investigation.maxTurns", AtMost(SELECTION_TURNS_MAX), &["investigation.selection.max_turns"]),
    row("ai.investigation.resolvedConfidenceThreshold", Same, &["investigation.resolved_confidence_threshold"]),
    row("ai.investigation.inconclusiveConfidenceThreshold", Same, &["investigation.inconclusive_confidence_threshold"]),
    row("ai.summarizer.threshold", NotNegative, &["investigation.summarizer_threshold_chars"]),
    row("ai.summarizer.maxToolOutputSize", Same, &["investigation.max_tool_output_chars"]),
    row("ai.enrichment.maxRetries", Same, &["investigation.enrichment_max_retries"]),
    row("ai.enrichment.baseBackoff", Duration(MILLISECONDS), &["investigation.enrichment_base_backoff_ms"]),
    row(
        "ai.safety.anomaly.maxToolCallsPerTool",
        Same,
        &["investigation.rca.max_tool_calls_per_tool", "investigation.selection.max_tool_calls_per_tool"],
    ),
    row(
        "ai.safety.anomaly.maxTotalToolCalls",
        Same,
        &["investigation.rca.max_total_tool_calls", "investigation.selection.max_total_tool_calls"],
    ),
    row("ai.safety.anomaly.maxRepeatedFailures", Same, &["investigation.max_repeated_failures"]),
    row("ai.safety.anomaly.exemptPrefixes", Same, &["investigation.exempt_prefixes"]),
    row(
        "ai.safety.sanitization.injectionPatternsEnabled",
        IgnoredWhile(&["true"], "suspicious text is always marked"),
        &[],
    ),
    row("ai.safety.sanitization.credentialScrubEnabled", Must("true", ALWAYS_SCRUBBED), &[]),
    row("ai.safety.sanitization.secretRedactionEnabled", Must("true", ALWAYS_SCRUBBED), &[]),
    row("ai.safety.toolCallTimeout", Duration(SECONDS), &["investigation.tool_call_timeout_seconds"]),
    row("ai.alignmentCheck", Off(NO_ALIGNMENT), &[]),
    row("integrations.dataStorage.url", Same, &["data_storage.url"]),
    row("integrations.dataStorage.healthUrl", Same, &["data_storage.health_url"]),
    row("integrations.dataStorage.saTokenPath", Same, &["data_storage.token_path"]),
    row("integrations.dataStorage.tls.caFile", Same, &["data_storage.ca_file"]),
    row("integrations.dataStorage.circuitBreaker", BREAKER, &["data_storage.circuit_breaker"]),
    row("integrations.tools.prometheus.url", Same, &["toolsets.prometheus/metrics.config.prometheus_url"]),
    row(
        "integrations.tools.prometheus.timeout",
        Duration(SECONDS),
        &["toolsets.prometheus/metrics.config.default_query_timeout_seconds"],
    ),
    row(
        "integrations.tools.prometheus.sizeLimit",
        Same,
        &["toolsets.prometheus/metrics.config.query_response_size_limit"],
    ),
    row(
        "integrations.tools.prometheus.tlsCaFile",
        Same,
        &["toolsets.prometheus/metrics.config.prometheus_ssl_ca_file"],
    ),
    row("integrations.tools.alertmanager.url", Same, &["toolsets.alertmanager.config.alertmanager_url"]),
    row(
        "integrations.tools.alertmanager.timeout",
        Duration(SECONDS),
        &["toolsets.alertmanager.config.timeout_seconds"],
    ),
    row("integrations.tools.alertmanager.sizeLimit", Same, &["toolsets.alertmanager.config.response_size_limit"]),
    row("integrations.tools.alertmanager.tlsCaFile", Same, &["toolsets.alertmanager.config.alertmanager_ssl_ca_file"]),
    row("integrations.mcp.servers", Servers, &["mcp_servers"]),
    row("integrations.fleet", Off(NO_FLEET), &[]),
    row("interactive", Off(NOT_INTERACTIVE), &[]),
];

/// The runtime file.
pub(super) const RUNTIME: &[Row] = &[
    row("model", Same, &["llm.model"]),
    row("endpoint", Same, &["llm.endpoint"]),
    row("apiKeyFile", Same, &["llm.api_key_file"]),
    row("temperature", Same, &["llm.temperature"]),
    row("maxRetries", Same, &["llm.max_retries"]),
    row("timeoutSeconds", Same, &["llm.timeout_seconds"]),
    row("customHeaders", HEADERS, &["llm.custom_headers"]),
    row("phaseModels", Reading::Members(&[("*", "*", None)]), &["llm.phase_models"]),
];
