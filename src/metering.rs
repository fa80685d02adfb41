//! What calls to a model cost, and how much may be spent (operations §4.6, §8.4 item 8; investigation §1.5.2, §2.8).
//!
//! [`PriceTable`] turns tokens into money. [`Metering`] keeps the book of the day: what every caller and the whole service
//! used since midnight UTC, in memory to be asked and in the store to survive a restart. A [`RunMeter`] is the meter of one
//! investigation. Prices and the budgets of days may change at once; an investigation keeps the budget it began with. Budgets
//! and book are pure; only this page and the meter know the clock and the store.

mod book;
mod budget;
mod config;
mod decimal;
mod prices;
mod run;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use budget::{Exhausted, Level, Limit, Resource, Scope, Spending};
pub use config::{Budget, BudgetConfig, CostConfig};
pub use prices::{Price, PriceError, PriceTable};
pub use run::{Entry, RunMeter};

use crate::domain::{Cost, Money};
use crate::settings::Setting;
use crate::store::{SpendingRow, Store, StoreError};
use book::Book;

/// Prices, budgets and the book of the day. Clones share them. The default knows no price, limits nothing and is kept nowhere.
#[derive(Debug, Clone, Default)]
pub struct Metering(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    terms: Setting<Terms>,
    book: Mutex<Book>,
    /// `None` where nothing has to survive.
    store: Option<Store>,
}

/// What a call costs now, and what may be spent.
#[derive(Debug, Default)]
struct Terms {
    prices: PriceTable,
    budgets: BudgetConfig,
}

impl Metering {
    /// Goes on with the day as an earlier process left it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn open(prices: PriceTable, budgets: BudgetConfig, store: Store) -> Result<Self, StoreError> {
        let today = book::day_of(Timestamp::now());
        let rows = store.spending_of(today).await?;
        let book = Mutex::new(Book::of(today, rows.into_iter().map(|row| (row.caller.clone(), spending(&row)))));
        let terms = Setting::new(Terms { prices, budgets });
        Ok(Self(Arc::new(Inner { terms, book, store: Some(store) })))
    }

    /// Other prices and budgets from now on (operations §2.5). What was spent today stays; investigations that run keep their
    /// own budget.
    pub fn set_terms(&self, prices: PriceTable, budgets: BudgetConfig) {
        self.0.terms.set(Terms { prices, budgets });
    }

    /// Whether another investigation of this caller may begin.
    ///
    /// # Errors
    /// The budget of the day, the service's or the caller's, is used up.
    pub fn admits(&self, caller: &str) -> Result<(), Exhausted> {
        let now = Timestamp::now();
        let (service, own) = self.book().spent(book::day_of(now), caller);
        let budgets = self.0.terms.get().budgets;
        let levels = [budgets.day.level(Scope::Day, &service), budgets.caller_day.level(Scope::CallerDay, &own)];
        match Level::worst(levels) {
            Level::Over(limit) => Err(Exhausted { limit, seconds_left: book::seconds_to_midnight(now) }),
            Level::Within | Level::Near(_) => Ok(()),
        }
    }

    /// The meter of an investigation that begins now.
    pub fn begin(&self, caller: &str) -> RunMeter {
        RunMeter::begin(self.clone(), caller)
    }

    /// What everybody, and this caller, spent today.
    pub fn spent_today(&self, caller: &str) -> (Spending, Spending) {
        self.book().spent(book::day_of(Timestamp::now()), caller)
    }

    /// Says what the budgets cannot keep: money is limited, but these models have no price (provider and model each).
    pub fn notices<'a>(&self, models: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
        let terms = self.0.terms.get();
        notices(&terms.prices, &terms.budgets, models)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an entry of the book durable. One that cannot be stored counts until the end of the process.
    async fn keep(&self, row: SpendingRow) {
        let Some(store) = &self.0.store else { return };
        if let Err(error) = store.spend(row).await {
            tracing::error!(event = "spending_write_failed", error = %error, "what was spent is not stored");
        }
    }
}

/// The same for prices and budgets that are not in use yet.
pub fn notices<'a>(
    prices: &PriceTable,
    budgets: &BudgetConfig,
    models: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<String> {
    if !budgets.limits_money() {
        return Vec::new();
    }
    let mut told = Vec::new();
    for (provider, model) in models {
        let notice = format!(
            "money is limited but {model} of {provider} has no price: its calls do not count towards that limit; \
             cost.prices.{provider} can name one"
        );
        if prices.price(provider, model).is_none() && !told.contains(&notice) {
            told.push(notice);
        }
    }
    told
}

fn spending(row: &SpendingRow) -> Spending {
    Spending {
        calls: row.calls,
        tokens: row.tokens,
        cost: Cost {
            priced: Money::from_nano_dollars(row.nano_dollars),
            unpriced_calls: row.unpriced_calls,
            unpriced_tokens: row.unpriced_tokens,
        },
        wall_ms: row.wall_ms,
    }
}

#[cfg(test)]
mod tests;
