//! The HTTP client of one profile: trust, own certificate, no redirects (operations §7.9). Built again when one of its files
//! changes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Certificate, Identity};
use sha2::{Digest as _, Sha256};

use super::config::LlmConfig;
use super::credentials::Environment;

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks at the files.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Variables that name further certificates to trust.
const BUNDLES: [&str; 3] = ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "TLS_CA_FILE"];

/// Files that cannot be used. Shown to the operator at start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error("llm.tls_cert_file and llm.tls_key_file belong together")]
    HalfIdentity,
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{0} holds no certificates in PEM form")]
    NoCertificates(&'static str),
    #[error("llm.tls_cert_file and llm.tls_key_file hold no certificate and key in PEM form")]
    NoIdentity,
    #[error("HTTP client: {0}")]
    Client(String),
}

/// The newest client.
#[derive(Debug)]
pub(super) struct HttpClient {
    files: Files,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    client: reqwest::Client,
    digest: [u8; 32],
    checked_at: Instant,
}

#[derive(Debug)]
struct Files {
    trusted: Option<PathBuf>,
    bundles: Vec<PathBuf>,
    identity: Option<[PathBuf; 2]>,
}

/// What is in them.
struct Read {
    trusted: Option<Vec<u8>>,
    bundles: Vec<Vec<u8>>,
    identity: Option<Vec<u8>>,
}

impl HttpClient {
    /// Reads the files.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(super) fn build(config: &LlmConfig, environment: &Environment) -> Result<Self, ClientError> {
        let identity = match (&config.tls_cert_file, &config.tls_key_file) {
            (Some(certificate), Some(key)) => Some([certificate.clone(), key.clone()]),
            (None, None) => None,
            _ => return Err(ClientError::HalfIdentity),
        };
        let named = BUNDLES.iter().filter_map(|name| environment.variable(name)).map(PathBuf::from);
        let bundles = named.chain(config.shared_ca_file.clone()).collect();
        let files = Files { trusted: config.tls_ca_file.clone(), bundles, identity };
        let read = files.read()?;
        let current = Current { client: read.client()?, digest: read.digest(), checked_at: Instant::now() };
        Ok(Self { files, current: Mutex::new(current) })
    }

    /// The client to use now. Files that cannot be used any more change nothing.
    pub(super) fn get(&self) -> reqwest::Client {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.files.is_empty() && current.checked_at.elapsed() >= CHECK_INTERVAL {
            current.checked_at = Instant::now();
            let fresh = self.files.read().ok().filter(|read| read.digest() != current.digest);
            if let Some((read, client)) = fresh.and_then(|read| read.client().ok().map(|client| (read, client))) {
                (current.client, current.digest) = (client, read.digest());
                tracing::info!(event = "llm_certificates_reloaded", "certificates for the model provider read again");
            }
        }
        current.client.clone()
    }
}

impl Files {
    fn is_empty(&self) -> bool {
        self.trusted.is_none() && self.bundles.is_empty() && self.identity.is_none()
    }

    fn read(&self) -> Result<Read, ClientError> {
        let read = |path: &PathBuf| {
            std::fs::read(path)
                .map_err(|error| ClientError::Unreadable { path: path.clone(), reason: error.to_string() })
        };
        let pair = |[certificate, key]: &[PathBuf; 2]| Ok([read(certificate)?, b"\n".to_vec(), read(key)?].concat());
        Ok(Read {
            trusted: self.trusted.as_ref().map(read).transpose()?,
            bundles: self.bundles.iter().map(read).collect::<Result<_, _>>()?,
            identity: self.identity.as_ref().map(pair).transpose()?,
        })
    }
}

impl Read {
    fn digest(&self) -> [u8; 32] {
        let parts = self.trusted.iter().chain(&self.bundles).chain(&self.identity);
        parts.fold(Sha256::new(), |digest, part| digest.chain_update(Sha256::digest(part))).finalize().into()
    }

    fn client(&self) -> Result<reqwest::Client, ClientError> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("holmesgpt-api/", env!("CARGO_PKG_VERSION")));
        if let Some(trusted) = &self.trusted {
            builder = builder.tls_certs_only(certificates("llm.tls_ca_file", trusted)?);
        } else if !self.bundles.is_empty() {
            let found = self
                .bundles
                .iter()
                .map(|bundle| certificates("a certificate bundle of the environment or tls.ca_file", bundle));
            builder = builder.tls_certs_merge(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten());
        }
        if let Some(identity) = &self.identity {
            builder = builder.identity(Identity::from_pem(identity).map_err(|_| ClientError::NoIdentity)?);
        }
        builder.build().map_err(|error| ClientError::Client(error.to_string()))
    }
}

fn certificates(whose: &'static str, pem: &[u8]) -> Result<Vec<Certificate>, ClientError> {
    let found = Certificate::from_pem_bundle(pem).ok().filter(|found| !found.is_empty());
    found.ok_or(ClientError::NoCertificates(whose))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = include_str!("../../tests/it/llm/tls/ca.pem");
    const SECOND: &str = include_str!("../../tests/it/llm/tls/server.pem");

    #[test]
    fn certificates_are_read_again_and_broken_ones_change_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, FIRST).unwrap();
        let section = serde_json::json!({"model": "m", "tls_ca_file": path});
        let config: LlmConfig = serde_json::from_value(section).unwrap();
        let http = HttpClient::build(&config, &Environment::new([], folder.path())).unwrap();
        let digest_after = |content: &str| {
            std::fs::write(&path, content).unwrap();
            let earlier = Instant::now().checked_sub(CHECK_INTERVAL).unwrap();
            http.current.lock().unwrap().checked_at = earlier;
            http.get();
            http.current.lock().unwrap().digest
        };
        let first = digest_after(FIRST);
        assert_eq!(digest_after("no certificate"), first);
        let second = digest_after(SECOND);
        assert_ne!(second, first);
        std::fs::write(&path, FIRST).unwrap();
        http.get();
        assert_eq!(http.current.lock().unwrap().digest, second, "not looked at yet");
        std::fs::write(&path, "").unwrap();
        let broken = HttpClient::build(&config, &Environment::new([], folder.path())).unwrap_err();
        assert_eq!(broken, ClientError::NoCertificates("llm.tls_ca_file"));
    }
}
