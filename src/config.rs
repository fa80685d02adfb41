//! The operator's configuration: flags over variables over two files over defaults, strict keys, and every mistake at once
//! with its file, its line and the nearest valid key.
//!
//! Each room owns its own section type; this module puts them together (operations §1.3, architecture §6). [`Loader`] is the
//! way from files to a [`Config`]: documents become trees whose values know their places, dialects are translated, layers
//! laid over each other, the tree held against the table of keys, and what remains is given to the sections. A new section is
//! a field of [`Config`], a line in [`Config::checks`] and rows in the table.

mod announcement;
mod budgets;
mod data_storage;
mod document;
mod effective;
mod environment;
mod files;
mod history;
mod inspection;
mod keys;
mod legacy;
mod load;
mod node;
mod problem;
mod reload;
mod successor;
mod suggestion;
mod takeover;
mod tool_servers;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use data_storage::TlsConfig;
pub use effective::Field;
pub use environment::Variables;
pub use files::MAIN_FILE;
pub use inspection::IgnoredKey;
pub use keys::{Live, reference};
pub use load::{Hashes, Loaded, Loader, UnknownKeys};
pub use node::Source;
pub use problem::{ConfigError, Problem, ProblemKind};
pub use reload::ReloadConfig;
pub use takeover::Takeover;

use crate::api::{CompatConfig, HttpConfig, ReadinessConfig, ServerConfig};
use crate::audit::{AuditConfig, AuditSink};
use crate::auth::{AuthConfig, AuthMode};
use crate::datastorage::DataStorageConfig;
use crate::investigation::{EngineChoice, InvestigationConfig, PromptConfig};
use crate::llm::LlmConfig;
use crate::metering::{BudgetConfig, CostConfig};
use crate::redaction::RedactConfig;
use crate::redaction::injection::InjectionConfig;
use crate::sessions::SessionsConfig;
use crate::store::StoreConfig;
use crate::telemetry::logging::LoggingConfig;
use crate::telemetry::metrics::MetricsConfig;
use crate::telemetry::trace::TraceConfig;
use crate::tools::ToolsetsConfig;
use crate::tools::mcp::McpServersConfig;

/// The whole configuration. Absent sections take their documented defaults.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `service` of every log record; absent = our own name.
    pub service_name: Option<String>,
    /// Told by `GET /config`.
    pub environment: Option<String>,
    pub logging: LoggingConfig,
    pub reload: ReloadConfig,
    pub server: ServerConfig,
    pub http: HttpConfig,
    pub compat: CompatConfig,
    pub readiness: ReadinessConfig,
    pub metrics: MetricsConfig,
    pub shutdown: ShutdownConfig,
    pub session: SessionsConfig,
    pub store: StoreConfig,
    pub auth: AuthConfig,
    pub cluster: ClusterConfig,
    pub catalogue: CatalogueConfig,
    pub investigation: InvestigationConfig,
    pub prompt: PromptConfig,
    /// What tokens cost.
    pub cost: CostConfig,
    /// How much may be spent; [`Config::budgets`] knows the older names too.
    pub budget: BudgetConfig,
    /// What else is taken out of what a model sees.
    pub redact: RedactConfig,
    /// What becomes of text that looks like instructions to a model.
    pub injection: InjectionConfig,
    pub audit: AuditConfig,
    /// Absent: the analyser answers.
    pub llm: Option<LlmConfig>,
    /// Whether the file says anything about the cluster; else commands may take a recorded one that lies at hand.
    #[serde(skip)]
    pub names_cluster: bool,
    /// Folder for recordings, from `--record`; absent: none are made.
    #[serde(skip)]
    pub record: Option<PathBuf>,
    /// Optional groups of tools; an absent one is off.
    pub toolsets: ToolsetsConfig,
    /// Servers whose tools are offered beside ours.
    pub mcp_servers: McpServersConfig,
    /// Absent: [`Config::data_storage`] says whether the usual one is used.
    pub data_storage: Option<DataStorageConfig>,
    pub tls: TlsConfig,
    /// Where traces go.
    pub telemetry: TraceConfig,
    /// Certificates that are named and not there.
    #[serde(skip)]
    absent_ca_file: Option<PathBuf>,
}

impl Config {
    /// Reads a file with the process's variables and no flags. Relative paths inside it are taken from the file's own
    /// folder.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Ok(Loader::new(path, Variables::of_process()).load()?.config)
    }

    /// Everything on one machine: a recorded cluster, the compiled-in catalogue, the analyser, local audit, a token file.
    /// What commands without a configuration file use.
    pub fn standalone(cluster: ClusterConfig) -> Self {
        Self {
            cluster,
            auth: AuthConfig { mode: AuthMode::Token, ..AuthConfig::default() },
            audit: AuditConfig { sink: AuditSink::Local, ..AuditConfig::default() },
            catalogue: CatalogueConfig { source: Some(CatalogueSource::Directory), ..CatalogueConfig::default() },
            ..Self::default()
        }
    }

    /// What is wrong with the values taken together, in one sentence naming the keys.
    ///
    /// # Errors
    /// A value outside its range, or two that contradict each other.
    pub fn check(&self) -> Result<(), String> {
        self.checks().into_iter().next().map_or(Ok(()), Err)
    }

    /// The same for every section: one sentence each.
    pub(crate) fn checks(&self) -> Vec<String> {
        let sections = [
            self.server.check(),
            self.telemetry.check(),
            self.session.check(),
            self.auth.check(),
            self.compat.check(),
            self.audit.check(),
            self.investigation.check(),
            self.prompt.check(),
            self.check_budgets(),
            self.shutdown.check(),
            self.cluster.check(),
            self.catalogue.check(),
            self.data_storage().map_or(Ok(()), |section| section.check()),
            self.toolsets.check(),
            self.mcp_servers.check(),
            self.check_confinement(),
            self.check_engine(),
        ];
        sections.into_iter().filter_map(Result::err).collect()
    }

    fn check_confinement(&self) -> Result<(), String> {
        let is_open = self.investigation.namespaces.is_open();
        if !is_open && self.mcp_servers.asked().next().is_some() {
            return Err(
                "investigation.namespaces confines what tools read, but tools of mcp_servers cannot be confined to \
                        namespaces: leave it out, or switch the servers off"
                    .to_owned(),
            );
        }
        let reads_metrics = self.toolsets.prometheus().is_some() || self.toolsets.alertmanager().is_some();
        if reads_metrics && !is_open {
            return Err(
                "investigation.namespaces confines what tools read, but metrics and alerts cannot be confined to \
                        namespaces: leave it out, or switch the toolsets `prometheus/metrics` and `alertmanager` off"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn check_engine(&self) -> Result<(), String> {
        if self.investigation.engine == EngineChoice::Model && self.llm.is_none() {
            return Err("investigation.engine is `model` but there is no `llm` section".to_owned());
        }
        Ok(())
    }

    /// The model that may answer: none when the analyser is to.
    pub fn model(&self) -> Option<&LlmConfig> {
        self.llm.as_ref().filter(|_| self.investigation.engine != EngineChoice::Analyser)
    }

    /// The address to listen on: loopback when callers come from a token file, unless `server.host` says otherwise.
    pub fn host(&self) -> &str {
        self.server.host.as_deref().unwrap_or(match self.auth.mode {
            AuthMode::Token => "127.0.0.1",
            AuthMode::Kubernetes => "0.0.0.0",
        })
    }
}

/// `shutdown`: how long each step of the drain may take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// Keeps serving while endpoints propagate, seconds. Default 5; 0 on a laptop is fine.
    pub endpoint_delay_seconds: u64,
    /// Running investigations may finish, seconds. Default 30.
    pub drain_seconds: u64,
    /// Open connections and the store may finish, seconds. Default 10.
    pub flush_seconds: u64,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { endpoint_delay_seconds: 5, drain_seconds: 30, flush_seconds: 10 }
    }
}

impl ShutdownConfig {
    const SECONDS_MAX: u64 = 300;

    fn check(&self) -> Result<(), String> {
        let sum =
            [self.drain_seconds, self.flush_seconds].into_iter().fold(self.endpoint_delay_seconds, u64::saturating_add);
        if sum <= Self::SECONDS_MAX {
            Ok(())
        } else {
            Err(format!(
                "shutdown.endpoint_delay_seconds, drain_seconds and flush_seconds sum to {sum}, the most is 300"
            ))
        }
    }
}

/// `cluster`: where objects are read from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// `live` (default) or `bundle`.
    pub source: ClusterSource,
    /// Folder of a recorded bundle.
    pub bundle: Option<PathBuf>,
    /// Kubeconfig file; absent = where kubectl looks (KUBECONFIG, ~/.kube/config), else the pod's own ServiceAccount.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; absent = its current one, or the pod's own ServiceAccount.
    pub context: Option<String>,
    /// One request to the API server, seconds. Default 20, 1 to 120.
    pub request_timeout_seconds: u64,
    /// Requests to the API server that run at the same time; further ones wait. Default 128, 1 to 1024.
    pub max_in_flight_requests: usize,
    /// How long what was read (lists, objects, events) is given to others who ask the same, milliseconds: a storm of incidents
    /// asks once.
    /// Default 2000, 0 (never) to 30000.
    pub share_lists_ms: u64,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            source: ClusterSource::default(),
            bundle: None,
            kubeconfig: None,
            context: None,
            request_timeout_seconds: 20,
            max_in_flight_requests: 128,
            share_lists_ms: 2_000,
        }
    }
}

impl ClusterConfig {
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds)
    }

    fn is_within(&self) -> Result<(), String> {
        let ranges = [
            ("request_timeout_seconds", self.request_timeout_seconds, 1, 120),
            ("max_in_flight_requests", self.max_in_flight_requests as u64, 1, 1_024),
            ("share_lists_ms", self.share_lists_ms, 0, 30_000),
        ];
        let wrong = ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value));
        wrong.map_or(Ok(()), |(key, value, least, most)| {
            Err(format!("cluster.{key} is {value}, it must be {least} to {most}"))
        })
    }

    pub fn shared_lists(&self) -> Duration {
        Duration::from_millis(self.share_lists_ms)
    }

    fn check(&self) -> Result<(), String> {
        if self.source == ClusterSource::Bundle && self.bundle.is_none() {
            return Err("cluster.source is `bundle` but cluster.bundle names no folder".to_owned());
        }
        self.is_within()
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterSource {
    #[default]
    Live,
    Bundle,
}

impl ClusterSource {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Bundle => "bundle",
        }
    }
}

/// `catalogue`: where workflows come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CatalogueConfig {
    /// `datastorage` unless set, or `directory` where `directory` names one.
    pub source: Option<CatalogueSource>,
    /// Folder of workflow YAML for `directory`; absent = the compiled-in set.
    pub directory: Option<PathBuf>,
    /// Where `custom_resources` are looked for; absent = all namespaces.
    pub namespace: Option<String>,
    /// How old what is known may be, seconds, 0 to 3600: `custom_resources` are listed again, lists of `datastorage` asked
    /// for anew. Default 30.
    pub refresh_seconds: u64,
}

impl Default for CatalogueConfig {
    fn default() -> Self {
        Self { source: None, directory: None, namespace: None, refresh_seconds: 30 }
    }
}

impl CatalogueConfig {
    pub fn source(&self) -> CatalogueSource {
        let named = self.directory.as_ref().map(|_| CatalogueSource::Directory);
        self.source.or(named).unwrap_or(CatalogueSource::DataStorage)
    }

    pub fn refresh(&self) -> Duration {
        Duration::from_secs(self.refresh_seconds)
    }

    fn check(&self) -> Result<(), String> {
        let source = self.source().as_str();
        if self.directory.is_some() && self.source() != CatalogueSource::Directory {
            return Err(format!("catalogue.directory is set but catalogue.source is `{source}`"));
        }
        if self.namespace.is_some() && self.source() != CatalogueSource::CustomResources {
            return Err(format!("catalogue.namespace is set but catalogue.source is `{source}`"));
        }
        match self.refresh_seconds {
            0..=3_600 => Ok(()),
            seconds => Err(format!("catalogue.refresh_seconds is {seconds}, it must be 0 to 3600")),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogueSource {
    #[serde(rename = "datastorage")]
    DataStorage,
    CustomResources,
    Directory,
}

impl CatalogueSource {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DataStorage => "datastorage",
            Self::CustomResources => "custom_resources",
            Self::Directory => "directory",
        }
    }
}

#[cfg(test)]
mod tests;
