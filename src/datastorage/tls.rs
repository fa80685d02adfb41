//! The HTTP client and the certificates it trusts: read from files, built anew when their content changes (auth §1.3).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use reqwest::{Certificate, Client, Identity};
use sha2::{Digest as _, Sha256};

use super::config::DataStorageConfig;
use super::transport::DataStorageBuildError;

/// Largest certificate or key file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Which certificates count.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Files {
    ca: Option<PathBuf>,
    system_roots: bool,
    /// Certificate and key.
    identity: Option<(PathBuf, PathBuf)>,
}

/// What the files hold.
struct Contents {
    ca: Option<Vec<u8>>,
    /// Certificate and key in one text.
    identity: Option<Vec<u8>>,
}

/// The client in use. All calls share its connections; other certificates bring a new client and new connections, while calls
/// under way end on the old ones.
pub(super) struct HttpClient {
    max_connections: usize,
    current: RwLock<Built>,
}

/// A client and what it was built from.
#[derive(Debug, Clone)]
pub(super) struct Built {
    files: Files,
    client: Client,
    fingerprint: [u8; 32],
}

/// What a look at the files brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reload {
    Unchanged,
    Applied,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("files", &self.built().files).finish_non_exhaustive()
    }
}

impl HttpClient {
    /// Reads the files; blocks on them.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub(super) fn build(config: &DataStorageConfig) -> Result<Self, DataStorageBuildError> {
        let built = build(Files::of(config), config.max_connections, None)?;
        built.files.tell();
        Ok(Self { max_connections: config.max_connections, current: RwLock::new(built) })
    }

    pub(super) fn get(&self) -> Client {
        self.current.read().unwrap_or_else(PoisonError::into_inner).client.clone()
    }

    fn built(&self) -> Built {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again and takes what they hold, if it is something else; blocks on them.
    ///
    /// # Errors
    /// What is wrong with them; the client in use stays.
    pub(super) fn reload(&self) -> Result<Reload, DataStorageBuildError> {
        let old = self.built();
        let new = build(old.files.clone(), self.max_connections, Some(&old))?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // Files of an earlier configuration count no more.
        if new.fingerprint == old.fingerprint || current.files != new.files {
            return Ok(Reload::Unchanged);
        }
        *current = new;
        Ok(Reload::Applied)
    }

    /// Reads the files of another configuration; blocks on them. The same certificates keep their connections.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub(super) fn prepare(&self, config: &DataStorageConfig) -> Result<Built, DataStorageBuildError> {
        build(Files::of(config), self.max_connections, Some(&self.built()))
    }

    pub(super) fn adopt(&self, built: Built) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.files != built.files {
            built.files.tell();
        }
        *current = built;
    }
}

/// A client for what the files hold; `old`'s, where it was built from the same.
fn build(files: Files, max_connections: usize, old: Option<&Built>) -> Result<Built, DataStorageBuildError> {
    let contents = files.read()?;
    let fingerprint = contents.fingerprint(files.system_roots);
    let client = match old.filter(|old| old.fingerprint == fingerprint) {
        Some(old) => old.client.clone(),
        None => client(&contents, files.system_roots, max_connections)?,
    };
    Ok(Built { files, client, fingerprint })
}

impl Files {
    fn of(config: &DataStorageConfig) -> Self {
        Self {
            ca: config.ca_file.clone(),
            system_roots: config.system_roots.unwrap_or(config.ca_file.is_none()),
            identity: config.client_cert.clone().zip(config.client_key.clone()),
        }
    }

    fn tell(&self) {
        if let Some(path) = &self.ca {
            tracing::info!(event = "tls_ca_bundle_configured", path = %path.display(), "certificates for DataStorage read");
        }
    }

    fn read(&self) -> Result<Contents, DataStorageBuildError> {
        let ca = self.ca.as_deref().map(|path| read("ca_file", path)).transpose()?;
        let identity = self.identity.as_ref().map(|(certificate, key)| {
            let mut text = read("client_cert", certificate)?;
            text.push(b'\n');
            text.extend(read("client_key", key)?);
            Ok(text)
        });
        Ok(Contents { ca, identity: identity.transpose()? })
    }
}

impl Contents {
    fn fingerprint(&self, system_roots: bool) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update([u8::from(system_roots)]);
        for part in [&self.ca, &self.identity] {
            let part = part.as_deref().unwrap_or_default();
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, DataStorageBuildError> {
    let problem = |reason: String| DataStorageBuildError::File { key, path: path.display().to_string(), reason };
    let bytes = std::fs::metadata(path).map_err(|error| problem(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(problem(format!("{bytes} bytes, the most is {FILE_BYTES_MAX}")));
    }
    std::fs::read(path).map_err(|error| problem(error.to_string()))
}

fn client(contents: &Contents, system_roots: bool, max_connections: usize) -> Result<Client, DataStorageBuildError> {
    let mut client = Client::builder()
        .http1_only()
        .no_proxy()
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(DataStorageConfig::CONNECT_TIMEOUT)
        .pool_idle_timeout(DataStorageConfig::IDLE_TIMEOUT)
        .pool_max_idle_per_host(max_connections)
        .tcp_keepalive(DataStorageConfig::KEEPALIVE)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .user_agent(concat!("holmesgpt-api/", env!("CARGO_PKG_VERSION")));
    let pem = |key: &'static str, reason: String| DataStorageBuildError::Pem { key, reason };
    if let Some(bytes) = &contents.ca {
        let found = Certificate::from_pem_bundle(bytes).map_err(|error| pem("ca_file", error.to_string()))?;
        if found.is_empty() {
            return Err(pem("ca_file", "holds no PEM certificate".to_owned()));
        }
        client = if system_roots { client.tls_certs_merge(found) } else { client.tls_certs_only(found) };
    }
    if let Some(bytes) = &contents.identity {
        let identity =
            Identity::from_pem(bytes).map_err(|_| pem("client_cert", "is no PEM certificate and key".to_owned()))?;
        client = client.identity(identity);
    }
    client.build().map_err(|error| DataStorageBuildError::Client(error.to_string()))
}
