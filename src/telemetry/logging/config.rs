//! `logging` section (operations §1.3.1).

use serde::{Deserialize, Deserializer, Serialize};
use tracing::level_filters::LevelFilter;

/// How much is logged, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// `DEBUG`, `INFO`, `WARN`/`WARNING`, `ERROR` or `TRACE`, in any case. Default `INFO`. Live.
    pub level: Level,
    /// `json` (default) or `text`.
    pub format: Format,
    /// Keep lines about answered probes at debug level. Default true.
    pub sample_health: bool,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { level: Level::Info, format: Format::Json, sample_health: true }
    }
}

/// Least important level that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// Reads any accepted spelling, ignoring case.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_ascii_lowercase().as_str() {
            "trace" => Self::Trace,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "error" => Self::Error,
            _ => return None,
        })
    }

    /// Libraries are one level quieter than we are, and silent about the ordinary at `INFO`.
    pub(super) fn library_level(self) -> LevelFilter {
        match self {
            Self::Trace => LevelFilter::DEBUG,
            Self::Debug => LevelFilter::INFO,
            Self::Info | Self::Warn => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
        }
    }
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::TRACE,
            Level::Debug => Self::DEBUG,
            Level::Info => Self::INFO,
            Level::Warn => Self::WARN,
            Level::Error => Self::ERROR,
        }
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("unknown log level {text:?}: use TRACE, DEBUG, INFO, WARN or ERROR"))
        })
    }
}

/// Form of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Json,
    Text,
}
