//! `toolsets`: which optional groups of tools are offered, and where their servers are (operations §1.3.4).

use serde::Deserialize;

use super::alertmanager::AlertmanagerConfig;
use super::prometheus::PrometheusConfig;

/// The `toolsets` section. An absent group that needs an address is off, the others are on.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ToolsetsConfig {
    #[serde(rename = "kubernetes/core")]
    core: BuiltIn,
    #[serde(rename = "kubernetes/logs")]
    logs: BuiltIn,
    #[serde(rename = "kubernetes/live-metrics")]
    live_metrics: BuiltIn,
    #[serde(rename = "prometheus/metrics")]
    prometheus: Option<Toolset<PrometheusConfig>>,
    alertmanager: Option<Toolset<AlertmanagerConfig>>,
}

/// A group that needs nothing but the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BuiltIn {
    /// Default true.
    enabled: bool,
}

impl Default for BuiltIn {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// One group.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Toolset<C> {
    /// Default true: a group that is named is wanted.
    #[serde(default = "enabled_default")]
    enabled: bool,
    #[serde(default = "Option::default")]
    config: Option<C>,
}

fn enabled_default() -> bool {
    true
}

impl<C> Toolset<C> {
    fn wanted(&self) -> Option<&C> {
        self.config.as_ref().filter(|_| self.enabled)
    }

    fn lacks_config(&self) -> bool {
        self.enabled && self.config.is_none()
    }
}

impl ToolsetsConfig {
    /// Whether tools of this group may be offered.
    pub fn offers(&self, group: &str) -> bool {
        match group {
            "kubernetes/core" => self.core.enabled,
            "kubernetes/logs" => self.logs.enabled,
            "kubernetes/live-metrics" => self.live_metrics.enabled,
            _ => true,
        }
    }

    /// Where Prometheus is, when its tools are switched on.
    pub fn prometheus(&self) -> Option<&PrometheusConfig> {
        self.prometheus.as_ref().and_then(Toolset::wanted)
    }

    /// Where Alertmanager is, when its tools are switched on.
    pub fn alertmanager(&self) -> Option<&AlertmanagerConfig> {
        self.alertmanager.as_ref().and_then(Toolset::wanted)
    }

    /// # Errors
    /// A group that is switched on and lacks its address, or a value outside its range; the sentence names the key.
    pub fn check(&self) -> Result<(), String> {
        if self.prometheus.as_ref().is_some_and(Toolset::lacks_config) {
            return Err("toolsets.\"prometheus/metrics\" is enabled but has no config.prometheus_url".to_owned());
        }
        if self.alertmanager.as_ref().is_some_and(Toolset::lacks_config) {
            return Err("toolsets.alertmanager is enabled but has no config.alertmanager_url".to_owned());
        }
        self.prometheus().map_or(Ok(()), PrometheusConfig::check)?;
        self.alertmanager().map_or(Ok(()), AlertmanagerConfig::check)
    }
}
