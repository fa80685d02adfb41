//! What happens to the configuration while the service runs.

use super::Metrics;
use super::labels::{ConfigFault, ConfigSource, ReloadResult};

/// Hexadecimal digits of a hash in a label.
const HASH_DIGITS: usize = 16;

impl Metrics {
    /// The active configuration of a source is this one, a SHA-256 in hexadecimal digits, and no longer `previous`.
    pub fn config_active(&self, source: ConfigSource, hash: &str, previous: Option<&str>) {
        let families = &self.0.families.config;
        let short = |hash: &str| hash.get(..HASH_DIGITS).unwrap_or(hash).to_owned();
        if let Some(previous) = previous.map(short) {
            // One that was never told is no fault.
            let _ = families.info.remove_label_values(&[source.as_str(), &previous]);
        }
        families.info.with_label_values(&[source.as_str(), &short(hash)]).set(1);
        families.rejected.with_label_values(&[source.as_str()]).set(0);
    }

    /// A look at a source that rejected nothing. `at` is Unix time, seconds.
    pub fn config_looked_at(&self, source: ConfigSource, result: ReloadResult, at: i64) {
        let families = &self.0.families.config;
        families.reloads.with_label_values(&[source.as_str(), result.as_str()]).inc();
        if result == ReloadResult::Applied {
            families.last_reload.with_label_values(&[source.as_str()]).set(at);
            self.old_config_taken_over(at);
        }
    }

    /// What is on disk was rejected.
    pub fn config_rejected(&self, source: ConfigSource, fault: ConfigFault) {
        let families = &self.0.families.config;
        families.reload_errors.with_label_values(&[source.as_str(), fault.as_str()]).inc();
        families.rejected.with_label_values(&[source.as_str()]).set(1);
        self.old_config_rejected();
    }

    /// What is on disk is what is active, again.
    pub fn config_agrees(&self, source: ConfigSource) {
        self.0.families.config.rejected.with_label_values(&[source.as_str()]).set(0);
    }
}
