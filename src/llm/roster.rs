//! What an investigation knows of the models that may answer: facts that shape its questions, apart from the connection.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::{Provider, StructuredOutput};
use super::exchange::Profile;

/// One model as an investigation sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelFacts {
    pub provider: Provider,
    /// As the provider knows it.
    pub model: String,
    pub structured_output: StructuredOutput,
    pub context_window_tokens: usize,
    /// Ceiling of an answer unless the request names another.
    pub output_tokens_max: u32,
}

/// Everybody who may answer: first of each phase, then who takes over, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    pub rca: ModelFacts,
    pub workflow_discovery: ModelFacts,
    pub fallbacks: Vec<ModelFacts>,
    /// Who sums up long results of tools, where somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<ModelFacts>,
}

/// A place in the chain of those who answer.
#[derive(Debug, Clone)]
pub(super) enum Chair {
    Taken(Arc<Profile>),
    /// Only the facts are known: a recording answers.
    Empty(ModelFacts),
}

impl Chair {
    /// Who really answers, where somebody does.
    pub(super) fn profile(&self) -> Option<&Arc<Profile>> {
        match self {
            Self::Taken(profile) => Some(profile),
            Self::Empty(_) => None,
        }
    }

    pub(super) fn facts(&self) -> ModelFacts {
        match self {
            Self::Empty(facts) => facts.clone(),
            Self::Taken(profile) => ModelFacts {
                provider: profile.whose(),
                model: profile.model().to_owned(),
                structured_output: profile.structured_output(),
                context_window_tokens: profile.context_window_tokens(),
                output_tokens_max: profile.output_tokens_max(),
            },
        }
    }

    pub(super) fn model(&self) -> &str {
        match self {
            Self::Taken(profile) => profile.model(),
            Self::Empty(facts) => &facts.model,
        }
    }

    pub(super) fn provider(&self) -> &'static str {
        match self {
            Self::Taken(profile) => profile.provider(),
            Self::Empty(facts) => facts.provider.as_str(),
        }
    }

    pub(super) fn structured_output(&self) -> StructuredOutput {
        match self {
            Self::Taken(profile) => profile.structured_output(),
            Self::Empty(facts) => facts.structured_output,
        }
    }

    pub(super) fn context_window_tokens(&self) -> usize {
        match self {
            Self::Taken(profile) => profile.context_window_tokens(),
            Self::Empty(facts) => facts.context_window_tokens,
        }
    }

    pub(super) fn output_tokens_max(&self) -> u32 {
        match self {
            Self::Taken(profile) => profile.output_tokens_max(),
            Self::Empty(facts) => facts.output_tokens_max,
        }
    }
}
