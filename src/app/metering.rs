//! Prices, budgets and the book of the day, as the configuration wants them.

use crate::config::Config;
use crate::metering::{Metering, PriceTable};
use crate::store::Store;

use super::AppError;
use super::current::Current;

/// Opens the book.
pub(super) async fn open(config: &Config, store: &Store) -> Result<Metering, AppError> {
    let section = config.cost.clone();
    let built = tokio::task::spawn_blocking(move || PriceTable::build(&section)).await;
    let prices = built.map_err(|_| AppError::Panicked("reading prices"))??;
    Ok(Metering::open(prices, config.budgets(), store.clone()).await?)
}

/// What the budgets cannot keep for the models that answer, one sentence each.
pub(super) fn unpriced(metering: &Metering, current: &Current) -> Vec<String> {
    let snapshot = current.get();
    metering.notices(snapshot.llm.as_deref().into_iter().flat_map(|llm| llm.models()))
}

pub(super) fn tell<'a>(notices: impl IntoIterator<Item = &'a String>) {
    for notice in notices {
        tracing::warn!(event = "cost_limit_without_price", notice, "a limit of money does not count every call");
    }
}
