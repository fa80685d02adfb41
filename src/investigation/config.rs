//! Section `investigation` of the configuration (operations §1.3.5, architecture §6).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Who answers, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InvestigationConfig {
    /// `auto` (default), `model` or `analyser`.
    pub engine: EngineChoice,
    /// Wall-clock budget of one investigation, queue time included, seconds, 10..=3600. Default 540: the calling
    /// controller gives up after ten minutes.
    pub timeout_seconds: u64,
}

impl Default for InvestigationConfig {
    fn default() -> Self {
        Self { engine: EngineChoice::Auto, timeout_seconds: 540 }
    }
}

impl InvestigationConfig {
    /// The budget as a duration.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }

    /// What is wrong with the values, in one sentence naming the key.
    ///
    /// # Errors
    /// A time outside its range.
    pub fn check(&self) -> Result<(), String> {
        if (10..=3600).contains(&self.timeout_seconds) {
            Ok(())
        } else {
            Err("investigation.timeout_seconds must be between 10 and 3600".to_owned())
        }
    }
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The model when one is configured and answers, else the analyser; when it stands in, the result says so.
    #[default]
    Auto,
    /// The model only; without its answer the investigation fails.
    Model,
    /// The analyser only.
    Analyser,
}

impl EngineChoice {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Model => "model",
            Self::Analyser => "analyser",
        }
    }
}
