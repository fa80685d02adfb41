//! Prices, budgets and the book of the day, as the configuration wants them.

use crate::config::Config;
use crate::llm::Llm;
use crate::metering::{Metering, PriceTable};
use crate::store::Store;

use super::AppError;

/// Builds it, and tells once what the budgets cannot keep.
pub(super) async fn open(config: &Config, llm: Option<&Llm>, store: &Store) -> Result<Metering, AppError> {
    let section = config.cost.clone();
    let built = tokio::task::spawn_blocking(move || PriceTable::build(&section)).await;
    let prices = built.map_err(|_| AppError::Panicked("reading prices"))??;
    let metering = Metering::open(prices, config.budgets(), store.clone()).await?;
    for notice in metering.notices(llm.into_iter().flat_map(Llm::models)) {
        tracing::warn!(event = "cost_limit_without_price", notice, "a limit of money does not count every call");
    }
    Ok(metering)
}
