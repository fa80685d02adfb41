//! What kinds of secrets there are, and how many of each were replaced.

/// Kind of a replaced value (investigation §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// A value of a Kubernetes Secret.
    SecretObject,
    GeneratorUrl,
    /// `kubectl.kubernetes.io/last-applied-configuration`, removed whole.
    LastApplied,
    DatabaseUrl,
    UrlCredentials,
    Password,
    SkKey,
    ApiKey,
    Bearer,
    Jwt,
    GithubToken,
    Token,
    Secret,
    Authorization,
    AwsSecret,
    AwsKeyId,
    /// Public: replaced by a summary.
    Certificate,
    PrivateKey,
    /// A base64 value of a line such as `username:` or `key:` as Secrets print it.
    EncodedValue,
    Credential,
    /// A name that ends in `key`.
    Key,
    /// A token whose issuer shows in its form.
    VendorToken,
    Webhook,
    PasswordHash,
    /// Only where personal data goes.
    Email,
    /// Only where personal data goes.
    Ipv4,
}

impl Class {
    pub const ALL: [Self; 26] = [
        Self::SecretObject,
        Self::GeneratorUrl,
        Self::LastApplied,
        Self::DatabaseUrl,
        Self::UrlCredentials,
        Self::Password,
        Self::SkKey,
        Self::ApiKey,
        Self::Bearer,
        Self::Jwt,
        Self::GithubToken,
        Self::Token,
        Self::Secret,
        Self::Authorization,
        Self::AwsSecret,
        Self::AwsKeyId,
        Self::Certificate,
        Self::PrivateKey,
        Self::EncodedValue,
        Self::Credential,
        Self::Key,
        Self::VendorToken,
        Self::Webhook,
        Self::PasswordHash,
        Self::Email,
        Self::Ipv4,
    ];

    /// Stable name: a label of the metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretObject => "secret_object",
            Self::GeneratorUrl => "generator_url",
            Self::LastApplied => "last_applied",
            Self::DatabaseUrl => "database_url",
            Self::UrlCredentials => "url_credentials",
            Self::Password => "password",
            Self::SkKey => "sk_key",
            Self::ApiKey => "api_key",
            Self::Bearer => "bearer",
            Self::Jwt => "jwt",
            Self::GithubToken => "github_token",
            Self::Token => "token",
            Self::Secret => "secret",
            Self::Authorization => "authorization",
            Self::AwsSecret => "aws_secret",
            Self::AwsKeyId => "aws_key_id",
            Self::Certificate => "certificate",
            Self::PrivateKey => "private_key",
            Self::EncodedValue => "encoded_value",
            Self::Credential => "credential",
            Self::Key => "key",
            Self::VendorToken => "vendor_token",
            Self::Webhook => "webhook",
            Self::PasswordHash => "password_hash",
            Self::Email => "email",
            Self::Ipv4 => "ipv4",
        }
    }

    /// What follows the placeholder, where the reader learns from it which kind of token stood there.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Jwt => "_JWT",
            Self::GithubToken => "_GITHUB_TOKEN",
            Self::AwsKeyId => "_AWS_KEY",
            _ => "",
        }
    }
}

/// How many values of each class were replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts([u32; Class::ALL.len()]);

impl Counts {
    pub(super) fn add(&mut self, class: Class) {
        if let Some(count) = self.0.get_mut(class as usize) {
            *count = count.saturating_add(1);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    pub fn of(&self, class: Class) -> u64 {
        self.0.get(class as usize).copied().unwrap_or_default().into()
    }

    pub fn total(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Classes with at least one replaced value, by stable name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let found = Class::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0);
        found.map(|(class, count)| (class.as_str(), count.into()))
    }
}
