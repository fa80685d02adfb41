//! What the model cost, as JSON shows it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Cost, Money};

/// Cost of the model's answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = Cost)]
pub struct CostView {
    /// Dollars, six decimals; null when nothing is known. A lower bound when `unpriced_calls` is not 0.
    #[schema(nullable = true, required = true)]
    usd: Option<f64>,
    /// Answers whose cost is not known.
    unpriced_calls: u64,
    /// Their tokens.
    unpriced_tokens: u64,
}

impl From<Cost> for CostView {
    fn from(cost: Cost) -> Self {
        Self {
            usd: cost.at_least().map(Money::dollars),
            unpriced_calls: cost.unpriced_calls,
            unpriced_tokens: cost.unpriced_tokens,
        }
    }
}
