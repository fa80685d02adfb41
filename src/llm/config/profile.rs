//! Other models than the one of the section: for a phase, or when that one does not answer.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Api, InlineSecret, LlmConfig, OAuth2Config, Provider, ReasoningConfig};

/// What differs from the section. With another provider, endpoint, key and whatever else belongs to the first one's
/// connection are not taken over.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileConfig {
    pub provider: Option<Provider>,
    pub model: Option<String>,
    pub api: Option<Api>,
    pub endpoint: Option<String>,
    pub api_key_file: Option<PathBuf>,
    pub api_key: Option<InlineSecret>,
    #[serde(alias = "project", alias = "gcpProjectId", alias = "vertex_project")]
    pub gcp_project_id: Option<String>,
    #[serde(alias = "location", alias = "gcpRegion", alias = "vertex_location")]
    pub gcp_region: Option<String>,
    pub azure_api_version: Option<String>,
    pub aws_region: Option<String>,
    pub timeout_seconds: Option<u64>,
    pub max_retries: Option<u32>,
    pub temperature: Option<f64>,
    pub max_tokens_per_request: Option<u32>,
    pub context_window_tokens: Option<usize>,
    pub reasoning: Option<ReasoningConfig>,
}

impl ProfileConfig {
    /// True when it would change nothing.
    pub(in crate::llm) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The section with these changes, without phases and fallbacks of its own.
    pub(in crate::llm) fn over(&self, base: &LlmConfig) -> LlmConfig {
        let mut config = LlmConfig { phase_models: PhaseModels::default(), fallbacks: Vec::new(), ..base.clone() };
        if self.provider.is_some_and(|provider| provider != base.provider) {
            (config.endpoint, config.api_key_file, config.api_key, config.secrets_file) = (None, None, None, None);
            (config.oauth2, config.custom_headers, config.api) = (OAuth2Config::default(), Vec::new(), Api::default());
            (config.tls_ca_file, config.tls_cert_file, config.tls_key_file) = (None, None, None);
        }
        let profile = self.clone();
        config.provider = profile.provider.unwrap_or(config.provider);
        config.model = profile.model.unwrap_or(config.model);
        config.api = profile.api.unwrap_or(config.api);
        config.endpoint = profile.endpoint.or(config.endpoint);
        config.api_key_file = profile.api_key_file.or(config.api_key_file);
        config.api_key = profile.api_key.or(config.api_key);
        config.gcp_project_id = profile.gcp_project_id.or(config.gcp_project_id);
        config.gcp_region = profile.gcp_region.or(config.gcp_region);
        config.azure_api_version = profile.azure_api_version.or(config.azure_api_version);
        config.aws_region = profile.aws_region.or(config.aws_region);
        config.timeout_seconds = profile.timeout_seconds.unwrap_or(config.timeout_seconds);
        config.max_retries = profile.max_retries.unwrap_or(config.max_retries);
        config.temperature = profile.temperature.or(config.temperature);
        config.max_tokens_per_request = profile.max_tokens_per_request.or(config.max_tokens_per_request);
        config.context_window_tokens = profile.context_window_tokens.unwrap_or(config.context_window_tokens);
        config.reasoning = profile.reasoning.unwrap_or(config.reasoning);
        config
    }
}

/// `llm.phase_models`. Corrections of a choice are made in the conversation that chose, so `validation` has no model of its
/// own; it is accepted for the sake of existing configurations.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PhaseModels {
    pub rca: Option<ProfileConfig>,
    pub workflow_discovery: Option<ProfileConfig>,
    pub validation: Option<ProfileConfig>,
}

impl PhaseModels {
    /// With their keys.
    pub(in crate::llm) fn named(&self) -> [(&'static str, Option<&ProfileConfig>); 3] {
        [
            ("rca", self.rca.as_ref()),
            ("workflow_discovery", self.workflow_discovery.as_ref()),
            ("validation", self.validation.as_ref()),
        ]
    }
}
