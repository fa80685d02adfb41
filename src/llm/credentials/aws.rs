//! Amazon's credentials, in the order of its own tools: environment, web identity, profile files, container endpoint (pod
//! identity), instance metadata.

mod profile;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;

use super::oauth2::form;
use super::token::Fetched;
use super::{CredentialError, Environment, exchange, read_file};
use crate::llm::sigv4::Keys;
use profile::Profile;

/// Patience with the instance's metadata: outside Amazon nobody answers there.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
const METADATA_ADDRESS: &str = "http://169.254.169.254";
/// Where `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` lies.
const CONTAINER_ADDRESS: &str = "http://169.254.170.2";
/// Hosts that may be asked without TLS for a container's credentials, beside loopback.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

type Lasting = (Keys, Option<Duration>);

/// Keys from the first source that has some.
pub(in crate::llm) struct AwsChain {
    environment: Environment,
    region: String,
    keys: Fetched<Keys>,
}

/// The region of the chosen profile.
pub(super) fn region_of_profile(environment: &Environment) -> Option<String> {
    Profile::chosen(environment).region
}

impl AwsChain {
    pub(in crate::llm) fn new(region: &str, environment: &Environment) -> Self {
        Self { environment: environment.clone(), region: region.to_owned(), keys: Fetched::default() }
    }

    pub(in crate::llm) fn region(&self) -> &str {
        &self.region
    }

    pub(in crate::llm) async fn keys(&self, http: &reqwest::Client) -> Result<Keys, CredentialError> {
        self.keys.get(async || self.fetch(http).await).await
    }

    pub(in crate::llm) async fn forget(&self) -> bool {
        self.keys.forget().await
    }

    async fn fetch(&self, http: &reqwest::Client) -> Result<Lasting, CredentialError> {
        if let Some(keys) = self.of_environment() {
            return Ok((keys, None));
        }
        let profile = Profile::chosen(&self.environment);
        let get = |name: &str| self.environment.get(name);
        let token_file = get("AWS_WEB_IDENTITY_TOKEN_FILE").or(profile.web_identity_token_file);
        if let Some((file, role)) = token_file.zip(get("AWS_ROLE_ARN").or(profile.role_arn)) {
            return self.of_web_identity(http, &file, &role).await;
        }
        if let Some(keys) = profile.keys {
            return Ok((keys, None));
        }
        match self.container_address()? {
            Some(url) => self.of_container(http, url).await,
            None => self.of_instance(http).await,
        }
    }

    fn of_environment(&self) -> Option<Keys> {
        let get = |name: &str| self.environment.get(name);
        Some(Keys {
            access_key: get("AWS_ACCESS_KEY_ID")?,
            secret_key: get("AWS_SECRET_ACCESS_KEY")?.into(),
            session_token: get("AWS_SESSION_TOKEN").map(SecretString::from),
        })
    }

    /// The pod's own token, exchanged for keys of the role (IRSA).
    async fn of_web_identity(
        &self,
        http: &reqwest::Client,
        file: &str,
        role: &str,
    ) -> Result<Lasting, CredentialError> {
        const WHOM: &str = "Amazon's security token service";
        let token = read_file(Path::new(file))?;
        let url = self.environment.variable("AWS_ENDPOINT_URL_STS");
        let url = url.unwrap_or_else(|| format!("https://sts.{}.amazonaws.com/", self.region));
        let name = self.environment.get("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "holmesgpt-api".to_owned());
        let pairs = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", role),
            ("RoleSessionName", &name),
            ("WebIdentityToken", token.trim()),
        ];
        let answer = exchange(WHOM, form(http.post(url), &pairs)).await?;
        let member = |name: &str| element(&answer, name);
        let unusable = || CredentialError::Unreachable(format!("{WHOM} answered something that is no credential"));
        let keys = Keys {
            access_key: member("AccessKeyId").ok_or_else(unusable)?.to_owned(),
            secret_key: member("SecretAccessKey").ok_or_else(unusable)?.to_owned().into(),
            session_token: member("SessionToken").map(|token| token.to_owned().into()),
        };
        Ok((keys, member("Expiration").and_then(|date| remaining(date, Timestamp::now()))))
    }

    fn container_address(&self) -> Result<Option<Url>, CredentialError> {
        let relative = self.environment.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let text = relative.map(|path| format!("{CONTAINER_ADDRESS}{path}"));
        let Some(text) = text.or_else(|| self.environment.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) else {
            return Ok(None);
        };
        let is_safe = |url: &Url| {
            let host = url.host_str().unwrap_or_default();
            let is_local = matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
            url.scheme() == "https" || is_local || CONTAINER_HOSTS.contains(&host)
        };
        let problem = "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this machine";
        let url = Url::parse(&text).ok().filter(is_safe);
        url.map(Some).ok_or_else(|| CredentialError::Unusable(problem.to_owned()))
    }

    async fn of_container(&self, http: &reqwest::Client, url: Url) -> Result<Lasting, CredentialError> {
        const WHOM: &str = "the container's credential endpoint";
        let file = self.environment.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        let token = match file {
            Some(path) => Some(read_file(Path::new(&path))?.trim().to_owned()),
            None => self.environment.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        };
        let mut request = http.get(url);
        if let Some(token) = token {
            request = request.header("authorization", super::sensitive(&token)?);
        }
        Granted::read(WHOM, &exchange(WHOM, request).await?)
    }

    /// The instance's role, through version 2 of its metadata service.
    async fn of_instance(&self, http: &reqwest::Client) -> Result<Lasting, CredentialError> {
        const WHOM: &str = "Amazon's instance metadata (no other AWS credential was found)";
        if self.environment.variable("AWS_EC2_METADATA_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"))
        {
            return Err(CredentialError::Unusable("no AWS credential was found".to_owned()));
        }
        let base = self.environment.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let base = base.unwrap_or_else(|| METADATA_ADDRESS.to_owned());
        let base = base.trim_end_matches('/');
        let asked =
            http.put(format!("{base}/latest/api/token")).header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
        let token = tokio::time::timeout(METADATA_TIMEOUT, exchange(WHOM, asked)).await;
        let token = token.map_err(|_| CredentialError::Unreachable(format!("{WHOM} does not answer")))??;
        let get = |path: &str| {
            let url = format!("{base}/latest/meta-data/iam/security-credentials/{path}");
            exchange(WHOM, http.get(url).header("x-aws-ec2-metadata-token", token.trim()))
        };
        let roles = get("").await?;
        let role = roles.lines().next().map(str::trim).filter(|role| !role.is_empty());
        let role = role.ok_or_else(|| CredentialError::Unusable("this instance has no role".to_owned()))?;
        Granted::read(WHOM, &get(role).await?)
    }
}

/// What container and instance endpoints answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Granted {
    access_key_id: String,
    secret_access_key: SecretString,
    #[serde(default)]
    token: Option<SecretString>,
    #[serde(default)]
    expiration: Option<String>,
}

impl Granted {
    fn read(whom: &str, text: &str) -> Result<Lasting, CredentialError> {
        let unusable = |_| CredentialError::Unreachable(format!("{whom} answered something that is no credential"));
        let granted: Self = serde_json::from_str(text).map_err(unusable)?;
        let lasts = granted.expiration.and_then(|date| remaining(&date, Timestamp::now()));
        let (access_key, secret_key) = (granted.access_key_id, granted.secret_access_key);
        Ok((Keys { access_key, secret_key, session_token: granted.token }, lasts))
    }
}

/// Time until a date; none for what is no date.
fn remaining(date: &str, now: Timestamp) -> Option<Duration> {
    let date: Timestamp = date.trim().parse().ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// The text of the first element of this name: enough for answers that nest nothing below it.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text.trim())
}
