//! The model and how it is reached.

use super::Kind::{Address, Checked, File, Number, Positive, Secret, Switch, Text, Texts, Whole, Word};
use super::{Key, key};
use crate::llm::config::Provider;

const HTTP: &[&str] = &["http", "https"];
const APIS: &[&str] = &["chat_completions", "responses"];
const EFFORTS: &[&str] = &["none", "minimal", "low", "medium", "high", "xhigh"];
const OVERRIDES: &[&str] = &["auto", "force_on", "force_off"];
/// Most of anything that has no natural bound.
const MANY: u64 = 1_000_000_000;

fn provider(name: &str) -> Result<(), String> {
    Provider::try_from(name.to_owned()).map(drop)
}

/// The keys of one profile that differs from the section, below a path.
macro_rules! profile {
    ($at:literal) => {
        [
            key(concat!($at, ".provider"), Checked(provider), "", "Who answers instead.").next(),
            key(concat!($at, ".model"), Text, "", "Its model.").next(),
            key(concat!($at, ".api"), Word(APIS), "", "As `llm.api`.").next(),
            key(concat!($at, ".endpoint"), Address(HTTP), "", "As `llm.endpoint`.").next(),
            key(concat!($at, ".api_key_file"), File, "", "As `llm.api_key_file`.").next(),
            key(concat!($at, ".api_key"), Secret, "", "As `llm.api_key`.").next(),
            key(concat!($at, ".gcp_project_id"), Text, "", "As `llm.gcp_project_id`.").next().also(GCP_PROJECT),
            key(concat!($at, ".gcp_region"), Text, "", "As `llm.gcp_region`.").next().also(GCP_REGION),
            key(concat!($at, ".azure_api_version"), Text, "", "As `llm.azure_api_version`.").next(),
            key(concat!($at, ".aws_region"), Text, "", "As `llm.aws_region`.").next(),
            key(concat!($at, ".timeout_seconds"), Whole(1, 1_800), "", "As `llm.timeout_seconds`.").next(),
            key(concat!($at, ".max_retries"), Whole(0, 10), "", "As `llm.max_retries`.").next(),
            key(concat!($at, ".temperature"), Number(0.0, 2.0), "", "As `llm.temperature`.").next(),
            key(concat!($at, ".max_tokens_per_request"), Whole(1, 200_000), "", "As `llm.max_tokens_per_request`.")
                .next(),
            key(
                concat!($at, ".context_window_tokens"),
                Whole(4_000, 10_000_000),
                "",
                "As `llm.context_window_tokens`.",
            )
            .next(),
            key(concat!($at, ".reasoning.enabled"), Switch, "", "As `llm.reasoning.enabled`.").next(),
            key(concat!($at, ".reasoning.budget_tokens"), Whole(1, MANY), "", "As `llm.reasoning.budget_tokens`.")
                .next(),
            key(concat!($at, ".reasoning.effort"), Word(EFFORTS), "", "As `llm.reasoning.effort`.").next(),
            key(
                concat!($at, ".reasoning.capability_override"),
                Word(OVERRIDES),
                "",
                "As `llm.reasoning.capability_override`.",
            )
            .next(),
        ]
    };
}

const GCP_PROJECT: &[&str] = &["project", "gcpProjectId", "vertex_project"];
const GCP_REGION: &[&str] = &["location", "gcpRegion", "vertex_location"];

/// The profiles of single phases.
pub(super) const PHASES: &[Key] = &profile!("llm.phase_models.rca|workflow_discovery|validation");
/// The profiles that stand in.
pub(super) const FALLBACKS: &[Key] = &profile!("llm.fallbacks.[]");

pub(super) const KEYS: &[Key] = &[
    key("llm.provider", Checked(provider), "openai", "Who answers: openai, anthropic, azure, bedrock, gemini, litellm, ollama, openai_compatible, vertex_ai or mock. A routing prefix of the model's name wins.").next().required(),
    key("llm.model", Text, "", "Sent as written, apart from a routing prefix. Required.").next().required(),
    key("llm.api", Word(APIS), "chat_completions", "Which interface of OpenAI and Azure is spoken.").next(),
    key("llm.endpoint", Address(HTTP), "", "Base address; each provider has its own default.").next(),
    key("llm.api_key_file", File, "", "File with one key; read again when it changes or is refused.").next(),
    key("llm.credentials_dir", File, "/etc/holmesgpt/credentials", "Folder with one file per credential; it may be missing.").next(),
    key("llm.secrets_file", File, "", "YAML file with `api_key`, `<provider>_api_key` or `google_credentials_path`.").next(),
    key("llm.api_key", Secret, "", "The key itself. Accepted with a warning: configuration files are not secret.").next(),
    key("llm.gcp_project_id", Text, "", "Google Cloud project of `vertex_ai`.").next().also(GCP_PROJECT),
    key("llm.gcp_region", Text, "", "Google Cloud location of `vertex_ai`, or `global`.").next().also(GCP_REGION),
    key("llm.azure_api_version", Text, "", "`2024-10-21` unless set; `v1` uses the path without a version.").next(),
    key("llm.aws_region", Text, "", "Region of `bedrock`; AWS_REGION or the profile's unless set.").next(),
    key("llm.tls_ca_file", File, "", "Certificates the provider's is held against, instead of the system's; contents are live.").next(),
    key("llm.tls_cert_file", File, "", "Our certificate, with `tls_key_file`; contents are live.").next(),
    key("llm.tls_key_file", File, "", "Its key.").next(),
    key("llm.oauth2.enabled", Switch, "false", "Bearer tokens from a gateway's token endpoint (client credentials).").next(),
    key("llm.oauth2.token_url", Address(HTTP), "", "Where tokens are asked for.").next(),
    key("llm.oauth2.scopes", Texts, "[]", "What is asked for.").next(),
    key("llm.oauth2.credentials_dir", File, "", "Folder with the files `client-id` and `client-secret`.").next(),
    key("llm.custom_headers.[].name", Text, "", "Name of a header of every request.").next().required(),
    key("llm.custom_headers.[].value", Secret, "", "Its value; exactly one of the three.").next(),
    key("llm.custom_headers.[].secret_key_ref", Text, "", "Variable that holds it.").next(),
    key("llm.custom_headers.[].file_path", File, "", "File that holds it, read for each request.").next(),
    key("llm.circuit_breaker.enabled", Switch, "true", "Calls are suspended while the provider fails.").next(),
    key("llm.circuit_breaker.max_requests", Whole(1, 100), "3", "Trial calls while half open.").next(),
    key("llm.circuit_breaker.interval_seconds", Whole(1, 3_600), "30", "Window over which calls are counted.").next(),
    key("llm.circuit_breaker.timeout_seconds", Whole(1, 3_600), "30", "How long it stays open.").next(),
    key("llm.circuit_breaker.failure_threshold", Whole(1, 100), "10", "Calls in the window before it may open.").next(),
    key("llm.circuit_breaker.failure_ratio", Positive(1.0), "0.5", "Share of failed calls that opens it.").next(),
    key("llm.reasoning.enabled", Switch, "false", "The model is asked to think before it answers.").next(),
    key("llm.reasoning.budget_tokens", Whole(1, MANY), "", "Tokens to think with.").next(),
    key("llm.reasoning.effort", Word(EFFORTS), "", "How much it thinks.").next(),
    key("llm.reasoning.capability_override", Word(OVERRIDES), "auto", "`force_off` asks for nothing whatever else is set.").next(),
    key("llm.timeout_seconds", Whole(1, 1_800), "120", "One attempt.").next(),
    key("llm.streaming", Switch, "true", "The reply as a stream, where the dialect has one.").next(),
    key("llm.first_byte_timeout_ms", Whole(10, 1_800_000), "", "Longest wait for the first byte; the whole attempt unless set.").next(),
    key("llm.idle_timeout_ms", Whole(10, 1_800_000), "60000", "Longest silence within a reply.").next(),
    key("llm.max_retries", Whole(0, 10), "3", "Retries after the first attempt.").next(),
    key("llm.retry_base_ms", Whole(0, 60_000), "500", "Wait before the first retry; doubles up to ten times that.").next(),
    key("llm.max_concurrent_requests", Whole(1, 1_000), "32", "Calls of one provider at once.").next(),
    key("llm.tokens_per_minute", Whole(1, MANY), "", "Tokens of one provider within a minute; more wait.").next(),
    key("llm.temperature", Number(0.0, 2.0), "", "Left out of the request unless set: some models refuse it.").next(),
    key("llm.max_tokens_per_request", Whole(1, 200_000), "", "Ceiling of each answer.").next(),
    key("llm.context_window_tokens", Whole(4_000, 10_000_000), "128000", "Tokens the model can take in at once.").next(),
    key("llm.structured_output", Word(&["submit_tool", "json_schema", "json_object", "text"]), "submit_tool", "How the model hands over its answer.").next(),
    key("llm.identity_change", Word(&["live", "restart"]), "live", "Whether a reload may change provider or model: `restart` rejects such a file."),
];
