//! `server.tls` and `server.tls_profile` (operations §1.3.5).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `server.tls`: the service's own certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerTlsConfig {
    /// Folder with `tls.crt` (the chain, own certificate first) and `tls.key`, both PEM: a mounted Secret of type
    /// `kubernetes.io/tls`. Absent: plain HTTP.
    pub cert_dir: Option<PathBuf>,
}

/// Which versions of TLS are spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsProfile {
    /// As [`TlsProfile::Intermediate`]: nothing older than 1.2 can be spoken.
    Old,
    /// 1.2 and 1.3.
    #[default]
    Intermediate,
    /// 1.3 alone.
    Modern,
}
