//! What investigations begin with. It is built anew when the configuration changes; an investigation keeps what it began
//! with, through all phases and retries (operations §2.4).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::AppError;
use crate::analyser::{Analyser, GatherLimits};
use crate::audit::AuditTrail;
use crate::catalogue::Catalogue;
use crate::cluster::{Cluster, ConfinedCluster};
use crate::config::Config;
use crate::datastorage::DataStorage;
use crate::domain::{Incident, Investigation};
use crate::enrichment::{Enricher, EnrichmentConfig, HistorySource, RemoteHistory, Retrying};
use crate::investigation::{InvestigationConfig, InvestigationError, Investigator, InvestigatorParts, RunContext};
use crate::llm::Llm;
use crate::metering::Metering;
use crate::recording::RecordedInvestigator;
use crate::sessions::Work;
use crate::settings::Setting;
use crate::telemetry::Metrics;
use crate::tools::alertmanager::AlertmanagerClient;
use crate::tools::mcp::McpPool;
use crate::tools::prometheus::PrometheusClient;
use crate::tools::{self, ToolSet};

/// Who investigates.
#[derive(Clone)]
enum Runner {
    Plain(Investigator),
    /// Every run is written down (`--record`).
    Recorded(RecordedInvestigator),
}

impl Runner {
    async fn investigate(&self, incident: &Incident, run: &RunContext) -> Result<Investigation, InvestigationError> {
        match self {
            Self::Plain(investigator) => investigator.investigate(incident, run).await,
            Self::Recorded(investigator) => investigator.investigate(incident, run).await,
        }
    }
}

/// One configuration's investigator, and the model it asks.
#[derive(Clone)]
pub struct Snapshot {
    runner: Runner,
    /// Where one is configured and may answer.
    pub llm: Option<Arc<Llm>>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("llm", &self.llm).finish_non_exhaustive()
    }
}

/// The snapshot that new investigations begin with. Clones share it.
#[derive(Debug, Clone)]
pub struct Current(Setting<Snapshot>);

impl Current {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self(Setting::new(snapshot))
    }

    /// The one that counts now.
    pub fn get(&self) -> Arc<Snapshot> {
        self.0.get()
    }

    pub(super) fn swap(&self, snapshot: Snapshot) {
        self.0.set(snapshot);
    }

    /// Each run takes the snapshot that counts when it starts, and no other.
    pub(super) fn work(&self) -> Work {
        let current = self.clone();
        Work::new(move |incident, run| {
            let snapshot = current.get();
            async move { snapshot.runner.investigate(&incident, &run).await }
        })
    }
}

/// What outlives every configuration.
#[derive(Debug, Clone)]
pub(super) struct Singletons {
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) catalogue: Arc<dyn Catalogue>,
    pub(super) data_storage: Option<DataStorage>,
    pub(super) audit: AuditTrail,
    /// MCP servers that are in use.
    pub(super) mcp: McpPool,
    pub(super) metering: Metering,
    pub(super) metrics: Metrics,
}

impl Singletons {
    /// Builds what a configuration asks for. `llm` is one that serves already and suits it. Reads files; asks nobody.
    ///
    /// # Errors
    /// A model or a group of tools that cannot work.
    pub(super) fn snapshot(&self, config: &Config, llm: Option<Arc<Llm>>) -> Result<Snapshot, AppError> {
        let llm = match (config.model(), llm) {
            (None, _) => None,
            (Some(_), Some(llm)) => Some(llm),
            (Some(section), None) => Some(Arc::new(Llm::build(section)?.reporting_to(&self.metrics))),
        };
        let parts = InvestigatorParts {
            config: config.investigation.clone(),
            prompt: config.prompt,
            redact: config.redact,
            injection: config.injection,
            cluster: Arc::clone(&self.cluster),
            analyser: Analyser::new(GatherLimits::default()),
            enricher: enricher(&config.investigation, self.data_storage.as_ref()),
            catalogue: Arc::clone(&self.catalogue),
            llm: llm.clone(),
            tools: read_tools(config, &self.cluster)?,
            mcp: self.mcp.servers(&config.mcp_servers)?,
            audit: self.audit.clone(),
            metrics: self.metrics.clone(),
        };
        let runner = match &config.record {
            Some(directory) => Runner::Recorded(RecordedInvestigator::new(parts, directory)),
            None => Runner::Plain(Investigator::new(parts)),
        };
        Ok(Snapshot { runner, llm })
    }
}

/// What a model may look at, in the order it is offered.
pub(super) fn read_tools(config: &Config, cluster: &Arc<dyn Cluster>) -> Result<ToolSet, AppError> {
    let confined = ConfinedCluster::around(Arc::clone(cluster), &config.investigation.namespaces);
    let config = &config.toolsets;
    let offered = tools::kubernetes::tools(confined).into_iter().filter(|tool| config.offers(tool.toolset()));
    let mut tools = ToolSet::new(offered);
    if let Some(prometheus) = config.prometheus() {
        tools = tools.with(tools::prometheus::tools(Arc::new(PrometheusClient::build(prometheus)?)));
    }
    if let Some(alertmanager) = config.alertmanager() {
        tools = tools.with(tools::alertmanager::tools(Arc::new(AlertmanagerClient::build(alertmanager)?)));
    }
    Ok(tools)
}

fn enricher(config: &InvestigationConfig, data_storage: Option<&DataStorage>) -> Enricher {
    let base = Duration::from_millis(config.enrichment_base_backoff_ms);
    let retrying = Retrying::new(config.enrichment_max_retries, base);
    let history =
        |client: &DataStorage| Arc::new(RemoteHistory::new(client.clone(), retrying)) as Arc<dyn HistorySource>;
    Enricher::new(EnrichmentConfig { retrying, ..EnrichmentConfig::default() }, data_storage.map(history))
}
