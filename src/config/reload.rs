//! `reload`: whether and how often the files are looked at again (operations §2.3 as settled by architecture §7).

use std::time::Duration;

use serde::Deserialize;

/// The `reload` section.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReloadConfig {
    /// Default true.
    pub enabled: bool,
    /// Between two looks at the contents, seconds. Default 5.
    pub poll_seconds: f64,
}

impl Default for ReloadConfig {
    fn default() -> Self {
        Self { enabled: true, poll_seconds: 5.0 }
    }
}

impl ReloadConfig {
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.poll_seconds.max(0.0))
    }
}
