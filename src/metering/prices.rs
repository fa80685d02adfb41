//! What tokens cost: prices by provider and model, in exact integers (operations §4.6).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::config::CostConfig;
use super::decimal::Decimal;
use crate::domain::money::scaled;
use crate::domain::{Cost, Money, Usage};
use crate::llm::config::Provider;

/// The compiled-in list.
const BUILT_IN: &str = include_str!("prices.yaml");
/// Largest price file read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Digits behind the point of the price of 1000 tokens: whole nano-dollars.
const DECIMALS: u32 = 9;
/// Digits behind the point that a price of a million tokens has less.
const MILLION_DECIMALS: u32 = 3;
/// Highest price of 1000 tokens, nano-dollars: what is above is a mistake of the unit.
const RATE_MAX: u64 = 1_000_000_000_000;
/// Prices are those of so many tokens.
const RATE_TOKENS: u128 = 1_000;

/// Prices that cannot be used, in one sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    #[error("cost.price_file {} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("cost.price_file {}: {reason}", path.display())]
    Invalid { path: PathBuf, reason: String },
    #[error("cost.prices: {0}")]
    Section(String),
    #[error("the compiled-in prices: {0}; this is a defect")]
    BuiltIn(String),
}

/// Provider → model, or the beginning of its name and `*` → price.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Prices(HashMap<Provider, HashMap<String, Listed>>);

/// One price as written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    prompt: Decimal,
    completion: Decimal,
    /// Tokens read from the provider's cache. Default as `prompt`.
    #[serde(default)]
    cached_prompt: Option<Decimal>,
    /// Tokens written to it. Default as `prompt`.
    #[serde(default)]
    cache_write: Option<Decimal>,
    /// Default as `completion`.
    #[serde(default)]
    reasoning: Option<Decimal>,
}

/// A file of prices.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceFile {
    /// Of which day they are.
    date: jiff::civil::Date,
    /// Where they are from.
    source: String,
    /// Tokens a price is for: 1000 (default) or 1000000.
    #[serde(default)]
    per_tokens: PerTokens,
    prices: Prices,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
enum PerTokens {
    #[default]
    Thousand,
    Million,
}

impl TryFrom<u64> for PerTokens {
    type Error = String;

    fn try_from(tokens: u64) -> Result<Self, String> {
        match tokens {
            1_000 => Ok(Self::Thousand),
            1_000_000 => Ok(Self::Million),
            other => Err(format!("per_tokens is {other}, it must be 1000 or 1000000")),
        }
    }
}

/// What 1000 tokens of each class cost, in nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    pub prompt: u64,
    pub cached_prompt: u64,
    pub cache_write: u64,
    pub completion: u64,
    pub reasoning: u64,
}

impl Price {
    /// The price of a call: each token in exactly one class, rounded once, to the nearest nano-dollar.
    pub fn of(&self, usage: &Usage) -> Money {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let written = usage.cache_write_tokens.min(usage.prompt_tokens - cached);
        let reasoning = usage.reasoning_tokens.min(usage.completion_tokens);
        let classes = [
            (usage.prompt_tokens - cached - written, self.prompt),
            (cached, self.cached_prompt),
            (written, self.cache_write),
            (usage.completion_tokens - reasoning, self.completion),
            (reasoning, self.reasoning),
        ];
        let sum: u128 = classes.iter().map(|(tokens, rate)| u128::from(*tokens) * u128::from(*rate)).sum();
        Money::from_nano_dollars(u64::try_from((sum + RATE_TOKENS / 2) / RATE_TOKENS).unwrap_or(u64::MAX))
    }

    fn is_free(&self) -> bool {
        let Self { prompt, cached_prompt, cache_write, completion, reasoning } = *self;
        [prompt, cached_prompt, cache_write, completion, reasoning].iter().all(|rate| *rate == 0)
    }
}

/// All prices: those of the configuration, of the price file, and the compiled-in ones, asked in this order.
#[derive(Debug, Clone, Default)]
pub struct PriceTable(Vec<List>);

/// Prices from one place.
#[derive(Debug, Clone)]
struct List {
    /// For people: where from, of which day.
    name: String,
    /// Of each provider; longest names first, and a whole name before the same with `*`.
    prices: HashMap<&'static str, Vec<(String, Price)>>,
}

impl PriceTable {
    /// Reads the price file, where one is named; blocks on it.
    ///
    /// # Errors
    /// See [`PriceError`].
    pub fn build(config: &CostConfig) -> Result<Self, PriceError> {
        let own = List::of("the configuration", &config.prices, PerTokens::Thousand).map_err(PriceError::Section)?;
        let file = config.price_file.as_deref().map(List::read).transpose()?;
        let built_in = List::parse("compiled in", BUILT_IN).map_err(PriceError::BuiltIn)?;
        let lists = [Some(own).filter(|list| !list.prices.is_empty()), file, Some(built_in)];
        Ok(Self(lists.into_iter().flatten().collect()))
    }

    /// Where prices are looked for, in this order.
    pub fn sources(&self) -> Vec<&str> {
        self.0.iter().map(|list| list.name.as_str()).collect()
    }

    /// The price of a model: that of the first list that has one, there that of the longest name.
    pub fn price(&self, provider: &str, model: &str) -> Option<Price> {
        self.0.iter().find_map(|list| list.price(provider, model))
    }

    /// What a call cost. Not known without a price, nor without token counts unless the model is free.
    pub fn cost(&self, provider: &str, model: &str, usage: &Usage) -> Cost {
        match self.price(provider, model) {
            Some(price) if usage.total() > 0 || price.is_free() => Cost::of(price.of(usage)),
            _ => Cost::unknown(usage.total()),
        }
    }
}

impl List {
    fn read(path: &Path) -> Result<Self, PriceError> {
        let unreadable = |reason: String| PriceError::Unreadable { path: path.to_owned(), reason };
        let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > FILE_BYTES_MAX {
            return Err(unreadable(format!("{size} bytes, the most is {FILE_BYTES_MAX}")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let invalid = |reason| PriceError::Invalid { path: path.to_owned(), reason };
        Self::parse(&path.display().to_string(), &text).map_err(invalid)
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let file: PriceFile =
            serde_saphyr::from_str(text).map_err(|error| error.without_snippet().to_string().replace('\n', " "))?;
        let name = format!("{name}, of {} ({})", file.date, file.source);
        Self::of(&name, &file.prices, file.per_tokens)
    }

    fn of(name: &str, listed: &Prices, per: PerTokens) -> Result<Self, String> {
        let mut prices: HashMap<&'static str, Vec<(String, Price)>> = HashMap::new();
        for (provider, model, listed) in listed.iter() {
            let price = listed.price(per).map_err(|problem| format!("{}.{model}: {problem}", provider.as_str()))?;
            prices.entry(provider.as_str()).or_default().push((model.to_owned(), price));
        }
        for models in prices.values_mut() {
            let longest = |model: &str| (model.trim_end_matches('*').len(), !model.ends_with('*'));
            models.sort_by_key(|(model, _)| std::cmp::Reverse(longest(model)));
        }
        Ok(Self { name: name.to_owned(), prices })
    }

    fn price(&self, provider: &str, model: &str) -> Option<Price> {
        let is_meant = |named: &str| named.strip_suffix('*').map_or(named == model, |start| model.starts_with(start));
        self.prices.get(provider)?.iter().find(|(named, _)| is_meant(named)).map(|(_, price)| *price)
    }
}

impl Prices {
    fn iter(&self) -> impl Iterator<Item = (Provider, &str, &Listed)> {
        let models = |(provider, models): (&Provider, _)| (*provider, models);
        let each = self.0.iter().map(models);
        each.flat_map(|(provider, models): (Provider, &HashMap<String, Listed>)| {
            models.iter().map(move |(model, listed)| (provider, model.as_str(), listed))
        })
    }

    /// What is wrong with prices of 1000 tokens.
    pub(super) fn check(&self) -> Result<(), String> {
        List::of("", self, PerTokens::Thousand).map(drop)
    }
}

impl Listed {
    fn price(&self, per: PerTokens) -> Result<Price, String> {
        let rate = |name: &str, Decimal(text): &Decimal| {
            let decimals = match per {
                PerTokens::Thousand => DECIMALS,
                PerTokens::Million => DECIMALS - MILLION_DECIMALS,
            };
            let rate = scaled(text, decimals).filter(|rate| *rate <= RATE_MAX);
            rate.ok_or_else(|| format!("{name} is {text}, not a price in dollars with at most {decimals} decimals"))
        };
        let or = |name: &str, own: &Option<Decimal>, other: u64| own.as_ref().map_or(Ok(other), |own| rate(name, own));
        let (prompt, completion) = (rate("prompt", &self.prompt)?, rate("completion", &self.completion)?);
        Ok(Price {
            prompt,
            cached_prompt: or("cached_prompt", &self.cached_prompt, prompt)?,
            cache_write: or("cache_write", &self.cache_write, prompt)?,
            completion,
            reasoning: or("reasoning", &self.reasoning, completion)?,
        })
    }
}

#[cfg(test)]
mod tests;
