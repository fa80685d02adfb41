//! Google's tokens: service-account file, user's file, workload identity federation, metadata server (operations §1.10).

mod assertion;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::oauth2::{TokenAnswer, form};
use super::token::Fetched;
use super::{CredentialError, Environment, exchange, read_file};
use crate::llm::config::LlmConfig;

const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
const ADC: &str = "application_default_credentials.json";
const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";
const METADATA_HOST: &str = "metadata.google.internal";

/// Tokens of one identity.
pub(in crate::llm) struct Google {
    environment: Environment,
    secrets_file: Option<PathBuf>,
    token: Fetched<SecretString>,
}

impl Google {
    pub(in crate::llm) fn new(config: &LlmConfig, environment: &Environment) -> Self {
        let secrets_file = config.secrets_file.clone();
        Self { environment: environment.clone(), secrets_file, token: Fetched::default() }
    }

    pub(in crate::llm) async fn token(&self, http: &reqwest::Client) -> Result<SecretString, CredentialError> {
        self.token.get(async || self.fetch(http).await).await
    }

    pub(in crate::llm) async fn forget(&self) -> bool {
        self.token.forget().await
    }

    async fn fetch(&self, http: &reqwest::Client) -> Result<(SecretString, Option<Duration>), CredentialError> {
        match credential_text(self.secrets_file.as_deref(), &self.environment)? {
            Some(text) => Identity::read(&text)?.token(http, Timestamp::now()).await,
            None => self.of_metadata(http).await,
        }
    }

    /// What the machine or the pod is.
    async fn of_metadata(&self, http: &reqwest::Client) -> Result<(SecretString, Option<Duration>), CredentialError> {
        const WHOM: &str = "Google's metadata server (there is no credential file)";
        let host = self.environment.variable("GCE_METADATA_HOST").unwrap_or_else(|| METADATA_HOST.to_owned());
        let url = format!("http://{host}/computeMetadata/v1/instance/service-accounts/default/token");
        let answer = exchange(WHOM, http.get(url).header("metadata-flavor", "Google")).await?;
        TokenAnswer::read(WHOM, &answer)
    }
}

/// The text of the credential file, from the first place that has one.
fn credential_text(secrets_file: Option<&Path>, environment: &Environment) -> Result<Option<String>, CredentialError> {
    if let Some(path) = environment.variable(VARIABLE) {
        return read_file(Path::new(&path)).map(Some);
    }
    if let Some(text) = environment.file(ADC) {
        return Ok(Some(text));
    }
    if let Some(text) = environment.file(VARIABLE) {
        return if text.starts_with('{') { Ok(Some(text)) } else { inside(environment, &text).map(Some) };
    }
    if let Some(path) = secrets_file.and_then(path_in_secrets_file) {
        return read_file(Path::new(&path)).map(Some);
    }
    let own = environment.home().map(|home| home.join(".config/gcloud").join(ADC));
    own.filter(|path| path.is_file()).map(|path| read_file(&path)).transpose()
}

/// A file named `GOOGLE_APPLICATION_CREDENTIALS` may name another one beside it, and no other.
fn inside(environment: &Environment, path: &str) -> Result<String, CredentialError> {
    let problem = || CredentialError::Unusable(format!("the file {VARIABLE} names no file of its own folder"));
    let path = Path::new(path);
    let real = path.canonicalize().map_err(|_| problem())?;
    let directory = environment.directory().canonicalize().map_err(|_| problem())?;
    if !path.is_absolute() || !real.starts_with(directory) {
        return Err(problem());
    }
    read_file(&real)
}

fn path_in_secrets_file(path: &Path) -> Option<String> {
    let members: Map<String, Value> = serde_saphyr::from_str(&read_file(path).ok()?).ok()?;
    let named = members.get("google_credentials_path")?.as_str()?.trim();
    (!named.is_empty()).then(|| named.to_owned())
}

/// The project the credential file belongs to.
pub(super) fn project_of_file(config: &LlmConfig, environment: &Environment) -> Option<String> {
    let text = credential_text(config.secrets_file.as_deref(), environment).ok()??;
    let file: Value = serde_json::from_str(&text).ok()?;
    ["project_id", "quota_project_id"].iter().find_map(|name| file.get(*name)?.as_str().map(str::to_owned))
}

/// What a credential file says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Identity {
    ServiceAccount(ServiceAccount),
    AuthorizedUser(AuthorizedUser),
    ExternalAccount(ExternalAccount),
}

#[derive(Deserialize)]
struct ServiceAccount {
    client_email: String,
    private_key: SecretString,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    token_uri: Option<String>,
}

#[derive(Deserialize)]
struct AuthorizedUser {
    client_id: String,
    client_secret: SecretString,
    refresh_token: SecretString,
    #[serde(default)]
    token_uri: Option<String>,
}

/// Another identity provider's token, exchanged for one of Google's.
#[derive(Deserialize)]
struct ExternalAccount {
    audience: String,
    subject_token_type: String,
    token_url: String,
    credential_source: SubjectSource,
    #[serde(default)]
    service_account_impersonation_url: Option<String>,
}

#[derive(Deserialize)]
struct SubjectSource {
    #[serde(default)]
    file: Option<PathBuf>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    format: Option<SubjectFormat>,
}

#[derive(Deserialize)]
struct SubjectFormat {
    #[serde(default)]
    subject_token_field_name: Option<String>,
}

type Lasting = (SecretString, Option<Duration>);

impl Identity {
    fn read(text: &str) -> Result<Self, CredentialError> {
        let problem =
            "Google's credential file is no JSON object of type service_account, authorized_user or external_account";
        serde_json::from_str(text).map_err(|_| CredentialError::Unusable(problem.to_owned()))
    }

    async fn token(&self, http: &reqwest::Client, now: Timestamp) -> Result<Lasting, CredentialError> {
        const WHOM: &str = "Google's token endpoint";
        let (url, pairs) = match self {
            Self::ExternalAccount(account) => return account.token(http).await,
            Self::ServiceAccount(account) => {
                let url = account.token_uri.as_deref().unwrap_or(TOKEN_URL);
                let assertion = assertion::signed(account, url, SCOPE, now)?;
                let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
                (url, vec![("grant_type", grant.to_owned()), ("assertion", assertion)])
            }
            Self::AuthorizedUser(user) => {
                let pairs = vec![
                    ("grant_type", "refresh_token".to_owned()),
                    ("client_id", user.client_id.clone()),
                    ("client_secret", user.client_secret.expose_secret().to_owned()),
                    ("refresh_token", user.refresh_token.expose_secret().to_owned()),
                ];
                (user.token_uri.as_deref().unwrap_or(TOKEN_URL), pairs)
            }
        };
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = exchange(WHOM, form(http.post(url), &pairs)).await?;
        TokenAnswer::read(WHOM, &answer)
    }
}

impl ExternalAccount {
    async fn token(&self, http: &reqwest::Client) -> Result<Lasting, CredentialError> {
        const WHOM: &str = "Google's token exchange";
        let subject = self.credential_source.token(http).await?;
        let pairs = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", &self.audience),
            ("scope", SCOPE),
            ("subject_token_type", &self.subject_token_type),
            ("subject_token", subject.expose_secret()),
        ];
        let answer = exchange(WHOM, form(http.post(&self.token_url), &pairs)).await?;
        let federated = TokenAnswer::read(WHOM, &answer)?;
        match &self.service_account_impersonation_url {
            None => Ok(federated),
            Some(url) => impersonated(http, url, &federated.0).await,
        }
    }
}

impl SubjectSource {
    async fn token(&self, http: &reqwest::Client) -> Result<SecretString, CredentialError> {
        const WHOM: &str = "the subject token's address in Google's credential file";
        let text = match (&self.file, &self.url) {
            (Some(path), _) => read_file(path)?,
            (None, Some(url)) => {
                let request =
                    self.headers.iter().fold(http.get(url), |request, (name, value)| request.header(name, value));
                exchange(WHOM, request).await?
            }
            (None, None) => {
                let problem = "Google's credential file has a credential_source that is neither a file nor an address";
                return Err(CredentialError::Unusable(problem.to_owned()));
            }
        };
        let field = self.format.as_ref().and_then(|format| format.subject_token_field_name.as_deref());
        let Some(field) = field else { return Ok(text.trim().to_owned().into()) };
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let token = answer.get(field).and_then(Value::as_str);
        let missing = || CredentialError::Unusable(format!("the subject token has no member {field:?}"));
        token.map(|token| token.to_owned().into()).ok_or_else(missing)
    }
}

/// A token of the service account one may act as.
async fn impersonated(http: &reqwest::Client, url: &str, own: &SecretString) -> Result<Lasting, CredentialError> {
    const WHOM: &str = "Google's impersonation endpoint";
    /// What is asked for when Google grants its default, an hour: its answer is a date we need not read.
    const LIFE: Duration = Duration::from_mins(50);
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        access_token: SecretString,
    }
    let request = http.post(url).bearer_auth(own.expose_secret()).json(&json!({"scope": [SCOPE]}));
    let answer = exchange(WHOM, request).await?;
    let unusable = |_| CredentialError::Unreachable(format!("{WHOM} answered something that is no token"));
    let answer: Answer = serde_json::from_str(&answer).map_err(unusable)?;
    Ok((answer.access_token, Some(LIFE)))
}
