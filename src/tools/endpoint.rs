//! One HTTP server that only answers questions (Prometheus, Alertmanager): one client, one base address, bounded bodies,
//! no redirects, credentials from files. The address comes from the operator; a model never supplies one.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, StatusCode, Url};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;

use crate::service_account::{SecretFile, SecretFileError};

/// Largest answer read, in bytes.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest message of the server passed on, in characters.
const MESSAGE_CHARS_MAX: usize = 500;
/// Addresses longer than this are sent as a form where the server takes one, in bytes.
const URL_BYTES_MAX: usize = 2_000;
/// Time to connect.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Extra request headers. Values may be credentials: they are not shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ExtraHeaders(BTreeMap<String, String>);

impl fmt::Debug for ExtraHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl ExtraHeaders {
    pub fn has_authorization(&self) -> bool {
        self.0.keys().any(|name| name.eq_ignore_ascii_case("authorization"))
    }

    pub(super) fn to_map(&self) -> Result<HeaderMap, BuildError> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.0 {
            let bad = || BuildError::Header { name: name.clone() };
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
            value.set_sensitive(true);
            map.insert(key, value);
        }
        Ok(map)
    }
}

/// A section of the configuration that cannot work. Shown to the operator at start; holds no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("{0} is required")]
    NoUrl(&'static str),
    #[error("{0} is not an absolute http(s) URL without user name, query or fragment")]
    BadUrl(&'static str),
    #[error("header `{name}` has a name or a value that HTTP does not allow")]
    Header { name: String },
    #[error(transparent)]
    Token(#[from] SecretFileError),
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    #[error("HTTP client: {0}")]
    Client(String),
    #[error("mcp_servers.{server}: {problem}")]
    Server { server: String, problem: Box<BuildError> },
}

/// What an [`Endpoint`] is built from.
pub(super) struct EndpointSettings<'a> {
    /// As it is called in answers.
    pub(super) server: &'static str,
    /// Name of the key that holds the URL.
    pub(super) url_key: &'static str,
    pub(super) url: Option<&'a str>,
    pub(super) headers: &'a ExtraHeaders,
    pub(super) token_file: Option<&'a Path>,
    pub(super) ca_file: Option<&'a Path>,
    pub(super) verify_tls: bool,
}

/// Why there is no answer, in a sentence for the model. The server's own words are bounded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("{server} did not answer within {seconds} s; ask for less, a shorter range or fewer series")]
    Timeout { server: &'static str, seconds: u64 },
    #[error("{server} cannot be reached ({reason}); go on without it")]
    Unreachable { server: &'static str, reason: String },
    #[error("the connection to {server} broke; trying once more may help")]
    Broken { server: &'static str },
    #[error("the answer of {server} is larger than {} MiB; aggregate, filter by labels or shorten the range", ANSWER_BYTES_MAX >> 20)]
    TooLarge { server: &'static str },
    #[error("{server} answered something that is not the expected JSON; go on without it")]
    Malformed { server: &'static str },
    #[error("{server} refused this service's credentials (HTTP {status}); go on without it")]
    Credentials { server: &'static str, status: u16 },
    #[error("{server} redirects (HTTP {status}), which is not followed; go on without it")]
    Redirect { server: &'static str, status: u16 },
    #[error("{server} answered HTTP {status}: {message}")]
    Refused { server: &'static str, status: u16, message: String },
}

/// One question.
pub(super) struct Question<'a> {
    /// Appended to the base address, each as one segment.
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(&'a str, String)],
    pub(super) timeout: Duration,
    /// Whether the server takes the query as a form when it is long.
    pub(super) takes_form: bool,
}

/// A server and how it is spoken to. Shared behind an `Arc` by its owner; one connection pool.
pub(super) struct Endpoint {
    server: &'static str,
    client: reqwest::Client,
    base: Url,
    /// Read again when the server refuses it.
    token: SecretFile,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Reads the files and builds the client.
    ///
    /// # Errors
    /// Whatever in the settings cannot work.
    pub(super) fn build(settings: &EndpointSettings<'_>) -> Result<Self, BuildError> {
        let url = settings.url.map(str::trim).filter(|url| !url.is_empty());
        let base = base_url(url.ok_or(BuildError::NoUrl(settings.url_key))?, settings.url_key)?;
        let token = SecretFile::open(settings.token_file.map(Path::to_owned))?;
        let mut client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(settings.headers.to_map()?)
            .user_agent(concat!("holmesgpt-api/", env!("CARGO_PKG_VERSION")))
            .tls_danger_accept_invalid_certs(!settings.verify_tls);
        if let Some(path) = settings.ca_file {
            client = client.tls_certs_merge(certificates(path)?);
        }
        let client = client.build().map_err(|error| BuildError::Client(error.to_string()))?;
        Ok(Self { server: settings.server, client, base, token })
    }

    /// The answer as JSON. Cancel by dropping the future: the connection closes.
    ///
    /// # Errors
    /// Whatever kept the server from answering, or its refusal.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Value, EndpointError> {
        let (mut status, mut body) = self.attempt(question).await?;
        if status == StatusCode::UNAUTHORIZED && self.token.changed() {
            (status, body) = self.attempt(question).await?;
        }
        let server = self.server;
        match status.as_u16() {
            200..=299 => serde_json::from_slice(&body).map_err(|_| EndpointError::Malformed { server }),
            300..=399 => Err(EndpointError::Redirect { server, status: status.as_u16() }),
            401 | 403 => Err(EndpointError::Credentials { server, status: status.as_u16() }),
            _ => Err(EndpointError::Refused { server, status: status.as_u16(), message: message(&body) }),
        }
    }

    async fn attempt(&self, question: &Question<'_>) -> Result<(StatusCode, Vec<u8>), EndpointError> {
        let mut call = self.request(question).timeout(question.timeout);
        if let Some(token) = self.token.get() {
            call = call.bearer_auth(token.expose_secret());
        }
        let failure = |error: reqwest::Error| self.failure(&error, question.timeout);
        let mut response = call.send().await.map_err(failure)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(EndpointError::TooLarge { server: self.server });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((response.status(), bytes))
    }

    fn request(&self, question: &Question<'_>) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(question.path);
        }
        let plain = url.clone();
        if !question.query.is_empty() {
            url.query_pairs_mut().extend_pairs(question.query);
        }
        if question.takes_form && url.as_str().len() > URL_BYTES_MAX {
            let form = url.query().unwrap_or_default().to_owned();
            return self.client.post(plain).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        }
        self.client.get(url)
    }

    fn failure(&self, error: &reqwest::Error, timeout: Duration) -> EndpointError {
        let server = self.server;
        if error.is_connect() {
            EndpointError::Unreachable { server, reason: innermost(error) }
        } else if error.is_timeout() {
            EndpointError::Timeout { server, seconds: timeout.as_secs() }
        } else {
            EndpointError::Broken { server }
        }
    }
}

fn base_url(text: &str, key: &'static str) -> Result<Url, BuildError> {
    let url = Url::parse(text).map_err(|_| BuildError::BadUrl(key))?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if matches!(url.scheme(), "http" | "https") && plain { Ok(url) } else { Err(BuildError::BadUrl(key)) }
}

pub(super) fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, BuildError> {
    let problem = |reason: String| BuildError::File { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(|error| problem(error.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&bytes).map_err(|error| problem(error.to_string()))?;
    if found.is_empty() { Err(problem("holds no PEM certificate".to_owned())) } else { Ok(found) }
}

/// The last cause of an error: `Connection refused`, `invalid peer certificate: UnknownIssuer`.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string().chars().take(MESSAGE_CHARS_MAX).collect()
}

/// The server's own words: the `error` of Prometheus, the text or `message` of Alertmanager, else the body as it is.
fn message(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(Value::String(text)) => text,
        Ok(value) => {
            let known = ["error", "message"].iter().find_map(|name| value.get(name).and_then(Value::as_str));
            known.map_or_else(|| value.to_string(), str::to_owned)
        }
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() { "no message".to_owned() } else { words.chars().take(MESSAGE_CHARS_MAX).collect() }
}

#[cfg(test)]
mod tests;
