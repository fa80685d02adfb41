//! What was spent, behind the handle.

use super::rows::SpendingRow;
use super::writer::Write;
use super::{Store, StoreError, sqlite};

impl Store {
    /// Adds to the account of a caller and a day; accounts of 400 days earlier are forgotten.
    ///
    /// # Errors
    /// Nothing was added.
    pub async fn spend(&self, row: SpendingRow) -> Result<(), StoreError> {
        self.permit().await?.queue(Write::Spend(row)).committed().await.map(drop)
    }

    /// The accounts of a day, by caller.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn spending_of(&self, day: i64) -> Result<Vec<SpendingRow>, StoreError> {
        sqlite::spending_of(&self.0.readers, day).await
    }
}
