//! Configuration of `alertmanager` (operations §1.3.4, §1.7).

use std::path::PathBuf;

use serde::Deserialize;

use crate::tools::endpoint::ExtraHeaders;

/// `toolsets.alertmanager.config`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertmanagerConfig {
    /// Base URL, with a path prefix where the server has one. Required.
    pub alertmanager_url: Option<String>,
    /// PEM bundle added to the system's roots.
    pub alertmanager_ssl_ca_file: Option<PathBuf>,
    /// Whether the server's certificate is verified. Default true.
    pub alertmanager_ssl_enabled: bool,
    /// File holding a bearer token; read again when the server refuses it.
    pub bearer_token_file: Option<PathBuf>,
    /// Sent with every request.
    pub headers: ExtraHeaders,
    /// One request, seconds. Default 20, 1 to 180.
    pub timeout_seconds: u64,
    /// Larger answers are reduced to what tells alerts apart, characters. Default 30000, 1000 to 1000000.
    pub response_size_limit: usize,
}

impl Default for AlertmanagerConfig {
    fn default() -> Self {
        Self {
            alertmanager_url: None,
            alertmanager_ssl_ca_file: None,
            alertmanager_ssl_enabled: true,
            bearer_token_file: None,
            headers: ExtraHeaders::default(),
            timeout_seconds: 20,
            response_size_limit: 30_000,
        }
    }
}

impl AlertmanagerConfig {
    /// # Errors
    /// A missing address or a value outside its range; the sentence names the key.
    pub fn check(&self) -> Result<(), String> {
        const PLACE: &str = "toolsets.alertmanager.config";
        if self.alertmanager_url.as_deref().is_none_or(|url| url.trim().is_empty()) {
            return Err(format!("{PLACE}.alertmanager_url is required"));
        }
        if self.bearer_token_file.is_some() && self.headers.has_authorization() {
            return Err(format!("{PLACE} has both bearer_token_file and an Authorization header"));
        }
        if !(1..=180).contains(&self.timeout_seconds) {
            return Err(format!("{PLACE}.timeout_seconds is {}, it must be 1 to 180", self.timeout_seconds));
        }
        if !(1_000..=1_000_000).contains(&self.response_size_limit) {
            let given = self.response_size_limit;
            return Err(format!("{PLACE}.response_size_limit is {given}, it must be 1000 to 1000000"));
        }
        Ok(())
    }
}
