//! A certificate and its key as files.

use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

pub(super) const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
/// Largest certificate or key file, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Readings until two in a row agree: the directory may be swapped between the two files.
const READINGS_MAX: usize = 4;

/// Why a pair is of no use.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// The file and what the system says.
    #[error("server.tls.cert_dir: {file} cannot be read: {reason}")]
    File { file: String, reason: String },
    #[error("server.tls.cert_dir: {file} holds no {wanted} in PEM form")]
    Pem { file: String, wanted: &'static str },
    #[error("server.tls.cert_dir: tls.crt and tls.key cannot be used together: {0}")]
    Unusable(rustls::Error),
}

/// What stands in the two files, or why not.
#[derive(PartialEq, Eq)]
pub(super) struct Pair {
    certificate: Content,
    key: Content,
}

#[derive(PartialEq, Eq)]
struct Content {
    /// Path, for people.
    file: String,
    bytes: Result<Vec<u8>, String>,
}

impl Pair {
    /// Blocks on the files.
    pub(super) fn read(directory: &Path) -> Self {
        let read = || Self { certificate: Content::read(directory, CERTIFICATE), key: Content::read(directory, KEY) };
        let mut pair = read();
        for _ in 1..READINGS_MAX {
            let again = read();
            if again == pair {
                break;
            }
            pair = again;
        }
        pair
    }

    /// SHA-256, 64 hexadecimal digits; files that cannot be read have one too.
    pub(super) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for content in [&self.certificate, &self.key] {
            hash.update([u8::from(content.bytes.is_ok())]);
            hash.update(Sha256::digest(match &content.bytes {
                Ok(bytes) => bytes.as_slice(),
                Err(reason) => reason.as_bytes(),
            }));
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The chain and its key.
    pub(super) fn parse(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertificateError> {
        let wanted = |content: &Content, wanted| CertificateError::Pem { file: content.file.clone(), wanted };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.certificate.bytes()?).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| wanted(&self.certificate, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(self.key.bytes()?);
        Ok((chain, key.map_err(|_| wanted(&self.key, "private key"))?))
    }
}

impl Content {
    fn read(directory: &Path, name: &str) -> Self {
        let path = directory.join(name);
        let read = std::fs::metadata(&path).and_then(|facts| match facts.len() {
            0..=FILE_BYTES_MAX => std::fs::read(&path),
            _ => Err(std::io::ErrorKind::FileTooLarge.into()),
        });
        Self { file: path.display().to_string(), bytes: read.map_err(|error| error.to_string()) }
    }

    fn bytes(&self) -> Result<&[u8], CertificateError> {
        let failed = |reason: &String| CertificateError::File { file: self.file.clone(), reason: reason.clone() };
        self.bytes.as_deref().map_err(failed)
    }
}
