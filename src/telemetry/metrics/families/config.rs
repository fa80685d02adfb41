//! Families of the configuration and its reload (operations §4.4).

use prometheus::{IntCounterVec, IntGaugeVec};

use super::{MetricsError, Registrar};
use crate::telemetry::metrics::labels::{ConfigFault, ConfigSource, ReloadResult};

#[derive(Debug)]
pub(in crate::telemetry::metrics) struct ConfigFamilies {
    pub(in crate::telemetry::metrics) reloads: IntCounterVec,
    pub(in crate::telemetry::metrics) reload_errors: IntCounterVec,
    pub(in crate::telemetry::metrics) last_reload: IntGaugeVec,
    pub(in crate::telemetry::metrics) info: IntGaugeVec,
    pub(in crate::telemetry::metrics) rejected: IntGaugeVec,
}

impl ConfigFamilies {
    pub(super) fn register(r: &Registrar) -> Result<Self, MetricsError> {
        let families = Self {
            reloads: r.counters(
                "aiagent_api_config_reload_total",
                "Looks at the configuration that took it over or found it unchanged",
                &["source", "result"],
            )?,
            reload_errors: r.counters(
                "aiagent_api_config_reload_errors_total",
                "Configurations that were rejected",
                &["source", "reason"],
            )?,
            last_reload: r.gauges(
                "aiagent_api_config_last_reload_timestamp_seconds",
                "When a configuration was last taken over, Unix time",
                &["source"],
            )?,
            info: r.gauges("aiagent_api_config_info", "The active configuration; always 1", &["source", "hash"])?,
            rejected: r.gauges(
                "aiagent_api_config_rejected",
                "1 while what is on disk is not what is active",
                &["source"],
            )?,
        };
        for source in ConfigSource::ALL {
            for result in ReloadResult::ALL {
                families.reloads.with_label_values(&[source.as_str(), result.as_str()]);
            }
            for fault in ConfigFault::ALL {
                families.reload_errors.with_label_values(&[source.as_str(), fault.as_str()]);
            }
            families.rejected.with_label_values(&[source.as_str()]);
        }
        Ok(families)
    }
}
