//! TLS on the API port (operations §1.3.5 `server.tls`): the service's own certificate from a mounted directory, read again
//! by content while the service runs. A new pair counts from the next handshake on; one that cannot be used changes nothing.

mod config;
mod handshake;
mod pair;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

pub use self::config::{ServerTlsConfig, TlsProfile};
pub use self::pair::CertificateError;
use self::pair::Pair;

/// What the port speaks above TLS, the better first; as without TLS.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificate in use and where it is from. Clones share it.
#[derive(Clone)]
pub struct Certificates(Arc<Shared>);

struct Shared {
    directory: PathBuf,
    profile: TlsProfile,
    current: RwLock<Current>,
    /// When a failed handshake was last told.
    complained: Mutex<Option<Instant>>,
}

struct Current {
    config: Arc<ServerConfig>,
    fingerprint: String,
}

/// What a look at the directory brought. Hashes are SHA-256 of both files, in hexadecimal digits.
#[derive(Debug, PartialEq)]
pub enum Look {
    Unchanged,
    /// Another pair counts from now on.
    Applied {
        previous: String,
    },
    /// The pair in use stays.
    Rejected(CertificateError),
}

impl Certificates {
    /// Name of the certificate in its folder.
    pub const CHAIN_FILE: &str = pair::CERTIFICATE;

    /// Reads the pair; blocks on it.
    ///
    /// # Errors
    /// A file that is not there or holds something else, or a key that belongs to another certificate.
    pub fn open(directory: &Path, profile: TlsProfile) -> Result<Self, CertificateError> {
        let pair = Pair::read(directory);
        let current = Current { config: server_config(&pair, profile)?, fingerprint: pair.fingerprint() };
        Ok(Self(Arc::new(Shared {
            directory: directory.to_owned(),
            profile,
            current: RwLock::new(current),
            complained: Mutex::new(None),
        })))
    }

    /// Where the pair is read.
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// Of the pair in use.
    pub fn fingerprint(&self) -> String {
        self.0.current.read().unwrap_or_else(PoisonError::into_inner).fingerprint.clone()
    }

    /// Reads the pair again and takes it, if it is another one and good; blocks on it. The second part is the hash of what was
    /// found.
    pub fn look(&self) -> (Look, String) {
        let pair = Pair::read(&self.0.directory);
        let (found, in_use) = (pair.fingerprint(), self.fingerprint());
        if found == in_use {
            return (Look::Unchanged, found);
        }
        let look = match server_config(&pair, self.0.profile) {
            Err(error) => Look::Rejected(error),
            Ok(config) => {
                let current = Current { config, fingerprint: found.clone() };
                *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = current;
                Look::Applied { previous: in_use }
            }
        };
        (look, found)
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner).config)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("directory", &self.0.directory).finish_non_exhaustive()
    }
}

fn server_config(pair: &Pair, profile: TlsProfile) -> Result<Arc<ServerConfig>, CertificateError> {
    let (chain, key) = pair.parse()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(profile))
        .map_err(CertificateError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.map_err(CertificateError::Unusable)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

/// The suites of TLS 1.2 that rustls has are the six with forward secrecy and authenticated encryption.
static INTERMEDIATE: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
static MODERN: [&SupportedProtocolVersion; 1] = [&TLS13];

fn versions(profile: TlsProfile) -> &'static [&'static SupportedProtocolVersion] {
    match profile {
        TlsProfile::Old | TlsProfile::Intermediate => &INTERMEDIATE,
        TlsProfile::Modern => &MODERN,
    }
}
