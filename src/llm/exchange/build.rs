//! From the `llm` section to a profile.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::{Patience, Profile, attempt};
use crate::llm::client::{ClientError, HttpClient};
use crate::llm::codec::{Dialect, Effort, Parameters};
use crate::llm::config::{LlmConfig, Provider};
use crate::llm::credentials::{CredentialError, Credentials, CustomHeaders, Environment, surroundings};
use crate::llm::pace::Pace;
use crate::llm::route::{Route, RouteError};
use crate::retry::Backoff;
use crate::retry::breaker::Breaker;

/// A configuration that cannot work. Shown to the operator at start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LlmBuildError {
    #[error("llm.model is empty")]
    NoModel,
    #[error("llm.{0} is outside {1}")]
    OutOfRange(&'static str, &'static str),
    #[error("llm.reasoning.effort `none` means nothing to Anthropic's models: set reasoning.enabled to false")]
    NoThinking,
    #[error("llm.{0} sets nothing")]
    EmptyProfile(String),
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The same, of another profile: its key in the section.
    #[error("llm.{profile}: {problem}")]
    Profile { profile: String, problem: Box<LlmBuildError> },
}

impl Profile {
    /// Builds the client and reads the credentials. Nothing is asked of anybody.
    ///
    /// # Errors
    /// Whatever in the section cannot work, in words for the operator.
    pub(in crate::llm) fn build(
        config: &LlmConfig,
        environment: &Environment,
        pace: impl FnOnce(&Route) -> Arc<Pace>,
    ) -> Result<Self, LlmBuildError> {
        check_ranges(config)?;
        let route = Route::to(config, &surroundings(config, environment))?;
        if route.provider != config.provider {
            tracing::info!(
                event = "llm_provider_by_prefix",
                provider = route.provider.as_str(),
                model = route.model,
                "the prefix of llm.model chooses the provider"
            );
        }
        let asks_for_none = config.reasoning.asked().is_some_and(|reasoning| reasoning.effort == Some(Effort::None));
        if asks_for_none && matches!(route.dialect, Dialect::Anthropic(_)) {
            return Err(LlmBuildError::NoThinking);
        }
        let credentials = Credentials::of(config, &route, environment)?;
        let total = Duration::from_secs(config.timeout_seconds);
        let base = Duration::from_millis(config.retry_base_ms);
        Ok(Self {
            http: HttpClient::build(config, environment)?,
            identity: route.identity(),
            credentials,
            headers: CustomHeaders::of(config, environment)?,
            patience: Patience {
                total,
                first_byte: attempt::within(total, config.first_byte_timeout_ms),
                idle: attempt::within(total, Some(config.idle_timeout_ms)),
            },
            max_retries: config.max_retries,
            backoff: Backoff { base, ceiling: base * 10, server_ceiling: Duration::from_mins(1), jitter: 0.2 },
            output_tokens_max: config.max_tokens_per_request.unwrap_or(output_rule(config.context_window_tokens)),
            context_window_tokens: config.context_window_tokens,
            structured_output: config.structured_output,
            pace: pace(&route),
            breaker: Mutex::new(Breaker::new(config.circuit_breaker.rules(), Instant::now())),
            metrics: OnceLock::new(),
            parameters: Mutex::new(Parameters {
                temperature: config.temperature,
                legacy_max_tokens: route.provider == Provider::Ollama,
                streaming: config.streaming,
                reasoning: config.reasoning.asked(),
                ..Parameters::generous()
            }),
            route,
        })
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
    let waits = 10..=1_800_000;
    within("timeout_seconds", (1..=1800).contains(&config.timeout_seconds), "1..=1800")?;
    let first_byte = config.first_byte_timeout_ms.is_none_or(|wait| waits.contains(&wait));
    within("first_byte_timeout_ms", first_byte, "10..=1800000")?;
    within("idle_timeout_ms", waits.contains(&config.idle_timeout_ms), "10..=1800000")?;
    within("max_retries", config.max_retries <= 10, "0..=10")?;
    within("context_window_tokens", (4_000..=10_000_000).contains(&config.context_window_tokens), "4000..=10000000")?;
    within("temperature", config.temperature.is_none_or(|value| (0.0..=2.0).contains(&value)), "0.0..=2.0")?;
    let output = config.max_tokens_per_request.is_none_or(|value| (1..=200_000).contains(&value));
    within("max_tokens_per_request", output, "1..=200000")?;
    within("max_concurrent_requests", (1..=1_000).contains(&config.max_concurrent_requests), "1..=1000")?;
    within("tokens_per_minute", config.tokens_per_minute != Some(0), "1..")?;
    let breaker = config.circuit_breaker;
    within("circuit_breaker.max_requests", (1..=100).contains(&breaker.max_requests), "1..=100")?;
    within("circuit_breaker.failure_threshold", (1..=100).contains(&breaker.failure_threshold), "1..=100")?;
    within("circuit_breaker.interval_seconds", (1..=3_600).contains(&breaker.interval_seconds), "1..=3600")?;
    within("circuit_breaker.timeout_seconds", (1..=3_600).contains(&breaker.timeout_seconds), "1..=3600")?;
    let ratio = breaker.failure_ratio > 0.0 && breaker.failure_ratio <= 1.0;
    within("circuit_breaker.failure_ratio", ratio, "above 0 up to 1")
}
