//! The meter of one investigation.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::budget::{Level, Scope, Spending};
use super::{Budget, Metering, book};
use crate::domain::{Cost, Usage};
use crate::store::SpendingRow;

/// Counts what an investigation spends, and says how far that goes. Clones count for the same one.
#[derive(Debug, Clone)]
pub struct RunMeter(Arc<Run>);

#[derive(Debug)]
struct Run {
    metering: Metering,
    caller: String,
    began: Instant,
    /// Of this investigation, as it was when it began.
    budget: Budget,
    account: Mutex<Account>,
}

#[derive(Debug, Default)]
struct Account {
    spent: Spending,
    /// How much of the wall time is in the book already.
    timed: Duration,
}

/// Something that counts already and is not durable yet.
#[derive(Debug)]
#[must_use = "to be kept"]
pub struct Entry(SpendingRow);

impl RunMeter {
    pub(super) fn begin(metering: Metering, caller: &str) -> Self {
        let (account, budget) = (Mutex::default(), metering.0.terms.get().budgets.investigation);
        Self(Arc::new(Run { metering, caller: caller.to_owned(), began: Instant::now(), budget, account }))
    }

    /// The budget of one investigation.
    pub fn budget(&self) -> Budget {
        self.0.budget
    }

    /// A model answered: what that cost. Counts from now on, and again after a restart once it is kept.
    pub fn answered(&self, provider: &str, model: &str, usage: &Usage) -> (Cost, Entry) {
        let cost = self.0.metering.0.terms.get().prices.cost(provider, model, usage);
        (cost, self.enter(Spending { calls: 1, tokens: usage.total(), cost, wall_ms: 0 }))
    }

    /// When the investigation began, without waiting for a slot.
    pub fn began(&self) -> Instant {
        self.0.began
    }

    /// Makes an entry durable.
    pub async fn keep(&self, entry: Entry) {
        self.0.metering.keep(entry.0).await;
    }

    /// The investigation is over: the rest of its time.
    pub async fn settle(&self) {
        let entry = self.enter(Spending::default());
        self.keep(entry).await;
    }

    /// How far the budgets are used that this investigation draws on.
    pub fn level(&self) -> Level {
        let Run { metering, caller, began, budget, .. } = self.0.as_ref();
        let own = Spending { wall_ms: millis(began.elapsed()), ..self.account().spent };
        let (service, callers) = metering.spent_today(caller);
        let budgets = metering.0.terms.get().budgets;
        Level::worst([
            budget.level(Scope::Investigation, &own),
            budgets.day.level(Scope::Day, &service),
            budgets.caller_day.level(Scope::CallerDay, &callers),
        ])
    }

    /// Enters something, and the time since the last entry.
    fn enter(&self, more: Spending) -> Entry {
        let Run { metering, caller, began, .. } = self.0.as_ref();
        let more = {
            let mut account = self.account();
            let elapsed = began.elapsed();
            let wall_ms = millis(elapsed).saturating_sub(millis(account.timed));
            account.timed = elapsed;
            let more = Spending { wall_ms, ..more };
            account.spent += more;
            more
        };
        let (day, caller) = metering.book().enter(book::day_of(Timestamp::now()), caller, more);
        let Spending { calls, tokens, cost, wall_ms } = more;
        Entry(SpendingRow {
            day,
            caller,
            calls,
            tokens,
            unpriced_calls: cost.unpriced_calls,
            unpriced_tokens: cost.unpriced_tokens,
            nano_dollars: cost.priced.nano_dollars(),
            wall_ms,
        })
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.0.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
