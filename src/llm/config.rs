//! `llm`: which model answers and how it is reached (operations §1.3.2, §7).

mod connection;
mod profile;
mod provider;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use connection::{BreakerConfig, CapabilityOverride, CustomHeader, InlineSecret, OAuth2Config, ReasoningConfig};
pub use profile::{PhaseModels, ProfileConfig};
pub use provider::{Api, Provider, UnknownPrefix};
pub(super) use provider::{Named, named};

/// The `llm` section. Its presence means a model is configured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LlmConfig {
    /// Who answers. Default `openai`. A routing prefix of the model's name wins over it.
    #[serde(default)]
    pub provider: Provider,
    /// Sent exactly as written, apart from a routing prefix such as `anthropic/`.
    pub model: String,
    /// For OpenAI and Azure: `chat_completions` (default) or `responses`.
    #[serde(default)]
    pub api: Api,
    /// Base URL. Each provider has its own default (operations §7.1); gateways need it.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// File holding one API key; read again when the provider refuses the key. Compatible servers may need none.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// Folder with one file per credential. Default `/etc/holmesgpt/credentials`; it may be missing.
    #[serde(default = "credentials_default")]
    pub credentials_dir: PathBuf,
    /// YAML file with `api_key`, `<provider>_api_key` or `google_credentials_path`.
    #[serde(default)]
    pub secrets_file: Option<PathBuf>,
    /// The key itself. Accepted with a warning: configuration files are not secret.
    #[serde(default)]
    pub api_key: Option<InlineSecret>,
    /// Google Cloud project for `vertex_ai`; else from the environment or the credential file.
    #[serde(default, alias = "project", alias = "gcpProjectId", alias = "vertex_project")]
    pub gcp_project_id: Option<String>,
    /// Google Cloud location for `vertex_ai`, e.g. `europe-west1` or `global`.
    #[serde(default, alias = "location", alias = "gcpRegion", alias = "vertex_location")]
    pub gcp_region: Option<String>,
    /// Default `2024-10-21`; `v1` uses the path without a version.
    #[serde(default)]
    pub azure_api_version: Option<String>,
    /// Region of `bedrock`; else from the environment or the profile.
    #[serde(default)]
    pub aws_region: Option<String>,
    /// Certificates the provider's is held against; absent = those of the system.
    #[serde(default)]
    pub tls_ca_file: Option<PathBuf>,
    /// Our certificate, with `tls_key_file`.
    #[serde(default)]
    pub tls_cert_file: Option<PathBuf>,
    #[serde(default)]
    pub tls_key_file: Option<PathBuf>,
    #[serde(default)]
    pub oauth2: OAuth2Config,
    #[serde(default)]
    pub custom_headers: Vec<CustomHeader>,
    #[serde(default)]
    pub circuit_breaker: BreakerConfig,
    #[serde(default)]
    pub reasoning: ReasoningConfig,
    /// One attempt, seconds, 1..=1800. Default 120.
    #[serde(default = "timeout_default")]
    pub timeout_seconds: u64,
    /// The reply as a stream, where the dialect has one. Default true.
    #[serde(default = "streaming_default")]
    pub streaming: bool,
    /// Longest wait for the first byte of a reply, milliseconds, 10..=1800000. Default: the whole attempt.
    #[serde(default)]
    pub first_byte_timeout_ms: Option<u64>,
    /// Longest silence within a reply, milliseconds, 10..=1800000. Default 60000.
    #[serde(default = "idle_default")]
    pub idle_timeout_ms: u64,
    /// Retries after the first attempt, 0..=10. Default 3.
    #[serde(default = "retries_default")]
    pub max_retries: u32,
    /// Wait before the first retry, milliseconds; doubles up to ten times that. Default 500.
    #[serde(default = "backoff_default")]
    pub retry_base_ms: u64,
    /// Calls of one provider at once, 1..=1000. Default 32; more wait for their turn.
    #[serde(default = "concurrency_default")]
    pub max_concurrent_requests: usize,
    /// Tokens of one provider within a minute, prompt and answer; more wait. Default no limit.
    #[serde(default)]
    pub tokens_per_minute: Option<u64>,
    /// Left out of the request when absent: some models refuse it.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// Ceiling of each answer, tokens, 1..=200000.
    #[serde(default)]
    pub max_tokens_per_request: Option<u32>,
    /// Tokens the model can take in at once, 4000..=10000000. Default 128000. Conversations are kept within it.
    #[serde(default = "window_default")]
    pub context_window_tokens: usize,
    /// How the model hands over its answer: `submit_tool` (default), `json_schema`, `json_object`, or `text` for models that
    /// answer better, or only, in writing (investigation §2.5).
    #[serde(default)]
    pub structured_output: StructuredOutput,
    /// Models for single phases.
    #[serde(default)]
    pub phase_models: PhaseModels,
    /// Who answers when the model does not, in this order.
    #[serde(default)]
    pub fallbacks: Vec<ProfileConfig>,
    /// Whether a reload may change provider or model: `live` (default), or `restart`, which rejects such a file (operations
    /// §2.6).
    #[serde(default)]
    pub identity_change: IdentityChange,
    /// Certificates that count beside the system's where `tls_ca_file` is absent. Not a key: from `tls.ca_file`.
    #[serde(skip)]
    pub shared_ca_file: Option<PathBuf>,
    /// Who sums up long results of tools. Not a key: from `investigation.summarizer_model`.
    #[serde(skip)]
    pub summary_model: Option<String>,
}

/// What becomes of another provider or model under a running service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityChange {
    /// New investigations use it; running ones end with what they began with.
    #[default]
    Live,
    /// It needs a restart.
    Restart,
}

impl LlmConfig {
    /// The section of one profile alone: `llm`, `fallbacks[N]`, `phase_models.rca`, `phase_models.workflow_discovery`.
    pub fn profile(&self, name: &str) -> Option<Self> {
        let alone = |profile: &ProfileConfig| profile.over(self);
        if name == "llm" {
            return Some(alone(&ProfileConfig::default()));
        }
        if let Some(number) = name.strip_prefix("fallbacks[").and_then(|rest| rest.strip_suffix(']')) {
            return self.fallbacks.get(number.parse::<usize>().ok()?).map(alone);
        }
        let phase = name.strip_prefix("phase_models.")?;
        self.phase_models.named().into_iter().find(|(known, _)| *known == phase)?.1.map(alone)
    }
}

/// The form of a final answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StructuredOutput {
    /// A call of a submit tool.
    #[default]
    SubmitTool,
    /// The same, and whatever is written instead is held to the schema of the answer. For providers that take a schema
    /// beside tools.
    JsonSchema,
    /// A call of a submit tool; an answer that could not be read is asked for again without tools, as a JSON object. For
    /// providers with a JSON mode that excludes tools.
    JsonObject,
    /// Text under headers. No submit tool is offered; the tools that read are, except on the last turn.
    Text,
}

fn credentials_default() -> PathBuf {
    PathBuf::from("/etc/holmesgpt/credentials")
}

fn timeout_default() -> u64 {
    120
}

fn streaming_default() -> bool {
    true
}

fn idle_default() -> u64 {
    60_000
}

fn retries_default() -> u32 {
    3
}

fn concurrency_default() -> usize {
    32
}

fn window_default() -> usize {
    128_000
}

fn backoff_default() -> u64 {
    500
}
