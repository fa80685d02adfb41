//! Who answers, and what the names of models say about it (operations §7.1, §7.2). Pure.

use serde::{Deserialize, Serialize};

/// Providers. Each speaks one dialect, or several by the model's family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Provider {
    #[default]
    OpenAi,
    OpenAiCompatible,
    LiteLlm,
    Ollama,
    Azure,
    Anthropic,
    VertexAi,
    Gemini,
    Bedrock,
    /// A stand-in that speaks OpenAI's dialect and wants no key.
    Mock,
}

/// Which of OpenAI's two interfaces is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    #[default]
    ChatCompletions,
    Responses,
}

impl TryFrom<String> for Provider {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match name.trim() {
            "openai" => Ok(Self::OpenAi),
            "openai_compatible" => Ok(Self::OpenAiCompatible),
            "litellm" => Ok(Self::LiteLlm),
            "ollama" => Ok(Self::Ollama),
            "azure" => Ok(Self::Azure),
            "anthropic" | "claude" => Ok(Self::Anthropic),
            "vertex_ai" | "vertex-ai" | "google" => Ok(Self::VertexAi),
            "gemini" => Ok(Self::Gemini),
            "bedrock" => Ok(Self::Bedrock),
            "mock" => Ok(Self::Mock),
            other => Err(format!(
                "unknown provider `{other}`, expected one of openai, anthropic, azure, bedrock, gemini, litellm, ollama, \
                 openai_compatible, vertex_ai; others are reached with `openai_compatible` and the endpoint of their \
                 OpenAI-compatible interface"
            )),
        }
    }
}

impl From<Provider> for String {
    fn from(provider: Provider) -> Self {
        provider.as_str().to_owned()
    }
}

impl Provider {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::OpenAiCompatible => "openai_compatible",
            Self::LiteLlm => "litellm",
            Self::Ollama => "ollama",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::VertexAi => "vertex_ai",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::Mock => "mock",
        }
    }

    /// Base URL when the configuration names none. Vertex and Bedrock make theirs from project and region.
    pub(in crate::llm) fn default_endpoint(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1"),
            Self::Ollama => Some("http://localhost:11434/v1"),
            Self::Anthropic => Some("https://api.anthropic.com"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com"),
            Self::OpenAiCompatible | Self::LiteLlm | Self::Azure | Self::VertexAi | Self::Bedrock | Self::Mock => None,
        }
    }

    /// Environment variables and files that hold its key, the first found wins. Beside them `LLM_API_KEY` always counts.
    pub(in crate::llm) fn key_names(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi | Self::OpenAiCompatible | Self::LiteLlm => &["OPENAI_API_KEY", "openai_api_key"],
            Self::Azure => &["AZURE_API_KEY", "AZURE_OPENAI_API_KEY"],
            Self::Anthropic => &["ANTHROPIC_API_KEY"],
            Self::Gemini => &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
            Self::Bedrock => &["AWS_BEARER_TOKEN_BEDROCK"],
            Self::Ollama | Self::VertexAi | Self::Mock => &[],
        }
    }
}

/// Where a call goes by provider and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::llm) struct Named {
    pub(in crate::llm) provider: Provider,
    pub(in crate::llm) api: Api,
    /// Bedrock: the model's own dialect instead of Converse.
    pub(in crate::llm) is_invoked: bool,
    /// As the provider knows it.
    pub(in crate::llm) model: String,
}

/// A model whose name says nothing that could be acted on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "llm.model begins with `{0}/`, a provider that is reached with provider `openai_compatible` and the endpoint of its \
     OpenAI-compatible interface"
)]
pub struct UnknownPrefix(pub String);

/// Takes a routing prefix off and lets it choose the provider. Names of gateways' models are theirs: they stay whole.
pub(in crate::llm) fn named(provider: Provider, api: Api, model: &str) -> Result<Named, UnknownPrefix> {
    let model = model.trim();
    let whole = Named { provider, api, is_invoked: false, model: model.to_owned() };
    let Some((prefix, rest)) = model.split_once('/').filter(|(_, rest)| !rest.is_empty()) else { return Ok(whole) };
    if matches!(provider, Provider::OpenAiCompatible | Provider::LiteLlm | Provider::Mock) {
        let model = if prefix == "litellm_proxy" { rest } else { model };
        return Ok(Named { model: model.to_owned(), ..whole });
    }
    let provider = match prefix {
        "openai" => Provider::OpenAi,
        "anthropic" => Provider::Anthropic,
        "vertex_ai" => Provider::VertexAi,
        "gemini" => Provider::Gemini,
        "azure" => Provider::Azure,
        "bedrock" => Provider::Bedrock,
        "ollama" | "ollama_chat" => Provider::Ollama,
        "litellm_proxy" => Provider::LiteLlm,
        "mistral" | "huggingface" | "together_ai" | "cohere" => return Err(UnknownPrefix(prefix.to_owned())),
        _ => return Ok(whole),
    };
    let (api, rest) = rest.strip_prefix("responses/").map_or((api, rest), |rest| (Api::Responses, rest));
    let invoked = rest.strip_prefix("invoke/").filter(|_| provider == Provider::Bedrock);
    let rest = invoked.or_else(|| rest.strip_prefix("converse/")).unwrap_or(rest);
    Ok(Named { provider, api, is_invoked: invoked.is_some(), model: rest.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_chooses_the_provider_and_is_not_sent() {
        use Provider::{Anthropic, Azure, Bedrock, Gemini, LiteLlm, Ollama, OpenAi, OpenAiCompatible, VertexAi};
        for (provider, model, chosen, sent) in [
            (OpenAi, "gpt-4o", OpenAi, "gpt-4o"),
            (OpenAi, " openai/gpt-4o ", OpenAi, "gpt-4o"),
            (OpenAi, "anthropic/claude-3-5-sonnet@20240620", Anthropic, "claude-3-5-sonnet@20240620"),
            (OpenAi, "vertex_ai/gemini-2.5-pro", VertexAi, "gemini-2.5-pro"),
            (VertexAi, "claude-sonnet-4@20250514", VertexAi, "claude-sonnet-4@20250514"),
            (OpenAi, "azure/my-deployment", Azure, "my-deployment"),
            (OpenAi, "ollama/llama3.1:70b", Ollama, "llama3.1:70b"),
            (OpenAi, "bedrock/eu.anthropic.claude-v1:0", Bedrock, "eu.anthropic.claude-v1:0"),
            (Bedrock, "converse/x", Bedrock, "converse/x"),
            (OpenAi, "gemini/gemini-2.5-flash", Gemini, "gemini-2.5-flash"),
            (OpenAi, "litellm_proxy/team/gpt", LiteLlm, "team/gpt"),
            (OpenAi, "Qwen/Qwen3-32B-high", OpenAi, "Qwen/Qwen3-32B-high"),
            (OpenAi, "openai/", OpenAi, "openai/"),
            // A gateway's own names.
            (OpenAiCompatible, "anthropic/claude-sonnet-4", OpenAiCompatible, "anthropic/claude-sonnet-4"),
            (LiteLlm, "openai/gpt-4o", LiteLlm, "openai/gpt-4o"),
        ] {
            let named = named(provider, Api::ChatCompletions, model).unwrap();
            assert_eq!((named.provider, named.model.as_str()), (chosen, sent), "{model}");
        }
        assert!(named(Provider::OpenAi, Api::ChatCompletions, "mistral/large").is_err());
        let responses = named(Provider::OpenAi, Api::ChatCompletions, "openai/responses/o3").unwrap();
        assert_eq!((responses.api, responses.model.as_str()), (Api::Responses, "o3"));
        let invoked = named(Provider::OpenAi, Api::ChatCompletions, "bedrock/invoke/anthropic.claude").unwrap();
        assert!(invoked.is_invoked && invoked.model == "anthropic.claude");
    }

    #[test]
    fn aliases_and_strangers() {
        let read = |name: &str| Provider::try_from(name.to_owned());
        assert_eq!(read("claude"), Ok(Provider::Anthropic));
        assert_eq!(read("google"), Ok(Provider::VertexAi));
        assert_eq!(read("vertex-ai"), Ok(Provider::VertexAi));
        assert!(read("cohere").unwrap_err().contains("openai_compatible"));
    }
}
