//! Where a call goes: dialect, address and headers that are no secret (operations §7.1–7.3). Pure.

use reqwest::Url;

use super::codec::Dialect;
use super::codec::anthropic::Host;
use super::config::{Api, LlmConfig, Named, Provider, UnknownPrefix, named};

/// Default of `llm.azure_api_version`.
const AZURE_API_VERSION: &str = "2024-10-21";
/// The only version of Anthropic's interface.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Why there is no way to the model. Shown to the operator at start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    #[error("llm.endpoint is required for provider `{0}`")]
    NoEndpoint(&'static str),
    #[error("llm.endpoint is not an absolute http(s) URL without user name, query or fragment")]
    BadEndpoint,
    #[error("{0} is required for provider `{1}`: set it, or {2} in the environment")]
    Missing(&'static str, &'static str, &'static str),
    #[error("{0} holds characters that cannot stand in an address")]
    BadName(&'static str),
    #[error("provider `vertex_ai` serves models named `claude-…` and `gemini-…` here, not `{0}`")]
    NotOnVertex(String),
    #[error(transparent)]
    UnknownPrefix(#[from] UnknownPrefix),
}

/// Where the built-in responder is.
const BUILT_IN: &str = "built-in";

/// What the section leaves to the environment, and the profile of the cloud.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    pub(super) gcp_project: Option<String>,
    pub(super) gcp_region: Option<String>,
    pub(super) aws_region: Option<String>,
}

/// The way to one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) provider: Provider,
    pub(super) dialect: Dialect,
    /// As the provider knows it.
    pub(super) model: String,
    /// Without the path of the call; what `/config` shows.
    pub(super) base: String,
    pub(super) aws_region: Option<String>,
    whole: String,
    streamed: String,
    /// Nobody is asked: the built-in responder answers.
    pub(super) is_built_in: bool,
}

impl Route {
    /// Works it out.
    ///
    /// # Errors
    /// What is missing or cannot be.
    pub(super) fn to(config: &LlmConfig, around: &Surroundings) -> Result<Self, RouteError> {
        let Named { provider, api, is_invoked, model } = named(config.provider, config.api, &config.model)?;
        let given = config.endpoint.as_deref().map(str::trim).filter(|endpoint| !endpoint.is_empty());
        let given = given.map(checked).transpose()?;
        let default = || provider.default_endpoint().map(str::to_owned);
        let is_built_in = provider == Provider::Mock && given.is_none();
        let default = || if is_built_in { Some(BUILT_IN.to_owned()) } else { default() };
        let needed = || given.clone().or_else(default).ok_or(RouteError::NoEndpoint(provider.as_str()));
        let places = match provider {
            Provider::OpenAi | Provider::OpenAiCompatible | Provider::LiteLlm | Provider::Mock => {
                Places::openai(needed()?, api)
            }
            Provider::Ollama => Places::openai(with_version(needed()?), api),
            Provider::Azure => Places::azure(&needed()?, api, &model, config.azure_api_version.as_deref()),
            Provider::Anthropic => {
                let base = needed()?;
                let url = format!("{}/v1/messages", base.trim_end_matches("/v1"));
                Places { dialect: Dialect::Anthropic(Host::Native), streamed: url.clone(), whole: url, base }
            }
            Provider::Gemini => Places::gemini(needed()?, &model),
            Provider::VertexAi => Places::vertex(given, &model, config, around)?,
            Provider::Bedrock => Places::bedrock(given, &model, is_invoked, config, around)?,
        };
        let Places { dialect, base, whole, streamed } = places;
        let aws_region = config.aws_region.clone().or_else(|| around.aws_region.clone());
        Ok(Self { provider, dialect, model, base, aws_region, whole, streamed, is_built_in })
    }

    pub(super) fn url(&self, streaming: bool) -> &str {
        if streaming { &self.streamed } else { &self.whole }
    }

    /// Headers every call carries.
    pub(super) fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self.dialect {
            Dialect::Anthropic(Host::Native) => &[("anthropic-version", ANTHROPIC_VERSION)],
            _ => &[],
        }
    }

    /// Who it is, in one word: for the breaker, and for what only this model may see again.
    pub(super) fn identity(&self) -> String {
        format!("{}/{}", self.provider.as_str(), self.model)
    }
}

struct Places {
    dialect: Dialect,
    base: String,
    whole: String,
    streamed: String,
}

impl Places {
    fn openai(base: String, api: Api) -> Self {
        let (dialect, path) = openai_path(api);
        let url = format!("{base}/{path}");
        Self { dialect, base, streamed: url.clone(), whole: url }
    }

    /// By deployment and version, or the path `v1` that knows neither.
    fn azure(base: &str, api: Api, model: &str, version: Option<&str>) -> Self {
        let version = version.map(str::trim).filter(|version| !version.is_empty()).unwrap_or(AZURE_API_VERSION);
        if base.ends_with("/v1") {
            return Self::openai(base.to_owned(), api);
        }
        if matches!(version, "v1" | "preview" | "latest") {
            return Self::openai(format!("{base}/openai/v1"), api);
        }
        let (dialect, path) = openai_path(api);
        let (model, version) = (segment(model), segment(version));
        let url = match api {
            Api::ChatCompletions => format!("{base}/openai/deployments/{model}/{path}?api-version={version}"),
            Api::Responses => format!("{base}/openai/{path}?api-version={version}"),
        };
        Self { dialect, base: base.to_owned(), streamed: url.clone(), whole: url }
    }

    fn gemini(base: String, model: &str) -> Self {
        let versioned =
            if base.ends_with("/v1beta") || base.ends_with("/v1") { base.clone() } else { format!("{base}/v1beta") };
        let whole = format!("{versioned}/models/{}:generateContent", segment(model));
        let streamed = format!("{versioned}/models/{}:streamGenerateContent?alt=sse", segment(model));
        Self { dialect: Dialect::Gemini, base, whole, streamed }
    }

    /// An endpoint replaces scheme and host only.
    fn vertex(
        given: Option<String>,
        model: &str,
        config: &LlmConfig,
        around: &Surroundings,
    ) -> Result<Self, RouteError> {
        let project = config.gcp_project_id.clone().or_else(|| around.gcp_project.clone());
        let project = project.ok_or(RouteError::Missing("llm.gcp_project_id", "vertex_ai", "VERTEXAI_PROJECT"))?;
        let region = config.gcp_region.clone().or_else(|| around.gcp_region.clone());
        let region = region.ok_or(RouteError::Missing("llm.gcp_region", "vertex_ai", "VERTEXAI_LOCATION"))?;
        let (project, region) = (name("llm.gcp_project_id", &project)?, name("llm.gcp_region", &region)?);
        let host = match region {
            "global" => "https://aiplatform.googleapis.com".to_owned(),
            "us" | "eu" => format!("https://aiplatform.{region}.rep.googleapis.com"),
            _ => format!("https://{region}-aiplatform.googleapis.com"),
        };
        let base = given.unwrap_or(host);
        let family = model.rsplit('/').next().unwrap_or(model);
        let (dialect, publisher, whole, streamed) = if family.starts_with("claude") {
            (Dialect::Anthropic(Host::Vertex), "anthropic", "rawPredict", "streamRawPredict")
        } else if family.starts_with("gemini") {
            (Dialect::Gemini, "google", "generateContent", "streamGenerateContent?alt=sse")
        } else {
            return Err(RouteError::NotOnVertex(model.to_owned()));
        };
        let path = format!(
            "{base}/v1/projects/{project}/locations/{region}/publishers/{publisher}/models/{}",
            segment(family)
        );
        Ok(Self { dialect, base, whole: format!("{path}:{whole}"), streamed: format!("{path}:{streamed}") })
    }

    fn bedrock(
        given: Option<String>,
        model: &str,
        is_invoked: bool,
        config: &LlmConfig,
        around: &Surroundings,
    ) -> Result<Self, RouteError> {
        let region = config.aws_region.as_deref().or(around.aws_region.as_deref());
        let region = region.ok_or(RouteError::Missing("llm.aws_region", "bedrock", "AWS_REGION"))?;
        let host = format!("https://bedrock-runtime.{}.amazonaws.com", name("llm.aws_region", region)?);
        let base = given.unwrap_or(host);
        let (dialect, whole, streamed) = if is_invoked {
            (Dialect::Anthropic(Host::Bedrock), "invoke", "invoke-with-response-stream")
        } else {
            (Dialect::BedrockConverse, "converse", "converse-stream")
        };
        let path = format!("{base}/model/{}", segment(model));
        Ok(Self { dialect, base, whole: format!("{path}/{whole}"), streamed: format!("{path}/{streamed}") })
    }
}

fn openai_path(api: Api) -> (Dialect, &'static str) {
    match api {
        Api::ChatCompletions => (Dialect::OpenAiChat, "chat/completions"),
        Api::Responses => (Dialect::OpenAiResponses, "responses"),
    }
}

/// Used literally, without slashes at its end. Nothing secret fits into it.
fn checked(endpoint: &str) -> Result<String, RouteError> {
    let url = Url::parse(endpoint).map_err(|_| RouteError::BadEndpoint)?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !plain {
        return Err(RouteError::BadEndpoint);
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Ollama's compatible interface lies below `/v1`.
fn with_version(base: String) -> String {
    let has_path = Url::parse(&base).is_ok_and(|url| url.path().len() > 1);
    if has_path { base } else { format!("{base}/v1") }
}

/// One segment of a path, or one value of a query: everything else is encoded.
fn segment(text: &str) -> String {
    const KEPT: [u8; 5] = *b"-_.~@";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || KEPT.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn name<'a>(key: &'static str, text: &'a str) -> Result<&'a str, RouteError> {
    let text = text.trim();
    let is_name =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.'));
    if is_name { Ok(text) } else { Err(RouteError::BadName(key)) }
}

#[cfg(test)]
mod tests;
