//! `server`, `http` and `compat` sections (operations §1.3.5, http-api §1.14).

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::incident::SeverityVocabulary;
use super::mode::Form;
use super::rate_limit::RateLimitConfig;
use super::tls::{ServerTlsConfig, TlsProfile};

/// Event streams open at once.
const STREAMS_MAX: usize = 128;
/// Proxies cut connections that are silent for longer.
const STREAM_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where the service listens and what it lets one client take.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Probes and `/config` are also served here, in plain HTTP and by a thread of their own, e.g. `:8081`. Default: not.
    pub health_addr: String,
    /// `/metrics` is also served here, e.g. `:9090`. Default: not.
    pub metrics_addr: String,
    /// The API port speaks TLS; the other addresses never do. Default: plain HTTP.
    pub tls: ServerTlsConfig,
    /// Versions of TLS. Default `Intermediate`: 1.2 and 1.3.
    pub tls_profile: TlsProfile,
    /// `GET` and `PUT /admin/loglevel` at `health_addr`. Default false.
    pub admin_endpoints: bool,
    /// `GET /debug/runtime` at `health_addr`. Default false.
    pub profiling: bool,
    /// What one client may send.
    pub rate_limit: RateLimitConfig,
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
            health_addr: String::new(),
            metrics_addr: String::new(),
            tls: ServerTlsConfig::default(),
            tls_profile: TlsProfile::default(),
            admin_endpoints: false,
            profiling: false,
            rate_limit: RateLimitConfig::default(),
        }
    }
}

impl ServerConfig {
    /// What is wrong with the values taken together.
    ///
    /// # Errors
    /// An address that is none, or a switch without the address it acts at.
    pub fn check(&self) -> Result<(), String> {
        self.rate_limit.check()?;
        self.health_address()?;
        self.metrics_address()?;
        let needed = [("admin_endpoints", self.admin_endpoints), ("profiling", self.profiling)];
        match needed.into_iter().find(|(_, is_on)| *is_on && self.health_addr.trim().is_empty()) {
            Some((key, _)) => Err(format!("server.{key} needs server.health_addr, where it is served")),
            None => Ok(()),
        }
    }

    /// What an operator should know, if there is something.
    pub fn notice(&self) -> Option<String> {
        let is_old = self.tls.cert_dir.is_some() && self.tls_profile == TlsProfile::Old;
        is_old.then(|| {
            "server.tls_profile is `Old`: versions before 1.2 cannot be spoken, it is taken as `Intermediate`"
                .to_owned()
        })
    }

    pub(super) fn health_address(&self) -> Result<Option<SocketAddr>, String> {
        extra_address("server.health_addr", &self.health_addr)
    }

    pub(super) fn metrics_address(&self) -> Result<Option<SocketAddr>, String> {
        extra_address("server.metrics_addr", &self.metrics_addr)
    }

    /// Bounds of request bodies and of concurrency.
    pub fn limits(&self) -> Limits {
        Limits {
            body_bytes_max: self.max_body_bytes,
            body_timeout: Duration::from_secs(self.body_timeout_seconds),
            concurrent_requests_max: self.max_concurrent_requests,
            streams_max: STREAMS_MAX,
            keep_alive: STREAM_KEEP_ALIVE,
        }
    }
}

/// `:8081` is every address of the machine, as in Go.
fn extra_address(key: &str, text: &str) -> Result<Option<SocketAddr>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let address = full.parse().map(Some);
    address.map_err(|_| format!("{key} is {text:?}, it must be an address such as 127.0.0.1:8081 or :8081"))
}

/// Bounds the router enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub body_bytes_max: usize,
    pub body_timeout: Duration,
    /// 0 = unlimited.
    pub concurrent_requests_max: usize,
    /// Event streams open at once; one more is answered 503. Not a key.
    pub streams_max: usize,
    /// Silence on an event stream after which a comment is sent. Not a key.
    pub keep_alive: Duration,
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

/// What old and new clients expect without saying so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompatConfig {
    /// `auto` (default: as the request's shape asks), `v1` or `v2` (http-api §2.9).
    pub severity_vocabulary: SeverityVocabulary,
    /// How an incident is answered when nothing else decides: `async` (default) or `sync` (http-api §1.4).
    pub default_mode: Form,
    /// Whether bodies with `signal_type` and without `signal_name` are answered synchronously. Default true.
    pub sync_for_signal_type: bool,
    /// Longest wait for a synchronous answer, seconds, 1..=3600. Default: the budget of an investigation.
    pub sync_timeout_seconds: Option<u64>,
    /// How long a run outlives the last who waits for it, and how long an identical request may still pick up its result,
    /// seconds, 0..=3600. Default 120.
    pub sync_detach_grace_seconds: u64,
}

impl Default for CompatConfig {
    fn default() -> Self {
        Self {
            severity_vocabulary: SeverityVocabulary::Auto,
            default_mode: Form::Async,
            sync_for_signal_type: true,
            sync_timeout_seconds: None,
            sync_detach_grace_seconds: 120,
        }
    }
}

impl CompatConfig {
    const SECONDS_MAX: u64 = 3600;

    /// # Errors
    /// A time outside its range, in one sentence naming the key.
    pub fn check(&self) -> Result<(), String> {
        if let Some(seconds) = self.sync_timeout_seconds.filter(|seconds| !(1..=Self::SECONDS_MAX).contains(seconds)) {
            return Err(format!("compat.sync_timeout_seconds is {seconds}, it must be 1 to {}", Self::SECONDS_MAX));
        }
        let grace = self.sync_detach_grace_seconds;
        if grace > Self::SECONDS_MAX {
            return Err(format!("compat.sync_detach_grace_seconds is {grace}, the most is {}", Self::SECONDS_MAX));
        }
        Ok(())
    }

    /// How submissions are answered, where an investigation may take `budget`.
    pub fn modes(&self, budget: Duration) -> Modes {
        Modes {
            default_form: self.default_mode,
            sync_for_signal_type: self.sync_for_signal_type,
            wait_max: self.sync_timeout_seconds.map_or(budget, Duration::from_secs),
            detach_grace: Duration::from_secs(self.sync_detach_grace_seconds),
        }
    }
}

/// How submissions are answered (http-api §1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    pub default_form: Form,
    pub sync_for_signal_type: bool,
    /// Longest wait for a synchronous answer.
    pub wait_max: Duration,
    /// How long a run outlives the last who waits for it.
    pub detach_grace: Duration,
}
