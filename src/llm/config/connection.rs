//! Parts of the `llm` section about the connection (operations §7.5–7.8).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::llm::codec::{Effort, Reasoning};
use crate::retry::breaker::Rules;

/// A secret written into the configuration. Never shown.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct InlineSecret(String);

impl InlineSecret {
    pub(in crate::llm) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for InlineSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// `llm.oauth2`: a bearer token from a gateway's token endpoint (client credentials).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OAuth2Config {
    pub enabled: bool,
    pub token_url: Option<String>,
    pub scopes: Vec<String>,
    /// Folder with the files `client-id` and `client-secret`; read for each new token.
    pub credentials_dir: Option<PathBuf>,
}

/// One of `llm.custom_headers`. Exactly one source.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomHeader {
    pub name: String,
    #[serde(default)]
    pub value: Option<InlineSecret>,
    /// Name of an environment variable.
    #[serde(default)]
    pub secret_key_ref: Option<String>,
    /// Read for each request.
    #[serde(default)]
    pub file_path: Option<PathBuf>,
}

/// `llm.circuit_breaker`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// Default true.
    pub enabled: bool,
    /// Trial calls at once, and how many must succeed, while half open. Default 3.
    pub max_requests: u32,
    /// Window over which calls are counted, seconds. Default 30.
    pub interval_seconds: u64,
    /// How long it stays open, seconds. Default 30.
    pub timeout_seconds: u64,
    /// Calls in the window before it may open, 1..=100: a sample size, not a number of failures. Default 10.
    pub failure_threshold: u32,
    /// Share of failed calls that opens it, above 0 up to 1. Default 0.5.
    pub failure_ratio: f64,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            max_requests: 3,
            interval_seconds: 30,
            timeout_seconds: 30,
            failure_threshold: 10,
            failure_ratio: 0.5,
        }
    }
}

impl BreakerConfig {
    pub(in crate::llm) fn rules(&self) -> Rules {
        Rules {
            is_on: self.enabled,
            trials: self.max_requests,
            window: Duration::from_secs(self.interval_seconds),
            open_for: Duration::from_secs(self.timeout_seconds),
            sample_min: self.failure_threshold,
            failure_ratio: self.failure_ratio,
        }
    }
}

/// `llm.reasoning`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReasoningConfig {
    pub enabled: bool,
    /// Tokens to think with; wins over `effort` where the dialect knows both.
    pub budget_tokens: Option<u32>,
    /// none, minimal, low, medium, high, xhigh.
    pub effort: Option<Effort>,
    /// For models of one's own: `force_off` asks for nothing whatever else is set.
    pub capability_override: CapabilityOverride,
}

/// Whether a model is taken to reason. A model that refuses to is not asked again, so `auto` and `force_on` ask alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CapabilityOverride {
    #[default]
    Auto,
    ForceOn,
    ForceOff,
}

impl ReasoningConfig {
    pub(in crate::llm) fn asked(self) -> Option<Reasoning> {
        let is_asked = self.enabled && self.capability_override != CapabilityOverride::ForceOff;
        is_asked.then_some(Reasoning { effort: self.effort, budget_tokens: self.budget_tokens })
    }
}
