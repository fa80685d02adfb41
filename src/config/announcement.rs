//! What is logged about a configuration that was read, or refused (operations §3.5).

use super::load::{Loaded, Loader};
use super::problem::ConfigError;

impl Loaded {
    /// One record for each file, and one for each thing an operator should know.
    pub fn announce(&self, loader: &Loader) {
        let path = loader.main_file().display();
        tracing::info!(event = "config_loaded", path = %path, hash = self.hashes.main, "configuration read");
        if let (Some(path), Some(hash)) = (loader.sdk_file(), &self.hashes.sdk) {
            tracing::info!(event = "sdk_config_loaded", path = %path.display(), hash, "models and tools read");
        }
        for notice in &self.notices {
            tracing::warn!(event = "config_notice", notice, "about the configuration");
        }
        self.warn_of_unknown_keys();
        if !self.ignored.is_empty() {
            let keys: Vec<String> = self.ignored.iter().map(|key| format!("{} ({})", key.path, key.reason)).collect();
            tracing::info!(event = "config_keys_ignored", keys = keys.join("; "), "keys without effect");
        }
        if !self.semantics_changed.is_empty() {
            let changes = self.semantics_changed.join("; ");
            tracing::warn!(event = "config_semantics_changed", changes, "keys that earlier versions did not act on");
        }
    }

    /// One record for each key that is left out because nobody knows it.
    pub fn warn_of_unknown_keys(&self) {
        for problem in &self.unknown {
            tracing::warn!(event = "config_key_unknown", problem = %problem, "a key that nobody knows");
        }
    }
}

impl ConfigError {
    /// One record for all of them.
    pub fn announce(&self) {
        tracing::error!(
            event = "config_invalid",
            problems = self.lines(),
            error_count = self.problems().len(),
            "the configuration cannot be used"
        );
    }

    /// A JSON list, one text for each problem.
    pub fn lines(&self) -> String {
        serde_json::Value::from(self.problems().iter().map(ToString::to_string).collect::<Vec<_>>()).to_string()
    }
}
