//! What calls to a model cost, in tokens.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::money::Cost;

/// Tokens of one call, or with `+=` of many. The classes that providers bill differently are parts of the two sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Everything the model was given, the next two included.
    pub prompt_tokens: u64,
    /// Part of the prompt that was read from the provider's cache.
    pub cached_tokens: u64,
    /// Part of the prompt that was written to the provider's cache.
    pub cache_write_tokens: u64,
    /// Everything the model produced, reasoning included.
    pub completion_tokens: u64,
    /// Part of the answer that was reasoning.
    pub reasoning_tokens: u64,
}

impl Usage {
    pub fn total(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// Share of the prompt that came from the cache, in per cent; 0 without a prompt.
    pub fn cached_percent(&self) -> u64 {
        self.cached_tokens.saturating_mul(100).checked_div(self.prompt_tokens).unwrap_or_default().min(100)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.prompt_tokens, other.prompt_tokens);
        add(&mut self.cached_tokens, other.cached_tokens);
        add(&mut self.cache_write_tokens, other.cache_write_tokens);
        add(&mut self.completion_tokens, other.completion_tokens);
        add(&mut self.reasoning_tokens, other.reasoning_tokens);
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// What one phase of an investigation cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseUsage {
    /// `rca` or `workflow_selection`.
    pub phase: String,
    /// Answers of the model.
    pub turns: u32,
    /// Tools that were run.
    pub tool_calls: u32,
    pub usage: Usage,
    /// What that came to; `None` in records of earlier releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// From the first question to the last answer, tools included, in milliseconds.
    pub wall_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_class_and_a_share_that_is_always_one() {
        let one = Usage {
            prompt_tokens: 1_000,
            cached_tokens: 600,
            cache_write_tokens: 100,
            completion_tokens: 50,
            reasoning_tokens: 20,
        };
        let sum: Usage = [one, Usage { prompt_tokens: 1_000, ..Usage::default() }].into_iter().sum();
        assert_eq!(sum, Usage { prompt_tokens: 2_000, ..one });
        assert_eq!((sum.total(), sum.cached_percent()), (2_050, 30));
        assert_eq!(Usage::default().cached_percent(), 0);
        assert_eq!(Usage { prompt_tokens: 10, cached_tokens: 11, ..Usage::default() }.cached_percent(), 100);
    }
}
