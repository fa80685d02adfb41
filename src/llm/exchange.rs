//! The exchange with a provider: one client, bounded replies, classified errors, one retry policy (investigation §2.4).

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::RETRY_AFTER;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::chat::{ChatReply, ChatRequest};
use super::codec::{Parameters, Unsupported, openai_chat};
use super::config::{LlmConfig, Provider, StructuredOutput};
use super::failure::{ErrorKind, Failure, LlmError, network_failure, refusal};
use crate::retry::{Backoff, jitter, retry_after};
use crate::service_account::{SecretFile, SecretFileError};

/// Largest reply body read, in bytes.
const REPLY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Parameters dropped within one call before giving up.
const DROPS_MAX: usize = 4;

/// A configured model. Cheap to share behind an `Arc`; one connection pool.
pub struct Llm {
    client: reqwest::Client,
    url: String,
    provider: Provider,
    model: String,
    max_retries: u32,
    backoff: Backoff,
    output_tokens_max: u32,
    context_window_tokens: usize,
    structured_output: StructuredOutput,
    /// Read again when the provider refuses it.
    key: SecretFile,
    /// What this model was found not to accept stays out for the life of the process.
    parameters: Mutex<Parameters>,
}

impl fmt::Debug for Llm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Llm").field("provider", &self.provider).field("model", &self.model).finish_non_exhaustive()
    }
}

/// A configuration that cannot work. Shown to the operator at start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmBuildError {
    #[error("llm.model is empty")]
    NoModel,
    #[error("llm.endpoint is required for provider `{0}`")]
    NoEndpoint(&'static str),
    #[error("llm.endpoint is not an absolute http(s) URL without user name, query or fragment")]
    BadEndpoint,
    #[error("llm.{0} is outside {1}")]
    OutOfRange(&'static str, &'static str),
    #[error("llm.api_key_file {0}")]
    Key(#[from] SecretFileError),
    #[error("provider `openai` at its own endpoint needs a key: set llm.api_key_file to a file that holds it")]
    NoKey,
    #[error("HTTP client: {0}")]
    Client(String),
}

impl Llm {
    /// Builds the client and reads the key.
    ///
    /// # Errors
    /// Whatever in the section cannot work, in words for the operator.
    pub fn build(config: &LlmConfig) -> Result<Self, LlmBuildError> {
        check_ranges(config)?;
        let endpoint = config.endpoint.as_deref().filter(|endpoint| !endpoint.trim().is_empty());
        let default = config.provider.default_endpoint();
        let endpoint = endpoint.or(default).ok_or(LlmBuildError::NoEndpoint(config.provider.as_str()))?;
        let key = SecretFile::open(config.api_key_file.clone())?;
        if key.get().is_none() && config.provider == Provider::OpenAi && Some(endpoint) == default {
            return Err(LlmBuildError::NoKey);
        }
        let timeout = Duration::from_secs(config.timeout_seconds);
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT.min(timeout))
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("holmesgpt-api/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| LlmBuildError::Client(error.to_string()))?;
        let base = Duration::from_millis(config.retry_base_ms);
        Ok(Self {
            client,
            url: chat_url(endpoint)?,
            provider: config.provider,
            model: config.model.trim().to_owned(),
            max_retries: config.max_retries,
            backoff: Backoff { base, ceiling: base * 10, server_ceiling: Duration::from_mins(1), jitter: 0.2 },
            output_tokens_max: config.max_tokens_per_request.unwrap_or(output_rule(config.context_window_tokens)),
            context_window_tokens: config.context_window_tokens,
            structured_output: config.structured_output,
            key,
            parameters: Mutex::new(Parameters {
                temperature: config.temperature,
                legacy_max_tokens: config.provider == Provider::Ollama,
                ..Parameters::generous()
            }),
        })
    }

    pub fn model(&self) -> &str {
        &self.model
    }

    pub fn provider(&self) -> &'static str {
        self.provider.as_str()
    }

    /// Endpoint without user name and query, for `/config`.
    pub fn endpoint(&self) -> &str {
        self.url.trim_end_matches("/chat/completions")
    }

    /// How it hands over a final answer.
    pub fn structured_output(&self) -> StructuredOutput {
        self.structured_output
    }

    /// Tokens the model can take in at once.
    pub fn context_window_tokens(&self) -> usize {
        self.context_window_tokens
    }

    /// Ceiling of an answer unless the request names another.
    pub fn output_tokens_max(&self) -> u32 {
        self.output_tokens_max
    }

    /// This model writes its calls out instead of making them: its text is held to no form any more (investigation §2.1).
    pub fn let_text_be_free(&self) {
        if matches!(self.structured_output, StructuredOutput::JsonSchema | StructuredOutput::JsonObject) {
            self.drop_parameter(Unsupported::ResponseFormat);
        }
    }

    /// Whether the provider can be reached: any answer to a request without content counts. Costs nothing.
    ///
    /// # Errors
    /// No connection, or no answer in time.
    pub async fn probe(&self, patience: Duration) -> Result<(), ErrorKind> {
        let answer = self.client.head(self.endpoint()).timeout(patience).send().await;
        answer.map(drop).map_err(|error| network_failure(&error).kind)
    }

    /// One call with retries. Cancel by dropping the future: the connection closes.
    ///
    /// # Errors
    /// The last failure, classified.
    pub async fn chat(&self, request: &ChatRequest<'_>) -> Result<ChatReply, LlmError> {
        let request = &ChatRequest {
            output_tokens_max: request.output_tokens_max.max(Some(self.output_tokens_max)),
            ..request.clone()
        };
        let (mut retries, mut drops, mut key_reread) = (0, 0, false);
        loop {
            let failure = match self.attempt(request).await {
                Ok(reply) => return Ok(ChatReply { retries, ..reply }),
                Err(failure) => failure,
            };
            if let Some(parameter) = failure.unsupported
                && drops < DROPS_MAX
                && self.drop_parameter(parameter)
            {
                drops += 1;
                continue;
            }
            if failure.kind == ErrorKind::Auth && !key_reread && self.key.changed() {
                key_reread = true;
                continue;
            }
            if retries >= failure.kind.retries_max(self.max_retries) {
                return Err(LlmError { kind: failure.kind, sentence: failure.sentence, retries });
            }
            let wait = self.backoff.delay(retries, jitter(), failure.server_delay);
            tracing::warn!(
                event = "llm_retry",
                provider = self.provider(),
                model = self.model(),
                error_kind = failure.kind.as_str(),
                retries = retries + 1,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "model call failed, trying again"
            );
            tokio::time::sleep(wait).await;
            retries += 1;
        }
    }

    async fn attempt(&self, request: &ChatRequest<'_>) -> Result<ChatReply, Failure> {
        let parameters = self.parameters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let body = openai_chat::encode(&self.model, request, &parameters);
        let mut call = self.client.post(&self.url).json(&body);
        if let Some(key) = self.key.get() {
            call = call.bearer_auth(key.expose_secret());
        }
        let response = call.send().await.map_err(|error| network_failure(&error))?;
        let status = response.status();
        let server_delay = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let server_delay = server_delay.and_then(|value| retry_after(value, Timestamp::now()));
        let bytes = read_bounded(response).await?;
        if !status.is_success() {
            return Err(Failure { server_delay, ..refusal(status, &String::from_utf8_lossy(&bytes)) });
        }
        let body: Value = serde_json::from_slice(&bytes)
            .map_err(|_| Failure::new(ErrorKind::Decode, "the model provider answered something that is not JSON"))?;
        openai_chat::decode(&body).map_err(|error| {
            Failure::new(ErrorKind::Decode, format!("the model provider's reply is malformed: {error}"))
        })
    }

    /// False when it is out already, so that the complaint was about something else.
    fn drop_parameter(&self, parameter: Unsupported) -> bool {
        let mut parameters = self.parameters.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = parameters.leave_out(parameter);
        if changed {
            tracing::warn!(
                event = "llm_parameter_dropped",
                model = self.model(),
                parameter = parameter.as_str(),
                "parameter not supported by the model"
            );
        }
        changed
    }
}

/// Ceiling of an answer when the configuration names none (operations §1.3.2): a fifth of the window, at most 16 384.
fn output_rule(window_tokens: usize) -> u32 {
    const MOST: usize = 16_384;
    u32::try_from((window_tokens / 5).min(MOST)).unwrap_or(u32::MAX)
}

fn check_ranges(config: &LlmConfig) -> Result<(), LlmBuildError> {
    let within = |name, inside: bool, range| if inside { Ok(()) } else { Err(LlmBuildError::OutOfRange(name, range)) };
    if config.model.trim().is_empty() {
        return Err(LlmBuildError::NoModel);
    }
    within("timeout_seconds", (1..=1800).contains(&config.timeout_seconds), "1..=1800")?;
    within("max_retries", config.max_retries <= 10, "0..=10")?;
    within("context_window_tokens", (4_000..=10_000_000).contains(&config.context_window_tokens), "4000..=10000000")?;
    within("temperature", config.temperature.is_none_or(|value| (0.0..=2.0).contains(&value)), "0.0..=2.0")?;
    within(
        "max_tokens_per_request",
        config.max_tokens_per_request.is_none_or(|value| (1..=200_000).contains(&value)),
        "1..=200000",
    )
}

fn chat_url(endpoint: &str) -> Result<String, LlmBuildError> {
    let url = reqwest::Url::parse(endpoint.trim()).map_err(|_| LlmBuildError::BadEndpoint)?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !plain {
        return Err(LlmBuildError::BadEndpoint);
    }
    Ok(format!("{}/chat/completions", url.as_str().trim_end_matches('/')))
}

async fn read_bounded(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| network_failure(&error))? {
        if bytes.len() + chunk.len() > REPLY_BYTES_MAX {
            return Err(Failure::new(ErrorKind::Decode, "the model provider's reply is too large"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_used_literally_and_nothing_secret_fits_into_them() {
        assert_eq!(chat_url("http://mock-llm:8080").as_deref(), Ok("http://mock-llm:8080/chat/completions"));
        assert_eq!(chat_url("https://x.example/v1/").as_deref(), Ok("https://x.example/v1/chat/completions"));
        for bad in ["x.example/v1", "ftp://x", "https://user:pass@x/v1", "https://x/v1?key=1", ""] {
            assert_eq!(chat_url(bad), Err(LlmBuildError::BadEndpoint), "{bad}");
        }
    }
}
