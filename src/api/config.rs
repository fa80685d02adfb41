//! `server`, `http` and `compat` sections (operations §1.3.5, http-api §1.14).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::incident::SeverityVocabulary;

/// Where the service listens and what it lets one client take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Default `0.0.0.0`; `127.0.0.1` when callers come from a token file.
    pub host: Option<String>,
    /// Default 8080.
    pub port: u16,
    /// Largest request body; a larger one is answered 413. Default 1 MiB.
    pub max_body_bytes: usize,
    /// Requests with a token answered at once; one more is answered 503. 0 = unlimited. Default 200.
    pub max_concurrent_requests: usize,
    /// Open connections; further ones wait in the kernel's queue. Default 1024.
    pub max_connections: usize,
    /// A connection whose request line and headers take longer, or that idles longer, is closed. Default 10.
    pub header_timeout_seconds: u64,
    /// A body that takes longer is answered 408. Default 30.
    pub body_timeout_seconds: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            host: None,
            port: 8080,
            max_body_bytes: 1024 * 1024,
            max_concurrent_requests: 200,
            max_connections: 1024,
            header_timeout_seconds: 10,
            body_timeout_seconds: 30,
        }
    }
}

impl ServerConfig {
    /// Bounds of request bodies and of concurrency.
    pub fn limits(&self) -> Limits {
        Limits {
            body_bytes_max: self.max_body_bytes,
            body_timeout: Duration::from_secs(self.body_timeout_seconds),
            concurrent_requests_max: self.max_concurrent_requests,
        }
    }
}

/// Bounds the router enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub body_bytes_max: usize,
    pub body_timeout: Duration,
    /// 0 = unlimited.
    pub concurrent_requests_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        ServerConfig::default().limits()
    }
}

/// Details of the wire that old clients may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Media type of answers that refuse a caller: `problem+json` (default) or `json`, with which the released Go clients
    /// recognise a refused submission as permanent (http-api §3.2).
    pub auth_error_media_type: ErrorMediaType,
}

/// Media type of an error body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ErrorMediaType {
    /// `application/problem+json`
    #[default]
    #[serde(rename = "problem+json")]
    ProblemJson,
    /// `application/json`
    #[serde(rename = "json")]
    Json,
}

/// Vocabulary for old and new clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompatConfig {
    /// `auto` (default: as the request's shape asks), `v1` or `v2` (http-api §2.9).
    pub severity_vocabulary: SeverityVocabulary,
}
