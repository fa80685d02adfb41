//! How a call proves who makes it (operations §1.10, §7.6, §7.7). Everything is read again when it is refused or runs out:
//! rotation needs no restart. No secret is in `Debug`, in an error or in a log line.

mod api_key;
mod aws;
mod environment;
mod google;
mod headers;
mod oauth2;
mod token;

use std::fmt;

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

pub(super) use api_key::ApiKey;
pub(super) use aws::AwsChain;
pub use environment::Environment;
pub(super) use google::Google;
pub(super) use headers::CustomHeaders;
pub(super) use oauth2::OAuth2;

use super::config::{LlmConfig, Provider};
use super::route::{Route, Surroundings};
use super::sigv4;
use crate::service_account::SecretFileError;

/// Largest credential file read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a call cannot prove anything. Names files, variables and addresses, never what is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    #[error("llm.api_key_file {0}")]
    KeyFile(#[from] SecretFileError),
    /// One sentence: what is missing or malformed, and where.
    #[error("{0}")]
    Unusable(String),
    /// Whoever hands out the proof said no.
    #[error("{0}")]
    Refused(String),
    /// Whoever hands out the proof cannot be reached.
    #[error("{0}")]
    Unreachable(String),
}

/// Where a key stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Bearer,
    Header(&'static str),
}

/// The proof of one profile.
pub(super) enum Credentials {
    Key { key: ApiKey, place: KeyPlace },
    OAuth2(OAuth2),
    Google(Google),
    Aws(AwsChain),
}

/// See [`Place`]; opaque to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyPlace(Place);

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key { .. } => "Credentials::Key",
            Self::OAuth2(_) => "Credentials::OAuth2",
            Self::Google(_) => "Credentials::Google",
            Self::Aws(_) => "Credentials::Aws",
        })
    }
}

/// What the environment and the files of the clouds say about where a model is.
pub(super) fn surroundings(config: &LlmConfig, environment: &Environment) -> Surroundings {
    let first = |names: &[&str]| names.iter().find_map(|name| environment.get(name));
    Surroundings {
        gcp_project: first(&["VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT"])
            .or_else(|| google::project_of_file(config, environment)),
        gcp_region: first(&["VERTEXAI_LOCATION", "GOOGLE_CLOUD_LOCATION"]),
        aws_region: first(&["AWS_REGION", "AWS_DEFAULT_REGION"]).or_else(|| aws::region_of_profile(environment)),
    }
}

impl Credentials {
    /// What a profile proves itself with. Reads files; fetches nothing.
    ///
    /// # Errors
    /// A credential that is named and unusable, or needed and missing.
    pub(super) fn of(config: &LlmConfig, route: &Route, environment: &Environment) -> Result<Self, CredentialError> {
        if config.oauth2.enabled {
            return Ok(Self::OAuth2(OAuth2::new(&config.oauth2)?));
        }
        let provider = route.provider;
        let place = match provider {
            Provider::Azure => Place::Header("api-key"),
            Provider::Anthropic => Place::Header("x-api-key"),
            Provider::Gemini => Place::Header("x-goog-api-key"),
            Provider::VertexAi => return Ok(Self::Google(Google::new(config, environment))),
            _ => Place::Bearer,
        };
        let key = ApiKey::open(config, provider, environment)?;
        if provider == Provider::Bedrock && !key.is_set() {
            return Ok(Self::Aws(AwsChain::new(route.aws_region.as_deref().unwrap_or_default(), environment)));
        }
        let is_own_endpoint = provider.default_endpoint() == Some(route.base.as_str());
        let needs_key = match provider {
            Provider::OpenAi => is_own_endpoint,
            Provider::Azure | Provider::Anthropic | Provider::Gemini => true,
            _ => false,
        };
        if needs_key && !key.is_set() {
            return Err(missing(provider, is_own_endpoint));
        }
        Ok(Self::Key { key, place: KeyPlace(place) })
    }

    /// Puts the proof on a request that is otherwise complete.
    ///
    /// # Errors
    /// See [`CredentialError`].
    pub(super) async fn sign(
        &self,
        http: &reqwest::Client,
        request: &mut reqwest::Request,
    ) -> Result<(), CredentialError> {
        match self {
            Self::Key { key, place: KeyPlace(place) } => match key.get() {
                Some(key) => put(request, *place, &key),
                None => Ok(()),
            },
            Self::OAuth2(gateway) => put(request, Place::Bearer, &gateway.token(http).await?),
            Self::Google(google) => put(request, Place::Bearer, &google.token(http).await?),
            Self::Aws(chain) => {
                let keys = chain.keys(http).await?;
                put_signature(request, &keys, chain.region(), Timestamp::now())
            }
        }
    }

    /// After a refusal: whether another attempt would prove something else.
    pub(super) async fn renew(&self) -> bool {
        match self {
            Self::Key { key, .. } => key.changed(),
            Self::OAuth2(gateway) => gateway.forget().await,
            Self::Google(google) => google.forget().await,
            Self::Aws(chain) => chain.forget().await,
        }
    }
}

fn missing(provider: Provider, is_own_endpoint: bool) -> CredentialError {
    let place = if is_own_endpoint { " at its own endpoint" } else { "" };
    let (name, variable) = (provider.as_str(), provider.key_names().first().copied().unwrap_or("LLM_API_KEY"));
    CredentialError::Unusable(format!(
        "provider `{name}`{place} needs a key: set llm.api_key_file to a file that holds it, or {variable} in the \
         environment or in a Secret mounted at llm.credentials_dir"
    ))
}

fn put(request: &mut reqwest::Request, place: Place, secret: &SecretString) -> Result<(), CredentialError> {
    let (name, text) = match place {
        Place::Bearer => (AUTHORIZATION, format!("Bearer {}", secret.expose_secret())),
        Place::Header(name) => (HeaderName::from_static(name), secret.expose_secret().to_owned()),
    };
    request.headers_mut().insert(name, sensitive(&text)?);
    Ok(())
}

fn sensitive(text: &str) -> Result<HeaderValue, CredentialError> {
    let unusable = |_| CredentialError::Unusable("a key or token holds characters that cannot be sent".to_owned());
    let mut value = HeaderValue::from_str(text).map_err(unusable)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Service name in the signatures of Bedrock's runtime.
const BEDROCK: &str = "bedrock";

fn put_signature(
    request: &mut reqwest::Request,
    keys: &sigv4::Keys,
    region: &str,
    now: Timestamp,
) -> Result<(), CredentialError> {
    let date = sigv4::amz_date(now);
    let url = request.url().clone();
    let host = match (url.host_str().unwrap_or_default(), url.port()) {
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    };
    let token = keys.session_token.as_ref().map(|token| token.expose_secret().to_owned());
    let mut headers = vec![("host", host.as_str()), ("x-amz-date", date.as_str())];
    headers.extend(token.as_deref().map(|token| ("x-amz-security-token", token)));
    let payload = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    let signed = sigv4::Signed {
        method: request.method().as_str(),
        path: url.path(),
        query: url.query().unwrap_or_default(),
        headers: &headers,
        payload,
    };
    let header = sigv4::authorization(keys, sigv4::Scope { region, service: BEDROCK }, &date, &signed);
    let header = sensitive(&header)?;
    let date = sensitive(&date)?;
    let token = token.as_deref().map(sensitive).transpose()?;
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, header);
    headers.insert(HeaderName::from_static("x-amz-date"), date);
    if let Some(token) = token {
        headers.insert(HeaderName::from_static("x-amz-security-token"), token);
    }
    Ok(())
}

/// Reads a file of bounded size; blocks.
fn read_file(path: &std::path::Path) -> Result<String, CredentialError> {
    let unusable = |reason: String| CredentialError::Unusable(format!("{} {reason}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| unusable(format!("cannot be read: {error}")))?.len();
    if size > FILE_BYTES_MAX {
        return Err(unusable(format!("is larger than {FILE_BYTES_MAX} bytes")));
    }
    std::fs::read_to_string(path).map_err(|error| unusable(format!("cannot be read: {error}")))
}

/// Patience with whoever hands out a token.
const EXCHANGE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15);
/// Largest answer read, in bytes.
const EXCHANGE_BYTES_MAX: usize = 256 * 1024;

/// Asks a token endpoint; `whom` stands in errors. The answer is bounded, and never repeated.
async fn exchange(whom: &str, request: reqwest::RequestBuilder) -> Result<String, CredentialError> {
    let sent = request.timeout(EXCHANGE_TIMEOUT).send().await;
    let unreachable = |_| CredentialError::Unreachable(format!("{whom} cannot be reached"));
    let mut response = sent.map_err(unreachable)?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if bytes.len() + chunk.len() > EXCHANGE_BYTES_MAX {
            return Err(CredentialError::Unreachable(format!("{whom} answers without end")));
        }
        bytes.extend_from_slice(&chunk);
    }
    if status.is_server_error() || status.as_u16() == 429 {
        return Err(CredentialError::Unreachable(format!("{whom} failed (HTTP {})", status.as_u16())));
    }
    if !status.is_success() {
        return Err(CredentialError::Refused(format!("{whom} refused the credentials (HTTP {})", status.as_u16())));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
