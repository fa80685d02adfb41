//! Sections `cost` and `budget` of the configuration (operations §1.3.5, §4.6, §8.4 item 8).

use std::path::PathBuf;

use serde::Deserialize;

use super::budget::{Level, Limit, Resource, Scope, Spending};
use super::decimal;
use super::prices::Prices;
use crate::domain::Money;

/// The only currency amounts are told in.
const CURRENCY: &str = "USD";
/// From this share of a budget on a model is told to conclude, per cent.
const NEAR_PERCENT: u128 = 80;

/// `cost`: what tokens cost.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CostConfig {
    /// `USD` (default), nothing else: the names of metrics and budgets say dollars.
    pub currency: Option<String>,
    /// Prices of 1000 tokens in dollars by provider and model, or the beginning of its name and `*`. Win over the file and
    /// over the compiled-in list.
    pub prices: Prices,
    /// A YAML file of the form of the compiled-in list; wins over that.
    pub price_file: Option<PathBuf>,
    /// Another name of `budget.day.cost_usd`.
    #[serde(deserialize_with = "decimal::money")]
    pub daily_limit_usd: Money,
    /// Not built; refused.
    pub fallback_model: Option<String>,
}

impl CostConfig {
    /// What is wrong with the values, in one sentence naming the key.
    ///
    /// # Errors
    /// Another currency, a fallback model, a price that cannot be.
    pub fn check(&self) -> Result<(), String> {
        if let Some(currency) = self.currency.as_deref().filter(|currency| *currency != CURRENCY) {
            return Err(format!("cost.currency is {currency:?}, only USD is understood: convert the prices"));
        }
        if self.fallback_model.is_some() {
            return Err(
                "cost.fallback_model is not built: when cost.daily_limit_usd is used up new investigations are \
                        refused; leave it out"
                    .to_owned(),
            );
        }
        self.prices.check().map_err(|problem| format!("cost.prices: {problem}"))
    }
}

/// `budget`: how much may be spent. Zero, the default of every value, is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// Of one investigation. At four fifths the model is told to conclude, at the whole it may only submit.
    pub investigation: Budget,
    /// Of the whole service from midnight to midnight, UTC. Used up: new investigations are refused, running ones conclude.
    pub day: Budget,
    /// The same for each caller.
    pub caller_day: Budget,
}

/// One budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Prompt and completion tokens.
    pub tokens: u64,
    /// Dollars. Calls of models without a price do not count.
    #[serde(deserialize_with = "decimal::money")]
    pub cost_usd: Money,
    /// Answers of a model.
    pub calls: u64,
    /// Wall time of investigations, without waiting for a slot, seconds.
    pub seconds: u64,
}

impl BudgetConfig {
    /// Whether any budget is one of money.
    pub fn limits_money(&self) -> bool {
        [self.investigation, self.day, self.caller_day].iter().any(|budget| budget.cost_usd > Money::ZERO)
    }
}

impl Budget {
    /// How far it is used.
    pub fn level(&self, scope: Scope, spent: &Spending) -> Level {
        let used = [
            (Resource::Tokens, spent.tokens, self.tokens),
            (Resource::Money, spent.cost.priced.nano_dollars(), self.cost_usd.nano_dollars()),
            (Resource::Calls, spent.calls, self.calls),
            (Resource::Time, spent.wall_ms, self.seconds.saturating_mul(1_000)),
        ];
        Level::worst(used.map(|(resource, spent, most)| {
            let limit = Limit { scope, resource };
            match most {
                0 => Level::Within,
                most if spent >= most => Level::Over(limit),
                most if u128::from(spent) * 100 >= u128::from(most) * NEAR_PERCENT => Level::Near(limit),
                _ => Level::Within,
            }
        }))
    }
}
