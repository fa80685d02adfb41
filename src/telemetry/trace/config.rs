//! `telemetry` section (operations §1.3.5).

use std::path::{Path, PathBuf};

use reqwest::{Certificate, Identity, Url};
use serde::{Deserialize, Serialize};

/// Appended to an endpoint that does not name the signal.
const PATH: &str = "v1/traces";
/// Endpoint of a service that writes its spans to the log.
const STDOUT: &str = "stdout";

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceConfig {
    /// OTLP/HTTP endpoint of a collector, e.g. `http://otel-collector:4318`; `host:port` works too; `stdout` writes one log
    /// record per span instead. Empty (default): tracing is off.
    pub endpoint: String,
    /// Also one log record per finished span. Default false.
    pub log_sink: bool,
    pub tls: ExportTls,
}

/// TLS towards the collector.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExportTls {
    /// Speak TLS where the endpoint has no scheme. Default false.
    pub enabled: bool,
    /// Trust only these certificates.
    pub ca_file: Option<PathBuf>,
    /// Own certificate; needs `key_file`.
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

/// A configuration that cannot work. Shown to the operator at start.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("telemetry.endpoint is neither `stdout` nor an http(s) address without user name, query or fragment")]
    Endpoint,
    #[error("telemetry.tls.enabled contradicts the scheme of telemetry.endpoint")]
    Scheme,
    #[error("telemetry.tls.cert_file and key_file belong together")]
    HalfIdentity,
    #[error("telemetry.tls: {} cannot be read", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("telemetry.tls: {0} holds nothing usable in PEM form")]
    Pem(&'static str),
    #[error("client of the trace collector")]
    Client(#[source] reqwest::Error),
}

/// What becomes of finished spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sink {
    Collector(Url),
    Log,
}

impl TraceConfig {
    /// Files named here, for paths relative to the configuration.
    pub fn paths_mut(&mut self) -> Vec<&mut Option<PathBuf>> {
        vec![&mut self.tls.ca_file, &mut self.tls.cert_file, &mut self.tls.key_file]
    }

    /// Whether spans are recorded at all.
    pub fn is_on(&self) -> bool {
        !self.endpoint.trim().is_empty()
    }

    /// What is wrong with the values, in one sentence.
    ///
    /// # Errors
    /// An endpoint that is none, or half of a certificate.
    pub fn check(&self) -> Result<(), String> {
        if !self.is_on() {
            return Ok(());
        }
        let complete = self.tls.cert_file.is_some() == self.tls.key_file.is_some();
        let checked = if complete { self.sink().map(drop) } else { Err(TraceError::HalfIdentity) };
        checked.map_err(|error| error.to_string())
    }

    pub(super) fn sink(&self) -> Result<Sink, TraceError> {
        let text = self.endpoint.trim();
        if text == STDOUT {
            return Ok(Sink::Log);
        }
        let scheme = if self.tls.enabled { "https" } else { "http" };
        let full = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
        let mut url = Url::parse(&full).map_err(|_| TraceError::Endpoint)?;
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !matches!(url.scheme(), "http" | "https") || !is_plain || url.fragment().is_some() || !url.has_host() {
            return Err(TraceError::Endpoint);
        }
        if self.tls.enabled && url.scheme() == "http" {
            return Err(TraceError::Scheme);
        }
        if !url.path().trim_end_matches('/').ends_with(PATH)
            && let Ok(mut path) = url.path_segments_mut()
        {
            path.pop_if_empty().extend(PATH.split('/'));
        }
        Ok(Sink::Collector(url))
    }

    /// Blocks on the files.
    pub(super) fn client(&self) -> Result<reqwest::Client, TraceError> {
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("holmesgpt-api/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &self.tls.ca_file {
            let found = Certificate::from_pem_bundle(&read(path)?).ok().filter(|found| !found.is_empty());
            builder = builder.tls_certs_only(found.ok_or(TraceError::Pem("ca_file"))?);
        }
        match (&self.tls.cert_file, &self.tls.key_file) {
            (Some(certificate), Some(key)) => {
                let pem = [read(certificate)?, b"\n".to_vec(), read(key)?].concat();
                let identity = Identity::from_pem(&pem).map_err(|_| TraceError::Pem("cert_file with key_file"))?;
                builder = builder.identity(identity);
            }
            (None, None) => {}
            _ => return Err(TraceError::HalfIdentity),
        }
        builder.build().map_err(TraceError::Client)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TraceError> {
    std::fs::read(path).map_err(|source| TraceError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints() {
        let cases = [
            ("http://collector:4318", false, "http://collector:4318/v1/traces"),
            ("http://collector:4318/", false, "http://collector:4318/v1/traces"),
            ("https://c.example/otlp", true, "https://c.example/otlp/v1/traces"),
            ("https://c.example/v1/traces", false, "https://c.example/v1/traces"),
            ("collector:4318", false, "http://collector:4318/v1/traces"),
            ("collector:4318", true, "https://collector:4318/v1/traces"),
            ("http://collector:4318", true, "telemetry.tls.enabled contradicts"),
            ("ftp://collector", false, "neither `stdout` nor"),
            ("http://u:p@collector", false, "neither `stdout` nor"),
            ("http://", false, "neither `stdout` nor"),
        ];
        for (endpoint, enabled, expected) in cases {
            let tls = ExportTls { enabled, ..ExportTls::default() };
            let config = TraceConfig { endpoint: endpoint.to_owned(), log_sink: false, tls };
            match config.sink() {
                Ok(Sink::Collector(url)) => assert_eq!(url.as_str(), expected),
                Ok(Sink::Log) => panic!("{endpoint}"),
                Err(error) => assert!(error.to_string().contains(expected), "{endpoint}: {error}"),
            }
        }
        let stdout = TraceConfig { endpoint: "stdout".to_owned(), ..TraceConfig::default() };
        assert_eq!(stdout.sink().unwrap(), Sink::Log);
        assert!(TraceConfig::default().check().is_ok() && !TraceConfig::default().is_on());
    }

    #[test]
    fn half_of_a_certificate_is_refused() {
        let tls = ExportTls { cert_file: Some("c.pem".into()), ..ExportTls::default() };
        let config = TraceConfig { endpoint: "https://c".to_owned(), log_sink: false, tls };
        assert!(config.check().unwrap_err().contains("belong together"));
    }
}
