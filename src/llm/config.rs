//! `llm`: which model answers and how it is reached (operations §1.3.2).

use std::path::PathBuf;

use serde::Deserialize;

/// The `llm` section. Its presence means a model is configured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LlmConfig {
    /// Which wire dialect. Default `openai`.
    #[serde(default)]
    pub provider: Provider,
    /// Sent exactly as written.
    pub model: String,
    /// Base URL up to and including `/v1` where the server has one. Default for `openai`: `https://api.openai.com/v1`;
    /// for `ollama`: `http://localhost:11434/v1`; the others need it.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// File holding one API key; read again when the provider refuses the key. Compatible servers may need none.
    #[serde(default)]
    pub api_key_file: Option<PathBuf>,
    /// One attempt, seconds, 1..=1800. Default 120.
    #[serde(default = "timeout_default")]
    pub timeout_seconds: u64,
    /// Retries after the first attempt, 0..=10. Default 3.
    #[serde(default = "retries_default")]
    pub max_retries: u32,
    /// Wait before the first retry, milliseconds; doubles up to ten times that. Default 500.
    #[serde(default = "backoff_default")]
    pub retry_base_ms: u64,
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
}

/// The form of a final answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
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

/// Providers spoken so far; all of them in the OpenAI Chat Completions dialect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    #[default]
    #[serde(rename = "openai")]
    OpenAi,
    #[serde(rename = "openai_compatible")]
    OpenAiCompatible,
    #[serde(rename = "litellm")]
    LiteLlm,
    Ollama,
}

impl Provider {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiCompatible => "openai_compatible",
            Self::LiteLlm => "litellm",
            Self::Ollama => "ollama",
        }
    }

    /// Base URL when the configuration names none.
    pub(super) fn default_endpoint(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Ollama => Some("http://localhost:11434/v1"),
            Self::OpenAiCompatible | Self::LiteLlm => None,
        }
    }
}

fn timeout_default() -> u64 {
    120
}

fn retries_default() -> u32 {
    3
}

fn window_default() -> usize {
    128_000
}

fn backoff_default() -> u64 {
    500
}
