//! Client credentials against a gateway's token endpoint (operations §7.6).

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;

use super::token::Fetched;
use super::{CredentialError, exchange, read_file};
use crate::llm::config::OAuth2Config;

/// How long a token is taken to last when the endpoint does not say.
const LIFE_DEFAULT: Duration = Duration::from_mins(5);

/// A gateway's tokens.
pub(in crate::llm) struct OAuth2 {
    url: Url,
    scope: String,
    directory: PathBuf,
    token: Fetched<SecretString>,
}

/// An answer of a token endpoint.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl TokenAnswer {
    /// Reads it; `whom` stands in the error.
    pub(super) fn read(whom: &str, text: &str) -> Result<(SecretString, Option<Duration>), CredentialError> {
        let unusable = |_| CredentialError::Unreachable(format!("{whom} answered something that is no token"));
        let answer: Self = serde_json::from_str(text).map_err(unusable)?;
        let lasts = answer.expires_in.map_or(LIFE_DEFAULT, Duration::from_secs);
        Ok((answer.access_token, Some(lasts)))
    }
}

impl OAuth2 {
    pub(in crate::llm) fn new(config: &OAuth2Config) -> Result<Self, CredentialError> {
        let unusable = |text: &str| CredentialError::Unusable(text.to_owned());
        let url = config.token_url.as_deref().and_then(|url| Url::parse(url).ok());
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.password().is_none());
        let url = url.ok_or_else(|| unusable("llm.oauth2.token_url is not an absolute http(s) URL"))?;
        let directory = config.credentials_dir.clone();
        let directory = directory.ok_or_else(|| unusable("llm.oauth2.credentials_dir is required"))?;
        Ok(Self { url, scope: config.scopes.join(" "), directory, token: Fetched::default() })
    }

    pub(in crate::llm) async fn token(&self, http: &reqwest::Client) -> Result<SecretString, CredentialError> {
        self.token.get(async || self.fetch(http).await).await
    }

    pub(in crate::llm) async fn forget(&self) -> bool {
        self.token.forget().await
    }

    async fn fetch(&self, http: &reqwest::Client) -> Result<(SecretString, Option<Duration>), CredentialError> {
        const WHOM: &str = "the token endpoint of llm.oauth2";
        let read = |name: &str| read_file(&self.directory.join(name)).map(|text| text.trim().to_owned());
        let (id, secret) = (read("client-id")?, read("client-secret")?);
        let mut pairs = vec![("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", &secret)];
        if !self.scope.is_empty() {
            pairs.push(("scope", &self.scope));
        }
        let answer = exchange(WHOM, form(http.post(self.url.clone()), &pairs)).await?;
        TokenAnswer::read(WHOM, &answer)
    }
}

/// A request with these pairs as its form.
pub(super) fn form(request: reqwest::RequestBuilder, pairs: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let mut encoder = Url::parse("form:/").ok();
    let text = encoder.as_mut().and_then(|url| {
        url.query_pairs_mut().extend_pairs(pairs);
        url.query().map(str::to_owned)
    });
    request.header("content-type", "application/x-www-form-urlencoded").body(text.unwrap_or_default())
}
