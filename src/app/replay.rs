//! Plays a recording: an investigation put together from the file, a store that is thrown away, and nobody else.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::AppError;
use super::current::read_tools;
use crate::analyser::{Analyser, GatherLimits};
use crate::audit::AuditTrail;
use crate::config::{ClusterConfig, Config};
use crate::investigation::InvestigatorParts;
use crate::llm::{Llm, LlmConfig};
use crate::recording::{self, Player, Pretence, Recording, Replayed};
use crate::store::{Access, Store, StoreLocation};
use crate::telemetry::Metrics;
use crate::tools::ToolsetsConfig;
use crate::tools::mcp::McpServers;

/// Where the tools of a recording would ask, if they were run: a name that never exists (RFC 2606).
const NOWHERE: &str = "http://recorded.invalid";

/// Plays it strictly, or with `model` really asked over the recorded rest.
///
/// # Errors
/// See [`AppError`]; a recording that contradicts itself is a configuration error.
pub async fn replay(recording: &Recording, model: Option<&LlmConfig>) -> Result<Replayed, AppError> {
    let player = Player::new(recording, model.is_some()).map_err(AppError::Configuration)?;
    let player = Arc::new(player);
    let Pretence { cluster, catalogue, enricher } = recording::parts(recording, &player);
    let config = configuration(recording)?;
    let llm = match model {
        Some(section) => Some(Llm::build(section)?),
        None => recording.models.clone().map(Llm::of_roster),
    };
    let metrics = Metrics::build()?;
    let store = Store::open(&StoreLocation::Temporary, Access::Serve).await?;
    let audit = AuditTrail::open(&config.audit, store.clone(), metrics.clone()).await?;
    let parts = InvestigatorParts {
        tools: read_tools(&config, &cluster)?,
        mcp: McpServers::default(),
        config: config.investigation,
        prompt: config.prompt,
        redact: config.redact,
        injection: config.injection,
        cluster,
        analyser: Analyser::new(GatherLimits::default()),
        enricher,
        catalogue,
        llm: llm.map(Arc::new),
        audit,
        metrics,
    };
    let replayed = recording::replay(recording, &player, parts).await;
    if let Err(error) = store.close().await {
        tracing::warn!(event = "store_not_closed", %error, "the temporary store did not close cleanly");
    }
    Ok(replayed)
}

/// The recorded settings, and the toolsets that were offered.
fn configuration(recording: &Recording) -> Result<Config, AppError> {
    let settings = recording.settings.clone();
    let offered = |(toolset, key): (&str, &str)| {
        let wanted = recording.toolsets.iter().any(|name| name == toolset);
        wanted.then(|| (toolset.to_owned(), json!({"config": {key: NOWHERE}})))
    };
    let remote = [("prometheus/metrics", "prometheus_url"), ("alertmanager", "alertmanager_url")];
    // Groups that were switched off are not offered now.
    let built_in = ["kubernetes/core", "kubernetes/logs", "kubernetes/live-metrics"].into_iter();
    let missing = built_in.filter(|group| !recording.toolsets.iter().any(|name| name == group));
    let off = missing.map(|group| (group.to_owned(), json!({"enabled": false})));
    let sections: Map<String, Value> = remote.into_iter().filter_map(offered).chain(off).collect();
    let toolsets: ToolsetsConfig = serde_json::from_value(Value::Object(sections))
        .map_err(|error| AppError::Configuration(format!("the recorded toolsets are not known: {error}")))?;
    let mut config = Config::standalone(ClusterConfig::default());
    config.investigation = settings.investigation;
    config.prompt = settings.prompt;
    config.redact = settings.redact;
    config.injection = settings.injection;
    config.toolsets = toolsets;
    Ok(config)
}
